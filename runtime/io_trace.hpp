// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Reads and writes of this process as its libraries issue them (casacore, HDF5, cfitsio, our own), each with the task it was for.
///
/// io_trace.cpp stands in for the C library's read, readv, pread, write, pwrite, writev, fread, fwrite, lseek and close: the dynamic linker
/// gives the program's own definitions to every library, and those call the next ones in line, so that preloaded tools (Darshan, DFTracer)
/// still see everything. Chosen over casacore's hooks, which see casacore only, and over counting in our own code, which sees neither sizes nor
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

/// One call, or a run of short ones: of as many bytes each, by one thread for one task, each beginning where and soon after the one before
/// ended. Libraries walk through files like that, tens of thousands of calls per second; a record of each cost 6 % of a run.
struct IoEvent {
  double start_s = 0;  ///< std::chrono::steady_clock
  float span_s = 0;    ///< from the start of the first call to the end of the last
  float seconds = 0;   ///< in the calls
  int32_t file = -1;   ///< index into IoTrace::files
  int32_t thread = 0;
  int64_t offset = -1;  ///< of the first; -1: not known (streams)
  int64_t bytes = 0;    ///< moved by all, which may be less than asked for
  int64_t task = -1;    ///< TaskRecord::id; -1: outside tasks
  int32_t calls = 1;
  int32_t misaligned = 0;  ///< calls whose offset is no multiple of kIoAlignment
  IoCall call = IoCall::read;
};
inline constexpr int64_t kIoAlignment = 4096;  ///< blocks of the usual file systems, pages of the cache

struct IoTrace {
  std::vector<std::string> files;
  std::vector<IoEvent> events;  ///< by start
  int64_t not_kept = 0;         ///< calls after there were too many to keep
  int64_t not_kept_read_bytes = 0, not_kept_written_bytes = 0;
};

/// Starts keeping calls; at most `most` events. One at a time: a second start forgets what the first has kept.
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
