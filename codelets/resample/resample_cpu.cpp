// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/resample/resample_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include <algorithm>
#include <span>
#include <vector>

#include "codelets/fft/plane-inl.hpp"
#include "codelets/resample/resample.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::resample {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
namespace fft = fringeflow::fft::HWY_NAMESPACE;
using gridder::kLanes;

template <class T>
const T* weights_of(const Axis& axis) {
  if constexpr (sizeof(T) == 4)
    return axis.weight_single->data();
  else
    return axis.weight->data();
}

/// kLanes<T> rows of n pixels, padded so that rows can be transposed in squares.
template <class T>
class LaneRows {
 public:
  explicit LaneRows(int64_t n)
      : pitch_((n + kLanes<T> - 1) / kLanes<T> * kLanes<T>),
        store_(static_cast<size_t>(2 * pitch_ * kLanes<T> + kLanes<T>)) {
    const auto address = reinterpret_cast<uintptr_t>(store_.data());
    rows_ = store_.data() + (address % 64 == 0 ? 0 : (64 - address % 64) / sizeof(T));
  }
  T* row(int lane) const { return rows_ + lane * pitch_; }
  /// [pixel][lane]
  T* lanes() const { return rows_ + pitch_ * kLanes<T>; }
  int64_t pitch() const { return pitch_; }

  HWY_INLINE void rows_to_lanes() const {
    for (int64_t x = 0; x < pitch_; x += kLanes<T>)
      fft::Transpose<T>([&](fft::Wide<T> d, int lane, int column)
                            HWY_ATTR { return hn::Load(d, row(lane) + x + column); },
                        [&](fft::Wide<T> d, hn::Vec<fft::Wide<T>> v, int column, int lane)
                            HWY_ATTR { hn::Store(v, d, lanes() + (x + column) * kLanes<T> + lane); });
  }
  HWY_INLINE void lanes_to_rows() const {
    for (int64_t x = 0; x < pitch_; x += kLanes<T>)
      fft::Transpose<T>([&](fft::Wide<T> d, int column, int lane)
                            HWY_ATTR { return hn::Load(d, lanes() + (x + column) * kLanes<T> + lane); },
                        [&](fft::Wide<T> d, hn::Vec<fft::Wide<T>> v, int lane, int column)
                            HWY_ATTR { hn::Store(v, d, row(lane) + x + column); });
  }

 private:
  int64_t pitch_;
  std::vector<T> store_;
  T* rows_;
};

/// to[x] = sum_j weight[j] rows[j][x], rows of Pixels at least as long. Blank (NaN) pixels count as zero or stay blank.
template <bool kBlankIsZero, class T, class Pixel>
HWY_INLINE void weighted_rows(const Pixel* const* rows, const T* weight, int64_t weight_step, int64_t count,
                              int64_t n, T* HWY_RESTRICT to) {
  const fft::Wide<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto load = [&](const Pixel* from) HWY_ATTR {
    if constexpr (sizeof(Pixel) == sizeof(T)) {
      return hn::LoadU(d, from);
    } else if constexpr (sizeof(Pixel) < sizeof(T)) {
      const hn::Rebind<Pixel, fft::Wide<T>> dp;
      return hn::PromoteTo(d, hn::LoadU(dp, from));
    } else {
      alignas(64) T narrow[hn::MaxLanes(fft::Wide<T>())];
      for (int64_t i = 0; i < lanes; ++i) narrow[i] = static_cast<T>(from[i]);
      return hn::Load(d, narrow);
    }
  };
  const auto finite = [&](hn::Vec<fft::Wide<T>> v) HWY_ATTR {
    if constexpr (kBlankIsZero)
      return hn::IfThenElseZero(hn::Eq(v, v), v);
    else
      return v;
  };
  int64_t x = 0;
  for (; x + 4 * lanes <= n; x += 4 * lanes) {
    auto a = hn::Zero(d), b = a, c = a, e = a;
    for (int64_t j = 0; j < count; ++j) {
      const auto w = hn::Set(d, weight[j * weight_step]);
      const Pixel* from = rows[j] + x;
      a = hn::MulAdd(w, finite(load(from)), a);
      b = hn::MulAdd(w, finite(load(from + lanes)), b);
      c = hn::MulAdd(w, finite(load(from + 2 * lanes)), c);
      e = hn::MulAdd(w, finite(load(from + 3 * lanes)), e);
    }
    hn::StoreU(a, d, to + x);
    hn::StoreU(b, d, to + x + lanes);
    hn::StoreU(c, d, to + x + 2 * lanes);
    hn::StoreU(e, d, to + x + 3 * lanes);
  }
  for (; x < n; ++x) {
    const hn::CappedTag<T, 1> one;
    auto sum = hn::Zero(one);
    for (int64_t j = 0; j < count; ++j) {
      const T value = static_cast<T>(rows[j][x]);
      sum = hn::MulAdd(hn::Set(one, weight[j * weight_step]),
                       hn::Set(one, !kBlankIsZero || value == value ? value : T(0)), sum);
    }
    to[x] = hn::GetLane(sum);
  }
}

