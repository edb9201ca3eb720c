// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/simulate/simulate.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "codelets/common/simd_targets.hpp"
#include "codelets/simulate/spacing.hpp"

// Compiled once per instruction set by Highway, which picks the best at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/simulate/simulate_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "codelets/common/unit_phasor-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<double>;
using V = hn::Vec<D>;

/// sin(πx)/(πx).
HWY_INLINE V sinc(D d, V x) {
  const V angle = hn::Mul(x, hn::Set(d, kPi)), square = hn::Mul(angle, angle);
  V unused, sine;
  unit_phasor(d, hn::Mul(x, hn::Set(d, 0.5)), unused, sine);
  // Below, the series 1 − a²/6 + a⁴/120 is exact to 1e-17.
  const V series =
      hn::MulAdd(square, hn::MulAdd(square, hn::Set(d, 1.0 / 120), hn::Set(d, -1.0 / 6)), hn::Set(d, 1.0));
  return hn::IfThenElse(hn::Lt(square, hn::Set(d, 1e-5)), series, hn::Div(sine, angle));
}

constexpr int64_t kChannels = kSegmentChannels;  // per pass
constexpr int64_t kSources = 64;                 // at a time: their phasors stay in the first cache
#if HWY_TARGET <= HWY_AVX3
constexpr int64_t kSums = 8;  // complex sums in registers
#else
constexpr int64_t kSums = 4;
#endif

/// Evenly spaced channels: phasors of up to kSources sources go from channel to channel by one complex product, while the sums of a few
/// channels stay in registers. `z`: [source][re, im, step re, step im][lane].
template <int Stokes>
void accumulate_regular(const SimulateArguments& a, int64_t source, int64_t sources, int64_t first,
                        int64_t count, double* HWY_RESTRICT z, double* HWY_RESTRICT re,
                        double* HWY_RESTRICT im) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t channels = a.flux_jy.extent(1), flux_stokes = a.flux_jy.extent(2);
  constexpr int64_t kBlock = std::max<int64_t>(kSums / Stokes, 1);
  const auto pass = [&](int64_t c, auto block) HWY_ATTR {
    constexpr int64_t kCount = decltype(block)::value;
    V sum_re[kCount * Stokes], sum_im[kCount * Stokes];
    for (int64_t k = 0; k < kCount; ++k)
      for (int p = 0; p < Stokes; ++p) {
        sum_re[k * Stokes + p] = hn::Load(d, re + (p * kChannels + c + k) * lanes);
        sum_im[k * Stokes + p] = hn::Load(d, im + (p * kChannels + c + k) * lanes);
      }
    for (int64_t s = 0; s < sources; ++s) {
      double* state = z + 4 * s * lanes;
      V zr = hn::Load(d, state), zi = hn::Load(d, state + lanes);
      const V dr = hn::Load(d, state + 2 * lanes), di = hn::Load(d, state + 3 * lanes);
      const double* flux = a.flux_jy.data() + ((source + s) * channels + first + c) * flux_stokes;
      for (int64_t k = 0; k < kCount; ++k) {
        for (int p = 0; p < Stokes; ++p) {
          const V f = hn::Set(d, flux[k * flux_stokes + p]);
          sum_re[k * Stokes + p] = hn::MulAdd(f, zr, sum_re[k * Stokes + p]);
          sum_im[k * Stokes + p] = hn::MulAdd(f, zi, sum_im[k * Stokes + p]);
        }
        const V r = hn::NegMulAdd(zi, di, hn::Mul(zr, dr));
        zi = hn::MulAdd(zi, dr, hn::Mul(zr, di));
        zr = r;
      }
      hn::Store(zr, d, state);
      hn::Store(zi, d, state + lanes);
    }
    for (int64_t k = 0; k < kCount; ++k)
      for (int p = 0; p < Stokes; ++p) {
        hn::Store(sum_re[k * Stokes + p], d, re + (p * kChannels + c + k) * lanes);
        hn::Store(sum_im[k * Stokes + p], d, im + (p * kChannels + c + k) * lanes);
      }
  };
  int64_t c = 0;
  for (; c + kBlock <= count; c += kBlock) pass(c, std::integral_constant<int64_t, kBlock>());
  for (; c < count; ++c) pass(c, std::integral_constant<int64_t, 1>());
}

