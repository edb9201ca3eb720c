// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/predict/image_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "codelets/degrid/degrid.hpp"
#include "codelets/fft/transforms.hpp"
#include "codelets/gridder/gridder.hpp"
#include "codelets/image/image.hpp"
#include "io/constants.hpp"
#include "io/error.hpp"
#include "runtime/machine.hpp"

namespace fringeflow::graphs {
namespace {

using runtime::Access;
using runtime::DataId;

constexpr double kNoLimit = 1e300;  // wavelengths: the pixels of an image predict every baseline

int64_t strips(const gridder::FacetPlan& plan) {
  return gridder::strips_of(plan, 1, gridder::PlanOptions().strips_target);
}

}  // namespace

ImageModel::ImageModel(runtime::TaskSink& sink, const io::FitsImage<float>& image, const std::string& name,
                       const std::string& set, double accuracy, std::vector<Piece> pieces,
                       const ReadUvw& read_uvw, size_t slots, const Admit& admit)
    : pieces_(std::move(pieces)) {
  const auto& grid = image.header.grid;
  if (image.planes != 1)
    throw UserError(fmt::format("{}: a model image must have one plane, this has {}", name, image.planes));
  if (!image.header.grid_problem.empty()) throw UserError(name + ": " + image.header.grid_problem);
  if (grid.x0 != static_cast<double>(grid.nx / 2) || grid.y0 != static_cast<double>(grid.ny / 2))
    throw UserError(name + ": the phase centre must be pixel (N/2, N/2) of a model image");
  for (const auto& piece : pieces_)
    if (std::abs(std::remainder(piece.phase_centre.ra_rad - grid.centre.ra_rad, 2 * kPi)) > 1e-8 ||
        std::abs(piece.phase_centre.dec_rad - grid.centre.dec_rad) > 1e-8)
      throw UserError(fmt::format("{}: its centre {} {} is not the phase centre of {} ({} {})", name,
                                  io::format_ra(grid.centre.ra_rad), io::format_dec(grid.centre.dec_rad), set,
                                  io::format_ra(piece.phase_centre.ra_rad),
                                  io::format_dec(piece.phase_centre.dec_rad)));
  std::vector<double> uvw;
  const auto for_each_piece = [&](auto visit) {
    for (size_t i = 0; i < pieces_.size(); ++i) {
      uvw.resize(static_cast<size_t>(pieces_[i].rows * 3));
      const View<double, 2> view(uvw.data(), {pieces_[i].rows, 3});
      read_uvw(i, view);
      visit(i, View<const double, 2>(uvw.data(), {pieces_[i].rows, 3}), *pieces_[i].freq_hz);
    }
  };
  gridder::ExtentByLength extent;
  for_each_piece([&](size_t, View<const double, 2> uvw_m, const std::vector<double>& freq) {
    for (int64_t row = 0; row < uvw_m.extent(0); ++row) extent.add_row(&uvw_m(row, 0), freq, kNoLimit);
  });
  gridder::PlanOptions options;
  options.accuracy = accuracy;
  gridder::PlanSummary summary;
  facets_ = gridder::plan_facets({grid.nx, grid.ny, grid.cell_rad}, extent, options, summary);
  choices_ = summary.text;
  std::vector<gridder::TileMarker> markers;
  for (const auto& facet : facets_)
    markers.emplace_back(*facet, kNoLimit, std::min(runtime::available_cores(), 8));
  capacity_.assign(pieces_.size(), std::vector<int64_t>(facets_.size()));
  for_each_piece([&](size_t i, View<const double, 2> uvw_m, const std::vector<double>& freq) {
    for (size_t f = 0; f < facets_.size(); ++f) capacity_[i][f] += markers[f].mark_rows(uvw_m, freq);
  });
  for (size_t f = 0; f < facets_.size(); ++f)
    markers[f].finish(*facets_[f],
                      gridder::strips_of(*facets_[f], facets_[f]->visibilities, options.strips_target));
  if (admit) admit(bytes(image, slots));
  put_on_grids(sink, image);
  index_.resize(slots);
  for (size_t f = 0; f < facets_.size(); ++f) {
    int64_t longest = 0;
    for (const auto& runs : capacity_)
      longest = std::max(longest, gridder::index_bytes(*facets_[f], runs[f]));
    for (auto& one : index_) one.push_back(sink.create({"index", longest, 0}));
  }
}

int64_t ImageModel::bytes(const io::FitsImage<float>& image, size_t slots) const {
  int64_t sum = 3 * image.header.grid.nx * image.header.grid.ny * 4;  // as read, for the task, the task's
  for (size_t f = 0; f < facets_.size(); ++f) {
    const auto& plan = *facets_[f];
    for (const auto& y : fft::y_strips(plan, strips(plan)))
      sum += fft::image_strip_bytes(plan, y) + fft::columns_bytes(plan, y);
    for (int64_t slab = 0; slab < plan.facet.slabs(); ++slab)
      for (int64_t strip = 0; strip < plan.tiles.strips; ++strip)
        sum += gridder::tile_store_bytes(plan, slab, strip);
    int64_t longest = 0;
    for (const auto& runs : capacity_) longest = std::max(longest, gridder::index_bytes(plan, runs[f]));
    sum += longest * static_cast<int64_t>(slots);
  }
  return sum;
}

void ImageModel::put_on_grids(runtime::TaskSink& sink, const io::FitsImage<float>& image) {
  const auto& grid = image.header.grid;
  const auto model = sink.create({"model", grid.nx * grid.ny * 4, 0});
  sink.submit(runtime::make_task(
      image::fill_codelet(),
      image::FillArgs{std::make_shared<const std::vector<float>>(image.pixels), grid.nx * grid.ny * 4},
      {{model, Access::write}}));
  for (const auto& plan : facets_) {
    const auto y_strips = fft::y_strips(*plan, strips(*plan));
    std::vector<int64_t> begin;
    std::vector<DataId> sky, columns;
    for (const auto& y : y_strips) {
      begin.push_back(y.block_begin);
      sky.push_back(sink.create({"image strip", fft::image_strip_bytes(*plan, y), 0}));
      columns.push_back(sink.create({"columns", fft::columns_bytes(*plan, y), 0}));
      fft::StepArgs args{.plan = plan, .y = y};
      args.image_nx = grid.nx;
      args.image_ny = grid.ny;
      sink.submit(runtime::make_task(fft::uncorrect_codelet(), std::move(args),
                                     {{sky.back(), Access::write}, {model, Access::read}}));
    }
    begin.push_back(y_strips.back().block_end);
    stores_.emplace_back();
    for (int64_t slab = 0; slab < plan->facet.slabs(); ++slab) {
      std::vector<std::pair<DataId, Access>> all;
      for (size_t y = 0; y < y_strips.size(); ++y) {
        sink.submit(runtime::make_task(fft::columns_to_grid_codelet(),
                                       fft::StepArgs{.plan = plan, .slab = slab, .y = y_strips[y]},
                                       {{columns[y], Access::write}, {sky[y], Access::read}}));
        all.emplace_back(columns[y], Access::read);
      }
      for (int64_t strip = 0; strip < plan->tiles.strips; ++strip) {
        stores_.back().push_back(
            sink.create({"model tiles", gridder::tile_store_bytes(*plan, slab, strip), 0}));
        fft::StepArgs args{.plan = plan, .slab = slab, .strip = strip};
        args.y_strip_begin = begin;
        std::vector<std::pair<DataId, Access>> data{{stores_.back().back(), Access::write}};
        data.insert(data.end(), all.begin(), all.end());
        sink.submit(runtime::make_task(fft::rows_to_grid_codelet(), std::move(args), std::move(data)));
      }
    }
  }
}

void ImageModel::submit(runtime::TaskSink& sink, size_t piece, size_t slot, DataId uvw, DataId vis,
                        int32_t number) const {
  const Piece& rows = pieces_[piece];
  for (size_t f = 0; f < facets_.size(); ++f) {
    const auto& plan = facets_[f];
    const DataId index = index_[slot][f];
    // No weights: a chunk of the predictor is its uvw alone.
    const gridder::GridChunk part{
        {rows.rows, rows.channels, 1}, rows.freq_hz, 0, rows.channels, kNoLimit, capacity_[piece][f]};
    sink.submit(runtime::make_task(gridder::index_codelet(), gridder::IndexArgs{plan, part, false},
                                   {{uvw, Access::read}, {index, Access::write}}, {number}));
    gridder::DegridArgs args{plan, 0, plan->facet.slabs(), 0, plan->tiles.strips, {part}, 0, {f == 0}};
    std::vector<std::pair<DataId, Access>> data{
        {vis, f == 0 ? Access::write : Access::read_write}, {uvw, Access::read}, {index, Access::read}};
    for (const auto store : stores_[f]) data.emplace_back(store, Access::read);
    sink.submit(runtime::make_task(gridder::degrid_codelet(), std::move(args), std::move(data), {number}));
  }
}

}  // namespace fringeflow::graphs
