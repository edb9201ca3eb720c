// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The host's part of the solvers on the device: sizes as plain numbers.
#include "codelets/calibrate/solve_cuda.hpp"
#include "codelets/calibrate/solve_directions_cuda.hpp"

namespace fringeflow::calibrate {

SolveJob solve_job(const Shape& shape, const Limits& limits, int64_t reference) {
  return {shape, shape.blocks(), shape.fits(), shape.polarisations(), shape.sums(), limits, reference};
}

DirectionRows direction_rows(const DirectionShape& shape) {
  DirectionRows out;
  out.shape = shape.gains;
  out.directions = shape.directions;
  out.hands = shape.gains.hands();
  out.blocks = shape.gains.blocks();
  return out;
}

DirectionJob direction_job(const DirectionShape& shape, const DirectionLimits& limits, int64_t reference) {
  DirectionJob out;
  out.shape = shape.gains;
  out.directions = shape.directions;
  out.hands = shape.gains.hands();
  out.blocks = shape.gains.blocks();
  out.fits = shape.gains.fits();
  out.hand_sums = shape.hand_sums();
  out.limits = limits;
  out.reference = reference;
  return out;
}

bool fits_blocks_apart(const DirectionShape& shape, const DirectionLimits& limits) {
  return shape.gains.kind != SolveKind::tec && !(limits.smooth_hz > 0);
}

}  // namespace fringeflow::calibrate
