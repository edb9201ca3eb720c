// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// One pass over all chunks: (degrid, subtract,) grid, a wave of slabs at a time, and the transforms.
#include <algorithm>

#include "codelets/degrid/degrid.hpp"
#include "codelets/fft/transforms.hpp"
#include "codelets/grid/grid.hpp"
#include "codelets/gridder/gridder.hpp"
#include "codelets/image/image.hpp"
#include "codelets/resample/refine.hpp"
#include "codelets/subtract/subtract.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/imaging/memory_plan.hpp"

namespace fringeflow::graphs {
namespace {

/// Calls visit(entry, slab, strip, instance) in the order in which a wave's stores lie in the pool.
template <class Visit>
void for_each_store(const ImagingPlan& plan, const Wave& wave, size_t instances, Visit visit) {
  for (const auto& entry : wave) {
    const auto& facet = *plan.channels[entry.channel].facets[entry.facet];
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
      for (size_t instance = 0; instance < instances; ++instance)
        for (int64_t strip = 0; strip < facet.tiles.strips; ++strip) visit(entry, slab, strip, instance);
  }
}

}  // namespace

DataId ImagingGraph::image_of(size_t channel, const Instance& instance) const {
  return instance.psf ? images_.psf[channel]
                      : images_.residual[channel][static_cast<size_t>(instance.stokes)];
}

void ImagingGraph::create_grids() {
  const auto instances = sky_instances();
  // Waves follow one another through the same pool; a store of the pool is as long as the longest that passes.
  auto pool = [&](const std::vector<Wave>& waves, size_t count, const char* name) {
    std::vector<int64_t> sizes;
    for (const auto& wave : waves) {
      size_t at = 0;
      for_each_store(plan_, wave, count, [&](const WaveEntry& entry, int64_t slab, int64_t strip, size_t) {
        if (at == sizes.size()) sizes.push_back(0);
        sizes[at] = std::max(sizes[at], gridder::tile_store_bytes(
                                            *plan_.channels[entry.channel].facets[entry.facet], slab, strip));
        ++at;
      });
    }
    std::vector<DataId> ids;
    for (const auto size : sizes) ids.push_back(create(name, size));
    return ids;
  };
  if (plan_.memory.strip_stores > 0) {
    wave_stores_.emplace_back();
    const int64_t bytes = largest_store_bytes(plan_);
    for (int64_t i = 0; i < plan_.memory.strip_stores; ++i) wave_stores_[0].push_back(create("tiles", bytes));
  } else {
    wave_stores_.push_back(pool(plan_.sky_waves, instances, "tiles"));
  }
  wave_stores_.push_back(plan_.memory.strip_stores > 0
                             ? std::vector<DataId>{}
                             : pool(plan_.model_waves, static_cast<size_t>(plan_.stokes()), "model tiles"));

  // Half-transformed planes of either direction: the two never run at once for long, so one set of buffers serves both.
  std::vector<int64_t> halfway;
  auto at_least = [&](size_t at, int64_t bytes) {
    halfway.resize(std::max(halfway.size(), at + 1));
    halfway[at] = std::max(halfway[at], bytes);
  };
  for (size_t c = 0; c < plan_.channels.size(); ++c)
    for (size_t f = 0; f < plan_.channels[c].facets.size(); ++f) {
      const auto& facet = *plan_.channels[c].facets[f];
      const auto& strips = plan_.channels[c].y_strips[f];
      for (int64_t strip = 0; strip < facet.tiles.strips; ++strip)
        at_least(static_cast<size_t>(strip), fft::rows_bytes(facet, strip));
      if (plan_.cleans())
        for (size_t y = 0; y < strips.size(); ++y) at_least(y, fft::columns_bytes(facet, strips[y]));
    }
  for (int64_t depth = 0; depth < plan_.memory.transform_depth; ++depth) {
    halfway_.emplace_back();
    for (const auto size : halfway) halfway_.back().push_back(create("half-transformed planes", size));
  }
  create_facet_buffers(instances);
}

void ImagingGraph::create_facet_buffers(size_t instances) {
  using Ids = std::vector<std::vector<DataId>>;  // [instance][y-strip]
  std::vector<Ids> accumulators, pixels;
  const auto create_all = [&](const std::vector<int64_t>& sizes, const char* name) {
    Ids ids(instances);
    for (auto& strips : ids)
      for (const int64_t size : sizes) strips.push_back(create(name, size));
    return ids;
  };
  for (const FacetBuffers& buffers : facet_buffers(plan_)) {
    accumulators.push_back(create_all(buffers.accumulators, "image strip"));
    pixels.push_back(create_all(buffers.pixels, "pixel strip"));
  }
  size_t turn = 0;
  for (size_t c = 0; c < plan_.channels.size(); ++c)
    for (size_t f = 0; f < plan_.channels[c].facets.size(); ++f, ++turn) {
      accumulators_[{c, f}] = accumulators[turn % accumulators.size()];
      pixels_[{c, f}] = pixels[turn % pixels.size()];
    }
}

void ImagingGraph::grid_pass(const std::vector<Instance>& instances, bool residual) {
  degridded_.assign(plan_.chunks.size(), false);
  cut_now_.clear();
  if (plan_.memory.strip_stores > 0) return sky_by_strips(plan_.sky_waves.front(), instances, residual);
  if (residual) {
    // All waves of the model but the last are degridded on their own; the last one is still on the grid when the sky waves begin.
    for (size_t w = 0; w < plan_.model_waves.size(); ++w) {
      transform_model(plan_.model_waves[w]);
      if (w + 1 == plan_.model_waves.size()) break;
      for (size_t i = 0; i < plan_.chunks.size(); ++i) {
        auto& loaded = load(i);
        if (!plan_.memory.resident) {
          weigh(i, loaded);
          compress(i, loaded, false);
        }
        degrid(i, loaded, plan_.model_waves[w], w == 0);
      }
    }
  }
  for (size_t w = 0; w < plan_.sky_waves.size(); ++w)
    sky_wave(plan_.sky_waves[w], instances, residual, w == 0);
}

void ImagingGraph::sky_wave(const Wave& wave, const std::vector<Instance>& instances, bool residual,
                            bool first_wave) {
  std::vector<DataId> stores;
  // The pool is laid out for all Stokes and the PSF, which comes last; later passes leave the PSF's places empty.
  size_t place = 0;
  for_each_store(plan_, wave, sky_instances(),
                 [&](const WaveEntry& entry, int64_t slab, int64_t strip, size_t instance) {
                   const auto id = wave_stores_[0][place++];
                   if (instance >= instances.size()) return;
                   stores.push_back(id);
                   clear(entry, slab, strip, id);
                 });

  const size_t n = plan_.chunks.size();
  for (size_t begin = 0; begin < n; begin += static_cast<size_t>(plan_.batch_chunks)) {
    const size_t end = std::min(n, begin + static_cast<size_t>(plan_.batch_chunks));
    std::vector<Loaded*> loaded;
    for (size_t i = begin; i < end; ++i) loaded.push_back(&prepare(i, wave, residual, first_wave));
    size_t at = 0;
    int32_t direction = -1;
    for_each_store(plan_, wave, instances.size(),
                   [&](const WaveEntry& entry, int64_t slab, int64_t strip, size_t instance) {
                     if (plan_.facet_gains && direction_of(entry) != direction)
                       turn(begin, loaded, direction = direction_of(entry), residual);
                     grid(entry, slab, strip, instances[instance], residual, begin, loaded, stores[at++]);
                   });
  }

  size_t at = 0;
  for (const auto& entry : wave) {
    const int64_t strips = plan_.channels[entry.channel].facets[entry.facet]->tiles.strips;
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
      for (const auto& instance : instances) {
        const auto& rows = halfway_[transform_turn_++ % halfway_.size()];
        for (int64_t strip = 0; strip < strips; ++strip, ++at)
          rows_to_sky(entry, slab, strip, rows, stores[at], strip > 0 ? stores[at - 1] : -1);
        columns_to_sky(entry, slab, instance, rows);
      }
    finish_facet(entry, instances);
  }
}

void ImagingGraph::sky_by_strips(const Wave& wave, const std::vector<Instance>& instances, bool residual) {
  const size_t n = plan_.chunks.size(), batch = static_cast<size_t>(plan_.batch_chunks);
  std::vector<Loaded*> loaded;
  for (size_t i = 0; i < n; ++i) {
    loaded.push_back(&load(i));
    weigh(i, *loaded.back());
    if (!residual) compress(i, *loaded.back(), false);
    build_indices(i, *loaded.back(), wave);
  }
  if (residual) {
    degrid_by_strips(wave, loaded);
    for (size_t i = 0; i < n; ++i) {
      subtract(i, *loaded[i]);
      compress(i, *loaded[i], true);
    }
  }
  const auto& ring = wave_stores_[0];
  for (const auto& entry : wave) {
    const int64_t strips = plan_.channels[entry.channel].facets[entry.facet]->tiles.strips;
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
      for (const auto& instance : instances) {
        const auto& rows = halfway_[transform_turn_++ % halfway_.size()];
        DataId previous = -1;
        for (int64_t strip = 0; strip < strips; ++strip) {
          const DataId store = ring[store_turn_++ % ring.size()];
          clear(entry, slab, strip, store);
          for (size_t begin = 0; begin < n; begin += batch)
            grid(entry, slab, strip, instance, residual, begin,
                 std::span(loaded).subspan(begin, std::min(batch, n - begin)), store);
          rows_to_sky(entry, slab, strip, rows, store, previous);
          previous = store;
        }
        columns_to_sky(entry, slab, instance, rows);
      }
    finish_facet(entry, instances);
  }
}

ImagingGraph::Loaded& ImagingGraph::prepare(size_t chunk, const Wave& wave, bool residual, bool first_wave) {
  auto& loaded = load(chunk);
  weigh(chunk, loaded);
  const bool resident = plan_.memory.resident, kept = resident || plan_.memory.predicted_resident;
  const bool degrids = residual && (first_wave || !kept);
  // Nodes of chunks that come and go are there for this wave only; where they are degridded, their UVW are needed before.
  const bool nodes_wanted = first_wave || !resident;
  if (nodes_wanted && residual && !degrids)
    compress(chunk, loaded, true);
  else if (nodes_wanted && !(residual && resident))
    compress(chunk, loaded, false);
  build_indices(chunk, loaded, wave);
  if (degrids) {
    if (!kept) degridded_[chunk] = false;
    degrid(chunk, loaded, plan_.model_waves.back(), plan_.model_waves.size() == 1);
    subtract(chunk, loaded);
    compress(chunk, loaded, true);
  }
  return loaded;
}

void ImagingGraph::build_indices(size_t chunk, Loaded& loaded, const Wave& wave) {
  const auto& parts = plan_.chunks[chunk].parts;
  for (const auto& entry : wave)
    if (parts[entry.channel].channel_end > parts[entry.channel].channel_begin)
      build_index(chunk, loaded, entry.channel, entry.facet);
}

void ImagingGraph::subtract(size_t chunk, const Loaded& loaded) {
  if (plan_.compression)
    submit(runtime::make_task(gridder::expand_codelet(), gridder::ExpandArgs{nodes_of(chunk)},
                              {{loaded.predicted, Access::write}, {loaded.nodes_predicted, Access::read}},
                              tag(static_cast<int32_t>(chunk)), 6));
  submit(runtime::make_task(subtract_codelet(), SubtractArgs{plan_.chunks[chunk].layout},
                            {{loaded.predicted, Access::read_write}, {loaded.chunk, Access::read}},
                            tag(static_cast<int32_t>(chunk)), 6));
}

void ImagingGraph::clear(const WaveEntry& entry, int64_t slab, int64_t strip, DataId store) {
  submit(runtime::make_task(
      gridder::clear_codelet(),
      gridder::ClearArgs{plan_.channels[entry.channel].facets[entry.facet], slab, strip},
      {{store, Access::write}},
      tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab), static_cast<int32_t>(strip)),
      5));
}

