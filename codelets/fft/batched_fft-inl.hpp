// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Transforms in lanes for one SIMD target. Included once per target (Highway's foreach_target); internal to
/// fft.
///
/// A row is one complex element of all sequences: [re, im][lane], 2 x 64 bytes. A row is k vectors where
/// vectors are shorter than 64 bytes. Sign -1 is sign +1 with real and imaginary parts swapped, at every load
/// and store.
#if defined(FRINGEFLOW_FFT_BATCHED_FFT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef FRINGEFLOW_FFT_BATCHED_FFT_INL
#undef FRINGEFLOW_FFT_BATCHED_FFT_INL
#else
#define FRINGEFLOW_FFT_BATCHED_FFT_INL
#endif

#include <cstddef>
#include <cstdint>

#include "codelets/fft/transform_plan.hpp"
#include "codelets/gridder/geometry.hpp"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::fft {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using gridder::kLanes;

/// The widest vector that divides a row.
template <class T>
using Wide = hn::CappedTag<T, size_t(gridder::kLanes<T>)>;
template <class T>
inline constexpr ptrdiff_t kRow = 2 * gridder::kLanes<T>;  ///< scalars of a row

/// Twiddles of a pass: none, those of the pass, or the caller's for every output of the last pass.
enum class Twiddle { kNone, kPass, kOutput };

/// (cos, sin) of 2 pi k / n for the constants of composite butterflies, n = 9 or 16.
constexpr double ButterflyCos(int k, int n) {
  constexpr double kNinths[] = {1, 0.76604444311897803520, 0.17364817766693034885, -0.5,
                                -0.93969262078590838405};
  constexpr double kSixteenths[] = {
      1, 0.92387953251128675613,  0.70710678118654752440,  0.38268343236508977173,
      0, -0.38268343236508977173, -0.70710678118654752440, -0.92387953251128675613,
      -1};
  k %= n;
  if (2 * k > n) k = n - k;
  return n == 9 ? kNinths[k] : kSixteenths[k];
}
constexpr double ButterflySin(int k, int n) {
  constexpr double kNinths[] = {0, 0.64278760968653932632, 0.98480775301220805937, 0.86602540378443864676,
                                0.34202014332566873304};
  k %= n;
  if (2 * k > n) return -ButterflySin(n - k, n);
  // A quarter of a turn is four sixteenths; ninths have no such step.
  return n == 9 ? kNinths[k] : ButterflyCos(k >= 4 ? k - 4 : 4 - k, n);
}
constexpr int InverseModulo(int a, int n) {
  for (int i = 1; i < n; ++i)
    if (a * i % n == 1) return i;
  return 0;
}

template <int R, class D, class V = hn::Vec<D>>
HWY_INLINE void Butterfly(D d, V* HWY_RESTRICT re, V* HWY_RESTRICT im);

/// DFT of A B values, A and B coprime: prime factors, no twiddles.
template <int A, int B, class D, class V = hn::Vec<D>>
HWY_INLINE void CoprimeButterfly(D d, V* HWY_RESTRICT re, V* HWY_RESTRICT im) {
  constexpr int kN = A * B;
  constexpr int kA = B * InverseModulo(B % A, A), kB = A * InverseModulo(A % B, B);
  V xr[kN], xi[kN];
#pragma GCC unroll 16
  for (int b = 0; b < B; ++b) {
    V tr[A], ti[A];
#pragma GCC unroll 16
    for (int a = 0; a < A; ++a) {
      tr[a] = re[(B * a + A * b) % kN];
      ti[a] = im[(B * a + A * b) % kN];
    }
    Butterfly<A>(d, tr, ti);
#pragma GCC unroll 16
    for (int a = 0; a < A; ++a) {
      xr[a * B + b] = tr[a];
      xi[a * B + b] = ti[a];
    }
  }
#pragma GCC unroll 16
  for (int a = 0; a < A; ++a) {
    Butterfly<B>(d, xr + a * B, xi + a * B);
#pragma GCC unroll 16
    for (int b = 0; b < B; ++b) {
      re[(kA * a + kB * b) % kN] = xr[a * B + b];
      im[(kA * a + kB * b) % kN] = xi[a * B + b];
    }
  }
}

