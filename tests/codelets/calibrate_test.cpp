// SPDX-License-Identifier: GPL-3.0-or-later
// Gains put into a point source or a polarised one come back.
#include "codelets/calibrate/calibrate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace fringeflow::calibrate {
namespace {

using Complex = std::complex<double>;

/// Every baseline of every antenna pair, a few times over, with its model and gains.
struct Observation {
  Shape shape;
  std::vector<std::complex<float>> vis, model;
  std::vector<float> weight;
  std::vector<int32_t> antennas;
  std::vector<double> sums;
  std::vector<Complex> truth, gains;  // [antenna][4]: a matrix by rows
  std::vector<uint8_t> valid;
  std::vector<Outcome> outcomes;
  int64_t rows = 0;

  Observation(SolveKind kind, int64_t n, int64_t correlations, bool swap = false) {
    shape = {kind, n, 3, 3, correlations};
    std::mt19937 random(5);
    std::uniform_real_distribution<double> amplitude(0.5, 2), phase(-3.14159, 3.14159), small(-0.2, 0.2);
    for (int64_t a = 0; a < n; ++a) {
      const bool phases = kind == SolveKind::phase || kind == SolveKind::scalar_phase;
      const Complex x = std::polar(phases ? 1 : amplitude(random), phase(random)),
                    y = std::polar(phases ? 1 : amplitude(random), phase(random));
      const bool full = kind == SolveKind::full;
      truth.insert(truth.end(), {x, full ? Complex(small(random), small(random)) : 0,
                                 full ? Complex(small(random), small(random)) : 0,
                                 kind == SolveKind::scalar_phase ? x : y});
    }
    for (int64_t p = 0; p < n; ++p)
      for (int64_t q = p; q < n; ++q)
        for (int time = 0; time < 2; ++time) {
          const bool turned = swap && (p + q) % 2 == 1;
          antennas.insert(antennas.end(),
                          {static_cast<int32_t>(turned ? q : p), static_cast<int32_t>(turned ? p : q)});
        }
    rows = static_cast<int64_t>(antennas.size() / 2);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t channel = 0; channel < shape.channels; ++channel) {
        // A model that changes with time and frequency.
        const Complex i(2 + 0.1 * static_cast<double>(row % 3), 0.3 * static_cast<double>(channel)),
            q = 1.1, u(0.9, 0);
        const Complex m[4] = {i + q, u, u, i - q};
        for (int64_t c = 0; c < correlations; ++c) {
          const int64_t at = correlations == 4 ? c : 3 * c;
          // Rows the other way round have the conjugate model.
          const bool turned =
              antennas[static_cast<size_t>(2 * row)] > antennas[static_cast<size_t>(2 * row + 1)];
          model.emplace_back(turned ? std::conj(m[at]) : m[at]);
        }
      }
    vis.resize(model.size());
    weight.assign(model.size(), 1);
    corrupt();
  }
  Complex g(int64_t antenna, int64_t element) const {
    return truth[static_cast<size_t>(4 * antenna + element)];
  }
  void corrupt() {
    const int64_t step = shape.correlations;
    for (int64_t k = 0; k < rows * shape.channels; ++k) {
      const int64_t row = k / shape.channels, p = antennas[static_cast<size_t>(2 * row)],
                    q = antennas[static_cast<size_t>(2 * row + 1)];
      for (int64_t c = 0; c < step; ++c) {
        const int64_t at = step == 4 ? c : 3 * c, a = at / 2, b = at % 2;
        Complex sum = 0;
        for (int64_t r = 0; r < 2; ++r)
          for (int64_t s = 0; s < 2; ++s) {
            const int64_t from = step == 4 ? 2 * r + s : r;
            if (step != 4 && r != s) continue;
            sum += g(p, 2 * a + r) * Complex(model[static_cast<size_t>(k * step + from)]) *
                   std::conj(g(q, 2 * b + s));
          }
        vis[static_cast<size_t>(k * step + c)] = std::complex<float>(sum);
      }
    }
  }
  std::array<int64_t, 3> samples() const { return {rows, shape.channels, shape.correlations}; }
  std::array<int64_t, 3> table() const { return {shape.blocks(), shape.antennas, shape.polarisations()}; }
  void solve(Limits limits = {}) {
    sums.assign(static_cast<size_t>(shape.accumulator_size()), 0);
    const View<double, 3> all(sums.data(), {shape.blocks(), shape.baselines(), shape.sums()});
    accumulate_cpu({shape,
                    {vis.data(), samples()},
                    {weight.data(), samples()},
                    {model.data(), samples()},
                    {antennas.data(), {rows, 2}},
                    all});
    gains.assign(static_cast<size_t>(shape.blocks() * shape.antennas * shape.polarisations()), NAN);
    valid.assign(gains.size(), 9);
    outcomes.resize(static_cast<size_t>(shape.blocks() * shape.fits()));
    solve_cpu({shape,
               all,
               {gains.data(), table()},
               {valid.data(), table()},
               {outcomes.data(), {shape.blocks(), shape.fits()}},
               limits});
    for (const auto& gain : gains) EXPECT_TRUE(std::isfinite(gain.real()) && std::isfinite(gain.imag()));
  }
  /// Largest difference of corrected data and model, of those that are not flagged; also counts the flagged.
  double left(int64_t& flagged) {
    auto corrected = vis;
    std::vector<uint8_t> flag(vis.size());
    flagged = apply_cpu({shape,
                         {gains.data(), table()},
                         {valid.data(), table()},
                         {antennas.data(), {rows, 2}},
                         {corrected.data(), samples()},
                         {flag.data(), samples()}});
    double most = 0;
    for (size_t i = 0; i < vis.size(); ++i) {
      EXPECT_TRUE(std::isfinite(corrected[i].real()) && std::isfinite(corrected[i].imag()));
      // Phases of the hands are relative to one antenna each: cross hands keep a common phase.
      const bool cross =
          shape.correlations == 4 && shape.kind != SolveKind::full && (i % 4 == 1 || i % 4 == 2);
      if (!flag[i] && !cross) most = std::max(most, static_cast<double>(std::abs(corrected[i] - model[i])));
    }
    return most;
  }
};

