// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// grid on the device.
///
/// One tile of the strip belongs to one to four blocks of threads, which share its cells by their residue
/// modulo the support along u. The block takes the tile's visibilities in the order of the index, 64 at a
/// time: it works out positions, phases and kernel taps once for each, into shared memory; then every thread
/// runs through the 64 in order and adds each to the one cell that it owns among those touched. It holds that
/// cell in registers until a visibility touches another one of its cells. So each cell is the sum of its
/// visibilities in their order, with one writer and no atomics: the same bits on every run, whatever the
/// chunks. 4 threads share the 16 scalars of a cell, so that a warp stores 8 cells of 64 (float) bytes.
#include <span>

#include "codelets/gridder/place_cuda.hpp"

namespace fringeflow::gridder {

/// grid_cpu in device memory, queued on the stream.
/// @param chunks in order; their index must have been built with the same plan
template <class T>
void grid_cuda(cuda::Stream stream, const std::shared_ptr<const FacetPlan>& plan, int64_t slab, int64_t strip,
               std::span<const DeviceChunk> chunks, TileStore<T> store);

/// Tile i of a strip holds data once a run of the chunk lies on it.
struct MarkTouched {
  const int32_t* start;  ///< of the strip's first slot
  uint8_t* touched;
  FF_HD void operator()(int64_t i) const {
    if (start[i + 1] > start[i]) touched[i] = 1;
  }
};

}  // namespace fringeflow::gridder
