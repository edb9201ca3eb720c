// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// How a job fits into its memory: chunk size, ring or resident, waves of slabs. None of these choices changes bits.
#include <cstdint>
#include <vector>

#include "graphs/imaging/imaging_plan.hpp"

namespace fringeflow::graphs {

/// Rows x channels of a chunk for a memory budget.
int64_t chunk_visibilities(int64_t budget_bytes, int64_t stokes);

/// Fills plan.memory, sky_waves, model_waves and batch_chunks. Throws UserError when even the smallest arrangement does not fit.
void plan_memory(ImagingPlan& plan);

/// Bytes of a chunk's indices, all output channels and facets; and of the longest of any chunk for one (channel, facet).
int64_t index_bytes_of(const ImagingPlan& plan, const PlannedChunk& chunk);
int64_t longest_index(const ImagingPlan& plan, size_t channel, size_t facet);

/// Bytes of the tiles of a wave for one instance (PSF or one Stokes).
int64_t wave_bytes(const ImagingPlan& plan, const Wave& wave);

/// Bytes of the largest strip of tiles of any facet and slab.
int64_t largest_store_bytes(const ImagingPlan& plan);

/// Bytes of the y-strips that a facet's image is summed in and of its corrected pixels.
struct FacetBuffers {
  std::vector<int64_t> accumulators, pixels;  ///< [y-strip]
};
/// Facets follow one another: two sets, taken in turn, serve all of them (one where there is one facet). A set is as large as the
/// largest facet needs. For one instance (PSF or one Stokes).
std::vector<FacetBuffers> facet_buffers(const ImagingPlan& plan);

}  // namespace fringeflow::graphs