class Recovery : public testing::TestWithParam<std::tuple<SolveKind, int, bool>> {};

TEST_P(Recovery, NoiseFreeGainsComeBack) {
  const auto [kind, correlations, swap] = GetParam();
  Observation o(kind, 9, correlations, swap);
  o.solve();
  for (const auto& outcome : o.outcomes) {
    EXPECT_TRUE(outcome.converged);
    EXPECT_FALSE(outcome.failed);
    EXPECT_EQ(outcome.antennas, 9);
    EXPECT_LT(outcome.residual_power, 1e-12 * outcome.data_power);
  }
  int64_t flagged = 0;
  EXPECT_LT(o.left(flagged), 2e-6 * 3);
  EXPECT_EQ(flagged, 0);
  if (kind == SolveKind::full) return;  // known up to what leaves the model alone
  for (int64_t p = 0; p < o.shape.polarisations(); ++p)
    for (int64_t a = 0; a < 9; ++a) {
      const Complex want = o.g(a, 3 * p) * std::conj(o.g(0, 3 * p)) / std::abs(o.g(0, 3 * p));
      EXPECT_LT(std::abs(o.gains[static_cast<size_t>(a * o.shape.polarisations() + p)] - want), 1e-6);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Recovery,
    testing::Values(std::tuple(SolveKind::scalar_phase, 2, false), std::tuple(SolveKind::phase, 2, true),
                    std::tuple(SolveKind::phase, 4, false), std::tuple(SolveKind::diagonal, 1, false),
                    std::tuple(SolveKind::diagonal, 2, true), std::tuple(SolveKind::full, 4, false),
                    std::tuple(SolveKind::full, 4, true)));

TEST(Calibrate, DataFourModelOneGivesTwo) {
  for (const SolveKind kind : {SolveKind::diagonal, SolveKind::full}) {
    Observation o(kind, 5, 4);
    for (size_t i = 0; i < o.vis.size(); ++i) {
      const bool parallel = i % 4 == 0 || i % 4 == 3;
      o.model[i] = parallel ? 1 : 0;
      o.vis[i] = parallel ? 4 : 0;
    }
    o.solve();
    const int64_t pols = o.shape.polarisations();
    for (size_t i = 0; i < o.gains.size(); ++i) {
      const auto p = static_cast<int64_t>(i) % pols;
      const double want = pols == 4 && (p == 1 || p == 2) ? 0 : 2;
      EXPECT_LT(std::abs(o.gains[i] - want), 1e-7) << i;
    }
  }
}

TEST(Calibrate, FlagsAndNotFiniteDataDoNotCount) {
  Observation o(SolveKind::diagonal, 8, 2);
  for (size_t i = 0; i < o.vis.size(); i += 7) {
    o.vis[i] = 1e6f;
    o.weight[i] = 0;
  }
  o.vis[5] = {NAN, 0};
  o.solve();
  for (const auto& outcome : o.outcomes) EXPECT_TRUE(outcome.converged);
  EXPECT_LT(std::abs(o.gains[2] - o.g(1, 0) * std::conj(o.g(0, 0)) / std::abs(o.g(0, 0))), 1e-6);
}

TEST(Calibrate, AnAntennaWithoutDataIsFlaggedAloneAndKeepsItsData) {
  for (const SolveKind kind : {SolveKind::phase, SolveKind::diagonal, SolveKind::full}) {
    Observation o(kind, 7, 4);
    for (int64_t row = 0; row < o.rows; ++row)
      if (o.antennas[static_cast<size_t>(2 * row)] == 3 || o.antennas[static_cast<size_t>(2 * row + 1)] == 3)
        for (int64_t i = 0; i < 12; ++i) o.weight[static_cast<size_t>(row * 12 + i)] = 0;
    o.solve();
    const int64_t pols = o.shape.polarisations();
    for (int64_t a = 0; a < 7; ++a)
      for (int64_t p = 0; p < pols; ++p) EXPECT_EQ(o.valid[static_cast<size_t>(a * pols + p)], a != 3);
    int64_t flagged = 0;
    const double left = o.left(flagged);
    EXPECT_EQ(flagged, 7 * 2 * 12);
    if (kind == SolveKind::full) {
      EXPECT_LT(left, 1e-5);
    }
  }
}

TEST(Calibrate, ADeadAntennaIsFlagged) {
  Observation o(SolveKind::diagonal, 8, 2);
  o.truth[4 * 2] *= 1e-3;
  o.corrupt();
  o.solve();
  EXPECT_EQ(o.valid[4], 0);
  EXPECT_EQ(o.valid[5], 1);
  EXPECT_EQ(o.outcomes[0].antennas, 7);
  EXPECT_LT(o.outcomes[0].residual_power, 1e-12 * o.outcomes[0].data_power);
}

TEST(Calibrate, WhatDoesNotConvergeFailsAndIsFlagged) {
  for (const SolveKind kind : {SolveKind::diagonal, SolveKind::full}) {
    Observation o(kind, 8, 4);
    Limits limits;
    limits.iterations = 2;
    o.solve(limits);
    EXPECT_TRUE(o.outcomes[0].failed);
    for (const uint8_t valid : o.valid) EXPECT_EQ(valid, 0);
  }
}

TEST(Calibrate, TwoAntennasFixNoAmplitudes) {
  Observation o(SolveKind::diagonal, 2, 2);
  o.solve();
  EXPECT_TRUE(o.outcomes[0].failed);
  Observation phases(SolveKind::phase, 2, 2);
  phases.solve();
  EXPECT_TRUE(phases.outcomes[0].converged);
}

TEST(Calibrate, NoDataIsNoFailure) {
  Observation o(SolveKind::diagonal, 4, 2);
  std::fill(o.weight.begin(), o.weight.end(), 0.f);
  o.solve();
  EXPECT_FALSE(o.outcomes[0].failed);
  EXPECT_EQ(o.outcomes[0].antennas, 0);
}

TEST(Calibrate, BlocksOfChannelsAreFittedApart) {
  Observation o(SolveKind::diagonal, 6, 2);
  o.shape.channels_per_solution = 2;
  for (int64_t row = 0; row < o.rows; ++row)
    for (int64_t c = 4; c < 6; ++c) o.vis[static_cast<size_t>(row * 6 + c)] *= 4.f;  // the third channel
  o.solve();
  for (int64_t i = 0; i < 12; ++i)
    EXPECT_LT(std::abs(o.gains[static_cast<size_t>(12 + i)] - 2. * o.gains[static_cast<size_t>(i)]), 1e-6);
}

}  // namespace
}  // namespace fringeflow::calibrate
