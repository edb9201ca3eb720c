// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "io/options_calibrate.hpp"

namespace fringeflow {

/// Images, solves for gains against the model of the last image, corrects the data for them in memory and images again, round by
/// round, until the rounds end, one lowers the dynamic range by more than 5 %, or one after the first finds no gains. Round r solves the
/// raw data corrected for the latest gains of the other kind (phases, or amplitudes with their phases). Products of round r are
/// PREFIX-round<r>-*, of the best one also PREFIX-*. Throws UserError or RunError.
void run_selfcal(const SelfcalJob& job);

}  // namespace fringeflow