/// to[lane] = sum_j weight[j] from[j][lane], for kAtOnce outputs side by side: each alone is a chain of dependent sums.
template <int kAtOnce, class T>
HWY_INLINE void weighted_lanes(const T* const* from, const T* const* weight, int64_t weight_step,
                               int64_t count, T* HWY_RESTRICT to) {
  const fft::Wide<T> d;
  constexpr auto kN = static_cast<int64_t>(hn::MaxLanes(fft::Wide<T>()));
  for (int64_t lane = 0; lane < kLanes<T>; lane += kN) {
    hn::Vec<fft::Wide<T>> sum[kAtOnce];
#pragma GCC unroll 8
    for (int i = 0; i < kAtOnce; ++i) sum[i] = hn::Zero(d);
    for (int64_t j = 0; j < count; ++j)
#pragma GCC unroll 8
      for (int i = 0; i < kAtOnce; ++i)
        sum[i] = hn::MulAdd(hn::Set(d, weight[i][j * weight_step]),
                            hn::Load(d, from[i] + j * kLanes<T> + lane), sum[i]);
#pragma GCC unroll 8
    for (int i = 0; i < kAtOnce; ++i) hn::Store(sum[i], d, to + i * kLanes<T> + lane);
  }
}

template <class T, class Pixel>
void Refine(const Resampling& axes, std::span<const Pixel* const> coarse, int64_t y_begin, int64_t y_end,
            int64_t y0, int64_t x0, View<Pixel, 2> image, bool add) {
  const Axis &ay = axes.y, &ax = axes.x;
  const T *wy = weights_of<T>(ay), *wx = weights_of<T>(ax);
  const LaneRows<T> in(ax.coarse), out(ax.fine);
  const int64_t x_begin = std::max<int64_t>(0, -x0), x_end = std::min(ax.fine, image.extent(1) - x0);
  constexpr int kAtOnce = 6;
  for (int64_t block = y_begin; block < y_end; block += kLanes<T>) {
    const int rows = static_cast<int>(std::min<int64_t>(kLanes<T>, y_end - block));
    for (int lane = 0; lane < rows; ++lane) {
      const int64_t y = block + lane;
      weighted_rows<false, T, Pixel>(coarse.data() + (*ay.first)[static_cast<size_t>(y)], wy + y * ay.taps, 1,
                                     ay.taps, ax.coarse, in.row(lane));
    }
    in.rows_to_lanes();
    const int32_t* first = ax.first->data();
    int64_t x = 0;
    for (; x + kAtOnce <= ax.fine; x += kAtOnce) {
      const T *from[kAtOnce], *weight[kAtOnce];
      for (int i = 0; i < kAtOnce; ++i) {
        from[i] = in.lanes() + first[x + i] * kLanes<T>;
        weight[i] = wx + (x + i) * ax.taps;
      }
      weighted_lanes<kAtOnce>(from, weight, 1, ax.taps, out.lanes() + x * kLanes<T>);
    }
    for (; x < ax.fine; ++x) {
      const T *from = in.lanes() + first[x] * kLanes<T>, *weight = wx + x * ax.taps;
      weighted_lanes<1>(&from, &weight, 1, ax.taps, out.lanes() + x * kLanes<T>);
    }
    out.lanes_to_rows();
    for (int lane = 0; lane < rows; ++lane) {
      const int64_t row = y0 + block + lane;
      if (row < 0 || row >= image.extent(0) || x_end <= x_begin) continue;
      const T* from = out.row(lane);
      Pixel* to = &image(row, x0 + x_begin);
      if (add)
        for (int64_t i = x_begin; i < x_end; ++i) *to++ += static_cast<Pixel>(from[i]);
      else
        for (int64_t i = x_begin; i < x_end; ++i) *to++ = static_cast<Pixel>(from[i]);
    }
  }
}

