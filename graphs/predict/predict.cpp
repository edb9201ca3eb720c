// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/predict/predict.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "codelets/degrid/degrid.hpp"
#include "codelets/fft/transforms.hpp"
#include "codelets/gridder/gridder.hpp"
#include "codelets/gridder/plan.hpp"
#include "codelets/image/image.hpp"
#include "codelets/write/visibilities.hpp"
#include "graphs/progress.hpp"
#include "io/constants.hpp"
#include "io/error.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using runtime::Access;
using runtime::DataId;

constexpr int64_t kChunkVisibilities = int64_t{1} << 19;
constexpr size_t kSlots = 8;
constexpr double kNoLimit = 1e300;  // wavelengths: the pixels of an image predict every baseline

constexpr int64_t kMiB = 1 << 20;
/// Libraries, StarPU, casacore's tiles, and scratch of a few workers.
constexpr int64_t kProgram = 256 * kMiB;

/// Throws UserError when `bytes` do not fit into runtime.memory.
void check_memory(const PredictJob& job, int64_t bytes, const std::string& what) {
  if (job.runtime.memory_bytes <= 0 || kProgram + bytes <= job.runtime.memory_bytes) return;
  throw UserError(fmt::format("runtime.memory: predicting {} needs {} MiB, the limit is {}", what,
                              (kProgram + bytes + kMiB - 1) / kMiB, job.runtime.memory_bytes / kMiB));
}

/// Rows x channels of a chunk. All chunks in flight take at most half of what runtime.memory leaves.
int64_t chunk_visibilities(const PredictJob& job, int64_t stokes) {
  if (job.runtime.memory_bytes <= 0) return kChunkVisibilities;
  // A visibility in a slot, and once as the writer converts it.
  const auto each = static_cast<int64_t>(kSlots) * (stokes * 8 + 24) + 64;
  return std::clamp<int64_t>((job.runtime.memory_bytes - kProgram) / 2 / each, 1 << 12, kChunkVisibilities);
}

/// One set being written: its chunks, frequencies and the token that keeps casacore to one thread.
struct Target {
  std::shared_ptr<io::ColumnWriter> writer;
  std::vector<io::ChunkSpec> chunks;
  DataId token = -1;
  std::shared_ptr<const std::vector<double>> freq_hz(const io::ChunkSpec& chunk) const {
    return std::make_shared<const std::vector<double>>(
        writer->info().windows[static_cast<size_t>(chunk.window)].freq_hz);
  }
};

/// Buffers for the chunks in flight.
struct Slot {
  DataId chunk = -1, vis = -1;
};

void submit_uvw(runtime::Runtime& runtime, const Target& target, const io::ChunkSpec& chunk, DataId buffer,
                int32_t number) {
  auto fill = [writer = target.writer, chunk](View<double, 2> out) { writer->read_uvw(chunk, out); };
  runtime.submit(runtime::make_task(uvw_codelet(), UvwArgs{chunk.rows, std::move(fill)},
                                    {{buffer, Access::write}, {target.token, Access::read_write}}, {number},
                                    2));
}

void submit_write(runtime::Runtime& runtime, const Target& target, const io::ChunkSpec& chunk,
                  const Slot& slot, int64_t stokes, int32_t number) {
  auto write = [writer = target.writer, chunk, stokes](View<const double, 2>,
                                                       View<const std::complex<float>, 3> vis) {
    writer->write(chunk, stokes == 4 ? "IQUV" : "I", vis);
  };
  runtime.submit(runtime::make_task(
      write_rows_codelet(), WriteRowsArgs{chunk.rows, chunk.channels, stokes, std::move(write)},
      {{slot.vis, Access::read}, {slot.chunk, Access::read}, {target.token, Access::read_write}}, {number},
      1));
}

