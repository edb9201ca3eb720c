// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/degrid/degrid.hpp"

#include <gtest/gtest.h>

#include <map>
#include <tuple>

#include "tests/codelets/gridder_fixture.hpp"

namespace fringeflow::gridder::test {
namespace {

template <class Vis>
Data<Vis> small_data() {
  return {{256, 192, 2e-4}, {.rows = 40, .channels = 21, .max_uv_share = 1.05, .w_lambda = 3000, .seed = 5}};
}

// Fills all marked tiles from a grid of random cells that agrees where halos overlap.
template <class T>
std::map<std::tuple<int64_t, int64_t, int64_t>, std::complex<T>> fill_random(const FacetPlan& plan,
                                                                             Tiles<T>& tiles) {
  for (size_t i = 0; i < tiles.stores.size(); ++i) {
    const auto slab = static_cast<int64_t>(i) / plan.tiles.strips,
               strip = static_cast<int64_t>(i) % plan.tiles.strips;
    std::fill_n(tiles.stores[i].touched, plan.tiles.slots_of(slab, strip), uint8_t{1});
  }
  std::map<std::tuple<int64_t, int64_t, int64_t>, std::complex<T>> cells;
  std::mt19937 generator(3);
  std::uniform_real_distribution<T> uniform(-1, 1);
  for_each_cell(plan, tiles, [&](int64_t u, int64_t v, int64_t p, T& re, T& im) {
    auto [at, added] = cells.try_emplace({u, v, p});
    if (added && p < plan.facet.planes) at->second = {uniform(generator), uniform(generator)};
    re = at->second.real();
    im = at->second.imag();
  });
  return cells;
}

template <class T, class Vis>
std::vector<Vis> degrid_all(const FacetPlan& plan, const Data<Vis>& data, const Tiles<T>& tiles,
                            const std::vector<int64_t>& chunk_rows) {
  std::vector<Vis> out(data.vis.size());
  int64_t row = 0;
  for (const int64_t n : chunk_rows) {
    const OwnedIndex owned(plan, data, row, row + n, false);
    const DegridOutput<Vis> output{data.geometry(row, row + n), owned.index,
                                   View<Vis, 2>(out.data() + row * data.channels, {n, data.channels})};
    degrid_cpu<T, Vis>(plan, 0, plan.tiles.slabs, tiles.stores, std::span(&output, 1));
    row += n;
  }
  return out;
}

class DegridAccuracy : public testing::TestWithParam<std::pair<double, int>> {};

TEST_P(DegridAccuracy, MatchesTheDefinition) {
  const auto [accuracy, facets] = GetParam();
  const auto data = small_data<std::complex<double>>();
  PlanSummary summary;
  const auto plans = finished_plans(
      data, {.accuracy = accuracy, .facets_per_side = facets, .compress = false, .strips_target = 4},
      summary);
  for (const auto& plan : plans) {
    Tiles<double> tiles(*plan);
    const auto cells = fill_random(*plan, tiles);
    const auto got = degrid_all(*plan, data, tiles, {data.rows});
    double difference = 0, norm = 0;
    for (int64_t r = 0; r < data.rows; ++r)
      for (int64_t c = 0; c < data.channels; ++c) {
        const double* uvw = &data.uvw_m[static_cast<size_t>(3 * r)];
        const double f = data.freq_hz[static_cast<size_t>(c)], k = f / kSpeedOfLight_m_s;
        std::complex<double> wanted = 0;
        if (on_grid(uvw[0], uvw[1], f, data.max_uv_lambda())) {
          const GridPosition at = grid_position(plan->facet, uvw[0] * k, uvw[1] * k, uvw[2] * k);
          for_each_tap(plan->facet, at, [&](int64_t u, int64_t v, int64_t w, double tap) {
            wanted += tap * cells.at({u, v, w});
          });
          wanted *= turn(at.phase_turns);
          if (at.conjugated) wanted = std::conj(wanted);
        }
        difference += std::norm(got[static_cast<size_t>(r * data.channels + c)] - wanted);
        norm += std::norm(wanted);
      }
    EXPECT_LT(std::sqrt(difference / norm), std::max(2e-13, 0.3 * accuracy)) << summary.text;
  }
}

INSTANTIATE_TEST_SUITE_P(Accuracies, DegridAccuracy,
                         testing::Values(std::pair{1e-2, 1}, std::pair{1e-4, 1}, std::pair{1e-6, 2},
                                         std::pair{1e-9, 1}, std::pair{1e-12, 1}, std::pair{1e-12, 3}));

template <class T, class Vis>
void expect_adjoint(double accuracy, double tolerance) {
  const auto data = small_data<Vis>();
  PlanSummary summary;
  const auto plans = finished_plans(data, {.accuracy = accuracy}, summary);
  const FacetPlan& plan = *plans[0];
  Tiles<T> gridded(plan), given(plan);
  grid_all(plan, data, {data.rows}, gridded);
  fill_random(plan, given);
  const auto predicted = degrid_all(plan, data, given, {data.rows});
  // Halos of neighbouring tiles hold the same given cells, so that a sum over all stored cells is one over
  // the grid.
  std::complex<double> on_cells = 0, on_visibilities = 0;
  double scale = 0;
  std::vector<std::complex<double>> a, b;
  for_each_cell(plan, gridded, [&](int64_t, int64_t, int64_t, T re, T im) { a.emplace_back(re, im); });
  for_each_cell(plan, given, [&](int64_t, int64_t, int64_t, T re, T im) { b.emplace_back(re, im); });
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) on_cells += std::conj(b[i]) * a[i];
  for (size_t i = 0; i < data.vis.size(); ++i) {
    const std::complex<double> x = std::complex<double>(data.vis[i]) * static_cast<double>(data.weight[i]),
                               y = predicted[i];
    // A conjugated visibility enters with its conjugate on both sides.
    const bool conjugated = data.uvw_m[3 * (i / static_cast<size_t>(data.channels)) + 2] < 0;
    on_visibilities += conjugated ? y * std::conj(x) : std::conj(y) * x;
    scale += std::abs(x) * std::abs(y);
  }
  EXPECT_LT(std::abs(on_cells - on_visibilities), tolerance * scale) << on_cells << on_visibilities;
}

TEST(Degrid, IsTheAdjointOfGridInSinglePrecision) { expect_adjoint<float, std::complex<float>>(1e-4, 3e-6); }
TEST(Degrid, IsTheAdjointOfGridInDoublePrecision) {
  expect_adjoint<double, std::complex<double>>(1e-10, 2e-14);
}

template <class T>
void expect_same_bits_on_all_targets(int support) {
  const auto data = small_data<std::complex<float>>();
  PlanSummary summary;
  const auto plans = finished_plans(data, {.accuracy = 1e-4, .support = support, .sigma = 1.7}, summary);
  Tiles<T> tiles(*plans[0]);
  fill_random(*plans[0], tiles);
  std::vector<std::complex<float>> first;
  for_each_fused_target([&] {
    const auto predicted = degrid_all(*plans[0], data, tiles, {data.rows});
    if (first.empty()) first = predicted;
    EXPECT_TRUE(first == predicted) << support;
  });
}

TEST(Degrid, SameBitsOnAllTargets) {
  for (const int support : {4, 7, 10, 16}) {
    expect_same_bits_on_all_targets<float>(support);
    expect_same_bits_on_all_targets<double>(support);
  }
}

TEST(Degrid, BitsDoNotDependOnChunksAndPredictionsAreAddedTo) {
  const auto data = small_data<std::complex<float>>();
  PlanSummary summary;
  const auto plans = finished_plans(data, {.accuracy = 1e-4, .strips_target = 5}, summary);
  Tiles<float> tiles(*plans[0]);
  fill_random(*plans[0], tiles);
  const auto a = degrid_all(*plans[0], data, tiles, {data.rows});
  const auto b = degrid_all(*plans[0], data, tiles, {1, 20, data.rows - 21});
  EXPECT_EQ(a, b);

  // Slab by slab on top of what is there.
  std::vector<std::complex<float>> c(a.size());
  const OwnedIndex owned(*plans[0], data, 0, data.rows, false);
  const auto strips = static_cast<size_t>(plans[0]->tiles.strips);
  const DegridOutput<std::complex<float>> output{
      data.geometry(0, data.rows), owned.index,
      View<std::complex<float>, 2>(c.data(), {data.rows, data.channels})};
  for (int64_t slab = 0; slab < plans[0]->tiles.slabs; ++slab)
    degrid_cpu<float, std::complex<float>>(
        *plans[0], slab, slab + 1,
        std::span(tiles.stores).subspan(static_cast<size_t>(slab) * strips, strips), std::span(&output, 1));
  EXPECT_EQ(a, c);

  // Strip by strip, without the stores of the others.
  std::fill(c.begin(), c.end(), 0);
  for (int64_t slab = 0; slab < plans[0]->tiles.slabs; ++slab)
    for (size_t strip = 0; strip < strips; ++strip) {
      std::vector<TileStore<float>> one(strips);
      one[strip] = tiles.stores[static_cast<size_t>(slab) * strips + strip];
      degrid_cpu<float, std::complex<float>>(*plans[0], slab, slab + 1, one, std::span(&output, 1));
    }
  EXPECT_EQ(a, c);
}

}  // namespace
}  // namespace fringeflow::gridder::test