template <class T, class Pixel>
void Coarsen(const Resampling& axes, View<const Pixel, 2> image, int64_t y0, int64_t x0, int64_t row_begin,
             int64_t row_end, View<Pixel, 2> out) {
  const Axis &ay = axes.y, &ax = axes.x;
  const T *wy = weights_of<T>(ay), *wx = weights_of<T>(ax);
  const LaneRows<T> in(ax.fine), result(ax.coarse);
  const int64_t x_begin = std::max<int64_t>(0, -x0), x_end = std::min(ax.fine, image.extent(1) - x0);
  std::vector<const Pixel*> rows;
  std::vector<T> weights;
  // Models are mostly empty: which rows are is looked at once.
  const int64_t y_begin = ay.fine_range->data()[2 * row_begin],
                y_end = std::max<int64_t>(y_begin, ay.fine_range->data()[2 * row_end - 1]);
  std::vector<char> empty(static_cast<size_t>(y_end - y_begin), 1);
  for (int64_t y = std::max(y_begin, -y0); y < std::min(y_end, image.extent(0) - y0) && x_end > x_begin;
       ++y) {
    const Pixel* from = &image(y0 + y, x0 + x_begin);
    empty[static_cast<size_t>(y - y_begin)] =
        std::all_of(from, from + (x_end - x_begin), [](Pixel p) { return p == Pixel(0); });
  }
  for (int64_t block = row_begin; block < row_end; block += kLanes<T>) {
    const int lanes = static_cast<int>(std::min<int64_t>(kLanes<T>, row_end - block));
    bool any = false;
    for (int lane = 0; lane < lanes; ++lane) {
      const int64_t coarse = block + lane;
      std::fill_n(in.row(lane), ax.fine, T(0));
      rows.clear();
      weights.clear();
      const int32_t* range = ay.fine_range->data() + 2 * coarse;
      for (int64_t y = range[0]; y < range[1]; ++y) {
        if (empty[static_cast<size_t>(y - y_begin)]) continue;
        rows.push_back(&image(y0 + y, x0 + x_begin));
        weights.push_back(wy[y * ay.taps + coarse - (*ay.first)[static_cast<size_t>(y)]]);
      }
      if (rows.empty()) continue;
      any = true;
      weighted_rows<true, T, Pixel>(rows.data(), weights.data(), 1, static_cast<int64_t>(rows.size()),
                                    x_end - x_begin, in.row(lane) + x_begin);
    }
    if (!any) {
      for (int lane = 0; lane < lanes; ++lane)
        std::fill_n(&out(block - row_begin + lane, 0), ax.coarse, Pixel(0));
      continue;
    }
    for (int lane = lanes; lane < kLanes<T>; ++lane) std::fill_n(in.row(lane), ax.fine, T(0));
    in.rows_to_lanes();
    for (int64_t x = 0; x < ax.coarse; ++x) {
      const int32_t* range = ax.fine_range->data() + 2 * x;
      const int64_t begin = range[0], end = range[1];
      const fft::Wide<T> d;
      for (int64_t lane = 0; lane < kLanes<T>; lane += static_cast<int64_t>(hn::Lanes(d))) {
        auto sum = hn::Zero(d), other = sum;
        int64_t f = begin;
        for (; f + 1 < end; f += 2) {
          const T *wa = wx + f * ax.taps + x - (*ax.first)[static_cast<size_t>(f)],
                  *wb = wx + (f + 1) * ax.taps + x - (*ax.first)[static_cast<size_t>(f + 1)];
          sum = hn::MulAdd(hn::Set(d, *wa), hn::Load(d, in.lanes() + f * kLanes<T> + lane), sum);
          other = hn::MulAdd(hn::Set(d, *wb), hn::Load(d, in.lanes() + (f + 1) * kLanes<T> + lane), other);
        }
        if (f < end)
          sum = hn::MulAdd(hn::Set(d, wx[f * ax.taps + x - (*ax.first)[static_cast<size_t>(f)]]),
                           hn::Load(d, in.lanes() + f * kLanes<T> + lane), sum);
        hn::Store(hn::Add(sum, other), d, result.lanes() + x * kLanes<T> + lane);
      }
    }
    result.lanes_to_rows();
    for (int lane = 0; lane < lanes; ++lane) {
      const T* from = result.row(lane);
      Pixel* to = &out(block - row_begin + lane, 0);
      for (int64_t x = 0; x < ax.coarse; ++x) to[x] = static_cast<Pixel>(from[x]);
    }
  }
}

