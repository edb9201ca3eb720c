// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The physical graph of an imaging job: emits tasks into a sink, which runs or records them.
///
///   first pass   read -> (density -> weights) -> index -> grid -> rows, columns -> correct -> assemble -> dirty image and PSF
///   major cycle  find_peak, statistics -> decide -> minor -> apply_components -> uncorrect -> columns, rows -> degrid -> subtract
///                -> grid -> ... -> residual image
///   end          restore, write
/// There is no barrier but the data's own; only `decide` is waited for, because it says whether there is another cycle.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "codelets/deconvolve/clean.hpp"
#include "codelets/degrid/degrid.hpp"
#include "codelets/read/cache.hpp"
#include "codelets/read/read.hpp"
#include "graphs/imaging/imaging_plan.hpp"
#include "io/atomic_file.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::graphs {

using runtime::Access;
using runtime::DataId;

/// Major cycles that a typical field takes.
constexpr int kTypicalCycles = 3;

/// Images in memory, by output channel and Stokes.
struct ImageSet {
  std::vector<std::vector<DataId>> residual, model;  ///< [channel][stokes]
  std::vector<DataId> psf;                           ///< [channel]
};

class ImagingGraph {
 public:
  /// @param feed that the job was planned with; null: chunks are read
  ImagingGraph(const ImagingPlan& plan, runtime::TaskSink& sink, ChunkFeed* feed = nullptr);

  /// Weights, PSF and dirty images. After it `images().residual` holds the dirty images.
  void dirty();
  /// Major cycles until the loop ends. `state_of` gives the host's view of a loop block once its decide task is done.
  void clean(const std::function<const deconvolve::LoopBlock*(DataId)>& state_of);
  /// Submits the writing of products. `products` collects files that appear together.
  void write_dirty(const std::shared_ptr<io::Products>& products);
  void write_cleaned(const std::shared_ptr<io::Products>& products);
  /// How many major cycles clean() emits where nothing runs and their number is not known.
  void assume_cycles(int cycles) { assumed_cycles_ = cycles; }

  const ImageSet& images() const { return images_; }
  DataId sums() const { return sums_; }
  std::shared_ptr<ReadCounters> counters() const { return counters_; }
  /// Of the copy on disk, all passes.
  int64_t cache_bytes_read() const { return cache_ ? cache_->bytes_read() : 0; }
  std::shared_ptr<deconvolve::ComponentLog> components(size_t stokes) const { return logs_.at(stokes); }
  const std::vector<DataId>& loop_blocks() const { return loops_; }
  /// Beams: one per output channel, then the combined one when there are several channels.
  const std::vector<DataId>& beams() const { return beams_; }
  /// What the closing lines describe: the restored or dirty image of the first Stokes (combined over channels), and its residual.
  DataId headline_image() const { return headline_image_; }
  DataId headline_residual() const { return headline_residual_; }

 private:
  /// What is gridded together: the PSF or one Stokes.
  struct Instance {
    bool psf = false;
    int64_t stokes = 0;
  };
  /// One chunk in memory: its buffers for the pass that uses it.
  struct Loaded {
    DataId chunk = -1, predicted = -1;
    DataId nodes = -1, nodes_predicted = -1;  ///< what is gridded and degridded instead, see PlannedChunk
    DataId turned = -1;                       ///< of one direction, with gains of facets
    std::map<std::pair<size_t, size_t>, DataId> index;  ///< by (channel, facet)
  };

  // chunks (chunk_loading.cpp)
  void create_chunks();
  Loaded& load(size_t chunk);
  /// UVW and weights at least.
  Loaded& load_weights(size_t chunk);
  void read_or_recall(size_t chunk, DataId into);
  void weigh(size_t chunk, Loaded& loaded);
  void build_index(size_t chunk, Loaded& loaded, size_t channel, size_t facet);
  /// Fills a chunk's nodes, if it has any, from its own or the residual visibilities.
  void compress(size_t chunk, const Loaded& loaded, bool residual);
  /// What of a chunk is gridded.
  DataId gridded(const Loaded& loaded) const { return plan_.compression ? loaded.nodes : loaded.chunk; }
  gridder::NodesOf nodes_of(size_t chunk) const;
  void density_pass();

