// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The CUDA kernels of deconvolution and restoring against the CPU's. Skipped where there is no device.
#include <gtest/gtest.h>

#include "fringeflow_version.hpp"

#if FRINGEFLOW_HAVE_CUDA
#include "codelets/deconvolve/clean_cuda.hpp"
#include "codelets/deconvolve/internal.hpp"
#include "codelets/restore/restore_cuda.hpp"
#include "tests/codelets/cuda_device.hpp"

namespace fringeflow {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace): the tests' own
class CudaClean : public CudaTest {};

struct Sky {
  static constexpr int64_t kSize = 160;
  deconvolve::CleanArgs args;
  std::vector<std::vector<float>> residual, psf;
  std::vector<double> sums;

  explicit Sky(int channels) {
    args.ny = args.nx = kSize;
    args.rect = {0, 0, kSize, kSize};
    args.minor.border = 0.02f;
    args.loop.max_iterations = 2000;
    for (int c = 0; c < channels; ++c) {
      args.sum_index.push_back(c);
      sums.push_back(1.0 + c);
      psf.emplace_back(static_cast<size_t>(kSize * kSize));
      for (int64_t y = 0; y < kSize; ++y)
        for (int64_t x = 0; x < kSize; ++x) {
          const double dy = static_cast<double>(y - kSize / 2), dx = static_cast<double>(x - kSize / 2),
                       r = std::hypot(dx, dy);
          psf.back()[static_cast<size_t>(y * kSize + x)] =
              static_cast<float>(std::exp(-r * r / (8.0 + c)) + (r > 0 ? 0.1 * std::sin(r) / (1 + r) : 0));
        }
      residual.push_back(noise(kSize * kSize, 10u + static_cast<unsigned>(c)));
      for (float& value : residual.back()) value *= 0.01f;
      residual.back()[37] = std::numeric_limits<float>::quiet_NaN();
      for (const auto& [cy, cx, flux] :
           {std::tuple{40, 50, 3.0f}, {90, 100, 1.0f}, {92, 60, -0.7f}, {140, 20, 0.5f}})
        for (int64_t y = 0; y < kSize; ++y)
          for (int64_t x = 0; x < kSize; ++x) {
            const int64_t j = y - cy + kSize / 2, i = x - cx + kSize / 2;
            if (j >= 0 && j < kSize && i >= 0 && i < kSize)
              residual.back()[static_cast<size_t>(y * kSize + x)] +=
                  flux * psf.back()[static_cast<size_t>(j * kSize + i)];
          }
    }
  }
  static std::vector<deconvolve::Image> views(const std::vector<std::vector<float>>& from) {
    std::vector<deconvolve::Image> out;
    for (const auto& one : from) out.emplace_back(one.data(), std::array<int64_t, 2>{kSize, kSize});
    return out;
  }
  std::vector<float> weights() const { return {sums.begin(), sums.end()}; }
  deconvolve::CleanLimits limits() const {
    const auto l = deconvolve::scale_limits(args.minor, 0, kSize, kSize);
    return {l.y_begin, l.y_end, l.x_begin, l.x_end};
  }
};
struct DeviceSky {
  std::vector<OnDevice<float>> memory;
  OnDevice<double> sums;
  deconvolve::CleanImages images;
  explicit DeviceSky(const Sky& sky) : sums(sky.sums) {
    for (const auto* set : {&sky.residual, &sky.psf})
      for (const auto& one : *set) {
        memory.emplace_back(one);
        (set == &sky.residual ? images.residual : images.psf).push_back(memory.back().data());
      }
    images.sums = sums.data();
  }
};