void ImagingGraph::grid(const WaveEntry& entry, int64_t slab, int64_t strip, const Instance& instance,
                        bool residual, size_t begin, std::span<Loaded* const> loaded, DataId store) {
  gridder::GridArgs args;
  args.plan = plan_.channels[entry.channel].facets[entry.facet];
  args.slab = slab;
  args.strip = strip;
  // Nodes have a plane for each instance.
  args.stokes = plan_.compression ? static_cast<int64_t>(instance_slot(instance)) : instance.stokes;
  args.psf = instance.psf && !plan_.compression;
  // Visibilities turned for the facet's direction take the place of residuals.
  const bool turned = plan_.facet_gains != nullptr;
  args.residual = (residual && !plan_.compression) || (turned && !instance.psf);
  std::vector<std::pair<DataId, Access>> data{{store, Access::read_write}};
  if (args.plan->tiles.slots_of(slab, strip) == 0) return;
  for (size_t i = 0; i < loaded.size(); ++i) {
    const auto& chunk = plan_.chunks[begin + i];
    const auto& part = chunk.parts[entry.channel];
    if (part.channel_end <= part.channel_begin) continue;
    args.chunks.push_back(chunk.grid_chunk(entry.channel, entry.facet, plan_.max_uv_lambda));
    data.emplace_back(gridded(*loaded[i]), Access::read);
    data.emplace_back(loaded[i]->index.at({entry.channel, entry.facet}), Access::read);
    if (args.residual) data.emplace_back(turned ? loaded[i]->turned : loaded[i]->predicted, Access::read);
  }
  if (args.chunks.empty()) return;
  submit(runtime::make_task(gridder::grid_codelet(), std::move(args), std::move(data),
                            tag(static_cast<int32_t>(begin), static_cast<int32_t>(entry.facet),
                                static_cast<int32_t>(slab), static_cast<int32_t>(strip)),
                            4));
}

