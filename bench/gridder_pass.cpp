// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Times one gridding pass (visibilities to dirty image) and one degridding pass (image to visibilities) as the program
/// runs them, in tasks, on arrays in memory. bench/compare runs it in turn with a peer.
///
///   gridder_pass FOLDER NX NY CELL_RAD ACCURACY CPUS OPERATION
///
/// FOLDER has uvw.f64 [row][3] metres, freq.f64 [channel] Hz, vis.c64 [row][channel] (complex float), and for degrid
/// model.f32 [y][x]. OPERATION is grid (writes dirty.f32 [y][x]) or degrid (writes predicted.c64). Prints one line of
/// JSON: seconds from the visibilities in memory to the result in memory, planning, index and first touches included.
#include <algorithm>
#include <chrono>
#include <complex>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codelets/degrid/degrid.hpp"
#include "codelets/fft/transforms.hpp"
#include "codelets/grid/grid.hpp"
#include "codelets/gridder/gridder.hpp"
#include "codelets/gridder/plan.hpp"
#include "codelets/image/image.hpp"
#include "codelets/resample/refine.hpp"
#include "io/constants.hpp"
#include "runtime/runtime.hpp"

namespace fringeflow {
namespace {

using runtime::Access;
using runtime::DataId;

constexpr int64_t kChunkVisibilities = int64_t{1} << 20;

template <class T>
std::vector<T> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error(path + ": cannot be read");
  std::vector<T> values(static_cast<size_t>(in.tellg()) / sizeof(T));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

void write_file(const std::string& path, const void* data, int64_t bytes) {
  std::ofstream out(path, std::ios::binary);
  if (!out.write(static_cast<const char*>(data), bytes))
    throw std::runtime_error(path + ": cannot be written");
}

/// The visibilities in chunks as the program keeps them, and what was asked for.
class Pass {
 public:
  Pass(runtime::Runtime& runtime, const std::string& folder, gridder::ImageGeometry image, double accuracy,
       int cpus)
      : runtime_(runtime), image_(image), cpus_(cpus), uvw_(read_file<double>(folder + "/uvw.f64")) {
    options_.accuracy = accuracy;
    freq_ = std::make_shared<const std::vector<double>>(read_file<double>(folder + "/freq.f64"));
    const auto vis = read_file<std::complex<float>>(folder + "/vis.c64");
    const auto channels = static_cast<int64_t>(freq_->size()), rows = static_cast<int64_t>(uvw_.size() / 3);
    if (static_cast<int64_t>(vis.size()) != rows * channels)
      throw std::runtime_error("sizes of uvw, freq and vis differ");
    const int64_t step = std::max<int64_t>(1, kChunkVisibilities / channels);
    for (int64_t row = 0; row < rows; row += step) {
      Chunk chunk;
      chunk.layout = {std::min(step, rows - row), channels, 1};
      chunk.first_row = row;
      chunk.data = runtime.create({"chunk", chunk.layout.bytes(), 0});
      runtime.submit(runtime::make_task(image::zero_codelet(), image::ZeroArgs{chunk.layout.bytes()},
                                        {{chunk.data, Access::write}}));
      chunks_.push_back(chunk);
    }
    runtime.wait_all();
    for (const Chunk& chunk : chunks_) {
      void* buffer = runtime.host(chunk.data).data;
      const int64_t n = chunk.layout.rows * channels;
      std::copy_n(uvw_.data() + 3 * chunk.first_row, 3 * chunk.layout.rows,
                  chunk.layout.uvw_m(buffer).data());
      std::copy_n(vis.data() + chunk.first_row * channels, n, chunk.layout.vis(buffer).data());
      std::fill_n(chunk.layout.weight(buffer).data(), n, 1.0f);
    }
  }

