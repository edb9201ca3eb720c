// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// corrupt's device functor, run on the CPU, against the CPU's kernel; and the launcher, where there is a device.
#include <gtest/gtest.h>

#include "fringeflow_version.hpp"

#include "codelets/corrupt/corrupt_cuda.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "tests/codelets/cuda_device.hpp"
#endif

namespace fringeflow::corrupt {
namespace {

using Cfloat = std::complex<float>;

struct Wish {
  std::vector<int> correlations;
  int64_t stokes = 1;
  bool gains = false, leaks = false, some_invalid = false, bursts = false;
  double noise_jy = 0;
};

/// Three times of all baselines of six antennas.
struct Scene {
  static constexpr int kAntennas = 6, kTimes = 3;
  int64_t channels = 5, stokes;
  std::shared_ptr<const Instrument> instrument;
  RowKeys keys;
  std::vector<Cfloat> model;

  explicit Scene(const Wish& wish) : stokes(wish.stokes) {
    auto made = std::make_shared<Instrument>();
    made->correlations = wish.correlations;
    made->noise_jy = wish.noise_jy;
    made->seed = 0x123456789abcull;
    for (int64_t c = 0; c < channels; ++c) made->freq_hz.push_back(1e9 + 1e6 * static_cast<double>(c));
    const std::vector<double> times{100, 110, 120};
    if (wish.gains) {
      std::vector<io::Antenna> antennas(kAntennas);
      for (size_t a = 0; a < kAntennas; ++a) antennas[a].name = std::string(1, static_cast<char>('A' + a));
      std::vector<GainEffect> effects{{GainEffect::Kind::walk, 0.2, 1, 10},
                                      {GainEffect::Kind::bandpass, 0.1, 0.3, 0}};
      if (wish.leaks) effects.push_back({GainEffect::Kind::leakage, 0.1, 0, 0});
      auto table = draw_gains(effects, 7, times, made->freq_hz, antennas, wish.correlations.front() <= 8);
      if (wish.some_invalid)
        for (size_t i = 0; i < table.valid.size(); i += 11) table.valid[i] = 0;
      made->gains = std::make_shared<const io::GainLookup>(table, antennas, wish.correlations, "g", "s");
      made->gain_frequency = made->gains->frequencies_of(made->freq_hz);
    }
    if (wish.bursts) {
      RfiModel rfi;
      rfi.bursts = 4;
      rfi.flux_jy = 50;
      rfi.duration_s = 12;
      rfi.width_hz = 3e6;
      made->bursts = draw_bursts(rfi, 5, times, made->freq_hz, kAntennas);
    }
    instrument = made;
    for (int t = 0; t < kTimes; ++t)
      for (int32_t p = 0; p < kAntennas; ++p)
        for (int32_t q = p; q < kAntennas; ++q) {
          keys.antennas.insert(keys.antennas.end(), {p, q});
          keys.time_s.push_back(times[static_cast<size_t>(t)]);
          keys.time_number.push_back(t);
        }
    for (int64_t i = 0; i < stokes * rows() * channels; ++i)
      model.emplace_back(1 + 0.25f * static_cast<float>(i % 7), 0.5f - 0.125f * static_cast<float>(i % 5));
  }
  int64_t rows() const { return static_cast<int64_t>(keys.time_s.size()); }
  int64_t correlations() const { return static_cast<int64_t>(instrument->correlations.size()); }
  std::vector<Cfloat> nothing() const {
    return std::vector<Cfloat>(static_cast<size_t>(rows() * channels * correlations()), Cfloat(9, 9));
  }

  std::vector<Cfloat> on_cpu() const {
    auto vis = nothing();
    corrupt_cpu({instrument->correlations,
                 {model.data(), {stokes, rows(), channels}},
                 {keys.antennas.data(), {rows(), 2}},
                 keys.time_s,
                 keys.time_number,
                 instrument->gains.get(),
                 instrument->gain_frequency,
                 instrument->noise_jy,
                 instrument->seed,
                 {vis.data(), {rows(), channels, correlations()}},
                 instrument->bursts,
                 instrument->freq_hz});
    return vis;
  }
  std::vector<Cfloat> by_functor() const {
    auto vis = nothing();
    InstrumentTables tables = instrument_numbers(*instrument);
    if (instrument->gains) tables.gains = cuda::host_gains(*instrument->gains);
    tables.gain_frequency = instrument->gain_frequency.data();
    const auto bounds = burst_bounds(instrument->bursts);
    const auto responses = burst_responses(instrument->bursts);
    tables.bounds = bounds.data();
    tables.response = cuda::as_complex(responses.data());
    tables.freq_hz = instrument->freq_hz.data();
    const auto places = row_places(*instrument, keys, rows());
    const CorruptSample sample{tables,   places.data(), cuda::as_visibility(model.data()), rows(),
                               channels, stokes,        cuda::as_visibility(vis.data())};
    for (int64_t i = sample.count() - 1; i >= 0; --i) sample(i);
    return vis;
  }
};

std::vector<Wish> wishes() {
  return {{{9, 12}},
          {{5, 6, 7, 8}, 4},
          {{9, 10, 11, 12}, 4, true},
          {{9, 10, 11, 12}, 4, true, true, true, true, 0.5},
          {{5, 6, 7, 8}, 4, true, true, true, false, 0.5},
          {{5, 8}, 1, true, false, true, true, 2},
          {{9}, 1, true, false, false, true, 0},
          {{12, 9}, 1, false, false, false, false, 1}};
}

void same(const std::vector<Cfloat>& got, const std::vector<Cfloat>& want) {
  ASSERT_EQ(got.size(), want.size());
  // Rounding of the last bit; a sum of large terms may cancel.
  for (size_t i = 0; i < got.size(); ++i)
    EXPECT_LT(std::abs(got[i] - want[i]), 2e-7f * (std::abs(want[i]) + 1)) << i;
}

TEST(DeviceCorrupt, FunctorAgreesWithTheCpu) {
  for (const auto& wish : wishes()) {
    const Scene scene(wish);
    same(scene.by_functor(), scene.on_cpu());
  }
}

TEST(DeviceCorrupt, WithoutGainsNoiseHasTheCpusBits) {
  const Scene scene({{9, 10, 11, 12}, 1, false, false, false, false, 3});
  EXPECT_EQ(scene.by_functor(), scene.on_cpu());
}

TEST(DeviceCorrupt, TheWishesAreNotEmpty) {
  const Scene scene({{9, 10, 11, 12}, 4, true, true, true, true, 0});
  const auto vis = scene.on_cpu();
  EXPECT_GT(std::count(vis.begin(), vis.end(), Cfloat(0)), 0) << "samples without a valid gain";
  EXPECT_GT(std::count_if(vis.begin(), vis.end(), [](Cfloat x) { return std::abs(x) > 20; }), 0) << "bursts";
}

#if FRINGEFLOW_HAVE_CUDA
class CudaCorrupt : public test::CudaTest {};

TEST_F(CudaCorrupt, TheLauncherAgreesWithTheCpu) {
  using test::OnDevice;
  for (const auto& wish : wishes()) {
    const Scene scene(wish);
    const OnDevice<Cfloat> model(scene.model), vis(scene.nothing());
    corrupt_cuda(test::kStream, scene.instrument, scene.keys, cuda::as_visibility(model.data()), scene.rows(),
                 scene.channels, scene.stokes, cuda::as_visibility(vis.data()));
    same(vis.host(), scene.on_cpu());
  }
}
#endif

}  // namespace
}  // namespace fringeflow::corrupt
