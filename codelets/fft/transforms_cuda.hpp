// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The plane steps of fft.hpp on the device: launchers. Layouts of buffers are those of fft.hpp.
///
/// Each step is an elements kernel that lays the planes out as [plane][transform][n] complex in scratch, one
/// batched cuFFT in place, and an elements kernel that takes the result where it belongs; phase screens are
/// in the load or the store. The kernels are in planes_cuda.hpp.
#include <memory>
#include <span>
#include <string>

#include "codelets/common/cuda_worker.hpp"

namespace fringeflow::fft {

using PlanPointer = std::shared_ptr<const gridder::FacetPlan>;

/// rows_to_sky_cpu, except that every cell is written and every flag set.
template <class T>
void rows_to_sky_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab, int64_t strip,
                      const gridder::TileStore<T>& store, const gridder::TileStore<T>& previous, T* rows);

/// columns_to_sky_cpu. @param rows [strip] pointers to the device, in the host's memory @param first image is
/// zeroed before
template <class T>
void columns_to_sky_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab,
                         std::span<const T* const> rows, int64_t block_begin, int64_t block_end, bool first,
                         T* image);

/// correct_cpu with scale 1 / sums[sum_index]; a blank plane where that is not positive. When no sum is, the
/// error `data_name`: nothing to image is posted (see cuda_worker.hpp).
/// @param sums [count] in the device's memory @param out [y][x] of the rows of these y-blocks
template <class T>
void correct_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t block_begin, int64_t block_end,
                  const T* image, const double* sums, int64_t sum_index, int64_t count,
                  const std::string& data_name, bool divide_by_n, float* out);

/// uncorrect_cpu of the facet's rectangle of the whole model image, coarsened where the facet is coarse.
template <class T>
void uncorrect_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t block_begin, int64_t block_end,
                    View<const float, 2> model, bool divide_by_n, T* image);

/// columns_to_grid_cpu.
template <class T>
void columns_to_grid_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab, int64_t block_begin,
                          int64_t block_end, const T* image, T* columns);

/// rows_to_grid_cpu. @param columns [y-strip] pointers to the device, in the host's memory
template <class T>
void rows_to_grid_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab, int64_t strip,
                       std::span<const T* const> columns, std::span<const int64_t> y_strip_begin,
                       gridder::TileStore<T> store);

}  // namespace fringeflow::fft