/// DFT of A^2 values in two steps with constant twiddles between, A = 3 or 4.
template <int A, class D, class V = hn::Vec<D>>
HWY_INLINE void SquareButterfly(D d, V* HWY_RESTRICT re, V* HWY_RESTRICT im) {
  using T = hn::TFromD<D>;
  constexpr int kN = A * A;
  V xr[kN], xi[kN];
#pragma GCC unroll 16
  for (int b = 0; b < A; ++b) {
    V tr[A], ti[A];
#pragma GCC unroll 16
    for (int a = 0; a < A; ++a) {
      tr[a] = re[A * a + b];
      ti[a] = im[A * a + b];
    }
    Butterfly<A>(d, tr, ti);
#pragma GCC unroll 16
    for (int a = 0; a < A; ++a) {
      if (a * b == 0) {
        xr[a * A + b] = tr[a];
        xi[a * A + b] = ti[a];
      } else if (4 * a * b == kN) {  // times i
        xr[a * A + b] = hn::Neg(ti[a]);
        xi[a * A + b] = tr[a];
      } else {
        const V c = hn::Set(d, T(ButterflyCos(a * b, kN))), s = hn::Set(d, T(ButterflySin(a * b, kN)));
        xr[a * A + b] = hn::NegMulAdd(ti[a], s, hn::Mul(tr[a], c));
        xi[a * A + b] = hn::MulAdd(tr[a], s, hn::Mul(ti[a], c));
      }
    }
  }
#pragma GCC unroll 16
  for (int a = 0; a < A; ++a) {
    Butterfly<A>(d, xr + a * A, xi + a * A);
#pragma GCC unroll 16
    for (int b = 0; b < A; ++b) {
      re[a + A * b] = xr[a * A + b];
      im[a + A * b] = xi[a * A + b];
    }
  }
}

/// DFT of R values in registers, sign +.
template <int R, class D, class V>
HWY_INLINE void Butterfly(D d, V* HWY_RESTRICT re, V* HWY_RESTRICT im) {
  using T = hn::TFromD<D>;
  if constexpr (R == 2) {
    const V ar = re[0], ai = im[0];
    re[0] = hn::Add(ar, re[1]);
    im[0] = hn::Add(ai, im[1]);
    re[1] = hn::Sub(ar, re[1]);
    im[1] = hn::Sub(ai, im[1]);
  } else if constexpr (R == 3) {
    const V half = hn::Set(d, T(0.5)), s = hn::Set(d, T(0.86602540378443864676));
    const V sr = hn::Add(re[1], re[2]), si = hn::Add(im[1], im[2]);
    const V dr = hn::Sub(re[1], re[2]), di = hn::Sub(im[1], im[2]);
    const V mr = hn::NegMulAdd(sr, half, re[0]), mi = hn::NegMulAdd(si, half, im[0]);
    re[0] = hn::Add(re[0], sr);
    im[0] = hn::Add(im[0], si);
    re[1] = hn::NegMulAdd(di, s, mr);
    im[1] = hn::MulAdd(dr, s, mi);
    re[2] = hn::MulAdd(di, s, mr);
    im[2] = hn::NegMulAdd(dr, s, mi);
  } else if constexpr (R == 4) {
    const V ar = hn::Add(re[0], re[2]), ai = hn::Add(im[0], im[2]);
    const V br = hn::Sub(re[0], re[2]), bi = hn::Sub(im[0], im[2]);
    const V cr = hn::Add(re[1], re[3]), ci = hn::Add(im[1], im[3]);
    const V dr = hn::Sub(re[1], re[3]), di = hn::Sub(im[1], im[3]);
    re[0] = hn::Add(ar, cr);
    im[0] = hn::Add(ai, ci);
    re[2] = hn::Sub(ar, cr);
    im[2] = hn::Sub(ai, ci);
    re[1] = hn::Sub(br, di);
    im[1] = hn::Add(bi, dr);
    re[3] = hn::Add(br, di);
    im[3] = hn::Sub(bi, dr);
  } else if constexpr (R == 5) {
    const V c1 = hn::Set(d, T(0.30901699437494742410)), c2 = hn::Set(d, T(0.80901699437494742410));
    const V s1 = hn::Set(d, T(0.95105651629515357212)), s2 = hn::Set(d, T(0.58778525229247312917));
    const V ar = hn::Add(re[1], re[4]), ai = hn::Add(im[1], im[4]);
    const V br = hn::Add(re[2], re[3]), bi = hn::Add(im[2], im[3]);
    const V dr = hn::Sub(re[1], re[4]), di = hn::Sub(im[1], im[4]);
    const V er = hn::Sub(re[2], re[3]), ei = hn::Sub(im[2], im[3]);
    const V pr = hn::NegMulAdd(br, c2, hn::MulAdd(ar, c1, re[0]));
    const V pi = hn::NegMulAdd(bi, c2, hn::MulAdd(ai, c1, im[0]));
    const V qr = hn::MulAdd(br, c1, hn::NegMulAdd(ar, c2, re[0]));
    const V qi = hn::MulAdd(bi, c1, hn::NegMulAdd(ai, c2, im[0]));
    const V ur = hn::MulAdd(er, s2, hn::Mul(dr, s1)), ui = hn::MulAdd(ei, s2, hn::Mul(di, s1));
    const V vr = hn::NegMulAdd(er, s1, hn::Mul(dr, s2)), vi = hn::NegMulAdd(ei, s1, hn::Mul(di, s2));
    re[0] = hn::Add(re[0], hn::Add(ar, br));
    im[0] = hn::Add(im[0], hn::Add(ai, bi));
    re[1] = hn::Sub(pr, ui);
    im[1] = hn::Add(pi, ur);
    re[4] = hn::Add(pr, ui);
    im[4] = hn::Sub(pi, ur);
    re[2] = hn::Sub(qr, vi);
    im[2] = hn::Add(qi, vr);
    re[3] = hn::Add(qr, vi);
    im[3] = hn::Sub(qi, vr);
  } else if constexpr (R == 6) {
    CoprimeButterfly<2, 3>(d, re, im);
  } else if constexpr (R == 9) {
    SquareButterfly<3>(d, re, im);
  } else if constexpr (R == 10) {
    CoprimeButterfly<2, 5>(d, re, im);
  } else if constexpr (R == 12) {
    CoprimeButterfly<3, 4>(d, re, im);
  } else if constexpr (R == 15) {
    CoprimeButterfly<3, 5>(d, re, im);
  } else if constexpr (R == 16) {
    SquareButterfly<4>(d, re, im);
  } else {
    static_assert(R == 8);
    const V h = hn::Set(d, T(0.70710678118654752440));
    V er[4] = {re[0], re[2], re[4], re[6]}, ei[4] = {im[0], im[2], im[4], im[6]};
    V our[4] = {re[1], re[3], re[5], re[7]}, oui[4] = {im[1], im[3], im[5], im[7]};
    Butterfly<4>(d, er, ei);
    Butterfly<4>(d, our, oui);
    re[0] = hn::Add(er[0], our[0]);
    im[0] = hn::Add(ei[0], oui[0]);
    re[4] = hn::Sub(er[0], our[0]);
    im[4] = hn::Sub(ei[0], oui[0]);
    // Odd half times exp(i pi/4): ((re - im) h, (re + im) h).
    const V t1r = hn::Sub(our[1], oui[1]), t1i = hn::Add(our[1], oui[1]);
    re[1] = hn::MulAdd(t1r, h, er[1]);
    im[1] = hn::MulAdd(t1i, h, ei[1]);
    re[5] = hn::NegMulAdd(t1r, h, er[1]);
    im[5] = hn::NegMulAdd(t1i, h, ei[1]);
    // Times i.
    re[2] = hn::Sub(er[2], oui[2]);
    im[2] = hn::Add(ei[2], our[2]);
    re[6] = hn::Add(er[2], oui[2]);
    im[6] = hn::Sub(ei[2], our[2]);
    // Times exp(3 i pi/4): (-(re + im) h, (re - im) h).
    const V t3r = hn::Add(our[3], oui[3]), t3i = hn::Sub(our[3], oui[3]);
    re[3] = hn::NegMulAdd(t3r, h, er[3]);
    im[3] = hn::MulAdd(t3i, h, ei[3]);
    re[7] = hn::MulAdd(t3r, h, er[3]);
    im[7] = hn::NegMulAdd(t3i, h, ei[3]);
  }
}

