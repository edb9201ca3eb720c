// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Facets of an image without a grid: where they lie and how large their pixels may be. Internal to the planner.
#include <cstdint>
#include <vector>

#include "codelets/gridder/extent.hpp"
#include "codelets/gridder/geometry.hpp"

namespace fringeflow::gridder {

/// A facet and how its pixels relate to the image's.
struct Candidate {
  Facet facet;
  int64_t image_nx = 0, image_ny = 0;  ///< in the image's pixels
  double ratio_x = 1, ratio_y = 1, oversampling = 0;
  int taps_x = 1, taps_y = 1;
  bool resampled() const { return ratio_x > 1 || ratio_y > 1; }
};

/// Facets of equal even sizes that cover the image, the last column and row perhaps smaller. Their remainders are those of a few
/// rows, good enough to compare them; see set_remainder.
std::vector<Facet> make_facets(const ImageGeometry& image, int per_side);

/// The facet on the largest pixels that sample its finest fringe; as it is where that does not pay.
Candidate on_larger_pixels(const Facet& facet, const UvExtent& extent, double oversampling, double error);

/// Sets r_centre and r_half exactly, from all pixels.
void set_remainder(Facet& facet);

}  // namespace fringeflow::gridder
