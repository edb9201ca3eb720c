// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "codelets/simulate/simulate_tasks.hpp"
#include "io/catalogue.hpp"
#include "io/options_simulate.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow {

/// Fills a column of existing MeasurementSets from a sky model: components by the direct sum, images by degridding. Other columns stay
/// as they are. Throws UserError or RunError.
/// @return the time of its tasks for reading and writing
runtime::IoTime run_predict(const PredictJob& job);

namespace graphs {

/// Components as groups of one shape seen from a phase centre; stokes is 1 (I) or 4 (IQUV).
std::shared_ptr<const std::vector<SourceGroup>> source_groups(std::span<const io::SkyComponent> components,
                                                              const Direction& centre,
                                                              std::span<const double> freq_hz,
                                                              int64_t stokes);
/// 4 when any component has Q, U or V, else 1.
int64_t stokes_needed(std::span<const io::SkyComponent> components);

}  // namespace graphs
}  // namespace fringeflow
