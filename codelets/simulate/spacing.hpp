// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Where channels are spaced evenly enough for phasors to go from one to the next by a product. It must not depend on the rows, for the
/// bits of a row to be its own: baselines are taken to be as long as the Earth is thick.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "io/constants.hpp"

namespace fringeflow {

inline constexpr int64_t kSegmentChannels = 128;  ///< recurrences stay short enough for double precision

/// The longest path that any baseline gives to these sources, m. @param lmn [source][3]
inline double longest_path_m(const double* lmn, int64_t sources) {
  double reach2 = 0;
  for (int64_t s = 0; s < sources; ++s) {
    const double* at = lmn + 3 * s;
    reach2 = std::max(reach2, at[0] * at[0] + at[1] * at[1] + at[2] * at[2]);
  }
  return 1.3e7 * std::sqrt(reach2);
}

struct Spacing {
  double step = 0;  ///< 1/m
  bool regular = false;
};
/// @param lambda_inverse [count] ν/c of a segment's channels
inline Spacing spacing_of(const double* lambda_inverse, int64_t count, double longest_m) {
  const double step =
      count > 1 ? (lambda_inverse[count - 1] - lambda_inverse[0]) / static_cast<double>(count - 1) : 0;
  double irregular = 0;
  for (int64_t c = 0; c < count; ++c)
    irregular =
        std::max(irregular, std::abs(lambda_inverse[c] - lambda_inverse[0] - static_cast<double>(c) * step));
  return {step, 2 * kPi * irregular * longest_m < 1.2e-7};
}

}  // namespace fringeflow
