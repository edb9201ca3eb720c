// SPDX-License-Identifier: GPL-3.0-or-later
// Gains of several directions come back from the sum of what they have been put into.
#include "codelets/calibrate/directions.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <random>
#include <vector>

#include "io/constants.hpp"

namespace fringeflow::calibrate {
namespace {

using Complex = std::complex<double>;

/// Sources in random directions seen by random antennas at several times, [direction] each with gains of its own.
struct Observation {
  DirectionShape shape;
  std::vector<double> freq_hz, block_hz;
  std::vector<std::complex<float>> vis, model;
  std::vector<float> weight;
  std::vector<int32_t> antennas;
  std::vector<double> sums, tec;
  std::vector<Complex> truth, gains;  // [block][antenna][direction][polarisation]
  std::vector<uint8_t> valid;
  std::vector<Outcome> outcomes;
  int64_t rows = 0;

  Observation(SolveKind kind, int64_t n, int64_t directions, int64_t blocks = 1, int64_t times = 8) {
    shape = {{kind, n, 4 * blocks, 4, 2}, directions};
    for (int64_t c = 0; c < shape.gains.channels; ++c)
      freq_hz.push_back(140e6 + 2e6 * static_cast<double>(c));
    for (int64_t b = 0; b < blocks; ++b) block_hz.push_back(140e6 + 2e6 * (4 * static_cast<double>(b) + 1.5));
    std::mt19937 random(7);
    std::uniform_real_distribution<double> uniform(-1, 1);
    truth.resize(static_cast<size_t>(shape.gain_size()));
    std::vector<double> content(static_cast<size_t>(n * directions));
    for (auto& t : content) t = 0.05 * uniform(random);
    for (int64_t b = 0; b < blocks; ++b)
      for (int64_t k = 0; k < n * directions; ++k)
        for (int64_t p = 0; p < shape.gains.polarisations(); ++p) {
          auto& g = truth[static_cast<size_t>((b * n * directions + k) * shape.gains.polarisations() + p)];
          if (kind == SolveKind::tec)
            g = std::polar(1.,
                           -kTecRadHz * content[static_cast<size_t>(k)] / block_hz[static_cast<size_t>(b)]);
          else
            g = std::polar(kind == SolveKind::diagonal ? 1 + 0.4 * uniform(random) : 1,
                           1.2 * uniform(random));
        }
    std::vector<std::array<double, 2>> sky, place;
    for (int64_t d = 0; d < directions; ++d) sky.push_back({0.02 * uniform(random), 0.02 * uniform(random)});
    for (int64_t a = 0; a < n; ++a) place.push_back({800 * uniform(random), 800 * uniform(random)});
    for (int64_t t = 0; t < times; ++t)
      for (int64_t p = 0; p < n; ++p)
        for (int64_t q = p; q < n; ++q) {
          const bool turned = (p + q) % 3 == 1;
          antennas.insert(antennas.end(),
                          {static_cast<int32_t>(turned ? q : p), static_cast<int32_t>(turned ? p : q)});
        }
    rows = static_cast<int64_t>(antennas.size() / 2);
    vis.assign(static_cast<size_t>(rows * shape.gains.channels * 2), 0);
    weight.assign(vis.size(), 0.5F);
    model.resize(vis.size() * static_cast<size_t>(directions));
    for (int64_t d = 0; d < directions; ++d)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < shape.gains.channels; ++c)
          for (int64_t hand = 0; hand < 2; ++hand) {
            const auto p = antennas[static_cast<size_t>(2 * row)],
                       q = antennas[static_cast<size_t>(2 * row + 1)];
            const double turn = 0.6 * static_cast<double>(row * times / rows) / static_cast<double>(times);
            const auto &a = place[static_cast<size_t>(p)], &b = place[static_cast<size_t>(q)];
            const double x = b[0] - a[0], y = b[1] - a[1], u = x * std::cos(turn) + y * std::sin(turn),
                         v = y * std::cos(turn) - x * std::sin(turn);
            const auto& s = sky[static_cast<size_t>(d)];
            const double flux = (3 + static_cast<double>(d % 3)) * (hand == 0 ? 1 : 0.9);
            const Complex m = std::polar(
                flux, 2 * kPi * (u * s[0] + v * s[1]) * freq_hz[static_cast<size_t>(c)] / kSpeedOfLight_m_s);
            const auto at = static_cast<size_t>((row * shape.gains.channels + c) * 2 + hand);
            model[static_cast<size_t>(d) * vis.size() + at] = std::complex<float>(m);
            vis[at] += std::complex<float>(gain(truth, c / 4, p, d, hand) * m *
                                           std::conj(gain(truth, c / 4, q, d, hand)));
          }
  }

