// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// io::correlations_of for kernels: one correlation of a model as a sum of at most two of its Stokes planes.
#include <span>

#include "codelets/common/cuda_complex.hpp"

namespace fringeflow::cuda {

/// first ± second, or first ± i second; −1: not there.
struct CorrelationMix {
  int first = -1, second = -1;
  float sign = 1;
  bool turned = false;

  /// @param planes [stokes][size]
  FF_HD Visibility operator()(const Visibility* planes, int64_t size, int64_t i) const {
    Visibility out{0, 0};
    if (first >= 0) out = planes[first * size + i];
    if (second >= 0) {
      const Visibility b = planes[second * size + i];
      out.re += turned ? -sign * b.im : sign * b.re;
      out.im += turned ? sign * b.re : sign * b.im;
    }
    return out;
  }
};

struct CorrelationMixes {
  static constexpr int kMost = 4;
  int count = 0;
  CorrelationMix mix[kMost];
};
/// @param stokes 1 for I alone, 4 for I, Q, U, V   @param correlations CORR_TYPE codes: RR to LL, XX to YY
CorrelationMixes correlation_mixes(int64_t stokes, std::span<const int> correlations);

/// Sample i of [row][channel], all of its correlations.
struct MixCorrelations {
  CorrelationMixes mixes;
  const Visibility* planes;  ///< [stokes][row][channel]
  int64_t size;              ///< rows x channels
  Visibility* vis;           ///< [row][channel][correlation]
  FF_HD void operator()(int64_t i) const {
    for (int k = 0; k < CorrelationMixes::kMost; ++k)
      if (k < mixes.count) vis[i * mixes.count + k] = mixes.mix[k](planes, size, i);
  }
};

}  // namespace fringeflow::cuda