  void plan() {
    gridder::ExtentByLength extent;
    for (size_t i = 0; i < uvw_.size(); i += 3) extent.add_row(uvw_.data() + i, *freq_, 1e300);
    facets_ = gridder::plan_facets(image_, extent, options_, summary);
    for (auto& facet : facets_) {
      gridder::TileMarker marker(*facet, 1e300, cpus_);
      std::vector<int64_t> capacity;
      for (const Chunk& chunk : chunks_)
        capacity.push_back(
            marker.mark_rows({uvw_.data() + 3 * chunk.first_row, {chunk.layout.rows, 3}}, *freq_));
      marker.finish(*facet, gridder::strips_of(*facet, facet->visibilities, options_.strips_target));
      capacity_.push_back(std::move(capacity));
    }
  }

  /// @return the dirty image
  DataId grid() {
    const auto dirty = runtime_.create({"image", image_.nx * image_.ny * 4, 0});
    const auto sums = runtime_.create({"sums", 8, 0});
    submit(image::zero_codelet(), image::ZeroArgs{8}, {{sums, Access::write}});
    runtime_.wait_all();
    *static_cast<double*>(runtime_.host(sums).data) = 1;
    // Stores of tiles and half-transformed rows are taken in turn by all strips, slabs and facets, as in the program.
    std::vector<int64_t> row_bytes;
    for (const auto& plan : facets_)
      for (int64_t strip = 0; strip < plan->tiles.strips; ++strip) {
        row_bytes.resize(std::max(row_bytes.size(), static_cast<size_t>(strip) + 1));
        row_bytes[static_cast<size_t>(strip)] =
            std::max(row_bytes[static_cast<size_t>(strip)], fft::rows_bytes(*plan, strip));
      }
    const auto stores = create_stores();
    std::vector<DataId> row_ids;
    for (const int64_t bytes : row_bytes) row_ids.push_back(runtime_.create({"rows", bytes, 0}));
    const auto facet_ids = create_facet_buffers();
    size_t store_turn = 0;
    for (size_t f = 0; f < facets_.size(); ++f) {
      const auto& plan = facets_[f];
      const auto indices = index(f);
      std::vector<std::pair<DataId, Access>> rows;
      const auto y_strips = fft::y_strips(*plan, gridder::strips_of(*plan, 1, options_.strips_target));
      const auto& [images, pixels] = facet_ids[f % facet_ids.size()];
      for (int64_t strip = 0; strip < plan->tiles.strips; ++strip)
        rows.emplace_back(row_ids[static_cast<size_t>(strip)], Access::read);
      for (int64_t slab = 0; slab < plan->facet.slabs(); ++slab) {
        DataId previous = -1;
        for (int64_t strip = 0; strip < plan->tiles.strips; ++strip) {
          const DataId store = stores[store_turn++ % stores.size()];
          submit(gridder::clear_codelet(), gridder::ClearArgs{plan, slab, strip}, {{store, Access::write}});
          constexpr size_t kBatch = 16;
          for (size_t begin = 0; begin < chunks_.size() && plan->tiles.slots_of(slab, strip) > 0;
               begin += kBatch) {
            gridder::GridArgs args;
            args.plan = plan;
            args.slab = slab;
            args.strip = strip;
            std::vector<std::pair<DataId, Access>> data{{store, Access::read_write}};
            for (size_t i = begin; i < std::min(chunks_.size(), begin + kBatch); ++i) {
              args.chunks.push_back(part(f, i));
              data.emplace_back(chunks_[i].data, Access::read);
              data.emplace_back(indices[i], Access::read);
            }
            submit(gridder::grid_codelet(), std::move(args), std::move(data));
          }
          std::vector<std::pair<DataId, Access>> data{{rows[static_cast<size_t>(strip)].first, Access::write},
                                                      {store, Access::read}};
          if (strip > 0) data.emplace_back(previous, Access::read);
          submit(fft::rows_to_sky_codelet(), fft::StepArgs{.plan = plan, .slab = slab, .strip = strip},
                 std::move(data));
          previous = store;
        }
        for (size_t y = 0; y < y_strips.size(); ++y) {
          fft::StepArgs args{.plan = plan, .slab = slab, .y = y_strips[y]};
          args.first = slab == 0;
          std::vector<std::pair<DataId, Access>> data{
              {images[y], slab == 0 ? Access::write : Access::read_write}};
          data.insert(data.end(), rows.begin(), rows.end());
          submit(fft::columns_to_sky_codelet(), std::move(args), std::move(data));
        }
      }
      image::AssembleArgs assemble{image_.nx, image_.ny, {}, plan->adds_to_image};
      resample::RefineArgs refine{plan, image_.nx, image_.ny, {}};
      std::vector<std::pair<DataId, Access>> data{{dirty, f == 0 ? Access::write : Access::read_write}};
      for (size_t y = 0; y < y_strips.size(); ++y) {
        submit(fft::correct_codelet(), fft::StepArgs{.plan = plan, .y = y_strips[y]},
               {{pixels[y], Access::write}, {images[y], Access::read}, {sums, Access::read}});
        const auto [first, last] = fft::y_rows(*plan, y_strips[y]);
        refine.rows.push_back(last - first);
        assemble.strips.push_back(
            {plan->facet.y_begin + first, plan->facet.x_begin, last - first, plan->facet.nx});
        data.emplace_back(pixels[y], Access::read);
      }
      if (plan->resampling)
        submit(resample::refine_codelet(), std::move(refine), std::move(data));
      else
        submit(image::assemble_codelet(), std::move(assemble), std::move(data));
    }
    return dirty;
  }