  Complex gain(const std::vector<Complex>& from, int64_t block, int64_t antenna, int64_t d,
               int64_t hand) const {
    const int64_t pols = shape.gains.polarisations();
    return from[static_cast<size_t>(((block * shape.gains.antennas + antenna) * shape.directions + d) * pols +
                                    (pols == 1 ? 0 : hand))];
  }

  void accumulate(double freedom = 0) {
    const Shape& g = shape.gains;
    sums.assign(static_cast<size_t>(shape.accumulator_size()), 0);
    AccumulateDirectionsArguments arguments{shape,
                                            {vis.data(), {rows, g.channels, 2}},
                                            {weight.data(), {rows, g.channels, 2}},
                                            {model.data(), {shape.directions, rows, g.channels, 2}},
                                            {antennas.data(), {rows, 2}},
                                            {sums.data(), {g.blocks(), g.baselines(), shape.sums()}}};
    if (freedom > 0) {
      arguments.freedom = freedom;
      arguments.gains = {gains.data(), shape.gain_extents()};
      arguments.valid = {valid.data(), shape.gain_extents()};
      arguments.outcomes = {outcomes.data(), {g.blocks(), g.fits()}};
    }
    accumulate_directions_cpu(arguments);
  }

  void solve(DirectionLimits limits = {}, int64_t reference = 0) {
    const Shape& g = shape.gains;
    gains.resize(static_cast<size_t>(shape.gain_size()));
    valid.resize(gains.size());
    outcomes.resize(static_cast<size_t>(g.blocks() * g.fits()));
    tec.resize(static_cast<size_t>(g.antennas * shape.directions));
    solve_directions_cpu({shape,
                          {sums.data(), {g.blocks(), g.baselines(), shape.sums()}},
                          block_hz,
                          {gains.data(), shape.gain_extents()},
                          {valid.data(), shape.gain_extents()},
                          {outcomes.data(), {g.blocks(), g.fits()}},
                          g.kind == SolveKind::tec
                              ? View<double, 2>(tec.data(), {g.antennas, shape.directions})
                              : View<double, 2>(),
                          limits,
                          reference});
  }

  /// Largest error up to the phase of the reference in every direction.
  double worst() const {
    double most = 0;
    for (int64_t b = 0; b < shape.gains.blocks(); ++b)
      for (int64_t a = 0; a < shape.gains.antennas; ++a)
        for (int64_t d = 0; d < shape.directions; ++d)
          for (int64_t h = 0; h < shape.gains.polarisations(); ++h) {
            const Complex turn = std::polar(1., -std::arg(gain(truth, b, 0, d, h)));
            most = std::max(most, std::abs(gain(gains, b, a, d, h) - turn * gain(truth, b, a, d, h)));
          }
    return most;
  }
  bool all_valid() const {
    return std::all_of(valid.begin(), valid.end(), [](uint8_t v) { return v == 1; });
  }
  void add_noise(double sigma, uint32_t seed = 3) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, static_cast<float>(sigma / std::sqrt(2)));
    for (auto& v : vis) v += std::complex<float>(normal(random), normal(random));
  }
};