void ImagingGraph::rows_to_sky(const WaveEntry& entry, int64_t slab, int64_t strip,
                               const std::vector<DataId>& rows, DataId store, DataId previous_store) {
  fft::StepArgs args{.plan = plan_.channels[entry.channel].facets[entry.facet], .slab = slab, .strip = strip};
  std::vector<std::pair<DataId, Access>> data{{rows[static_cast<size_t>(strip)], Access::write},
                                              {store, Access::read}};
  if (strip > 0) data.emplace_back(previous_store, Access::read);
  submit(runtime::make_task(
      fft::rows_to_sky_codelet(), std::move(args), std::move(data),
      tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab), static_cast<int32_t>(strip)),
      5));
}

void ImagingGraph::columns_to_sky(const WaveEntry& entry, int64_t slab, const Instance& instance,
                                  const std::vector<DataId>& rows) {
  const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
  const auto& y_strips = plan_.channels[entry.channel].y_strips[entry.facet];
  const auto& images = accumulators_[{entry.channel, entry.facet}][instance_slot(instance)];
  for (size_t y = 0; y < y_strips.size(); ++y) {
    fft::StepArgs args{.plan = plan, .slab = slab, .strip = static_cast<int64_t>(y), .y = y_strips[y]};
    args.first = slab == 0;
    std::vector<std::pair<DataId, Access>> data{{images[y], slab == 0 ? Access::write : Access::read_write}};
    for (int64_t strip = 0; strip < plan->tiles.strips; ++strip)
      data.emplace_back(rows[static_cast<size_t>(strip)], Access::read);
    submit(runtime::make_task(
        fft::columns_to_sky_codelet(), std::move(args), std::move(data),
        tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab), static_cast<int32_t>(y)), 6));
  }
}