TEST_F(CudaClean, PeakAndStatistics) {
  for (const int channels : {1, 3}) {
    Sky sky(channels);
    if (channels == 3) sky.sums[1] = 0;  // a blank channel
    std::vector<uint8_t> mask(Sky::kSize * Sky::kSize, 1);
    for (int64_t i = 0; i < 60 * Sky::kSize; ++i) mask[static_cast<size_t>(i)] = 0;
    std::vector<uint16_t> scale_mask(mask.size(), 0);
    scale_mask[140 * Sky::kSize + 20] = 1;
    const DeviceSky device(sky);
    const OnDevice<uint16_t> device_scale_mask(scale_mask);
    const std::array<int64_t, 2> shape{Sky::kSize, Sky::kSize};
    for (const bool masked : {false, true}) {
      sky.args.mask = masked ? std::make_shared<const std::vector<uint8_t>>(mask) : nullptr;
      auto images = device.images;
      if (masked) images.scale_mask = device_scale_mask.data();
      const auto wanted = deconvolve::find_peak(
          sky.args.minor, Sky::views(sky.residual), sky.weights(),
          masked ? deconvolve::Mask(mask.data(), shape) : deconvolve::Mask(),
          masked ? deconvolve::ScaleMask(scale_mask.data(), shape) : deconvolve::ScaleMask(), sky.args.rect);
      const OnDevice<deconvolve::Peak> peak(1);
      deconvolve::find_peak_cuda(kStream, sky.args, sky.limits(), images, peak.data());
      const auto got = peak.host()[0];
      EXPECT_NEAR(got.value, wanted.value, 1e-6);
      EXPECT_NEAR(got.masked_value, wanted.masked_value, 1e-6);
      EXPECT_EQ(got.y, wanted.y);
      EXPECT_EQ(got.x, wanted.x);
    }
    const auto wanted = deconvolve::robust_statistics(Sky::views(sky.residual), sky.weights());
    const OnDevice<deconvolve::Robust> robust(1);
    deconvolve::statistics_cuda(kStream, sky.args, device.images, robust.data());
    EXPECT_NEAR(robust.host()[0].median, wanted.median, channels == 1 ? 0 : 1e-8);
    EXPECT_NEAR(robust.host()[0].sigma, wanted.sigma, channels == 1 ? 0 : 1e-8);
    EXPECT_EQ(robust.host()[0].finite, wanted.finite);
  }
}

void check_minor(Sky& sky, const deconvolve::LoopBlock& block, int64_t capacity) {
  const DeviceSky device(sky);
  const int channels = sky.args.channels();
  const int64_t bytes = deconvolve::ComponentList::bytes(capacity, channels);
  std::vector<char> wanted_memory(static_cast<size_t>(bytes));
  const deconvolve::ComponentList wanted(wanted_memory.data(), bytes, channels);
  const auto residual = Sky::views(sky.residual), psf = Sky::views(sky.psf);
  const auto weights = sky.weights();
  deconvolve::MinorInput input;
  input.residual = residual;
  input.psf = psf;
  input.weights = weights;
  input.is_final = block.decision.is_final;
  input.rect = sky.args.rect;
  input.threshold = static_cast<float>(block.decision.threshold);
  input.max_iterations = block.decision.max_iterations;
  input.global_peak = block.peak.value;
  input.far_sidelobe = block.far_sidelobe;
  deconvolve::minor_cycle(sky.args.minor, input, wanted);

  const OnDevice<deconvolve::LoopBlock> device_block(&block, 1);
  const OnDevice<char> list(bytes);
  deconvolve::minor_cuda(kStream, sky.args, sky.limits(), device.images, device_block.data(), nullptr,
                         list.data(), bytes);
  auto memory = list.host();
  const deconvolve::ComponentList got(memory.data(), bytes, channels);
  EXPECT_EQ(got.header().flags, wanted.header().flags);
  EXPECT_EQ(got.header().channels, wanted.header().channels);
  EXPECT_NEAR(got.header().start_peak, wanted.header().start_peak, 1e-6);
  EXPECT_NEAR(got.header().left_peak, wanted.header().left_peak, 1e-3 * wanted.header().start_peak);
  EXPECT_FLOAT_EQ(got.header().threshold, wanted.header().threshold);
  EXPECT_NEAR(static_cast<double>(got.header().iterations), static_cast<double>(wanted.header().iterations),
              2);
  ASSERT_GT(wanted.header().count, 0);
  // Round-off may swap a few faint components: the models are compared, not the lists.
  std::vector<float> model_a(Sky::kSize * Sky::kSize), model_b(model_a);
  for (const auto& [from, to] : {std::pair{&got, &model_a}, {&wanted, &model_b}})
    for (int64_t i = 0; i < from->header().count; ++i)
      (*to)[static_cast<size_t>(from->position(i)[0] * Sky::kSize + from->position(i)[1])] +=
          from->flux(i)[channels - 1];
  EXPECT_LT(difference(model_a.data(), model_b.data(), static_cast<int64_t>(model_a.size())), 1e-2);
}

