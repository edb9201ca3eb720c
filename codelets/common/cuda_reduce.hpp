// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Sums in a fixed order, so that the same bits come out of every run; for .cu files only.
#include <cstdint>

namespace fringeflow::cuda {

inline constexpr int kReduceThreads = 256;

/// Sum over the block's threads by a fixed tree; complete in thread 0. Combine(a, b) need not be commutative
/// in bits.
template <class V, class Combine>
__device__ V block_reduce(V value, Combine combine) {
  __shared__ V shared[kReduceThreads];
  __syncthreads();  // an earlier reduction is done with
  shared[threadIdx.x] = value;
  for (int step = kReduceThreads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < step)
      shared[threadIdx.x] = combine(shared[threadIdx.x], shared[threadIdx.x + step]);
  }
  return shared[0];
}

}  // namespace fringeflow::cuda