/// Where the parts of a row are: swapped for sign -1.
struct Parts {
  ptrdiff_t re, im;
};
template <class T>
HWY_INLINE Parts parts_of(int sign) {
  return sign > 0 ? Parts{0, kLanes<T>} : Parts{kLanes<T>, 0};
}

/// One Stockham pass of radix R: n_pass points at stride s. Strides of src and dst in scalars.
template <int R, Twiddle kTwiddle, class T>
HWY_NOINLINE void Pass(int n_pass, int s, const T* HWY_RESTRICT src, ptrdiff_t src_stride, T* dst,
                       ptrdiff_t dst_stride, const T* HWY_RESTRICT twiddle, Parts parts) {
  const Wide<T> d;
  using V = hn::Vec<Wide<T>>;
  constexpr ptrdiff_t kStep = ptrdiff_t(hn::MaxLanes(Wide<T>()));
  const int m = n_pass / R;
  const ptrdiff_t in_step = ptrdiff_t(s) * m * src_stride;
  const ptrdiff_t out_step = ptrdiff_t(s) * dst_stride;
  for (int p = 0; p < m; ++p) {
    const T* pass_twiddle = twiddle + ptrdiff_t(p) * R * 2;
    const T* in_row = src + ptrdiff_t(s) * p * src_stride;
    T* out_row = dst + ptrdiff_t(s) * R * p * dst_stride;
    for (int q = 0; q < s; ++q, in_row += src_stride, out_row += dst_stride) {
      for (ptrdiff_t lane = 0; lane < kLanes<T>; lane += kStep) {
        V re[R], im[R];
        const T* in = in_row + lane;
#pragma GCC unroll 16
        for (int k = 0; k < R; ++k) {
          re[k] = hn::Load(d, in + k * in_step + parts.re);
          im[k] = hn::Load(d, in + k * in_step + parts.im);
        }
        Butterfly<R>(d, re, im);
        T* out = out_row + lane;
#pragma GCC unroll 16
        for (int k = 0; k < R; ++k) {
          const bool plain = kTwiddle == Twiddle::kNone || (kTwiddle == Twiddle::kPass && k == 0);
          if (plain) {
            hn::Store(re[k], d, out + k * out_step + parts.re);
            hn::Store(im[k], d, out + k * out_step + parts.im);
          } else {
            const T* t =
                kTwiddle == Twiddle::kPass ? pass_twiddle + 2 * k : twiddle + 2 * (q + ptrdiff_t(s) * k);
            const V c = hn::Set(d, t[0]), sn = hn::Set(d, t[1]);
            hn::Store(hn::NegMulAdd(im[k], sn, hn::Mul(re[k], c)), d, out + k * out_step + parts.re);
            hn::Store(hn::MulAdd(re[k], sn, hn::Mul(im[k], c)), d, out + k * out_step + parts.im);
          }
        }
      }
    }
  }
}