/// Channels [first, first + count) of as many rows as a vector has lanes. `re`, `im`: [stokes][channel][lane]
/// accumulators.
template <int Stokes>
void accumulate(const SimulateArguments& a, const double* lambda_inverse, double step, bool regular,
                int64_t first, int64_t count, const double* u, const double* v, const double* w,
                const int32_t* antennas, double* HWY_RESTRICT re, double* HWY_RESTRICT im) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t channels = a.flux_jy.extent(1), flux_stokes = a.flux_jy.extent(2);
  const V vu = hn::Load(d, u), vv = hn::Load(d, v), vw = hn::Load(d, w);
  const auto path_of = [&](int64_t s) HWY_ATTR {
    V path = hn::Mul(vu, hn::Set(d, a.lmn(s, 0)));
    path = hn::MulAdd(vv, hn::Set(d, a.lmn(s, 1)), path);
    return hn::MulAdd(vw, hn::Set(d, a.lmn(s, 2)), path);
  };
  if (antennas == nullptr && regular && count >= 4 && !a.smearing.any()) {
    HWY_ALIGN double z[4 * kSources * HWY_MAX_BYTES / sizeof(double)];
    for (int64_t begin = 0; begin < a.lmn.extent(0); begin += kSources) {
      const int64_t sources = std::min(kSources, a.lmn.extent(0) - begin);
      for (int64_t s = 0; s < sources; ++s) {
        const V path = path_of(begin + s);
        V zr, zi;
        double* state = z + 4 * s * lanes;
        unit_phasor(d, hn::Mul(path, hn::Set(d, lambda_inverse[first])), zr, zi);
        hn::Store(zr, d, state);
        hn::Store(zi, d, state + lanes);
        unit_phasor(d, hn::Mul(path, hn::Set(d, step)), zr, zi);
        hn::Store(zr, d, state + 2 * lanes);
        hn::Store(zi, d, state + 3 * lanes);
      }
      accumulate_regular<Stokes>(a, begin, sources, first, count, z, re, im);
    }
    return;
  }
  for (int64_t s = 0; s < a.lmn.extent(0); ++s) {
    const V path = path_of(s);
    const double* flux = a.flux_jy.data() + (s * channels + first) * flux_stokes;
    V envelope = hn::Set(d, 1.0), turns_per_hz = hn::Zero(d);  // by channel width; over the integration
    if (a.smearing.any()) {
      envelope = sinc(d, hn::Mul(path, hn::Set(d, a.smearing.channel_width_hz / kSpeedOfLight_m_s)));
      const double sine = std::sin(a.smearing.declination_rad), cosine = std::cos(a.smearing.declination_rad);
      const double rate = kEarthRotation_rad_s * a.smearing.integration_s / kSpeedOfLight_m_s;
      turns_per_hz = hn::Mul(hn::Sub(hn::Mul(vw, hn::Set(d, cosine)), hn::Mul(vv, hn::Set(d, sine))),
                             hn::Set(d, rate * a.lmn(s, 0)));
      turns_per_hz =
          hn::MulAdd(vu, hn::Set(d, rate * (sine * a.lmn(s, 1) - cosine * a.lmn(s, 2))), turns_per_hz);
    }
    const auto add = [&](int64_t c, V zr, V zi) HWY_ATTR {
      if (a.smearing.any()) {
        const V left = hn::Mul(envelope, sinc(d, hn::Mul(turns_per_hz, hn::Set(d, a.freq_hz(first + c)))));
        zr = hn::Mul(zr, left);
        zi = hn::Mul(zi, left);
      }
      for (int p = 0; p < Stokes; ++p) {
        const V f = hn::Set(d, flux[c * flux_stokes + p]);
        double *r = re + (p * kChannels + c) * lanes, *i = im + (p * kChannels + c) * lanes;
        hn::Store(hn::MulAdd(f, zr, hn::Load(d, r)), d, r);
        hn::Store(hn::MulAdd(f, zi, hn::Load(d, i)), d, i);
      }
    };
    if (antennas != nullptr) {
      // Dispersive: the phase is not linear in frequency, so that every channel is on its own.
      HWY_ALIGN double difference[HWY_MAX_BYTES / sizeof(double)];
      for (int64_t i = 0; i < lanes; ++i)
        difference[i] = a.tec(s, antennas[2 * i]) - a.tec(s, antennas[2 * i + 1]);
      const V electrons = hn::Mul(hn::Load(d, difference), hn::Set(d, -kTecRadHz / (2 * kPi)));
      for (int64_t c = 0; c < count; ++c) {
        V zr, zi;
        const V turns = hn::MulAdd(electrons, hn::Set(d, 1 / a.freq_hz(first + c)),
                                   hn::Mul(path, hn::Set(d, lambda_inverse[first + c])));
        unit_phasor(d, turns, zr, zi);
        add(c, zr, zi);
      }
      continue;
    }
    for (int64_t c = 0; c < count; ++c) {
      V zr, zi;
      unit_phasor(d, hn::Mul(path, hn::Set(d, lambda_inverse[first + c])), zr, zi);
      add(c, zr, zi);
    }
  }
}

