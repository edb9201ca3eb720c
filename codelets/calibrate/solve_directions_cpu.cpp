// SPDX-License-Identifier: GPL-3.0-or-later
#include <Eigen/Dense>
#include <cmath>
#include <vector>

#include "codelets/calibrate/direction_network.hpp"
#include "codelets/calibrate/network.hpp"
#include "codelets/calibrate/tec_ladder.hpp"
#include "io/constants.hpp"

namespace fringeflow::calibrate {
namespace {

using detail::by_antenna;
using detail::Complex;
using detail::Gains;
using detail::gather;
using detail::Ladder;
using detail::merged;
using detail::misfit;
using detail::Network;
using detail::Pair;
using detail::Quadratic;
using detail::refer;
using detail::smooth;
using detail::start;
using detail::sweep;

/// How a fit ended.
struct Descent {
  int iterations = 0;
  double change = INFINITY;  ///< relative, of the last iteration
};

/// Of exact minima before the steps of Levenberg-Marquardt.
constexpr int kTecSweeps = 40;
/// Turns that an antenna may be from its neighbour, or move at a time, before all are known.
constexpr double kNear = 0.6;

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
      const Descent one = phase_only_ ? descend_phases(b) : descend_complex(b);
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
    tec.assign(g.front().size(), 0);
    const Ladder ladder(network_.freq_hz);
    // First from the free phases of every antenna and direction, then the exact minimum in each, those of the others held.
    std::vector<Complex> rest(g.size());
    for (size_t k = 0; k < tec.size(); ++k) {
      for (size_t b = 0; b < g.size(); ++b) rest[b] = weight[b][k] * g[b][k];
      tec[k] = ladder.best(rest);
    }
    for (size_t b = 0; b < g.size(); ++b) g[b] = gains_of(tec, b);
    const auto settle = [&] {
      for (int round = 0; round < kTecSweeps; ++round)
        if (sweep_tec(ladder, tec) < 1e-3) break;
      return misfit_of(tec);
    };
    const double from_phases = settle();
    if (!network_.position_m.empty()) {
      const auto before = tec;
      const auto gains = g;
      grow_tec(ladder, tec);
      for (int round = 0; round < kTecSweeps; ++round)
        if (sweep_tec(ladder, tec, kNear) < 1e-3) break;
      if (!(settle() < from_phases)) {
        tec = before;
        g = gains;
      }
    }
    return descend_tec(tec);
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

  /// Steps of Levenberg-Marquardt: `assemble` fills the normal matrix and the gradient −∂χ²/2, `apply` makes a trial of a step and gives
  /// its χ², `accept` keeps it.
  template <class Assemble, class Try, class Accept>
  Descent descend(int64_t parameters, double chi2, double scale, Assemble&& assemble, Try&& attempt,
                  Accept&& accept) {
    Descent descent;
    Eigen::MatrixXd normal;
    Eigen::VectorXd gradient;
    double damping = 1e-3;
    bool fresh = true;
    while (descent.iterations < limits_.steps) {
      ++descent.iterations;
      if (fresh) {
        normal.setZero(parameters, parameters);
        gradient.setZero(parameters);
        assemble(normal, gradient);
      }
      const double floor = 1e-12 * normal.diagonal().maxCoeff();
      Eigen::MatrixXd damped = normal;
      damped.diagonal() += damping * normal.diagonal() + Eigen::VectorXd::Constant(parameters, floor);
      const Eigen::LLT<Eigen::MatrixXd> cholesky(damped);
      if (cholesky.info() != Eigen::Success) {
        damping = std::max(10 * damping, 1e-6);
        fresh = false;
        continue;
      }
      const Eigen::VectorXd step = cholesky.solve(gradient);
      const double now = attempt(step), gain = chi2 - now;
      fresh = now <= chi2;
      if (fresh) {
        accept();
        damping = std::max(damping / 10, 1e-9);
        chi2 = now;
        descent.change = step.norm() / scale;
        if (descent.change <= limits_.tolerance || gain <= 1e-14 * std::abs(chi2)) {
          descent.change = std::min(descent.change, limits_.tolerance);
          break;
        }
      } else {
        // At the bottom rounding decides which of two equal values is the lower.
        if (step.norm() / scale <= limits_.tolerance || damping > 1e9) {
          descent.change = std::min(descent.change, limits_.tolerance);
          break;
        }
        damping *= 10;
      }
    }
    return descent;
  }

