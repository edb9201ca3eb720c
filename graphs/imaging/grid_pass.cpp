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
  wave_stores_.push_back(pool(plan_.sky_waves, instances, "tiles"));
  wave_stores_.push_back(pool(plan_.model_waves, static_cast<size_t>(plan_.stokes()), "model tiles"));

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
      for (size_t i = 0; i < instances; ++i) {
        std::vector<DataId> accumulators, pixels;
        for (const auto& strip : strips) {
          accumulators.push_back(create("image strip", fft::image_strip_bytes(facet, strip)));
          pixels.push_back(create("pixel strip", fft::pixel_strip_bytes(facet, strip)));
        }
        accumulators_[{c, f}].push_back(std::move(accumulators));
        pixels_[{c, f}].push_back(std::move(pixels));
      }
    }
  for (int64_t depth = 0; depth < plan_.memory.transform_depth; ++depth) {
    halfway_.emplace_back();
    for (const auto size : halfway) halfway_.back().push_back(create("half-transformed planes", size));
  }
}

void ImagingGraph::grid_pass(const std::vector<Instance>& instances, bool residual) {
  degridded_.assign(plan_.chunks.size(), false);
  if (residual) {
    // All waves of the model but the last are degridded on their own; the last one is still on the grid when the sky waves begin.
    for (size_t w = 0; w < plan_.model_waves.size(); ++w) {
      transform_model(plan_.model_waves[w]);
      if (w + 1 == plan_.model_waves.size()) break;
      for (size_t i = 0; i < plan_.chunks.size(); ++i) {
        auto& loaded = load(i);
        if (!plan_.memory.resident) weigh(i, loaded);
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
                   submit(runtime::make_task(
                       gridder::clear_codelet(),
                       gridder::ClearArgs{plan_.channels[entry.channel].facets[entry.facet], slab, strip},
                       {{id, Access::write}},
                       tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab),
                           static_cast<int32_t>(strip)),
                       5));
                 });

  const size_t n = plan_.chunks.size();
  for (size_t begin = 0; begin < n; begin += static_cast<size_t>(plan_.batch_chunks)) {
    const size_t end = std::min(n, begin + static_cast<size_t>(plan_.batch_chunks));
    std::vector<Loaded*> loaded;
    for (size_t i = begin; i < end; ++i) {
      auto& one = load(i);
      loaded.push_back(&one);
      weigh(i, one);
      for (const auto& entry : wave)
        if (plan_.chunks[i].parts[entry.channel].channel_end >
            plan_.chunks[i].parts[entry.channel].channel_begin)
          build_index(i, one, entry.channel, entry.facet);
      const bool kept = plan_.memory.resident || plan_.memory.predicted_resident;
      if (residual && (first_wave || !kept)) {
        if (!kept) degridded_[i] = false;
        degrid(i, one, plan_.model_waves.back(), plan_.model_waves.size() == 1);
        submit(runtime::make_task(subtract_codelet(), SubtractArgs{plan_.chunks[i].layout},
                                  {{one.predicted, Access::read_write}, {one.chunk, Access::read}},
                                  tag(static_cast<int32_t>(i)), 6));
      }
    }
    size_t at = 0;
    for_each_store(
        plan_, wave, instances.size(),
        [&](const WaveEntry& entry, int64_t slab, int64_t strip, size_t instance) {
          gridder::GridArgs args;
          args.plan = plan_.channels[entry.channel].facets[entry.facet];
          args.slab = slab;
          args.strip = strip;
          args.stokes = instances[instance].stokes;
          args.psf = instances[instance].psf;
          args.residual = residual;
          std::vector<std::pair<DataId, Access>> data{{stores[at++], Access::read_write}};
          if (args.plan->tiles.slots_of(slab, strip) == 0) return;
          for (size_t i = begin; i < end; ++i) {
            const auto& part = plan_.chunks[i].parts[entry.channel];
            if (part.channel_end <= part.channel_begin) continue;
            args.chunks.push_back(
                plan_.chunks[i].grid_chunk(entry.channel, entry.facet, plan_.max_uv_lambda));
            data.emplace_back(loaded[i - begin]->chunk, Access::read);
            data.emplace_back(loaded[i - begin]->index.at({entry.channel, entry.facet}), Access::read);
            if (residual) data.emplace_back(loaded[i - begin]->predicted, Access::read);
          }
          if (args.chunks.empty()) return;
          submit(runtime::make_task(gridder::grid_codelet(), std::move(args), std::move(data),
                                    tag(static_cast<int32_t>(begin), static_cast<int32_t>(entry.facet),
                                        static_cast<int32_t>(slab), static_cast<int32_t>(strip)),
                                    4));
        });
  }

  size_t at = 0;
  for (const auto& entry : wave) transform_to_sky(entry, instances, stores, at);
}