  /// @return predicted visibilities of each chunk
  std::vector<DataId> degrid(DataId model) {
    std::vector<DataId> predicted;
    for (const Chunk& chunk : chunks_)
      predicted.push_back(runtime_.create({"predicted", chunk.layout.vis_bytes(), 0}));
    // Stores of tiles and half-transformed columns are taken in turn by all strips, slabs and facets, as in the program.
    std::vector<int64_t> column_bytes;
    for (const auto& plan : facets_) {
      const auto y_strips = fft::y_strips(*plan, gridder::strips_of(*plan, 1, options_.strips_target));
      column_bytes.resize(std::max(column_bytes.size(), y_strips.size()));
      for (size_t y = 0; y < y_strips.size(); ++y)
        column_bytes[y] = std::max(column_bytes[y], fft::columns_bytes(*plan, y_strips[y]));
    }
    std::vector<DataId> column_ids;
    for (const int64_t bytes : column_bytes) column_ids.push_back(runtime_.create({"columns", bytes, 0}));
    const auto stores = create_stores();
    const auto facet_ids = create_facet_buffers();
    size_t store_turn = 0;
    const size_t workers = static_cast<size_t>(cpus_),
                 batch = std::clamp<size_t>((chunks_.size() + 2 * workers - 1) / (2 * workers), 1, 16);
    std::vector<bool> begun(chunks_.size());
    for (size_t f = 0; f < facets_.size(); ++f) {
      const auto& plan = facets_[f];
      const auto indices = index(f);
      const auto y_strips = fft::y_strips(*plan, gridder::strips_of(*plan, 1, options_.strips_target));
      const auto& sky = facet_ids[f % facet_ids.size()].accumulators;
      std::vector<std::pair<DataId, Access>> columns;
      std::vector<int64_t> begin;
      for (const auto& y : y_strips) {
        begin.push_back(y.block_begin);
        columns.emplace_back(column_ids[columns.size()], Access::read);
        fft::StepArgs args{.plan = plan, .y = y};
        args.image_nx = image_.nx;
        args.image_ny = image_.ny;
        submit(fft::uncorrect_codelet(), std::move(args),
               {{sky[columns.size() - 1], Access::write}, {model, Access::read}});
      }
      begin.push_back(y_strips.back().block_end);
      for (int64_t slab = 0; slab < plan->facet.slabs(); ++slab) {
        for (size_t y = 0; y < y_strips.size(); ++y)
          submit(fft::columns_to_grid_codelet(), fft::StepArgs{.plan = plan, .slab = slab, .y = y_strips[y]},
                 {{columns[y].first, Access::write}, {sky[y], Access::read}});
        for (int64_t strip = 0; strip < plan->tiles.strips; ++strip) {
          if (plan->tiles.slots_of(slab, strip) == 0) continue;
          const DataId store = stores[store_turn++ % stores.size()];
          fft::StepArgs args{.plan = plan, .slab = slab, .strip = strip};
          args.y_strip_begin = begin;
          std::vector<std::pair<DataId, Access>> data{{store, Access::write}};
          data.insert(data.end(), columns.begin(), columns.end());
          submit(fft::rows_to_grid_codelet(), std::move(args), std::move(data));
          for (size_t first = 0; first < chunks_.size(); first += batch) {
            gridder::DegridArgs degrid{plan, slab, slab + 1, strip, strip + 1, {}, 0, {}};
            std::vector<std::pair<DataId, Access>> buffers;
            for (size_t i = first; i < std::min(chunks_.size(), first + batch); ++i) {
              degrid.chunks.push_back(part(f, i));
              degrid.first.push_back(!begun[i]);
              buffers.emplace_back(predicted[i], begun[i] ? Access::read_write : Access::write);
              buffers.emplace_back(chunks_[i].data, Access::read);
              buffers.emplace_back(indices[i], Access::read);
              begun[i] = true;
            }
            buffers.emplace_back(store, Access::read);
            submit(gridder::degrid_codelet(), std::move(degrid), std::move(buffers));
          }
        }
      }
    }
    return predicted;
  }