#define FRINGEFLOW_RESAMPLE(Name, T, Pixel)                                                        \
  void Refine##Name(const Resampling& axes, std::span<const Pixel* const> coarse, int64_t y_begin, \
                    int64_t y_end, int64_t y0, int64_t x0, View<Pixel, 2> image, bool add) {       \
    Refine<T, Pixel>(axes, coarse, y_begin, y_end, y0, x0, image, add);                            \
  }                                                                                                \
  void Coarsen##Name(const Resampling& axes, View<const Pixel, 2> image, int64_t y0, int64_t x0,   \
                     int64_t row_begin, int64_t row_end, View<Pixel, 2> out) {                     \
    Coarsen<T, Pixel>(axes, image, y0, x0, row_begin, row_end, out);                               \
  }
FRINGEFLOW_RESAMPLE(FloatFloat, float, float)
FRINGEFLOW_RESAMPLE(FloatDouble, float, double)
FRINGEFLOW_RESAMPLE(DoubleFloat, double, float)
FRINGEFLOW_RESAMPLE(DoubleDouble, double, double)
#undef FRINGEFLOW_RESAMPLE

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::resample
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cmath>

#include "io/constants.hpp"

namespace fringeflow::resample {
namespace {

/// Kaiser's window I0(beta sqrt(1 - t^2)) / I0(beta), by the series of I0 in powers of 1 - t^2: all terms are positive.
class KaiserWindow {
 public:
  explicit KaiserWindow(double beta) {
    const double quarter = 0.25 * beta * beta;
    double sum = 0, term = 1;
    for (int k = 1; term > 1e-17 * sum; ++k) {
      terms_.push_back(term);
      sum += term;
      term *= quarter / (static_cast<double>(k) * k);
    }
    for (double& value : terms_) value /= sum;
  }
  /// values[i] = window where 1 - t^2 is from[i]; 0 where that is negative.
  void operator()(std::span<const double> from, std::span<double> values) const {
    std::fill(values.begin(), values.end(), 0.0);
    // Points in the inner loop: they do not wait for one another.
    for (size_t k = terms_.size(); k-- > 0;)
      for (size_t i = 0; i < values.size(); ++i) values[i] = values[i] * from[i] + terms_[k];
    for (size_t i = 0; i < values.size(); ++i)
      if (from[i] < 0) values[i] = 0;
  }

