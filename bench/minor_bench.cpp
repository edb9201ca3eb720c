// SPDX-License-Identifier: GPL-3.0-or-later
/// Minor loop of one major cycle, statistics and restore on an image of points and noise.
#include <benchmark/benchmark.h>

#include <cmath>
#include <random>
#include <vector>

#include "codelets/deconvolve/deconvolve.hpp"
#include "codelets/restore/restore.hpp"

namespace {

using namespace fringeflow;
using namespace fringeflow::deconvolve;

float psf_at(int64_t dy, int64_t dx) {
  const auto y = static_cast<float>(dy), x = static_cast<float>(dx), r2 = x * x + y * y, r = std::sqrt(r2);
  return 0.97f * std::exp(-r2 / 9) + 0.03f * std::cos(0.9f * x) * std::cos(0.7f * y) / (1 + 0.02f * r);
}

/// n^2 pixels, points with a steep distribution of fluxes, noise of 1e-3 of the brightest; a single PSF
/// serves all sizes.
struct Field {
  std::vector<float> psf, residual;
  explicit Field(int64_t n) : psf(static_cast<size_t>(n * n)), residual(psf.size()) {
    for (int64_t y = 0; y < n; ++y)
      for (int64_t x = 0; x < n; ++x) psf[static_cast<size_t>(y * n + x)] = psf_at(y - n / 2, x - n / 2);
    std::mt19937 random(5);
    std::normal_distribution<float> normal(0, 1e-3f);
    for (float& value : residual) value = normal(random);
    std::uniform_real_distribution<float> uniform(0, 1);
    // Only the near part of each point's PSF is laid down: the bench is about time.
    for (int i = 0; i < n * n / 4000; ++i) {
      const float flux = std::min(1.0f, 0.01f / (uniform(random) + 1e-6f));
      const auto cy = static_cast<int64_t>(random() % static_cast<uint64_t>(n)),
                 cx = static_cast<int64_t>(random() % static_cast<uint64_t>(n));
      for (int64_t y = std::max<int64_t>(0, cy - 12); y < std::min(n, cy + 13); ++y)
        for (int64_t x = std::max<int64_t>(0, cx - 12); x < std::min(n, cx + 13); ++x)
          residual[static_cast<size_t>(y * n + x)] += flux * psf_at(y - cy, x - cx);
    }
  }
};

void minor(benchmark::State& state, Algorithm algorithm, float threshold) {
  const int64_t n = state.range(0);
  const Field field(n);
  const Image residual(field.residual.data(), {n, n}), psf(field.psf.data(), {n, n});
  const float weight = 1;
  MinorOptions options;
  options.algorithm = algorithm;
  options.beam_pixels = 5;
  if (algorithm == Algorithm::multiscale) automatic_scales(options, n, n, 5);
  const auto rects = sub_images(options, n, n);
  std::vector<char> memory(static_cast<size_t>(ComponentList::bytes(100000, 1)));
  const ComponentList list(memory.data(), static_cast<int64_t>(memory.size()), 1);
  int64_t iterations = 0, count = 0;
  for (auto _ : state)
    for (const Rect& rect : rects) {
      MinorInput input;
      input.residual = {&residual, 1};
      input.psf = {&psf, 1};
      input.weights = {&weight, 1};
      input.rect = rect;
      input.threshold = threshold;
      input.global_peak = 1;
      input.max_iterations = 20000;
      minor_cycle(options, input, list);
      iterations += list.header().iterations;
      count += list.header().count;
    }
  state.counters["iterations"] =
      benchmark::Counter(static_cast<double>(iterations), benchmark::Counter::kAvgIterations);
  state.counters["components"] =
      benchmark::Counter(static_cast<double>(count), benchmark::Counter::kAvgIterations);
}
BENCHMARK_CAPTURE(minor, clark, Algorithm::clark, 0.2f)
    ->Arg(1024)
    ->Arg(2048)
    ->Arg(4096)
    ->Unit(benchmark::kMillisecond);
/// 20 000 components, down into the noise, where no list is short.
BENCHMARK_CAPTURE(minor, deep, Algorithm::clark, 1e-3f)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(minor, hogbom, Algorithm::hogbom, 0.2f)->Arg(512)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(minor, multiscale, Algorithm::multiscale, 0.2f)
    ->Arg(512)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);

void statistics(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Field field(n);
  const Image residual(field.residual.data(), {n, n});
  const float weight = 1;
  for (auto _ : state) benchmark::DoNotOptimize(robust_statistics({&residual, 1}, {&weight, 1}).sigma);
  state.SetItemsProcessed(state.iterations() * n * n);
}
BENCHMARK(statistics)->Arg(4096)->Unit(benchmark::kMillisecond);

void peak(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Field field(n);
  const Image residual(field.residual.data(), {n, n});
  const float weight = 1;
  for (auto _ : state)
    benchmark::DoNotOptimize(find_peak({}, {&residual, 1}, {&weight, 1}, {}, {}, {0, 0, n, n}).value);
  state.SetItemsProcessed(state.iterations() * n * n);
}
BENCHMARK(peak)->Arg(4096)->Unit(benchmark::kMillisecond);

/// share: one pixel in so many is a component.
void restored(benchmark::State& state) {
  const int64_t n = state.range(0), share = state.range(1);
  std::vector<float> model(static_cast<size_t>(n * n), 0.0f), residual(model.size(), 0.0f), out(model.size());
  for (size_t i = 0; i < model.size(); i += static_cast<size_t>(share)) model[i] = 1;
  for (auto _ : state)
    restore::restore({model.data(), {n, n}}, {residual.data(), {n, n}}, {6, 4, 0.5}, {out.data(), {n, n}});
}
BENCHMARK(restored)->Args({4096, 997})->Args({4096, 1})->Unit(benchmark::kMillisecond);

}  // namespace