  void write_predicted(const std::vector<DataId>& predicted, const std::string& path) const {
    std::ofstream out(path, std::ios::binary);
    for (size_t i = 0; i < chunks_.size(); ++i)
      out.write(static_cast<const char*>(runtime_.host(predicted[i]).data),
                chunks_[i].layout.rows * chunks_[i].layout.channels * int64_t{sizeof(std::complex<float>)});
  }

  gridder::PlanSummary summary;

 private:
  struct Chunk {
    ChunkLayout layout;
    int64_t first_row = 0;
    DataId data = -1;
  };

  template <class Args>
  void submit(const runtime::CodeletDef& codelet, Args args, std::vector<std::pair<DataId, Access>> data) {
    runtime_.submit(runtime::make_task(codelet, std::move(args), std::move(data)));
  }
  gridder::GridChunk part(size_t facet, size_t chunk) const {
    return {chunks_[chunk].layout, freq_, 0, chunks_[chunk].layout.channels, 1e300, capacity_[facet][chunk]};
  }
  std::vector<DataId> create_stores() {
    int64_t largest = 0;
    for (const auto& plan : facets_)
      for (int64_t slab = 0; slab < plan->facet.slabs(); ++slab)
        for (int64_t strip = 0; strip < plan->tiles.strips; ++strip)
          largest = std::max(largest, gridder::tile_store_bytes(*plan, slab, strip));
    std::vector<DataId> stores;
    for (int i = 0; i < 2 * cpus_ + 2; ++i) stores.push_back(runtime_.create({"tiles", largest, 0}));
    return stores;
  }
  struct FacetIds {
    std::vector<DataId> accumulators, pixels;  ///< [y-strip]
  };
  /// Two sets that facets take in turn, as in the program.
  std::vector<FacetIds> create_facet_buffers() {
    std::vector<FacetIds> sets(std::min<size_t>(facets_.size(), 2));
    for (size_t set = 0; set < sets.size(); ++set) {
      std::vector<int64_t> accumulators, pixels;
      for (size_t f = set; f < facets_.size(); f += sets.size()) {
        const auto y_strips =
            fft::y_strips(*facets_[f], gridder::strips_of(*facets_[f], 1, options_.strips_target));
        accumulators.resize(std::max(accumulators.size(), y_strips.size()));
        pixels.resize(accumulators.size());
        for (size_t y = 0; y < y_strips.size(); ++y) {
          accumulators[y] = std::max(accumulators[y], fft::image_strip_bytes(*facets_[f], y_strips[y]));
          pixels[y] = std::max(pixels[y], fft::pixel_strip_bytes(*facets_[f], y_strips[y]));
        }
      }
      for (const int64_t bytes : accumulators)
        sets[set].accumulators.push_back(runtime_.create({"strip", bytes, 0}));
      for (const int64_t bytes : pixels) sets[set].pixels.push_back(runtime_.create({"pixels", bytes, 0}));
    }
    return sets;
  }
  std::vector<DataId> index(size_t facet) {
    std::vector<DataId> ids;
    for (size_t i = 0; i < chunks_.size(); ++i) {
      ids.push_back(
          runtime_.create({"index", gridder::index_bytes(*facets_[facet], capacity_[facet][i]), 0}));
      submit(gridder::index_codelet(), gridder::IndexArgs{facets_[facet], part(facet, i), false},
             {{chunks_[i].data, Access::read}, {ids.back(), Access::write}});
    }
    return ids;
  }

