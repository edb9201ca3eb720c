// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the transforms' tests share.
#include <hwy/highway.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

namespace fringeflow::fft {

/// 64-byte aligned array of scalars.
template <class T>
struct Aligned {
  explicit Aligned(int64_t n)
      : size(n),
        data(static_cast<T*>(std::aligned_alloc(64, (static_cast<size_t>(n) * sizeof(T) + 127) / 64 * 64))) {
    std::memset(static_cast<void*>(data.get()), 0, static_cast<size_t>(n) * sizeof(T));
  }
  T& operator[](int64_t i) { return data.get()[i]; }
  operator T*() { return data.get(); }
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  int64_t size;
  std::unique_ptr<T, Free> data;
};

template <class T>
void fill_random(T* x, int64_t n, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (int64_t i = 0; i < n; ++i) x[i] = static_cast<T>(uniform(generator));
}

/// Runs f for every SIMD target of this machine that has fused multiply-add.
template <class F>
void for_each_fused_target(F&& f) {
  const int64_t all = hwy::SupportedTargets();
  for (const int64_t target : {int64_t{HWY_AVX2}, int64_t{HWY_AVX3}, int64_t{HWY_NEON}}) {
    if ((all & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    f(target);
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

}  // namespace fringeflow::fft
