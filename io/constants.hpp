// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace fringeflow {

inline constexpr double kSpeedOfLight_m_s = 299792458.0;
inline constexpr double kPi = 3.14159265358979323846;

}  // namespace fringeflow
