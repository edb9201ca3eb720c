// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelets of the calibrator. Per solution interval: read_correlations and simulate for each piece of rows, accumulate after both,
/// then one solve; to apply, read_correlations, apply_gains and write_correlations for each piece.
#include <functional>
#include <memory>
#include <vector>

#include "codelets/calibrate/calibrate.hpp"
#include "io/correlations.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::calibrate {

/// Buffers: uvw_m [row][3] double, antennas [row][2] int32, vis [row][channel][correlation] complex float, weight (float) and flag (uint8)
/// of the same extents (all write), token (read-write).
struct ReadCorrelationsArgs {
  int64_t rows = 0, channels = 0, correlations = 0;
  std::function<void(io::CorrelationBuffers&)> read;
};
const runtime::CodeletDef& read_correlations_codelet();

/// Buffers: sums [block][baseline][Shape::sums()] double (write for the first piece of an interval, else read-write), then vis, weight,
/// antennas, model [stokes][row][channel] complex float (read).
struct AccumulateArgs {
  Shape shape;
  int64_t rows = 0, stokes = 1;
  std::shared_ptr<const std::vector<int>> correlations;  ///< CORR_TYPE codes
  bool first = false;
};
const runtime::CodeletDef& accumulate_codelet();

/// Buffers of each interval: gains [block][antenna][polarisation] complex double, valid of the same extents (uint8), outcomes [block][hand]
/// (all write); then the sums of each interval (read). A GPU solves all intervals of a task at once, a core one after the other.
struct SolveArgs {
  Shape shape;
  int64_t reference = -1;
  int64_t intervals = 1;
};
const runtime::CodeletDef& solve_codelet();

/// Buffers: vis, flag (read-write), count of newly flagged correlations (int64, write), antennas, gains, valid (read).
struct ApplyArgs {
  Shape shape;
  int64_t rows = 0;
};
const runtime::CodeletDef& apply_codelet();

/// Buffers: vis, flag, count (read), token (read-write).
struct WriteCorrelationsArgs {
  int64_t rows = 0, channels = 0, correlations = 0;
  std::function<void(View<const std::complex<float>, 3>, View<const uint8_t, 3>, int64_t)> write;
};
const runtime::CodeletDef& write_correlations_codelet();

}  // namespace fringeflow::calibrate
