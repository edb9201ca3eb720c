// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A workflow on a machine that is described, without running it.
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graphs/forecast/job_graph.hpp"
#include "runtime/timeline.hpp"
#include "traces/machine_file.hpp"
#include "traces/stored_run.hpp"

namespace fringeflow::graphs {

struct Forecast {
  /// Under the names of metrics.json; `makespan_s` is the whole run's, `graph_s` the graphs'. With several jobs `stages` has each.
  nlohmann::json metrics;
  runtime::Timeline timeline;  ///< the jobs one after the other
};

/// The planned graphs of the last forecast, for the next one that differs in nothing that planning looks at.
struct GraphCache {
  std::string settings;  ///< of the next forecast, those that planning looks at but cores and memory
  std::map<size_t, std::pair<std::string, std::shared_ptr<const JobGraph>>> graphs;  ///< by job: key, graph
};

/// own: traces/simulator.hpp; simgrid: traces/simgrid.hpp
enum class Engine { own, simgrid };

/// Runs of a workflow's jobs, by job; null where there is none.
using RecordedRuns = std::vector<std::unique_ptr<traces::StoredRun>>;

/// The run directories that the run of this workflow has left for `jobs`, found by the one that is named. Throws UserError.
RecordedRuns recorded_runs(const std::string& run, const std::vector<Job>& jobs);

/// The jobs' own task graphs, planned for the machine's cores and memory, in simulated time, one job after the other.
/// @param recorded runs of these jobs, or empty: they tell the number of major cycles, which the data decide, and how long tasks took.
///                 Otherwise records of this machine count, and declared rates where there are none.
/// @param only jobs of this kind (kind_of), the others are taken to have run; empty: all
/// Sets that earlier stages of the workflow are to make need not be there. Throws UserError for jobs that cannot be forecast (plan_job).
Forecast forecast(std::vector<Job> jobs, const traces::MachineDescription& machine,
                  const RecordedRuns& recorded, GraphCache* cache = nullptr, Engine engine = Engine::own,
                  const std::string& only = {});

/// A table for people.
std::string forecast_text(const nlohmann::json& metrics);

}  // namespace fringeflow::graphs
