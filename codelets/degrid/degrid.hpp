// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// degrid: the exact adjoint of grid. predicted[row][channel] += exp(+2 pi i phase) sum phi_u phi_v phi_w cell
#include <complex>
#include <span>

#include "codelets/grid/grid.hpp"

namespace fringeflow::gridder {

/// Adds the contribution of the tiles of the given slabs of a facet to the predicted visibilities of one chunk.
/// @param stores [slab - slab_begin][strip], all strips of each slab, slabs [slab_begin, slab_end).
/// @param predicted [row][channel]; visibilities outside the index stay as they are.
template <class T, class Vis>
void degrid_cpu(const FacetPlan& plan, int64_t slab_begin, int64_t slab_end,
                std::span<const TileStore<T>> stores, const ChunkGeometry& geometry, const ChunkIndex& index,
                View<Vis, 2> predicted);

/// Buffers: predicted (write when `first`, else read-write), chunk (read), index (read), tile stores [slab][strip] (read).
struct DegridArgs {
  std::shared_ptr<const FacetPlan> plan;
  int64_t slab_begin = 0, slab_end = 0;
  GridChunk chunk;
  int64_t stokes = 0;
  bool first = false;  ///< the buffer is zeroed before
};
const runtime::CodeletDef& degrid_codelet();

}  // namespace fringeflow::gridder
