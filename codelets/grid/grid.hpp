// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// grid: adds weighted visibilities to the tiles of one (slab, strip) of a facet.
///   cell[i][j][p] += weight V exp(-2 pi i phase) phi_u(i) phi_v(j) phi_w(p)
#include <complex>

#include "codelets/gridder/geometry.hpp"
#include "codelets/gridder/grid_chunk.hpp"
#include "codelets/gridder/index.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::gridder {

/// One chunk as the gridder sees it. Vis is std::complex<float> or std::complex<double>.
template <class Vis>
struct GridInput {
  ChunkGeometry geometry;
  View<const Vis, 2> vis;       ///< [row][channel], Jy; empty: every visibility is 1 (the PSF)
  View<const float, 2> weight;  ///< [row][channel] imaging weight, flags folded in as zero
  ChunkIndex index;
};

/// Adds the chunks, in order, to the tiles of (slab, strip). T is float or double (the grid's precision).
/// Bits depend only on the order of the visibilities: not on chunk boundaries, strips or the SIMD width.
/// A visibility that is not finite must have weight zero and is then not read.
template <class T, class Vis>
void grid_cpu(const FacetPlan& plan, int64_t slab, int64_t strip, std::span<const GridInput<Vis>> chunks,
              TileStore<T> store);

/// Buffers: tile store (read-write), then for each chunk: chunk (read), index (read) and, when `residual`, residual visibilities (read).
struct GridArgs {
  std::shared_ptr<const FacetPlan> plan;
  int64_t slab = 0, strip = 0;
  std::vector<GridChunk> chunks;
  int64_t stokes = 0;     ///< plane of the chunk's visibilities and weights
  bool psf = false;       ///< every visibility is 1
  bool residual = false;  ///< visibilities from the third buffer instead of the chunk's own
};
const runtime::CodeletDef& grid_codelet();

}  // namespace fringeflow::gridder
