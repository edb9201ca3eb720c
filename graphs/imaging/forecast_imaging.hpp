// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// An imaging job on a machine that is described, without running it.
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "io/options.hpp"
#include "runtime/timeline.hpp"
#include "traces/machine_file.hpp"
#include "traces/stored_run.hpp"

namespace fringeflow::graphs {

struct Forecast {
  nlohmann::json
      metrics;  ///< under the names of metrics.json; `makespan_s` is the whole run's, `graph_s` the graph's
  runtime::Timeline timeline;
};

/// The planned graph of the last forecast, for the next one that differs in nothing that planning looks at.
struct GraphCache {
  std::string settings;  ///< of the next forecast, those that planning looks at but cores and memory
  struct Graph;
  std::string key;
  std::shared_ptr<const Graph> graph;
};

/// own: traces/simulator.hpp; simgrid: traces/simgrid.hpp
enum class Engine { own, simgrid };

/// The job's own task graph, planned for the machine's cores and memory, in simulated time.
/// @param recorded a run of this workflow, or null: it tells the number of major cycles, which the data decide, and how long its
///                 tasks took. Otherwise records of this machine count, and declared rates where there are none.
/// Sets that earlier stages of the workflow are to make need not be there.
Forecast forecast_imaging(ImagingJob job, const traces::MachineDescription& machine,
                          const traces::StoredRun* recorded, GraphCache* cache = nullptr,
                          Engine engine = Engine::own);

/// A table for people.
std::string forecast_text(const nlohmann::json& metrics);

}  // namespace fringeflow::graphs
