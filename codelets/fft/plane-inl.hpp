// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// What the plane steps share, for one SIMD target: transposes, sin and cos of turns, directions of pixels.
/// Internal to fft.
#if defined(FRINGEFLOW_FFT_PLANE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef FRINGEFLOW_FFT_PLANE_INL
#undef FRINGEFLOW_FFT_PLANE_INL
#else
#define FRINGEFLOW_FFT_PLANE_INL
#endif

#include <array>
#include <cstddef>
#include <cstdint>

#include "codelets/fft/batched_fft-inl.hpp"
#include "codelets/gridder/geometry.hpp"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::fft {
namespace HWY_NAMESPACE {

/// Transposes N x N scalars in N = MaxLanes registers. Moves only: the same on every target.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void TransposeRegisters([[maybe_unused]] D d, [[maybe_unused]] V* HWY_RESTRICT r) {
#if HWY_TARGET != HWY_SCALAR  // one lane, and no such operations
  using T = hn::TFromD<D>;
  constexpr int kN = int(hn::MaxLanes(D()));
  constexpr int kPerBlock = kN < int(16 / sizeof(T)) ? kN : int(16 / sizeof(T));  // lanes of a 128-bit block
  constexpr int kBlocks = kN / kPerBlock;
  // Within the 128-bit blocks.
  if constexpr (kPerBlock == 4) {
    const hn::RebindToFloat<hn::RepartitionToWide<hn::RebindToUnsigned<D>>> wide;
#pragma GCC unroll 4
    for (int i = 0; i < kN; i += 4) {
      const auto a = hn::BitCast(wide, hn::InterleaveLower(d, r[i], r[i + 1])),
                 b = hn::BitCast(wide, hn::InterleaveUpper(d, r[i], r[i + 1]));
      const auto e = hn::BitCast(wide, hn::InterleaveLower(d, r[i + 2], r[i + 3])),
                 f = hn::BitCast(wide, hn::InterleaveUpper(d, r[i + 2], r[i + 3]));
      r[i] = hn::BitCast(d, hn::InterleaveLower(wide, a, e));
      r[i + 1] = hn::BitCast(d, hn::InterleaveUpper(wide, a, e));
      r[i + 2] = hn::BitCast(d, hn::InterleaveLower(wide, b, f));
      r[i + 3] = hn::BitCast(d, hn::InterleaveUpper(wide, b, f));
    }
  } else if constexpr (kPerBlock == 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kN; i += 2) {
      const V a = hn::InterleaveLower(d, r[i], r[i + 1]), b = hn::InterleaveUpper(d, r[i], r[i + 1]);
      r[i] = a;
      r[i + 1] = b;
    }
  }
  // Blocks between registers: halves, then neighbours within halves.
  if constexpr (kBlocks >= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kN / 2; ++i) {
      const V a = r[i], b = r[i + kN / 2];
      r[i] = hn::ConcatLowerLower(d, b, a);
      r[i + kN / 2] = hn::ConcatUpperUpper(d, b, a);
    }
  }
  if constexpr (kBlocks == 4) {
#pragma GCC unroll 2
    for (int half = 0; half < kN; half += kN / 2)
#pragma GCC unroll 4
      for (int i = half; i < half + kPerBlock; ++i) {
        const V a = r[i], b = r[i + kPerBlock];
        r[i] = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a);
        r[i + kPerBlock] = hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a));
      }
  }
  static_assert(kBlocks == 1 || kBlocks == 2 || kBlocks == 4);
#endif
}

/// Transposes kLanes x kLanes scalars. load(d, row, column) gives scalars [column, column + N) of a row,
/// store(d, v, row, column) takes them of the transposed matrix.
template <class T, class LoadFn, class StoreFn>
HWY_INLINE void Transpose(LoadFn&& load, StoreFn&& store) {
  const Wide<T> d;
  constexpr int kN = int(hn::MaxLanes(Wide<T>()));
  for (int i = 0; i < kLanes<T>; i += kN)
    for (int j = 0; j < kLanes<T>; j += kN) {
      hn::Vec<Wide<T>> r[kN];
#pragma GCC unroll 16
      for (int k = 0; k < kN; ++k) r[k] = load(d, i + k, j);
      TransposeRegisters(d, r);
#pragma GCC unroll 16
      for (int k = 0; k < kN; ++k) store(d, r[k], j + k, i);
    }
}

/// Stores what is read much later, past the caches where a vector is a whole line of them.
template <class T>
HWY_INLINE void StorePast(hn::Vec<Wide<T>> value, Wide<T> d, T* to) {
  if constexpr (hn::MaxLanes(Wide<T>()) == size_t(kLanes<T>)) {
    hn::Stream(value, d, to);
  } else {
    hn::Store(value, d, to);
  }
}

/// pi^k / k! with the sign of the sine's and cosine's series.
constexpr double SeriesTerm(int k) {
  double term = 1;
  for (int i = 1; i <= k; ++i) term *= 3.14159265358979323846 / i;
  return k % 4 >= 2 ? -term : term;
}
/// Every second term from `first`.
template <int kTerms>
constexpr std::array<double, size_t(kTerms)> SeriesTerms(int first) {
  std::array<double, size_t(kTerms)> out{};
  for (int i = 0; i < kTerms; ++i) out[size_t(i)] = SeriesTerm(first + 2 * i);
  return out;
}