void ImagingGraph::finish_facet(const WaveEntry& entry, const std::vector<Instance>& instances) {
  const auto [channel, facet] = std::pair(entry.channel, entry.facet);
  const auto& plan = plan_.channels[channel].facets[facet];
  if (entry.slab_end != plan->facet.slabs()) return;
  const auto& y_strips = plan_.channels[channel].y_strips[facet];
  for (const auto& instance : instances) {
    const auto& images = accumulators_[{channel, facet}][instance_slot(instance)];
    const auto& pixels = pixels_[{channel, facet}][instance_slot(instance)];
    image::AssembleArgs assemble{plan_.geometry.nx, plan_.geometry.ny, {}, plan->adds_to_image};
    resample::RefineArgs refine{plan, plan_.geometry.nx, plan_.geometry.ny, {}};
    std::vector<std::pair<DataId, Access>> data{
        {image_of(channel, instance), facet == 0 ? Access::write : Access::read_write}};
    for (size_t y = 0; y < y_strips.size(); ++y) {
      fft::StepArgs args{.plan = plan, .strip = static_cast<int64_t>(y), .y = y_strips[y]};
      args.divide_by_n = plan_.job.image.divide_by_n;
      args.sum_index = plan_.sum_index(channel, instance.stokes);
      args.sums = static_cast<int64_t>(plan_.channels.size()) * plan_.stokes();
      args.data_name = plan_.sets.front()->info().path;
      submit(
          runtime::make_task(fft::correct_codelet(), std::move(args),
                             {{pixels[y], Access::write}, {images[y], Access::read}, {sums_, Access::read}},
                             tag(-1, static_cast<int32_t>(facet), -1, static_cast<int32_t>(y)), 7));
      const auto [first, last] = fft::y_rows(*plan, y_strips[y]);
      assemble.strips.push_back(
          {plan->facet.y_begin + first, plan->facet.x_begin, last - first, plan->facet.nx});
      refine.rows.push_back(last - first);
      data.emplace_back(pixels[y], Access::read);
    }
    if (plan_.facet_gains) {
      stitch(entry, instance, pixels);
      continue;
    }
    const auto where = tag(-1, static_cast<int32_t>(facet));
    submit(
        plan->resampling
            ? runtime::make_task(resample::refine_codelet(), std::move(refine), std::move(data), where, 8)
            : runtime::make_task(image::assemble_codelet(), std::move(assemble), std::move(data), where, 8));
  }
}

