// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include "codelets/calibrate/levenberg.hpp"

namespace fringeflow::calibrate::detail {

/// Electron contents, [antenna of the network][direction], whose phases are those of all blocks.
/// @param pairs [block][antenna]   @param weight of the free gains, [block][antenna and direction]
/// @param g in: free gains, relative to the reference; out: those of the contents, [block]
Descent fit_tec(const Network& network, const std::vector<std::vector<std::vector<const Pair*>>>& pairs,
                const DirectionLimits& limits, int64_t reference,
                const std::vector<std::vector<double>>& weight, std::vector<Gains>& g,
                std::vector<double>& tec);

}  // namespace fringeflow::calibrate::detail
