// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Device code of facets and of correlations of models, run on the CPU, against the CPU's; and the launchers, where there is a device.
#include <gtest/gtest.h>

#include "fringeflow_version.hpp"

#include <cmath>
#include <numeric>

#include "codelets/facet/facet_cuda.hpp"
#include "codelets/handover/handover_cuda.hpp"
#include "io/measurement_set_stokes.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "tests/codelets/cuda_device.hpp"
#endif

namespace fringeflow {
namespace {

using Cfloat = std::complex<float>;
using cuda::as_visibility;

constexpr int64_t kRows = 6, kChannels = 3, kSamples = kRows * kChannels;

facet::ChunkGains chunk_gains() {
  io::GainTable table;
  table.times_s = {100, 200};
  table.freq_hz = {1e8, 1.1e8};
  table.polarisations = {"XX", "YY"};
  for (const char* name : {"a", "b", "c"}) {
    table.antennas.emplace_back();
    table.antennas.back().name = name;
  }
  for (int i = 0; i < 24; ++i) table.gains.push_back(std::polar(1 + 0.1 * (i % 5), 0.7 * i));
  table.gains[6 * 2] = table.gains[6 * 2 + 1] =
      0;  // nothing is seen through the first antenna at the second time, first frequency
  table.valid.assign(24, 1);
  const std::vector<int> codes{9, 12};
  return {std::make_shared<const io::GainLookup>(table, table.antennas, codes, "gains", "set"),
          std::make_shared<const std::vector<facet::RowKey>>(
              std::vector<facet::RowKey>{{0, 0, 1}, {0, 0, 2}, {0, 1, 2}, {1, 0, 1}, {1, 0, 2}, {1, 1, 2}}),
          std::make_shared<const std::vector<int32_t>>(std::vector<int32_t>{0, 0, 1})};
}

std::vector<Cfloat> samples(int64_t count) {
  std::vector<Cfloat> out;
  for (int64_t i = 0; i < count; ++i)
    out.emplace_back(1 + static_cast<float>(i % 4), static_cast<float>(i % 7) - 3);
  return out;
}

struct Seen {
  std::vector<Cfloat> divided, multiplied, added;
};
Seen on_cpu(const facet::ChunkGains& gains) {
  const auto in = samples(kSamples);
  Seen out{std::vector<Cfloat>(kSamples), std::vector<Cfloat>(kSamples), in};
  const View<const Cfloat, 2> from(in.data(), {kRows, kChannels});
  facet::divide_cpu(gains, from, {out.divided.data(), {kRows, kChannels}});
  facet::multiply_cpu(gains, from, false, {out.multiplied.data(), {kRows, kChannels}});
  facet::multiply_cpu(gains, from, true, {out.added.data(), {kRows, kChannels}});
  return out;
}
void same(const Seen& got, const Seen& want) {
  const auto compare = [](const std::vector<Cfloat>& a, const std::vector<Cfloat>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_LE(std::abs(a[i] - b[i]), 2e-7f * (std::abs(b[i]) + 1)) << i;
  };
  compare(got.divided, want.divided);
  compare(got.multiplied, want.multiplied);
  compare(got.added, want.added);
}

TEST(DeviceFacet, GainsAgreeWithTheCpu) {
  const auto gains = chunk_gains();
  const facet::SeenThrough seen{cuda::host_gains(*gains.gains), gains.rows->data(), gains.channels->data(),
                                kChannels};
  const auto in = samples(kSamples);
  Seen out{std::vector<Cfloat>(kSamples), std::vector<Cfloat>(kSamples), in};
  for (int64_t i = kSamples - 1; i >= 0; --i) {
    facet::DivideSample{seen, as_visibility(in.data()), as_visibility(out.divided.data())}(i);
    facet::MultiplySample{seen, as_visibility(in.data()), false, as_visibility(out.multiplied.data())}(i);
    facet::MultiplySample{seen, as_visibility(in.data()), true, as_visibility(out.added.data())}(i);
  }
  const auto want = on_cpu(gains);
  EXPECT_EQ(want.divided[9], 0.f) << "nothing is seen there";
  same(out, want);
}

/// A strip that hangs over three edges, of a map of two directions and of places without one.
struct Patch {
  facet::StitchArgs args;
  std::vector<float> pixels, image;
  Patch() : pixels(8 * 9), image(5 * 6, 3) {
    args.nx = 6;
    args.ny = 5;
    args.strips = {{-1, -2, 4, 9}, {3, -2, 4, 9}};
    std::vector<int32_t> map;
    for (int i = 0; i < 30; ++i) map.push_back(i % 4 == 3 ? -1 : i % 3 % 2);
    args.map = std::make_shared<const std::vector<int32_t>>(map);
    args.direction = 1;
    args.first = true;
    std::iota(pixels.begin(), pixels.end(), 10.f);
  }
  const float* strip(size_t i) const { return pixels.data() + 36 * i; }
  std::vector<float> stitched_on_cpu() const {
    std::vector<float> out;
    for (const int32_t d : *args.map) out.push_back(d < 0 ? NAN : 0);
    for (size_t i = 0; i < 2; ++i)
      facet::stitch_cpu({strip(i), {4, 9}}, args.strips[i].y_begin, args.strips[i].x_begin,
                        {args.map->data(), {5, 6}}, 1, {out.data(), {5, 6}});
    return out;
  }
};
void same_pixels(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(std::isnan(got[i]), std::isnan(want[i]));
    if (!std::isnan(want[i])) {
      EXPECT_EQ(got[i], want[i]) << i;
    }
  }
}

TEST(DeviceFacet, PixelsAgreeWithTheCpu) {
  Patch patch;
  const auto want = patch.stitched_on_cpu();
  EXPECT_GT(std::count_if(want.begin(), want.end(), [](float x) { return x > 9; }), 3);
  for (int64_t i = 0; i < 30; ++i) facet::StartPixel{patch.args.map->data(), patch.image.data()}(i);
  for (size_t s = 0; s < 2; ++s)
    for (int64_t i = 0; i < 36; ++i)
      facet::StitchPixel{
          patch.args.strips[s], patch.strip(s), patch.args.map->data(), 1, {patch.image.data(), {5, 6}}}(i);
  same_pixels(patch.image, want);
  std::vector<float> cut(30);
  for (int64_t i = 0; i < 30; ++i)
    facet::CutPixel{patch.args.map->data(), 0, patch.pixels.data(), cut.data()}(i);
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(cut[i], (*patch.args.map)[i] == 0 ? patch.pixels[i] : 0);
}

std::vector<std::vector<int>> correlation_lists() {
  return {{5, 6, 7, 8}, {9, 10, 11, 12}, {9, 12}, {8, 5}, {10}, {7}};
}
std::vector<Cfloat> correlations_on_cpu(int64_t stokes, const std::vector<int>& codes,
                                        const std::vector<Cfloat>& planes) {
  const auto count = static_cast<int64_t>(codes.size());
  std::vector<Cfloat> out(static_cast<size_t>(kSamples * count));
  io::correlations_of(stokes == 4 ? "IQUV" : "I", codes,
                      View<const Cfloat, 3>(planes.data(), {stokes, kRows, kChannels}),
                      View<Cfloat, 3>(out.data(), {kRows, kChannels, count}));
  return out;
}

TEST(DeviceStokes, CorrelationsHaveTheCpusBits) {
  for (const int64_t stokes : {1, 4})
    for (const auto& codes : correlation_lists()) {
      const auto planes = samples(stokes * kSamples);
      const auto want = correlations_on_cpu(stokes, codes, planes);
      std::vector<Cfloat> got(want.size(), {9, 9});
      const cuda::MixCorrelations mix{cuda::correlation_mixes(stokes, codes), as_visibility(planes.data()),
                                      kSamples, as_visibility(got.data())};
      for (int64_t i = 0; i < kSamples; ++i) mix(i);
      EXPECT_EQ(got, want);
    }
  EXPECT_THROW(cuda::correlation_mixes(4, std::vector<int>{1}), std::invalid_argument);
}

#if FRINGEFLOW_HAVE_CUDA
class CudaFacet : public test::CudaTest {};

TEST_F(CudaFacet, TheLaunchersAgreeWithTheCpu) {
  using test::kStream;
  using test::OnDevice;
  const auto gains = chunk_gains();
  const auto in = samples(kSamples);
  const OnDevice<Cfloat> from(in), divided(kSamples), multiplied(kSamples), added(in);
  facet::divide_cuda(kStream, gains, as_visibility(from.data()), as_visibility(divided.data()));
  facet::multiply_cuda(kStream, gains, as_visibility(from.data()), false, as_visibility(multiplied.data()));
  facet::multiply_cuda(kStream, gains, as_visibility(from.data()), true, as_visibility(added.data()));
  same({divided.host(), multiplied.host(), added.host()}, on_cpu(gains));

  const Patch patch;
  const OnDevice<float> pixels(patch.pixels), image(patch.image), cut(30);
  const std::vector<const float*> strips{pixels.data(), pixels.data() + 36};
  facet::stitch_cuda(kStream, patch.args, strips, image.data());
  same_pixels(image.host(), patch.stitched_on_cpu());
  facet::cut_cuda(kStream, {patch.args.map, 0}, pixels.data(), cut.data());
  const auto parts = cut.host();
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(parts[i], (*patch.args.map)[i] == 0 ? patch.pixels[i] : 0);

  for (const int64_t stokes : {1, 4})
    for (const auto& codes : correlation_lists()) {
      const auto planes = samples(stokes * kSamples);
      const OnDevice<Cfloat> model(planes), vis(kSamples * static_cast<int64_t>(codes.size()));
      handover::to_correlations_cuda(
          kStream, {kRows, kChannels, stokes, std::make_shared<const std::vector<int>>(codes)},
          as_visibility(model.data()), as_visibility(vis.data()));
      EXPECT_EQ(vis.host(), correlations_on_cpu(stokes, codes, planes));
    }
}
#endif

}  // namespace
}  // namespace fringeflow
