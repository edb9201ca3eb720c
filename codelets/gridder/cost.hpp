// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What gridding on a facet costs, in core seconds; measured on one x86 core with AVX-512 (bench/compare, 2026-11): only ratios
/// matter. Internal to the planner.
#include <span>

#include "codelets/gridder/facets.hpp"

namespace fringeflow::gridder {

/// Visibilities of baselines of similar length.
struct Amount {
  UvExtent extent;
  double gridded = 1;  ///< share of the visibilities that are gridded, where nodes stand for channels
};

/// Nodes per channel for the mean baseline, on a facet of this field.
double gridded_share(double field_x_rad, double field_y_rad, const UvExtent& extent,
                     const ChannelCompression* compression);

/// At least what gridding onto one facet costs, whatever its kernel.
double least_cost(const UvExtent& extent);

/// To mark, index and grid.
double visibilities_cost(const Facet& f, std::span<const Amount> amounts, bool double_precision);

/// To transform the planes once.
double planes_cost(const Facet& f, bool double_precision);

/// Pixels from the transforms' to the image's, and the tasks themselves.
double pixels_cost(const Candidate& c, bool double_precision);
double tasks_cost(const Facet& f, int strips);

/// Strips that make tasks of this many core seconds per slab worth their overhead: 1..most.
int strips_worth(double gridding_s, double planes_s, int most);

}  // namespace fringeflow::gridder
