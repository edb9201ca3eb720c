// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/imaging/memory_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "codelets/restore/restore.hpp"
#include "io/error.hpp"
#include "io/scratch_file.hpp"
#include "runtime/machine.hpp"

namespace fringeflow::graphs {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kChunkVisibilities = int64_t{1} << 20;

int64_t slab_bytes(const gridder::FacetPlan& plan, int64_t slab) {
  int64_t bytes = 0;
  for (int64_t strip = 0; strip < plan.tiles.strips; ++strip)
    bytes += gridder::tile_store_bytes(plan, slab, strip);
  return bytes;
}

/// Packs slabs in order until a wave is full. A wave has at least one slab, and ends with a facet once it has `enough` bytes.
std::vector<Wave> pack_waves(const ImagingPlan& plan, int64_t instances, int64_t capacity, int64_t enough) {
  std::vector<Wave> waves;
  int64_t filled = 0;
  for (size_t c = 0; c < plan.channels.size(); ++c)
    for (size_t f = 0; f < plan.channels[c].facets.size(); ++f) {
      const auto& facet = *plan.channels[c].facets[f];
      for (int64_t slab = 0; slab < facet.facet.slabs(); ++slab) {
        const int64_t bytes = slab_bytes(facet, slab) * instances;
        if (waves.empty() || filled + bytes > capacity || (slab == 0 && filled >= enough)) {
          waves.emplace_back();
          filled = 0;
        }
        filled += bytes;
        auto& wave = waves.back();
        if (!wave.empty() && wave.back().channel == c && wave.back().facet == f)
          wave.back().slab_end = slab + 1;
        else
          wave.push_back({c, f, slab, slab + 1});
      }
    }
  return waves;
}

int64_t largest_wave(const ImagingPlan& plan, const std::vector<Wave>& waves) {
  int64_t most = 0;
  for (const auto& wave : waves) most = std::max(most, wave_bytes(plan, wave));
  return most;
}

/// What the minor loops and restoring allocate beside their buffers: as many at a time as there are workers.
int64_t clean_bytes(const ImagingPlan& plan, int workers) {
  const int64_t ny = plan.geometry.ny, nx = plan.geometry.nx;
  const auto channels = static_cast<int>(plan.channels.size());
  int64_t most = 0;
  for (const auto& rect : plan.sub_images)
    most = std::max({most, deconvolve::minor_workspace_bytes(plan.minor, ny, nx, rect, channels),
                     deconvolve::find_peak_workspace_bytes(plan.minor, ny, nx, rect)});
  const restore::Beam typical{3 * static_cast<double>(plan.minor.beam_pixels),
                              3 * static_cast<double>(plan.minor.beam_pixels), 0};
  const int64_t at_once = std::min<int64_t>(workers, static_cast<int64_t>(plan.sub_images.size()));
  // The statistics take the magnitudes of one image.
  return std::max({at_once * most, restore::restore_workspace_bytes(typical, ny, nx),
                   2 * ny * nx * int64_t{sizeof(float)}});
}

int64_t scratch_bytes(const ImagingPlan& plan) {
  int64_t most = 0;
  for (const auto& channel : plan.channels)
    for (const auto& facet : channel.facets) most = std::max(most, fft::scratch_bytes(*facet));
  return most;
}

/// Half-transformed planes in flight: one slab of the largest facet, either direction.
int64_t transform_bytes(const ImagingPlan& plan) {
  int64_t most = 0;
  for (const auto& channel : plan.channels)
    for (size_t f = 0; f < channel.facets.size(); ++f) {
      // One buffer serves a strip of either direction.
      const auto& facet = *channel.facets[f];
      const auto& y = channel.y_strips[f];
      int64_t bytes = 0;
      for (size_t i = 0; i < std::max(static_cast<size_t>(facet.tiles.strips), y.size()); ++i) {
        const int64_t rows = static_cast<int64_t>(i) < facet.tiles.strips
                                 ? fft::rows_bytes(facet, static_cast<int64_t>(i))
                                 : 0;
        const int64_t columns = plan.cleans() && i < y.size() ? fft::columns_bytes(facet, y[i]) : 0;
        bytes += std::max(rows, columns);
      }
      most = std::max(most, bytes);
    }
  return most;
}

/// Where chunks that are read in several passes are kept meanwhile.
void plan_cache(ImagingPlan& plan, int64_t all_chunks) {
  auto& memory = plan.memory;
  const std::string& asked = plan.job.runtime.cache;
  const bool once = !plan.cleans() && !plan.needs_density() && plan.sky_waves.size() == 1;
  if (once || asked == "none") return;
  const std::filesystem::path prefix(plan.job.write.prefix);
  const std::string folder = asked != "auto"            ? asked
                             : prefix.has_parent_path() ? prefix.parent_path().string()
                                                        : ".";
  if (asked != "auto" && !std::filesystem::is_directory(folder))
    throw UserError(
        fmt::format("runtime.cache: there is no folder {}; give one on a fast disk, or 'none'", folder));
  const int64_t room = io::free_bytes(folder);
  if (asked != "auto" && room < all_chunks)
    throw UserError(
        fmt::format("runtime.cache: {} has no room for {} MiB of visibilities ({} MiB are free); give "
                    "another folder, or 'none'",
                    folder, all_chunks / kMiB, room / kMiB));
  // Of a disk that others use too, half at most.
  if (asked == "auto" && room / 2 < all_chunks) return;
  memory.cache_folder = folder;
  memory.cache_bytes = all_chunks;
}

}  // namespace

