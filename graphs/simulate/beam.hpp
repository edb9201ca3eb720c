// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "codelets/simulate/simulate_tasks.hpp"
#include "io/fits_image.hpp"
#include "io/options_simulate.hpp"

namespace fringeflow::graphs {

/// The power that antennas receive from a direction, relative to the phase centre. With r = √(l² + m²) and x = r / FWHM(ν), FWHM ∝ 1/ν:
/// gaussian exp(−4 ln 2 x²); cosine cos⁶(a x) with a = 2 acos(2^(−1/6)), the cube of a cosine in voltage, 0 beyond its first zero; an
/// image is interpolated linearly at (l, m) ν / ν_image, and 0 outside.
class Beam {
 public:
  /// Throws UserError for an image without coordinates or of several planes.
  Beam(const BeamModel& model, double reference_hz);
  double power(double l, double m, double freq_hz) const;
  /// Multiplies the fluxes of sources.
  void apply(std::vector<SourceGroup>& groups, std::span<const double> freq_hz, int64_t stokes) const;

 private:
  BeamModel model_;
  double reference_hz_;
  std::optional<io::FitsImage<float>> image_;
};

}  // namespace fringeflow::graphs
