// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "io/options_simulate.hpp"

namespace fringeflow {

/// Simulates an observation into a new MeasurementSet, which appears when it is complete. Throws UserError or RunError.
void run_simulate(const SimulateJob& job);

}  // namespace fringeflow
