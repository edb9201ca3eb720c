// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Reads and writes of this process as its libraries issue them (casacore, HDF5, cfitsio, our own), each with the task it was for.
///
/// io_trace.cpp stands in for the C library's read, pread, write, pwrite, writev, fread, fwrite and close: the dynamic linker gives the
/// program's own definitions to every library, and those call the next ones in line, so that preloaded tools (Darshan, DFTracer) still
/// see everything. Chosen over casacore's hooks, which see casacore only, and over counting in our own code, which sees neither sizes nor
/// offsets of what reaches the operating system.
#include <cstdint>
#include <string>
#include <vector>

namespace fringeflow::runtime {

enum class IoCall : uint8_t { read, pread, write, pwrite, fread, fwrite };
const char* name_of(IoCall call);
inline bool is_read(IoCall call) {
  return call == IoCall::read || call == IoCall::pread || call == IoCall::fread;
}

struct IoEvent {
  double start_s = 0;  ///< std::chrono::steady_clock
  float seconds = 0;
  int32_t file = -1;    ///< index into IoTrace::files
  int64_t offset = -1;  ///< -1: not known (streams)
  int64_t bytes = 0;    ///< moved, which may be less than asked for
  int64_t task = -1;    ///< TaskRecord::id; -1: outside tasks
  int32_t thread = 0;
  IoCall call = IoCall::read;
};

struct IoTrace {
  std::vector<std::string> files;
  std::vector<IoEvent> events;  ///< by start
  int64_t not_kept = 0;         ///< calls after there were too many to keep
  int64_t not_kept_read_bytes = 0, not_kept_written_bytes = 0;
};

/// Starts keeping calls; at most `most` of them. One at a time: a second start forgets what the first has kept.
void start_io_trace(int64_t most = int64_t{1} << 21);
/// Stops and returns what was kept since the start.
IoTrace stop_io_trace();
/// False where calls cannot be seen (sanitizers have their own).
bool io_trace_available();

/// Calls of this thread are for this task until the object ends.
class IoTask {
 public:
  explicit IoTask(int64_t id);
  ~IoTask();
  IoTask(const IoTask&) = delete;
  IoTask& operator=(const IoTask&) = delete;

 private:
  int64_t before_;
};

}  // namespace fringeflow::runtime
