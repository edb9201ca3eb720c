// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a user may ask of the simulator and of the predictor; the companion of options.hpp.
#include <cstdint>
#include <string>
#include <vector>

#include "io/options.hpp"

namespace fringeflow {

/// One simulated observation: point sources on a station layout, by direct sum, into a new MeasurementSet.
struct SimulateJob {
  std::string layout_file;    ///< one station a line: east, north[, up] in metres
  std::string position_file;  ///< longitude and latitude of the layout's origin in degrees
  std::string sources_file;   ///< CSV: ra_deg, dec_deg, i_jy[, q_jy, u_jy, v_jy, spectral_index,
                              ///< reference_frequency_hz]
  double start_s = 0;         ///< MJD UTC seconds: the beginning of the first integration
  int64_t times = 1;
  double interval_s = 8;
  int64_t channels = 1;
  double frequency_hz = 0;  ///< centre of the first channel
  double channel_width_hz = 1e6;
  Direction centre;
  std::vector<std::string> correlations{"XX", "YY"};
  std::string output;  ///< the new MeasurementSet
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
  RuntimeOptions runtime;
  std::string workflow_text, command_line;
};

}  // namespace fringeflow
