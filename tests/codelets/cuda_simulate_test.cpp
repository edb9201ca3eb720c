// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// simulate's device functors, run element by element on the CPU, against the CPU's kernel and the sum in long double; and the launcher,
/// where there is a device.
#include <gtest/gtest.h>

#include "fringeflow_version.hpp"

#include <random>

#include "codelets/simulate/simulate_cuda.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "tests/codelets/cuda_device.hpp"
#endif

namespace fringeflow {
namespace {

using Cfloat = std::complex<float>;

/// Two groups of points and two Gaussians before a hundred baselines.
struct Scene {
  int64_t rows, channels, stokes;
  std::vector<double> uvw_m, freq_hz, tec;
  std::vector<int32_t> antennas;
  std::shared_ptr<const std::vector<SourceGroup>> groups;
  double total = 0;
  static constexpr int64_t kAntennas = 7;

  Scene(int64_t r, int64_t c, int64_t p, double longest_m, bool even = true)
      : rows(r), channels(c), stokes(p) {
    std::mt19937_64 random(23);
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (int64_t i = 0; i < 3 * rows; ++i) uvw_m.push_back(longest_m * uniform(random));
    for (int64_t i = 0; i < channels; ++i)
      freq_hz.push_back(9e8 + 4.1e5 * static_cast<double>(i) + (even ? 0 : 1e5 * uniform(random)));
    std::vector<SourceGroup> list(4);
    list[1].major_rad = 2 / (longest_m * 3);  // attenuates by a factor of a few
    list[1].minor_rad = 1 / (longest_m * 3);
    list[1].pa_rad = 0.7;
    list[2].major_rad = list[2].minor_rad = 1e-5;
    const int64_t counts[] = {5, 2, 1, 3};
    for (size_t g = 0; g < 4; ++g)
      for (int64_t s = 0; s < counts[g]; ++s) {
        const double l = 0.03 * uniform(random), m = 0.03 * uniform(random);
        list[g].lmn.insert(list[g].lmn.end(), {l, m, std::sqrt(1 - l * l - m * m) - 1});
        for (int64_t k = 0; k < channels * stokes; ++k)
          list[g].flux_jy.push_back(0.1 + std::abs(uniform(random)));
        for (int64_t a = 0; a < kAntennas; ++a) tec.push_back(0.3 * uniform(random));
        total += 1.1;
      }
    for (int64_t i = 0; i < rows; ++i) {
      antennas.push_back(static_cast<int32_t>(i % kAntennas));
      antennas.push_back(static_cast<int32_t>(i / 3 % kAntennas));
    }
    groups = std::make_shared<const std::vector<SourceGroup>>(std::move(list));
  }
  std::vector<Cfloat> on_cpu(const Smearing& smearing, bool electrons) const {
    std::vector<Cfloat> vis(static_cast<size_t>(stokes * rows * channels), {7, 7});
    simulate_groups(*groups, {uvw_m.data(), {rows, 3}}, freq_hz, {vis.data(), {stokes, rows, channels}},
                    electrons ? View<const double, 2>(tec.data(), {11, kAntennas}) : View<const double, 2>(),
                    {antennas.data(), {rows, 2}}, smearing);
    return vis;
  }
  /// The device's arithmetic.
  std::vector<Cfloat> by_functors(const Smearing& smearing, bool electrons, int* exact = nullptr) const {
    namespace device = simulate_device;
    std::vector<Cfloat> vis(static_cast<size_t>(stokes * rows * channels), {7, 7});
    const device::PackedSky packed(*groups, freq_hz, stokes);
    device::predict_with(
        device::sky_tables(*groups, freq_hz, stokes, packed.values().data()),
        device::propagation(smearing, tec.data(), kAntennas, electrons ? antennas.data() : nullptr),
        uvw_m.data(), rows, stokes, cuda::as_visibility(vis.data()),
        [&]<int P, bool E>(const device::PredictBlock<P, E>& predict) {
          if (exact != nullptr) *exact = E ? 1 : 0;
          for (int64_t i = predict.count() - 1; i >= 0; --i) predict(i);
        });
    return vis;
  }
  std::complex<double> direct(int64_t p, int64_t row, int64_t channel) const {
    std::complex<long double> sum = 0;
    for (const auto& group : *groups)
      for (size_t s = 0; s < group.lmn.size() / 3; ++s) {
        const double* at = uvw_m.data() + 3 * row;
        long double path = 0;
        for (size_t k = 0; k < 3; ++k) path += static_cast<long double>(at[k]) * group.lmn[3 * s + k];
        const double lambda = freq_hz[static_cast<size_t>(channel)] / kSpeedOfLight_m_s;
        const double ua = at[0] * std::sin(group.pa_rad) + at[1] * std::cos(group.pa_rad),
                     ub = at[0] * std::cos(group.pa_rad) - at[1] * std::sin(group.pa_rad);
        const double size =
            kPi * kPi / (4 * std::log(2.)) *
            (std::pow(group.major_rad * ua * lambda, 2) + std::pow(group.minor_rad * ub * lambda, 2));
        const long double angle =
            2 * 3.14159265358979323846264L * path * freq_hz[static_cast<size_t>(channel)] / kSpeedOfLight_m_s;
        const long double f =
            std::exp(-size) *
            group.flux_jy[(s * static_cast<size_t>(channels) + static_cast<size_t>(channel)) *
                              static_cast<size_t>(stokes) +
                          static_cast<size_t>(p)];
        sum += std::complex<long double>(f * std::cos(angle), f * std::sin(angle));
      }
    return std::complex<double>(sum);
  }
};

double worst(const std::vector<Cfloat>& a, const std::vector<Cfloat>& b, double scale) {
  double most = 0;
  EXPECT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(std::complex<double>(a[i]) - std::complex<double>(b[i])));
  return most / scale;
}

TEST(DeviceSimulate, PhasorsAreExactToRounding) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (int i = 0; i < 20000; ++i) {
    const double turns = i < 17 ? (i - 8) / 8. : std::ldexp(uniform(random), i % 30);
    const auto z = simulate_device::unit_phasor(turns);
    const long double angle =
        2 * 3.14159265358979323846264L * (static_cast<long double>(turns) - std::round(turns));
    EXPECT_NEAR(z.re, static_cast<double>(std::cos(angle)), 3e-16) << turns;
    EXPECT_NEAR(z.im, static_cast<double>(std::sin(angle)), 3e-16) << turns;
    if (std::abs(turns) < 50 && turns != 0) {
      EXPECT_NEAR(simulate_device::sinc(turns),
                  static_cast<double>(std::sin(3.14159265358979323846264L * turns) /
                                      (3.14159265358979323846264L * turns)),
                  1e-15);
    }
  }
  EXPECT_EQ(simulate_device::sinc(0), 1);
}

