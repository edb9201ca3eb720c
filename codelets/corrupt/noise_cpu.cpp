// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "codelets/common/simd_targets.hpp"
#include "codelets/corrupt/random.hpp"

// Compiled once per instruction set by Highway, which picks the best at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/corrupt/noise_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "codelets/common/unit_phasor-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::corrupt {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<double>;
using DU = hn::RebindToUnsigned<D>;
using V = hn::Vec<D>;
using U = hn::Vec<DU>;

/// Products of lower halves, whole.
HWY_INLINE U multiply(DU d, U a, uint32_t b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(d, hn::GetLane(a) * b);  // the upper half is 0
#else
  const hn::Repartition<uint32_t, DU> halves;
  (void)d;
  return hn::MulEven(hn::BitCast(halves, a), hn::Set(halves, b));
#endif
}

/// philox() of random.hpp, a counter in every lane; words are the lower halves of lanes.
HWY_INLINE void philox_lanes(DU d, U (&counter)[4], uint32_t key0, uint32_t key1) {
  const U low = hn::Set(d, uint64_t{0xFFFFFFFFu});
  for (int round = 0; round < 10; ++round) {
    const U a = multiply(d, counter[0], 0xD2511F53u), b = multiply(d, counter[2], 0xCD9E8D57u);
    const U first = hn::Xor(hn::Xor(hn::ShiftRight<32>(b), counter[1]), hn::Set(d, uint64_t{key0})),
            third = hn::Xor(hn::Xor(hn::ShiftRight<32>(a), counter[3]), hn::Set(d, uint64_t{key1}));
    counter[0] = first;
    counter[1] = hn::And(b, low);
    counter[2] = third;
    counter[3] = hn::And(a, low);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/// The number of uniform(), exactly: 52 bits and a half.
HWY_INLINE V uniform_lanes(D d, U high, U low) {
  const DU bits;
  const U mantissa = hn::ShiftRight<12>(hn::Or(hn::ShiftLeft<32>(high), low));
  const V above = hn::BitCast(d, hn::Or(mantissa, hn::Set(bits, 0x3FF0000000000000u)));
  return hn::Add(hn::Sub(above, hn::Set(d, 1.0)), hn::Set(d, 0x1p-53));
}

/// Natural logarithm to double precision of 2^-53 to 1: of m 2^e with m in [√½, √2], e ln 2 + 2 artanh((m − 1) / (m + 1)).
HWY_INLINE V log_lanes(D d, V x) {
  const DU bits;
  constexpr uint64_t kRootHalf = 0x3FE6A09E667F3BCDu, kShift = 1024;
  const U above = hn::Add(hn::BitCast(bits, x), hn::Set(bits, (kShift << 52) - kRootHalf)),
          exponent = hn::ShiftRight<52>(above);
  const V m = hn::BitCast(
              d, hn::Sub(hn::BitCast(bits, x), hn::ShiftLeft<52>(hn::Sub(exponent, hn::Set(bits, kShift))))),
          e = hn::Sub(hn::BitCast(d, hn::Or(exponent, hn::Set(bits, 0x4330000000000000u))),
                      hn::Set(d, 0x1p52 + static_cast<double>(kShift)));
  const V one = hn::Set(d, 1.0), s = hn::Div(hn::Sub(m, one), hn::Add(m, one)), s2 = hn::Mul(s, s);
  // s² < 0.0295: the first term left out is below 1e-17.
  V sum = hn::Set(d, 1.0 / 21);
  for (double k : {1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0})
    sum = hn::MulAdd(sum, s2, hn::Set(d, k));
  return hn::MulAdd(e, hn::Set(d, 0.69314718055994530942), hn::Mul(hn::Add(s, s), sum));
}

void normal_row(uint64_t seed, Stream stream, const uint32_t* HWY_RESTRICT first, int64_t count, uint32_t b,
                uint32_t c, uint32_t e, double* HWY_RESTRICT re, double* HWY_RESTRICT im) {
  const D d;
  const DU bits;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto key0 = static_cast<uint32_t>(seed),
             key1 = static_cast<uint32_t>(seed >> 32) ^ (static_cast<uint32_t>(stream) << 24);
  for (int64_t i = 0; i < count; i += lanes) {
    HWY_ALIGN uint64_t start[hn::MaxLanes(D())];
    for (int64_t lane = 0; lane < lanes; ++lane) start[lane] = first[std::min(i + lane, count - 1)];
    U counter[4] = {hn::Load(bits, start), hn::Set(bits, uint64_t{b}), hn::Set(bits, uint64_t{c}),
                    hn::Set(bits, uint64_t{e})};
    philox_lanes(bits, counter, key0, key1);
    const V size =
        hn::Sqrt(hn::Mul(hn::Set(d, -2.0), log_lanes(d, uniform_lanes(d, counter[0], counter[1]))));
    V cosine, sine;
    fringeflow::HWY_NAMESPACE::unit_phasor(d, uniform_lanes(d, counter[2], counter[3]), cosine, sine);
    HWY_ALIGN double out[2][hn::MaxLanes(D())];
    hn::Store(hn::Mul(size, cosine), d, out[0]);
    hn::Store(hn::Mul(size, sine), d, out[1]);
    const int64_t used = std::min(lanes, count - i);
    std::copy_n(out[0], used, re + i);
    std::copy_n(out[1], used, im + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::corrupt
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringeflow::corrupt {

HWY_EXPORT(normal_row);

void normal_cpu(uint64_t seed, Stream stream, std::span<const uint32_t> a, uint32_t b, uint32_t c, uint32_t d,
                double* re, double* im) {
  HWY_DYNAMIC_DISPATCH(normal_row)(seed, stream, a.data(), static_cast<int64_t>(a.size()), b, c, d, re, im);
}

}  // namespace fringeflow::corrupt
#endif  // HWY_ONCE