TEST(Directions, DiagonalGainsComeBack) {
  for (const auto solver : {DirectionSolver::iterative, DirectionSolver::levenberg_marquardt}) {
    Observation o(SolveKind::diagonal, 9, 3, 2);
    o.accumulate();
    o.solve({.solver = solver});
    EXPECT_TRUE(o.all_valid());
    EXPECT_LT(o.worst(), solver == DirectionSolver::iterative ? 1e-3 : 1e-5);
    for (const auto& one : o.outcomes) {
      EXPECT_FALSE(one.failed);
      EXPECT_LT(one.residual_power, 1e-6 * one.data_power);
    }
  }
}

TEST(Directions, PhasesComeBack) {
  for (const auto kind : {SolveKind::phase, SolveKind::scalar_phase})
    for (const auto solver : {DirectionSolver::iterative, DirectionSolver::levenberg_marquardt}) {
      Observation o(kind, 9, 4);
      o.accumulate();
      o.solve({.solver = solver});
      EXPECT_TRUE(o.all_valid());
      EXPECT_LT(o.worst(), solver == DirectionSolver::iterative ? 1e-3 : 1e-5);
    }
}

TEST(Directions, ElectronContentsComeBack) {
  Observation o(SolveKind::tec, 9, 4, 5);
  o.accumulate();
  o.solve();
  EXPECT_TRUE(o.all_valid());
  // Gains were put in as constant over a block, as they are solved for.
  EXPECT_LT(o.worst(), 1e-5);
  for (int64_t d = 0; d < 4; ++d) EXPECT_EQ(o.tec[static_cast<size_t>(d)], 0) << "the reference";
  for (int64_t k = 0; k < 36; ++k)
    EXPECT_NEAR(std::arg(o.gains[static_cast<size_t>(k)] *
                         std::polar(1., kTecRadHz * o.tec[static_cast<size_t>(k)] / o.block_hz[0])),
                0, 1e-9);
}

// As tGainCal of DP3: data 4, model 1.
TEST(Directions, AmplitudesHaveAClosedForm) {
  Observation o(SolveKind::diagonal, 6, 1);
  for (auto& v : o.vis) v = 4;
  for (auto& m : o.model) m = 1;
  o.accumulate();
  o.solve();
  for (const auto g : o.gains) EXPECT_NEAR(std::abs(g - 2.), 0, 1e-6);
}

TEST(Directions, OneDirectionAgreesWithStefcal) {
  Observation o(SolveKind::diagonal, 8, 1);
  o.add_noise(0.3);
  o.accumulate();
  o.solve({.tolerance = 1e-10});
  const Shape& shape = o.shape.gains;
  std::vector<double> sums(static_cast<size_t>(shape.accumulator_size()));
  accumulate_cpu({shape,
                  {o.vis.data(), {o.rows, shape.channels, 2}},
                  {o.weight.data(), {o.rows, shape.channels, 2}},
                  {o.model.data(), {o.rows, shape.channels, 2}},
                  {o.antennas.data(), {o.rows, 2}},
                  {sums.data(), {1, shape.baselines(), shape.sums()}}});
  std::vector<Complex> gains(16);
  std::vector<uint8_t> valid(16);
  std::vector<Outcome> outcomes(2);
  solve_cpu({shape,
             {sums.data(), {1, shape.baselines(), shape.sums()}},
             {gains.data(), {1, 8, 2}},
             {valid.data(), {1, 8, 2}},
             {outcomes.data(), {1, 2}},
             {},
             0});
  for (size_t i = 0; i < 16; ++i) EXPECT_LT(std::abs(o.gains[i] - gains[i]), 1e-6);
  EXPECT_NEAR(o.outcomes[0].residual_power / outcomes[0].residual_power, 1, 1e-6);
}