  /// Adds normal matrix and gradient of the phases of a block, times `factor` per phase.
  void add_phases(size_t b, const Gains& gains, double factor, Eigen::MatrixXd& normal,
                  Eigen::VectorXd& gradient) const {
    const int64_t directions = network_.directions;
    std::vector<Complex> products(static_cast<size_t>(directions));
    for (const auto& pair : network_.blocks[b]) {
      const int64_t i = pair.i * directions, j = pair.j * directions;
      for (int64_t d = 0; d < directions; ++d)
        products[static_cast<size_t>(d)] =
            gains[static_cast<size_t>(i + d)] * std::conj(gains[static_cast<size_t>(j + d)]);
      for (int64_t d = 0; d < directions; ++d) {
        const Complex gd = std::conj(products[static_cast<size_t>(d)]);
        Complex rest = pair.p[static_cast<size_t>(d)];
        for (int64_t e = 0; e < directions; ++e) {
          const Complex x =
              pair.q[static_cast<size_t>(d * directions + e)] * products[static_cast<size_t>(e)];
          rest -= x;
          const double h = factor * factor * (gd * x).real();
          normal(i + d, i + e) += h;
          normal(j + d, j + e) += h;
          normal(i + d, j + e) -= h;
          normal(j + d, i + e) -= h;
        }
        const double slope = factor * (gd * rest).imag();
        gradient(i + d) += slope;
        gradient(j + d) -= slope;
      }
    }
  }

  Descent descend_phases(size_t b) {
    const auto n = static_cast<int64_t>(g[b].size());
    Gains trial;
    return descend(
        n, misfit(network_.blocks[b], network_.directions, g[b]), std::sqrt(static_cast<double>(n)),
        [&](auto& normal, auto& gradient) { add_phases(b, g[b], 1, normal, gradient); },
        [&](const Eigen::VectorXd& step) {
          trial = g[b];
          for (int64_t k = 0; k < n; ++k) trial[static_cast<size_t>(k)] *= std::polar(1., step(k));
          return misfit(network_.blocks[b], network_.directions, trial);
        },
        [&] { g[b] = trial; });
  }

  Descent descend_complex(size_t b) {
    const auto n = static_cast<int64_t>(g[b].size());
    Gains trial;
    double scale = 0;
    for (const Complex x : g[b]) scale += std::norm(x);
    return descend(
        2 * n, misfit(network_.blocks[b], network_.directions, g[b]), std::sqrt(scale),
        [&](auto& normal, auto& gradient) { add_complex(b, normal, gradient); },
        [&](const Eigen::VectorXd& step) {
          trial = g[b];
          for (int64_t k = 0; k < n; ++k)
            trial[static_cast<size_t>(k)] += Complex(step(2 * k), step(2 * k + 1));
          return misfit(network_.blocks[b], network_.directions, trial);
        },
        [&] { g[b] = trial; });
  }

  /// Real and imaginary parts of every gain: with A_d = g_jd* M_d and B_d = g_id M_d, the derivatives of the model of baseline i, j are A_d
  /// and iA_d by those of g_id, B_d and −iB_d by those of g_jd.
  void add_complex(size_t b, Eigen::MatrixXd& normal, Eigen::VectorXd& gradient) const {
    const int64_t directions = network_.directions;
    const Gains& gains = g[b];
    for (const auto& pair : network_.blocks[b]) {
      const Complex *gi = gains.data() + pair.i * directions, *gj = gains.data() + pair.j * directions;
      const int64_t i = 2 * pair.i * directions, j = 2 * pair.j * directions;
      for (int64_t d = 0; d < directions; ++d) {
        Complex rest = pair.p[static_cast<size_t>(d)];
        const int64_t id = i + 2 * d, jd = j + 2 * d;
        for (int64_t e = 0; e < directions; ++e) {
          const Complex q = pair.q[static_cast<size_t>(d * directions + e)];
          rest -= q * gi[e] * std::conj(gj[e]);
          const int64_t ie = i + 2 * e, je = j + 2 * e;
          const Complex c = gj[d] * std::conj(gj[e]) * q;  // Σ w A_d* A_e
          normal(id, ie) += c.real();
          normal(id, ie + 1) -= c.imag();
          normal(id + 1, ie) += c.imag();
          normal(id + 1, ie + 1) += c.real();
          const Complex f = std::conj(gi[d]) * gi[e] * q;  // Σ w B_d* B_e
          normal(jd, je) += f.real();
          normal(jd, je + 1) += f.imag();
          normal(jd + 1, je) -= f.imag();
          normal(jd + 1, je + 1) += f.real();
          const Complex x = gj[d] * gi[e] * q;  // Σ w A_d* B_e
          const double cross[2][2] = {{x.real(), x.imag()}, {x.imag(), -x.real()}};
          for (int r = 0; r < 2; ++r)
            for (int s = 0; s < 2; ++s) {
              normal(id + r, je + s) += cross[r][s];
              normal(je + s, id + r) += cross[r][s];
            }
        }
        const Complex si = gj[d] * rest, sj = std::conj(gi[d]) * rest;
        gradient(id) += si.real();
        gradient(id + 1) += si.imag();
        gradient(jd) += sj.real();
        gradient(jd + 1) -= sj.imag();
      }
    }
  }

  double phase_of_tec(size_t b) const { return -kTecRadHz / network_.freq_hz[b]; }

  Gains gains_of(const std::vector<double>& tec, size_t b) const {
    Gains out(tec.size());
    for (size_t k = 0; k < tec.size(); ++k) out[k] = std::polar(1., tec[k] * phase_of_tec(b));
    return out;
  }

  double misfit_of(const std::vector<double>& tec) const {
    double total = 0;
    for (size_t b = 0; b < network_.blocks.size(); ++b)
      total += misfit(network_.blocks[b], network_.directions, gains_of(tec, b));
    return total;
  }

