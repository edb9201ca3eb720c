// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Sizes of the plane steps' buffers, and the image-plane corrections: correct and uncorrect.
#include "codelets/common/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/fft/fft_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include <algorithm>
#include <limits>
#include <span>

#include "codelets/fft/fft.hpp"
#include "codelets/fft/plane-inl.hpp"
#include "codelets/fft/plane_sizes.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::fft {
namespace HWY_NAMESPACE {

using gridder::Facet;
using gridder::ScreenCorrection;

/// Factors of the pixels (x, y_first + lane), lane in [0, L): scale x corrections, NaN beyond the horizon.
template <class T>
HWY_INLINE void Factors(const FacetPlan& plan, const Directions<T>& directions,
                        const ScreenCorrection& correction, int64_t x, const double* correction_y,
                        double scale, bool divide_by_n, double* factors) {
  using D = WideDouble<T>;
  using V = hn::Vec<D>;
  const D d;
  constexpr int kN = int(hn::MaxLanes(D())), kVectors = kLanes<T> / kN;
  V z[kVectors], b1[kVectors], b2[kVectors];
  typename Directions<T>::Value direction[kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) {
    direction[i] = directions(x, i * kN);
    const V t = hn::Mul(direction[i].offset, hn::Set(d, correction.per_offset));
    z[i] = hn::MulAdd(hn::Mul(t, t), hn::Set(d, 2.0), hn::Set(d, -1.0));
    b1[i] = b2[i] = hn::Zero(d);
  }
  // Clenshaw's sum of the w kernel's series, all vectors at once: each alone is a chain of dependent
  // operations.
  for (int term = correction.terms_used - 1; term > 0; --term) {
    const V c = hn::Set(d, correction.terms[term]);
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) {
      const V b = hn::MulAdd(hn::Add(z[i], z[i]), b1[i], hn::Sub(c, b2[i]));
      b2[i] = b1[i];
      b1[i] = b;
    }
  }
  const V scale_x = hn::Set(d, scale * plan.correction_x[size_t(x)]);
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) {
    const V sum = hn::MulAdd(z[i], b1[i], hn::Sub(hn::Set(d, correction.terms[0]), b2[i]));
    V factor = hn::Mul(hn::Mul(scale_x, hn::Load(d, correction_y + i * kN)), sum);
    if (divide_by_n) factor = hn::Div(factor, direction[i].n);
    const V nan = hn::Set(d, std::numeric_limits<double>::quiet_NaN());
    hn::Store(hn::IfThenElse(direction[i].above_horizon, factor, nan), d, factors + i * kN);
  }
}

/// Calls visit(block, x, lanes in use, factors[L]) for the pixels of the y-blocks.
template <class T, class Visit>
HWY_INLINE void ForEachColumn(const FacetPlan& plan, const ScreenCorrection& correction, int64_t block_begin,
                              int64_t block_end, double scale, bool divide_by_n, Visit&& visit) {
  const Facet& facet = plan.facet;
  for (int64_t block = block_begin; block < block_end; ++block) {
    const int64_t y_first = block * kLanes<T>;
    const int lanes = int(std::min<int64_t>(kLanes<T>, facet.ny - y_first));
    const Directions<T> directions(facet, y_first);
    alignas(64) double correction_y[kLanes<T>] = {}, factors[kLanes<T>];
    std::copy_n(plan.correction_y.data() + y_first, lanes, correction_y);
    for (int64_t x = 0; x < facet.nx; ++x) {
      Factors<T>(plan, directions, correction, x, correction_y, scale, divide_by_n, factors);
      visit(block, x, lanes, factors);
    }
  }
}

template <class T, class Pixel>
HWY_INLINE void Correct(const FacetPlan& plan, const ScreenCorrection& correction, int64_t block_begin,
                        int64_t block_end, const T* image, double scale, bool divide_by_n,
                        View<Pixel, 2> out) {
  // Columns are collected and written row by row in runs of a cache line or more.
  constexpr int kRun = 16;
  double pixels[kLanes<T>][kRun];
  const int64_t nx = plan.facet.nx;
  ForEachColumn<T>(plan, correction, block_begin, block_end, scale, divide_by_n,
                   [&](int64_t block, int64_t x, int lanes, const double* factors) HWY_ATTR {
                     const T* from = image + ((block - block_begin) * nx + x) * kLanes<T>;
                     const int64_t at = x % kRun;
                     for (int lane = 0; lane < kLanes<T>; ++lane)
                       pixels[lane][at] = double(from[lane]) * factors[lane];
                     if (at + 1 < kRun && x + 1 < nx) return;
                     for (int lane = 0; lane < lanes; ++lane) {
                       Pixel* to = &out((block - block_begin) * kLanes<T> + lane, x - at);
                       for (int64_t i = 0; i <= at; ++i) to[i] = static_cast<Pixel>(pixels[lane][i]);
                     }
                   });
}

