// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/fft/fft.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numbers>
#include <vector>

#include "codelets/gridder/geometry.hpp"
#include "codelets/gridder/kernel.hpp"
#include "tests/codelets/fft_test_util.hpp"

namespace fringeflow::fft {
namespace {

using gridder::Facet;
using gridder::kLanes;
using gridder::kSlabPlanes;
using Complex = std::complex<double>;

/// A small facet with two strips, a partial last slab and y-block, missing and untouched tiles, a box larger
/// than its grid.
template <class T>
struct SmallFacet {
  explicit SmallFacet(double cell_rad = 1.2e-3, int support = 6) {
    Facet& facet = plan.facet;
    facet.nx = 64;
    facet.ny = 42;
    facet.cell_x_rad = cell_rad;
    facet.cell_y_rad = 0.8 * cell_rad;
    facet.l0 = 0.12;
    facet.m0 = -0.07;
    facet.n0_minus_1 = std::sqrt(1 - facet.l0 * facet.l0 - facet.m0 * facet.m0) - 1;
    facet.shear_u = -facet.l0 / (1 + facet.n0_minus_1);
    facet.shear_v = -facet.m0 / (1 + facet.n0_minus_1);
    facet.nu = 90;
    facet.nv = 60;
    facet.u_begin = -50;
    facet.v_begin = -31;
    facet.tiles_u = 3;
    facet.tiles_v = 2;
    facet.planes = 11;
    facet.support = support;
    facet.beta = 0.89 * std::numbers::pi * support * 0.75;
    facet.e0 = 0.52;
    double low = 1e9, high = -1e9;
    for (int64_t x = 0; x < facet.nx; ++x)
      for (int64_t y = 0; y < facet.ny; ++y) {
        const gridder::PixelDirection direction = gridder::pixel_direction(facet, x, y);
        if (!direction.above_horizon) continue;
        low = std::min(low, direction.r);
        high = std::max(high, direction.r);
      }
    facet.r_centre = (low + high) / 2;
    facet.r_half = (high - low) / 2;
    facet.dw = 0.3 / facet.r_half;
    plan.screen = gridder::screen_correction(facet);
    facet.w0 = 61.7 * facet.dw;
    gridder::TileMap& map = plan.tiles;
    map.slabs = facet.slabs();
    map.strips = 2;
    map.tiles_u = facet.tiles_u;
    map.tiles_v = facet.tiles_v;
    map.strip_begin = {0, 2, 3};
    map.slot_begin = {0};
    for (int64_t slab = 0; slab < map.slabs; ++slab)
      for (int64_t strip = 0; strip < 2; ++strip) {
        for (int64_t tile_u = map.strip_begin[static_cast<size_t>(strip)];
             tile_u < map.strip_begin[static_cast<size_t>(strip) + 1]; ++tile_u)
          for (int64_t tile_v = 0; tile_v < map.tiles_v; ++tile_v) {
            const bool missing = slab == 1 && tile_u == 1;
            map.slot.push_back(missing ? -1 : static_cast<int32_t>(map.slot_tile.size()));
            if (!missing) map.slot_tile.push_back(static_cast<int32_t>(tile_u * map.tiles_v + tile_v));
          }
        map.slot_begin.push_back(static_cast<int32_t>(map.slot_tile.size()));
      }
    for (int64_t x = 0; x < facet.nx; ++x) plan.correction_x.push_back(1 + 0.01 * static_cast<double>(x));
    for (int64_t y = 0; y < facet.ny; ++y) plan.correction_y.push_back(2 - 0.01 * static_cast<double>(y));
    for (int64_t slab = 0; slab < map.slabs; ++slab)
      for (int64_t strip = 0; strip < 2; ++strip) {
        const int64_t slots = map.slots_of(slab, strip);
        tiles.emplace_back(slots * facet.tile_scalars());
        touched.emplace_back(slots);
        std::fill_n(touched.back().data.get(), slots, uint8_t{1});
      }
    scratch = std::make_unique<Aligned<T>>(fft_scratch_scalars<T>(plan));
  }