TEST(Directions, SmoothGainsInFrequencyAreLessNoisy) {
  Observation o(SolveKind::diagonal, 8, 2, 12, 3);
  // The same gains in all blocks.
  const auto each = static_cast<size_t>(o.shape.gain_size() / 12);
  for (size_t i = 0; i < o.truth.size(); ++i) o.truth[i] = o.truth[i % each];
  std::fill(o.vis.begin(), o.vis.end(), 0);
  for (int64_t d = 0; d < 2; ++d)
    for (size_t i = 0; i < o.vis.size(); ++i) {
      const auto row = static_cast<int64_t>(i) / (o.shape.gains.channels * 2);
      const auto hand = static_cast<int64_t>(i) % 2;
      const auto p = o.antennas[static_cast<size_t>(2 * row)],
                 q = o.antennas[static_cast<size_t>(2 * row + 1)];
      o.vis[i] += std::complex<float>(o.gain(o.truth, 0, p, d, hand) *
                                      Complex(o.model[static_cast<size_t>(d) * o.vis.size() + i]) *
                                      std::conj(o.gain(o.truth, 0, q, d, hand)));
    }
  o.add_noise(2);
  o.accumulate();
  o.solve();
  const double free = o.worst();
  o.solve({.tolerance = 1e-6, .smooth_hz = 100e6});
  EXPECT_TRUE(o.all_valid());
  EXPECT_LT(o.worst(), 0.5 * free);
}

TEST(Directions, StudentsTForgetsOutliers) {
  Observation o(SolveKind::diagonal, 8, 2);
  o.add_noise(0.1);
  std::mt19937 random(1);
  for (auto& v : o.vis)
    if (random() % 20 == 0) v += std::complex<float>(60, -40);
  o.accumulate();
  o.solve({.solver = DirectionSolver::levenberg_marquardt});
  const double normal = o.worst();
  for (int pass = 0; pass < 4; ++pass) {
    o.accumulate(2);
    o.solve({.solver = DirectionSolver::levenberg_marquardt});
  }
  EXPECT_LT(o.worst(), 0.1 * normal);
  EXPECT_LT(o.worst(), 0.05);
}

// Of the first hand, with the phase of antenna 0 held in every direction: the inverse of F = 2 Re(J^H J) / σ², J the derivatives of
// Σ_d g_pd M_d g_qd*, for noise of variance σ² in all.
Eigen::VectorXd bound(const Observation& o, double sigma) {
  const int64_t n = o.shape.gains.antennas, directions = o.shape.directions, all = n * directions;
  Eigen::MatrixXd fisher = Eigen::MatrixXd::Zero(2 * all, 2 * all);
  for (int64_t row = 0; row < o.rows; ++row) {
    const int64_t p = o.antennas[static_cast<size_t>(2 * row)],
                  q = o.antennas[static_cast<size_t>(2 * row + 1)];
    if (p == q) continue;
    for (int64_t c = 0; c < o.shape.gains.channels; ++c) {
      Eigen::VectorXcd slope = Eigen::VectorXcd::Zero(2 * all);
      for (int64_t d = 0; d < directions; ++d) {
        const Complex m = o.model[static_cast<size_t>(d) * o.vis.size() +
                                  static_cast<size_t>((row * o.shape.gains.channels + c) * 2)];
        const Complex by_p = m * std::conj(o.gain(o.truth, 0, q, d, 0)),
                      by_q = m * o.gain(o.truth, 0, p, d, 0);
        slope(p * directions + d) += by_p;
        slope(all + p * directions + d) += Complex(0, 1) * by_p;
        slope(q * directions + d) += by_q;
        slope(all + q * directions + d) -= Complex(0, 1) * by_q;
      }
      fisher += 2 / (sigma * sigma) * (slope.conjugate() * slope.transpose()).real();
    }
  }
  // The imaginary parts of antenna 0 are not free.
  Eigen::MatrixXd kept(2 * all - directions, 2 * all - directions);
  const auto from = [&](int64_t i) { return i < all ? i : i + directions; };
  for (int64_t i = 0; i < kept.rows(); ++i)
    for (int64_t k = 0; k < kept.cols(); ++k) kept(i, k) = fisher(from(i), from(k));
  const Eigen::VectorXd variance = kept.inverse().diagonal();
  Eigen::VectorXd out = Eigen::VectorXd::Zero(2 * all);
  for (int64_t i = 0; i < kept.rows(); ++i) out(from(i)) = std::sqrt(variance(i));
  return out;
}