void ImagingGraph::transform_to_sky(const WaveEntry& entry, const std::vector<Instance>& instances,
                                    const std::vector<DataId>& stores, size_t& at) {
  const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
  const auto& y_strips = plan_.channels[entry.channel].y_strips[entry.facet];
  for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
    for (const auto& instance : instances) {
      const auto& rows = halfway_[transform_turn_++ % halfway_.size()];
      std::vector<std::pair<DataId, Access>> all_rows;
      for (int64_t strip = 0; strip < plan->tiles.strips; ++strip, ++at) {
        fft::StepArgs args{.plan = plan, .slab = slab, .strip = strip};
        std::vector<std::pair<DataId, Access>> data{{rows[static_cast<size_t>(strip)], Access::write},
                                                    {stores[at], Access::read}};
        if (strip > 0) data.emplace_back(stores[at - 1], Access::read);
        submit(runtime::make_task(fft::rows_to_sky_codelet(), std::move(args), std::move(data),
                                  tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab),
                                      static_cast<int32_t>(strip)),
                                  5));
        all_rows.emplace_back(rows[static_cast<size_t>(strip)], Access::read);
      }
      const auto& images = accumulators_[{entry.channel, entry.facet}][instance_slot(instance)];
      for (size_t y = 0; y < y_strips.size(); ++y) {
        fft::StepArgs args{.plan = plan, .slab = slab, .strip = static_cast<int64_t>(y), .y = y_strips[y]};
        args.first = slab == 0;
        std::vector<std::pair<DataId, Access>> data{
            {images[y], slab == 0 ? Access::write : Access::read_write}};
        data.insert(data.end(), all_rows.begin(), all_rows.end());
        submit(runtime::make_task(
            fft::columns_to_sky_codelet(), std::move(args), std::move(data),
            tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab), static_cast<int32_t>(y)),
            6));
      }
    }
  if (entry.slab_end == plan->facet.slabs()) finish_facet(entry.channel, entry.facet, instances);
}

