// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a timeline comes to: how busy the workers were, what bounds the run, how much reading lay under computing.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/timeline.hpp"

namespace fringeflow::traces {

/// Where a worker's time went; the four add up to the makespan.
struct WorkerTime {
  double busy_s = 0;      ///< in bodies
  double fetching_s = 0;  ///< waiting for a task's data to arrive in its memory
  double overhead_s = 0;  ///< StarPU's work around the bodies
  double idle_s = 0;
};

struct Metrics {
  double makespan_s = 0;
  double busy_compute_s = 0, busy_io_s = 0;
  double utilisation = 0;  ///< busy compute time / (compute workers x makespan)
  double hidden_io = 1;  ///< share of the time with an I/O task running during which a compute task runs too
  double transfers_s = 0;       ///< with data on their way to a GPU that waits for them
  double hidden_transfers = 1;  ///< share of that time during which a compute task runs
  double serial_share = 0;      ///< share of the makespan with at most one compute worker busy
  double area_bound_s = 0;      ///< busy compute time / compute workers
  double critical_path_s = 0;   ///< longest chain of tasks that wait for each other, by their measured times
  std::vector<int64_t> critical_path;  ///< its tasks (ids), first to last
  double load_imbalance = 1;           ///< busiest compute worker's time / mean
  double off_core_share = 0;  ///< of the time in computing bodies on cores, that in which others had the core
  double overhead_share = 0;  ///< overhead and fetching / (all workers x makespan)
  double model_error = 0;     ///< sum of |predicted - measured| / sum of measured times
  double flops = 0;
  int64_t task_bytes = 0;  ///< of all accesses of all tasks
  std::vector<WorkerTime> workers;

  /// The larger of the two bounds over the makespan: 1 is as good as this graph can get on these workers.
  double efficiency() const;
};
Metrics metrics(const runtime::Timeline& timeline);

/// Under the names of metrics.json; per worker as a list.
nlohmann::json to_json(const Metrics& metrics, const runtime::Timeline& timeline);

/// The process's resident memory and that of each of StarPU's nodes: name, peak_bytes, and over_time as [seconds, bytes], at most `most`
/// of them, the largest of what they stand for.
nlohmann::json memory_over_time(const runtime::Timeline& timeline, size_t most = 200);

/// Per codelet: count, total, median and 95th percentile seconds, median seconds from ready to start, bytes, work and their rates,
/// seconds on the critical path.
nlohmann::json per_codelet(const runtime::Timeline& timeline, const Metrics& metrics);

}  // namespace fringeflow::traces
