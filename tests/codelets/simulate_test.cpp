// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/simulate/simulate.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "io/constants.hpp"

namespace fringeflow {
namespace {

/// A random problem and its solution in long double.
struct Problem {
  int64_t rows, channels, sources, stokes;
  std::vector<double> uvw, freq, lmn, flux;
  double total = 0;

  Problem(int64_t r, int64_t c, int64_t s, int64_t p, double longest_m, double field, bool regular = true)
      : rows(r), channels(c), sources(s), stokes(p) {
    std::mt19937_64 random(17);
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (int64_t i = 0; i < 3 * rows; ++i) uvw.push_back(longest_m * uniform(random));
    for (int64_t i = 0; i < channels; ++i)
      freq.push_back(1.4e9 - 1.1e6 * static_cast<double>(i) + (regular ? 0 : 3e5 * uniform(random)));
    for (int64_t i = 0; i < sources; ++i) {
      const double l = field * uniform(random), m = field * uniform(random);
      lmn.insert(lmn.end(), {l, m, std::sqrt(1 - l * l - m * m) - 1});
      for (int64_t k = 0; k < channels * stokes; ++k) flux.push_back(0.1 + std::abs(uniform(random)));
      total += 1.1;
    }
  }
  SimulateArguments arguments(std::vector<std::complex<float>>& vis, int64_t first = 0,
                              int64_t count = -1) const {
    if (count < 0) count = rows;
    vis.assign(static_cast<size_t>(stokes * count * channels), {7, 7});
    return {{uvw.data() + 3 * first, {count, 3}},
            {freq.data(), {channels}},
            {lmn.data(), {sources, 3}},
            {flux.data(), {sources, channels, stokes}},
            {vis.data(), {stokes, count, channels}}};
  }
  std::complex<double> direct(int64_t p, int64_t row, int64_t channel) const {
    std::complex<long double> sum = 0;
    for (int64_t s = 0; s < sources; ++s) {
      long double path = 0;
      for (int64_t k = 0; k < 3; ++k)
        path += static_cast<long double>(uvw[static_cast<size_t>(3 * row + k)]) *
                lmn[static_cast<size_t>(3 * s + k)];
      long double turns = path * freq[static_cast<size_t>(channel)] / kSpeedOfLight_m_s;
      turns -= std::round(turns);
      const long double f = flux[static_cast<size_t>((s * channels + channel) * stokes + p)],
                        angle = 2 * 3.14159265358979323846264L * turns;
      sum += std::complex<long double>(f * std::cos(angle), f * std::sin(angle));
    }
    return std::complex<double>(sum);
  }
  double error() const {
    std::vector<std::complex<float>> vis;
    simulate_cpu(arguments(vis));
    double worst = 0;
    for (int64_t p = 0; p < stokes; ++p) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t c = 0; c < channels; ++c) {
          worst = std::max(
              worst, std::abs(std::complex<double>(vis[static_cast<size_t>((p * rows + r) * channels + c)]) -
                              direct(p, r, c)));
        }
      }
    }
    return worst / total;
  }
};

TEST(SimulateTest, AgreesWithTheDirectSum) {
  EXPECT_LT(Problem(37, 1, 5, 1, 1e4, 0.01).error(), 1e-7);
  EXPECT_LT(Problem(37, 70, 20, 1, 1e4, 0.01).error(), 1e-7);
  EXPECT_LT(Problem(19, 33, 3, 4, 8e4, 0.1).error(), 1e-7);
  EXPECT_LT(Problem(19, 9, 3, 2, 8e4, 0.1).error(), 1e-7);
  EXPECT_LT(Problem(16, 64, 3, 1, 1e6, 0.7).error(), 3e-7);
  EXPECT_LT(Problem(16, 64, 3, 4, 1e7, 1e-5).error(), 1e-7);
}

TEST(SimulateTest, IrregularChannels) { EXPECT_LT(Problem(21, 45, 4, 1, 3e4, 0.05, false).error(), 1e-7); }

TEST(SimulateTest, BitsOfARowAreItsOwn) {
  const Problem problem(50, 40, 7, 4, 1e4, 0.02);
  std::vector<std::complex<float>> whole, part;
  simulate_cpu(problem.arguments(whole));
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 1}, {3, 11}, {17, 33}}) {
    simulate_cpu(problem.arguments(part, first, count));
    for (int64_t p = 0; p < 4; ++p) {
      for (int64_t i = 0; i < count * 40; ++i) {
        ASSERT_EQ(part[static_cast<size_t>(p * count * 40 + i)],
                  whole[static_cast<size_t>((p * 50 + first) * 40 + i)]);
      }
    }
  }
}

