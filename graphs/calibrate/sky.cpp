// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/sky.hpp"

#include <algorithm>
#include <cmath>

#include "io/error.hpp"
#include "io/quantity.hpp"

namespace fringeflow::graphs {

std::vector<io::SkyComponent> Sky::seen_from(const Direction& centre) const {
  if (image)
    return io::components_of({image->pixels.data(), {image->header.grid.ny, image->header.grid.nx}},
                             image->header.grid, image->header.frequency_hz);
  if (!point_jy) return components;
  io::SkyComponent point;
  point.ra_rad = centre.ra_rad;
  point.dec_rad = centre.dec_rad;
  point.stokes_jy = {*point_jy, 0, 0, 0};
  return {point};
}

Sky load_sky(const std::string& model) {
  Sky sky;
  if (model.starts_with("point:")) {
    sky.point_jy = parse_quantity(model.substr(6), Dimension::flux);
    if (!(*sky.point_jy > 0)) throw UserError("model: the flux of '" + model + "' must be above 0");
    return sky;
  }
  io::SkyModel loaded = io::load_sky_model(model);
  if (loaded.image) {
    for (float& pixel : loaded.image->pixels)
      if (!std::isfinite(pixel)) pixel = 0;
    if (std::all_of(loaded.image->pixels.begin(), loaded.image->pixels.end(), [](float x) { return x == 0; }))
      throw UserError("model: " + model + " is empty: all of its pixels are 0");
    sky.image = std::move(loaded.image);
    return sky;
  }
  if (loaded.components.empty()) throw UserError("model: " + model + " has no sources");
  sky.components = std::move(loaded.components);
  return sky;
}

}  // namespace fringeflow::graphs