/// sin and cos of 2 pi turns, to rounding of T for any turns of moderate size. Through the half angle, so
/// that there is no case distinction: sin 2a = 2 sin a cos a, cos 2a = 1 - 2 sin^2 a, |a| <= pi/2.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void SinCosTurns(D d, V turns, V& sine, V& cosine) {
  using T = hn::TFromD<D>;
  constexpr int kSine = sizeof(T) == 4 ? 6 : 11, kCosine = sizeof(T) == 4 ? 7 : 12;
  constexpr auto sine_terms = SeriesTerms<kSine>(1);
  constexpr auto cosine_terms = SeriesTerms<kCosine>(0);
  const V t = hn::Sub(turns, hn::Round(turns));
  const V t2 = hn::Mul(t, t);
  V s = hn::Set(d, T(sine_terms[kSine - 1]));
#pragma GCC unroll 16
  for (int i = kSine - 2; i >= 0; --i) s = hn::MulAdd(s, t2, hn::Set(d, T(sine_terms[size_t(i)])));
  s = hn::Mul(s, t);
  V c = hn::Set(d, T(cosine_terms[kCosine - 1]));
#pragma GCC unroll 16
  for (int i = kCosine - 2; i >= 0; --i) c = hn::MulAdd(c, t2, hn::Set(d, T(cosine_terms[size_t(i)])));
  const V two_s = hn::Add(s, s);
  sine = hn::Mul(two_s, c);
  cosine = hn::NegMulAdd(two_s, s, hn::Set(d, T(1)));
}

/// The widest vector of double that divides kLanes<T>.
template <class T>
using WideDouble = hn::CappedTag<double, size_t(gridder::kLanes<T>)>;

/// Directions of kLanes<T> pixels of a column, the operations of pixel_direction() one by one: the same bits.
template <class T>
class Directions {
 public:
  using D = WideDouble<T>;
  using V = hn::Vec<D>;
  struct Value {
    V n, offset;  ///< n = sqrt(1 - l^2 - m^2) and r - r_centre; both 0 beyond the horizon
    hn::Mask<D> above_horizon;
  };

  Directions(const gridder::Facet& facet, int64_t y_first) : facet_(facet), n0_(1 + facet.n0_minus_1) {
    for (int i = 0; i < kLanes<T>; ++i) {
      dm_[i] = double(y_first + i - facet.ny / 2) * facet.cell_y_rad;
      m_[i] = facet.m0 + dm_[i];
      m_squared_[i] = m_[i] * m_[i];
      from_m_[i] = dm_[i] * (facet.m0 + m_[i]);
      sheared_m_[i] = facet.shear_v * dm_[i];
    }
  }
  /// Pixels (x, y_first + lane ...).
  HWY_INLINE Value operator()(int64_t x, int lane) const {
    const D d;
    const double dl = -double(x - facet_.nx / 2) * facet_.cell_x_rad;
    const double l = facet_.l0 + dl;
    const V n_squared = hn::Sub(hn::Set(d, 1 - l * l), hn::Load(d, m_squared_ + lane));
    const auto above = hn::Ge(n_squared, hn::Zero(d));
    const V n = hn::Sqrt(hn::IfThenElseZero(above, n_squared));
    V difference = n;
    if (n0_ > 0) {
      const V sum = hn::Add(hn::Set(d, dl * (facet_.l0 + l)), hn::Load(d, from_m_ + lane));
      difference = hn::Div(hn::Neg(sum), hn::Add(n, hn::Set(d, n0_)));
    }
    const V r = hn::Sub(hn::Sub(difference, hn::Set(d, facet_.shear_u * dl)), hn::Load(d, sheared_m_ + lane));
    return {n, hn::IfThenElseZero(above, hn::Sub(r, hn::Set(d, facet_.r_centre))), above};
  }

 private:
  const gridder::Facet& facet_;
  double n0_;
  alignas(64) double dm_[kLanes<T>], m_[kLanes<T>], m_squared_[kLanes<T>], from_m_[kLanes<T>],
      sheared_m_[kLanes<T>];
};

/// Rounds doubles to T and stores; loads T as doubles.
template <class T, class D, class V = hn::Vec<D>>
HWY_INLINE void StoreAs(D d, V v, T* to) {
  if constexpr (sizeof(T) == 8) {
    hn::StoreU(v, d, to);
  } else {
    const hn::Rebind<float, D> narrow;
    hn::StoreU(hn::DemoteTo(narrow, v), narrow, to);
  }
}
template <class T, class D>
HWY_INLINE hn::Vec<D> LoadAsDouble(D d, const T* from) {
  if constexpr (sizeof(T) == 8) {
    return hn::LoadU(d, from);
  } else {
    const hn::Rebind<float, D> narrow;
    return hn::PromoteTo(d, hn::LoadU(narrow, from));
  }
}

HWY_INLINE int64_t Modulo(int64_t a, int64_t n) {
  const int64_t r = a % n;
  return r < 0 ? r + n : r;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::fft
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
