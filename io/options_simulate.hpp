// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a user may ask of the simulator and of the predictor; the companion of options.hpp.
#include <cstdint>
#include <string>
#include <vector>

#include "io/options.hpp"

namespace fringeflow {

/// One thing that makes an antenna's gains, drawn for every antenna and hand: exp(amplitude·a + i·phase·b) with a and b of variance 1.
struct GainEffect {
  enum class Kind {
    constant,  ///< the same for all times and channels
    walk,      ///< a random walk in time, 0 at the start, of the given rms after `time_s`
    sinusoid,  ///< in time, of the period `time_s`, with a random phase
    bandpass,  ///< three cosines over the band
    leakage,   ///< of one hand into the other: complex, of rms `amplitude`, constant
  };
  Kind kind = Kind::constant;
  double amplitude = 0;  ///< rms of the logarithm
  double phase_rad = 0;  ///< rms
  double time_s = 0;
};

struct GainModel {
  std::string file;  ///< h5parm; empty: `effects`
  std::vector<GainEffect> effects;
  bool any() const { return !file.empty() || !effects.empty(); }
};

/// Standard deviation of the real and of the imaginary part of every correlation: given, or SEFD / √(2 · channel width · interval).
struct NoiseModel {
  double sigma_jy = 0, sefd_jy = 0;
};

/// A thin screen of electrons across the line of sight, with Kolmogorov turbulence between `scale_m` and a hundredth of it; frozen, and
/// blown along the baselines' u.
struct ScreenOptions {
  double rms_tecu = 0;
  double scale_m = 20e3;    ///< outer scale
  double height_m = 300e3;  ///< distance of the screen along the line of sight
  double speed_m_s = 100;
  uint64_t seed = 0;
};

/// The power that antennas pointed at the phase centre receive, relative to the centre; widths scale with 1 / ν.
struct BeamModel {
  enum class Kind { none, gaussian, cosine, image };
  Kind kind = Kind::none;
  double fwhm_rad = 0;  ///< at the first channel
  std::string file;     ///< FITS
};

/// Interference: bursts in time and frequency that antennas receive besides the sky, V_pq += flux · a_p a_q^* with complex normal a of
/// variance 1 for each burst, antenna and hand. Durations and widths are exponential with these means.
struct RfiModel {
  int64_t bursts = 0;
  double flux_jy = 100;
  double duration_s = 30;
  double width_hz = 1e6;
};

/// What is flagged.
struct FlagModel {
  bool rfi = false;   ///< every sample that a burst is in
  double random = 0;  ///< share of the samples (baseline, time, channel), at random
  bool any() const { return rfi || random > 0; }
};

/// Averaging of what was simulated, in time, longer on shorter baselines.
struct AveragingOptions {
  double field_rad = 0;    ///< diameter of the field that must not smear; 0: no averaging
  double smearing = 0.01;  ///< share of its flux that a point at the field's edge may lose on a baseline
  double interval_s = 60;  ///< the longest average
  bool any() const { return field_rad > 0; }
};

/// One simulated observation: sources seen by a station layout, by direct sum, into a new MeasurementSet.
struct SimulateJob {
  std::string layout_file;  ///< stations as text, or a MeasurementSet whose antennas are used
  std::string
      position_file;  ///< longitude and latitude of a horizon-plane layout's origin in degrees; empty: ITRF
  std::string sources_file;  ///< catalogue, component list or image
  std::string columns;       ///< of a catalogue: which is what
  double start_s = 0;        ///< MJD UTC seconds: the beginning of the first integration
  int64_t times = 1;
  double interval_s = 8;
  int64_t channels = 1;
  double frequency_hz = 0;  ///< centre of the first channel
  double channel_width_hz = 1e6;
  Direction centre;
  std::vector<std::string> correlations{"XX", "YY"};
  bool autocorrelations = false;
  GainModel gains;
  NoiseModel noise;
  ScreenOptions screen;  ///< rms_tecu 0: none
  BeamModel beam;
  RfiModel rfi;
  FlagModel flags;
  bool bandwidth_smearing = false, time_smearing = false;
  AveragingOptions averaging;
  uint64_t seed = 1;
  std::string output;  ///< the new MeasurementSet; the truth is beside it
  RuntimeOptions runtime;
  std::string workflow_text, command_line;
};

/// Fills a column of existing MeasurementSets with the visibilities of a model; every other column stays as
/// it is.
struct PredictJob {
  std::vector<std::string> ms;
  std::string model_file;  ///< CSV catalogue, FITS image or component list
  std::string column = "MODEL_DATA";
  double accuracy = 1e-7;
  std::string gains_file;  ///< h5parm that the model is multiplied with; empty: none
  RuntimeOptions runtime;
  std::string workflow_text, command_line;
};

}  // namespace fringeflow
