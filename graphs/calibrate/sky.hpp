// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the calibrators fit gains against.
#include <optional>
#include <string>
#include <vector>

#include "io/catalogue.hpp"

namespace fringeflow::graphs {

/// Components, or an image; `point_jy` is a source in the phase centre of whatever field is looked at.
struct Sky {
  std::optional<double> point_jy;
  std::vector<io::SkyComponent> components;
  std::optional<io::FitsImage<float>> image;  ///< Jy/pixel, with 0 for what is not finite

  /// An image has one for each pixel that is not 0.
  std::vector<io::SkyComponent> seen_from(const Direction& centre) const;
};

/// @param model "point:FLUX", a catalogue, a component list or a FITS image. Throws UserError, also when there is nothing in it.
Sky load_sky(const std::string& model);

}  // namespace fringeflow::graphs
