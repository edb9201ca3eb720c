// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "io/measurement_set.hpp"
#include "io/options_simulate.hpp"

namespace fringeflow {

/// Simulates an observation into a new MeasurementSet, which appears when it is complete. Throws UserError or RunError.
/// @return seconds that its tasks spent on writing
double run_simulate(const SimulateJob& job);

namespace graphs {
/// The set that the job makes, without its visibilities. Throws UserError: the layout.
io::NewMeasurementSet describe_observation(const SimulateJob& job);
}  // namespace graphs

}  // namespace fringeflow
