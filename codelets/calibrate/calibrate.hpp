// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Direction-independent gains by StEFCal (Salvini & Wijnholds 2014): V_pq = G_p M_pq G_q^H, fitted by alternating linear least squares
/// for every antenna with the gains of the others held.
///
/// The data enter once, as weighted products summed per baseline over the times and channels of a solution; iterations then cost
/// O(antennas^2) whatever the number of visibilities. For one hand these are Σ w V M*, Σ w |M|² and Σ w |V|²; for matrices the outer
/// products Σ w V ⊗ M* and Σ w M ⊗ M*.
#include <complex>
#include <cstdint>

#include "io/options_calibrate.hpp"
#include "io/view.hpp"

namespace fringeflow::calibrate {

/// Sizes of one solution interval of one spectral window.
struct Shape {
  SolveKind kind = SolveKind::diagonal;
  int64_t antennas = 0;
  int64_t channels = 0, channels_per_solution = 1;
  int64_t correlations = 0;  ///< 1, 2 or 4 stored: the parallel hands are the first and the last

  int64_t blocks() const { return (channels + channels_per_solution - 1) / channels_per_solution; }
  int64_t hands() const { return correlations == 1 ? 1 : 2; }
  int64_t baselines() const { return antennas * (antennas - 1) / 2; }
  /// Gains per antenna: 1 for scalar phases, one per hand, or a 2 x 2 matrix by rows.
  int64_t polarisations() const { return scalar() ? 1 : kind == SolveKind::full ? 4 : hands(); }
  /// One gain for both hands.
  bool scalar() const { return kind == SolveKind::scalar_phase || kind == SolveKind::tec; }
  /// Fits per block: one for each hand whose gains are free on their own.
  int64_t fits() const { return scalar() || kind == SolveKind::full ? 1 : hands(); }
  /// Doubles per baseline: per hand re and im of Σ w V M*, Σ w |M|², Σ w |V|²; or Σ w V_ab M*_cd [ab][cd], Σ w M_ab M*_cd [ab][cd]
  /// (complex), Σ w |V|² and one that is not used.
  int64_t sums() const { return kind == SolveKind::full ? 66 : 4 * hands(); }
  int64_t accumulator_size() const { return blocks() * baselines() * sums(); }
};

/// Index of the baseline p < q in a triangle of `antennas` antennas without its diagonal.
inline int64_t baseline_index(int64_t p, int64_t q, int64_t antennas) {
  return p * (2 * antennas - p - 1) / 2 + (q - p - 1);
}

struct AccumulateArguments {
  Shape shape;
  View<const std::complex<float>, 3> vis;    ///< [row][channel][correlation], Jy
  View<const float, 3> weight;               ///< the same extents; 0 for what does not count
  View<const std::complex<float>, 3> model;  ///< the same extents, Jy
  View<const int32_t, 2> antennas;           ///< [row][2]; rows of one antenna with itself do not count
  View<double, 3> sums;                      ///< in and out: [block][baseline][Shape::sums()], of p < q
};
/// Adds rows to the sums. Data or models that are not finite do not count. A full-Jones sample counts when its four correlations do, with
/// the least of their weights.
void accumulate_cpu(const AccumulateArguments& arguments);

/// How the fit of one solution (block and, for phases and diagonal gains, hand) ended.
struct Outcome {
  int32_t iterations = 0;
  int32_t antennas = 0;    ///< with a valid gain; 0: nothing to fit or failed
  bool converged = false;  ///< to Limits::tolerance
  bool failed = false;     ///< there were data, but no solution to trust
  double data_power = 0,
         residual_power = 0;  ///< Σ w |V|², Σ w |V − G M G^H|² of the baselines between valid antennas
  double samples = 0;         ///< correlations in them; counted for gains with directions only
};

struct Limits {
  int iterations = 2000;
  double tolerance = 1e-8;   ///< relative change of the gains in one iteration
  double acceptable = 1e-3;  ///< a change that is still a solution when the iterations run out, by noisy data
  double dead = 0.05;        ///< antennas below this fraction of the median amplitude carry no signal
};

struct SolveArguments {
  Shape shape;
  View<const double, 3> sums;  ///< [block][baseline][Shape::sums()]
  View<std::complex<double>, 3>
      gains;  ///< out: [block][antenna][polarisation]; 1 (unit matrix) where not valid, never NaN
  View<uint8_t, 3> valid;     ///< out: the same extents
  View<Outcome, 2> outcomes;  ///< out: [block][Shape::fits()]
  Limits limits;
  int64_t reference = -1;  ///< antenna of phase 0, where it has a solution
};
/// Fits all blocks. An antenna has no valid gain if it has no data, no chain of baselines to the others, no signal, or if the fit does not
/// converge; amplitudes need three antennas. Phases are relative to the reference, or to the first valid antenna where that has none.
void solve_cpu(const SolveArguments& arguments);

struct ApplyArguments {
  Shape shape;
  View<const std::complex<double>, 3> gains;  ///< [block][antenna][polarisation]
  View<const uint8_t, 3> valid;
  View<const int32_t, 2> antennas;   ///< [row][2]
  View<std::complex<float>, 3> vis;  ///< in and out: [row][channel][correlation], corrected G_p^-1 V G_q^-H
  View<uint8_t, 3>
      flag;  ///< in and out: set where a gain is not valid (the data stay) or data are not finite (then 0)
};
/// @return correlations that were not flagged before and are now.
int64_t apply_cpu(const ApplyArguments& arguments);

}  // namespace fringeflow::calibrate
