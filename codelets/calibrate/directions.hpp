// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Gains that depend on direction: V_pq = Σ_d g_pd M_pq,d g_qd*, M_d the model's sources around direction d.
///
/// As without directions, the data enter once, as weighted products summed per baseline over the times and channels of a solution:
/// P_d = Σ w V M_d* and Q_de = Σ w M_e M_d*. With G_d = g_pd g_qd*, χ² = Σ_pq Σ w |V|² − 2 Re Σ_d G_d* P_d + Σ_de G_d* Q_de G_e, so
/// that iterations cost O(antennas² directions²) whatever the number of visibilities.
#include <array>
#include <complex>
#include <cstdint>
#include <span>

#include "codelets/calibrate/calibrate.hpp"

namespace fringeflow::calibrate {

struct DirectionShape {
  Shape gains;  ///< of any kind but full
  int64_t directions = 1;

  /// Doubles per baseline and hand: Σ w |V|², samples, P_d (re, im), then Q_de for d <= e by rows: Q_dd, and re, im of the others.
  int64_t hand_sums() const { return 2 + 2 * directions + directions * directions; }
  int64_t sums() const { return gains.hands() * hand_sums(); }
  int64_t accumulator_size() const { return gains.blocks() * gains.baselines() * sums(); }
  std::array<int64_t, 4> gain_extents() const {
    return {gains.blocks(), gains.antennas, directions, gains.polarisations()};
  }
  int64_t gain_size() const { return gains.blocks() * gains.antennas * directions * gains.polarisations(); }
};

struct AccumulateDirectionsArguments {
  DirectionShape shape;
  View<const std::complex<float>, 3> vis;    ///< [row][channel][correlation], Jy
  View<const float, 3> weight;               ///< the same extents; 0 for what does not count
  View<const std::complex<float>, 4> model;  ///< [direction][row][channel][correlation], Jy
  View<const int32_t, 2> antennas;           ///< [row][2]; rows of one antenna with itself do not count
  View<double, 3> sums;  ///< in and out: [block][baseline][DirectionShape::sums()], of p < q

  /// Of Student's t, 0: normal. Samples then count (f + 2) / (f + 2 w |r|² / s²) times, r what is left after the gains of the pass before,
  /// s² its mean of w |r|² in the fit.
  double freedom = 0;
  View<const std::complex<double>, 4> gains = {};  ///< of the pass before
  View<const uint8_t, 4> valid = {};
  View<const Outcome, 2> outcomes = {};
};
/// Adds rows to the sums. Data or models that are not finite do not count.
void accumulate_directions_cpu(const AccumulateDirectionsArguments& arguments);

struct DirectionLimits {
  DirectionSolver solver = DirectionSolver::iterative;
  int iterations = 600;
  int steps = 50;            ///< of Levenberg-Marquardt
  double tolerance = 1e-7;   ///< relative change of the gains in one iteration
  double acceptable = 1e-3;  ///< a change that is still a solution when the iterations run out
  double dead = 0.05;        ///< antennas below this fraction of the median amplitude carry no signal
  double smooth_hz = 0;      ///< full width at half maximum of a Gaussian over the blocks; 0: free
};

struct SolveDirectionsArguments {
  DirectionShape shape;
  View<const double, 3> sums;       ///< [block][baseline][DirectionShape::sums()]
  std::span<const double> freq_hz;  ///< [block], middle of its channels
  View<std::complex<double>, 4>
      gains;               ///< out: [block][antenna][direction][polarisation]; 1 where not valid, never NaN
  View<uint8_t, 4> valid;  ///< out: the same extents
  View<Outcome, 2> outcomes;  ///< out: [block][Shape::fits()]
  View<double, 2> tec;        ///< out: [antenna][direction], TECU, of the kind tec; else empty
  DirectionLimits limits;
  int64_t reference = -1;  ///< antenna of phase 0 in all directions, where it has a solution
  /// [antenna], for electron contents: those of neighbours are alike, which finds the way where phases wind. May be empty.
  std::span<const std::array<double, 3>> position_m = {};
};
/// Fits all blocks. An antenna has no valid gain if it has no data, no chain of baselines to the others, no signal, or if the fit does
/// not converge; a direction has none where its model is 0. Phases start from those of a fit to the sum of all directions.
void solve_directions_cpu(const SolveDirectionsArguments& arguments);

}  // namespace fringeflow::calibrate
