// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Checks and launches; for .cu files only.
///
/// Most kernels here compute element i of something from i alone. They are written as functors whose call
/// operator is
/// __host__ __device__: launch_elements() runs one on the device, and the tests run the very same code in a
/// loop on the CPU.
#include <cuda_runtime.h>
#include <cufft.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "codelets/common/cuda_worker.hpp"

namespace fringeflow::cuda {

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  if (status == cudaErrorMemoryAllocation) cudaGetLastError();  // not sticky: the next task may fit
  throw std::runtime_error(std::string("CUDA: ") + what + ": " + cudaGetErrorString(status));
}
inline void check(cufftResult status, const char* what) {
  if (status != CUFFT_SUCCESS)
    throw std::runtime_error(std::string("cuFFT: ") + what + ": error " +
                             std::to_string(static_cast<int>(status)));
}
/// After a launch.
inline void check_launch(const char* kernel) { check(cudaGetLastError(), kernel); }

inline constexpr int kElementThreads = 256;

template <class F>
__global__ void __launch_bounds__(kElementThreads) elements_kernel(const int64_t n, const F f) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kElementThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kElementThreads + threadIdx.x; i < n; i += step) f(i);
}

/// f(i) for i in [0, n), in no order.
template <class F>
void launch_elements(Stream stream, int64_t n, const F& f, const char* name) {
  if (n <= 0) return;
  constexpr int64_t kMostBlocks = int64_t{1} << 30;
  const int64_t blocks = (n + kElementThreads - 1) / kElementThreads;
  elements_kernel<<<static_cast<unsigned>(blocks < kMostBlocks ? blocks : kMostBlocks), kElementThreads, 0,
                    stream>>>(n, f);
  check_launch(name);
}

}  // namespace fringeflow::cuda
