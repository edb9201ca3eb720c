// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a user may ask of the calibrator; the companion of options.hpp.
#include <cstdint>
#include <string>
#include <vector>

#include "io/options.hpp"

namespace fringeflow {

/// Which gains are free. Scalar: one phase for both hands of an antenna; phase: one per hand; diagonal: a complex gain per hand; full: a
/// Jones matrix; tec: one electron content for both hands, whose phase goes as 1/ν.
enum class SolveKind { scalar_phase, phase, diagonal, full, tec };

/// How gains of several directions are fitted: by exact minima of one antenna and direction after the other, or with Levenberg-Marquardt
/// steps of all together after those.
enum class DirectionSolver { iterative, levenberg_marquardt };

/// Gains of one MeasurementSet, for all of its sky together or direction by direction.
struct CalibrateJob {
  std::string ms;
  std::string model;  ///< "point:FLUX" at the phase centre, a CSV catalogue, a component list or a FITS image
  SolveKind solve = SolveKind::diagonal;
  double interval_s = 0;              ///< bins of TIME from its first value; 0: one solution for all times
  int64_t channels_per_solution = 0;  ///< 0: all channels of a spectral window
  Range uv_m, uv_lambda;              ///< limits on sqrt(u^2+v^2) of the visibilities that are fitted
  std::string column = "DATA";
  std::string reference;     ///< antenna of phase 0; empty: the first that has a solution
  std::string output;        ///< h5parm
  std::string apply_column;  ///< empty: gains are not applied
  bool plot = false;         ///< PNGs of amplitude and phase per antenna beside the h5parm
  bool normalise = false;    ///< amplitudes: the geometric mean over antennas and times is made 1
  /// A number: the model's components in as many clusters; FILE.reg: every component belongs to the nearest of its directions; empty: gains
  /// do not depend on direction.
  std::string directions;
  DirectionSolver solver = DirectionSolver::iterative;
  double smooth_hz =
      0;  ///< full width at half maximum of the Gaussian that gains are smoothed with in frequency; 0: free
  double robust = 0;   ///< degrees of freedom of Student's t that residuals are taken to have; 0: normal
  std::string facets;  ///< DS9 regions of the Voronoi cells of the directions, to write; empty: none
  RuntimeOptions runtime;
  std::string workflow_text, command_line;
};

/// One round of self-calibration.
struct SelfcalRound {
  SolveKind solve = SolveKind::phase;
  double interval_s = 0;
  bool by_direction = false;  ///< a gain for each of SelfcalJob::directions; its image is made of facets
};

/// Image -> model -> solve -> correct in memory -> image, in rounds.
struct SelfcalJob {
  ImagingJob imaging;  ///< of every round; its prefix is that of the products
  std::vector<SelfcalRound> rounds;
  std::string start_model;            ///< as CalibrateJob::model; empty: the model of the first image
  int64_t channels_per_solution = 0;  ///< 0: all channels of a spectral window
  Range uv_m, uv_lambda;              ///< limits on sqrt(u^2+v^2) of the visibilities that are fitted
  std::string reference;
  bool normalise = false;    ///< as CalibrateJob::normalise
  std::string directions;    ///< of rounds by direction, as CalibrateJob::directions
  std::string apply_column;  ///< for the data corrected by the best round; empty: none
  bool plot = false;
  RuntimeOptions runtime;
  std::string workflow_text, command_line;
};

}  // namespace fringeflow
