// SPDX-License-Identifier: GPL-3.0-or-later
#include <cub/device/device_radix_sort.cuh>

#include "codelets/common/cuda_launch.hpp"
#include "codelets/common/cuda_reduce.hpp"
#include "codelets/weight/weight_cuda.hpp"

namespace fringeflow::weight {
namespace {

using cuda::kReduceThreads;
using cuda::Scratch;

struct Sums {
  double sum, squares;
};
struct AddSums {
  __device__ Sums operator()(const Sums& a, const Sums& b) const {
    return {a.sum + b.sum, a.squares + b.squares};
  }
};

/// One block for each row of the density.
__global__ void __launch_bounds__(kReduceThreads)
    row_sums_kernel(const DensityGeometry geometry, const double* density, Sums* rows) {
  const double* row = density + blockIdx.x * geometry.nu;
  Sums mine{0, 0};
  for (int64_t x = threadIdx.x; x < geometry.nu; x += kReduceThreads) {
    mine.sum += row[x];
    mine.squares += row[x] * row[x];
  }
  const Sums all = cuda::block_reduce(mine, AddSums());
  if (threadIdx.x == 0) rows[blockIdx.x] = all;
}
__global__ void __launch_bounds__(kReduceThreads)
    all_sums_kernel(const int64_t count, const Sums* rows, DensitySummary* out) {
  Sums mine{0, 0};
  for (int64_t i = threadIdx.x; i < count; i += kReduceThreads) mine = AddSums()(mine, rows[i]);
  const Sums all = cuda::block_reduce(mine, AddSums());
  if (threadIdx.x == 0) *out = {all.sum, all.squares};
}

struct Add {
  template <class V>
  __device__ V operator()(const V& a, const V& b) const {
    return a + b;
  }
};

/// The sum over a warp, on each of its lanes.
template <class V>
__device__ V warp_sum(V mine) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) mine += __shfl_xor_sync(0xffffffffu, mine, step);
  return mine;
}

/// The row of a warp, one warp for each.
__device__ int64_t warp_row() {
  return (static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x) / 32;
}
constexpr int kRowsPerBlock = kReduceThreads / 32;
unsigned row_blocks(int64_t rows) {
  return static_cast<unsigned>((rows + kRowsPerBlock - 1) / kRowsPerBlock);
}

__global__ void __launch_bounds__(kReduceThreads)
    weigh_kernel(const WeightFactor factor, const DensityGeometry geometry, const WeightChunk chunk,
                 float* weight, int64_t* beyond) {
  const int64_t row = warp_row();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (row >= chunk.rows) return;
  const double s2 = factor.s2();
  int64_t mine = 0;
  for (int64_t channel = chunk.channel_begin + lane; channel < chunk.channel_end; channel += 32) {
    float& w = weight[row * chunk.channels + channel];
    if (w == 0) continue;
    double u, v;
    const int64_t cell = chunk.cell(geometry, row, channel, u, v);
    if (cell < 0) {
      w = 0;
      ++mine;
      continue;
    }
    w = static_cast<float>(static_cast<double>(w) * factor(cell, u, v, s2));
  }
  mine = warp_sum(mine);
  if (lane == 0) beyond[row] = mine;
}
__global__ void __launch_bounds__(kReduceThreads)
    sum_row_weights_kernel(const int64_t count, const int64_t channels, const int64_t channel_begin,
                           const int64_t channel_end, const float* weight, double* rows) {
  const int64_t row = warp_row();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (row >= count) return;
  double mine = 0;
  for (int64_t channel = channel_begin + lane; channel < channel_end; channel += 32)
    mine += static_cast<double>(weight[row * channels + channel]);
  mine = warp_sum(mine);
  if (lane == 0) rows[row] = mine;
}
/// One block: the sum of all rows, added to *sum or written there.
template <bool kAdd, class V>
__global__ void __launch_bounds__(kReduceThreads)
    sum_rows_kernel(const int64_t count, const V* rows, V* sum) {
  V mine = 0;
  for (int64_t i = threadIdx.x; i < count; i += kReduceThreads) mine += rows[i];
  const V all = cuda::block_reduce(mine, Add());
  if (threadIdx.x == 0) *sum = kAdd ? *sum + all : all;
}

}  // namespace

