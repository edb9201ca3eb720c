// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelets of weighting: density (of weights in the uv plane), density_summary, weigh and sum_weights.
#include <memory>
#include <utility>
#include <vector>

#include "codelets/read/read.hpp"
#include "codelets/weight/weight.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::weight {

/// Buffers: density (read-write), chunk (read).
struct DensityArgs {
  DensityGeometry geometry;
  ChunkLayout layout;
  std::shared_ptr<const std::vector<double>> freq_hz;
};
const runtime::CodeletDef& density_codelet();

/// Buffers: DensitySummary (write), density (read).
struct DensitySummaryArgs {
  DensityGeometry geometry;
};
const runtime::CodeletDef& density_summary_codelet();

/// Buffers: chunk (read-write), and unless weighting is natural: density (read), DensitySummary (read).
struct WeighArgs {
  ChunkLayout layout;
  std::shared_ptr<const std::vector<double>> freq_hz;
  ImageOptions options;
  DensityGeometry geometry;
  std::vector<std::pair<int64_t, int64_t>> channels;  ///< [output channel] the chunk's channels in it
  bool first_time = true;                             ///< of this chunk: what lies beyond the grid is counted
  std::shared_ptr<ReadCounters> counters;
};
const runtime::CodeletDef& weigh_codelet();

/// Adds a weighed chunk's weights to the sums. Apart from weigh, because chunks take turns here, and only here.
/// Buffers: sums of weights double [output channel][stokes] (read-write), chunk (read).
struct SumWeightsArgs {
  ChunkLayout layout;
  std::vector<std::pair<int64_t, int64_t>> channels;  ///< [output channel] the chunk's channels in it
};
const runtime::CodeletDef& sum_weights_codelet();

}  // namespace fringeflow::weight
