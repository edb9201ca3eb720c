// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Baselines of one fit of gains with directions, and the steps that its solvers are made of.
#include <array>
#include <complex>
#include <utility>
#include <vector>

#include "codelets/calibrate/directions.hpp"

namespace fringeflow::calibrate::detail {

using Complex = std::complex<double>;

/// Products of one baseline i < j of a network in one block.
struct Pair {
  int64_t i = 0, j = 0;
  double observed = 0, samples = 0, power = 0;  ///< Σ w |V|², samples, trace of Q
  std::vector<Complex> p, q;                    ///< [d], [d][e]
};

/// The antennas of a fit and their baselines in the blocks that are fitted together.
struct Network {
  int64_t directions = 1;
  std::vector<int64_t> antenna;
  std::vector<std::vector<Pair>> blocks;
  std::vector<double> freq_hz;                    ///< [block]
  std::vector<std::array<double, 3>> position_m;  ///< of the antennas; empty: not known
  int64_t size() const { return static_cast<int64_t>(antenna.size()); }
};

/// Gains of a block, [antenna of the network][direction].
using Gains = std::vector<Complex>;

/// Blocks [first, last) of the hand `hand`, or of both summed for −1, without barred antennas.
Network gather(const SolveDirectionsArguments& arguments, int64_t first, int64_t last, int64_t hand,
               const std::vector<bool>& barred);
/// All directions seen as one.
Network merged(const Network& network);
/// Σ w |V − Σ_d G_d M_d|² of a block.
double misfit(const std::vector<Pair>& pairs, int64_t directions, const Gains& g);
/// By antenna, the pairs that it is in.
std::vector<std::vector<const Pair*>> by_antenna(const std::vector<Pair>& pairs, int64_t antennas);

/// χ² as a quadratic form in the gains x_d of one antenna, those of the others held: Σ_de x_d* N_de x_e − 2 Re Σ_d x_d* r_d + constant.
struct Quadratic {
  std::vector<Complex> normal, right;  ///< [d][e], the half with e >= d; [d]

  /// @param known antennas that count; empty: all
  void form(const std::vector<const Pair*>& pairs, int64_t antenna, int64_t directions, const Gains& g,
            const std::vector<bool>& known = {});
  double curvature(int64_t d, int64_t directions) const {
    return normal[static_cast<size_t>(d * directions + d)].real();
  }
  /// What x_d is to explain, those of the other directions held.
  Complex rest(int64_t d, int64_t directions, const Complex* x) const {
    Complex rest = right[static_cast<size_t>(d)];
    for (int64_t e = 0; e < directions; ++e) {
      if (e == d) continue;
      rest -= x[e] * (e > d ? normal[static_cast<size_t>(d * directions + e)]
                            : std::conj(normal[static_cast<size_t>(e * directions + d)]));
    }
    return rest;
  }
};

/// One minimisation of χ² in every antenna and direction after the other, the others held: it never grows. `weight` is set to the
/// curvature in each, [antenna][direction], 0 where there is nothing to fit. @return Σ |change|², Σ |g|²
std::pair<double, double> sweep(const std::vector<std::vector<const Pair*>>& pairs, int64_t directions,
                                bool phase_only, Gains& g, std::vector<double>& weight);
/// Phases of every direction relative to an antenna of the network.
void refer(Gains& g, int64_t directions, int64_t reference);
/// Means over the blocks with a Gaussian of their distance, weighted by the curvature of their fits.
void smooth(const std::vector<double>& freq_hz, double width_hz, bool phase_only,
            const std::vector<std::vector<double>>& weight, std::vector<Gains>& g);
/// A start for one direction along a tree of baselines; antennas are in order of distance from the first.
Gains start(const std::vector<Pair>& pairs, int64_t antennas, bool phase_only);

}  // namespace fringeflow::calibrate::detail