  runtime::Runtime& runtime_;
  gridder::ImageGeometry image_;
  int cpus_;
  gridder::PlanOptions options_;
  std::vector<double> uvw_;
  std::shared_ptr<const std::vector<double>> freq_;
  std::vector<Chunk> chunks_;
  std::vector<std::shared_ptr<gridder::FacetPlan>> facets_;
  std::vector<std::vector<int64_t>> capacity_;  ///< [facet][chunk] runs
};

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() != 7) {
    std::cerr << "usage: gridder_pass FOLDER NX NY CELL_RAD ACCURACY CPUS grid|degrid\n";
    return 2;
  }
  const std::string& folder = arguments[0];
  const gridder::ImageGeometry image{std::stoll(arguments[1]), std::stoll(arguments[2]),
                                     std::stod(arguments[3])};
  RuntimeOptions options;
  options.cpus = std::stoi(arguments[5]);
  runtime::Runtime runtime(options);
  Pass pass(runtime, folder, image, std::stod(arguments[4]), options.cpus);
  const bool grid = arguments[6] == "grid";
  DataId model = -1;
  if (!grid) {
    const auto pixels = std::make_shared<const std::vector<float>>(read_file<float>(folder + "/model.f32"));
    model = runtime.create({"model", image.nx * image.ny * 4, 0});
    runtime.submit(runtime::make_task(image::fill_codelet(), image::FillArgs{pixels, image.nx * image.ny * 4},
                                      {{model, Access::write}}));
    runtime.wait_all();
  }
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  pass.plan();
  const double planned = seconds();
  DataId dirty = -1;
  std::vector<DataId> predicted;
  if (grid)
    dirty = pass.grid();
  else
    predicted = pass.degrid(model);
  runtime.wait_all();
  const double all = seconds();
  if (grid)
    write_file(folder + "/dirty.f32", runtime.host(dirty).data, image.nx * image.ny * 4);
  else
    pass.write_predicted(predicted, folder + "/predicted.c64");
  std::map<std::string, double> busy;
  for (const auto& task : runtime.timeline().tasks)
    if (task.end_s - task.start_s > 0) busy[task.codelet->name] += task.end_s - task.start_s;
  std::printf("{\"seconds\": %.6f, \"planning_s\": %.6f, \"plan\": \"%s\"", all, planned,
              pass.summary.text.c_str());
  for (const auto& [name, s] : busy) std::printf(", \"%s\": %.4f", name.c_str(), s);
  std::printf("}\n");
  return 0;
}

}  // namespace
}  // namespace fringeflow

int main(int argc, char** argv) {
  try {
    return fringeflow::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
