// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a user may ask of stages that hand each other visibilities in memory; the companion of options.hpp.
#include <optional>
#include <string>

#include "io/options.hpp"
#include "io/options_calibrate.hpp"
#include "io/options_simulate.hpp"

namespace fringeflow {

/// Simulation, calibration and imaging as one task graph: no MeasurementSet is written.
struct PipelineJob {
  SimulateJob simulate;
  std::optional<CalibrateJob> calibrate;
  bool corrected = false;  ///< what is imaged: the data corrected for the gains, else as simulated
  ImagingJob imaging;
  RuntimeOptions runtime;
  std::string workflow_text, command_line;
};

}  // namespace fringeflow
