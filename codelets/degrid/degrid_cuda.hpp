// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// degrid on the device.
///
/// The runs of a tile are dealt out to warps, 32 at a time. Each lane works out where one visibility lies;
/// then the warp takes the visibilities one by one: lane t evaluates kernel tap t, and the lanes sum the
/// support x support cells, 4 lanes to the 16 scalars of a cell and 8 neighbours in v at once, which are 512
/// (float) consecutive bytes. The lanes' sums are added by a fixed tree of shuffles. A visibility lies on one
/// tile of a slab, so one thread adds to it per launch, and the launches of the slabs follow each other on
/// the stream: the same bits on every run.
#include <span>

#include "codelets/gridder/place_cuda.hpp"

namespace fringeflow::gridder {

/// degrid_cpu in device memory, queued on the stream.
/// @param stores [slab - slab_begin][strip], pointers into the device's memory; null: the strip is left out
/// @param chunk its vis and weight are not used
/// @param predicted [row][channel]; added to
template <class T>
void degrid_cuda(cuda::Stream stream, const std::shared_ptr<const FacetPlan>& plan, int64_t slab_begin,
                 int64_t slab_end, std::span<const TileStore<T>> stores, const DeviceChunk& chunk,
                 std::complex<float>* predicted);

}  // namespace fringeflow::gridder
