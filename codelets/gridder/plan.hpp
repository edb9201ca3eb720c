// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Planning: kernel, facets, planes and tiles from the image, the accuracy and where the visibilities lie.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codelets/gridder/extent.hpp"
#include "codelets/gridder/geometry.hpp"

namespace fringeflow::gridder {

struct PlanOptions {
  double accuracy = 1e-4;   ///< 1e-13..0.1, relative L2 error against the direct sum
  int facets_per_side = 0;  ///< 0: the cost model chooses
  bool divide_by_n = false;
  bool compress = true;  ///< let nodes stand for channels where that is cheaper
  bool divide = true;    ///< give short baselines facets of their own where that is cheaper
  double divide_above_s =
      0.2;  ///< core seconds below which that is not tried: planning would take longer than it saves
  bool resample = true;    ///< compute facets on larger pixels where that is cheaper
  int strips_target = 32;  ///< most strips of a facet, fewer when it is small; does not change bits
  // For tests and tuning: a given kernel and precision, whatever their error.
  int support = 0;         ///< cells; 0: the cost model chooses
  double sigma = 0;        ///< oversampling; used with support
  int precision_bits = 0;  ///< 32 or 64; 0: single where its round-off allows
};

/// Choice of the cost model with the reasons, for the log: facets, support, sigma, planes, grid, precision, cost.
struct PlanSummary {
  int facets_per_side = 1;  ///< those of the longest baselines, as the next two
  KernelShape kernel;
  bool double_precision = false;
  int64_t planes = 0;  ///< sum over facets
  double cost = 0;     ///< core seconds of the model
  bool resampled = false;
  std::string text;  ///< one line for people
};

/// Facets of an image without their tile maps (slot is empty). Facets have even sizes that cover the image.
/// Facet::u_begin.., tiles_u.. are set from the extent so that every visibility on the grid falls inside.
/// Throws UserError when accuracy or size cannot be had; odd sizes are refused.
std::vector<std::shared_ptr<FacetPlan>> plan_facets(const ImageGeometry& image, const UvExtent& extent,
                                                    const PlanOptions& options, PlanSummary& summary);

/// The same; where it is cheaper, baselines are divided by length and each part has facets of its own that cover the image. Short
/// baselines have coarse grids and few planes, which makes one facet of the whole field cheap for the many visibilities on them.
/// A given number of facets (or kernel, for tests) is for all baselines together.
std::vector<std::shared_ptr<FacetPlan>> plan_facets(const ImageGeometry& image, const ExtentByLength& extent,
                                                    const PlanOptions& options, PlanSummary& summary);

/// Strips, of visibilities and of pixels, that make tasks of the facet worth their overhead: 1..most.
int strips_of(const FacetPlan& plan, int64_t visibilities, int most);

/// Marks the tiles that visibilities touch; visits every row once, streaming.
class TileMarker {
 public:
  /// @param max_uv_lambda limit of |u| and |v| at which a visibility is left out, as ChunkGeometry has it; 0: 1 / (2 cell)
  /// @param threads that mark_rows() may use
  explicit TileMarker(const FacetPlan& plan, double max_uv_lambda = 0, int threads = 1);
  /// Marks the tiles that any channel of any row touches.
  /// @param uvw_m [row][3]; @param freq_hz ascending or descending, of the channels used
  /// @return the runs (see index.hpp) that the rows make.
  int64_t mark_rows(View<const double, 2> uvw_m, std::span<const double> freq_hz);
  /// Fills plan.tiles: slots numbered, strips balanced by marks. The last call.
  void finish(FacetPlan& plan, int strips_target) const;

 private:
  Facet facet_;
  double max_uv_lambda_;
  std::vector<std::vector<uint32_t>> marks_;  ///< [thread][slab][tile_u][tile_v] visibilities
};

}  // namespace fringeflow::gridder
