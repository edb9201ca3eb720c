// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>

#include "codelets/corrupt/corrupt.hpp"
#include "codelets/corrupt/random.hpp"

namespace fringeflow::corrupt {
namespace {

using Complex = std::complex<double>;
using Kind = GainEffect::Kind;

constexpr uint32_t kCosines = 3;

/// Logarithm of the gain of one antenna and hand that one effect makes, as amplitude + i phase of variance 1 each.
class Course {
 public:
  Course(const GainEffect& effect, uint64_t seed, uint32_t number, uint32_t antenna, uint32_t hand)
      : effect_(effect), seed_(seed), number_(number), antenna_(antenna), hand_(hand) {}

  Complex at(uint32_t time, double seconds, double step_s, double place) {
    switch (effect_.kind) {
      case Kind::constant:
        return draw(0);
      case Kind::walk:
        // Called time by time; the frequencies of a time share a step.
        for (; taken_ < time; ++taken_) walked_ += draw(taken_ + 1) * std::sqrt(step_s / effect_.time_s);
        return walked_;
      case Kind::sinusoid: {
        const auto start = uniform(seed_, Stream::gains, number_, antenna_, hand_, 0);
        const double turns = seconds / effect_.time_s;
        return {std::sqrt(2.) * std::sin(2 * kPi * (turns + start[0])),
                std::sqrt(2.) * std::sin(2 * kPi * (turns + start[1]))};
      }
      case Kind::bandpass: {
        Complex sum = 0;
        for (uint32_t j = 1; j <= kCosines; ++j)
          sum += draw(j) * std::cos(kPi * j * place) * std::sqrt(2. / kCosines);
        return sum;
      }
      default:
        return 0;
    }
  }

 private:
  Complex draw(uint32_t d) const { return normal(seed_, Stream::gains, number_, antenna_, hand_, d); }

  const GainEffect& effect_;
  uint64_t seed_;
  uint32_t number_, antenna_, hand_, taken_ = 0;
  Complex walked_ = 0;
};

}  // namespace

io::GainTable draw_gains(std::span<const GainEffect> effects, uint64_t seed, std::span<const double> times_s,
                         std::span<const double> freq_hz, std::span<const io::Antenna> antennas,
                         bool circular) {
  const auto has = [&](Kind kind) {
    return std::any_of(effects.begin(), effects.end(), [&](const auto& e) { return e.kind == kind; });
  };
  io::GainTable table;
  table.times_s.assign(times_s.begin(), times_s.end());
  if (has(Kind::bandpass))
    table.freq_hz.assign(freq_hz.begin(), freq_hz.end());
  else
    table.freq_hz = {(freq_hz.front() + freq_hz.back()) / 2};
  table.antennas.assign(antennas.begin(), antennas.end());
  const bool leaks = has(Kind::leakage);
  if (leaks)
    table.polarisations = circular ? std::vector<std::string>{"RR", "RL", "LR", "LL"}
                                   : std::vector<std::string>{"XX", "XY", "YX", "YY"};
  else
    table.polarisations =
        circular ? std::vector<std::string>{"RR", "LL"} : std::vector<std::string>{"XX", "YY"};
  const auto pols = static_cast<size_t>(table.pols()), count = antennas.size(), blocks = table.freq_hz.size();
  table.gains.assign(static_cast<size_t>(table.size()), 1);
  table.valid.assign(table.gains.size(), 1);
  const double band = freq_hz.back() - freq_hz.front(),
               step_s = times_s.size() > 1 ? times_s[1] - times_s[0] : 0;
  for (size_t a = 0; a < count; ++a) {
    const auto antenna = static_cast<uint32_t>(a);
    Complex leak[2] = {0, 0};
    for (size_t e = 0; e < effects.size(); ++e)
      if (effects[e].kind == Kind::leakage)
        for (uint32_t k = 0; k < 2; ++k)
          leak[k] += effects[e].amplitude / std::sqrt(2.) *
                     normal(seed, Stream::gains, static_cast<uint32_t>(e), antenna, k, 0);
    std::vector<Course> courses[2];
    for (uint32_t hand = 0; hand < 2; ++hand)
      for (size_t e = 0; e < effects.size(); ++e)
        courses[hand].emplace_back(effects[e], seed, static_cast<uint32_t>(e), antenna, hand);
    for (size_t t = 0; t < times_s.size(); ++t)
      for (size_t f = 0; f < blocks; ++f) {
        Complex g[2];
        for (size_t hand = 0; hand < 2; ++hand) {
          double amplitude = 0, phase = 0;
          for (size_t e = 0; e < effects.size(); ++e) {
            const Complex x = courses[hand][e].at(static_cast<uint32_t>(t), times_s[t] - times_s[0], step_s,
                                                  band > 0 ? (table.freq_hz[f] - freq_hz.front()) / band : 0);
            amplitude += effects[e].amplitude * x.real();
            phase += effects[e].phase_rad * x.imag();
          }
          g[hand] = std::polar(std::exp(amplitude), phase);
        }
        Complex* out = table.gains.data() + ((t * blocks + f) * count + a) * pols;
        out[0] = g[0];
        out[pols - 1] = g[1];
        if (leaks) {
          out[1] = g[0] * leak[0];
          out[2] = g[1] * leak[1];
        }
      }
  }
  return table;
}

}  // namespace fringeflow::corrupt
