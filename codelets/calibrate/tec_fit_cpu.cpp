// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/calibrate/tec_fit.hpp"

#include "codelets/calibrate/network.hpp"
#include "codelets/calibrate/tec_ladder.hpp"
#include "io/constants.hpp"

namespace fringeflow::calibrate::detail {
namespace {

/// Of exact minima before the steps of Levenberg-Marquardt.
constexpr int kTecSweeps = 40;
/// Turns that an antenna may be from its neighbour, or move at a time, before all are known.
constexpr double kNear = 0.6;

class TecFit {
 public:
  TecFit(const Network& network, const std::vector<std::vector<std::vector<const Pair*>>>& pairs,
         const DirectionLimits& limits, int64_t reference, const std::vector<std::vector<double>>& weight,
         std::vector<Gains>& g)
      : network_(network), pairs_(pairs), limits_(limits), reference_(reference), weight_(weight), g_(g) {}

  /// Electron contents, [antenna of the network][direction], whose phases are those of all blocks.
  Descent run(std::vector<double>& tec) {
    tec.assign(g_.front().size(), 0);
    const Ladder ladder(network_.freq_hz);
    // First from the free phases of every antenna and direction, then the exact minimum in each, those of the others held.
    std::vector<Complex> rest(g_.size());
    for (size_t k = 0; k < tec.size(); ++k) {
      for (size_t b = 0; b < g_.size(); ++b) rest[b] = weight_[b][k] * g_[b][k];
      tec[k] = ladder.best(rest);
    }
    for (size_t b = 0; b < g_.size(); ++b) g_[b] = gains_of(tec, b);
    const auto settle = [&] {
      for (int round = 0; round < kTecSweeps; ++round)
        if (sweep_tec(ladder, tec) < 1e-3) break;
      return misfit_of(tec);
    };
    const double from_phases = settle();
    if (!network_.position_m.empty()) {
      const auto before = tec;
      const auto gains = g_;
      grow_tec(ladder, tec);
      for (int round = 0; round < kTecSweeps; ++round)
        if (sweep_tec(ladder, tec, kNear) < 1e-3) break;
      if (!(settle() < from_phases)) {
        tec = before;
        g_ = gains;
      }
    }
    return descend_tec(tec);
  }

 private:
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
    std::vector<Quadratic> quadratics(g_.size());
    std::vector<Complex> rest(g_.size());
    for (size_t b = 0; b < g_.size(); ++b)
      quadratics[b].form(pairs_[b][static_cast<size_t>(antenna)], antenna, directions, g_[b], known);
    double most = 0;
    for (int round = 0; round < rounds; ++round) {
      most = 0;
      for (int64_t d = 0; d < directions; ++d) {
        const auto k = static_cast<size_t>(antenna * directions + d);
        for (size_t b = 0; b < g_.size(); ++b)
          rest[b] = quadratics[b].rest(d, directions, g_[b].data() + antenna * directions);
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
    for (size_t b = 0; b < g_.size(); ++b) g_[b][k] = std::polar(1., content * phase_of_tec(b));
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
    std::vector<Gains> gains(g_.size());
    const double radian = network_.freq_hz.front() / kTecRadHz;
    const Descent descent = descend(
        limits_, n, misfit_of(tec), radian * std::sqrt(static_cast<double>(n)),
        [&](auto& normal, auto& gradient) {
          for (size_t b = 0; b < g_.size(); ++b)
            add_phases(network_.blocks[b], network_.directions, gains_of(tec, b), phase_of_tec(b), normal,
                       gradient);
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
    for (size_t b = 0; b < g_.size(); ++b) g_[b] = gains_of(tec, b);
    return descent;
  }

  const Network& network_;
  const std::vector<std::vector<std::vector<const Pair*>>>& pairs_;
  const DirectionLimits& limits_;
  int64_t reference_;
  const std::vector<std::vector<double>>& weight_;
  std::vector<Gains>& g_;
};

}  // namespace

Descent fit_tec(const Network& network, const std::vector<std::vector<std::vector<const Pair*>>>& pairs,
                const DirectionLimits& limits, int64_t reference,
                const std::vector<std::vector<double>>& weight, std::vector<Gains>& g,
                std::vector<double>& tec) {
  return TecFit(network, pairs, limits, reference, weight, g).run(tec);
}

}  // namespace fringeflow::calibrate::detail
