// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// StarPU as Fringeflow uses it: one Runtime per process, a compute context under the user's scheduler and an I/O context of
/// blocking codelets, guarded bodies, a record of every task.
#include <memory>
#include <string>
#include <vector>

#include "io/options.hpp"
#include "runtime/codelet.hpp"
#include "runtime/cost_model.hpp"
#include "runtime/error_sink.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow::runtime {

/// Workers asked for and obtained, and the settings in force.
struct RuntimeInfo {
  std::string starpu_version;
  std::string scheduler;  ///< what `auto` became
  int cpus_asked = 0, cpus = 0;
  int gpus_asked = 0, gpus = 0;
  int io_workers_asked = 0, io_workers = 0;
  int cores_available = 0;
  bool cuda_build = false;
};

/// Names of the scheduling policies of this StarPU, and why one cannot be used here (empty: it can).
struct SchedulerInfo {
  std::string name, description, refused;
};
std::vector<SchedulerInfo> schedulers();
/// True for policies that decide by predicted times: without records of the codelets they are not themselves.
bool predicts_times(const std::string& scheduler);

class Runtime final : public TaskSink {
 public:
  /// Starts StarPU. Throws UserError for an unknown or refused scheduler or impossible worker counts, RunError when StarPU
  /// does not start, or when another Runtime is alive in this process.
  explicit Runtime(const RuntimeOptions& options);
  ~Runtime() override;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const RuntimeInfo& info() const;

  /// Data live until the Runtime ends or release(); memory is touched when it is written.
  DataId create(DataSpec spec) override;
  int64_t submit(Task task) override;
  bool wait(int64_t ticket) override;
  bool failed() const override;

  /// Ends the run as an error: bodies that have not begun do nothing. May be called from any thread.
  void interrupt();
  const CostModel& costs() const;
  /// Waits for everything submitted and rethrows the first error of any body.
  void wait_all();
  /// Host memory of a piece of data after wait_all().
  Buffer host(DataId id) const;

  /// Tasks done and submitted so far (for the progress line).
  std::pair<int64_t, int64_t> progress() const;
  /// What the cost model gave the compute tasks done so far, core seconds.
  double predicted_done_s() const;
  /// Notes what the memories that hold the data have in use, for timeline(). May be called from any thread.
  void look_at_memory();
  /// Records of all tasks so far; call after wait_all().
  Timeline timeline() const;
  /// Updates the machine's cost records from this run.
  void learn();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fringeflow::runtime