template <class T, class Pixel>
HWY_INLINE void Uncorrect(const FacetPlan& plan, const ScreenCorrection& correction, int64_t block_begin,
                          int64_t block_end, View<const Pixel, 2> pixels, bool divide_by_n, T* image) {
  const int64_t nx = plan.facet.nx;
  ForEachColumn<T>(
      plan, correction, block_begin, block_end, 1.0, divide_by_n,
      [&](int64_t block, int64_t x, int lanes, const double* factors) HWY_ATTR {
        T* to = image + ((block - block_begin) * nx + x) * kLanes<T>;
        for (int lane = 0; lane < kLanes<T>; ++lane) {
          if (lane >= lanes) {
            to[lane] = T(0);
            continue;
          }
          const double value = double(pixels((block - block_begin) * kLanes<T> + lane, x)) * factors[lane];
          to[lane] = value == value ? T(value) : T(0);  // NaN: blank pixels and those beyond the horizon
        }
      });
}

// One function for each pair of accumulator and pixel types.
#define FRINGEFLOW_FFT_CORRECT(Name, T, Pixel)                                                         \
  void Correct##Name(const FacetPlan& plan, const ScreenCorrection& correction, int64_t block_begin,   \
                     int64_t block_end, const T* image, double scale, bool divide_by_n,                \
                     View<Pixel, 2> out) {                                                             \
    Correct(plan, correction, block_begin, block_end, image, scale, divide_by_n, out);                 \
  }                                                                                                    \
  void Uncorrect##Name(const FacetPlan& plan, const ScreenCorrection& correction, int64_t block_begin, \
                       int64_t block_end, View<const Pixel, 2> pixels, bool divide_by_n, T* image) {   \
    Uncorrect(plan, correction, block_begin, block_end, pixels, divide_by_n, image);                   \
  }
FRINGEFLOW_FFT_CORRECT(FloatFloat, float, float)
FRINGEFLOW_FFT_CORRECT(FloatDouble, float, double)
FRINGEFLOW_FFT_CORRECT(DoubleFloat, double, float)
FRINGEFLOW_FFT_CORRECT(DoubleDouble, double, double)
#undef FRINGEFLOW_FFT_CORRECT

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::fft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <type_traits>