void ImagingGraph::transform_model(const Wave& wave) {
  size_t at = 0;
  for (const auto& entry : wave) {
    const int64_t strips = plan_.channels[entry.channel].facets[entry.facet]->tiles.strips;
    uncorrect(entry);
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
      for (int64_t stokes = 0; stokes < plan_.stokes(); ++stokes) {
        const auto columns = columns_to_grid(entry, slab, stokes);
        for (int64_t strip = 0; strip < strips; ++strip)
          rows_to_grid(entry, slab, strip, columns, wave_stores_[1][at++]);
      }
  }
}

void ImagingGraph::uncorrect(const WaveEntry& entry) {
  if (entry.slab_begin != 0) return;
  const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
  const auto& y_strips = plan_.channels[entry.channel].y_strips[entry.facet];
  for (int64_t stokes = 0; stokes < plan_.stokes(); ++stokes) {
    const auto& images = accumulators_[{entry.channel, entry.facet}][static_cast<size_t>(stokes)];
    for (size_t y = 0; y < y_strips.size(); ++y) {
      fft::StepArgs args{.plan = plan, .strip = static_cast<int64_t>(y), .y = y_strips[y]};
      args.divide_by_n = plan_.job.image.divide_by_n;
      args.image_nx = plan_.geometry.nx;
      args.image_ny = plan_.geometry.ny;
      submit(runtime::make_task(fft::uncorrect_codelet(), std::move(args),
                                {{images[y], Access::write}, {model_of(entry, stokes), Access::read}},
                                tag(-1, static_cast<int32_t>(entry.facet), -1, static_cast<int32_t>(y)), 7));
    }
  }
}

std::span<const DataId> ImagingGraph::columns_to_grid(const WaveEntry& entry, int64_t slab, int64_t stokes) {
  const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
  const auto& y_strips = plan_.channels[entry.channel].y_strips[entry.facet];
  const auto& images = accumulators_[{entry.channel, entry.facet}][static_cast<size_t>(stokes)];
  const auto& columns = halfway_[transform_turn_++ % halfway_.size()];
  for (size_t y = 0; y < y_strips.size(); ++y) {
    fft::StepArgs args{.plan = plan, .slab = slab, .strip = static_cast<int64_t>(y), .y = y_strips[y]};
    submit(runtime::make_task(
        fft::columns_to_grid_codelet(), std::move(args),
        {{columns[y], Access::write}, {images[y], Access::read}},
        tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab), static_cast<int32_t>(y)), 6));
  }
  return std::span(columns).first(y_strips.size());
}

void ImagingGraph::rows_to_grid(const WaveEntry& entry, int64_t slab, int64_t strip,
                                std::span<const DataId> columns, DataId store) {
  const auto& y_strips = plan_.channels[entry.channel].y_strips[entry.facet];
  fft::StepArgs args{.plan = plan_.channels[entry.channel].facets[entry.facet], .slab = slab, .strip = strip};
  for (const auto& y : y_strips) args.y_strip_begin.push_back(y.block_begin);
  args.y_strip_begin.push_back(y_strips.back().block_end);
  std::vector<std::pair<DataId, Access>> data{{store, Access::write}};
  for (const DataId column : columns) data.emplace_back(column, Access::read);
  submit(runtime::make_task(
      fft::rows_to_grid_codelet(), std::move(args), std::move(data),
      tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab), static_cast<int32_t>(strip)),
      6));
}

