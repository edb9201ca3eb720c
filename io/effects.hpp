// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The words for what the simulator does to visibilities. Every function throws UserError, which names the text and what is accepted.
#include <string_view>

#include "io/options_simulate.hpp"

namespace fringeflow {

/// "FILE.h5", or effects joined by '+', each KIND[:KEY=VALUE,...]: constant, walk, sinusoid, bandpass, leakage with the keys amplitude,
/// phase (an angle) and time (a duration).
GainModel parse_gain_model(std::string_view text);

/// "0.1Jy" or "sefd:420Jy".
NoiseModel parse_noise(std::string_view text);

/// "0.1" (TECU, rms) or "rms=0.1,scale=20km,height=300km,speed=100", speed in m/s.
ScreenOptions parse_screen(std::string_view text);

/// "gaussian:1deg" and "cosine:1deg" (full width at half maximum of the power at the first channel's frequency), or "FILE.fits".
BeamModel parse_beam(std::string_view text);

/// "bursts=20,flux=100Jy,duration=30s,width=1MHz"; bursts are needed.
RfiModel parse_rfi(std::string_view text);

/// "rfi", a share "0.05", or both joined by '+'.
FlagModel parse_flags(std::string_view text);

/// "field=2deg,smearing=0.01,interval=60s"; the field is needed.
AveragingOptions parse_averaging(std::string_view text);

}  // namespace fringeflow