  /// The exact minimum in every direction of one antenna, the others held. @return the largest change of a phase, rad
  double improve_tec(int64_t antenna, const Ladder& ladder, std::vector<double>& tec,
                     const std::vector<bool>& known, int rounds, double turns) {
    const int64_t directions = network_.directions;
    std::vector<Quadratic> quadratics(g.size());
    std::vector<Complex> rest(g.size());
    for (size_t b = 0; b < g.size(); ++b)
      quadratics[b].form(pairs_[b][static_cast<size_t>(antenna)], antenna, directions, g[b], known);
    double most = 0;
    for (int round = 0; round < rounds; ++round) {
      most = 0;
      for (int64_t d = 0; d < directions; ++d) {
        const auto k = static_cast<size_t>(antenna * directions + d);
        for (size_t b = 0; b < g.size(); ++b)
          rest[b] = quadratics[b].rest(d, directions, g[b].data() + antenna * directions);
        const double content = ladder.best(rest, tec[k], turns);
        most = std::max(most, std::abs((content - tec[k]) * phase_of_tec(0)));
        set_tec(static_cast<size_t>(k), content, tec);
      }
      if (most < 1e-3) break;
    }
    return most;
  }

  void set_tec(size_t k, double content, std::vector<double>& tec) {
    tec[k] = content;
    for (size_t b = 0; b < g.size(); ++b) g[b][k] = std::polar(1., content * phase_of_tec(b));
  }

  /// @return the largest change of a phase, rad
  double sweep_tec(const Ladder& ladder, std::vector<double>& tec, double turns = INFINITY,
                   const std::vector<bool>& known = {}) {
    double most = 0;
    for (int64_t i = 0; i < network_.size(); ++i)
      if (known.empty() || known[static_cast<size_t>(i)])
        most = std::max(most, improve_tec(i, ladder, tec, known, 1, turns));
    return most;
  }

  /// Antenna by antenna, each from the contents of the nearest that is known already: the ionosphere of neighbours is alike.
  void grow_tec(const Ladder& ladder, std::vector<double>& tec) {
    const int64_t n = network_.size(), directions = network_.directions;
    std::vector<bool> known(static_cast<size_t>(n));
    const auto distance = [&](int64_t i, int64_t j) {
      double sum = 0;
      for (size_t k = 0; k < 3; ++k) {
        const double d =
            network_.position_m[static_cast<size_t>(i)][k] - network_.position_m[static_cast<size_t>(j)][k];
        sum += d * d;
      }
      return sum;
    };
    // The antenna in the densest part begins.
    int64_t first = 0;
    double least = INFINITY;
    for (int64_t i = 0; i < n; ++i) {
      std::vector<double> all;
      for (int64_t j = 0; j < n; ++j) all.push_back(distance(i, j));
      const double typical = median(all);
      if (typical < least) least = typical, first = i;
    }
    known[static_cast<size_t>(first)] = true;
    for (int64_t d = 0; d < directions; ++d) set_tec(static_cast<size_t>(first * directions + d), 0, tec);
    for (int64_t count = 1; count < n; ++count) {
      int64_t next = -1, from = -1;
      double nearest = INFINITY;
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < n; ++j)
          if (!known[static_cast<size_t>(i)] && known[static_cast<size_t>(j)] && distance(i, j) < nearest)
            nearest = distance(i, j), next = i, from = j;
      if (next < 0) break;
      for (int64_t d = 0; d < directions; ++d)
        set_tec(static_cast<size_t>(next * directions + d), tec[static_cast<size_t>(from * directions + d)],
                tec);
      improve_tec(next, ladder, tec, known, 20, kNear);
      known[static_cast<size_t>(next)] = true;
      if (count % 3 == 2)
        for (int round = 0; round < 3; ++round)
          if (sweep_tec(ladder, tec, kNear, known) < 1e-2) break;
    }
  }

  Descent descend_tec(std::vector<double>& tec) {
    const auto n = static_cast<int64_t>(tec.size());
    std::vector<double> trial;
    std::vector<Gains> gains(g.size());
    const double radian = network_.freq_hz.front() / kTecRadHz;
    const Descent descent = descend(
        n, misfit_of(tec), radian * std::sqrt(static_cast<double>(n)),
        [&](auto& normal, auto& gradient) {
          for (size_t b = 0; b < g.size(); ++b)
            add_phases(b, gains_of(tec, b), phase_of_tec(b), normal, gradient);
        },
        [&](const Eigen::VectorXd& step) {
          trial = tec;
          for (int64_t k = 0; k < n; ++k) trial[static_cast<size_t>(k)] += step(k);
          return misfit_of(trial);
        },
        [&] { tec = trial; });
    for (int64_t d = 0; d < network_.directions; ++d) {
      const double zero = tec[static_cast<size_t>(reference_ * network_.directions + d)];
      for (size_t k = static_cast<size_t>(d); k < tec.size(); k += static_cast<size_t>(network_.directions))
        tec[k] -= zero;
    }
    for (size_t b = 0; b < g.size(); ++b) g[b] = gains_of(tec, b);
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
