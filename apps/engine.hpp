// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the command line needs of the rest of the program: jobs of every kind, and what it can say of itself.
#include <string>

#include "graphs/calibrate/calibrate.hpp"
#include "graphs/imaging/imaging.hpp"
#include "graphs/pipeline/pipeline.hpp"
#include "graphs/predict/predict.hpp"
#include "graphs/selfcal/selfcal.hpp"
#include "graphs/simulate/simulate.hpp"

namespace fringeflow {

/// What this build and machine can do.
std::string doctor();
std::string list_codelets();
std::string list_schedulers();
std::string list_workers();

}  // namespace fringeflow
