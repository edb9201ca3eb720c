// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the command line needs of the rest of the program: the run itself.
#include <string>

#include "io/options.hpp"
#include "io/options_calibrate.hpp"
#include "io/options_simulate.hpp"

namespace fringeflow {

/// Runs one job to its end. Throws UserError or RunError.
void run_imaging(const ImagingJob& job);
void run_simulate(const SimulateJob& job);
void run_predict(const PredictJob& job);
void run_calibrate(const CalibrateJob& job);

/// The plan before running: tasks, bytes, peak memory, estimated time; one JSON object with `json`.
std::string plan_imaging(const ImagingJob& job, bool json);

/// The physical graph (tasks with bytes, flops, owner) in the format dot, mermaid or json.
std::string graph_imaging(const ImagingJob& job, const std::string& format, const std::string& level);

/// What this build and machine can do.
std::string doctor();
std::string list_codelets();
std::string list_schedulers();
std::string list_workers();

}  // namespace fringeflow