void predict_components(runtime::Runtime& runtime, const std::vector<Target>& targets,
                        const std::vector<io::SkyComponent>& components, const std::vector<Slot>& ring) {
  const int64_t stokes = graphs::stokes_needed(components);
  int32_t number = 0;
  for (const auto& target : targets) {
    // Sources as one window and phase centre see them.
    std::map<std::tuple<int, double, double>, std::shared_ptr<const std::vector<SourceGroup>>> groups;
    for (const auto& chunk : target.chunks) {
      const auto& slot = ring[static_cast<size_t>(number) % ring.size()];
      const auto freq = target.freq_hz(chunk);
      auto& group = groups[{chunk.window, chunk.phase_centre.ra_rad, chunk.phase_centre.dec_rad}];
      if (!group) group = graphs::source_groups(components, chunk.phase_centre, *freq, stokes);
      submit_uvw(runtime, target, chunk, slot.chunk, number);
      runtime.submit(runtime::make_task(simulate_codelet(),
                                        SimulateTaskArgs{chunk.rows, chunk.channels, stokes, freq, group},
                                        {{slot.vis, Access::write}, {slot.chunk, Access::read}}, {number}));
      submit_write(runtime, target, chunk, slot, stokes, number);
      ++number;
    }
  }
}

/// The image on its grid, degridded chunk by chunk. Visibilities beyond the grid are predicted too: the pixels repeat exactly.
void predict_image(runtime::Runtime& runtime, const PredictJob& job, const std::vector<Target>& targets,
                   const io::FitsImage<float>& image, const std::vector<Slot>& ring, int64_t chunk_bytes) {
  const auto& grid = image.header.grid;
  if (image.planes != 1)
    throw UserError(job.model_file + ": a model image must have one plane, this has " +
                    std::to_string(image.planes));
  if (!image.header.grid_problem.empty()) throw UserError(job.model_file + ": " + image.header.grid_problem);
  if (grid.x0 != static_cast<double>(grid.nx / 2) || grid.y0 != static_cast<double>(grid.ny / 2))
    throw UserError(job.model_file + ": the phase centre must be pixel (N/2, N/2) of a model image");
  gridder::UvExtent extent;
  std::vector<double> uvw;
  auto for_each_row = [&](auto visit) {
    for (const auto& target : targets)
      for (size_t i = 0; i < target.chunks.size(); ++i) {
        const auto& chunk = target.chunks[i];
        uvw.resize(static_cast<size_t>(chunk.rows * 3));
        const View<double, 2> view(uvw.data(), {chunk.rows, 3});
        target.writer->read_uvw(chunk, view);
        for (int64_t row = 0; row < chunk.rows; ++row) visit(target, i, &view(row, 0));
      }
  };
  for (const auto& target : targets)
    for (const auto& chunk : target.chunks)
      if (std::abs(std::remainder(chunk.phase_centre.ra_rad - grid.centre.ra_rad, 2 * kPi)) > 1e-8 ||
          std::abs(chunk.phase_centre.dec_rad - grid.centre.dec_rad) > 1e-8)
        throw UserError(fmt::format("{}: its centre {} {} is not the phase centre of {} ({} {})",
                                    job.model_file, io::format_ra(grid.centre.ra_rad),
                                    io::format_dec(grid.centre.dec_rad), target.writer->info().path,
                                    io::format_ra(chunk.phase_centre.ra_rad),
                                    io::format_dec(chunk.phase_centre.dec_rad)));
  for_each_row([&](const Target& target, size_t i, const double* at) {
    const auto& freq = target.writer->info().windows[static_cast<size_t>(target.chunks[i].window)].freq_hz;
    const double top = *std::max_element(freq.begin(), freq.end()) / kSpeedOfLight_m_s,
                 bottom = *std::min_element(freq.begin(), freq.end()) / kSpeedOfLight_m_s;
    extent.max_u_lambda = std::max(extent.max_u_lambda, std::abs(at[0]) * top);
    extent.max_v_lambda = std::max(extent.max_v_lambda, std::abs(at[1]) * top);
    extent.min_w_lambda = extent.visibilities == 0 ? std::abs(at[2]) * bottom
                                                   : std::min(extent.min_w_lambda, std::abs(at[2]) * bottom);
    extent.max_w_lambda = std::max(extent.max_w_lambda, std::abs(at[2]) * top);
    extent.visibilities += static_cast<int64_t>(freq.size());
  });
  gridder::PlanOptions options;
  options.accuracy = job.accuracy;
  gridder::PlanSummary summary;
  auto facets = gridder::plan_facets({grid.nx, grid.ny, grid.cell_rad}, extent, options, summary);
  spdlog::info("{}", summary.text);
  std::vector<gridder::TileMarker> markers;
  for (const auto& facet : facets) markers.emplace_back(*facet, kNoLimit);
  std::map<std::pair<const Target*, size_t>, std::vector<int64_t>> capacity;
  for_each_row([&](const Target& target, size_t i, const double* at) {
    const auto& freq = target.writer->info().windows[static_cast<size_t>(target.chunks[i].window)].freq_hz;
    auto& runs = capacity[{&target, i}];
    runs.resize(facets.size());
    for (size_t f = 0; f < facets.size(); ++f) {
      runs[f] += markers[f].mark(at, freq);
    }
  });
  for (size_t f = 0; f < facets.size(); ++f)
    markers[f].finish(*facets[f], gridder::strips_of(*facets[f], extent.visibilities, options.strips_target));

  int64_t needed = 3 * grid.nx * grid.ny * 4;  // as read, for the task, the task's
  for (size_t f = 0; f < facets.size(); ++f) {
    const auto& plan = *facets[f];
    for (const auto& y : fft::y_strips(plan, 32))
      needed += fft::image_strip_bytes(plan, y) + fft::columns_bytes(plan, y);
    for (int64_t slab = 0; slab < plan.facet.slabs(); ++slab)
      for (int64_t strip = 0; strip < plan.tiles.strips; ++strip)
        needed += gridder::tile_store_bytes(plan, slab, strip);
    int64_t longest = 0;
    for (const auto& [key, runs] : capacity) longest = std::max(longest, gridder::index_bytes(plan, runs[f]));
    needed += longest * static_cast<int64_t>(ring.size());
  }
  check_memory(job, chunk_bytes + needed, fmt::format("from {} with its grid", job.model_file));

  const auto model = runtime.create({"model", grid.nx * grid.ny * 4, 0});
  runtime.submit(runtime::make_task(
      image::fill_codelet(),
      image::FillArgs{std::make_shared<const std::vector<float>>(image.pixels), grid.nx * grid.ny * 4},
      {{model, Access::write}}));
  std::vector<std::vector<DataId>> stores;
  std::vector<int64_t> longest_index(facets.size(), 0);
  for (size_t f = 0; f < facets.size(); ++f) {
    const auto& plan = facets[f];
    const auto y_strips = fft::y_strips(*plan, gridder::strips_of(*plan, 1, options.strips_target));
    std::vector<int64_t> begin;
    std::vector<DataId> sky, columns;
    for (const auto& y : y_strips) {
      begin.push_back(y.block_begin);
      sky.push_back(runtime.create({"image strip", fft::image_strip_bytes(*plan, y), 0}));
      columns.push_back(runtime.create({"columns", fft::columns_bytes(*plan, y), 0}));
      fft::StepArgs args{.plan = plan, .y = y};
      args.image_nx = grid.nx;
      args.image_ny = grid.ny;
      runtime.submit(runtime::make_task(fft::uncorrect_codelet(), std::move(args),
                                        {{sky.back(), Access::write}, {model, Access::read}}));
    }
    begin.push_back(y_strips.back().block_end);
    stores.emplace_back();
    for (int64_t slab = 0; slab < plan->facet.slabs(); ++slab) {
      std::vector<std::pair<DataId, Access>> all;
      for (size_t y = 0; y < y_strips.size(); ++y) {
        runtime.submit(runtime::make_task(fft::columns_to_grid_codelet(),
                                          fft::StepArgs{.plan = plan, .slab = slab, .y = y_strips[y]},
                                          {{columns[y], Access::write}, {sky[y], Access::read}}));
        all.emplace_back(columns[y], Access::read);
      }
      for (int64_t strip = 0; strip < plan->tiles.strips; ++strip) {
        stores.back().push_back(
            runtime.create({"model tiles", gridder::tile_store_bytes(*plan, slab, strip), 0}));
        fft::StepArgs args{.plan = plan, .slab = slab, .strip = strip};
        args.y_strip_begin = begin;
        std::vector<std::pair<DataId, Access>> data{{stores.back().back(), Access::write}};
        data.insert(data.end(), all.begin(), all.end());
        runtime.submit(runtime::make_task(fft::rows_to_grid_codelet(), std::move(args), std::move(data)));
      }
    }
    for (const auto& [key, runs] : capacity)
      longest_index[f] = std::max(longest_index[f], gridder::index_bytes(*plan, runs[f]));
  }
  std::vector<std::vector<DataId>> index(ring.size());
  for (auto& one : index)
    for (const auto bytes : longest_index) one.push_back(runtime.create({"index", bytes, 0}));

  int32_t number = 0;
  for (const auto& target : targets)
    for (size_t i = 0; i < target.chunks.size(); ++i, ++number) {
      const auto& chunk = target.chunks[i];
      const size_t at = static_cast<size_t>(number) % ring.size();
      const auto& slot = ring[at];
      submit_uvw(runtime, target, chunk, slot.chunk, number);
      for (size_t f = 0; f < facets.size(); ++f) {
        const auto& plan = facets[f];
        // No weights: a chunk of the predictor is its uvw alone.
        gridder::GridChunk part{
            {chunk.rows, chunk.channels, 1}, target.freq_hz(chunk), 0, chunk.channels, kNoLimit,
            capacity.at({&target, i})[f]};
        runtime.submit(runtime::make_task(gridder::index_codelet(), gridder::IndexArgs{plan, part, false},
                                          {{slot.chunk, Access::read}, {index[at][f], Access::write}},
                                          {number}));
        gridder::DegridArgs args{plan, 0, plan->facet.slabs(), part, 0, f == 0};
        std::vector<std::pair<DataId, Access>> data{{slot.vis, f == 0 ? Access::write : Access::read_write},
                                                    {slot.chunk, Access::read},
                                                    {index[at][f], Access::read}};
        for (const auto store : stores[f]) data.emplace_back(store, Access::read);
        runtime.submit(
            runtime::make_task(gridder::degrid_codelet(), std::move(args), std::move(data), {number}));
      }
      submit_write(runtime, target, chunk, slot, 1, number);
    }
}

}  // namespace