TEST(Directions, GainsReachTheCramerRaoBound) {
  constexpr uint32_t kSeeds = 3000;
  constexpr double kSigma = 0.5;
  Observation o(SolveKind::diagonal, 6, 2, 1, 4);
  // Truth with the phases of the reference at 0, which the bound and the solver agree on.
  for (int64_t d = 0; d < 2; ++d) {
    const Complex turn = std::polar(1., -std::arg(o.gain(o.truth, 0, 0, d, 0)));
    for (int64_t a = 0; a < 6; ++a) o.truth[static_cast<size_t>((a * 2 + d) * 2)] *= turn;
  }
  const auto clean = o.vis;
  const Eigen::VectorXd sigma = bound(o, kSigma);
  std::vector<double> sum(24), squares(24);
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    o.vis = clean;
    o.add_noise(kSigma, seed);
    o.accumulate();
    o.solve({.solver = DirectionSolver::levenberg_marquardt});
    ASSERT_TRUE(o.all_valid());
    for (size_t k = 0; k < 12; ++k) {
      const Complex error = o.gains[2 * k] - o.truth[2 * k];
      sum[k] += error.real(), squares[k] += error.real() * error.real();
      sum[12 + k] += error.imag(), squares[12 + k] += error.imag() * error.imag();
    }
  }
  for (size_t k = 0; k < 24; ++k) {
    const double bound_k = sigma(static_cast<int64_t>(k)), mean = sum[k] / kSeeds,
                 deviation = std::sqrt(squares[k] / kSeeds - mean * mean);
    if (bound_k == 0) continue;  // held
    EXPECT_LT(std::abs(mean), 0.1 * bound_k) << k;
    EXPECT_LT(deviation, 1.2 * bound_k) << k;
    EXPECT_GT(deviation, 0.9 * bound_k) << k;
  }
}

TEST(Directions, WhatCannotBeSolvedIsFlaggedAndNeverNan) {
  Observation o(SolveKind::diagonal, 8, 2);
  for (int64_t row = 0; row < o.rows; ++row) {
    const bool without =
        o.antennas[static_cast<size_t>(2 * row)] == 3 || o.antennas[static_cast<size_t>(2 * row + 1)] == 3;
    for (int64_t c = 0; c < o.shape.gains.channels * 2; ++c) {
      const auto at = static_cast<size_t>(row * o.shape.gains.channels * 2 + c);
      if (without) o.weight[at] = 0;
      o.model[o.vis.size() + at] = 0;  // nothing in the second direction
      if (row % 7 == 0) o.vis[at] = {NAN, 1};
    }
  }
  o.accumulate();
  o.solve();
  for (int64_t a = 0; a < 8; ++a)
    for (int64_t d = 0; d < 2; ++d)
      for (int64_t h = 0; h < 2; ++h) {
        const auto at = static_cast<size_t>((a * 2 + d) * 2 + h);
        EXPECT_EQ(o.valid[at], a != 3 && d == 0) << a << " " << d;
        EXPECT_TRUE(std::isfinite(o.gains[at].real()));
        if (o.valid[at] == 0) {
          EXPECT_EQ(o.gains[at], 1.);
        }
      }
  std::fill(o.weight.begin(), o.weight.end(), 0.F);
  o.accumulate();
  o.solve();
  EXPECT_TRUE(std::all_of(o.valid.begin(), o.valid.end(), [](uint8_t v) { return v == 0; }));
}

}  // namespace
}  // namespace fringeflow::calibrate