int64_t chunk_visibilities(int64_t budget_bytes, int64_t stokes) {
  // A chunk with its share of casacore's buffers is about 100 bytes a visibility; a dozen of them should be a fraction of the budget.
  const int64_t fitting = budget_bytes / (24 * 100 * std::max<int64_t>(stokes, 1));
  return std::clamp<int64_t>(fitting, 1 << 16, kChunkVisibilities);
}

int64_t wave_bytes(const ImagingPlan& plan, const Wave& wave) {
  int64_t bytes = 0;
  for (const auto& entry : wave)
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
      bytes += slab_bytes(*plan.channels[entry.channel].facets[entry.facet], slab);
  return bytes;
}

int64_t largest_store_bytes(const ImagingPlan& plan) {
  int64_t most = 0;
  for (const auto& channel : plan.channels)
    for (const auto& facet : channel.facets)
      for (int64_t slab = 0; slab < facet->facet.slabs(); ++slab)
        for (int64_t strip = 0; strip < facet->tiles.strips; ++strip)
          most = std::max(most, gridder::tile_store_bytes(*facet, slab, strip));
  return most;
}

int64_t index_bytes_of(const ImagingPlan& plan, const PlannedChunk& chunk) {
  int64_t bytes = 0;
  for (size_t c = 0; c < plan.channels.size(); ++c)
    for (size_t f = 0; f < plan.channels[c].facets.size(); ++f)
      if (chunk.parts[c].channel_end > chunk.parts[c].channel_begin)
        bytes += gridder::index_bytes(*plan.channels[c].facets[f], chunk.parts[c].run_capacity[f]);
  return bytes;
}

int64_t longest_index(const ImagingPlan& plan, size_t channel, size_t facet) {
  int64_t most = 0;
  for (const auto& chunk : plan.chunks)
    most = std::max(most, gridder::index_bytes(*plan.channels[channel].facets[facet],
                                               chunk.parts[channel].run_capacity[facet]));
  return most;
}

std::vector<FacetBuffers> facet_buffers(const ImagingPlan& plan) {
  size_t facets = 0;
  for (const auto& channel : plan.channels) facets += channel.facets.size();
  std::vector<FacetBuffers> sets(std::min<size_t>(facets, 2));
  const auto at_least = [](std::vector<int64_t>& sizes, size_t at, int64_t bytes) {
    sizes.resize(std::max(sizes.size(), at + 1));
    sizes[at] = std::max(sizes[at], bytes);
  };
  size_t turn = 0;
  for (const auto& channel : plan.channels)
    for (size_t f = 0; f < channel.facets.size(); ++f, ++turn) {
      auto& set = sets[turn % sets.size()];
      for (size_t y = 0; y < channel.y_strips[f].size(); ++y) {
        at_least(set.accumulators, y, fft::image_strip_bytes(*channel.facets[f], channel.y_strips[f][y]));
        at_least(set.pixels, y, fft::pixel_strip_bytes(*channel.facets[f], channel.y_strips[f][y]));
      }
    }
  return sets;
}

