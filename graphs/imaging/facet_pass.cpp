// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Passes with gains by direction: visibilities are turned for one direction after the other in a buffer beside their chunk.
#include <algorithm>

#include "codelets/facet/facet.hpp"
#include "codelets/fft/transforms.hpp"
#include "graphs/imaging/imaging_graph.hpp"

namespace fringeflow::graphs {

void ImagingGraph::create_turned() {
  if (plan_.memory.resident) {
    for (size_t i = 0; i < resident_.size(); ++i)
      resident_[i].turned = create("turned " + std::to_string(i), plan_.chunks[i].layout.vis_bytes());
  } else {
    int64_t most = 0;
    for (const auto& chunk : plan_.chunks) most = std::max(most, chunk.layout.vis_bytes());
    for (size_t i = 0; i < ring_.size(); ++i)
      ring_[i].turned = create("turned, ring slot " + std::to_string(i), most);
  }
}

void ImagingGraph::turn(size_t begin, std::span<Loaded* const> loaded, int32_t direction, bool residual) {
  for (size_t i = 0; i < loaded.size(); ++i) {
    const auto& chunk = plan_.chunks[begin + i];
    submit(runtime::make_task(
        facet::divide_codelet(),
        facet::DivideArgs{chunk.layout,
                          plan_.facet_gains->of(begin + i, static_cast<size_t>(chunk.spec.ms), direction),
                          !residual},
        {{loaded[i]->turned, Access::write},
         {residual ? loaded[i]->predicted : loaded[i]->chunk, Access::read}},
        tag(static_cast<int32_t>(begin + i), direction), 4));
  }
}

void ImagingGraph::degrid_directions(size_t chunk, Loaded& loaded, const Wave& wave, bool first) {
  const auto& planned = plan_.chunks[chunk];
  // What degrid() takes for predictions is the turned buffer, afresh for every slab: sums must not depend on how waves are packed.
  const DataId predicted = loaded.predicted;
  bool written = !first || degridded_[chunk];
  size_t at = 0;
  for (const auto& entry : wave) {
    const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
    const auto& part = planned.parts[entry.channel];
    const auto strips = static_cast<size_t>(plan->tiles.strips);
    const bool used = part.channel_end > part.channel_begin;
    if (used) build_index(chunk, loaded, entry.channel, entry.facet);
    for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab, at += strips) {
      if (!used) continue;
      gridder::DegridArgs args;
      args.plan = plan;
      args.slab_begin = slab;
      args.slab_end = slab + 1;
      args.strip_end = plan->tiles.strips;
      Loaded* const one = &loaded;
      loaded.predicted = loaded.turned;
      degridded_[chunk] = false;
      degrid(entry, std::move(args), chunk, std::span(&one, 1),
             std::span<const DataId>(wave_stores_[1].data() + at, strips), true);
      loaded.predicted = predicted;
      const int32_t direction = direction_of(entry);
      submit(runtime::make_task(
          facet::multiply_codelet(),
          facet::MultiplyArgs{planned.layout,
                              plan_.facet_gains->of(chunk, static_cast<size_t>(planned.spec.ms), direction),
                              !written},
          {{predicted, written ? Access::read_write : Access::write}, {loaded.turned, Access::read}},
          tag(static_cast<int32_t>(chunk), direction), 5));
      written = true;
    }
  }
  degridded_[chunk] = written;
}

DataId ImagingGraph::model_of(const WaveEntry& entry, int64_t stokes) {
  const DataId model = images_.model[entry.channel][static_cast<size_t>(stokes)];
  if (!plan_.facet_gains) return model;
  const std::pair key(entry.channel, direction_of(entry));
  const int64_t bytes = plan_.geometry.nx * plan_.geometry.ny * int64_t{sizeof(float)};
  const auto [at, fresh] = cut_models_.try_emplace(key, -1);
  if (fresh) at->second = create("model of direction " + std::to_string(key.second), bytes);
  if (cut_now_.insert(key).second)
    submit(runtime::make_task(facet::cut_codelet(), facet::CutArgs{plan_.facet_gains->map, key.second},
                              {{at->second, Access::write}, {model, Access::read}}, tag(-1, key.second), 8));
  return at->second;
}

void ImagingGraph::stitch(const WaveEntry& entry, const Instance& instance,
                          const std::vector<DataId>& pixels) {
  const auto& plan = plan_.channels[entry.channel].facets[entry.facet];
  const auto& y_strips = plan_.channels[entry.channel].y_strips[entry.facet];
  facet::StitchArgs args{plan_.geometry.nx,      plan_.geometry.ny,   {},
                         plan_.facet_gains->map, direction_of(entry), entry.facet == 0};
  std::vector<std::pair<DataId, Access>> data{
      {image_of(entry.channel, instance), entry.facet == 0 ? Access::write : Access::read_write}};
  for (size_t y = 0; y < y_strips.size(); ++y) {
    const auto [first, last] = fft::y_rows(*plan, y_strips[y]);
    args.strips.push_back({plan->facet.y_begin + first, plan->facet.x_begin, last - first, plan->facet.nx});
    data.emplace_back(pixels[y], Access::read);
  }
  submit(runtime::make_task(facet::stitch_codelet(), std::move(args), std::move(data),
                            tag(-1, static_cast<int32_t>(entry.facet)), 8));
}

}  // namespace fringeflow::graphs
