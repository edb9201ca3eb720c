// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>
#include <vector>

#include "codelets/calibrate/direction_network.hpp"
#include "codelets/calibrate/levenberg.hpp"
#include "codelets/calibrate/network.hpp"
#include "codelets/calibrate/tec_fit.hpp"

namespace fringeflow::calibrate {
namespace {

using detail::by_antenna;
using detail::Complex;
using detail::descend_complex;
using detail::descend_phases;
using detail::Descent;
using detail::fit_tec;
using detail::Gains;
using detail::gather;
using detail::merged;
using detail::misfit;
using detail::Network;
using detail::Pair;
using detail::refer;
using detail::smooth;
using detail::start;
using detail::sweep;

class Fit {
 public:
  Fit(const Network& network, bool phase_only, const DirectionLimits& limits, int64_t reference)
      : network_(network), phase_only_(phase_only), limits_(limits), reference_(reference) {
    for (const auto& pairs : network.blocks) pairs_.push_back(by_antenna(pairs, network.size()));
  }

  /// Gains of all blocks from those of the sum of all directions.
  Descent run() {
    begin();
    const Descent first = iterate(limits_.smooth_hz > 0, limits_.solver == DirectionSolver::iterative
                                                             ? limits_.iterations
                                                             : std::min(limits_.iterations, 30));
    if (limits_.solver == DirectionSolver::iterative || limits_.smooth_hz > 0 ||
        first.change <= limits_.tolerance)
      return first;
    Descent worst = first;
    worst.change = 0;
    for (size_t b = 0; b < g.size(); ++b) {
      const Descent one = phase_only_
                              ? descend_phases(network_.blocks[b], network_.directions, limits_, g[b])
                              : descend_complex(network_.blocks[b], network_.directions, limits_, g[b]);
      worst.iterations += one.iterations;
      worst.change = std::max(worst.change, one.change);
    }
    return worst;
  }

  /// Electron contents, [antenna of the network][direction], whose phases are those of all blocks.
  Descent run_tec(std::vector<double>& tec) {
    begin();
    iterate(false, 20);
    for (auto& one : g) refer(one, network_.directions, reference_);
    return fit_tec(network_, pairs_, limits_, reference_, weight, g, tec);
  }

  std::vector<Gains> g;  ///< [block]
  std::vector<std::vector<double>> weight;

 private:
  void begin() {
    const int64_t n = network_.size(), directions = network_.directions;
    const Network whole = merged(network_);
    for (size_t b = 0; b < network_.blocks.size(); ++b) {
      Gains common = start(whole.blocks[b], n, phase_only_);
      const auto pairs = by_antenna(whole.blocks[b], n);
      std::vector<double> curvature(static_cast<size_t>(n));
      for (int i = 0; i < 200; ++i) {
        const auto [change, size] = sweep(pairs, 1, phase_only_, common, curvature);
        if (!(change > 1e-10 * size)) break;
      }
      Gains all(static_cast<size_t>(n * directions));
      for (size_t i = 0; i < all.size(); ++i) all[i] = common[i / static_cast<size_t>(directions)];
      refer(all, directions, reference_);
      g.push_back(std::move(all));
      weight.emplace_back(static_cast<size_t>(n * directions));
    }
  }

  Descent iterate(bool smoothly, int most) {
    Descent descent;
    while (descent.iterations < most) {
      ++descent.iterations;
      double change = 0, size = 0;
      const std::vector<Gains> before = smoothly ? g : std::vector<Gains>{};
      for (size_t b = 0; b < g.size(); ++b) {
        const auto one = sweep(pairs_[b], network_.directions, phase_only_, g[b], weight[b]);
        change += one.first;
        size += one.second;
      }
      if (smoothly) {
        for (auto& one : g) refer(one, network_.directions, reference_);
        smooth(network_.freq_hz, limits_.smooth_hz, phase_only_, weight, g);
        change = 0;
        for (size_t b = 0; b < g.size(); ++b)
          for (size_t k = 0; k < g[b].size(); ++k) change += std::norm(g[b][k] - before[b][k]);
      }
      descent.change = size > 0 ? std::sqrt(change / size) : 0;
      if (!std::isfinite(descent.change) || descent.change <= limits_.tolerance) break;
    }
    return descent;
  }

