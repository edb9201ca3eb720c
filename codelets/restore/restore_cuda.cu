// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/restore/restore_cuda.hpp"

namespace fringeflow::restore {
namespace {

constexpr int kSide = 32;      ///< pixels on a side of a block's tile
constexpr int kThreads = 256;  ///< 32 columns, 8 rows
constexpr int kRows = kThreads / kSide, kPerThread = kSide / kRows;

__global__ void __launch_bounds__(kThreads)
    restore_kernel(const float* model, const float* residual, const BeamBlock* block, const int64_t ny,
                   const int64_t nx, float* out) {
  __shared__ float part[kSide][kSide];
  const BeamOnDevice beam(*block);
  const int column = static_cast<int>(threadIdx.x) % kSide, first_row = static_cast<int>(threadIdx.x) / kSide;
  const int64_t x0 = static_cast<int64_t>(blockIdx.x) * kSide, y0 = static_cast<int64_t>(blockIdx.y) * kSide;
  float sum[kPerThread] = {};
  if (beam.known) {
    const int64_t reach = (beam.radius + kSide - 1) / kSide * kSide;
    // The model's tiles on the same raster, those within reach: from north-west to south-east for every pixel
    // alike.
    for (int64_t ty = max(int64_t{0}, y0 - reach); ty < min(ny, y0 + kSide + reach); ty += kSide)
      for (int64_t tx = max(int64_t{0}, x0 - reach); tx < min(nx, x0 + kSide + reach); tx += kSide) {
        bool any = false;
        for (int i = 0; i < kPerThread; ++i) {
          const int row = first_row + i * kRows;
          float flux = ty + row < ny && tx + column < nx ? model[(ty + row) * nx + tx + column] : 0;
          if (!isfinite(flux)) flux = 0;
          part[row][column] = flux;
          any = any || flux != 0;
        }
        if (__syncthreads_or(any) != 0) {
          for (int j = 0; j < kSide; ++j)
            for (int i = 0; i < kSide; ++i) {
              const float flux = part[j][i];  // the same for all threads
              if (flux == 0) continue;
              const auto dx = static_cast<int32_t>(x0 + column - tx - i);
              if (dx > beam.radius || dx < -beam.radius) continue;
              for (int k = 0; k < kPerThread; ++k) {
                const auto dy = static_cast<int32_t>(y0 + first_row + k * kRows - ty - j);
                if (dy <= beam.radius && dy >= -beam.radius) sum[k] += flux * beam(dx, dy);
              }
            }
        }
        __syncthreads();
      }
  }
  for (int k = 0; k < kPerThread; ++k) {
    const int64_t y = y0 + first_row + k * kRows, x = x0 + column;
    if (y < ny && x < nx) out[y * nx + x] = residual[y * nx + x] + sum[k];
  }
}

}  // namespace

void restore_cuda(cuda::Stream stream, const float* model, const float* residual, const BeamBlock* beam,
                  int64_t ny, int64_t nx, float* out) {
  const dim3 blocks(static_cast<unsigned>((nx + kSide - 1) / kSide),
                    static_cast<unsigned>((ny + kSide - 1) / kSide));
  restore_kernel<<<blocks, kThreads, 0, stream>>>(model, residual, beam, ny, nx, out);
  cuda::check_launch("restore");
}

}  // namespace fringeflow::restore