template <Twiddle kTwiddle, class T>
HWY_INLINE void PassOfRadix(int radix, int n_pass, int s, const T* src, ptrdiff_t src_stride, T* dst,
                            ptrdiff_t dst_stride, const T* twiddle, Parts parts) {
  switch (radix) {
    case 2:
      return Pass<2, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 3:
      return Pass<3, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 4:
      return Pass<4, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 5:
      return Pass<5, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 6:
      return Pass<6, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 8:
      return Pass<8, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 9:
      return Pass<9, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 10:
      return Pass<10, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 12:
      return Pass<12, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    case 15:
      return Pass<15, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
    default:
      return Pass<16, kTwiddle>(n_pass, s, src, src_stride, dst, dst_stride, twiddle, parts);
  }
}

/// Short transform from src to dst, which may be the same. Buffers a and b hold n rows each.
/// @param output_twiddle [n] factors for the outputs, or null.
template <class T>
HWY_INLINE void ShortTransform(const ShortPlan<T>& plan, const T* src, ptrdiff_t src_stride, T* dst,
                               ptrdiff_t dst_stride, T* a, T* b, const T* output_twiddle, Parts parts) {
  int n_pass = plan.n, s = 1;
  const size_t passes = plan.radices.size();
  for (size_t i = 0; i < passes; ++i) {
    const int radix = plan.radices[i];
    if (i + 1 < passes) {
      PassOfRadix<Twiddle::kPass>(radix, n_pass, s, src, src_stride, a, kRow<T>, plan.twiddles[i].data(),
                                  parts);
      src = a;
      src_stride = kRow<T>;
      a = b;
      b = const_cast<T*>(src);
    } else if (output_twiddle != nullptr) {
      PassOfRadix<Twiddle::kOutput>(radix, n_pass, s, src, src_stride, dst, dst_stride, output_twiddle,
                                    parts);
    } else {
      PassOfRadix<Twiddle::kNone>(radix, n_pass, s, src, src_stride, dst, dst_stride, output_twiddle, parts);
    }
    n_pass /= radix;
    s *= radix;
  }
}

/// Transform in place; output k is at plan.position(k).
template <class T>
HWY_INLINE void TransformInPlace(const TransformPlan<T>& plan, T* x, T* scratch, int sign) {
  const Parts parts = parts_of<T>(sign);
  const int longer = plan.n1 > plan.n2 ? plan.n1 : plan.n2;
  T* a = scratch;
  T* b = scratch + longer * kRow<T>;
  if (plan.n1 > 1) {
    const ptrdiff_t stride = plan.n2 * kRow<T>;
    for (int j = 0; j < plan.n2; ++j) {
      T* column = x + j * kRow<T>;
      ShortTransform(plan.first, column, stride, column, stride, a, b,
                     plan.between.data() + ptrdiff_t(j) * plan.n1 * 2, parts);
    }
  }
  for (int k = 0; k < plan.n1; ++k) {
    T* row = x + ptrdiff_t(k) * plan.n2 * kRow<T>;
    ShortTransform<T>(plan.second, row, kRow<T>, row, kRow<T>, a, b, nullptr, parts);
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::fft
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
