// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Index of a chunk's visibilities by tile: runs of consecutive channels of a row inside one tile and slab.
#include <cstdint>
#include <span>

#include "codelets/gridder/geometry.hpp"

namespace fringeflow::gridder {

/// Channels [channel, channel + count) of a row whose kernels start in one tile and touch one slab.
/// A visibility whose w window straddles slabs is in a run of each.
struct Run {
  uint32_t row;
  uint16_t channel;
  uint16_t count;
};

/// Buffer layout of an index: int32 start[slots + 1], padded to 64 bytes, then Run runs[capacity].
struct ChunkIndex {
  int32_t* start = nullptr;  ///< runs of slot s are runs[start[s] .. start[s + 1])
  Run* runs = nullptr;       ///< within a slot ordered by row, then channel
  int64_t capacity = 0;
};
int64_t index_bytes(const FacetPlan& plan, int64_t run_capacity);
ChunkIndex chunk_index(const FacetPlan& plan, int64_t run_capacity, void* buffer);

/// What the index and the gridder need to know of a chunk of visibilities.
struct ChunkGeometry {
  View<const double, 2> uvw_m;  ///< [row][3]
  std::span<const double>
      freq_hz;  ///< [channel] of the channels [channel_begin, channel_end) used, all channels given
  int64_t channel_begin = 0, channel_end = 0;  ///< those that belong to this image
  double max_uv_lambda = 0;    ///< a visibility with |u| or |v| >= this is left out (1 / (2 cell))
  bool equal_spacing = false;  ///< of freq_hz: channels may be compressed, see compression.hpp
};
/// True where the spacing of frequencies is the same to a part in a million.
bool equally_spaced(std::span<const double> freq_hz);

/// Builds the index. Visibilities with |u| or |v| >= max_uv_lambda are left out. Runs with weight zero throughout are left out
/// when weight is given. Counting sort, stable. Throws RunError if a tile is not in the map or the capacity is exceeded.
/// @param weight [row][channel] or an empty view.
void build_index(const FacetPlan& plan, const ChunkGeometry& chunk, View<const float, 2> weight,
                 ChunkIndex& index);

}  // namespace fringeflow::gridder
