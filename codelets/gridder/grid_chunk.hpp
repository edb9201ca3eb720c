// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A chunk as the arguments of index, grid and degrid describe it: which channels belong to the image and how its buffers lie.
#include <memory>
#include <vector>

#include "codelets/gridder/index.hpp"
#include "codelets/read/chunk.hpp"

namespace fringeflow::gridder {

struct GridChunk {
  ChunkLayout layout;
  std::shared_ptr<const std::vector<double>> freq_hz;  ///< [channel] of the chunk
  int64_t channel_begin = 0, channel_end = 0;          ///< those of this image
  double max_uv_lambda = 0;
  int64_t run_capacity = 0;

  ChunkGeometry geometry(void* chunk) const {
    return {layout.uvw_m(chunk), std::span<const double>(*freq_hz), channel_begin, channel_end,
            max_uv_lambda,       equally_spaced(*freq_hz)};
  }
  double visibilities() const { return static_cast<double>(layout.rows * (channel_end - channel_begin)); }
};

/// Share of a facet's stored tiles that lie in one (slab, strip): the share of the gridding work, as far as metadata tell.
inline double tile_share(const FacetPlan& plan, int64_t slab, int64_t strip) {
  const auto slots = plan.tiles.slots();
  // A visibility touches about this many slabs, each of which costs its full window in u and v.
  const double slabs_touched = 1.0 + static_cast<double>(plan.facet.support - 1) / kSlabPlanes;
  return slots == 0 ? 0
                    : slabs_touched * static_cast<double>(plan.tiles.slots_of(slab, strip)) /
                          static_cast<double>(slots);
}

}  // namespace fringeflow::gridder
