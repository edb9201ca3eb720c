// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "io/options_simulate.hpp"

namespace fringeflow {

/// Simulates an observation into a new MeasurementSet, which appears when it is complete. Throws UserError or RunError.
/// @return seconds that its tasks spent on writing
double run_simulate(const SimulateJob& job);

}  // namespace fringeflow