void ImagingGraph::degrid(size_t chunk, Loaded& loaded, const Wave& wave, bool first) {
  if (plan_.facet_gains) return degrid_directions(chunk, loaded, wave, first);
  size_t at = 0;
  for (const auto& entry : wave) {
    const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
    const auto& part = plan_.chunks[chunk].parts[entry.channel];
    const auto strips = static_cast<size_t>(plan->tiles.strips);
    const auto slabs = static_cast<size_t>(entry.slab_end - entry.slab_begin);
    const auto stokes_count = static_cast<size_t>(plan_.stokes());
    const size_t begin = at;
    at += slabs * stokes_count * strips;
    if (part.channel_end <= part.channel_begin) continue;
    build_index(chunk, loaded, entry.channel, entry.facet);
    for (size_t stokes = 0; stokes < stokes_count; ++stokes) {
      std::vector<DataId> stores;
      for (size_t slab = 0; slab < slabs; ++slab)
        for (size_t strip = 0; strip < strips; ++strip)
          stores.push_back(wave_stores_[1][begin + (slab * stokes_count + stokes) * strips + strip]);
      gridder::DegridArgs args;
      args.plan = plan;
      args.slab_begin = entry.slab_begin;
      args.slab_end = entry.slab_end;
      args.strip_end = plan->tiles.strips;
      args.stokes = static_cast<int64_t>(stokes);
      Loaded* const one = &loaded;
      degrid(entry, std::move(args), chunk, std::span(&one, 1), stores, first);
    }
  }
}

void ImagingGraph::degrid(const WaveEntry& entry, gridder::DegridArgs args, size_t begin,
                          std::span<Loaded* const> loaded, std::span<const DataId> stores, bool first) {
  std::vector<std::pair<DataId, Access>> data;
  for (size_t i = 0; i < loaded.size(); ++i) {
    const auto& chunk = plan_.chunks[begin + i];
    const auto& part = chunk.parts[entry.channel];
    if (part.channel_end <= part.channel_begin) continue;
    args.chunks.push_back(chunk.grid_chunk(entry.channel, entry.facet, plan_.max_uv_lambda));
    args.chunks.back().layout.stokes =
        plan_.stokes();  // nodes have a plane for the PSF, which is not predicted
    args.first.push_back(first && !degridded_[begin + i]);
    data.emplace_back(plan_.compression ? loaded[i]->nodes_predicted : loaded[i]->predicted,
                      args.first.back() ? Access::write : Access::read_write);
    data.emplace_back(gridded(*loaded[i]), Access::read);
    data.emplace_back(loaded[i]->index.at({entry.channel, entry.facet}), Access::read);
    degridded_[begin + i] = true;
  }
  if (args.chunks.empty()) return;
  for (const DataId store : stores) data.emplace_back(store, Access::read);
  submit(runtime::make_task(gridder::degrid_codelet(), std::move(args), std::move(data),
                            tag(static_cast<int32_t>(begin), static_cast<int32_t>(entry.facet)), 5));
}

void ImagingGraph::degrid_by_strips(const Wave& wave, std::span<Loaded* const> loaded) {
  // Tasks of the same chunks follow one another: as many groups of chunks as keep all workers busy.
  const size_t n = loaded.size(), workers = static_cast<size_t>(plan_.workers());
  const size_t batch = std::clamp<size_t>((n + 2 * workers - 1) / (2 * workers), 1, 16);
  for (const auto& entry : wave) {
    const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
    uncorrect(entry);
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
      for (int64_t stokes = 0; stokes < plan_.stokes(); ++stokes) {
        const auto columns = columns_to_grid(entry, slab, stokes);
        for (int64_t strip = 0; strip < plan->tiles.strips; ++strip) {
          if (plan->tiles.slots_of(slab, strip) == 0) continue;
          const DataId store = wave_stores_[0][store_turn_++ % wave_stores_[0].size()];
          rows_to_grid(entry, slab, strip, columns, store);
          for (size_t begin = 0; begin < n; begin += batch) {
            gridder::DegridArgs args;
            args.plan = plan;
            args.slab_begin = slab, args.slab_end = slab + 1;
            args.strip_begin = strip, args.strip_end = strip + 1;
            args.stokes = stokes;
            degrid(entry, std::move(args), begin, loaded.subspan(begin, std::min(batch, n - begin)),
                   std::span(&store, 1), true);
          }
        }
      }
  }
}

}  // namespace fringeflow::graphs
