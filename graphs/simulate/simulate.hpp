// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "graphs/forecast/recorded_facts.hpp"
#include "io/measurement_set.hpp"
#include "io/options_simulate.hpp"
#include "runtime/codelet.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow {

/// Simulates an observation into a new MeasurementSet, which appears when it is complete. Throws UserError or RunError.
/// @return the time of its tasks for writing
runtime::IoTime run_simulate(const SimulateJob& job);

namespace graphs {
/// The set that the job makes, without its visibilities. Throws UserError: the layout.
io::NewMeasurementSet describe_observation(const SimulateJob& job);

/// The job's tasks into a sink that runs nothing; job.runtime.cpus is known. Throws UserError.
RecordedFacts record_simulation(const SimulateJob& job, runtime::TaskSink& sink);
}  // namespace graphs

}  // namespace fringeflow
