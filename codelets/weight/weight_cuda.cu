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

struct RowWeight {
  double sum;
  int64_t beyond;
};
struct AddRowWeights {
  __device__ RowWeight operator()(const RowWeight& a, const RowWeight& b) const {
    return {a.sum + b.sum, a.beyond + b.beyond};
  }
};

/// One warp for each row.
__global__ void __launch_bounds__(kReduceThreads)
    weigh_kernel(const WeightFactor factor, const DensityGeometry geometry, const WeightChunk chunk,
                 float* weight, RowWeight* rows) {
  constexpr unsigned kAll = 0xffffffffu;
  const int64_t row = (static_cast<int64_t>(blockIdx.x) * kReduceThreads + threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (row >= chunk.rows) return;
  const double s2 = factor.s2();
  RowWeight mine{0, 0};
  for (int64_t channel = chunk.channel_begin + lane; channel < chunk.channel_end; channel += 32) {
    float& w = weight[row * chunk.channels + channel];
    if (w == 0) continue;
    double u, v;
    const int64_t cell = chunk.cell(geometry, row, channel, u, v);
    if (cell < 0) {
      w = 0;
      ++mine.beyond;
      continue;
    }
    w = static_cast<float>(static_cast<double>(w) * factor(cell, u, v, s2));
    mine.sum += static_cast<double>(w);
  }
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    mine.sum += __shfl_xor_sync(kAll, mine.sum, step);
    mine.beyond += __shfl_xor_sync(kAll, mine.beyond, step);
  }
  if (lane == 0) rows[row] = mine;
}
__global__ void __launch_bounds__(kReduceThreads)
    weight_sum_kernel(const int64_t count, const RowWeight* rows, double* weight_sum, int64_t* beyond) {
  RowWeight mine{0, 0};
  for (int64_t i = threadIdx.x; i < count; i += kReduceThreads) mine = AddRowWeights()(mine, rows[i]);
  const RowWeight all = cuda::block_reduce(mine, AddRowWeights());
  if (threadIdx.x != 0) return;
  if (weight_sum != nullptr) *weight_sum += all.sum;
  if (beyond != nullptr) *beyond = all.beyond;
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
                        const WeightChunk& chunk, float* weight, double* weight_sum,
                        std::function<void(int64_t)> beyond) {
  if (chunk.rows == 0) return;
  cuda::Worker& worker = cuda::Worker::of(stream);
  auto* rows = worker.scratch<RowWeight>(Scratch::sums, chunk.rows);
  constexpr int kRows = kReduceThreads / 32;
  weigh_kernel<<<static_cast<unsigned>((chunk.rows + kRows - 1) / kRows), kReduceThreads, 0, stream>>>(
      factor, geometry, chunk, weight, rows);
  cuda::check_launch("weigh");
  int64_t* word = beyond ? worker.host_word() : nullptr;
  weight_sum_kernel<<<1, kReduceThreads, 0, stream>>>(chunk.rows, rows, weight_sum, word);
  cuda::check_launch("weigh: sum");
  if (beyond) worker.when_written(word, std::move(beyond));
}

}  // namespace fringeflow::weight
