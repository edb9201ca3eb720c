// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelets of gains with directions. Per solution interval: read_correlations and accumulate_directions for each piece of rows, which
/// predicts the model of every direction a few rows at a time, so that it is never in memory whole; then one solve_directions.
#include <memory>
#include <vector>

#include "codelets/calibrate/directions.hpp"
#include "codelets/simulate/simulate_tasks.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::calibrate {

/// Sources of every direction, for one phase centre and spectral window.
using DirectionGroups = std::vector<std::shared_ptr<const std::vector<SourceGroup>>>;

/// Buffers: sums [block][baseline][DirectionShape::sums()] double (write for the first piece that they are of, else read-write), then uvw_m,
/// vis, weight, antennas (read) and, with `freedom`, gains, valid and outcomes of the pass before (read).
struct AccumulateDirectionsArgs {
  DirectionShape shape;
  int64_t rows = 0, stokes = 1;
  std::shared_ptr<const std::vector<int>> correlations;  ///< CORR_TYPE codes
  std::shared_ptr<const std::vector<double>> freq_hz;
  std::shared_ptr<const DirectionGroups> groups;
  bool first = false;
  double freedom = 0;
};
const runtime::CodeletDef& accumulate_directions_codelet();

/// Buffers of each interval: gains [block][antenna][direction][polarisation] complex double, valid of the same extents (uint8), outcomes
/// [block][fit], tec [antenna][direction] double (all write); then the `parts` sums of each (read), which are added in their order. A GPU
/// solves all intervals of a task at once, a core one after the other.
struct SolveDirectionsArgs {
  DirectionShape shape;
  DirectionLimits limits;
  int64_t parts = 1, reference = -1;
  std::vector<double> freq_hz;                                                ///< [block]
  std::shared_ptr<const std::vector<std::array<double, 3>>> position_m = {};  ///< [antenna]
  int64_t intervals = 1;
};
const runtime::CodeletDef& solve_directions_codelet();

}  // namespace fringeflow::calibrate