  void fill_tiles(unsigned seed) {
    for (auto& store : tiles) fill_random<T>(store, store.size, seed++);
    // Planes beyond the last hold nothing.
    const int64_t last = plan.tiles.slabs - 1;
    for (int64_t strip = 0; strip < 2; ++strip) {
      auto& store = tiles[static_cast<size_t>(last * 2 + strip)];
      for (int64_t i = 0; i < store.size; ++i)
        if (last * kSlabPlanes + i % kSlabPlanes >= plan.facet.planes) store[i] = 0;
    }
  }
  TileStore<T> store(int64_t slab, int64_t strip) {
    const auto i = static_cast<size_t>(slab * 2 + strip);
    return {touched[i].data.get(), tiles[i].data.get()};
  }
  int64_t box_u() const { return plan.facet.tiles_u * gridder::kTile + plan.facet.support - 1; }
  int64_t box_v() const { return plan.facet.tiles_v * gridder::kTile + plan.facet.support - 1; }
  int64_t planes(int64_t slab) const {
    return std::min<int64_t>(kSlabPlanes, plan.facet.planes - slab * kSlabPlanes);
  }
  int64_t cells() const { return strip_cells<T>(plan, 0) + strip_cells<T>(plan, 1); }

  /// Sum of what the tiles store of a cell.
  Complex cell(int64_t slab, int64_t u, int64_t v, int64_t plane) {
    Complex sum = 0;
    for (int64_t tile_u = 0; tile_u < plan.facet.tiles_u; ++tile_u)
      for (int64_t tile_v = 0; tile_v < plan.facet.tiles_v; ++tile_v) {
        const int64_t i = u - tile_u * gridder::kTile, j = v - tile_v * gridder::kTile,
                      edge = plan.facet.tile_edge();
        const int32_t slot = plan.tiles.slot_of(slab, tile_u, tile_v);
        if (slot < 0 || i < 0 || j < 0 || i >= edge || j >= edge) continue;
        const int64_t strip = tile_u >= plan.tiles.strip_begin[1] ? 1 : 0;
        const int64_t local = slot - plan.tiles.slot_begin[static_cast<size_t>(slab * 2 + strip)];
        const TileStore<T> from = store(slab, strip);
        if (from.touched[local] == 0) continue;
        const T* at =
            from.tiles + local * plan.facet.tile_scalars() + (i * edge + j) * 2 * kSlabPlanes + plane;
        sum += Complex(at[0], at[kSlabPlanes]);
      }
    return sum;
  }

  /// rows_to_sky of both strips.
  std::vector<Aligned<T>> rows(int64_t slab) {
    std::vector<Aligned<T>> out;
    for (int64_t strip = 0; strip < 2; ++strip) {
      out.emplace_back(slab_rows_scalars<T>(plan, strip));
      fill_random<T>(out.back(), out.back().size, 77);
      rows_to_sky_cpu<T>(plan, slab, strip, store(slab, strip),
                         strip > 0 ? store(slab, strip - 1) : TileStore<T>{}, out.back(), *scratch);
    }
    return out;
  }
  /// One element of SlabRows, zero in blocks that are marked as such.
  Complex row_value(std::vector<Aligned<T>>& from, int64_t plane, int64_t y, int64_t u) {
    constexpr int64_t kL = kLanes<T>;
    const int64_t strip = u < strip_cells<T>(plan, 0) ? 0 : 1,
                  in_strip = strip == 0 ? u : u - strip_cells<T>(plan, 0);
    const int64_t strip_size = strip_cells<T>(plan, strip),
                  flags = std::min<int64_t>(plan.facet.planes, 8) * y_blocks<T>(plan) * strip_size * 2 * kL;
    Aligned<T>& buffer = from[static_cast<size_t>(strip)];
    if (buffer[flags + in_strip / kL] == T(0)) return 0;
    const int64_t at = ((plane * y_blocks<T>(plan) + y / kL) * strip_size + in_strip) * 2 * kL + y % kL;
    return {buffer[at], buffer[at + kL]};
  }
  /// One element of columns of one y-strip that holds all blocks.
  Complex column_value(Aligned<T>& from, int64_t plane, int64_t y, int64_t u) const {
    constexpr int64_t kL = kLanes<T>;
    const int64_t at = ((plane * y_blocks<T>(plan) + y / kL) * cells() + u) * 2 * kL + y % kL;
    return {from[at], from[at + kL]};
  }