namespace fringeflow::fft {

HWY_EXPORT(CorrectFloatFloat);
HWY_EXPORT(CorrectFloatDouble);
HWY_EXPORT(CorrectDoubleFloat);
HWY_EXPORT(CorrectDoubleDouble);
HWY_EXPORT(UncorrectFloatFloat);
HWY_EXPORT(UncorrectFloatDouble);
HWY_EXPORT(UncorrectDoubleFloat);
HWY_EXPORT(UncorrectDoubleDouble);

template <class T>
int64_t strip_cells(const FacetPlan& plan, int64_t strip) {
  const auto i = static_cast<size_t>(strip);
  const int64_t columns = plan.tiles.strip_begin[i + 1] - plan.tiles.strip_begin[i];
  constexpr int64_t kL = gridder::kLanes<T>;
  const int64_t halo = strip + 1 == plan.tiles.strips ? (plan.facet.support - 1 + kL - 1) / kL * kL : 0;
  return columns * gridder::kTile + halo;
}

template <class T>
int64_t slab_rows_scalars(const FacetPlan& plan, int64_t strip) {
  constexpr int64_t kL = gridder::kLanes<T>;
  const int64_t flags = strip_cells<T>(plan, strip) / kL;
  return slab_rows_flags_offset<T>(plan, strip) + (flags + kL - 1) / kL * kL;
}

template <class T>
int64_t slab_columns_scalars(const FacetPlan& plan, int64_t y_blocks_in_strip) {
  return buffer_planes(plan) * y_blocks_in_strip * box_cells<T>(plan) * 2 * gridder::kLanes<T>;
}

template <class T>
int64_t fft_scratch_scalars(const FacetPlan& plan) {
  constexpr int64_t kElement = 2 * gridder::kLanes<T>;
  const gridder::Facet& facet = plan.facet;
  const int64_t rows = gridder::kSlabPlanes * (facet.nv + kPlanePadding) * kElement +
                       transform_plan<T>(facet.nv)->scratch_scalars();
  const int64_t columns = (facet.nu + facet.nx) * kElement + transform_plan<T>(facet.nu)->scratch_scalars();
  return std::max(rows, columns);
}

template <class T, class Pixel>
void correct_cpu(const FacetPlan& plan, int64_t block_begin, int64_t block_end, const T* image, double scale,
                 bool divide_by_n, View<Pixel, 2> out) {
  const gridder::ScreenCorrection& correction = plan.screen;
  constexpr bool kFloat = std::is_same_v<T, float>, kFloatPixel = std::is_same_v<Pixel, float>;
  if constexpr (kFloat && kFloatPixel) {
    HWY_DYNAMIC_DISPATCH(CorrectFloatFloat)
    (plan, correction, block_begin, block_end, image, scale, divide_by_n, out);
  } else if constexpr (kFloat) {
    HWY_DYNAMIC_DISPATCH(CorrectFloatDouble)
    (plan, correction, block_begin, block_end, image, scale, divide_by_n, out);
  } else if constexpr (kFloatPixel) {
    HWY_DYNAMIC_DISPATCH(CorrectDoubleFloat)
    (plan, correction, block_begin, block_end, image, scale, divide_by_n, out);
  } else {
    HWY_DYNAMIC_DISPATCH(CorrectDoubleDouble)
    (plan, correction, block_begin, block_end, image, scale, divide_by_n, out);
  }
}

template <class T, class Pixel>
void uncorrect_cpu(const FacetPlan& plan, int64_t block_begin, int64_t block_end, View<const Pixel, 2> pixels,
                   bool divide_by_n, T* image) {
  const gridder::ScreenCorrection& correction = plan.screen;
  constexpr bool kFloat = std::is_same_v<T, float>, kFloatPixel = std::is_same_v<Pixel, float>;
  if constexpr (kFloat && kFloatPixel) {
    HWY_DYNAMIC_DISPATCH(UncorrectFloatFloat)
    (plan, correction, block_begin, block_end, pixels, divide_by_n, image);
  } else if constexpr (kFloat) {
    HWY_DYNAMIC_DISPATCH(UncorrectFloatDouble)
    (plan, correction, block_begin, block_end, pixels, divide_by_n, image);
  } else if constexpr (kFloatPixel) {
    HWY_DYNAMIC_DISPATCH(UncorrectDoubleFloat)
    (plan, correction, block_begin, block_end, pixels, divide_by_n, image);
  } else {
    HWY_DYNAMIC_DISPATCH(UncorrectDoubleDouble)
    (plan, correction, block_begin, block_end, pixels, divide_by_n, image);
  }
}

#define FRINGEFLOW_FFT_SIZES(T)                                        \
  template int64_t strip_cells<T>(const FacetPlan&, int64_t);          \
  template int64_t slab_rows_scalars<T>(const FacetPlan&, int64_t);    \
  template int64_t slab_columns_scalars<T>(const FacetPlan&, int64_t); \
  template int64_t fft_scratch_scalars<T>(const FacetPlan&);
FRINGEFLOW_FFT_SIZES(float)
FRINGEFLOW_FFT_SIZES(double)
#undef FRINGEFLOW_FFT_SIZES
#define FRINGEFLOW_FFT_CORRECT(T, Pixel)                                                          \
  template void correct_cpu<T, Pixel>(const FacetPlan&, int64_t, int64_t, const T*, double, bool, \
                                      View<Pixel, 2>);                                            \
  template void uncorrect_cpu<T, Pixel>(const FacetPlan&, int64_t, int64_t, View<const Pixel, 2>, bool, T*);
FRINGEFLOW_FFT_CORRECT(float, float)
FRINGEFLOW_FFT_CORRECT(float, double)
FRINGEFLOW_FFT_CORRECT(double, float)
FRINGEFLOW_FFT_CORRECT(double, double)
#undef FRINGEFLOW_FFT_CORRECT

}  // namespace fringeflow::fft
#endif  // HWY_ONCE