void run_predict(const PredictJob& job) {
  const auto start = std::chrono::steady_clock::now();
  check_memory(job, 0, "at all");  // before a column is made
  const auto sky = io::load_sky_model(job.model_file);
  const int64_t stokes = sky.image ? 1 : graphs::stokes_needed(sky.components);
  std::vector<Target> targets;
  int64_t rows = 0, samples = 0, total = 0;
  for (const auto& path : job.ms) {
    Target target;
    target.writer = std::make_shared<io::ColumnWriter>(path, job.column);
    target.chunks = target.writer->chunks(chunk_visibilities(job, stokes));
    for (const auto& chunk : target.chunks) {
      rows = std::max(rows, chunk.rows);
      samples = std::max(samples, chunk.rows * chunk.channels);
      total += chunk.rows * chunk.channels;
    }
    targets.push_back(std::move(target));
  }
  const int64_t chunk_bytes =
      static_cast<int64_t>(kSlots) * (padded(rows * 24) + padded(samples * stokes * 8)) + samples * 64;
  check_memory(job, chunk_bytes, fmt::format("chunks of {} visibilities", samples));
  runtime::Runtime runtime(job.runtime);
  for (auto& target : targets) target.token = runtime.create({"set", 64, 0});
  std::vector<Slot> ring;
  for (size_t i = 0; i < kSlots; ++i)
    ring.push_back({runtime.create({"uvw", padded(rows * 24), 0}),
                    runtime.create({"vis", padded(samples * stokes * 8), 0})});
  {
    const graphs::RunWatch watch(runtime, 0);
    if (sky.image)
      predict_image(runtime, job, targets, *sky.image, ring, chunk_bytes);
    else
      predict_components(runtime, targets, sky.components, ring);
    runtime.wait_all();
  }
  for (auto& target : targets) target.writer->flush();
  runtime.learn();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto& path : job.ms)
    spdlog::info("{}: column {} filled from {}", path, job.column, job.model_file);
  spdlog::info("{} visibilities in {:.2f} s", total, seconds);
}

}  // namespace fringeflow
