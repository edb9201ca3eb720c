// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace fringeflow {

inline constexpr double kSpeedOfLight_m_s = 299792458.0;
inline constexpr double kPi = 3.14159265358979323846;
/// Phase of an ionosphere: −kTecRadHz · TEC [TECU] / ν [Hz], e² / (4π ε0 me c) · 1e16 m⁻².
inline constexpr double kTecRadHz = 8.44797245e9;

}  // namespace fringeflow
