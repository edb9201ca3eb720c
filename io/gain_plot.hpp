// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Pictures of gains: one panel per antenna, its name in it, one colour per polarisation.
#include <string>
#include <vector>

#include "io/h5parm.hpp"

namespace fringeflow::io {

/// Writes GAINS-phase.png (−180 to 180 degrees) and, when there are amplitudes, GAINS-amplitude.png (0 to the largest), GAINS being
/// `path` without its ending. Along x is time, or frequency when there is one time; other frequencies are other dots. Flagged
/// solutions are left out.
/// @return the files. Throws RunError naming the path.
std::vector<std::string> write_gain_plots(const std::string& path, const GainTable& table);

}  // namespace fringeflow::io
