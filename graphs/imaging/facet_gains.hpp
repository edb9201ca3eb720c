// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Gains that depend on direction in imaging: every pixel belongs to the nearest direction (Voronoi), and each of the planner's rectangles
/// is computed once for every direction that has pixels in it.
#include <memory>
#include <string>
#include <vector>

#include "codelets/facet/facet.hpp"
#include "io/h5parm.hpp"
#include "io/regions.hpp"

namespace fringeflow::graphs {

struct ImagingPlan;

struct FacetGains {
  io::DirectionalGains table;
  std::shared_ptr<const io::GainTable> known;       ///< 1, flagged where no direction has a solution
  std::shared_ptr<const std::vector<int32_t>> map;  ///< [ny][nx] direction of every pixel
  std::vector<std::vector<std::shared_ptr<const io::GainLookup>>> lookups;  ///< [set][direction]
  struct Chunk {
    std::shared_ptr<const std::vector<facet::RowKey>> rows;
    std::shared_ptr<const std::vector<int32_t>> channels;
  };
  std::vector<Chunk> chunks;
  std::vector<std::vector<int32_t>> direction_of_facet;  ///< [output channel][facet]

  facet::ChunkGains of(size_t chunk, size_t set, int32_t direction) const {
    return {lookups[set][static_cast<size_t>(direction)], chunks[chunk].rows, chunks[chunk].channels};
  }
};

/// Loads job.image.facet_gains and, where given, the regions whose centres take the place of its directions. Throws UserError for more than
/// Stokes I, another phase centre, and gains of another array.
std::shared_ptr<FacetGains> load_facet_gains(const ImagingPlan& plan);
/// Rectangles per side for this many directions, where the user leaves the choice.
int rectangles_per_side(size_t directions);
/// Multiplies the facets of every channel by the directions that they hold.
void divide_facets(ImagingPlan& plan, FacetGains& gains);
/// Times and antennas of all chunks.
void key_rows(const ImagingPlan& plan, FacetGains& gains);

}  // namespace fringeflow::graphs
