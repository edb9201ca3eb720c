// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelet that brings a facet computed on larger pixels to the image's.
#include <memory>
#include <vector>

#include "codelets/gridder/geometry.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::resample {

/// Buffers: image [ny][nx] (write for the first facet of all, else read-write), then the strips of the facet's corrected
/// pixels, [rows][facet.nx] float each (read).
struct RefineArgs {
  std::shared_ptr<const gridder::FacetPlan> plan;
  int64_t nx = 0, ny = 0;     ///< of the image
  std::vector<int64_t> rows;  ///< of each strip
};
const runtime::CodeletDef& refine_codelet();

}  // namespace fringeflow::resample
