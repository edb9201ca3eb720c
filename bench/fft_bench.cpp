// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Speed of the batched transforms and of the plane steps on one core, beside FFTW on the same sizes.
/// GF/s counts 5 n log2 n per complex transform. The plane benchmarks report seconds per w-plane.
#include <benchmark/benchmark.h>
#include <fftw3.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "codelets/fft/batched_fft.hpp"
#include "codelets/fft/fft.hpp"

namespace fringeflow::fft {
namespace {

using gridder::kLanes;
using gridder::kSlabPlanes;
using gridder::kTile;

struct Free {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Buffer = std::unique_ptr<T[], Free>;

template <class T>
Buffer<T> random_buffer(int64_t n) {
  Buffer<T> out(
      static_cast<T*>(std::aligned_alloc(4096, (static_cast<size_t>(n) * sizeof(T) + 8191) / 4096 * 4096)));
  std::minstd_rand generator(1);
  for (int64_t i = 0; i < n; ++i)
    out[static_cast<size_t>(i)] = static_cast<T>(generator()) / static_cast<T>(2147483647) - T(0.5);
  return out;
}

void report_flops(benchmark::State& state, double transforms, double n) {
  state.counters["GF/s"] = benchmark::Counter(transforms * 5 * n * std::log2(n) * 1e-9,
                                              benchmark::Counter::kIsIterationInvariantRate);
}

/// Half of the transforms are of sign -1, so that repeated transforms in place stay finite after scaling.
template <class T>
void batched(benchmark::State& state) {
  const int64_t n = state.range(0), scalars = n * 2 * kLanes<T>;
  const auto transform = batched_fft<T>(n);
  auto x = random_buffer<T>(scalars), scratch = random_buffer<T>(transform->scratch_scalars());
  int64_t runs = 0;
  for (auto _ : state) {
    transform->execute(x.get(), scratch.get(), runs++ % 2 == 0 ? 1 : -1);
    if (runs % 4 == 0) {
      state.PauseTiming();
      const T scale = T(1) / static_cast<T>(n * n);
      for (int64_t i = 0; i < scalars; ++i) x[static_cast<size_t>(i)] *= scale;
      state.ResumeTiming();
    }
  }
  report_flops(state, kLanes<T>, static_cast<double>(n));
}

/// FFTW on the same batch: interleaved complex, the batch fastest.
void fftw_many(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0)), lanes = kLanes<float>;
  auto x = random_buffer<float>(int64_t{2} * n * lanes);
  auto* data = reinterpret_cast<fftwf_complex*>(x.get());
  fftwf_plan plan = fftwf_plan_many_dft(1, &n, lanes, data, nullptr, lanes, 1, data, nullptr, lanes, 1,
                                        FFTW_BACKWARD, FFTW_MEASURE);
  std::fill_n(x.get(), int64_t{2} * n * lanes, 0.0F);
  for (auto _ : state) fftwf_execute(plan);
  fftwf_destroy_plan(plan);
  report_flops(state, lanes, n);
}

/// FFTW on sequences one after the other, its best case.
void fftw_single(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  auto x = random_buffer<float>(int64_t{2} * n);
  auto* data = reinterpret_cast<fftwf_complex*>(x.get());
  fftwf_plan plan = fftwf_plan_dft_1d(n, data, data, FFTW_BACKWARD, FFTW_MEASURE);
  std::fill_n(x.get(), int64_t{2} * n, 0.0F);
  for (auto _ : state) fftwf_execute(plan);
  fftwf_destroy_plan(plan);
  report_flops(state, 1, n);
}

/// A whole plane without pruning or screen.
void fftw_plane(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  auto x = random_buffer<float>(int64_t{2} * n * n);
  auto* data = reinterpret_cast<fftwf_complex*>(x.get());
  fftwf_plan plan = fftwf_plan_dft_2d(n, n, data, data, FFTW_BACKWARD, FFTW_ESTIMATE);
  std::fill_n(x.get(), int64_t{2} * n * n, 0.0F);
  for (auto _ : state) fftwf_execute(plan);
  fftwf_destroy_plan(plan);
  report_flops(state, 2.0 * n, n);
  state.counters["s/plane"] =
      benchmark::Counter(1, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// A square facet with every tile touched and four strips in turn, which share their buffers to bound memory.
template <class T>
struct PlaneCase {
  static constexpr int64_t kStrips = 4;
  PlaneCase(int64_t size, int64_t kept) {
    gridder::Facet& facet = plan.facet;
    facet.nx = facet.ny = kept;
    facet.cell_x_rad = facet.cell_y_rad = 7e-6;
    facet.nu = facet.nv = size;
    facet.support = 7;
    facet.beta = 15;
    facet.tiles_u = facet.tiles_v = size / kTile;
    facet.u_begin = facet.v_begin = -size / 2;
    facet.planes = kSlabPlanes;
    facet.r_half = 1e-4;
    facet.dw = 3000;
    facet.w0 = 1000;
    gridder::TileMap& map = plan.tiles;
    map.slabs = 1;
    map.tiles_u = facet.tiles_u;
    map.tiles_v = facet.tiles_v;
    const int64_t per_strip = std::max<int64_t>(1, facet.tiles_u / 32);
    map.strip_begin = {0};
    map.slot_begin = {0};
    while (map.strip_begin.back() < facet.tiles_u) {
      map.strip_begin.push_back(
          static_cast<int32_t>(std::min<int64_t>(facet.tiles_u, map.strip_begin.back() + per_strip)));
      map.slot_begin.push_back(static_cast<int32_t>(map.strip_begin.back() * facet.tiles_v));
    }
    map.strips = static_cast<int64_t>(map.strip_begin.size()) - 1;
    for (int32_t i = 0; i < facet.tiles_u * facet.tiles_v; ++i) {
      map.slot.push_back(i);
      map.slot_tile.push_back(i);
    }
    plan.correction_x.assign(static_cast<size_t>(kept), 1.0);
    plan.correction_y.assign(static_cast<size_t>(kept), 1.0);
    touched.assign(static_cast<size_t>(per_strip * facet.tiles_v), 1);
    const int64_t blocks = y_blocks<T>(plan);
    for (int64_t i = 0; i < 2; ++i)
      stores[i] = random_buffer<T>(per_strip * facet.tiles_v * facet.tile_scalars());
    for (int64_t i = 0; i < kStrips; ++i) {
      rows[i] = random_buffer<T>(slab_rows_scalars<T>(plan, 0));
      std::fill(
          rows[i].get() + slab_rows_scalars<T>(plan, 0) - strip_cells<T>(plan, 0) / kLanes<T> - 2 * kLanes<T>,
          rows[i].get() + slab_rows_scalars<T>(plan, 0), T(1));
    }
    for (int64_t strip = 0; strip < map.strips; ++strip) all.push_back(rows[strip % kStrips].get());
    image = random_buffer<T>(image_strip_scalars<T>(plan, blocks));
    scratch = random_buffer<T>(fft_scratch_scalars<T>(plan));
  }
  TileStore<T> store(int64_t strip) { return {touched.data(), stores[strip % 2].get()}; }

  FacetPlan plan;
  std::vector<uint8_t> touched;
  Buffer<T> stores[2], rows[kStrips], image, scratch;
  std::vector<const T*> all;
};

/// Seconds a plane of a step that runs for one of `parts` parts of the plane.
void report_plane(benchmark::State& state, double part_of_plane) {
  state.counters["s/plane"] =
      benchmark::Counter(kSlabPlanes * part_of_plane,
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class T>
void rows_to_sky(benchmark::State& state) {
  PlaneCase<T> plane(state.range(0), state.range(1));
  int64_t strip = 0;
  const int64_t strips = plane.plan.tiles.strips - 1;
  for (auto _ : state) {
    rows_to_sky_cpu<T>(plane.plan, 0, strip, plane.store(strip),
                       strip > 0 ? plane.store(strip - 1) : TileStore<T>{},
                       plane.rows[strip % PlaneCase<T>::kStrips].get(), plane.scratch.get());
    strip = (strip + 1) % strips;
  }
  report_plane(state,
               static_cast<double>(strip_cells<T>(plane.plan, 0)) / static_cast<double>(plane.plan.facet.nu));
}

template <class T>
void rows_to_grid(benchmark::State& state) {
  PlaneCase<T> plane(state.range(0), state.range(1));
  // Columns in y-strips that share one buffer.
  const int64_t blocks = y_blocks<T>(plane.plan), per_strip = std::max<int64_t>(1, blocks / 16);
  std::vector<int64_t> y_strips = {0};
  while (y_strips.back() < blocks) y_strips.push_back(std::min(blocks, y_strips.back() + per_strip));
  const auto columns = random_buffer<T>(slab_columns_scalars<T>(plane.plan, per_strip));
  const std::vector<const T*> all(y_strips.size() - 1, columns.get());
  int64_t strip = 0;
  const int64_t strips = plane.plan.tiles.strips - 1;
  for (auto _ : state) {
    rows_to_grid_cpu<T>(plane.plan, 0, strip, all, y_strips, plane.store(strip), plane.scratch.get());
    strip = (strip + 1) % strips;
  }
  report_plane(state,
               static_cast<double>(strip_cells<T>(plane.plan, 0)) / static_cast<double>(plane.plan.facet.nu));
}

template <class T>
void columns_to_sky(benchmark::State& state) {
  PlaneCase<T> plane(state.range(0), state.range(1));
  const int64_t blocks = y_blocks<T>(plane.plan);
  int64_t block = 0;
  for (auto _ : state) {
    columns_to_sky_cpu<T>(plane.plan, 0, plane.all, block, block + 1,
                          plane.image.get() + image_strip_scalars<T>(plane.plan, block), plane.scratch.get());
    block = (block + 1) % blocks;
  }
  report_plane(state, 1.0 / static_cast<double>(blocks));
}

template <class T>
void columns_to_grid(benchmark::State& state) {
  PlaneCase<T> plane(state.range(0), state.range(1));
  const int64_t blocks = y_blocks<T>(plane.plan);
  const auto columns = random_buffer<T>(slab_columns_scalars<T>(plane.plan, 4));
  int64_t block = 0;
  for (auto _ : state) {
    columns_to_grid_cpu<T>(
        plane.plan, 0, block, block + 1, plane.image.get() + image_strip_scalars<T>(plane.plan, block),
        columns.get() + block % 4 * slab_columns_scalars<T>(plane.plan, 1), plane.scratch.get());
    block = (block + 1) % blocks;
  }
  report_plane(state, 1.0 / static_cast<double>(blocks));
}

/// Of a whole image, once for all planes.
void correct(benchmark::State& state) {
  PlaneCase<float> plane(state.range(0), state.range(1));
  const int64_t kept = plane.plan.facet.nx;
  std::vector<float> pixels(static_cast<size_t>(kept * kept));
  for (auto _ : state)
    correct_cpu<float, float>(plane.plan, 0, y_blocks<float>(plane.plan), plane.image.get(), 1.0, false,
                              View<float, 2>(pixels.data(), {kept, kept}));
}

void lengths(benchmark::internal::Benchmark* b) {
  for (const int64_t n : {480, 1024, 1800, 2400, 2880, 3600, 4096, 4800, 5760, 6912}) b->Arg(n);
}
void planes(benchmark::internal::Benchmark* b) {
  b->Args({2880, 2048})->Args({5760, 4096})->Unit(benchmark::kMillisecond);
}

BENCHMARK_TEMPLATE(batched, float)->Apply(lengths);
BENCHMARK_TEMPLATE(batched, double)->Apply(lengths);
BENCHMARK(fftw_many)->Apply(lengths);
BENCHMARK(fftw_single)->Apply(lengths);
BENCHMARK_TEMPLATE(rows_to_sky, float)->Apply(planes);
BENCHMARK_TEMPLATE(columns_to_sky, float)->Apply(planes);
BENCHMARK_TEMPLATE(columns_to_grid, float)->Apply(planes);
BENCHMARK_TEMPLATE(rows_to_grid, float)->Apply(planes);
BENCHMARK_TEMPLATE(rows_to_sky, double)->Apply(planes);
BENCHMARK_TEMPLATE(columns_to_sky, double)->Apply(planes);
BENCHMARK(correct)->Apply(planes);
BENCHMARK(fftw_plane)->Arg(2880)->Arg(5760)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fringeflow::fft