void simulate(const SimulateArguments& a) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t rows = a.uvw_m.extent(0), channels = a.freq_hz.extent(0), stokes = a.vis.extent(0);
  std::vector<double> lambda_inverse(static_cast<size_t>(channels));
  for (int64_t c = 0; c < channels; ++c)
    lambda_inverse[static_cast<size_t>(c)] = a.freq_hz(c) / kSpeedOfLight_m_s;
  const double longest_m = longest_path_m(a.lmn.data(), a.lmn.extent(0));

  constexpr int64_t kMaxLanes = HWY_MAX_BYTES / sizeof(double);
  HWY_ALIGN static thread_local double re[4 * kChannels * kMaxLanes], im[4 * kChannels * kMaxLanes];
  HWY_ALIGN double u[kMaxLanes], v[kMaxLanes], w[kMaxLanes];
  int32_t antennas[2 * kMaxLanes];
  const int32_t* pairs = a.tec.data() != nullptr ? antennas : nullptr;
  for (int64_t first = 0; first < channels; first += kChannels) {
    const int64_t count = std::min(kChannels, channels - first);
    const double* inverse = lambda_inverse.data() + first;
    const auto [step, regular] = spacing_of(inverse, count, longest_m);
    for (int64_t row = 0; row < rows; row += lanes) {
      const int64_t used = std::min(lanes, rows - row);
      for (int64_t i = 0; i < lanes; ++i) {
        if (pairs != nullptr)
          std::copy_n(a.antennas.data() + 2 * std::min(row + i, rows - 1), 2, antennas + 2 * i);
        const double* at = a.uvw_m.data() + 3 * std::min(row + i, rows - 1);
        u[i] = at[0];
        v[i] = at[1];
        w[i] = at[2];
      }
      std::fill_n(re, stokes * kChannels * lanes, 0.);
      std::fill_n(im, stokes * kChannels * lanes, 0.);
      switch (stokes) {
        case 1:
          accumulate<1>(a, lambda_inverse.data(), step, regular, first, count, u, v, w, pairs, re, im);
          break;
        case 2:
          accumulate<2>(a, lambda_inverse.data(), step, regular, first, count, u, v, w, pairs, re, im);
          break;
        case 3:
          accumulate<3>(a, lambda_inverse.data(), step, regular, first, count, u, v, w, pairs, re, im);
          break;
        default:
          accumulate<4>(a, lambda_inverse.data(), step, regular, first, count, u, v, w, pairs, re, im);
      }
      for (int64_t p = 0; p < stokes; ++p) {
        for (int64_t i = 0; i < used; ++i) {
          std::complex<float>* out = a.vis.data() + (p * rows + row + i) * channels + first;
          for (int64_t c = 0; c < count; ++c) {
            const int64_t at = (p * kChannels + c) * lanes + i;
            out[c] = {static_cast<float>(re[at]), static_cast<float>(im[at])};
          }
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fringeflow
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringeflow {

HWY_EXPORT(simulate);

void simulate_cpu(const SimulateArguments& arguments) { HWY_DYNAMIC_DISPATCH(simulate)(arguments); }

void point_source_spectrum(const double (&iquv_jy)[4], double alpha, double reference_hz,
                           View<const double, 1> freq_hz, View<double, 2> flux_jy) {
  for (int64_t c = 0; c < freq_hz.extent(0); ++c) {
    const double factor = alpha == 0 ? 1 : std::pow(freq_hz(c) / reference_hz, alpha);
    for (int64_t p = 0; p < flux_jy.extent(1); ++p) flux_jy(c, p) = iquv_jy[p] * factor;
  }
}

double simulate_flops(int64_t rows, int64_t channels, int64_t sources, int64_t stokes) {
  return static_cast<double>(rows) * static_cast<double>(sources) *
         (static_cast<double>(channels) * (6 + 4 * static_cast<double>(stokes)) + 200);
}

}  // namespace fringeflow
#endif  // HWY_ONCE
