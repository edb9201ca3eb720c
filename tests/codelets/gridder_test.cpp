// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <array>

#include "codelets/gridder/kernel.hpp"
#include "codelets/gridder/walk.hpp"
#include "io/error.hpp"
#include "tests/codelets/gridder_fixture.hpp"

namespace fringeflow::gridder::test {
namespace {

TEST(Kernel, ErrorsAreThoseOfTheAliasIntegral) {
  for (const auto& [support, sigma] :
       {std::pair{4, 2.0}, {6, 1.45}, {6, 1.49}, {7, 1.3}, {8, 1.7}, {12, 2.0}}) {
    const KernelShape shape = kernel_shape(support, sigma);
    const double measured = alias_error(shape) * std::sqrt(3.0);
    EXPECT_GT(shape.error, 0.9 * measured);
    EXPECT_LT(shape.error, 1.5 * measured);
  }
}

TEST(Kernel, TabulatedMagnificationsAreThoseOfTheIntegral) {
  struct Row {
    int support;
    double sigma, beta, e0, rms, edge, magnification;
  };
  constexpr Row kRows[] = {
#include "codelets/gridder/kernel_shapes.inc"
  };
  for (const Row& row : kRows) {
    const double integral = noise_magnification({row.support, row.sigma, row.beta, row.e0, 0});
    EXPECT_NEAR(row.magnification / integral, 1, 1e-3) << row.support << " " << row.sigma;
  }
}

TEST(Kernel, CandidatesReachEveryAccuracy) {
  for (double accuracy = 0.1; accuracy >= 1e-13; accuracy /= 10) {
    const auto candidates = kernel_candidates(accuracy, true);
    ASSERT_FALSE(candidates.empty()) << accuracy;
    for (const KernelShape& shape : candidates) {
      EXPECT_LE(shape.error, accuracy);
      EXPECT_LE(alias_error(shape) * std::sqrt(3.0), accuracy) << shape.support << " " << shape.sigma;
    }
  }
}

TEST(Kernel, PolynomialsFollowTheKernel) {
  const KernelShape shape = kernel_shape(7, 2.0);
  constexpr int degree = 12;
  const auto taps = tap_polynomials(shape, degree);
  for (int t = 0; t < shape.support; ++t)
    for (double d = 0.05; d < 1; d += 0.1) {
      double value = 0;
      for (int k = degree; k >= 0; --k)
        value = value * (2 * d - 1) + taps[static_cast<size_t>(t * (degree + 1) + k)];
      EXPECT_NEAR(value, kernel_value((t + d - 3.5) * 2 / 7, shape.beta, shape.e0), 1e-6);
    }
}

TEST(Kernel, CorrectionTableMatchesTheTransform) {
  for (const int support : {4, 8, 16}) {
    const KernelShape shape = kernel_shape(support, 1.5);
    const CorrectionTable table(shape, 0.5 / 1.5, 40);
    for (double nu = 0; nu <= 0.5 / 1.5; nu += 0.01)
      EXPECT_NEAR(table(nu) * kernel_transform(shape, nu), 1, support < 16 ? 2e-14 : 2e-13)
          << support << " " << nu;
  }
}

TEST(Geometry, PhaseIsThatOfTheDefinition) {
  PlanSummary summary;
  const ImageGeometry image{512, 384, 2e-3};
  const UvExtent extent{
      .max_u_lambda = 250, .max_v_lambda = 250, .min_w_lambda = 0, .max_w_lambda = 300, .visibilities = 1000};
  for (const int facets : {1, 3}) {
    const auto plans = plan_facets(image, extent, {.accuracy = 1e-6, .facets_per_side = facets}, summary);
    for (const auto& plan : plans) {
      const Facet& f = plan->facet;
      for (int64_t y = 0; y < f.ny; y += 37)
        for (int64_t x = 0; x < f.nx; x += 41) {
          const PixelDirection p = pixel_direction(f, x, y);
          const double l = -static_cast<double>(f.x_begin + x - image.nx / 2) * image.cell_rad;
          const double m = static_cast<double>(f.y_begin + y - image.ny / 2) * image.cell_rad;
          EXPECT_NEAR(p.l, l, 1e-15);
          EXPECT_NEAR(p.m, m, 1e-15);
          ASSERT_EQ(p.above_horizon, l * l + m * m <= 1);
          if (!p.above_horizon) continue;
          EXPECT_LE(std::abs(p.r - f.r_centre), f.r_half);
          const double n = std::sqrt(1 - l * l - m * m);
          for (const double w : {120.0, -77.0}) {
            const double u = 33.3, v = -21.7;
            const GridPosition at = grid_position(f, u, v, w);
            const double kx = static_cast<double>(x - f.nx / 2), ky = static_cast<double>(y - f.ny / 2);
            const double turns = at.phase_turns - at.gu * kx / static_cast<double>(f.nu) -
                                 at.gv * ky / static_cast<double>(f.nv) +
                                 (f.w0 + at.gw * f.dw) * (p.r - f.r_centre);
            EXPECT_EQ(at.conjugated, w < 0);
            EXPECT_NEAR(at.conjugated ? -turns : turns, u * l + v * m + w * (n - 1), 1e-11);
          }
        }
    }
  }
}

TEST(Plan, FacetsCoverTheImageAndTheBoxesTheVisibilities) {
  const Data<std::complex<float>> data({500, 300, 1e-4}, {.rows = 200, .channels = 30, .w_lambda = 5000});
  for (int facets = 1; facets <= 6; ++facets) {
    PlanSummary summary;
    const auto plans = finished_plans(data, {.accuracy = 1e-5, .facets_per_side = facets}, summary);
    std::vector<int> covered(500 * 300);
    for (const auto& plan : plans) {
      const Facet& f = plan->facet;
      EXPECT_EQ(f.nx % 2 + f.ny % 2, 0);
      for (int64_t y = 0; y < f.ny; ++y)
        for (int64_t x = 0; x < f.nx; ++x)
          ++covered[static_cast<size_t>((f.y_begin + y) * 500 + f.x_begin + x)];
      for (int64_t r = 0; r < data.rows; ++r)
        for (const double freq : data.freq_hz) {
          const double* uvw = &data.uvw_m[static_cast<size_t>(3 * r)];
          const double k = freq / kSpeedOfLight_m_s;
          if (!on_grid(uvw[0], uvw[1], freq, data.max_uv_lambda())) continue;
          const GridPosition at = grid_position(f, uvw[0] * k, uvw[1] * k, uvw[2] * k);
          const auto start = [&](double g) { return static_cast<int64_t>(std::ceil(g - 0.5 * f.support)); };
          ASSERT_GE(start(at.gw), 0);
          ASSERT_LE(start(at.gw) + f.support, f.planes);
          ASSERT_GE(start(at.gu), f.u_begin);
          ASSERT_LT(start(at.gu), f.u_begin + kTile * f.tiles_u);
          ASSERT_GE(start(at.gv), f.v_begin);
          ASSERT_LT(start(at.gv), f.v_begin + kTile * f.tiles_v);
        }
    }
    EXPECT_EQ(std::count(covered.begin(), covered.end(), 1), 500 * 300);
  }
}

TEST(Plan, RefusesWhatCannotBeHad) {
  PlanSummary summary;
  const UvExtent extent{.max_u_lambda = 10, .max_v_lambda = 10, .max_w_lambda = 10, .visibilities = 10};
  EXPECT_THROW(plan_facets({255, 256, 1e-3}, extent, {}, summary), UserError);
  EXPECT_THROW(plan_facets({256, 256, 1e-1}, extent, {}, summary), UserError);
  EXPECT_THROW(plan_facets({256, 256, 1e-3}, extent, {.accuracy = 1e-15}, summary), UserError);
  EXPECT_THROW(plan_facets({256, 256, 1e-3}, extent, {.accuracy = 1}, summary), UserError);
  EXPECT_NO_THROW(plan_facets({256, 256, 1e-3}, UvExtent{}, {}, summary));
}

TEST(ExtentByLength, EveryRowLiesInOneShell) {
  const Data<std::complex<float>> data({512, 512, 1e-4},
                                       {.rows = 200, .channels = 3, .w_lambda = 5000, .short_rows = 150});
  const ExtentByLength extent = data.extent();
  UvExtent sum;
  for (const UvExtent& part : extent.parts(0, ExtentByLength::kShells)) sum.add(part);
  const UvExtent total = extent.total();
  EXPECT_EQ(total.rows, 200);
  EXPECT_EQ(total.visibilities, 600);
  EXPECT_EQ(sum.rows, total.rows);
  EXPECT_EQ(sum.max_u_lambda, total.max_u_lambda);
  EXPECT_EQ(sum.min_w_lambda, total.min_w_lambda);
  for (const int cut : {1, 10, 13, 40, 63}) {
    const BaselineShell inner = ExtentByLength::shell(0, cut),
                        outer = ExtentByLength::shell(cut, ExtentByLength::kShells);
    int64_t inside = 0;
    for (int64_t r = 0; r < data.rows; ++r) {
      const double* uvw = &data.uvw_m[static_cast<size_t>(3 * r)];
      EXPECT_NE(inner.has(uvw), outer.has(uvw));
      inside += inner.has(uvw) ? 1 : 0;
    }
    int64_t rows = 0;
    for (const UvExtent& part : extent.parts(0, cut)) rows += part.rows;
    EXPECT_EQ(rows, inside) << cut;
  }
  const double centre[3] = {0, 0, 0};
  EXPECT_TRUE(ExtentByLength::shell(0, 1).has(centre));
}

TEST(TileMap, SlotsAreNumberedBySlabStripAndTile) {
  const Data<std::complex<float>> data({512, 512, 1e-4}, {.rows = 50, .channels = 10, .w_lambda = 50000});
  PlanSummary summary;
  const auto plans =
      finished_plans(data, {.accuracy = 1e-4, .facets_per_side = 1, .strips_target = 5}, summary);
  const TileMap& map = plans[0]->tiles;
  ASSERT_EQ(map.strip_begin.front(), 0);
  ASSERT_EQ(map.strip_begin.back(), map.tiles_u);
  int32_t next = 0;
  for (int64_t slab = 0; slab < map.slabs; ++slab)
    for (int64_t strip = 0; strip < map.strips; ++strip) {
      EXPECT_EQ(map.slot_begin[static_cast<size_t>(slab * map.strips + strip)], next);
      EXPECT_LT(map.strip_begin[static_cast<size_t>(strip)], map.strip_begin[static_cast<size_t>(strip) + 1]);
      for (int64_t tu = map.strip_begin[static_cast<size_t>(strip)];
           tu < map.strip_begin[static_cast<size_t>(strip) + 1]; ++tu)
        for (int64_t tv = 0; tv < map.tiles_v; ++tv) {
          const int32_t slot = map.slot_of(slab, tu, tv);
          if (slot < 0) continue;
          EXPECT_EQ(slot, next++);
          EXPECT_EQ(map.slot_tile[static_cast<size_t>(slot)], tu * map.tiles_v + tv);
        }
    }
  EXPECT_EQ(next, map.slots());
}

TEST(Index, FewChannelsArePlacedAsManyAre) {
  for (const int64_t channels : {1, 2, 7, 8, 9, 16}) {
    const Data<std::complex<float>> data(
        {512, 256, 1e-4},
        {.rows = 300, .channels = channels, .w_lambda = 20000, .descending = channels % 2 == 0});
    PlanSummary summary;
    for (const auto& plan : finished_plans(data, {.accuracy = 1e-4, .facets_per_side = 2}, summary)) {
      const RowWalker walker(plan->facet);
      for (int64_t row = 0; row < data.rows; ++row) {
        const double* uvw = &data.uvw_m[static_cast<size_t>(3 * row)];
        using Found = std::vector<std::array<int64_t, 5>>;
        const auto segment = [](int64_t first, int64_t) { return first % 5 != 3; };
        const auto into = [](Found& found) {
          return [&found](int64_t slab, int64_t tu, int64_t tv, int64_t c0, int64_t c1) {
            found.push_back({slab, tu, tv, c0, c1});
          };
        };
        Found placed, bisected;
        walker.walk(uvw, data.freq_hz, 0, channels, segment, into(placed));
        walker.walk_long(grid_ray(plan->facet, uvw[0], uvw[1], uvw[2]), data.freq_hz, 0, channels, segment,
                         into(bisected));
        ASSERT_EQ(placed, bisected);
        ASSERT_FALSE(placed.empty());
      }
    }
  }
}

TEST(Index, HoldsEveryVisibilityOncePerSlab) {
  for (const bool descending : {false, true}) {
    Data<std::complex<float>> data(
        {512, 256, 1e-4},
        {.rows = 80, .channels = 70, .max_uv_share = 1.1, .w_lambda = 20000, .descending = descending});
    for (int64_t c = 10; c < 20; ++c) data.weight[static_cast<size_t>(2 * data.channels + c)] = 0;
    PlanSummary summary;
    for (const int facets : {1, 2}) {
      const auto plans = finished_plans(data, {.accuracy = 1e-4, .facets_per_side = facets}, summary);
      for (const auto& plan : plans) {
        const Facet& f = plan->facet;
        const OwnedIndex owned(*plan, data, 0, data.rows);
        std::vector<int> seen(data.vis.size());
        for (int64_t slab = 0; slab < plan->tiles.slabs; ++slab)
          for (int64_t tu = 0; tu < f.tiles_u; ++tu)
            for (int64_t tv = 0; tv < f.tiles_v; ++tv) {
              const int32_t slot = plan->tiles.slot_of(slab, tu, tv);
              if (slot < 0) continue;
              std::pair<uint32_t, uint32_t> previous{0, 0};
              for (int32_t i = owned.index.start[slot]; i < owned.index.start[slot + 1]; ++i) {
                const gridder::Run run = owned.index.runs[i];
                const std::pair<uint32_t, uint32_t> at{run.row, run.channel};
                EXPECT_TRUE(i == owned.index.start[slot] || previous < at);
                previous = at;
                const double* uvw = &data.uvw_m[3 * run.row];
                for (int c = run.channel; c < run.channel + run.count; ++c) {
                  const double k = data.freq_hz[static_cast<size_t>(c)] / kSpeedOfLight_m_s;
                  const GridPosition p = grid_position(f, uvw[0] * k, uvw[1] * k, uvw[2] * k);
                  const auto start = [&](double g) {
                    return static_cast<int64_t>(std::ceil(g - 0.5 * f.support));
                  };
                  EXPECT_EQ((start(p.gu) - f.u_begin) / kTile, tu);
                  EXPECT_EQ((start(p.gv) - f.v_begin) / kTile, tv);
                  EXPECT_LE(start(p.gw), slab * kSlabPlanes + kSlabPlanes - 1);
                  EXPECT_GE(start(p.gw) + f.support, slab * kSlabPlanes + 1);
                  ++seen[run.row * static_cast<size_t>(data.channels) + static_cast<size_t>(c)];
                }
              }
            }
        for (int64_t r = 0; r < data.rows; ++r)
          for (int64_t c = 0; c < data.channels; ++c) {
            const double* uvw = &data.uvw_m[static_cast<size_t>(3 * r)];
            const double freq = data.freq_hz[static_cast<size_t>(c)], k = freq / kSpeedOfLight_m_s;
            const GridPosition p = grid_position(f, uvw[0] * k, uvw[1] * k, uvw[2] * k);
            const auto first = static_cast<int64_t>(std::ceil(p.gw - 0.5 * f.support));
            int wanted = static_cast<int>((first + f.support - 1) / kSlabPlanes - first / kSlabPlanes + 1);
            if (!on_grid(uvw[0], uvw[1], freq, data.max_uv_lambda())) wanted = 0;
            const int found = seen[static_cast<size_t>(r * data.channels + c)];
            if (data.weight[static_cast<size_t>(r * data.channels + c)] == 0)
              EXPECT_LE(found, wanted);
            else
              EXPECT_EQ(found, wanted);
          }
      }
    }
  }
}

TEST(Index, RefusesWhatThePlanDoesNotHold) {
  const Data<std::complex<float>> data({128, 128, 1e-4}, {.rows = 20, .channels = 4});
  PlanSummary summary;
  const auto plans = finished_plans(data, {.accuracy = 1e-4}, summary);
  AlignedArray<unsigned char> memory(index_bytes(*plans[0], 3));
  ChunkIndex index = chunk_index(*plans[0], 3, memory.data());
  EXPECT_THROW(build_index(*plans[0], data.geometry(0, data.rows), {}, index), RunError);

  const Data<std::complex<float>> other({128, 128, 1e-4},
                                        {.rows = 20, .channels = 4, .w_lambda = 1e5, .seed = 9});
  AlignedArray<unsigned char> large(index_bytes(*plans[0], 1000));
  index = chunk_index(*plans[0], 1000, large.data());
  EXPECT_THROW(build_index(*plans[0], other.geometry(0, other.rows), {}, index), RunError);
}

}  // namespace
}  // namespace fringeflow::gridder::test