void density_cuda(cuda::Stream stream, const DensityGeometry& geometry, const WeightChunk& chunk,
                  const float* weight, double* density) {
  const int64_t count = chunk.rows * chunk.used();
  if (count == 0) return;
  if (geometry.size() >= int64_t{kNoCell} || chunk.rows * chunk.channels > int64_t{kNoCell})
    throw std::runtime_error("a density grid or a chunk is too large for 32-bit keys");
  cuda::Worker& worker = cuda::Worker::of(stream);
  auto* keys = worker.scratch<uint32_t>(Scratch::keys, count);
  auto* values = worker.scratch<uint32_t>(Scratch::values, count);
  auto* sorted_keys = worker.scratch<uint32_t>(Scratch::sorted_keys, count);
  auto* sorted_values = worker.scratch<uint32_t>(Scratch::sorted_values, count);
  size_t bytes = 0;
  cuda::check(cub::DeviceRadixSort::SortPairs(nullptr, bytes, keys, sorted_keys, values, sorted_values, count,
                                              0, 32, stream),
              "sort");
  void* temporary = worker.scratch<char>(Scratch::sort, static_cast<int64_t>(bytes));
  cuda::launch_elements(stream, count, DensityKey{geometry, chunk, weight, keys, values}, "density: keys");
  cuda::check(cub::DeviceRadixSort::SortPairs(temporary, bytes, keys, sorted_keys, values, sorted_values,
                                              count, 0, 32, stream),
              "sort");
  cuda::launch_elements(stream, count, AddCell{sorted_keys, sorted_values, weight, density, count},
                        "density: cells");
}

void density_summary_cuda(cuda::Stream stream, const DensityGeometry& geometry, const double* density,
                          DensitySummary* out) {
  auto* rows = cuda::Worker::of(stream).scratch<Sums>(Scratch::sums, geometry.nv);
  row_sums_kernel<<<static_cast<unsigned>(geometry.nv), kReduceThreads, 0, stream>>>(geometry, density, rows);
  cuda::check_launch("density_summary: rows");
  all_sums_kernel<<<1, kReduceThreads, 0, stream>>>(geometry.nv, rows, out);
  cuda::check_launch("density_summary");
}

void apply_weights_cuda(cuda::Stream stream, const WeightFactor& factor, const DensityGeometry& geometry,
                        const WeightChunk& chunk, float* weight, std::function<void(int64_t)> beyond) {
  if (chunk.rows == 0) return;
  cuda::Worker& worker = cuda::Worker::of(stream);
  auto* rows = worker.scratch<int64_t>(Scratch::sums, chunk.rows);
  weigh_kernel<<<row_blocks(chunk.rows), kReduceThreads, 0, stream>>>(factor, geometry, chunk, weight, rows);
  cuda::check_launch("weigh");
  if (!beyond) return;
  int64_t* word = worker.host_word();
  sum_rows_kernel<false><<<1, kReduceThreads, 0, stream>>>(chunk.rows, rows, word);
  cuda::check_launch("weigh: beyond the grid");
  worker.when_written(word, std::move(beyond));
}

void sum_weights_cuda(cuda::Stream stream, View<const float, 2> weight, int64_t channel_begin,
                      int64_t channel_end, double* sum) {
  const int64_t count = weight.extent(0);
  if (count == 0) return;
  auto* rows = cuda::Worker::of(stream).scratch<double>(Scratch::sums, count);
  sum_row_weights_kernel<<<row_blocks(count), kReduceThreads, 0, stream>>>(
      count, weight.extent(1), channel_begin, channel_end, weight.data(), rows);
  cuda::check_launch("sum_weights: rows");
  sum_rows_kernel<true><<<1, kReduceThreads, 0, stream>>>(count, rows, sum);
  cuda::check_launch("sum_weights");
}

}  // namespace fringeflow::weight
