// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The stages one by one; stages() of registry.hpp is for all others. Ids of stages end up in messages beside option names: keep docs
/// short, one sentence, the manual adds the type and the default.
#include "graphs/schema/schema.hpp"

namespace fringeflow::graphs {

// registry_data.cpp
StageSchema simulate_stage();
StageSchema predict_stage();
StageSchema read_stage();
// registry_calibration.cpp
StageSchema calibrate_stage();
StageSchema selfcal_stage();
// registry_imaging.cpp
StageSchema image_stage();
StageSchema deconvolve_stage();
StageSchema write_stage();

}  // namespace fringeflow::graphs
