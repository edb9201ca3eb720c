// SPDX-License-Identifier: GPL-3.0-or-later
// Gridding and degridding rates on one core: 64 dishes like MeerKAT's, 64 channels, 4096 x 4096 pixels of 1.5
// arcsec.
//   grid_bench --benchmark_filter=Grid/float
#include <benchmark/benchmark.h>

#include "tests/codelets/gridder_fixture.hpp"

namespace fringeflow::gridder::test {
namespace {

using Vis = std::complex<float>;

// Tracks of an hour and a half: a dense core and a few far dishes, declination -30 degrees.
const Data<Vis>& observation() {
  static const Data<Vis> data = [] {
    constexpr int kDishes = 64, kTimes = 60;
    Data<Vis> d({4096, 4096, 1.5 / 3600 * kPi / 180}, {.rows = 1, .channels = 64});
    for (size_t c = 0; c < 64; ++c) d.freq_hz[c] = 1.3e9 + 1e6 * static_cast<double>(c);
    std::mt19937 generator(1);
    std::normal_distribution<double> normal;
    std::vector<std::array<double, 3>> dishes;
    for (int i = 0; i < kDishes; ++i) {
      const double spread = i < 44 ? 350 : 2200;
      dishes.push_back({spread * normal(generator), spread * normal(generator), 5 * normal(generator)});
    }
    d.uvw_m.clear();
    const double latitude = -0.536, declination = -0.5236;
    for (int t = 0; t < kTimes; ++t) {
      const double hour = (t - kTimes / 2) * 60 * 7.27e-5 * 1.5;
      for (int i = 0; i < kDishes; ++i)
        for (int j = i + 1; j < kDishes; ++j) {
          const double e = dishes[j][0] - dishes[i][0], n = dishes[j][1] - dishes[i][1],
                       z = dishes[j][2] - dishes[i][2];
          const double x = -std::sin(latitude) * n + std::cos(latitude) * z, y = e,
                       up = std::cos(latitude) * n + std::sin(latitude) * z;
          const double a = x * std::cos(hour) - y * std::sin(hour),
                       b = x * std::sin(hour) + y * std::cos(hour);
          d.uvw_m.insert(d.uvw_m.end(), {b, std::cos(declination) * up - std::sin(declination) * a,
                                         std::cos(declination) * a + std::sin(declination) * up});
        }
    }
    d.rows = static_cast<int64_t>(d.uvw_m.size()) / 3;
    const auto n = static_cast<size_t>(d.rows * d.channels);
    std::uniform_real_distribution<float> uniform(-1, 1);
    d.vis.resize(n);
    d.weight.resize(n);
    for (size_t i = 0; i < n; ++i) {
      d.vis[i] = {uniform(generator), uniform(generator)};
      d.weight[i] = 1.5f + uniform(generator);
    }
    return d;
  }();
  return data;
}

constexpr double kSigma = 1.55;

std::shared_ptr<FacetPlan> plan_for(int support, int facets = 1) {
  PlanSummary summary;
  return finished_plans(observation(),
                        {.accuracy = 1e-4,
                         .facets_per_side = facets,
                         .support = support,
                         .sigma = kSigma,
                         .precision_bits = 64},
                        summary)[0];
}

void report(benchmark::State& state, const FacetPlan& plan, const ChunkIndex& index) {
  const auto& data = observation();
  state.counters["Mvis/s"] = benchmark::Counter(static_cast<double>(data.rows * data.channels) * 1e-6,
                                                benchmark::Counter::kIsIterationInvariantRate);
  const int32_t runs = index.start[plan.tiles.slots()];
  int64_t members = 0;
  for (int32_t i = 0; i < runs; ++i) members += index.runs[i].count;
  state.counters["planes"] = plan.facet.planes;
  state.counters["run"] = static_cast<double>(members) / runs;
  state.counters["slabs"] = static_cast<double>(members) / static_cast<double>(data.rows * data.channels);
}

template <class T>
void Grid(benchmark::State& state) {
  const auto& data = observation();
  const auto plan = plan_for(static_cast<int>(state.range(0)));
  const OwnedIndex owned(*plan, data, 0, data.rows);
  const GridInput<Vis> input{data.geometry(0, data.rows),
                             {data.vis.data(), {data.rows, data.channels}},
                             data.weights(0, data.rows),
                             owned.index};
  Tiles<T> tiles(*plan);
  for (auto _ : state)
    for (int64_t slab = 0; slab < plan->tiles.slabs; ++slab)
      for (int64_t strip = 0; strip < plan->tiles.strips; ++strip)
        grid_cpu<T, Vis>(*plan, slab, strip, std::span(&input, 1),
                         tiles.stores[static_cast<size_t>(slab * plan->tiles.strips + strip)]);
  report(state, *plan, owned.index);
}

template <class T>
void Degrid(benchmark::State& state) {
  const auto& data = observation();
  const auto plan = plan_for(static_cast<int>(state.range(0)));
  const OwnedIndex owned(*plan, data, 0, data.rows);
  Tiles<T> tiles(*plan);
  for (size_t i = 0; i < tiles.stores.size(); ++i)
    std::fill_n(tiles.stores[i].touched,
                plan->tiles.slots_of(static_cast<int64_t>(i) / plan->tiles.strips,
                                     static_cast<int64_t>(i) % plan->tiles.strips),
                uint8_t{1});
  std::vector<Vis> predicted(data.vis.size());
  const DegridOutput<Vis> output{data.geometry(0, data.rows), owned.index,
                                 View<Vis, 2>(predicted.data(), {data.rows, data.channels})};
  for (auto _ : state) degrid_cpu<T, Vis>(*plan, 0, plan->tiles.slabs, tiles.stores, std::span(&output, 1));
  report(state, *plan, owned.index);
}

void Index(benchmark::State& state) {
  const auto& data = observation();
  const auto plan = plan_for(static_cast<int>(state.range(0)));
  OwnedIndex owned(*plan, data, 0, data.rows);
  for (auto _ : state)
    build_index(*plan, data.geometry(0, data.rows), data.weights(0, data.rows), owned.index);
  report(state, *plan, owned.index);
}

void Mark(benchmark::State& state) {
  const auto& data = observation();
  const auto plan = plan_for(static_cast<int>(state.range(0)));
  const OwnedIndex owned(*plan, data, 0, 1);
  for (auto _ : state) {
    TileMarker marker(*plan);
    benchmark::DoNotOptimize(marker.mark_rows({data.uvw_m.data(), {data.rows, 3}}, data.freq_hz));
  }
  report(state, *plan, owned.index);
}

BENCHMARK(Grid<float>)->DenseRange(4, 8)->Unit(benchmark::kMillisecond);
BENCHMARK(Grid<double>)->Arg(7)->Arg(10)->Arg(14)->Unit(benchmark::kMillisecond);
BENCHMARK(Degrid<float>)->DenseRange(4, 8)->Unit(benchmark::kMillisecond);
BENCHMARK(Degrid<double>)->Arg(7)->Arg(10)->Arg(14)->Unit(benchmark::kMillisecond);
BENCHMARK(Index)->Arg(7)->Unit(benchmark::kMillisecond);
BENCHMARK(Mark)->Arg(7)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fringeflow::gridder::test