TEST(SimulateTest, FewerStokesParametersThanTheSourcesHave) {
  const Problem problem(9, 12, 3, 4, 1e4, 0.02);
  std::vector<std::complex<float>> all, one(9 * 12);
  auto arguments = problem.arguments(all);
  simulate_cpu(arguments);
  arguments.vis = {one.data(), {1, 9, 12}};
  simulate_cpu(arguments);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_EQ(one[i], all[i]);
}

TEST(SimulateTest, NoSourcesIsSilence) {
  const Problem problem(5, 3, 0, 1, 1e4, 0.02);
  std::vector<std::complex<float>> vis;
  simulate_cpu(problem.arguments(vis));
  for (const auto& v : vis) EXPECT_EQ(v, 0.f);
}

TEST(SimulateTest, SpectralIndex) {
  const double iquv[4] = {2, 0.5, -0.25, 0.125}, freq[3] = {1e9, 2e9, 4e9};
  double flux[12];
  point_source_spectrum(iquv, -1, 2e9, {freq, {3}}, {flux, {3, 4}});
  EXPECT_DOUBLE_EQ(flux[0], 4);
  EXPECT_DOUBLE_EQ(flux[4], 2);
  EXPECT_DOUBLE_EQ(flux[8], 1);
  EXPECT_DOUBLE_EQ(flux[9], 0.25);
  point_source_spectrum(iquv, 0, 0, {freq, {3}}, {flux, {3, 1}});
  EXPECT_DOUBLE_EQ(flux[2], 2);
}

/// A baseline fixed to the Earth, seen from declination `dec` at an hour angle.
std::array<double, 3> uvw_at(double hour_angle, double dec) {
  constexpr double x = 700, y = -2100, z = 900;
  const double sh = std::sin(hour_angle), ch = std::cos(hour_angle), sd = std::sin(dec), cd = std::cos(dec);
  return {x * sh + y * ch, -x * sd * ch + y * sd * sh + z * cd, x * cd * ch - y * cd * sh + z * sd};
}

/// The mean over channel and integration, by brute force.
TEST(SimulateTest, SmearingIsTheMeanOverChannelAndIntegration) {
  constexpr double kDec = -0.7, kHour = 0.4;
  const std::vector<double> freq{1.2e9, 1.3e9}, flux{2, 2};
  for (const auto& [width, interval] : {std::pair{4e6, 0.}, {0., 15.}, {4e6, 15.}, {1e2, 1e-3}}) {
    for (const double l : {0.012, 1e-9}) {
      const double m = -0.008;
      const std::vector<double> lmn{l, m, std::sqrt(1 - l * l - m * m) - 1};
      const auto uvw = uvw_at(kHour, kDec);
      std::vector<std::complex<float>> vis(2);
      simulate_cpu({{uvw.data(), {1, 3}},
                    {freq.data(), {2}},
                    {lmn.data(), {1, 3}},
                    {flux.data(), {1, 2, 1}},
                    {vis.data(), {1, 1, 2}},
                    {},
                    {},
                    {width, interval, kDec}});
      for (size_t c = 0; c < 2; ++c) {
        std::complex<double> mean = 0;
        constexpr int kSteps = 400;
        for (int i = 0; i < kSteps; ++i)
          for (int j = 0; j < kSteps; ++j) {
            const double nu = freq[c] + width * ((i + 0.5) / kSteps - 0.5);
            const auto at =
                uvw_at(kHour + kEarthRotation_rad_s * interval * ((j + 0.5) / kSteps - 0.5), kDec);
            const double tau = (at[0] * lmn[0] + at[1] * lmn[1] + at[2] * lmn[2]) / kSpeedOfLight_m_s;
            mean += std::polar(2. / kSteps / kSteps, 2 * kPi * nu * tau);
          }
        // The formula leaves the phase's curvature out: Omega^2 dt^2 / 24 of some 700 rad.
        EXPECT_LT(std::abs(std::complex<double>(vis[c]) - mean), 2e-4)
            << width << " Hz, " << interval << " s";
        if (width == 4e6 && l > 1e-3) {
          EXPECT_LT(std::abs(vis[c]), 1.99) << "there is something to see";
        }
      }
    }
  }
}

}  // namespace
}  // namespace fringeflow
