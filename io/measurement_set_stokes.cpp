// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/measurement_set_stokes.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "io/error.hpp"

namespace fringeflow::io {
namespace {

// Codes of CORR_TYPE: casacore's Stokes::StokesTypes, part of the MeasurementSet format.
constexpr int kI = 1, kV = 4, kRR = 5, kRL = 6, kLR = 7, kLL = 8, kXX = 9, kXY = 10, kYX = 11, kYY = 12;

int find(std::span<const int> correlations, int code) {
  const auto at = std::find(correlations.begin(), correlations.end(), code);
  return at == correlations.end() ? -1 : static_cast<int>(at - correlations.begin());
}

/// The inner loop, for constants that the compiler can unroll: 0 correlations stands for any number.
template <int Correlations, bool Spectrum, bool StokesI>
void form(const StokesTerm& term, int64_t channels, int64_t correlations, const float* __restrict data,
          const float* __restrict weight, const bool* __restrict flag, float* __restrict vis,
          float* __restrict vis_weight, StokesCounts& counts) {
  const int64_t step = Correlations ? Correlations : correlations;
  const int64_t first = term.first, second = term.second;
  const float ar = term.a.real(), ai = term.a.imag(), br = term.b.real(), bi = term.b.imag(),
              factor = term.weight_factor;
  int32_t flagged = 0, not_finite = 0;
  for (int64_t c = 0; c < channels; ++c) {
    const float *a = data + 2 * (c * step + first), *b = data + 2 * (c * step + second);
    const float wa = weight[(Spectrum ? c * step : 0) + first],
                wb = weight[(Spectrum ? c * step : 0) + second];
    const int flags = flag[c * step + first] | flag[c * step + second];
    // Times zero is zero, or NaN for what is not finite.
    const int finite = a[0] * 0 + a[1] * 0 + b[0] * 0 + b[1] * 0 + wa * 0 + wb * 0 == 0;
    const float least = std::min(wa, wb);
    const int good = (flags ^ 1) & finite & (least > 0);
    float re, im;
    if constexpr (StokesI) {
      re = 0.5f * (a[0] + b[0]);
      im = 0.5f * (a[1] + b[1]);
    } else {
      re = ar * a[0] - ai * a[1] + (br * b[0] - bi * b[1]);
      im = ar * a[1] + ai * a[0] + (br * b[1] + bi * b[0]);
    }
    vis[2 * c] = good ? re : 0;
    vis[2 * c + 1] = good ? im : 0;
    vis_weight[c] = good ? std::min(factor * least, std::numeric_limits<float>::max()) : 0;
    flagged += good ^ 1;
    not_finite += (flags | finite) ^ 1;
  }
  counts.flagged += flagged;
  counts.not_finite += not_finite;
}

template <bool Spectrum, bool StokesI>
void form(const StokesTerm& term, int64_t channels, int64_t correlations, const float* data,
          const float* weight, const bool* flag, float* vis, float* vis_weight, StokesCounts& counts) {
  switch (correlations) {
    case 1:
      return form<1, Spectrum, StokesI>(term, channels, 1, data, weight, flag, vis, vis_weight, counts);
    case 2:
      return form<2, Spectrum, StokesI>(term, channels, 2, data, weight, flag, vis, vis_weight, counts);
    case 4:
      return form<4, Spectrum, StokesI>(term, channels, 4, data, weight, flag, vis, vis_weight, counts);
    default:
      return form<0, Spectrum, StokesI>(term, channels, correlations, data, weight, flag, vis, vis_weight,
                                        counts);
  }
}

}  // namespace

std::optional<StokesTerm> stokes_term(char stokes, std::span<const int> correlations) {
  using C = std::complex<float>;
  const auto pair = [&](int one, int other, C a, C b) -> std::optional<StokesTerm> {
    const int first = find(correlations, one), second = find(correlations, other);
    if (first < 0 || second < 0) return {};
    return StokesTerm{first, second, a, b, 4};
  };
  const auto alone = [&](int code) -> std::optional<StokesTerm> {
    const int at = find(correlations, code);
    if (at < 0) return {};
    return StokesTerm{at, at, C(0.5f), C(0.5f), 1};
  };
  const size_t index = std::string("IQUV").find(stokes);
  if (index == std::string::npos) return {};
  if (auto term = alone(kI + static_cast<int>(index))) return term;
  const C half(0.5f), minus_half(-0.5f), i_half(0, 0.5f), minus_i_half(0, -0.5f);
  std::optional<StokesTerm> term;
  switch (stokes) {
    case 'I':
      if ((term = pair(kXX, kYY, half, half)) || (term = pair(kRR, kLL, half, half))) return term;
      // A set with one parallel hand is imaged as if the other were the same.
      for (int code : {kXX, kYY, kRR, kLL}) {
        if ((term = alone(code))) return term;
      }
      return {};
    case 'Q':
      if ((term = pair(kXX, kYY, half, minus_half))) return term;
      return pair(kRL, kLR, half, half);
    case 'U':
      if ((term = pair(kXY, kYX, half, half))) return term;
      return pair(kRL, kLR, minus_i_half, i_half);
    default:
      if ((term = pair(kXY, kYX, minus_i_half, i_half))) return term;
      return pair(kRR, kLL, half, minus_half);
  }
}

namespace {
constexpr std::array<const char*, 13> kNames = {"?",  "I",  "Q",  "U",  "V",  "RR", "RL",
                                                "LR", "LL", "XX", "XY", "YX", "YY"};
}

std::string correlation_names(std::span<const int> correlations) {
  std::string text;
  for (int code : correlations) {
    if (!text.empty()) text += ", ";
    text += code > 0 && code < static_cast<int>(kNames.size()) ? kNames[static_cast<size_t>(code)]
                                                               : "type " + std::to_string(code);
  }
  return text.empty() ? "none" : text;
}

int correlation_code(const std::string& name) {
  const auto at = std::find(kNames.begin() + 1, kNames.end(), name);
  return at == kNames.end() ? 0 : static_cast<int>(at - kNames.begin());
}

void stokes_row(const StokesTerm& term, int64_t channels, int64_t correlations,
                const std::complex<float>* data, const float* weight, int64_t weight_step, const bool* flag,
                std::complex<float>* vis, float* vis_weight, StokesCounts& counts) {
  const auto* d = reinterpret_cast<const float*>(data);
  auto* v = reinterpret_cast<float*>(vis);
  const bool simple = term.a == 0.5f && term.b == 0.5f;
  if (weight_step) {
    simple ? form<true, true>(term, channels, correlations, d, weight, flag, v, vis_weight, counts)
           : form<true, false>(term, channels, correlations, d, weight, flag, v, vis_weight, counts);
  } else {
    simple ? form<false, true>(term, channels, correlations, d, weight, flag, v, vis_weight, counts)
           : form<false, false>(term, channels, correlations, d, weight, flag, v, vis_weight, counts);
  }
}

void correlations_of(const std::string& stokes, std::span<const int> correlations,
                     View<const std::complex<float>, 3> stokes_vis, View<std::complex<float>, 3> vis) {
  using C = std::complex<float>;
  const int64_t samples = vis.extent(0) * vis.extent(1), step = vis.extent(2);
  struct Term {
    const C* in = nullptr;
    C factor;
  };
  std::vector<std::array<Term, 2>> terms(static_cast<size_t>(step));
  for (int64_t k = 0; k < step; ++k) {
    // The correlation is a sum of at most two Stokes parameters.
    const int code = correlations[static_cast<size_t>(k)];
    std::array<std::pair<char, C>, 2> parts{};
    switch (code) {
      case kRR:
        parts = {{{'I', 1}, {'V', 1}}};
        break;
      case kLL:
        parts = {{{'I', 1}, {'V', -1}}};
        break;
      case kRL:
        parts = {{{'Q', 1}, {'U', C(0, 1)}}};
        break;
      case kLR:
        parts = {{{'Q', 1}, {'U', C(0, -1)}}};
        break;
      case kXX:
        parts = {{{'I', 1}, {'Q', 1}}};
        break;
      case kYY:
        parts = {{{'I', 1}, {'Q', -1}}};
        break;
      case kXY:
        parts = {{{'U', 1}, {'V', C(0, 1)}}};
        break;
      case kYX:
        parts = {{{'U', 1}, {'V', C(0, -1)}}};
        break;
      default:
        if (code < kI || code > kV) {
          throw UserError("correlations " + correlation_names(correlations) +
                          " cannot be predicted: only I to V, RR to LL and XX to YY");
        }
        parts = {{{"IQUV"[code - kI], 1}, {0, 0}}};
    }
    for (size_t p = 0; p < 2; ++p) {
      const size_t at = parts[p].first ? stokes.find(parts[p].first) : std::string::npos;
      if (at == std::string::npos) continue;
      terms[static_cast<size_t>(k)][p] = {stokes_vis.data() + static_cast<int64_t>(at) * samples,
                                          parts[p].second};
    }
  }
  const auto times = [](C f, C v) {
    return C(f.real() * v.real() - f.imag() * v.imag(), f.real() * v.imag() + f.imag() * v.real());
  };
  // Correlations of a sample lie together: all of them while their lines are in the cache.
  constexpr int64_t kBlock = 512;
  for (int64_t begin = 0; begin < samples; begin += kBlock)
    for (int64_t k = 0; k < step; ++k) {
      const auto& [one, other] = terms[static_cast<size_t>(k)];
      C* out = vis.data() + k;
      for (int64_t i = begin; i < std::min(begin + kBlock, samples); ++i) {
        C value = 0;
        if (one.in) value = times(one.factor, one.in[i]);
        if (other.in) value += times(other.factor, other.in[i]);
        out[i * step] = value;
      }
    }
}

}  // namespace fringeflow::io
