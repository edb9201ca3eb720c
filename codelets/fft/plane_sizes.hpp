// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Sizes inside the buffers of the plane steps. Internal to fft.
#include <algorithm>
#include <cstdint>

#include "codelets/fft/fft.hpp"

namespace fringeflow::fft {

/// Planes that a slab's buffers have room for.
inline int64_t buffer_planes(const FacetPlan& plan) {
  return std::min<int64_t>(plan.facet.planes, gridder::kSlabPlanes);
}

/// Rows between the planes of a u-block in the scratch, beyond the transform's length.
inline constexpr int64_t kPlanePadding = 3;

/// Cells along u over all strips.
template <class T>
int64_t box_cells(const FacetPlan& plan) {
  int64_t cells = 0;
  for (int64_t strip = 0; strip < plan.tiles.strips; ++strip) cells += strip_cells<T>(plan, strip);
  return cells;
}

/// Where SlabRows has its flags [u / L]: 0 where the cells are zero in all planes and were not written.
template <class T>
int64_t slab_rows_flags_offset(const FacetPlan& plan, int64_t strip) {
  return buffer_planes(plan) * y_blocks<T>(plan) * strip_cells<T>(plan, strip) * 2 * gridder::kLanes<T>;
}

}  // namespace fringeflow::fft
