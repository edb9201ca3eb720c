// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/grid/grid.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <tuple>

#include "tests/codelets/gridder_fixture.hpp"

namespace fringeflow::gridder::test {
namespace {

using Cell = std::tuple<int64_t, int64_t, int64_t>;
using Cells = std::map<Cell, std::complex<double>>;

template <class T>
Cells collect(const FacetPlan& plan, const Tiles<T>& tiles) {
  Cells out;
  for_each_cell(plan, tiles, [&](int64_t u, int64_t v, int64_t p, T re, T im) {
    if (re != 0 || im != 0) out[{u, v, p}] += std::complex<double>(re, im);
  });
  return out;
}

template <class Vis>
Cells naive_grid(const Facet& facet, const Data<Vis>& data, bool psf) {
  Cells out;
  for (int64_t r = 0; r < data.rows; ++r)
    for (int64_t c = 0; c < data.channels; ++c) {
      const auto i = static_cast<size_t>(r * data.channels + c);
      const double* uvw = &data.uvw_m[static_cast<size_t>(3 * r)];
      const double f = data.freq_hz[static_cast<size_t>(c)], k = f / kSpeedOfLight_m_s;
      if (!on_grid(uvw[0], uvw[1], f, data.max_uv_lambda()) || data.weight[i] == 0) continue;
      const GridPosition at = grid_position(facet, uvw[0] * k, uvw[1] * k, uvw[2] * k);
      std::complex<double> value = psf ? std::complex<double>(1) : std::complex<double>(data.vis[i]);
      if (at.conjugated) value = std::conj(value);
      value *= static_cast<double>(data.weight[i]) * turn(-at.phase_turns);
      for_each_tap(facet, at, [&](int64_t u, int64_t v, int64_t w, double tap) {
        out[{u, v, w}] += value * tap;
      });
    }
  return out;
}

double relative_difference(const Cells& a, const Cells& b) {
  double difference = 0, norm = 0;
  for (const auto& [cell, value] : b) {
    const auto found = a.find(cell);
    difference += std::norm(value - (found == a.end() ? std::complex<double>() : found->second));
    norm += std::norm(value);
  }
  for (const auto& [cell, value] : a)
    if (!b.contains(cell)) difference += std::norm(value);
  return std::sqrt(difference / norm);
}

template <class Vis>
Data<Vis> small_data(bool descending = false) {
  return {{256, 192, 2e-4},
          {.rows = 40, .channels = 21, .max_uv_share = 1.05, .w_lambda = 3000, .descending = descending}};
}

struct Case {
  double accuracy;
  int facets;
  bool descending;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.accuracy << " with " << c.facets << " facets" << (c.descending ? ", descending" : "");
}

class GridAccuracy : public testing::TestWithParam<Case> {};

TEST_P(GridAccuracy, MatchesTheDefinition) {
  const Case& c = GetParam();
  auto data = small_data<std::complex<double>>(c.descending);
  data.weight[5] = 0;
  data.vis[5] = {std::numeric_limits<double>::quiet_NaN(), 1};
  for (int64_t k = 0; k < data.channels; ++k) data.weight[static_cast<size_t>(3 * data.channels + k)] = 0;
  // Nodes stand for channels only as far as the image can tell, not in every cell: see accuracy_test.cpp.
  PlanSummary summary;
  const auto plans = finished_plans(
      data, {.accuracy = c.accuracy, .facets_per_side = c.facets, .compress = false, .strips_target = 4},
      summary);
  for (const auto& plan : plans) {
    for (const bool psf : {false, true}) {
      const Cells wanted = naive_grid(plan->facet, data, psf);
      Tiles<double> exact(*plan);
      grid_all(*plan, data, {data.rows}, exact, psf);
      EXPECT_LT(relative_difference(collect(*plan, exact), wanted), std::max(1e-13, 0.3 * c.accuracy))
          << summary.text;
      Tiles<float> single(*plan);
      grid_all(*plan, data, {data.rows}, single, psf);
      EXPECT_LT(relative_difference(collect(*plan, single), wanted), std::max(3e-6, 0.3 * c.accuracy))
          << summary.text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Accuracies, GridAccuracy,
                         testing::Values(Case{1e-2, 1, false}, Case{1e-4, 1, true}, Case{1e-6, 2, false},
                                         Case{1e-9, 1, false}, Case{1e-12, 1, true}, Case{1e-12, 3, false}));

TEST(Grid, BitsDoNotDependOnChunksOrStrips) {
  const auto data = small_data<std::complex<float>>();
  PlanSummary summary;
  const auto one = finished_plans(data, {.accuracy = 1e-4, .strips_target = 1}, summary);
  const auto many = finished_plans(data, {.accuracy = 1e-4, .strips_target = 7}, summary);
  Tiles<float> a(*one[0]), b(*many[0]);
  grid_all(*one[0], data, {data.rows}, a);
  grid_all(*many[0], data, {7, 1, 30, data.rows - 38}, b);
  std::map<std::tuple<int64_t, int64_t, int64_t, int64_t>, std::pair<float, float>> cells;
  // A cell may be in several tiles' halos: the tiles are visited in the same order of their columns and rows.
  const auto key = [n = std::map<Cell, int64_t>()](int64_t u, int64_t v, int64_t p) mutable {
    return std::tuple(u, v, p, n[Cell{u, v, p}]++);
  };
  auto key_a = key, key_b = key;
  for_each_cell(*one[0], a, [&](int64_t u, int64_t v, int64_t p, float re, float im) {
    cells[key_a(u, v, p)] = {re, im};
  });
  size_t compared = 0;
  for_each_cell(*many[0], b, [&](int64_t u, int64_t v, int64_t p, float re, float im) {
    const auto found = cells.find(key_b(u, v, p));
    ASSERT_TRUE(found != cells.end());
    ASSERT_EQ(found->second.first, re);
    ASSERT_EQ(found->second.second, im);
    ++compared;
  });
  EXPECT_EQ(compared, cells.size());
}

template <class T>
void expect_same_bits_on_all_targets(int support) {
  const auto data = small_data<std::complex<float>>();
  PlanSummary summary;
  const auto plans = finished_plans(data, {.accuracy = 1e-4, .support = support, .sigma = 1.7}, summary);
  std::vector<T> first;
  for_each_fused_target([&] {
    Tiles<T> tiles(*plans[0]);
    grid_all(*plans[0], data, {data.rows}, tiles);
    std::vector<T> cells;
    for_each_cell(*plans[0], tiles, [&](int64_t, int64_t, int64_t, T re, T im) {
      cells.insert(cells.end(), {re, im});
    });
    if (first.empty()) first = cells;
    EXPECT_TRUE(first == cells) << support;
  });
}

TEST(Grid, SameBitsOnAllTargets) {
  for (const int support : {4, 7, 10, 16}) {
    expect_same_bits_on_all_targets<float>(support);
    expect_same_bits_on_all_targets<double>(support);
  }
}

TEST(Grid, AddsToTilesThatHoldData) {
  const auto data = small_data<std::complex<float>>();
  PlanSummary summary;
  const auto plans = finished_plans(data, {.accuracy = 1e-4}, summary);
  Tiles<double> once(*plans[0]), twice(*plans[0]);
  grid_all(*plans[0], data, {data.rows}, once);
  grid_all(*plans[0], data, {data.rows}, twice);
  grid_all(*plans[0], data, {data.rows}, twice);
  Cells wanted = collect(*plans[0], once);
  for (auto& [cell, value] : wanted) value *= 2;
  EXPECT_LT(relative_difference(collect(*plans[0], twice), wanted), 1e-14);
}

}  // namespace
}  // namespace fringeflow::gridder::test
