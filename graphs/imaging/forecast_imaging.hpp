// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// An imaging job on a machine that is described, without running it.
#include <nlohmann/json.hpp>

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

/// The job's own task graph, planned for the machine's cores and memory, in simulated time.
/// @param recorded a run of this workflow, or null: it tells the number of major cycles, which the data decide, and how long its
///                 tasks took. Otherwise records of this machine count, and declared rates where there are none.
Forecast forecast_imaging(ImagingJob job, const traces::MachineDescription& machine,
                          const traces::StoredRun* recorded);

/// A table for people.
std::string forecast_text(const nlohmann::json& metrics);

}  // namespace fringeflow::graphs