void plan_memory(ImagingPlan& plan) {
  auto& memory = plan.memory;
  const int64_t image_bytes = plan.geometry.nx * plan.geometry.ny * int64_t{sizeof(float)};
  const int64_t stokes = plan.stokes(), channels = static_cast<int64_t>(plan.channels.size());
  const int64_t sky_instances = stokes + (plan.job.image.psf ? 1 : 0);

  memory.base = 176 * kMiB + plan.feed_bytes;
  int64_t chunk_bytes = 0, all_chunks = 0, all_predicted = 0, predicted_bytes = 0, rows_most = 0, indices = 0,
          index_most = 0;
  int64_t stored_most = 0, nodes_most = 0, all_nodes = 0;
  for (const auto& chunk : plan.chunks) {
    // Nodes beside the chunk that they stand for, and what is predicted of them.
    const int64_t nodes =
        plan.compression ? chunk.nodes.bytes() + (plan.cleans() ? chunk.nodes_predicted_bytes() : 0) : 0;
    nodes_most = std::max(nodes_most, nodes);
    all_nodes += nodes;
    if (plan.compression)
      memory.base += static_cast<int64_t>(chunk.groups.groups->size() * sizeof(gridder::TimeGroup));
    const int64_t index = index_bytes_of(plan, chunk);
    chunk_bytes = std::max(chunk_bytes, chunk.layout.bytes());
    predicted_bytes = std::max(predicted_bytes, chunk.layout.vis_bytes());
    index_most = std::max(index_most, index);
    all_chunks += chunk.layout.bytes();
    indices += index;
    all_predicted += plan.cleans() ? chunk.layout.vis_bytes() : 0;
    rows_most = std::max(rows_most, chunk.layout.rows);
    stored_most = std::max(stored_most, chunk.spec.stored_rows * chunk.layout.channels);
  }
  // DATA, flags and weights of up to four correlations, per set that reads at the same time.
  memory.read_buffers =
      64 * stored_most * std::min<int64_t>(static_cast<int64_t>(plan.measurement_sets.size()), 4);

  // residual, model and PSF, accumulators (double when the grid is), corrected strips, products on their way out.
  int64_t accumulators = 0;
  for (const FacetBuffers& buffers : facet_buffers(plan)) {
    for (const int64_t bytes : buffers.accumulators) accumulators += bytes * sky_instances;
    for (const int64_t bytes : buffers.pixels) accumulators += bytes * sky_instances;
  }
  memory.images = accumulators + image_bytes * (channels * (stokes * (plan.cleans() ? 3 : 1) + 1) +
                                                (channels > 1 ? stokes * 3 + 1 : 0) + 3);
  if (plan.facet_gains) {
    memory.images += image_bytes;  // the map
    if (plan.cleans())
      memory.images +=
          image_bytes * channels * static_cast<int64_t>(plan.facet_gains->table.directions.size());
    for (const auto& chunk : plan.chunks) memory.base += chunk.layout.rows * int64_t{sizeof(facet::RowKey)};
  }
  const int workers = plan.workers();
  memory.clean = plan.cleans() ? clean_bytes(plan, workers) : 0;
  memory.base += workers * scratch_bytes(plan);
  const int64_t transforms = transform_bytes(plan);
  memory.transforms = transforms;
  const int64_t fixed = memory.base + memory.read_buffers + memory.images + memory.clean + memory.transforms;
  const int64_t room = memory.budget - fixed;

  // All on the grid at once if there is room beside the chunks, else as much as fits beside a ring.
  const int64_t all = int64_t{1} << 62;
  // Facets of the model are degridded one after another in the same stores: fresh pages cost more than waiting.
  constexpr int64_t kModelBytes = 256 * kMiB;
  const auto model_in_one = [&](int64_t enough) {
    return plan.cleans() ? largest_wave(plan, pack_waves(plan, stokes, all, enough)) * stokes : 0;
  };
  // Visibilities turned by the gains of one direction beside those of each chunk in memory.
  const int64_t turned_bytes = plan.facet_gains ? predicted_bytes : 0;
  const int64_t kept = all_chunks + all_nodes + indices + all_predicted +
                       turned_bytes * static_cast<int64_t>(plan.chunks.size());
  const int64_t per_slot =
      chunk_bytes + nodes_most + index_most + turned_bytes + (plan.cleans() ? predicted_bytes : 0);
  constexpr int64_t kLeastSlots = 4;
  auto arrange = [&](int64_t for_chunks, int64_t model_enough) {
    const int64_t for_grids = room - for_chunks;
    const int64_t for_model = plan.cleans() ? std::min(model_in_one(model_enough), for_grids / 2) : 0;
    plan.model_waves =
        plan.cleans() ? pack_waves(plan, stokes, for_model, model_enough) : std::vector<Wave>{};
    const int64_t model = largest_wave(plan, plan.model_waves) * stokes;
    plan.sky_waves = pack_waves(plan, sky_instances, std::max<int64_t>(for_grids - model, 0), all);
    memory.grids = largest_wave(plan, plan.sky_waves) * sky_instances + model;
    memory.chunks = for_chunks;
    return memory.grids <= for_grids;
  };
  const auto n = static_cast<int64_t>(plan.chunks.size());
  // The density is known only once all chunks are here: then a strip of tiles can be finished before the next begins.
  auto by_strips = [&] {
    int64_t stores = 0;
    for (const auto& channel : plan.channels)
      for (const auto& facet : channel.facets)
        stores += facet->facet.slabs() * facet->tiles.strips * sky_instances;
    memory.strip_stores = std::min<int64_t>(stores, 2 * workers + 2);
    plan.sky_waves = pack_waves(plan, sky_instances, all, all);
    plan.model_waves.clear();
    memory.grids = memory.strip_stores * largest_store_bytes(plan);
    memory.chunks = kept;
    if (memory.grids + kept <= room) return true;
    memory.strip_stores = 0;
    return false;
  };
  // Where chunks come one by one and their weights are known, they are gridded as they come, unless the grids are so large that
  // touching all of them costs more than waiting.
  constexpr int64_t kStreamedGrids = 1024 * kMiB;
  const auto streamed = [&] {
    return !plan.needs_density() ||
           (plan.density_ahead &&
            largest_wave(plan, pack_waves(plan, sky_instances, all, all)) * sky_instances <= kStreamedGrids &&
            arrange(kept, kModelBytes));
  };
  const bool by_chunks = streamed();
  memory.resident =
      (!by_chunks && plan.needs_density() && !plan.facet_gains && by_strips()) || arrange(kept, kModelBytes);
  memory.predicted_resident = true;
  memory.ring_slots = n;
  if (!memory.resident && !plan.reads())
    throw UserError(
        fmt::format("runtime.memory: {} MiB are not enough to image in memory what is simulated ({} MiB of "
                    "visibilities): give more memory, or "
                    "go through files with runtime.pipeline: files",
                    memory.budget / kMiB, kept / kMiB + 1));
  if (!memory.resident) {
    // A ring; what is left after the grids goes into more slots, so that reading can run ahead.
    memory.ring_slots = std::min(n, kLeastSlots);
    memory.predicted_resident = false;
    bool fits = arrange(memory.ring_slots * per_slot, all);
    if (!fits || plan.model_waves.size() > 1) {
      // Several waves of the model need the predictions of all chunks kept.
      memory.predicted_resident = plan.cleans();
      fits = arrange(memory.ring_slots * (per_slot - (plan.cleans() ? predicted_bytes : 0)) + all_predicted,
                     all);
    }
    if (!fits)
      throw UserError(
          fmt::format("runtime.memory: {} MiB are not enough for this job: images, transforms and the least "
                      "grids and chunks need "
                      "{} MiB; give more memory or a smaller image",
                      memory.budget / kMiB, (fixed + memory.chunks + memory.grids) / kMiB + 1));
    const int64_t spare = memory.budget - memory.total();
    const int64_t slot = memory.predicted_resident ? per_slot - predicted_bytes : per_slot;
    const int64_t more =
        std::clamp<int64_t>(slot > 0 ? spare / slot : 0, 0, std::min<int64_t>(n - memory.ring_slots, 12));
    memory.ring_slots += more;
    memory.chunks += more * slot;
    plan_cache(plan, all_chunks);
  }
  // While chunks arrive one by one, gridding must not wait for many; once they are all here, large batches are kinder to the caches.
  const bool streams = !memory.resident || by_chunks;
  const int64_t wanted = streams ? std::clamp<int64_t>(n / 32, 1, 16) : std::min<int64_t>(n, 16);
  plan.batch_chunks = memory.resident ? wanted : std::clamp<int64_t>(memory.ring_slots / 2, 1, wanted);
  // A second set lets a slab's transforms begin before the last one's end; large ones cost more in first touches than that saves.
  if (memory.total() + transforms <= memory.budget && transforms <= 256 * kMiB) {
    memory.transform_depth = 2;
    memory.transforms += transforms;
  }
}

}  // namespace fringeflow::graphs
