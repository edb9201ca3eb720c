// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Chunks of visibilities: kept in memory when they fit, else streamed through a ring whose write-after-read is the throttle.
#include <algorithm>

#include "codelets/gridder/gridder.hpp"
#include "codelets/image/image.hpp"
#include "codelets/weight/weigh.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/imaging/memory_plan.hpp"

namespace fringeflow::graphs {

void ImagingGraph::create_chunks() {
  const auto& memory = plan_.memory;
  const size_t n = plan_.chunks.size();
  loaded_once_.assign(n, false);
  weighed_once_.assign(n, false);
  sums_ = create("sums of weights",
                 static_cast<int64_t>(plan_.channels.size()) * plan_.stokes() * int64_t{sizeof(double)});
  submit(runtime::make_task(
      image::zero_codelet(),
      image::ZeroArgs{static_cast<int64_t>(plan_.channels.size()) * plan_.stokes() * int64_t{sizeof(double)}},
      {{sums_, Access::write}}));
  resident_.resize(n);
  if (memory.resident) {
    for (size_t i = 0; i < n; ++i) {
      resident_[i].chunk = create("chunk " + std::to_string(i), plan_.chunks[i].layout.bytes());
      if (plan_.compression)
        resident_[i].nodes = create("nodes of chunk " + std::to_string(i), plan_.chunks[i].nodes.bytes());
    }
    if (feed_ != nullptr) {
      std::vector<DataId> chunks;
      for (const auto& one : resident_) chunks.push_back(one.chunk);
      feed_->begin(sink_, plan_, chunks, counters_);
    }
  } else {
    if (!memory.cache_folder.empty()) cache_ = std::make_shared<io::ScratchFile>(memory.cache_folder);
    for (size_t i = 0, at = 0; i < n && !memory.cache_folder.empty(); ++i) {
      cache_tokens_.push_back(create("cache of chunk " + std::to_string(i), 64));
      cache_offset_.push_back(static_cast<int64_t>(at));
      at += static_cast<size_t>(plan_.chunks[i].layout.bytes());
    }
    int64_t most = 0, most_nodes = 0;
    for (const auto& chunk : plan_.chunks) {
      most = std::max(most, chunk.layout.bytes());
      most_nodes = std::max(most_nodes, chunk.nodes.bytes());
    }
    ring_.resize(static_cast<size_t>(memory.ring_slots));
    for (size_t i = 0; i < ring_.size(); ++i) {
      ring_[i].chunk = create("ring slot " + std::to_string(i), most);
      if (most_nodes > 0) ring_[i].nodes = create("nodes of ring slot " + std::to_string(i), most_nodes);
      for (size_t c = 0; c < plan_.channels.size(); ++c)
        for (size_t f = 0; f < plan_.channels[c].facets.size(); ++f)
          ring_[i].index[{c, f}] =
              create("index of ring slot " + std::to_string(i), longest_index(plan_, c, f));
    }
  }
  if (plan_.facet_gains) create_turned();
  if (!plan_.cleans()) return;
  const auto create_predicted = [&](Loaded& one, const std::string& of, int64_t bytes, int64_t nodes_bytes) {
    one.predicted = create("predicted, " + of, bytes);
    if (nodes_bytes > 0) one.nodes_predicted = create("predicted nodes, " + of, nodes_bytes);
  };
  int64_t most = 0, most_nodes = 0;
  for (const auto& chunk : plan_.chunks) {
    most = std::max(most, chunk.layout.vis_bytes());
    most_nodes = std::max(most_nodes, chunk.nodes_predicted_bytes());
  }
  if (memory.resident || memory.predicted_resident)
    for (size_t i = 0; i < n; ++i)
      create_predicted(resident_[i], "chunk " + std::to_string(i), plan_.chunks[i].layout.vis_bytes(),
                       plan_.chunks[i].nodes_predicted_bytes());
  else
    for (size_t i = 0; i < ring_.size(); ++i)
      create_predicted(ring_[i], "ring slot " + std::to_string(i), most, most_nodes);
}

ImagingGraph::Loaded& ImagingGraph::load(size_t chunk) {
  const bool resident = plan_.memory.resident;
  if (resident && loaded_once_[chunk]) return resident_[chunk];
  auto& slot = resident ? resident_[chunk] : ring_[static_cast<size_t>(loads_++) % ring_.size()];
  if (!resident && resident_[chunk].predicted >= 0) {
    slot.predicted = resident_[chunk].predicted;
    slot.nodes_predicted = resident_[chunk].nodes_predicted;
  }
  if (feed_ != nullptr) {
    if (!sink_.failed()) feed_->submit_visibilities(sink_, chunk);
    loaded_once_[chunk] = true;
    return slot;
  }
  read_or_recall(chunk, slot.chunk);
  loaded_once_[chunk] = true;
  return slot;
}

void ImagingGraph::read_or_recall(size_t chunk, DataId into) {
  const auto& planned = plan_.chunks[chunk];
  const auto where = tag(static_cast<int32_t>(chunk));
  const auto cached = [&] { return CacheArgs{cache_, cache_offset_[chunk], planned.layout.bytes()}; };
  if (cache_ && loaded_once_[chunk])
    return submit(runtime::make_task(recall_codelet(), cached(),
                                     {{into, Access::write}, {cache_tokens_[chunk], Access::read}}, where,
                                     10));
  ReadArgs args{plan_.measurement_sets[static_cast<size_t>(planned.spec.ms)],
                planned.spec,
                planned.layout,
                plan_.job.image.stokes,
                plan_.centre_shift,
                counters_,
                !loaded_once_[chunk]};
  submit(runtime::make_task(read_codelet(), std::move(args), {{into, Access::write}}, where, 10));
  if (cache_)
    submit(runtime::make_task(keep_codelet(), cached(),
                              {{into, Access::read}, {cache_tokens_[chunk], Access::write}}, where, 9));
}

ImagingGraph::Loaded& ImagingGraph::load_weights(size_t chunk) {
  if (!plan_.density_ahead) return load(chunk);
  if (!sink_.failed()) feed_->submit_weights(sink_, chunk);
  return resident_[chunk];
}

void ImagingGraph::weigh(size_t chunk, Loaded& loaded) {
  if (plan_.memory.resident && weighed_once_[chunk]) return;
  const auto& planned = plan_.chunks[chunk];
  weight::WeighArgs args;
  args.layout = planned.layout;
  args.freq_hz = planned.freq_hz;
  args.options = plan_.job.image;
  args.geometry = weight::density_geometry(plan_.geometry);
  args.counters = counters_;
  for (size_t c = 0; c < plan_.channels.size(); ++c)
    args.channels.push_back({planned.parts[c].channel_begin, planned.parts[c].channel_end});
  args.first_time = !weighed_once_[chunk];
  weighed_once_[chunk] = true;
  std::vector<std::pair<DataId, Access>> data{{loaded.chunk, Access::read_write}};
  if (plan_.needs_density()) {
    data.emplace_back(density_, Access::read);
    data.emplace_back(density_summary_, Access::read);
  }
  const weight::SumWeightsArgs sum{args.layout, args.channels};
  const bool first_time = args.first_time;
  submit(runtime::make_task(weight::weigh_codelet(), std::move(args), std::move(data),
                            tag(static_cast<int32_t>(chunk)), 8));
  if (first_time)
    submit(runtime::make_task(weight::sum_weights_codelet(), sum,
                              {{sums_, Access::read_write}, {loaded.chunk, Access::read}},
                              tag(static_cast<int32_t>(chunk)), 8));
}

void ImagingGraph::build_index(size_t chunk, Loaded& loaded, size_t channel, size_t facet) {
  const auto& planned = plan_.chunks[chunk];
  auto& id = loaded.index[{channel, facet}];
  const auto& plan = plan_.channels[channel].facets[facet];
  if (plan_.memory.resident) {
    if (id > 0) return;  // 0 is the sums of weights: never an index
    id = create("index of chunk " + std::to_string(chunk),
                gridder::index_bytes(*plan, planned.parts[channel].run_capacity[facet]));
  }
  gridder::IndexArgs args{plan, planned.grid_chunk(channel, facet, plan_.max_uv_lambda), plan_.stokes() == 1};
  submit(runtime::make_task(gridder::index_codelet(), std::move(args),
                            {{gridded(loaded), Access::read}, {id, Access::write}},
                            tag(static_cast<int32_t>(chunk), static_cast<int32_t>(facet)), 7));
}

gridder::NodesOf ImagingGraph::nodes_of(size_t chunk) const {
  const auto& planned = plan_.chunks[chunk];
  return {planned.groups, plan_.compression, planned.layout, planned.nodes};
}

void ImagingGraph::compress(size_t chunk, const Loaded& loaded, bool residual) {
  if (!plan_.compression) return;
  std::vector<std::pair<DataId, Access>> data{{loaded.nodes, Access::write}, {loaded.chunk, Access::read}};
  if (residual) data.emplace_back(loaded.predicted, Access::read);
  // Only the first pass has a PSF.
  const bool psf = plan_.job.image.psf && cycle_ == 0 && !residual;
  submit(runtime::make_task(gridder::compress_codelet(),
                            gridder::CompressArgs{nodes_of(chunk), residual, psf}, std::move(data),
                            tag(static_cast<int32_t>(chunk)), 7));
}

void ImagingGraph::density_pass() {
  const auto geometry = weight::density_geometry(plan_.geometry);
  const int64_t bytes = geometry.size() * int64_t{sizeof(double)};
  density_ = create("density of weights", bytes);
  density_summary_ = create("density summary", 64);
  submit(runtime::make_task(image::zero_codelet(), image::ZeroArgs{bytes}, {{density_, Access::write}}));
  for (size_t i = 0; i < plan_.chunks.size(); ++i) {
    const auto& loaded = load_weights(i);
    weight::DensityArgs args{geometry, plan_.chunks[i].layout, plan_.chunks[i].freq_hz};
    submit(runtime::make_task(weight::density_codelet(), std::move(args),
                              {{density_, Access::read_write}, {loaded.chunk, Access::read}},
                              tag(static_cast<int32_t>(i)), 9));
  }
  submit(runtime::make_task(weight::density_summary_codelet(), weight::DensitySummaryArgs{geometry},
                            {{density_summary_, Access::write}, {density_, Access::read}}, tag(), 9));
}

}  // namespace fringeflow::graphs