TEST_F(CudaClean, MinorLoop) {
  for (const int channels : {1, 2})
    for (const auto algorithm : {deconvolve::Algorithm::hogbom, deconvolve::Algorithm::clark})
      for (const double threshold : {0.8, 0.1}) {
        Sky sky(channels);
        sky.args.minor.algorithm = algorithm;
        deconvolve::LoopBlock block;
        block.decision.clean = true;
        block.decision.threshold = threshold;
        block.decision.max_iterations = 1500;
        block.decision.is_final = threshold < 0.5;  // deep: several lists
        block.peak.value = 3;
        check_minor(sky, block, 5000);
      }
  Sky sky(1);  // a sub-image in a corner, a list that is too short, and a raised threshold
  sky.args.rect = {0, 0, 70, 80};
  deconvolve::LoopBlock block;
  block.decision.clean = true;
  block.decision.threshold = 0.05;
  block.decision.max_iterations = 1500;
  block.peak.value = 3;
  check_minor(sky, block, 3);
  block.far_sidelobe = 0.05f;
  check_minor(sky, block, 500);
}

TEST_F(CudaClean, NothingToClean) {
  Sky sky(1);
  const DeviceSky device(sky);
  const deconvolve::LoopBlock block;
  const int64_t bytes = deconvolve::ComponentList::bytes(10, 1);
  const OnDevice<deconvolve::LoopBlock> device_block(&block, 1);
  const OnDevice<char> list(bytes);
  deconvolve::minor_cuda(kStream, sky.args, sky.limits(), device.images, device_block.data(), nullptr,
                         list.data(), bytes);
  auto memory = list.host();
  EXPECT_EQ(deconvolve::ComponentList(memory.data(), bytes, 1).header().count, 0);
  EXPECT_EQ(deconvolve::ComponentList(memory.data(), bytes, 1).header().channels, 1);
}

TEST_F(CudaClean, SharesOfIterations) {
  Sky sky(1);
  const DeviceSky device(sky);
  deconvolve::LoopBlock block;
  block.decision.clean = true;
  block.decision.threshold = 0.1;
  block.decision.max_iterations = 1500;
  block.peak.value = 3;
  const int64_t bytes = deconvolve::ComponentList::bytes(2000, 1);
  const OnDevice<deconvolve::LoopBlock> device_block(&block, 1);
  const OnDevice<char> list(bytes);
  const auto iterations = [&](std::optional<int64_t> share) {
    const OnDevice<int64_t> on_device(std::vector<int64_t>{share.value_or(0)});
    deconvolve::minor_cuda(kStream, sky.args, sky.limits(), device.images, device_block.data(),
                           share ? on_device.data() : nullptr, list.data(), bytes);
    auto memory = list.host();
    return deconvolve::ComponentList(memory.data(), bytes, 1).header().iterations;
  };
  const auto all = iterations({});
  ASSERT_GT(all, 20);
  EXPECT_EQ(iterations(-1), all);
  EXPECT_EQ(iterations(20), 20);
  EXPECT_EQ(iterations(-1), 20);
  EXPECT_EQ(iterations(0), 0);
}

TEST_F(CudaClean, Restore) {
  constexpr int64_t kNy = 90, kNx = 110;
  std::vector<float> model(kNy * kNx), wanted(model);
  auto residual = noise(kNy * kNx, 3);
  model[45 * kNx + 60] = 2;
  model[3 * kNx + 108] = -1;
  model[50 * kNx + 61] = 0.5f;
  model[7] = std::numeric_limits<float>::quiet_NaN();
  residual[500] = std::numeric_limits<float>::quiet_NaN();
  const restore::BeamBlock block{1, {9.0, 4.0, 0.6}};
  const std::array<int64_t, 2> shape{kNy, kNx};
  restore::restore(View<const float, 2>(model.data(), shape), View<const float, 2>(residual.data(), shape),
                   block.beam, View<float, 2>(wanted.data(), shape));
  const OnDevice<float> device_model(model), device_residual(residual), out(kNy * kNx);
  const OnDevice<restore::BeamBlock> beam(&block, 1);
  restore::restore_cuda(kStream, device_model.data(), device_residual.data(), beam.data(), kNy, kNx,
                        out.data());
  EXPECT_LT(difference(out.host().data(), wanted.data(), kNy * kNx), 1e-6);
  const restore::BeamBlock none;
  const OnDevice<restore::BeamBlock> no_beam(&none, 1);
  restore::restore_cuda(kStream, device_model.data(), device_residual.data(), no_beam.data(), kNy, kNx,
                        out.data());
  EXPECT_EQ(difference(out.host().data(), residual.data(), kNy * kNx), 0);
}

}  // namespace
}  // namespace fringeflow
#else
TEST(CudaClean, Built) { GTEST_SKIP() << "this build has no CUDA: nothing was run"; }
#endif