  FacetPlan plan;
  std::vector<Aligned<T>> tiles;
  std::vector<Aligned<uint8_t>> touched;
  std::unique_ptr<Aligned<T>> scratch;
};

Complex turn(double turns) { return std::polar(1.0, 2 * std::numbers::pi * (turns - std::round(turns))); }

template <class T>
class PlaneSteps : public testing::Test {
 protected:
  static constexpr double kTolerance = sizeof(T) == 4 ? 1e-6 : 3e-15;
};
using Precisions = testing::Types<float, double>;
TYPED_TEST_SUITE(PlaneSteps, Precisions);

TYPED_TEST(PlaneSteps, RowsToSkyAgreesWithDirectSums) {
  using T = TypeParam;
  for (const int support : {4, 6, 16}) {
    SmallFacet<T> small(1.2e-3, support);
    small.fill_tiles(5);
    small.touched[0][1] = 0;  // an untouched tile; slab 1 lacks a column of tiles
    const Facet& facet = small.plan.facet;
    for (int64_t slab = 0; slab < 2; ++slab) {
      auto rows = small.rows(slab);
      double error = 0, norm = 0;
      for (int64_t plane = 0; plane < small.planes(slab); ++plane)
        for (int64_t u = 0; u < small.cells(); u += 3) {
          std::vector<Complex> cells;
          for (int64_t v = 0; v < small.box_v(); ++v)
            cells.push_back(u < small.box_u() ? small.cell(slab, u, v, plane) : 0);
          for (int64_t y = 0; y < facet.ny; ++y) {
            Complex sum = 0;
            for (int64_t v = 0; v < small.box_v(); ++v)
              sum += cells[static_cast<size_t>(v)] *
                     turn(static_cast<double>((facet.v_begin + v) * (y - facet.ny / 2)) /
                          static_cast<double>(facet.nv));
            error += std::norm(small.row_value(rows, plane, y, u) - sum);
            norm += std::norm(sum);
          }
        }
      EXPECT_LT(std::sqrt(error / norm), this->kTolerance) << "slab " << slab << " support " << support;
    }
  }
}

TYPED_TEST(PlaneSteps, EmptyBlocksAreMarked) {
  using T = TypeParam;
  SmallFacet<T> small;
  small.fill_tiles(5);
  for (auto& touched : small.touched) std::fill_n(touched.data.get(), touched.size, uint8_t{0});
  auto rows = small.rows(0);
  for (int64_t u = 0; u < small.cells(); ++u) EXPECT_EQ(small.row_value(rows, 0, 3, u), Complex(0));
  Aligned<T> image(image_strip_scalars<T>(small.plan, y_blocks<T>(small.plan)));
  const T* const all[] = {rows[0], rows[1]};
  columns_to_sky_cpu<T>(small.plan, 0, all, 0, y_blocks<T>(small.plan), image, *small.scratch);
  for (int64_t i = 0; i < image.size; ++i) ASSERT_EQ(image[i], T(0));
}

TYPED_TEST(PlaneSteps, ColumnsToSkyAgreesWithDirectSums) {
  using T = TypeParam;
  constexpr int64_t kL = kLanes<T>;
  SmallFacet<T> small;
  small.fill_tiles(8);
  const Facet& facet = small.plan.facet;
  const int64_t blocks = y_blocks<T>(small.plan);
  Aligned<T> image(image_strip_scalars<T>(small.plan, blocks));
  std::vector<double> expected(static_cast<size_t>(facet.nx * facet.ny));
  for (int64_t slab = 0; slab < 2; ++slab) {
    auto rows = small.rows(slab);
    const T* const all[] = {rows[0], rows[1]};
    // In two y-strips.
    columns_to_sky_cpu<T>(small.plan, slab, all, 0, 1, image, *small.scratch);
    columns_to_sky_cpu<T>(small.plan, slab, all, 1, blocks, image + image_strip_scalars<T>(small.plan, 1),
                          *small.scratch);
    for (int64_t plane = 0; plane < small.planes(slab); ++plane)
      for (int64_t y = 0; y < facet.ny; ++y) {
        std::vector<Complex> row;
        for (int64_t u = 0; u < small.box_u(); ++u) row.push_back(small.row_value(rows, plane, y, u));
        for (int64_t x = 0; x < facet.nx; ++x) {
          Complex sum = 0;
          for (int64_t u = 0; u < small.box_u(); ++u)
            sum += row[static_cast<size_t>(u)] *
                   turn(static_cast<double>((facet.u_begin + u) * (x - facet.nx / 2) % facet.nu) /
                        static_cast<double>(facet.nu));
          const double w = facet.w0 + static_cast<double>(slab * kSlabPlanes + plane) * facet.dw;
          const double offset = gridder::pixel_direction(facet, x, y).r - facet.r_centre;
          expected[static_cast<size_t>(y * facet.nx + x)] += (sum * turn(-w * offset)).real();
        }
      }
  }
  double error = 0, norm = 0;
  for (int64_t y = 0; y < facet.ny; ++y)
    for (int64_t x = 0; x < facet.nx; ++x) {
      const double e = expected[static_cast<size_t>(y * facet.nx + x)];
      const double difference = image[(y / kL * facet.nx + x) * kL + y % kL] - e;
      error += difference * difference;
      norm += e * e;
    }
  EXPECT_LT(std::sqrt(error / norm), sizeof(T) == 4 ? 1e-6 : 1e-13);
}

TYPED_TEST(PlaneSteps, RowsAreAdjoint) {
  using T = TypeParam;
  for (const int support : {4, 7, 16}) {
    SmallFacet<T> small(1.2e-3, support);
    small.fill_tiles(11);
    const Facet& facet = small.plan.facet;
    const int64_t blocks = y_blocks<T>(small.plan);
    for (int64_t slab = 0; slab < 2; ++slab) {
      auto rows = small.rows(slab);
      Aligned<T> columns(slab_columns_scalars<T>(small.plan, blocks));
      fill_random<T>(columns, columns.size, 13);
      double sky = 0, sky_norm = 0;
      for (int64_t plane = 0; plane < small.planes(slab); ++plane)
        for (int64_t y = 0; y < facet.ny; ++y)
          for (int64_t u = 0; u < small.box_u(); ++u) {
            const Complex row = small.row_value(rows, plane, y, u),
                          column = small.column_value(columns, plane, y, u);
            sky += (row * std::conj(column)).real();
            sky_norm += std::norm(row);
          }
      // The same columns in two y-strips.
      const int64_t y_strips[] = {0, 1, blocks};
      Aligned<T> first(slab_columns_scalars<T>(small.plan, 1)),
          second(slab_columns_scalars<T>(small.plan, blocks - 1));
      const int64_t block_scalars = small.cells() * 2 * kLanes<T>;
      for (int64_t plane = 0; plane < small.planes(slab); ++plane) {
        std::copy_n(columns + plane * blocks * block_scalars, block_scalars, first + plane * block_scalars);
        std::copy_n(columns + (plane * blocks + 1) * block_scalars, (blocks - 1) * block_scalars,
                    second + plane * (blocks - 1) * block_scalars);
      }
      const T* const both[] = {first, second};
      double grid = 0;
      for (int64_t strip = 0; strip < 2; ++strip) {
        const int64_t slots = small.plan.tiles.slots_of(slab, strip);
        Aligned<T> back(slots * facet.tile_scalars());
        Aligned<uint8_t> touched(slots);
        fill_random<T>(back, back.size, 99);
        rows_to_grid_cpu<T>(small.plan, slab, strip, both, y_strips, {touched, back}, *small.scratch);
        Aligned<T>& tiles = small.tiles[static_cast<size_t>(slab * 2 + strip)];
        for (int64_t i = 0; i < back.size; ++i) {
          grid += static_cast<double>(back[i]) * static_cast<double>(tiles[i]);
          if (slab * kSlabPlanes + i % kSlabPlanes >= facet.planes) {
            ASSERT_EQ(back[i], T(0));
          }
        }
        for (int64_t i = 0; i < slots; ++i) EXPECT_EQ(touched[i], 1);
      }
      EXPECT_NEAR(sky, grid, (sizeof(T) == 4 ? 1e-5 : 1e-13) * std::sqrt(sky_norm)) << support;
    }
  }
}

TYPED_TEST(PlaneSteps, ColumnsAreAdjoint) {
  using T = TypeParam;
  constexpr int64_t kL = kLanes<T>;
  SmallFacet<T> small;
  small.fill_tiles(17);
  const Facet& facet = small.plan.facet;
  const int64_t blocks = y_blocks<T>(small.plan);
  for (int64_t slab = 0; slab < 2; ++slab) {
    auto rows = small.rows(slab);
    const T* const all[] = {rows[0], rows[1]};
    Aligned<T> image(image_strip_scalars<T>(small.plan, blocks)), other(image.size);
    columns_to_sky_cpu<T>(small.plan, slab, all, 0, blocks, image, *small.scratch);
    fill_random<T>(other, other.size, 19);
    double sky = 0, sky_norm = 0;
    for (int64_t i = 0; i < image.size; ++i) {
      if (i / (kL * facet.nx) * kL + i % kL >= facet.ny) other[i] = 0;
      sky += static_cast<double>(image[i]) * static_cast<double>(other[i]);
      sky_norm += static_cast<double>(image[i]) * static_cast<double>(image[i]);
    }
    Aligned<T> columns(slab_columns_scalars<T>(small.plan, blocks));
    columns_to_grid_cpu<T>(small.plan, slab, 0, blocks, other, columns, *small.scratch);
    double grid = 0;
    for (int64_t plane = 0; plane < small.planes(slab); ++plane)
      for (int64_t y = 0; y < facet.ny; ++y)
        for (int64_t u = 0; u < small.box_u(); ++u)
          grid += (small.row_value(rows, plane, y, u) * std::conj(small.column_value(columns, plane, y, u)))
                      .real();
    EXPECT_NEAR(sky, grid, (sizeof(T) == 4 ? 1e-5 : 1e-13) * std::sqrt(sky_norm));
  }
}

TYPED_TEST(PlaneSteps, CorrectionAndItsAdjoint) {
  using T = TypeParam;
  constexpr int64_t kL = kLanes<T>;
  // The second facet reaches beyond the horizon.
  for (const double cell : {1.2e-3, 0.04}) {
    SmallFacet<T> small(cell, 7);
    const Facet& facet = small.plan.facet;
    gridder::KernelShape shape;
    shape.support = facet.support;
    shape.beta = facet.beta;
    shape.e0 = facet.e0;
    const int64_t blocks = y_blocks<T>(small.plan);
    Aligned<T> image(image_strip_scalars<T>(small.plan, blocks)), back(image.size);
    fill_random<T>(image, image.size, 23);
    int64_t blank = 0;
    for (const bool divide_by_n : {false, true}) {
      std::vector<double> pixels(static_cast<size_t>(facet.nx * facet.ny));
      correct_cpu<T, double>(small.plan, 0, 1, image, 0.25, divide_by_n,
                             View<double, 2>(pixels.data(), {std::min(kL, facet.ny), facet.nx}));
      correct_cpu<T, double>(small.plan, 1, blocks, image + image_strip_scalars<T>(small.plan, 1), 0.25,
                             divide_by_n,
                             View<double, 2>(pixels.data() + kL * facet.nx, {facet.ny - kL, facet.nx}));
      std::vector<float> model(pixels.size());
      for (size_t i = 0; i < model.size(); ++i)
        model[i] = i % 57 == 3 ? std::nanf("") : static_cast<float>(i % 11) - 5;
      uncorrect_cpu<T, float>(small.plan, 0, blocks, View<const float, 2>(model.data(), {facet.ny, facet.nx}),
                              divide_by_n, back);
      for (int64_t y = 0; y < blocks * kL; ++y)
        for (int64_t x = 0; x < facet.nx; ++x) {
          const int64_t at = (y / kL * facet.nx + x) * kL + y % kL;
          if (y >= facet.ny) {
            EXPECT_EQ(back[at], T(0));
            continue;
          }
          const size_t i = static_cast<size_t>(y * facet.nx + x);
          const gridder::PixelDirection direction = gridder::pixel_direction(facet, x, y);
          if (!direction.above_horizon) {
            ++blank;
            EXPECT_TRUE(std::isnan(pixels[i]));
            EXPECT_EQ(back[at], T(0));
            continue;
          }
          const double n = std::sqrt((1 - direction.l * direction.l) - direction.m * direction.m);
          const double factor = small.plan.correction_x[static_cast<size_t>(x)] *
                                small.plan.correction_y[static_cast<size_t>(y)] /
                                gridder::kernel_transform(shape, (direction.r - facet.r_centre) * facet.dw) /
                                (divide_by_n ? n : 1);
          const double expected = 0.25 * factor * image[at];
          EXPECT_NEAR(pixels[i], expected, 1e-13 * std::abs(expected) + 1e-300);
          if (std::isnan(model[i])) {
            EXPECT_EQ(back[at], T(0));
          } else {
            EXPECT_NEAR(back[at], factor * model[i],
                        (sizeof(T) == 4 ? 1e-7 : 1e-13) * std::abs(factor * model[i]));
          }
        }
    }
    EXPECT_EQ(blank > 0, cell > 0.01);
  }
}

TYPED_TEST(PlaneSteps, SameBitsOnAllTargets) {
  using T = TypeParam;
  std::vector<std::vector<T>> results;
  for_each_fused_target([&](int64_t) {
    SmallFacet<T> small;
    small.fill_tiles(29);
    const int64_t blocks = y_blocks<T>(small.plan);
    auto rows = small.rows(0);
    const T* const all[] = {rows[0], rows[1]};
    Aligned<T> image(image_strip_scalars<T>(small.plan, blocks)), back(image.size),
        columns(slab_columns_scalars<T>(small.plan, blocks));
    columns_to_sky_cpu<T>(small.plan, 0, all, 0, blocks, image, *small.scratch);
    std::vector<T> pixels(static_cast<size_t>(small.plan.facet.nx * small.plan.facet.ny));
    const View<T, 2> view(pixels.data(), {small.plan.facet.ny, small.plan.facet.nx});
    correct_cpu<T, T>(small.plan, 0, blocks, image, 1.5, true, view);
    uncorrect_cpu<T, T>(small.plan, 0, blocks, view, true, back);
    columns_to_grid_cpu<T>(small.plan, 0, 0, blocks, back, columns, *small.scratch);
    const T* const columns_of_all[] = {columns};
    const int64_t y_strips[] = {0, blocks};
    for (int64_t strip = 0; strip < 2; ++strip)
      rows_to_grid_cpu<T>(small.plan, 0, strip, columns_of_all, y_strips, small.store(0, strip),
                          *small.scratch);
    results.push_back(pixels);
    results.back().insert(results.back().end(), back.data.get(), back.data.get() + back.size);
    for (size_t i = 0; i < 2; ++i)
      results.back().insert(results.back().end(), small.tiles[i].data.get(),
                            small.tiles[i].data.get() + small.tiles[i].size);
  });
  for (const auto& result : results)
    EXPECT_EQ(0, std::memcmp(result.data(), results[0].data(), result.size() * sizeof(T)));
}

}  // namespace
}  // namespace fringeflow::fft
