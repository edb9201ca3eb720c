// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Sine and cosine of many angles, compiled once per SIMD target (Highway).
// Per-target include guard.
#if defined(FRINGEFLOW_UNIT_PHASOR_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef FRINGEFLOW_UNIT_PHASOR_INL_HPP
#undef FRINGEFLOW_UNIT_PHASOR_INL_HPP
#else
#define FRINGEFLOW_UNIT_PHASOR_INL_HPP
#endif

#include <hwy/highway.h>

#include "io/constants.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// exp(2πi t) to double precision for |t| < 2^50.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void unit_phasor(D d, V turns, V& re, V& im) {
  const V x = hn::Sub(turns, hn::Round(turns));               // [−1/2, 1/2]
  const V quadrant = hn::Round(hn::Mul(x, hn::Set(d, 4.0)));  // −2 … 2
  const V y = hn::NegMulAdd(quadrant, hn::Set(d, 0.25), x);   // [−1/8, 1/8]
  const V a = hn::Mul(y, hn::Set(d, 2 * kPi)), a2 = hn::Mul(a, a);
  // Taylor series: |a| ≤ π/4, so that the first terms left out are below 1e-16.
  V s = hn::Set(d, -1.0 / 1307674368000.0), c = hn::Set(d, 1.0 / 20922789888000.0);
  for (double k :
       {1.0 / 6227020800.0, -1.0 / 39916800.0, 1.0 / 362880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0}) {
    s = hn::MulAdd(s, a2, hn::Set(d, k));
  }
  for (double k : {-1.0 / 87178291200.0, 1.0 / 479001600.0, -1.0 / 3628800.0, 1.0 / 40320.0, -1.0 / 720.0,
                   1.0 / 24.0, -0.5, 1.0}) {
    c = hn::MulAdd(c, a2, hn::Set(d, k));
  }
  s = hn::Mul(s, a);
  const V one = hn::Set(d, 1.0), distance = hn::Abs(quadrant);
  const auto odd = hn::Eq(distance, one);
  re = hn::IfThenElse(odd, s, c);
  im = hn::IfThenElse(odd, c, s);
  // cos changes sign in quadrants 1 and ±2, sin in −1 and ±2.
  const auto opposite = hn::Eq(distance, hn::Set(d, 2.0));
  re = hn::IfThenElse(hn::Or(opposite, hn::Eq(quadrant, one)), hn::Neg(re), re);
  im = hn::IfThenElse(hn::Or(opposite, hn::Eq(quadrant, hn::Neg(one))), hn::Neg(im), im);
}

}  // namespace HWY_NAMESPACE
}  // namespace fringeflow
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
