// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "io/correlations.hpp"
#include "io/h5parm.hpp"
#include "io/options_calibrate.hpp"

namespace fringeflow {

/// Solves for direction-independent gains, writes them as h5parm and, when asked, corrects the data. Nothing is applied unless solutions
/// were found and written. Throws UserError or RunError.
void run_calibrate(const CalibrateJob& job);

/// The same for a part of the rows, or on top of other gains; the column and the uv range are those of the job.
/// @return the gains, with the bounds of their intervals
io::GainTable solve_gains(const CalibrateJob& job, const io::CorrelationSelection& rows);

/// Geometric mean of the valid amplitudes over everything becomes 1; leakage does not count.
void normalise_amplitudes(io::GainTable& table);

/// Number of the antenna with this name, −1 for an empty one. Throws UserError.
int64_t reference_antenna(const io::MeasurementSetInfo& info, const std::string& name);

}  // namespace fringeflow