void ImagingGraph::finish_facet(size_t channel, size_t facet, const std::vector<Instance>& instances) {
  const auto& plan = plan_.channels[channel].facets[facet];
  const auto& y_strips = plan_.channels[channel].y_strips[facet];
  for (const auto& instance : instances) {
    const auto& images = accumulators_[{channel, facet}][instance_slot(instance)];
    const auto& pixels = pixels_[{channel, facet}][instance_slot(instance)];
    image::AssembleArgs assemble{plan_.geometry.nx, plan_.geometry.ny, {}, facet == 0};
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
    const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
    const auto& y_strips = plan_.channels[entry.channel].y_strips[entry.facet];
    std::vector<int64_t> y_strip_begin;
    for (const auto& y : y_strips) y_strip_begin.push_back(y.block_begin);
    y_strip_begin.push_back(y_strips.back().block_end);
    for (int64_t stokes = 0; stokes < plan_.stokes(); ++stokes) {
      const auto& images = accumulators_[{entry.channel, entry.facet}][static_cast<size_t>(stokes)];
      if (entry.slab_begin != 0) continue;
      for (size_t y = 0; y < y_strips.size(); ++y) {
        fft::StepArgs args{.plan = plan, .strip = static_cast<int64_t>(y), .y = y_strips[y]};
        args.divide_by_n = plan_.job.image.divide_by_n;
        args.image_nx = plan_.geometry.nx;
        args.image_ny = plan_.geometry.ny;
        submit(runtime::make_task(fft::uncorrect_codelet(), std::move(args),
                                  {{images[y], Access::write},
                                   {images_.model[entry.channel][static_cast<size_t>(stokes)], Access::read}},
                                  tag(-1, static_cast<int32_t>(entry.facet), -1, static_cast<int32_t>(y)),
                                  7));
      }
    }
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
      for (int64_t stokes = 0; stokes < plan_.stokes(); ++stokes) {
        const auto& images = accumulators_[{entry.channel, entry.facet}][static_cast<size_t>(stokes)];
        const auto& columns = halfway_[transform_turn_++ % halfway_.size()];
        std::vector<std::pair<DataId, Access>> all_columns;
        for (size_t y = 0; y < y_strips.size(); ++y) {
          fft::StepArgs args{.plan = plan, .slab = slab, .strip = static_cast<int64_t>(y), .y = y_strips[y]};
          submit(runtime::make_task(
              fft::columns_to_grid_codelet(), std::move(args),
              {{columns[y], Access::write}, {images[y], Access::read}},
              tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab), static_cast<int32_t>(y)),
              6));
          all_columns.emplace_back(columns[y], Access::read);
        }
        for (int64_t strip = 0; strip < plan->tiles.strips; ++strip, ++at) {
          fft::StepArgs args{.plan = plan, .slab = slab, .strip = strip};
          args.y_strip_begin = y_strip_begin;
          std::vector<std::pair<DataId, Access>> data{{wave_stores_[1][at], Access::write}};
          data.insert(data.end(), all_columns.begin(), all_columns.end());
          submit(runtime::make_task(fft::rows_to_grid_codelet(), std::move(args), std::move(data),
                                    tag(-1, static_cast<int32_t>(entry.facet), static_cast<int32_t>(slab),
                                        static_cast<int32_t>(strip)),
                                    6));
        }
      }
  }
}

void ImagingGraph::degrid(size_t chunk, Loaded& loaded, const Wave& wave, bool first) {
  const auto& planned = plan_.chunks[chunk];
  size_t at = 0;
  for (const auto& entry : wave) {
    const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
    const auto& part = planned.parts[entry.channel];
    const auto strips = static_cast<size_t>(plan->tiles.strips);
    const auto slabs = static_cast<size_t>(entry.slab_end - entry.slab_begin);
    const auto stokes_count = static_cast<size_t>(plan_.stokes());
    const size_t begin = at;
    at += slabs * stokes_count * strips;
    if (part.channel_end <= part.channel_begin) continue;
    build_index(chunk, loaded, entry.channel, entry.facet);
    for (size_t stokes = 0; stokes < stokes_count; ++stokes) {
      gridder::DegridArgs args{plan,
                               entry.slab_begin,
                               entry.slab_end,
                               planned.grid_chunk(entry.channel, entry.facet, plan_.max_uv_lambda),
                               static_cast<int64_t>(stokes),
                               first && !degridded_[chunk]};
      std::vector<std::pair<DataId, Access>> data{
          {loaded.predicted, args.first ? Access::write : Access::read_write},
          {loaded.chunk, Access::read},
          {loaded.index.at({entry.channel, entry.facet}), Access::read}};
      for (size_t slab = 0; slab < slabs; ++slab)
        for (size_t strip = 0; strip < strips; ++strip)
          data.emplace_back(wave_stores_[1][begin + (slab * stokes_count + stokes) * strips + strip],
                            Access::read);
      submit(runtime::make_task(gridder::degrid_codelet(), std::move(args), std::move(data),
                                tag(static_cast<int32_t>(chunk), static_cast<int32_t>(entry.facet)), 5));
      degridded_[chunk] = true;
    }
  }
}

}  // namespace fringeflow::graphs
