// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What an imaging job comes to before anything runs: chunks, output channels, facets, waves and memory. Reads metadata and UVW only.
///
/// Choices that could change bits (facets, kernel, planes) depend on the data and the job alone. Choices that depend on the machine
/// (chunk sizes, ring length, waves, strips, batches) do not change bits: every tile accumulates its visibilities in their order.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codelets/compress/compress.hpp"
#include "codelets/deconvolve/deconvolve.hpp"
#include "codelets/fft/transforms.hpp"
#include "codelets/gridder/grid_chunk.hpp"
#include "codelets/gridder/plan.hpp"
#include "graphs/imaging/chunk_feed.hpp"
#include "graphs/imaging/facet_gains.hpp"
#include "io/measurement_set.hpp"
#include "io/options.hpp"
#include "runtime/machine.hpp"

namespace fringeflow::graphs {

/// One output channel: the visibilities with frequencies in [freq_begin_hz, freq_end_hz], and the facets that image them.
struct OutputChannel {
  double freq_begin_hz = 0, freq_end_hz = 0;
  double centre_hz = 0, width_hz = 0;  ///< of the covered band, for headers
  gridder::ExtentByLength by_length;
  gridder::UvExtent extent;  ///< of all lengths
  gridder::PlanSummary summary;
  std::vector<std::shared_ptr<gridder::FacetPlan>> facets;
  std::vector<std::vector<fft::YStrip>> y_strips;  ///< [facet]
  bool empty() const { return extent.visibilities == 0; }
};

/// A chunk and its part in every output channel.
struct PlannedChunk {
  std::shared_ptr<io::VisibilitySource> set;
  io::ChunkSpec spec;
  ChunkLayout layout;
  // With ImagingPlan::compression, nodes are gridded and degridded instead of rows.
  ChunkLayout nodes;  ///< of the nodes that stand for its rows (codelets/compress), a plane more with a PSF
  gridder::TimeGroups groups;  ///< of its rows
  std::shared_ptr<const std::vector<double>> freq_hz;
  struct Part {
    int64_t channel_begin = 0, channel_end = 0;  ///< of the chunk's channels; empty: no part
    std::vector<int64_t> run_capacity;           ///< [facet]
  };
  std::vector<Part> parts;  ///< [output channel]
  gridder::GridChunk grid_chunk(size_t channel, size_t facet, double max_uv_lambda) const {
    const auto& part = parts[channel];
    return {compressed() ? nodes : layout, freq_hz, part.channel_begin, part.channel_end, max_uv_lambda,
            part.run_capacity[facet]};
  }
  /// Of buffers for predictions of its nodes; 0 where it has none.
  int64_t nodes_predicted_bytes() const {
    return ChunkLayout{nodes.rows, nodes.channels, layout.stokes}.vis_bytes();
  }
  bool compressed() const { return nodes.rows > 0; }
};

/// Slabs of a facet that are on the grid at the same time as the others of the wave.
struct WaveEntry {
  size_t channel = 0, facet = 0;
  int64_t slab_begin = 0, slab_end = 0;
};
using Wave = std::vector<WaveEntry>;

/// Bytes by purpose; the sum is what the run says it will use.
struct MemoryPlan {
  int64_t budget = 0;
  int64_t base = 0;          ///< program, StarPU, casacore's caches, queued tasks
  int64_t read_buffers = 0;  ///< columns on their way through casacore
  int64_t images = 0, grids = 0, transforms = 0, chunks = 0, clean = 0;
  int64_t total() const { return base + read_buffers + images + grids + transforms + chunks + clean; }
  bool resident = true;  ///< visibilities are kept between passes
  bool predicted_resident = true;
  int64_t ring_slots = 0;  ///< chunks in memory at a time
  /// Folder where chunks that do not fit are kept for later passes; empty: none are.
  std::string cache_folder;
  int64_t cache_bytes = 0;
  int64_t transform_depth = 1;
  /// Stores of tiles that the strips of all slabs take in turn; 0: every store of a wave has its own.
  int64_t strip_stores = 0;
};

struct ImagingPlan {
  ImagingJob job;
  std::vector<std::shared_ptr<io::VisibilitySource>> sets;
  std::vector<std::shared_ptr<io::MeasurementSet>>
      measurement_sets;                   ///< the same; none where chunks are made in memory
  std::optional<Direction> centre_shift;  ///< the asked centre, when it differs from the data's
  Direction centre;
  gridder::ImageGeometry geometry;
  double max_uv_lambda = 0;
  std::vector<OutputChannel> channels;
  std::vector<PlannedChunk> chunks;
  std::vector<Wave> sky_waves, model_waves;
  MemoryPlan memory;
  int64_t batch_chunks = 1;                                     ///< chunks per grid task
  int64_t visibilities = 0;                                     ///< rows x channels selected
  std::shared_ptr<const gridder::TimeCompression> compression;  ///< along time; null: all rows are gridded
  std::shared_ptr<const FacetGains> facet_gains;                ///< null: the sky is seen through one gain
  std::shared_ptr<const std::vector<uint8_t>> mask;             ///< the user's, [ny][nx]; null: none
  std::shared_ptr<const std::vector<float>> start_model;        ///< [ny][nx], Jy/pixel; null: none
  deconvolve::MinorOptions minor;
  deconvolve::LoopOptions loop;
  std::vector<deconvolve::Rect> sub_images;
  /// The density of weights does not wait for visibilities.
  bool density_ahead = false;
  int64_t feed_bytes = 0;  ///< buffers of what makes chunks in memory
  bool reads() const { return !measurement_sets.empty(); }
  bool needs_density() const { return job.image.weighting != WeightingScheme::natural; }
  bool cleans() const { return job.deconvolve.iterations > 0; }
  int workers() const { return job.runtime.cpus > 0 ? job.runtime.cpus : runtime::available_cores(); }
  int64_t stokes() const { return static_cast<int64_t>(job.image.stokes.size()); }
  /// Sums of weights: one per output channel and Stokes, [channel][stokes].
  int64_t sum_index(size_t channel, int64_t stokes_plane) const {
    return static_cast<int64_t>(channel) * stokes() + stokes_plane;
  }
};

/// Opens the sets, scans them and plans. Throws UserError and RunError as the parts do, and UserError when the job does not fit in
/// runtime.memory at all (naming what it would need).
/// @param feed makes the chunks in memory; null: they are read
ImagingPlan plan_imaging_job(const ImagingJob& job, ChunkFeed* feed = nullptr);

/// Fills plan.minor, loop and sub_images (clean_options.cpp).
void plan_cleaning(ImagingPlan& plan);

/// The plan for people: choices with reasons, memory by purpose.
std::string describe(const ImagingPlan& plan);

}  // namespace fringeflow::graphs
