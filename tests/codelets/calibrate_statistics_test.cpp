// SPDX-License-Identifier: GPL-3.0-or-later
// Gains from noisy data against the Cramer-Rao bound, and solutions carried over in time.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <vector>

#include "codelets/calibrate/calibrate.hpp"
#include "codelets/corrupt/random.hpp"

namespace fringeflow::calibrate {
namespace {

using Complex = std::complex<double>;
constexpr int64_t kAntennas = 7;

std::vector<Complex> truth() {
  std::vector<Complex> g;
  for (uint32_t a = 0; a < kAntennas; ++a) {
    const Complex n = corrupt::normal(11, corrupt::Stream::gains, a, 0, 0, 0);
    g.push_back(std::polar(std::exp(0.2 * n.real()), a == 0 ? 0 : n.imag()));
  }
  return g;
}

/// A model of one hand whose flux differs from baseline to baseline.
Complex model_of(int64_t p, int64_t q) {
  return {1 + 0.3 * std::sin(static_cast<double>(3 * p + q)), 0.2 * std::cos(static_cast<double>(p + 2 * q))};
}

/// Solves one noisy draw; sums hold the weighted products of one sample per baseline.
std::vector<Complex> solve(const std::vector<Complex>& g, SolveKind kind, double sigma, uint32_t seed) {
  const Shape shape{kind, kAntennas, 1, 1, 1};
  std::vector<double> sums(static_cast<size_t>(shape.accumulator_size()));
  const double weight = 1 / (sigma * sigma);
  for (int64_t p = 0; p < kAntennas; ++p)
    for (int64_t q = p + 1; q < kAntennas; ++q) {
      const Complex m = model_of(p, q);
      const Complex v = g[static_cast<size_t>(p)] * m * std::conj(g[static_cast<size_t>(q)]) +
                        sigma * corrupt::normal(seed, corrupt::Stream::noise, 0, static_cast<uint32_t>(p),
                                                static_cast<uint32_t>(q), 0);
      double* out = sums.data() + baseline_index(p, q, kAntennas) * shape.sums();
      out[0] = weight * (v * std::conj(m)).real();
      out[1] = weight * (v * std::conj(m)).imag();
      out[2] = weight * std::norm(m);
      out[3] = weight * std::norm(v);
    }
  std::vector<Complex> gains(kAntennas);
  std::vector<uint8_t> valid(kAntennas);
  Outcome outcome;
  solve_cpu({shape,
             {sums.data(), {1, shape.baselines(), shape.sums()}},
             {gains.data(), {1, kAntennas, 1}},
             {valid.data(), {1, kAntennas, 1}},
             {&outcome, {1, 1}},
             {},
             0});
  EXPECT_TRUE(outcome.converged);
  for (const auto one : valid) EXPECT_TRUE(one);
  return gains;
}

/// Covariance of (Re g, Im g), or of phases alone, with the phase of antenna 0 held: the inverse of the Fisher matrix
/// F = Σ Re(J^H J) / σ², J the derivatives of g_p m g_q*.
Eigen::MatrixXd bound(const std::vector<Complex>& g, SolveKind kind, double sigma) {
  const bool phases = kind == SolveKind::phase;
  const int64_t n = phases ? kAntennas - 1 : 2 * kAntennas - 1;
  Eigen::MatrixXd fisher = Eigen::MatrixXd::Zero(n, n);
  const Complex j(0, 1);
  for (int64_t p = 0; p < kAntennas; ++p)
    for (int64_t q = p + 1; q < kAntennas; ++q) {
      Eigen::VectorXcd row = Eigen::VectorXcd::Zero(n);
      const Complex m = model_of(p, q), gp = g[static_cast<size_t>(p)], gq = g[static_cast<size_t>(q)];
      const Complex by_p = m * std::conj(gq), by_q = gp * m;
      if (phases) {
        if (p > 0) row(p - 1) = j * gp * by_p;
        row(q - 1) = -j * gp * by_p;
      } else {
        row(p) = by_p;
        row(q) = by_q;
        if (p > 0) row(kAntennas + p - 1) = j * by_p;
        row(kAntennas + q - 1) = -j * by_q;
      }
      fisher += (row.conjugate() * row.transpose()).real() / (sigma * sigma);
    }
  return fisher.inverse();
}

void compare_with_the_bound(SolveKind kind) {
  constexpr uint32_t kSeeds = 3000;
  constexpr double kSigma = 0.05;
  auto g = truth();
  if (kind == SolveKind::phase)
    for (auto& one : g) one /= std::abs(one);
  const Eigen::MatrixXd covariance = bound(g, kind, kSigma);
  const auto n = static_cast<size_t>(covariance.rows());
  std::vector<double> sum(n), squares(n);
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const auto found = solve(g, kind, kSigma, seed);
    for (size_t i = 0; i < n; ++i) {
      double error = 0;
      if (kind == SolveKind::phase) {
        error = std::arg(found[i + 1] * std::conj(g[i + 1]));
      } else {
        const bool real = i < kAntennas;
        const size_t a = real ? i : i - kAntennas + 1;
        error = real ? (found[a] - g[a]).real() : (found[a] - g[a]).imag();
      }
      sum[i] += error;
      squares[i] += error * error;
    }
  }
  for (size_t i = 0; i < n; ++i) {
    const double sigma = std::sqrt(covariance(static_cast<int64_t>(i), static_cast<int64_t>(i)));
    const double mean = sum[i] / kSeeds, deviation = std::sqrt(squares[i] / kSeeds - mean * mean);
    EXPECT_LT(std::abs(mean), 0.1 * sigma) << i;
    EXPECT_LT(deviation, 1.2 * sigma) << i;
    // Not better than is possible either: that would be a mistake in the test.
    EXPECT_GT(deviation, 0.9 * sigma) << i;
  }
}

TEST(CalibrateStatistics, DiagonalGainsReachTheCramerRaoBound) {
  compare_with_the_bound(SolveKind::diagonal);
}
TEST(CalibrateStatistics, PhasesReachTheCramerRaoBound) { compare_with_the_bound(SolveKind::phase); }

// Gains that wander slowly: solutions of even times improve the odd ones.
TEST(CalibrateStatistics, SolutionsOfEvenTimesImproveOddOnes) {
  constexpr uint32_t kTimes = 21;
  constexpr double kSigma = 0.05;
  std::vector<std::vector<Complex>> g(kTimes, truth());
  for (uint32_t t = 1; t < kTimes; ++t)
    for (uint32_t a = 0; a < kAntennas; ++a)
      g[t][a] = g[t - 1][a] *
                std::exp(Complex(0.01, 0.05) * corrupt::normal(2, corrupt::Stream::gains, a, t, 0, 0).real());
  double before = 0, after = 0;
  for (uint32_t t = 1; t < kTimes; t += 2) {
    const auto found = solve(g[t - 1], SolveKind::diagonal, kSigma, t);
    for (size_t p = 0; p < kAntennas; ++p)
      for (size_t q = p + 1; q < kAntennas; ++q) {
        const Complex v = g[t][p] * std::conj(g[t][q]);
        before += std::norm(v - 1.);
        after += std::norm(v / (found[p] * std::conj(found[q])) - 1.);
      }
  }
  EXPECT_LT(after, 0.05 * before);
}

}  // namespace
}  // namespace fringeflow::calibrate
