// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a timeline comes to: how busy the workers were and how much reading lay under computing.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/timeline.hpp"

namespace fringeflow::traces {

struct Metrics {
  double makespan_s = 0;
  double busy_compute_s = 0, busy_io_s = 0;
  double utilisation = 0;  ///< busy compute time / (compute workers x makespan)
  double hidden_io = 1;  ///< share of the time with an I/O task running during which a compute task runs too
  double serial_share = 0;  ///< share of the makespan with at most one compute worker busy
  double area_bound_s = 0;  ///< busy compute time / compute workers
};
Metrics metrics(const runtime::Timeline& timeline);

/// Per codelet: count, total, median and 95th percentile seconds, bytes.
nlohmann::json per_codelet(const runtime::Timeline& timeline);

/// Chrome trace events that Perfetto opens: one row per worker, tasks named by stage, chunk, facet and cycle, with bytes, work and times.
std::string perfetto_json(const runtime::Timeline& timeline);

}  // namespace fringeflow::traces
