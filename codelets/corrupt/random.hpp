// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Random numbers that are functions of a counter: the same whatever computes them, in whatever order.
#include <array>
#include <cmath>
#include <complex>
#include <cstdint>
#include <span>

#include "io/constants.hpp"
#include "io/view.hpp"

namespace fringeflow::corrupt {

/// Philox 4x32 with 10 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
FF_HD inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = kMultiplier0 * counter[0], b = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

/// What the numbers are for: streams of one seed are independent.
enum class Stream : uint32_t { noise = 1, gains, screen, rfi, flags };

/// Two uniform numbers in (0, 1).
FF_HD inline std::array<double, 2> uniform(uint64_t seed, Stream stream, uint32_t a, uint32_t b, uint32_t c,
                                           uint32_t d) {
  const auto bits =
      philox({a, b, c, d}, {static_cast<uint32_t>(seed),
                            static_cast<uint32_t>(seed >> 32) ^ (static_cast<uint32_t>(stream) << 24)});
  const auto number = [](uint32_t high, uint32_t low) {
    const uint64_t both = (static_cast<uint64_t>(high) << 32 | low) >> 12;
    return (static_cast<double>(both) + 0.5) * 0x1p-52;
  };
  return {number(bits[0], bits[1]), number(bits[2], bits[3])};
}

/// Two independent normal numbers of mean 0 and variance 1, as real and imaginary part (Box-Muller).
FF_HD inline std::complex<double> normal(uint64_t seed, Stream stream, uint32_t a, uint32_t b, uint32_t c,
                                         uint32_t d) {
  const auto u = uniform(seed, stream, a, b, c, d);
  const double size = sqrt(-2 * log(u[0])), angle = 2 * kPi * u[1];
  return {size * cos(angle), size * sin(angle)};
}

/// normal() of many first words, [i], on the host: a counter in every SIMD lane. Differs from it by rounding, and not among targets.
void normal_cpu(uint64_t seed, Stream stream, std::span<const uint32_t> a, uint32_t b, uint32_t c, uint32_t d,
                double* re, double* im);

}  // namespace fringeflow::corrupt
