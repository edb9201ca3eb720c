// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>

#include "codelets/corrupt/corrupt.hpp"
#include "codelets/corrupt/random.hpp"

namespace fringeflow::corrupt {

std::vector<RfiBurst> draw_bursts(const RfiModel& model, uint64_t seed, std::span<const double> times_s,
                                  std::span<const double> freq_hz, int64_t antennas) {
  std::vector<RfiBurst> bursts(static_cast<size_t>(model.bursts));
  const auto [low, high] = std::minmax(freq_hz.front(), freq_hz.back());
  for (uint32_t b = 0; b < bursts.size(); ++b) {
    auto& burst = bursts[b];
    const auto place = uniform(seed, Stream::rfi, b, 0, 0, 0), size = uniform(seed, Stream::rfi, b, 1, 0, 0);
    burst.begin_s = times_s.front() + place[0] * (times_s.back() - times_s.front());
    burst.end_s = burst.begin_s - model.duration_s * std::log(size[0]);
    const double centre = low + place[1] * (high - low), half = -0.5 * model.width_hz * std::log(size[1]);
    burst.freq_begin_hz = centre - half;
    burst.freq_end_hz = centre + half;
    burst.flux_jy = model.flux_jy;
    // Of variance 1: half in the real and half in the imaginary part.
    for (int64_t a = 0; a < antennas; ++a)
      for (uint32_t hand = 0; hand < 2; ++hand)
        burst.response.push_back(normal(seed, Stream::rfi, b, 2 + hand, static_cast<uint32_t>(a), 0) /
                                 std::sqrt(2.));
  }
  return bursts;
}

void flag_row(const FlagModel& model, std::span<const RfiBurst> bursts, uint64_t seed, int64_t p, int64_t q,
              double time_s, int32_t time_number, std::span<const double> freq_hz, uint8_t* flag) {
  if (model.rfi)
    for (const auto& burst : bursts) {
      if (!burst.at(time_s)) continue;
      for (size_t c = 0; c < freq_hz.size(); ++c)
        if (burst.in(freq_hz[c])) flag[c] = 1;
    }
  if (model.random > 0)
    for (size_t c = 0; c < freq_hz.size(); ++c)
      if (uniform(seed, Stream::flags, static_cast<uint32_t>(c), static_cast<uint32_t>(p),
                  static_cast<uint32_t>(q), static_cast<uint32_t>(time_number))[0] < model.random)
        flag[c] = 1;
}

}  // namespace fringeflow::corrupt
