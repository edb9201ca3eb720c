// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a job notes of itself while it runs: phases, memory, energy, bytes; and metrics.json at the end.
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "io/run_directory.hpp"
#include "runtime/io_trace.hpp"
#include "runtime/machine.hpp"
#include "runtime/runtime.hpp"
#include "traces/energy.hpp"
#include "traces/machine_file.hpp"

namespace fringeflow::graphs {

/// What a run, real or simulated, comes to under the names of metrics.json.
struct RunFigures {
  double time_s = 0;
  std::vector<std::pair<std::string, double>> phases;
  int64_t visibilities = 0;  ///< of the input, however often they are used
  std::string scheduler;
  int cpus = 0, gpus = 0, io_workers = 0;
  std::optional<traces::Energy> energy;  ///< measured; else the machine's model of power stands in
};
nlohmann::json run_metrics(const RunFigures& figures, const runtime::Timeline& timeline,
                           const traces::MachineDescription& machine);

class RunRecord {
 public:
  /// The job begins: clock, counters and a thread that looks at memory ten times a second.
  /// @param trace false: reads and writes are not kept
  explicit RunRecord(bool trace = true);
  ~RunRecord();
  RunRecord(const RunRecord&) = delete;
  RunRecord& operator=(const RunRecord&) = delete;

  double seconds() const;
  /// The time since the phase before (or the beginning) was spent on this.
  void phase(const std::string& name);
  /// The job ends: time, energy and bytes are those until now.
  void end();

  /// The timeline of the runtime, with memory. After wait_all().
  runtime::Timeline timeline(const runtime::Runtime& runtime) const;
  /// Reads and writes since the beginning. After end().
  const runtime::IoTrace& io_trace() const { return io_trace_; }
  /// Under the names of metrics.json, what all jobs have. After end().
  /// @param visibilities of the input, however often they are used
  nlohmann::json metrics(const runtime::Runtime& runtime, const runtime::Timeline& timeline,
                         int64_t visibilities) const;

 private:
  void watch();

  double begin_s_;
  double end_s_ = 0, last_phase_s_ = 0;
  traces::EnergyMeter meter_;
  std::optional<traces::Energy> energy_;
  runtime::ProcessIo io_begin_, io_;
  bool trace_ = true;
  int64_t probes_begin_ = 0;
  runtime::IoTrace io_trace_;
  std::vector<std::pair<std::string, double>> phases_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::vector<runtime::MemorySample> memory_;  ///< on the steady clock
  std::thread thread_;
};

/// Writes timeline.json and metrics.json, and io.pfw where calls were seen.
void write_traces(const io::RunDirectory& directory, const RunRecord& record,
                  const runtime::Timeline& timeline, const nlohmann::json& metrics);

/// Leaves PREFIX-run/ of a job that ended well: workflow, timeline, metrics, reads and writes, versions. Where the folder cannot be
/// written, that is a warning. @param more added to the metrics
void leave_run(const std::string& prefix, const std::string& workflow_text, RunRecord& record,
               const runtime::Runtime& runtime, int64_t visibilities, const nlohmann::json& more = {});

/// Leaves PREFIX-run/failed/ of a job that did not end well: workflow, log with the error, timeline. What PREFIX-run/ has from an earlier
/// run that did stays. Says where it is, or nothing where it cannot be written.
void leave_failed_run(const io::RunDirectory& directory, const std::string& workflow_text,
                      const std::string& log, const std::string& error, const runtime::Timeline& timeline);

/// The options, with StarPU's own trace going to PREFIX-run/ where one is asked for.
RuntimeOptions with_fxt_folder(RuntimeOptions options, const std::string& prefix);

/// "sim.ms" or "gains.h5" without its extension: where the run directory of a job goes that makes it.
std::string run_prefix(std::string product);

}  // namespace fringeflow::graphs