  const Network& network_;
  bool phase_only_;
  const DirectionLimits& limits_;
  int64_t reference_;
  std::vector<std::vector<std::vector<const Pair*>>> pairs_;  ///< [block][antenna]
};

int64_t reference_in(const Network& network, int64_t asked) {
  int64_t best = 0;
  for (int64_t i = 0; i < network.size(); ++i) {
    if (network.antenna[static_cast<size_t>(i)] == asked) return i;
    if (network.antenna[static_cast<size_t>(i)] < network.antenna[static_cast<size_t>(best)]) best = i;
  }
  return best;
}

/// Antennas whose amplitudes, means over blocks and directions, are far below the others'.
bool bar_dead(const Network& network, const std::vector<Gains>& g, double dead, std::vector<bool>& barred) {
  std::vector<double> size(static_cast<size_t>(network.size()));
  for (const auto& one : g)
    for (size_t k = 0; k < one.size(); ++k)
      size[k / static_cast<size_t>(network.directions)] += std::abs(one[k]);
  const double least = dead * median(size);
  bool any = false;
  for (size_t i = 0; i < size.size(); ++i)
    if (!(size[i] > least)) barred[static_cast<size_t>(network.antenna[i])] = any = true;
  return any;
}

/// Blocks [first, last) of one hand, together.
void solve_blocks(const SolveDirectionsArguments& a, int64_t first, int64_t last, int64_t hand) {
  const Shape& shape = a.shape.gains;
  const bool phase_only = shape.kind != SolveKind::diagonal, tec = shape.kind == SolveKind::tec;
  const int64_t fit = std::max<int64_t>(hand, 0), directions = a.shape.directions;
  std::vector<bool> barred(static_cast<size_t>(shape.antennas));
  for (int round = 0;; ++round) {
    const Network network = gather(a, first, last, hand, barred);
    const int64_t n = network.size();
    if (n == 0) return;
    Outcome common;
    common.failed = n < (phase_only ? 2 : 3);
    Descent descent;
    std::vector<double> contents;
    const int64_t reference = reference_in(network, a.reference);
    Fit solver(network, phase_only, a.limits, reference);
    if (!common.failed) {
      descent = tec ? solver.run_tec(contents) : solver.run();
      common.iterations = descent.iterations;
      common.converged = descent.change <= a.limits.tolerance;
      common.failed = !(descent.change <= a.limits.acceptable);
      if (!common.failed && !phase_only && round < 3 && bar_dead(network, solver.g, a.limits.dead, barred))
        continue;
    }
    for (int64_t block = first; block < last; ++block) {
      Outcome& outcome = a.outcomes(block, fit);
      outcome = common;
      if (common.failed) continue;
      const auto b = static_cast<size_t>(block - first);
      const auto& pairs = network.blocks[b];
      Gains& g = solver.g[b];
      refer(g, directions, reference);
      std::vector<std::vector<double>> power(static_cast<size_t>(n),
                                             std::vector<double>(static_cast<size_t>(directions)));
      for (const auto& pair : pairs) {
        outcome.data_power += pair.observed;
        outcome.samples += pair.samples;
        for (int64_t d = 0; d < directions; ++d)
          for (const int64_t end : {pair.i, pair.j})
            power[static_cast<size_t>(end)][static_cast<size_t>(d)] +=
                pair.q[static_cast<size_t>(d * directions + d)].real();
      }
      outcome.residual_power = std::max(misfit(pairs, directions, g), 0.);
      for (int64_t i = 0; i < n; ++i) {
        bool any = false;
        for (int64_t d = 0; d < directions; ++d) {
          const Complex x = g[static_cast<size_t>(i * directions + d)];
          const bool good = power[static_cast<size_t>(i)][static_cast<size_t>(d)] > 0 &&
                            std::isfinite(x.real()) && std::isfinite(x.imag()) && std::abs(x) > 0;
          if (!good) continue;
          any = true;
          const int64_t antenna = network.antenna[static_cast<size_t>(i)];
          a.gains(block, antenna, d, fit) = x;
          a.valid(block, antenna, d, fit) = 1;
          if (tec) a.tec(antenna, d) = contents[static_cast<size_t>(i * directions + d)];
        }
        outcome.antennas += any ? 1 : 0;
      }
    }
    return;
  }
}

}  // namespace

void solve_directions_cpu(const SolveDirectionsArguments& a) {
  const Shape& shape = a.shape.gains;
  std::fill_n(a.gains.data(), a.gains.size(), Complex(1));
  std::fill_n(a.valid.data(), a.valid.size(), uint8_t{0});
  std::fill_n(a.outcomes.data(), a.outcomes.size(), Outcome{});
  if (a.tec.data() != nullptr) std::fill_n(a.tec.data(), a.tec.size(), 0.);
  const bool together = shape.kind == SolveKind::tec || a.limits.smooth_hz > 0;
  const int64_t step = together ? shape.blocks() : 1;
  for (int64_t block = 0; block < shape.blocks(); block += step)
    if (shape.scalar())
      solve_blocks(a, block, block + step, -1);
    else
      for (int64_t hand = 0; hand < shape.hands(); ++hand) solve_blocks(a, block, block + step, hand);
}

}  // namespace fringeflow::calibrate