  // grids and transforms (grid_pass.cpp)
  void create_grids();
  void create_facet_buffers(size_t instances);
  void grid_pass(const std::vector<Instance>& instances, bool residual);
  void sky_wave(const Wave& wave, const std::vector<Instance>& instances, bool residual, bool first_wave);
  /// A pass where all chunks are in memory before the first is gridded: strip after strip is gridded and transformed, and
  /// degridded before, in a ring of stores, so that few fresh pages are touched.
  void sky_by_strips(const Wave& wave, const std::vector<Instance>& instances, bool residual);
  void degrid_by_strips(const Wave& wave, std::span<Loaded* const> loaded);
  /// All that a chunk needs before it is gridded.
  Loaded& prepare(size_t chunk, const Wave& wave, bool residual, bool first_wave);
  void build_indices(size_t chunk, Loaded& loaded, const Wave& wave);
  /// Turns what is predicted of a chunk into its residual.
  void subtract(size_t chunk, const Loaded& loaded);
  void clear(const WaveEntry& entry, int64_t slab, int64_t strip, DataId store);
  /// Grids the chunks from `begin` on that are `loaded`.
  void grid(const WaveEntry& entry, int64_t slab, int64_t strip, const Instance& instance, bool residual,
            size_t begin, std::span<Loaded* const> loaded, DataId store);
  void rows_to_sky(const WaveEntry& entry, int64_t slab, int64_t strip, const std::vector<DataId>& rows,
                   DataId store, DataId previous_store);
  void columns_to_sky(const WaveEntry& entry, int64_t slab, const Instance& instance,
                      const std::vector<DataId>& rows);
  /// Once the last slab of a facet is in its image strips.
  void finish_facet(const WaveEntry& entry, const std::vector<Instance>& instances);
  void transform_model(const Wave& wave);
  /// The model image on the facet's pixels, once per pass.
  void uncorrect(const WaveEntry& entry);
  std::span<const DataId> columns_to_grid(const WaveEntry& entry, int64_t slab, int64_t stokes);
  void rows_to_grid(const WaveEntry& entry, int64_t slab, int64_t strip, std::span<const DataId> columns,
                    DataId store);
  void degrid(size_t chunk, Loaded& loaded, const Wave& wave, bool first);
  /// Degrids the chunks from `begin` on that are `loaded`, from stores [slab][strip] of `args`.
  void degrid(const WaveEntry& entry, gridder::DegridArgs args, size_t begin, std::span<Loaded* const> loaded,
              std::span<const DataId> stores, bool first);
  size_t sky_instances() const { return static_cast<size_t>(plan_.stokes()) + (plan_.job.image.psf ? 1 : 0); }
  size_t instance_slot(const Instance& instance) const {
    return instance.psf ? static_cast<size_t>(plan_.stokes()) : static_cast<size_t>(instance.stokes);
  }
  void submit_blank(DataId image, int64_t bytes);
  DataId image_of(size_t channel, const Instance& instance) const;

  // facets with gains of their own (facet_pass.cpp)
  int32_t direction_of(const WaveEntry& entry) const {
    return plan_.facet_gains->direction_of_facet[entry.channel][entry.facet];
  }
  void create_turned();
  /// Corrects the visibilities of chunks for a direction, of which a grid task is to come.
  void turn(size_t begin, std::span<Loaded* const> loaded, int32_t direction, bool residual);
  /// Degrids a wave direction by direction and adds what is seen through their gains.
  void degrid_directions(size_t chunk, Loaded& loaded, const Wave& wave, bool first);
  /// The model of the direction of an entry, which is cut out once a pass.
  DataId model_of(const WaveEntry& entry, int64_t stokes);
  void stitch(const WaveEntry& entry, const Instance& instance, const std::vector<DataId>& pixels);

  // cleaning (clean_loop.cpp)
  void create_clean();
  int64_t submit_decide(size_t stokes);
  void submit_minor(size_t stokes);
  void submit_lists(size_t stokes, bool again);
  deconvolve::CleanArgs clean_args(size_t stokes) const;
  std::vector<std::pair<DataId, Access>> channel_images(const std::vector<std::vector<DataId>>& images,
                                                        size_t stokes, Access access) const;

  // products (products.cpp)
  void write_image(const std::shared_ptr<io::Products>& products, const std::string& kind, int channel,
                   int64_t stokes, DataId image, DataId beam);
  DataId combined(const std::vector<DataId>& images, int64_t stokes, const std::string& name);
  void fit_beams();

  DataId create(const std::string& name, int64_t bytes) { return sink_.create({name, bytes, 0}); }
  void submit(runtime::Task task) {
    if (!sink_.failed()) sink_.submit(std::move(task));
  }
  runtime::Tag tag(int32_t chunk = -1, int32_t facet = -1, int32_t slab = -1, int32_t strip = -1) const {
    return {chunk, facet, cycle_, slab, strip, -1};
  }

  const ImagingPlan& plan_;
  runtime::TaskSink& sink_;
  ChunkFeed* feed_ = nullptr;
  std::shared_ptr<ReadCounters> counters_ = std::make_shared<ReadCounters>();
  int32_t cycle_ = 0;
  int assumed_cycles_ = kTypicalCycles;

  ImageSet images_;
  DataId sums_ = -1, density_ = -1, density_summary_ = -1;
  std::shared_ptr<io::ScratchFile> cache_;
  std::vector<DataId> cache_tokens_;   ///< [chunk] that it is in the cache
  std::vector<int64_t> cache_offset_;  ///< [chunk]
  std::vector<Loaded> resident_, ring_;
  std::vector<bool> loaded_once_, weighed_once_, degridded_;
  int64_t loads_ = 0;
  std::vector<std::vector<DataId>> wave_stores_;  ///< pools: [0] sky, [1] model
  std::vector<std::vector<DataId>> halfway_;      ///< [depth][strip]
  size_t transform_turn_ = 0, store_turn_ = 0;
  std::map<std::pair<size_t, size_t>, std::vector<std::vector<DataId>>> accumulators_,
      pixels_;  ///< (channel, facet) -> [instance][y-strip]

  std::map<std::pair<size_t, int32_t>, DataId> cut_models_;  ///< (channel, direction)
  std::set<std::pair<size_t, int32_t>> cut_now_;             ///< those of the pass

  std::vector<DataId> loops_, robust_, scale_masks_;  ///< [stokes]
  std::vector<DataId> shares_;                        ///< [stokes], with several sub-images
  std::vector<std::vector<DataId>> peaks_, lists_;    ///< [stokes][sub-image]
  std::vector<std::shared_ptr<deconvolve::ComponentLog>> logs_;
  std::vector<DataId> beams_;
  DataId headline_image_ = -1, headline_residual_ = -1;
};

/// The whole job into a sink that runs nothing.
void record_graph(const ImagingPlan& plan, runtime::TaskSink& sink, int cycles = kTypicalCycles,
                  ChunkFeed* feed = nullptr);

}  // namespace fringeflow::graphs
