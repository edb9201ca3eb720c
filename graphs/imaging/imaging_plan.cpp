// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/imaging/imaging_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "graphs/imaging/memory_plan.hpp"
#include "graphs/simulate/simulate.hpp"
#include "io/constants.hpp"
#include "io/error.hpp"
#include "io/fits_image.hpp"
#include "runtime/machine.hpp"

namespace fringeflow::graphs {
namespace {

/// Divides the distinct channel frequencies of all sets into `count` groups of equal size.
std::vector<OutputChannel> output_channels(const std::vector<std::shared_ptr<io::VisibilitySource>>& sets,
                                           int64_t count) {
  std::set<double> distinct;
  double width = 0;
  for (const auto& set : sets)
    for (const auto& window : set->info().windows) {
      distinct.insert(window.freq_hz.begin(), window.freq_hz.end());
      for (const double one : window.width_hz) width = std::max(width, std::abs(one));
    }
  const std::vector<double> freq(distinct.begin(), distinct.end());
  const auto n = static_cast<int64_t>(freq.size());
  if (count > n)
    throw UserError(fmt::format(
        "image.channels_out: {} output channels are asked for but the data have {} distinct channels", count,
        n));
  std::vector<OutputChannel> channels(static_cast<size_t>(count));
  for (int64_t c = 0; c < count; ++c) {
    auto& channel = channels[static_cast<size_t>(c)];
    channel.freq_begin_hz = freq[static_cast<size_t>(c * n / count)];
    channel.freq_end_hz = freq[static_cast<size_t>((c + 1) * n / count - 1)];
    channel.centre_hz = (channel.freq_begin_hz + channel.freq_end_hz) / 2;
    channel.width_hz = channel.freq_end_hz - channel.freq_begin_hz + width;
  }
  return channels;
}

/// The consecutive channels of a window inside [freq_begin, freq_end]; frequencies ascend or descend.
PlannedChunk::Part part_of(const std::vector<double>& freq_hz, const OutputChannel& channel) {
  PlannedChunk::Part part;
  bool found = false;
  for (size_t i = 0; i < freq_hz.size(); ++i) {
    if (freq_hz[i] < channel.freq_begin_hz || freq_hz[i] > channel.freq_end_hz) continue;
    if (!found) part.channel_begin = static_cast<int64_t>(i);
    found = true;
    part.channel_end = static_cast<int64_t>(i) + 1;
  }
  return part;
}

PlannedChunk planned_chunk(const ImagingPlan& plan, size_t set, io::ChunkSpec spec) {
  PlannedChunk chunk;
  chunk.set = plan.sets[set];
  const auto& window = chunk.set->info().windows[static_cast<size_t>(spec.window)];
  spec.ms = static_cast<int>(set);
  chunk.layout = {spec.rows, spec.channels, plan.stokes()};
  chunk.freq_hz = std::make_shared<const std::vector<double>>(window.freq_hz);
  chunk.spec = std::move(spec);
  for (const auto& channel : plan.channels) chunk.parts.push_back(part_of(*chunk.freq_hz, channel));
  return chunk;
}

void scan(ImagingPlan& plan, int64_t chunk_visibilities) {
  plan.chunks.clear();
  for (size_t i = 0; i < plan.sets.size(); ++i) {
    auto& set = plan.sets[i];
    const auto& windows = set->info().windows;
    auto visit = [&](const io::ChunkSpec& spec, View<const double, 2> uvw_m) {
      const auto& freq_hz = windows[static_cast<size_t>(spec.window)].freq_hz;
      for (auto& channel : plan.channels) {
        const auto part = part_of(freq_hz, channel);
        const std::span<const double> used(freq_hz.data() + part.channel_begin,
                                           static_cast<size_t>(part.channel_end - part.channel_begin));
        for (int64_t row = 0; row < uvw_m.extent(0); ++row)
          channel.by_length.add_row(&uvw_m(row, 0), used, plan.max_uv_lambda);
      }
    };
    for (auto& spec : set->scan(chunk_visibilities, plan.centre_shift, visit))
      plan.chunks.push_back(planned_chunk(plan, i, std::move(spec)));
  }
  for (const auto& chunk : plan.chunks) plan.visibilities += chunk.layout.rows * chunk.layout.channels;
  for (auto& channel : plan.channels) channel.extent = channel.by_length.total();
}

/// @param uvw buffer of the result
View<double, 2> uvw_of(const ImagingPlan& plan, const PlannedChunk& chunk, std::vector<double>& uvw) {
  uvw.resize(static_cast<size_t>(chunk.layout.rows * 3));
  const View<double, 2> view(uvw.data(), {chunk.layout.rows, 3});
  chunk.set->read_uvw(chunk.spec, plan.centre_shift, view);
  return view;
}

/// Divides the rows into groups along time where few nodes can stand for them.
void compress_times(ImagingPlan& plan, int64_t chunk_visibilities) {
  // Nodes are in single precision.
  constexpr double kFinestAccuracy = 1e-6;
  // Share of the rows above which compressing costs what it saves.
  constexpr double kWorthwhile = 0.7;
  constexpr int64_t kSampled = int64_t{1} << 20, kTimes = gridder::TimeCompression::kTimes;
  const double accuracy = plan.job.image.accuracy;
  if (accuracy < kFinestAccuracy) return;
  for (const auto& channel : plan.channels)
    if (!channel.empty() && channel.summary.double_precision) return;
  auto compression =
      std::make_shared<const gridder::TimeCompression>(plan.geometry, accuracy, plan.max_uv_lambda);

  // The choice must not depend on chunk sizes, so chunks of one size are looked at: of each set the first, middle and last.
  int64_t rows = 0, nodes = 0;
  std::vector<double> uvw;
  for (size_t i = 0; i < plan.sets.size(); ++i) {
    const auto specs = plan.sets[i]->group_times(kTimes, kSampled);
    const std::set<size_t> sampled{0, specs.size() / 2, specs.size() - std::min<size_t>(specs.size(), 1)};
    for (const size_t s : sampled) {
      if (s >= specs.size() || specs[s].order.times == 1) continue;
      const auto chunk = planned_chunk(plan, i, specs[s]);
      const auto view = uvw_of(plan, chunk, uvw);
      rows += chunk.layout.rows;
      nodes += compression->choose(view, chunk.spec.order.times, *chunk.freq_hz).rows;
    }
  }
  if (rows == 0 || static_cast<double>(nodes) > kWorthwhile * static_cast<double>(rows)) return;

  std::vector<PlannedChunk> chunks;
  for (size_t i = 0; i < plan.sets.size(); ++i) {
    const size_t before = chunks.size();
    for (auto& spec :
         plan.sets[i]->group_times(kTimes, plan.sets[i]->grouped_target(kTimes, chunk_visibilities)))
      chunks.push_back(planned_chunk(plan, i, std::move(spec)));
    if (chunks.size() > before) continue;
    for (auto& chunk : plan.chunks)
      if (chunk.set == plan.sets[i]) chunks.push_back(std::move(chunk));
  }
  plan.chunks = std::move(chunks);
  plan.compression = std::move(compression);
}

/// Second look at UVW: which tiles are touched, and how long the indices can become.
void mark_tiles(ImagingPlan& plan, int strips) {
  struct Target {
    size_t channel, facet;
    gridder::TileMarker marker;
  };
  const int threads = std::min(plan.workers(), 8);
  std::vector<Target> targets;
  for (size_t c = 0; c < plan.channels.size(); ++c)
    for (size_t f = 0; f < plan.channels[c].facets.size(); ++f)
      targets.push_back(
          {c, f, gridder::TileMarker(*plan.channels[c].facets[f], plan.max_uv_lambda, threads)});
  std::vector<double> uvw, node_uvw;
  for (auto& chunk : plan.chunks) {
    for (size_t c = 0; c < plan.channels.size(); ++c)
      chunk.parts[c].run_capacity.assign(plan.channels[c].facets.size(), 0);
    View<double, 2> view = uvw_of(plan, chunk, uvw);
    if (plan.compression) {
      // Rows that are in no groups are kept: all of them as one group.
      const int64_t times = chunk.spec.order.times > 1 ? chunk.spec.order.times : chunk.layout.rows;
      chunk.groups = plan.compression->choose(view, times, *chunk.freq_hz);
      chunk.nodes = {chunk.groups.rows, chunk.layout.channels, plan.stokes() + (plan.job.image.psf ? 1 : 0)};
      node_uvw.resize(static_cast<size_t>(chunk.nodes.rows * 3));
      const View<double, 2> nodes(node_uvw.data(), {chunk.nodes.rows, 3});
      gridder::fill_node_uvw(chunk.groups, plan.compression->nodes(), view, nodes);
      view = nodes;
    }
    for (auto& target : targets) {
      auto& part = chunk.parts[target.channel];
      const std::span<const double> freq(chunk.freq_hz->data() + part.channel_begin,
                                         static_cast<size_t>(part.channel_end - part.channel_begin));
      part.run_capacity[target.facet] = target.marker.mark_rows(view, freq);
    }
  }
  for (auto& target : targets) {
    auto& facet = *plan.channels[target.channel].facets[target.facet];
    target.marker.finish(facet, gridder::strips_of(facet, facet.visibilities, strips));
  }
}

/// The set, or what an earlier stage declares of it where it is not there yet.
std::shared_ptr<io::MeasurementSet> open_or_declare(const ImagingJob& job, const std::string& path) {
  std::error_code ignored;
  for (const auto& stage : job.made_by)
    if (stage->output == path && (job.plan_as_declared || !std::filesystem::exists(path, ignored)))
      return std::make_shared<io::MeasurementSet>(path, describe_observation(*stage), job.selection);
  return std::make_shared<io::MeasurementSet>(path, job.selection);
}

}  // namespace

ImagingPlan plan_imaging_job(const ImagingJob& job, ChunkFeed* feed) {
  ImagingPlan plan;
  plan.job = job;
  const auto& image = job.image;
  plan.geometry = {image.nx, image.ny, image.cell_rad};
  plan.max_uv_lambda = 1 / (2 * image.cell_rad);
  if (feed != nullptr) {
    plan.sets.push_back(feed->source());
    plan.density_ahead = feed->weights_known();
  } else {
    for (const auto& path : job.ms) plan.measurement_sets.push_back(open_or_declare(job, path));
    io::check_compatible(plan.measurement_sets, image.centre);
    plan.sets.assign(plan.measurement_sets.begin(), plan.measurement_sets.end());
  }
  plan.centre = image.centre ? *image.centre : plan.sets.front()->info().phase_centre;
  plan.centre_shift = image.centre;
  plan.channels = output_channels(plan.sets, image.channels_out);

  const io::ImageGrid grid(plan.centre, image.cell_rad, image.nx, image.ny);
  if (!job.deconvolve.mask_file.empty()) {
    const auto file = io::read_fits_matching<float>(job.deconvolve.mask_file, grid, "mask");
    auto mask = std::make_shared<std::vector<uint8_t>>(file.pixels.size());
    std::transform(file.pixels.begin(), file.pixels.end(), mask->begin(),
                   [](float p) { return std::isfinite(p) && p != 0; });
    plan.mask = std::move(mask);
  }
  if (!job.deconvolve.model_file.empty())
    plan.start_model = std::make_shared<const std::vector<float>>(
        io::read_fits_matching<float>(job.deconvolve.model_file, grid, "model").pixels);

  plan.memory.budget =
      job.runtime.memory_bytes > 0 ? job.runtime.memory_bytes : runtime::available_memory_bytes() * 8 / 10;
  scan(plan, chunk_visibilities(plan.memory.budget, plan.stokes()));
  for (const auto& set : plan.measurement_sets) set->check_stokes(image.stokes);
  if (feed != nullptr) plan.feed_bytes = feed->bytes();
  if (plan.chunks.empty()) throw RunError(plan.sets.front()->info().path + ": no rows are selected");

  gridder::PlanOptions options;
  options.accuracy = image.accuracy;
  options.facets_per_side = image.facets;
  options.divide_by_n = image.divide_by_n;
  const auto facet_gains = load_facet_gains(plan);
  if (facet_gains) {
    if (options.facets_per_side == 0)
      options.facets_per_side = rectangles_per_side(facet_gains->table.directions.size());
    options.divide = options.resample =
        false;  // a facet's pixels are the image's, so that cells can be cut out of them
  }
  bool any = false;
  for (auto& channel : plan.channels) {
    if (channel.empty()) continue;
    any = true;
    channel.facets = gridder::plan_facets(plan.geometry, channel.by_length, options, channel.summary);
  }
  if (!any)
    throw RunError(
        fmt::format("{}: no visibility fits on the grid: all have |u| or |v| beyond 1/(2 cell) = {:.6g} "
                    "wavelengths; use smaller cells",
                    plan.sets.front()->info().path, plan.max_uv_lambda));
  if (facet_gains) {
    divide_facets(plan, *facet_gains);
    key_rows(plan, *facet_gains);
    plan.facet_gains = facet_gains;
  }
  if (!facet_gains) compress_times(plan, chunk_visibilities(plan.memory.budget, plan.stokes()));
  mark_tiles(plan, options.strips_target);
  for (auto& channel : plan.channels) {
    channel.y_strips.clear();
    for (const auto& facet : channel.facets)
      channel.y_strips.push_back(fft::y_strips(*facet, gridder::strips_of(*facet, 1, options.strips_target)));
  }
  if (plan.cleans()) plan_cleaning(plan);
  plan_memory(plan);
  return plan;
}

std::string describe(const ImagingPlan& plan) {
  const auto mib = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  std::string text = fmt::format("image     {} x {} pixels, {} visibilities in {} chunks\n", plan.geometry.nx,
                                 plan.geometry.ny, plan.visibilities, plan.chunks.size());
  for (size_t c = 0; c < plan.channels.size(); ++c) {
    const auto& channel = plan.channels[c];
    text +=
        fmt::format("channel   {}: {:.6g}..{:.6g} MHz, {}\n", c, channel.freq_begin_hz * 1e-6,
                    channel.freq_end_hz * 1e-6, channel.empty() ? "no visibilities" : channel.summary.text);
  }
  if (plan.compression) {
    int64_t rows = 0, nodes = 0;
    for (const auto& chunk : plan.chunks) {
      rows += chunk.layout.rows;
      nodes += chunk.nodes.rows;
    }
    text += fmt::format("nodes     {} rows along time stand for {} integrations of baselines ({:.0f} %)\n",
                        nodes, rows, 100.0 * static_cast<double>(nodes) / static_cast<double>(rows));
  }
  const auto& memory = plan.memory;
  text += fmt::format(
      "memory    {:.0f} MiB of {:.0f}: base {:.0f}, reading {:.0f}, chunks {:.0f} ({}), images {:.0f}, grids "
      "{:.0f} ({} waves), "
      "transforms {:.0f}, clean {:.0f}\n",
      mib(memory.total()), mib(memory.budget), mib(memory.base), mib(memory.read_buffers), mib(memory.chunks),
      !plan.reads()     ? "made in memory"
      : memory.resident ? "kept"
                        : fmt::format("ring of {}", memory.ring_slots),
      mib(memory.images), mib(memory.grids), plan.sky_waves.size(), mib(memory.transforms),
      mib(memory.clean));
  if (memory.cache_bytes > 0)
    text += fmt::format("cache     {:.0f} MiB in {}, for the passes after the first\n",
                        mib(memory.cache_bytes), memory.cache_folder);
  return text;
}

}  // namespace fringeflow::graphs