 private:
  std::vector<double> terms_;
};

/// Kaiser's design: stop band attenuation in decibels.
double attenuation(double error) { return -20 * std::log10(error); }

}  // namespace

int taps_for(double oversampling, double error) {
  // The transition from the band's edge to its first image, in radians per coarse pixel.
  const double transition = 2 * kPi * (1 - 1 / oversampling);
  const int taps = static_cast<int>(std::ceil((attenuation(error) - 7.95) / (2.285 * transition))) + 1;
  return std::max(4, taps + taps % 2);
}

int64_t coarse_pixels(int64_t fine, double ratio, int taps) {
  if (ratio == 1) return fine;
  return 2 * (static_cast<int64_t>(std::ceil(0.5 * static_cast<double>(fine) / ratio)) + taps / 2 + 1);
}

Axis make_axis(int64_t fine, double ratio, double oversampling, double error) {
  Axis axis;
  axis.fine = fine;
  axis.taps = ratio == 1 ? 1 : taps_for(oversampling, error);
  axis.coarse = coarse_pixels(fine, ratio, axis.taps);
  std::vector<int32_t> first(static_cast<size_t>(fine)), range(static_cast<size_t>(2 * axis.coarse));
  std::vector<double> weight(static_cast<size_t>(fine * axis.taps));
  const double beta = 0.1102 * (attenuation(error) - 8.7), half = 0.5 * axis.taps;
  const KaiserWindow kaiser(beta);
  std::vector<double> inside(static_cast<size_t>(axis.taps)), window(inside.size());
  for (int64_t f = 0; f < fine; ++f) {
    if (ratio == 1) {
      first[static_cast<size_t>(f)] = static_cast<int32_t>(f);
      weight[static_cast<size_t>(f)] = 1;
      continue;
    }
    const double at = static_cast<double>(f - fine / 2) / ratio + static_cast<double>(axis.coarse / 2);
    const auto begin = static_cast<int64_t>(std::floor(at)) - axis.taps / 2 + 1;
    first[static_cast<size_t>(f)] = static_cast<int32_t>(begin);
    const double from_first = at - static_cast<double>(begin);
    for (int j = 0; j < axis.taps; ++j) {
      const double t = (from_first - j) / half;
      inside[static_cast<size_t>(j)] = 1 - t * t;
    }
    kaiser(inside, window);
    // sin(pi (x - j)) = (-1)^j sin(pi x), taken at the nearest tap: it must not lose digits next to it.
    const int nearest = static_cast<int>(std::lround(from_first));
    const double sine = std::sin(kPi * (from_first - nearest)) / kPi;
    for (int j = 0; j < axis.taps; ++j) {
      const double x = from_first - j, sinc = x == 0 ? 1 : ((j - nearest) % 2 == 0 ? sine : -sine) / x;
      weight[static_cast<size_t>(f * axis.taps + j)] = sinc * window[static_cast<size_t>(j)];
    }
  }
  for (int64_t c = 0, begin = 0, end = 0; c < axis.coarse; ++c) {
    while (begin < fine && first[static_cast<size_t>(begin)] + axis.taps <= c) ++begin;
    while (end < fine && first[static_cast<size_t>(end)] <= c) ++end;
    range[static_cast<size_t>(2 * c)] = static_cast<int32_t>(begin);
    range[static_cast<size_t>(2 * c + 1)] = static_cast<int32_t>(std::max(begin, end));
  }
  axis.weight_single = std::make_shared<const std::vector<float>>(weight.begin(), weight.end());
  axis.first = std::make_shared<const std::vector<int32_t>>(std::move(first));
  axis.fine_range = std::make_shared<const std::vector<int32_t>>(std::move(range));
  axis.weight = std::make_shared<const std::vector<double>>(std::move(weight));
  return axis;
}

#define FRINGEFLOW_RESAMPLE(Name, T, Pixel)                                                                \
  HWY_EXPORT(Refine##Name);                                                                                \
  HWY_EXPORT(Coarsen##Name);                                                                               \
  template <>                                                                                              \
  void refine_cpu<T, Pixel>(const Resampling& axes, std::span<const Pixel* const> coarse, int64_t y_begin, \
                            int64_t y_end, int64_t y0, int64_t x0, View<Pixel, 2> image, bool add) {       \
    HWY_DYNAMIC_DISPATCH(Refine##Name)(axes, coarse, y_begin, y_end, y0, x0, image, add);                  \
  }                                                                                                        \
  template <>                                                                                              \
  void coarsen_cpu<T, Pixel>(const Resampling& axes, View<const Pixel, 2> image, int64_t y0, int64_t x0,   \
                             int64_t row_begin, int64_t row_end, View<Pixel, 2> out) {                     \
    HWY_DYNAMIC_DISPATCH(Coarsen##Name)(axes, image, y0, x0, row_begin, row_end, out);                     \
  }
FRINGEFLOW_RESAMPLE(FloatFloat, float, float)
FRINGEFLOW_RESAMPLE(FloatDouble, float, double)
FRINGEFLOW_RESAMPLE(DoubleFloat, double, float)
FRINGEFLOW_RESAMPLE(DoubleDouble, double, double)
#undef FRINGEFLOW_RESAMPLE

}  // namespace fringeflow::resample
#endif  // HWY_ONCE
