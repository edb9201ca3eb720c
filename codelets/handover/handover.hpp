// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// From the emulator to the stages behind it without a MeasurementSet: what writing one and reading it again would make of the
/// visibilities, bit by bit.
#include <complex>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "codelets/read/read.hpp"
#include "io/error.hpp"
#include "io/measurement_set_stokes.hpp"
#include "io/row_order.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::handover {

struct ToStokesArguments {
  std::span<const io::StokesTerm> terms;    ///< [stokes]
  View<const std::complex<float>, 3> vis;   ///< [row][channel][correlation], Jy
  std::span<const float> weight;            ///< [correlation]
  const uint8_t* flag = nullptr;            ///< extents of `vis`; null: nothing is flagged
  View<std::complex<float>, 3> stokes_vis;  ///< out: [stokes][all rows][channel]
  View<float, 3> stokes_weight;             ///< out: the same extents, flags folded in as zero
  int64_t row_begin = 0;                    ///< where the rows of `vis` go, in the order of the table
  io::RowOrder order = {};                  ///< of all rows
};
/// @return flagged samples of the first Stokes parameter
int64_t to_stokes_cpu(const ToStokesArguments& arguments);

/// Weight of a Stokes parameter of unflagged samples.
float stokes_weight(const io::StokesTerm& term, std::span<const float> weight);

/// Buffers: vis [row][channel][correlation] complex float (write), model [stokes][row][channel] complex float (read).
struct ToCorrelationsArgs {
  int64_t rows = 0, channels = 0, stokes = 1;
  std::shared_ptr<const std::vector<int>> correlations;  ///< CORR_TYPE codes
};
const runtime::CodeletDef& to_correlations_codelet();

/// What the same samples of all chunks have in common.
struct Samples {
  std::vector<io::StokesTerm> terms;  ///< [stokes]
  std::vector<float> weight;          ///< [correlation]
  std::shared_ptr<ReadCounters> counters;
  /// Flags as simulated, of all baselines of some times, [time and baseline][channel][correlation], alike for all correlations; none:
  /// nothing is flagged.
  std::function<void(int64_t time, int64_t times, uint8_t* flag)> flags;
  /// Weights have entered the density of the image already: a sample that loses its weight now makes it wrong.
  bool density_is_known = false;
};
/// Times of a piece of rows.
struct Times {
  int64_t begin = 0, count = 0;
};
/// Thrown by to_stokes when `density_is_known` and more samples are flagged than were as simulated.
class DensityChanged : public RunError {
 public:
  DensityChanged() : RunError("calibration flagged data that are in the density of weights already") {}
};

/// Buffers: chunk (read-write), uvw_m [row][3] double and vis (read); with `flags` flag [row][channel][correlation] (read).
struct ToStokesArgs {
  ChunkLayout layout;
  int64_t row_begin = 0, rows = 0;
  std::shared_ptr<const Samples> samples;
  Times times;
  io::RowOrder order;  ///< of the chunk's rows
  bool flags = false;  ///< in a buffer; else those that were simulated
};
const runtime::CodeletDef& to_stokes_codelet();

/// What a piece of rows needs to be calibrated besides UVW and visibilities. Buffers: antennas [row][2] int32, weight float and flag uint8,
/// both [row][channel][correlation] (write), uvw_m [row][3] double (read). Weights are 0 outside the uv range.
struct CalibrationRowsArgs {
  int64_t rows = 0;
  std::shared_ptr<const std::vector<double>> freq_hz;
  std::shared_ptr<const Samples> samples;
  Times times;
  Range uv_m, uv_lambda;
  std::shared_ptr<const std::vector<int32_t>> pairs;  ///< [baseline][2], repeated for each time
};
const runtime::CodeletDef& calibration_rows_codelet();

/// UVW and weights of a chunk before its visibilities exist. Buffers: chunk (write).
struct GeometryArgs {
  ChunkLayout layout;
  std::shared_ptr<const Samples> samples;
  Times times;
  io::RowOrder order;  ///< of the chunk's rows
  std::function<void(View<double, 2>)> uvw;
};
const runtime::CodeletDef& geometry_codelet();

}  // namespace fringeflow::handover
