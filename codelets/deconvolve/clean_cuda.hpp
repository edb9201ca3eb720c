// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// find_peak, statistics and minor on the device, for hogbom and clark; multiscale runs on the host
/// (cuda_on_host.hpp).
///
/// Peaks are the largest value, of equals the first in the image: whatever the blocks, the same pixel.
/// Medians come from three histograms of 11, 11 and 10 bits of the floats' ordered keys, counted with
/// integers: exact and independent of order.
#include <cmath>
#include <memory>
#include <vector>

#include "codelets/common/cuda_worker.hpp"
#include "codelets/deconvolve/clean.hpp"

namespace fringeflow::deconvolve {

/// Unsigned order of the keys is the order of the floats.
FF_HD inline uint32_t ordered_key(float value) {
  union {
    float f;
    uint32_t u;
  } bits{value};
  return bits.u & 0x80000000u ? ~bits.u : bits.u | 0x80000000u;
}
FF_HD inline float value_of_key(uint32_t key) {
  union {
    uint32_t u;
    float f;
  } bits{key & 0x80000000u ? key & 0x7fffffffu : ~key};
  return bits.f;
}

/// Passes of the radix select: shift and bits of each.
inline constexpr int kSelectPasses = 3, kSelectBins = 2048;
FF_HD inline int select_shift(int pass) { return pass == 0 ? 21 : pass == 1 ? 10 : 0; }
/// True when a key agrees with what earlier passes have settled.
FF_HD inline bool select_matches(uint32_t key, uint32_t prefix, int pass) {
  return pass == 0 || (key >> select_shift(pass - 1)) == prefix >> select_shift(pass - 1);
}
FF_HD inline uint32_t select_bin(uint32_t key, int pass) {
  return key >> select_shift(pass) & (pass == 2 ? 1023u : 2047u);
}

/// The images of a joint deconvolution in the device's memory.
struct ImageSet {
  const float* const* images = nullptr;  ///< [channels] of [ny][nx]
  const float* weights = nullptr;        ///< [channels] of sum 1; 0 for blank channels
  int channels = 0;
  int64_t ny = 0, nx = 0;

  /// Weighted mean of pixel i; NaN where a channel is blank, or where all are.
  FF_HD float integrated(int64_t i) const {
    float sum = 0;
    bool any = false;
    for (int c = 0; c < channels; ++c)
      if (weights[c] > 0) {
        sum += weights[c] * images[c][i];
        any = true;
      }
    return any && fabsf(sum) <= 3.402823466e38f ? sum : nanf("");
  }
};

/// What the launchers take: pointers to the device's memory in vectors on the host.
struct CleanImages {
  std::vector<const float*> residual, psf;
  const double* sums = nullptr;          ///< sums of weights
  const uint16_t* scale_mask = nullptr;  ///< null: none
};
/// Where components of scale 0 may stand: rows and columns inside the border.
struct CleanLimits {
  int64_t y_begin = 0, y_end = 0, x_begin = 0, x_end = 0;
};

void find_peak_cuda(cuda::Stream stream, const CleanArgs& args, const CleanLimits& limits,
                    const CleanImages& images, Peak* peak);

void statistics_cuda(cuda::Stream stream, const CleanArgs& args, const CleanImages& images, Robust* robust);

/// minor_cycle for hogbom and clark. @param list buffer of a ComponentList of `bytes`
/// @param share null: the block's iterations; else so many instead, or, if negative, the list stays as it is
void minor_cuda(cuda::Stream stream, const CleanArgs& args, const CleanLimits& limits,
                const CleanImages& images, const LoopBlock* block, const int64_t* share, void* list,
                int64_t bytes);

}  // namespace fringeflow::deconvolve
