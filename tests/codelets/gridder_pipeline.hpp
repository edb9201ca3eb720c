// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The whole gridder without a runtime: visibilities to a dirty image and a model image to visibilities.
#include <array>
#include <limits>

#include "codelets/fft/fft.hpp"
#include "tests/codelets/gridder_fixture.hpp"

namespace fringeflow::gridder::test {

/// Cuts the blocks of rows of a facet's image into strips: begins, and the end.
template <class T>
std::vector<int64_t> block_strips(const FacetPlan& plan, int64_t strips) {
  const int64_t blocks = fft::y_blocks<T>(plan);
  std::vector<int64_t> out;
  for (int64_t i = 0; i <= std::min(strips, blocks); ++i)
    out.push_back(blocks * i / std::min(strips, blocks));
  return out;
}

template <class T, class Vis>
void add_facet_to_image(const FacetPlan& plan, const Data<Vis>& data, double scale, bool divide_by_n,
                        std::vector<double>& image) {
  const Facet& f = plan.facet;
  const TileMap& map = plan.tiles;
  Tiles<T> tiles(plan);
  grid_all(plan, data, {data.rows}, tiles);
  const auto blocks = block_strips<T>(plan, 3);
  std::vector<AlignedArray<T>> accumulators;
  for (size_t i = 0; i + 1 < blocks.size(); ++i)
    accumulators.emplace_back(fft::image_strip_scalars<T>(plan, blocks[i + 1] - blocks[i]));
  const AlignedArray<T> scratch(fft::fft_scratch_scalars<T>(plan));
  for (int64_t slab = 0; slab < map.slabs; ++slab) {
    std::vector<AlignedArray<T>> rows;
    std::vector<const T*> pointers;
    for (int64_t strip = 0; strip < map.strips; ++strip) {
      rows.emplace_back(fft::slab_rows_scalars<T>(plan, strip));
      const auto at = static_cast<size_t>(slab * map.strips + strip);
      fft::rows_to_sky_cpu<T>(plan, slab, strip, tiles.stores[at],
                              strip > 0 ? tiles.stores[at - 1] : TileStore<T>(), rows.back().data(),
                              scratch.data());
      pointers.push_back(rows.back().data());
    }
    for (size_t i = 0; i + 1 < blocks.size(); ++i)
      fft::columns_to_sky_cpu<T>(plan, slab, pointers, blocks[i], blocks[i + 1], accumulators[i].data(),
                                 scratch.data());
  }
  std::vector<double> pixels(static_cast<size_t>(f.ny * f.nx));
  std::vector<const double*> pixel_rows;
  for (int64_t y = 0; y < f.ny; ++y) pixel_rows.push_back(pixels.data() + y * f.nx);
  for (size_t i = 0; i + 1 < blocks.size(); ++i) {
    const int64_t y0 = blocks[i] * kLanes<T>, y1 = std::min(blocks[i + 1] * kLanes<T>, f.ny);
    fft::correct_cpu<T, double>(plan, blocks[i], blocks[i + 1], accumulators[i].data(), scale, divide_by_n,
                                View<double, 2>(pixels.data() + y0 * f.nx, {y1 - y0, f.nx}));
  }
  if (plan.resampling) {
    resample::refine_cpu<T, double>(*plan.resampling, pixel_rows, 0, plan.image_ny(), f.y_begin, f.x_begin,
                                    View<double, 2>(image.data(), {data.image.ny, data.image.nx}),
                                    plan.adds_to_image);
    return;
  }
  for (int64_t y = 0; y < f.ny; ++y) {
    const double* from = pixel_rows[static_cast<size_t>(y)];
    double* to = image.data() + (f.y_begin + y) * data.image.nx + f.x_begin;
    for (int64_t x = 0; x < f.nx; ++x) to[x] = (plan.adds_to_image ? to[x] : 0) + from[x];
  }
}

template <class T, class Vis>
void add_facet_prediction(const FacetPlan& plan, const Data<Vis>& data, const std::vector<double>& image,
                          bool divide_by_n, std::vector<Vis>& predicted) {
  const Facet& f = plan.facet;
  const TileMap& map = plan.tiles;
  const auto blocks = block_strips<T>(plan, 3);
  const AlignedArray<T> scratch(fft::fft_scratch_scalars<T>(plan));
  std::vector<AlignedArray<T>> strips;
  for (size_t i = 0; i + 1 < blocks.size(); ++i) {
    const int64_t y0 = blocks[i] * kLanes<T>, y1 = std::min(blocks[i + 1] * kLanes<T>, f.ny);
    std::vector<double> pixels(static_cast<size_t>((y1 - y0) * f.nx));
    if (plan.resampling)
      resample::coarsen_cpu<T, double>(
          *plan.resampling, View<const double, 2>(image.data(), {data.image.ny, data.image.nx}), f.y_begin,
          f.x_begin, y0, y1, View<double, 2>(pixels.data(), {y1 - y0, f.nx}));
    else
      for (int64_t y = y0; y < y1; ++y)
        std::copy_n(image.data() + (f.y_begin + y) * data.image.nx + f.x_begin, f.nx,
                    pixels.data() + (y - y0) * f.nx);
    strips.emplace_back(fft::image_strip_scalars<T>(plan, blocks[i + 1] - blocks[i]));
    fft::uncorrect_cpu<T, double>(plan, blocks[i], blocks[i + 1],
                                  View<const double, 2>(pixels.data(), {y1 - y0, f.nx}), divide_by_n,
                                  strips.back().data());
  }
  Tiles<T> tiles(plan);
  for (int64_t slab = 0; slab < map.slabs; ++slab) {
    std::vector<AlignedArray<T>> columns;
    std::vector<const T*> pointers;
    for (size_t i = 0; i + 1 < blocks.size(); ++i) {
      columns.emplace_back(fft::slab_columns_scalars<T>(plan, blocks[i + 1] - blocks[i]));
      fft::columns_to_grid_cpu<T>(plan, slab, blocks[i], blocks[i + 1], strips[i].data(),
                                  columns.back().data(), scratch.data());
      pointers.push_back(columns.back().data());
    }
    for (int64_t strip = 0; strip < map.strips; ++strip)
      fft::rows_to_grid_cpu<T>(plan, slab, strip, pointers, blocks,
                               tiles.stores[static_cast<size_t>(slab * map.strips + strip)], scratch.data());
  }
  const OwnedIndex owned(plan, data, 0, data.rows, false);
  const DegridOutput<Vis> output{data.geometry(0, data.rows), owned.index,
                                 View<Vis, 2>(predicted.data(), {data.rows, data.channels})};
  degrid_cpu<T, Vis>(plan, 0, map.slabs, tiles.stores, std::span(&output, 1));
}

/// Sum of weight Re(V exp(-2 pi i phase)) for all pixels, [y][x].
template <class Vis>
std::vector<double> dirty_image(const Data<Vis>& data, const PlanOptions& options, PlanSummary& summary) {
  std::vector<double> image(static_cast<size_t>(data.image.nx * data.image.ny));
  for (const auto& plan : finished_plans(data, options, summary)) {
    if (plan->double_precision)
      add_facet_to_image<double>(*plan, data, 1, options.divide_by_n, image);
    else
      add_facet_to_image<float>(*plan, data, 1, options.divide_by_n, image);
  }
  return image;
}

/// Visibilities of a model image, [row][channel].
template <class Vis>
std::vector<Vis> predict(const Data<Vis>& data, const std::vector<double>& image, const PlanOptions& options,
                         PlanSummary& summary) {
  std::vector<Vis> predicted(data.vis.size());
  for (const auto& plan : finished_plans(data, options, summary)) {
    if (plan->double_precision)
      add_facet_prediction<double>(*plan, data, image, options.divide_by_n, predicted);
    else
      add_facet_prediction<float>(*plan, data, image, options.divide_by_n, predicted);
  }
  return predicted;
}

/// Direction cosines of a pixel of the image.
inline std::array<double, 2> pixel_lm(const ImageGeometry& image, int64_t x, int64_t y) {
  return {-static_cast<double>(x - image.nx / 2) * image.cell_rad,
          static_cast<double>(y - image.ny / 2) * image.cell_rad};
}

/// u l + v m + w (n - 1) in turns per Hz.
inline double turns_per_hz(const double* uvw_m, double l, double m) {
  const double rho2 = l * l + m * m, n_1 = -rho2 / (1 + std::sqrt(1 - rho2));
  return (uvw_m[0] * l + uvw_m[1] * m + uvw_m[2] * n_1) / kSpeedOfLight_m_s;
}

}  // namespace fringeflow::gridder::test
