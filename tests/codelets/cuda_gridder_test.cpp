// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The arithmetic of the device's grid and degrid, run on the CPU the way that the threads share the work
/// there.
#include <gtest/gtest.h>

#include "codelets/grid/grid_cuda.hpp"
#include "tests/codelets/gridder_fixture.hpp"

namespace fringeflow::gridder {
namespace {

using test::Data;

/// One tile and its runs as a block of threads does them: each owner of a residue adds to its one cell among
/// those touched.
template <class T>
void grid_tile(const FacetPlan& plan, int64_t slab, int64_t tile, const Data<std::complex<float>>& data,
               const ChunkIndex& index, int32_t slot, T* cells) {
  const Facet& f = plan.facet;
  const int edge = static_cast<int>(f.tile_edge());
  const std::vector<T> taps(plan.taps.begin(), plan.taps.end());
  const GridBlock block(f.support);
  for (int32_t window = index.start[slot]; window < index.start[slot + 1]; window += kRunWindow) {
    int32_t begin[kRunWindow + 1] = {};
    for (int i = 0; i < kRunWindow; ++i)
      begin[i + 1] = begin[i] + (window + i < index.start[slot + 1] ? index.runs[window + i].count : 0);
    for (int32_t i = 0; i < begin[kRunWindow]; ++i) {
      const int which = find_run(begin, i);
      ASSERT_LE(begin[which], i);
      ASSERT_GT(begin[which + 1], i);
      const Run run = index.runs[window + which];
      const int64_t channel = run.channel + (i - begin[which]), at = run.row * data.channels + channel;
      const double* uvw = &data.uvw_m[3 * run.row];
      const GridRay ray = grid_ray(f, uvw[0], uvw[1], uvw[2]);
      const auto p = place<T>(f, slab, tile / f.tiles_v, tile % f.tiles_v, ray,
                              data.freq_hz[static_cast<size_t>(channel)]);
      const auto v = data.vis[static_cast<size_t>(at)];
      const T weight = static_cast<T>(data.weight[static_cast<size_t>(at)]), x = static_cast<T>(v.real());
      const T y = static_cast<T>(ray.conjugated ? -v.imag() : v.imag());
      const T re = weight * (x * p.cosine + y * p.sine), im = weight * (y * p.cosine - x * p.sine);
      for (int split = 0; split < block.splits; ++split)
        for (int r = 0; r < block.rows; ++r)
          for (int column = 0; column < f.support; ++column) {
            const int row = split * block.rows + r;
            if (row >= f.support) continue;
            const int tu = residue_tap(row, p.u % f.support, f.support),
                      tv = residue_tap(column, p.v % f.support, f.support);
            ASSERT_EQ((p.u + tu) % f.support, row);
            T* cell = cells + ((p.u + tu) * edge + p.v + tv) * 2 * kSlabPlanes;
            const T kernel =
                tap_value(taps.data(), plan.degree, tu, p.su) * tap_value(taps.data(), plan.degree, tv, p.sv);
            for (int plane = 0; plane < kSlabPlanes; ++plane) {
              const T kw = plane_tap(taps.data(), plan.degree, f.support, p.plane, plane, p.sw);
              cell[plane] += kernel * kw * re;
              cell[kSlabPlanes + plane] += kernel * kw * im;
            }
          }
    }
  }
}

template <class T>
void check(double accuracy, double w_lambda, bool descending) {
  test::DataOptions options;
  options.rows = 80;
  options.channels = 40;  // windows of more than one batch
  options.w_lambda = w_lambda;
  options.descending = descending;
  const Data<std::complex<float>> data({128, 96, 0.0005}, options);
  PlanOptions wanted;
  wanted.accuracy = accuracy;
  wanted.compress = false;  // the device grids every channel
  PlanSummary summary;
  for (const auto& plan : finished_plans(data, wanted, summary)) {
    const TileMap& map = plan->tiles;
    const test::OwnedIndex owned(*plan, data, 0, data.rows);
    test::Tiles<T> tiles(*plan);
    grid_all(*plan, data, {data.rows}, tiles);
    double error = 0, norm = 0;
    for (int64_t slab = 0; slab < map.slabs; ++slab)
      for (int64_t strip = 0; strip < map.strips; ++strip) {
        const auto& store = tiles.stores[static_cast<size_t>(slab * map.strips + strip)];
        const int32_t first = map.slot_begin[static_cast<size_t>(slab * map.strips + strip)];
        for (int64_t local = 0; local < map.slots_of(slab, strip); ++local) {
          uint8_t touched = 0;
          MarkTouched{owned.index.start + first + local, &touched}(0);
          EXPECT_EQ(touched, store.touched[local]);
          if (touched == 0) continue;
          std::vector<T> cells(static_cast<size_t>(plan->facet.tile_scalars()));
          grid_tile<T>(*plan, slab, map.slot_tile[static_cast<size_t>(first + local)], data, owned.index,
                       static_cast<int32_t>(first + local), cells.data());
          for (size_t i = 0; i < cells.size(); ++i) {
            const double wanted_cell = static_cast<double>(
                store.tiles[local * plan->facet.tile_scalars() + static_cast<int64_t>(i)]);
            error += std::pow(static_cast<double>(cells[i]) - wanted_cell, 2);
            norm += wanted_cell * wanted_cell;
          }
        }
      }
    EXPECT_GT(norm, 0);
    EXPECT_LT(std::sqrt(error / norm), sizeof(T) == 4 ? 1e-6 : 1e-13);
  }
}

TEST(DeviceGridder, GridsAsTheCpu) {
  check<float>(1e-2, 500, false);
  check<float>(1e-4, 5000, true);
  check<double>(1e-6, 5000, false);
  check<double>(1e-11, 0, true);
}

TEST(DeviceGridder, EveryResidueIsTouchedOnce) {
  for (int support = kMinSupport; support <= kMaxSupport; ++support) {
    const GridBlock block(support);
    EXPECT_LE(block.rows * support * GridBlock::kQuads, GridBlock::kThreads);
    EXPECT_GE(block.rows * block.splits, support);
    for (int first = 0; first < kTile; ++first) {
      std::vector<int> taps(static_cast<size_t>(support), 0);
      for (int residue = 0; residue < support; ++residue) {
        const int t = residue_tap(residue, first % support, support);
        ASSERT_TRUE(t >= 0 && t < support);
        ++taps[static_cast<size_t>(t)];
        EXPECT_EQ((first + t) % support, residue);
      }
      for (const int count : taps) EXPECT_EQ(count, 1);
    }
  }
}

TEST(DeviceGridder, FindsRunsOfAWindow) {
  int32_t begin[kRunWindow + 1];
  for (int i = 0; i <= kRunWindow; ++i) begin[i] = i * (i + 1) / 2;
  for (int32_t i = 0; i < begin[kRunWindow]; ++i) {
    const int run = find_run(begin, i);
    EXPECT_TRUE(begin[run] <= i && i < begin[run + 1]) << i;
  }
  // A window of which only the first two runs exist.
  for (int i = 0; i <= kRunWindow; ++i) begin[i] = i == 0 ? 0 : i == 1 ? 3 : 5;
  EXPECT_EQ(find_run(begin, 0), 0);
  EXPECT_EQ(find_run(begin, 2), 0);
  EXPECT_EQ(find_run(begin, 3), 1);
  EXPECT_EQ(find_run(begin, 4), 1);
}

TEST(DeviceGridder, TurnsAreReducedInDouble) {
  for (const double turns : {0.0, 0.125, -0.3, 1e7 + 0.4, -3e8 + 0.25}) {
    float cosine, sine;
    turn_factors(turns, cosine, sine);
    const double angle = 2 * kPi * (turns - std::round(turns));
    EXPECT_NEAR(cosine, std::cos(angle), 1e-6);
    EXPECT_NEAR(sine, std::sin(angle), 1e-6);
  }
}

}  // namespace
}  // namespace fringeflow::gridder
