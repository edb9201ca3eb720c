// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "runtime/cost_model.hpp"
#include "runtime/timeline.hpp"
#include "traces/machine_file.hpp"
#include "traces/stored_run.hpp"

namespace fringeflow::graphs {

/// Seconds of tasks: of a recorded run by codelet, cycle and size, because minor loops take what the data make them; else by the cost
/// model.
class TaskCosts {
 public:
  /// @param tasks the graph whose tasks seconds() will be asked for; where the recorded run's was the same, each has its own time of then
  /// @param recorded a run of the same job, or null. Throws UserError: rates of a codelet that there is not, records that are empty
  TaskCosts(const traces::MachineDescription& machine, const traces::StoredRun* recorded,
            const std::vector<runtime::Task>& tasks);

  /// On the described machine, by the best that is known: what it is declared to do, its own records, the recorded run, the records
  /// of the machine at hand (times its speed), the rates of the codelets.
  double seconds(const runtime::Task& task, runtime::Device device);

  /// What a run's policy is told that the task will take: this machine's records know sizes, not single tasks.
  double thought(const runtime::Task& task, runtime::Device device) const;

  /// The machine's records, in which later runs count too, against the recorded run: 1.2 says that it has become slower by a fifth.
  double slowdown() const { return slowdown_; }
  /// A worker's time around a task; negative: not known.
  double overhead_s() const { return tasks_ > 0 ? around_s_ / static_cast<double>(tasks_) : -1; }
  const std::set<std::string>& recorded() const { return recorded_; }
  const std::set<std::string>& declared() const { return declared_; }

 private:
  using Key = std::tuple<std::string, int32_t, int>;
  static Key key(const runtime::CodeletDef& codelet, runtime::Device device, int32_t cycle, double work);
  double slowdown_since(const runtime::Timeline& run) const;

  const traces::MachineDescription& machine_;
  runtime::CostModel records_, costs_;
  std::unique_ptr<runtime::CostModel> there_;  ///< records that the machine's description names
  std::map<Key, runtime::CostSample> by_cycle_;
  std::unordered_map<const runtime::Task*, double> of_task_;
  double around_s_ = 0, slowdown_ = 1;
  int64_t tasks_ = 0;
  std::set<std::string> recorded_, declared_;
};

}  // namespace fringeflow::graphs
