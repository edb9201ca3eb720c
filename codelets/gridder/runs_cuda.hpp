// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// How blocks and warps walk the runs of a tile; for .cu files only.
#include "codelets/gridder/place_cuda.hpp"

namespace fringeflow::gridder {

/// A DeviceChunk as kernels see it.
struct ChunkOnDevice {
  const double* uvw_m;
  const double* freq_hz;
  int64_t channels;
  const float2* vis;
  const float* weight;
  const int32_t* start;
  const Run* runs;
};
inline ChunkOnDevice on_device(cuda::Worker& worker, const DeviceChunk& chunk) {
  return {chunk.uvw_m,     worker.constants(chunk.freq_hz),
          chunk.channels,  reinterpret_cast<const float2*>(chunk.vis),
          chunk.weight,    chunk.index.start,
          chunk.index.runs};
}

struct WindowVisibility {
  int64_t row, channel, index;  ///< index = row channels + channel
};

/// Up to 32 runs in shared memory; their visibilities are numbered through.
struct RunWindow {
  Run runs[kRunWindow];
  int32_t begin[kRunWindow + 1];

  /// By the 32 threads of a warp; the others must wait for them.
  __device__ void load(const ChunkOnDevice& chunk, int32_t first, int32_t end, int lane) {
    const bool any = first + lane < end;
    const Run run = any ? chunk.runs[first + lane] : Run{0, 0, 0};
    runs[lane] = run;
    int32_t through = run.count;
#pragma unroll
    for (int step = 1; step < kRunWindow; step *= 2) {
      const int32_t below = __shfl_up_sync(0xffffffffu, through, step);
      if (lane >= step) through += below;
    }
    begin[lane + 1] = through;
    if (lane == 0) begin[0] = 0;
  }
  __device__ WindowVisibility visibility(const ChunkOnDevice& chunk, int32_t i) const {
    const int run = find_run(begin, i);
    const int64_t row = runs[run].row, channel = static_cast<int64_t>(runs[run].channel) + (i - begin[run]);
    return {row, channel, row * chunk.channels + channel};
  }
};

}  // namespace fringeflow::gridder
