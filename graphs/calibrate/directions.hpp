// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <string>

#include "io/correlations.hpp"
#include "io/h5parm.hpp"
#include "io/options_calibrate.hpp"
#include "runtime/timeline.hpp"

namespace fringeflow::graphs {

class RunRecord;

/// Whether a job is for the solver of gains with directions, which also smooths, reweighs and fits electron contents.
bool needs_directions(const CalibrateJob& job);

struct DirectionsSolved {
  io::DirectionalGains gains;
  runtime::IoTime io;
};

/// Solves, writes the h5parm (with an axis dir when there are directions) and the facets, reports. For job.apply_column, which takes one
/// direction, the data are corrected then. Throws UserError and RunError.
/// @param record of the job, of which it then leaves a run directory; null: it is part of another one
DirectionsSolved calibrate_directions(const CalibrateJob& job, const io::CorrelationSelection& rows,
                                      RunRecord* record);

}  // namespace fringeflow::graphs
