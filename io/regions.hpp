// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Facets of the sky: Voronoi cells of directions, and region files of DS9 in which they are drawn and read.
#include <span>
#include <string>
#include <vector>

#include "io/coordinates.hpp"

namespace fringeflow::io {

struct Facet {
  std::string name;
  Direction centre;                ///< the direction whose gains hold in it
  std::vector<Direction> corners;  ///< of a convex polygon, in order; empty: not known
};

/// Cells of the directions within an image, in the plane of its projection. A direction outside of the image has the part of the image
/// that is nearest to it, which may be nothing.
std::vector<Facet> voronoi_facets(std::span<const Direction> directions, std::span<const std::string> names,
                                  const ImageGrid& grid);

/// Index of the nearest direction to every pixel, [ny][nx]; −1 beyond the horizon.
std::vector<int32_t> voronoi_map(std::span<const Direction> directions, const ImageGrid& grid);

/// Writes polygons in fk5, each followed by the point of its centre with its name as text, as WSClean reads them. Throws RunError.
void write_facets(const std::string& path, std::span<const Facet> facets);

/// Reads polygon(...) and point(...) of a region file in fk5 or icrs, in degrees or sexagesimal: a point after a polygon is its centre,
/// without one it is the mean of its corners; points alone are directions. Throws UserError with FILE:LINE.
std::vector<Facet> read_facets(const std::string& path);

}  // namespace fringeflow::io
