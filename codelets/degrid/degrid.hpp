// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// degrid: the exact adjoint of grid. predicted[row][channel] += exp(+2 pi i phase) sum phi_u phi_v phi_w cell
#include <complex>
#include <span>
#include <vector>

#include "codelets/grid/grid.hpp"

namespace fringeflow::gridder {

/// One chunk to predict.
template <class Vis>
struct DegridOutput {
  ChunkGeometry geometry;
  ChunkIndex index;
  View<Vis, 2> predicted;  ///< [row][channel]; visibilities outside the index stay as they are
};

/// Adds the contribution of the tiles of the given slabs of a facet to the predicted visibilities of chunks.
/// @param stores [slab - slab_begin][strip], all strips of each slab, slabs [slab_begin, slab_end); strips without a store
///   (`touched` null) are left out.
template <class T, class Vis>
void degrid_cpu(const FacetPlan& plan, int64_t slab_begin, int64_t slab_end,
                std::span<const TileStore<T>> stores, std::span<const DegridOutput<Vis>> outputs);

/// Buffers: predicted (write where `first`, else read-write), chunk (read) and index (read) of each chunk, then the tile stores
/// [slab][strip] (read).
struct DegridArgs {
  std::shared_ptr<const FacetPlan> plan;
  int64_t slab_begin = 0, slab_end = 0;
  int64_t strip_begin = 0, strip_end = 0;
  std::vector<GridChunk> chunks;
  int64_t stokes = 0;
  std::vector<bool> first;  ///< of each chunk: its buffer is zeroed before
};
const runtime::CodeletDef& degrid_codelet();

}  // namespace fringeflow::gridder