TEST(DeviceSimulate, FunctorsAgreeWithTheDirectSum) {
  for (const int64_t stokes : {1, 4})
    for (const int64_t channels : {1, 7, 64, 131}) {
      const Scene scene(21, channels, stokes, 2e4);
      int exact = -1;
      const auto vis = scene.by_functors({}, false, &exact);
      EXPECT_EQ(exact, 0) << "even channels go from one to the next";
      double most = 0;
      for (int64_t p = 0; p < stokes; ++p)
        for (int64_t row = 0; row < scene.rows; ++row)
          for (int64_t c = 0; c < channels; ++c)
            most =
                std::max(most, std::abs(std::complex<double>(
                                            vis[static_cast<size_t>((p * scene.rows + row) * channels + c)]) -
                                        scene.direct(p, row, c)));
      EXPECT_LT(most / scene.total, 4e-8)
          << stokes << " Stokes, " << channels << " channels: float's rounding alone";
    }
}

TEST(DeviceSimulate, FunctorsAgreeWithTheCpu) {
  const Smearing channel{4e5, 0, 0.5}, time{0, 12, -0.4}, both{4e5, 12, -0.4};
  for (const bool even : {true, false})
    for (const auto& smearing : {Smearing{}, channel, time, both})
      for (const bool electrons : {false, true}) {
        const Scene scene(19, 33, 4, 2e4, even);
        int exact = -1;
        const auto got = scene.by_functors(smearing, electrons, &exact);
        EXPECT_EQ(exact, !even || smearing.any() || electrons ? 1 : 0);
        EXPECT_LT(worst(got, scene.on_cpu(smearing, electrons), scene.total), 1e-7)
            << even << smearing.channel_width_hz << smearing.integration_s << electrons;
      }
}

#if FRINGEFLOW_HAVE_CUDA
class CudaSimulate : public test::CudaTest {};

TEST_F(CudaSimulate, TheLauncherAgreesWithTheCpu) {
  using test::OnDevice;
  for (const auto& smearing : {Smearing{}, Smearing{4e5, 12, -0.4}})
    for (const bool electrons : {false, true})
      for (const int64_t stokes : {1, 4}) {
        const Scene scene(3000, 70, stokes, 2e4);
        const OnDevice<double> uvw(scene.uvw_m), tec(scene.tec);
        const OnDevice<Cfloat> vis(stokes * scene.rows * scene.channels);
        simulate_cuda(test::kStream, scene.groups, scene.freq_hz, uvw.data(), scene.rows, stokes,
                      cuda::as_visibility(vis.data()), smearing, electrons ? tec.data() : nullptr,
                      Scene::kAntennas, electrons ? scene.antennas.data() : nullptr);
        EXPECT_LT(worst(vis.host(), scene.on_cpu(smearing, electrons), scene.total), 1e-7);
      }
}
#endif

}  // namespace
}  // namespace fringeflow
