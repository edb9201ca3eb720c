// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The small codelets around the gridder: index (visibilities by tile) and clear (empty tiles).
#include "codelets/gridder/grid_chunk.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::gridder {

/// Buffers: chunk (read), index (write).
struct IndexArgs {
  std::shared_ptr<const FacetPlan> plan;
  GridChunk chunk;
  bool skip_weightless =
      true;  ///< leave out runs of weight zero; false where the chunk has no weights or several Stokes differ
};
const runtime::CodeletDef& index_codelet();

/// Buffers: tile store (write).
struct ClearArgs {
  std::shared_ptr<const FacetPlan> plan;
  int64_t slab = 0, strip = 0;
};
const runtime::CodeletDef& clear_codelet();

}  // namespace fringeflow::gridder
