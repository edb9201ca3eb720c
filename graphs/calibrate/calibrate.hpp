// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "io/options_calibrate.hpp"

namespace fringeflow {

/// Solves for direction-independent gains, writes them as h5parm and, when asked, corrects the data. Nothing is applied unless solutions
/// were found and written. Throws UserError or RunError.
void run_calibrate(const CalibrateJob& job);

}  // namespace fringeflow
