// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/deconvolve/deconvolve.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace fringeflow::deconvolve {
namespace {

using Pixels = std::vector<float>;
const float kNan = std::numeric_limits<float>::quiet_NaN();

/// A Gaussian lobe with oscillating sidelobes; symmetric, peak 1, negligible farther than half of the images
/// below.
float psf_at(int64_t dy, int64_t dx) {
  const auto y = static_cast<double>(dy), x = static_cast<double>(dx);
  const double r2 = x * x + y * y;
  return static_cast<float>(0.9 * std::exp(-r2 / 8) + 0.1 * std::cos(0.5 * x + 0.3 * y) * std::exp(-r2 / 80));
}

/// A sky of points, its images and a minor loop over them; the exact residual is a direct sum.
struct Scene {
  int64_t ny, nx;
  int channels = 1;
  std::vector<Pixels> psf, sky, model, residual;
  Pixels wide_psf;  ///< [2 ny][2 nx]
  Pixels weights;
  std::vector<uint16_t> scale_mask;
  std::vector<char> memory;
  MinorOptions options;

  Scene(int64_t rows, int64_t columns, int n = 1)
      : ny(rows), nx(columns), channels(n), weights(static_cast<size_t>(n), 1.0f) {
    const Pixels zero(static_cast<size_t>(ny * nx), 0.0f);
    sky.assign(static_cast<size_t>(n), zero);
    model = residual = sky;
    scale_mask.assign(zero.size(), 0);
    for (int64_t y = -ny; y < ny; ++y)
      for (int64_t x = -nx; x < nx; ++x) wide_psf.push_back(psf_at(y, x));
    for (int c = 0; c < n; ++c) {
      psf.push_back(zero);
      for (int64_t y = 0; y < ny; ++y)
        for (int64_t x = 0; x < nx; ++x) psf.back()[at(y, x)] = psf_at(y - ny / 2, x - nx / 2);
    }
  }
  size_t at(int64_t y, int64_t x) const { return static_cast<size_t>(y * nx + x); }
  void update() {
    for (size_t c = 0; c < sky.size(); ++c) {
      std::fill(residual[c].begin(), residual[c].end(), 0.0f);
      for (int64_t j = 0; j < ny; ++j)
        for (int64_t i = 0; i < nx; ++i) {
          const float flux = sky[c][at(j, i)] - model[c][at(j, i)];
          if (flux == 0) continue;
          for (int64_t y = 0; y < ny; ++y) {
            const float* from = wide_psf.data() + (y - j + ny) * 2 * nx + nx - i;
            float* to = residual[c].data() + y * nx;
            for (int64_t x = 0; x < nx; ++x) to[x] += flux * from[x];
          }
        }
    }
  }
  static std::vector<Image> views(const std::vector<Pixels>& images, int64_t ny, int64_t nx) {
    std::vector<Image> out;
    for (const Pixels& image : images) out.emplace_back(image.data(), std::array{ny, nx});
    return out;
  }
  Rect all() const { return {0, 0, ny, nx}; }
  ComponentList minor(float threshold, int64_t iterations = 100000, bool is_final = true, Mask mask = {},
                      bool masked = false, int64_t capacity = 10000) {
    const auto r = views(residual, ny, nx), p = views(psf, ny, nx);
    memory.assign(static_cast<size_t>(ComponentList::bytes(capacity, channels)), 0);
    const ComponentList list(memory.data(), static_cast<int64_t>(memory.size()), channels);
    MinorInput input;
    input.residual = r;
    input.psf = p;
    input.weights = weights;
    input.mask = mask;
    input.scale_mask = {scale_mask.data(), {ny, nx}};
    input.masked = masked;
    input.is_final = is_final;
    input.rect = all();
    input.threshold = threshold;
    input.max_iterations = iterations;
    minor_cycle(options, input, list);
    return list;
  }
  void apply(const ComponentList& list) {
    std::vector<View<float, 2>> views_of_model;
    for (Pixels& image : model) views_of_model.emplace_back(image.data(), std::array{ny, nx});
    apply_components(options, {&list, 1}, views_of_model, {scale_mask.data(), {ny, nx}}, 0, ny);
  }
  double model_flux(int c = 0) const {
    double sum = 0;
    for (const float value : model[static_cast<size_t>(c)]) sum += value;
    return sum;
  }
  float largest_residual() const {
    float peak = 0;
    for (const float value : residual[0])
      if (std::fabs(value) > peak) peak = std::fabs(value);
    return peak;
  }
};

TEST(Minor, OneSourceIsOneComponent) {
  for (const Algorithm algorithm : {Algorithm::hogbom, Algorithm::clark}) {
    Scene scene(60, 82);
    scene.options.algorithm = algorithm;
    scene.sky[0][scene.at(20, 50)] = 3.0f;
    scene.update();
    const ComponentList list = scene.minor(1e-3f);
    ASSERT_EQ(list.header().count, 1);
    EXPECT_EQ(list.position(0)[0], 20);
    EXPECT_EQ(list.position(0)[1], 50);
    EXPECT_EQ(list.position(0)[2], 0);
    EXPECT_NEAR(list.flux(0)[0], 3.0f, 2e-3);
    EXPECT_TRUE(list.header().flags & kReached);
    // 3 x 0.9^n <= 1e-3
    EXPECT_EQ(list.header().iterations, static_cast<int64_t>(std::ceil(std::log(1e-3 / 3) / std::log(0.9))));
    scene.apply(list);
    EXPECT_EQ(scene.scale_mask[scene.at(20, 50)], 1);
    scene.update();
    EXPECT_LE(scene.largest_residual(), 1.1e-3f);
  }
}

TEST(Minor, OverlappingSourcesAndBothSigns) {
  Scene scene(70, 64);
  scene.sky[0][scene.at(30, 30)] = 2.0f;
  scene.sky[0][scene.at(30, 34)] = 1.5f;
  scene.sky[0][scene.at(55, 10)] = -1.0f;
  scene.update();
  for (int cycle = 0; cycle < 8; ++cycle) {
    scene.apply(scene.minor(std::max(1e-3f, 0.2f * scene.largest_residual()), 100000, false));
    scene.update();
  }
  scene.apply(scene.minor(1e-3f));
  scene.update();
  EXPECT_LE(scene.largest_residual(), 2e-3f);
  EXPECT_NEAR(scene.model_flux(), 2.5, 0.05);
}

TEST(Minor, NegativeComponentsOnlyIfAllowed) {
  for (const Algorithm algorithm : {Algorithm::hogbom, Algorithm::clark, Algorithm::multiscale}) {
    Scene scene(64, 64);
    scene.options.algorithm = algorithm;
    scene.options.allow_negative = 0;
    scene.sky[0][scene.at(30, 30)] = -2.0f;
    scene.sky[0][scene.at(40, 50)] = 1.0f;
    scene.update();
    const ComponentList list = scene.minor(0.3f);
    ASSERT_GE(list.header().count, 1);
    for (int64_t i = 0; i < list.header().count; ++i) EXPECT_GT(list.flux(i)[0], 0);
  }
}

/// Hogbom's loop written down plainly, on the whole image.
Pixels plain_hogbom(Scene& scene, float gain, float threshold) {
  Pixels residual = scene.residual[0], model(residual.size(), 0.0f);
  for (;;) {
    size_t best = 0;
    for (size_t i = 0; i < residual.size(); ++i)
      if (std::fabs(residual[i]) > std::fabs(residual[best])) best = i;
    if (std::fabs(residual[best]) <= threshold) return model;
    const float flux = gain * residual[best];
    model[best] += flux;
    const auto by = static_cast<int64_t>(best) / scene.nx, bx = static_cast<int64_t>(best) % scene.nx;
    for (int64_t y = 0; y < scene.ny; ++y)
      for (int64_t x = 0; x < scene.nx; ++x) {
        const int64_t j = y - by + scene.ny / 2, i = x - bx + scene.nx / 2;
        if (j >= 0 && j < scene.ny && i >= 0 && i < scene.nx)
          residual[scene.at(y, x)] -= flux * scene.psf[0][scene.at(j, i)];
      }
  }
}

TEST(Minor, HogbomIsPlainHogbomAndClarkIsClose) {
  Scene scene(75, 90);
  std::mt19937 random(1);
  for (int i = 0; i < 12; ++i)
    scene.sky[0]
             [scene.at(10 + static_cast<int64_t>(random() % 55), 10 + static_cast<int64_t>(random() % 70))] =
        0.5f + static_cast<float>(random() % 100) / 50;
  scene.update();
  const Pixels expected = plain_hogbom(scene, 0.1f, 0.05f);
  scene.options.algorithm = Algorithm::hogbom;
  scene.apply(scene.minor(0.05f));
  const Pixels hogbom = scene.model[0];
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(hogbom[i], expected[i], 1e-4) << i;
  std::fill(scene.model[0].begin(), scene.model[0].end(), 0.0f);
  scene.options.algorithm = Algorithm::clark;
  const ComponentList list = scene.minor(0.05f);
  EXPECT_TRUE(list.header().flags & kReached);
  scene.apply(list);
  double error = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(scene.model[0][i] - expected[i], 2);
    norm += std::pow(expected[i], 2);
  }
  EXPECT_LT(std::sqrt(error / norm), 0.05);
  scene.update();
  EXPECT_LT(scene.largest_residual(), 0.06f);
}

/// One long step to the end (major gain 1): fresh lists, through transforms once there are many components.
TEST(Minor, DeepStepsLookAgain) {
  Scene scene(128, 144);
  std::mt19937 random(2);
  for (int i = 0; i < 150; ++i)
    scene.sky[0][scene.at(static_cast<int64_t>(random() % 128), static_cast<int64_t>(random() % 144))] =
        0.1f + static_cast<float>(random() % 100) / 100;
  scene.update();
  const ComponentList list = scene.minor(0.01f);
  EXPECT_GT(list.header().count, 300);
  EXPECT_TRUE(list.header().flags & kReached);
  scene.apply(list);
  scene.update();
  EXPECT_LT(scene.largest_residual(), 0.0102f);
}

TEST(Minor, ShortListsInTheNoiseCleanAsDeepAsOneLongList) {
  // Confusion: so many sources that nearly every pixel is above the threshold, on more pixels than a short list has.
  Scene scene(160, 160);
  std::mt19937 generator(5);
  std::normal_distribution<float> flux;
  for (int64_t y = 4; y < 160; y += 8)
    for (int64_t x = 4; x < 160; x += 8) scene.sky[0][scene.at(y, x)] = flux(generator);
  scene.sky[0][scene.at(80, 80)] = 10;
  scene.update();
  constexpr float kThreshold = 0.02f;
  const ComponentList list = scene.minor(kThreshold, 1000000, false);
  EXPECT_TRUE(list.header().flags & kReached);
  EXPECT_LE(list.header().left_peak, kThreshold);
  EXPECT_EQ(list.header().flags & kDiverged, 0);
  scene.apply(list);
  scene.update();
  // Unlisted pixels rise a little as sidelobes of others go away.
  EXPECT_LT(scene.largest_residual(), 2 * kThreshold);
}

TEST(Minor, StopsAtIterationsAndCapacityAndMask) {
  Scene scene(64, 64);
  scene.sky[0][scene.at(20, 20)] = 2.0f;
  scene.sky[0][scene.at(45, 45)] = 1.9f;
  scene.update();
  EXPECT_EQ(scene.minor(1e-3f, 7).header().iterations, 7);
  const ComponentList one = scene.minor(1e-3f, 1000, true, {}, false, 1);
  EXPECT_EQ(one.header().count, 1);
  EXPECT_TRUE(one.header().flags & kFull);
  EXPECT_FALSE(one.header().flags & kReached);
  std::vector<uint8_t> mask(64 * 64, 0);
  mask[scene.at(45, 45)] = 1;
  const ComponentList inside = scene.minor(1e-2f, 1000, true, {mask.data(), {64, 64}});
  ASSERT_EQ(inside.header().count, 1);
  EXPECT_EQ(inside.position(0)[0], 45);
  scene.scale_mask[scene.at(20, 20)] = 1;
  const ComponentList masked = scene.minor(1e-2f, 1000, true, {}, true);
  ASSERT_EQ(masked.header().count, 1);
  EXPECT_EQ(masked.position(0)[0], 20);
  scene.options.border = 0.4f;
  EXPECT_EQ(scene.minor(1.0f).header().count, 0);
}

TEST(Minor, BlankPixelsAreIgnored) {
  for (const Algorithm algorithm : {Algorithm::hogbom, Algorithm::clark, Algorithm::multiscale}) {
    Scene scene(64, 64);
    scene.options.algorithm = algorithm;
    scene.sky[0][scene.at(32, 40)] = 1.0f;
    scene.update();
    for (size_t i = 0; i < 640; ++i) scene.residual[0][i] = scene.psf[0][i] = kNan;
    scene.residual[0][scene.at(60, 60)] = std::numeric_limits<float>::infinity();
    const ComponentList list = scene.minor(0.02f);
    ASSERT_GE(list.header().count, 1);
    double flux = 0;
    for (int64_t i = 0; i < list.header().count; ++i) flux += list.flux(i)[0];
    EXPECT_NEAR(flux, 1.0, 0.05);
  }
}

TEST(Minor, ChannelsAreCleanedJointly) {
  for (const Algorithm algorithm : {Algorithm::clark, Algorithm::multiscale}) {
    Scene scene(64, 64, 3);
    scene.options.algorithm = algorithm;
    scene.weights = {1, 2, 0};
    scene.sky[0][scene.at(30, 30)] = 1.0f;
    scene.sky[1][scene.at(30, 30)] = 2.0f;
    scene.update();
    std::fill(scene.residual[2].begin(), scene.residual[2].end(), kNan);
    std::fill(scene.psf[2].begin(), scene.psf[2].end(), kNan);
    const ComponentList list = scene.minor(1e-3f);
    ASSERT_EQ(list.header().count, 1);
    EXPECT_NEAR(list.flux(0)[0], 1.0f, 2e-3);
    EXPECT_NEAR(list.flux(0)[1], 2.0f, 4e-3);
    EXPECT_EQ(list.flux(0)[2], 0.0f);
  }
}

TEST(Minor, SubImagesAgreeWithTheWhole) {
  Scene scene(200, 200);
  // On both sides of the cut at x = 100, one at the very edge.
  scene.sky[0][scene.at(100, 99)] = 1.0f;
  scene.sky[0][scene.at(60, 100)] = 0.8f;
  scene.sky[0][scene.at(150, 30)] = 0.6f;
  scene.update();
  const auto r = Scene::views(scene.residual, 200, 200), p = Scene::views(scene.psf, 200, 200);
  std::vector<std::vector<char>> memory(
      2, std::vector<char>(static_cast<size_t>(ComponentList::bytes(1000, 1))));
  std::vector<ComponentList> lists;
  for (int part = 0; part < 2; ++part) {
    lists.emplace_back(memory[static_cast<size_t>(part)].data(), static_cast<int64_t>(memory[0].size()), 1);
    MinorInput input;
    input.residual = r;
    input.psf = p;
    input.weights = scene.weights;
    input.rect = {0, 100 * part, 200, 100};
    input.threshold = 0.2f;
    input.max_iterations = 1000;
    minor_cycle(scene.options, input, lists.back());
    for (int64_t i = 0; i < lists.back().header().count; ++i)
      EXPECT_TRUE(input.rect.contains(lists.back().position(i)[0], lists.back().position(i)[1]));
  }
  Pixels split(scene.sky[0].size(), 0.0f), bands = split;
  std::vector<View<float, 2>> to{{split.data(), {200, 200}}}, to_bands{{bands.data(), {200, 200}}};
  apply_components(scene.options, lists, to, {}, 0, 200);
  for (int64_t y = 0; y < 200; y += 37) apply_components(scene.options, lists, to_bands, {}, y, y + 37);
  EXPECT_EQ(split, bands);
  EXPECT_NEAR(split[scene.at(100, 99)], 0.8f, 0.08);
  EXPECT_NEAR(split[scene.at(60, 100)], 0.6f, 0.08);
  EXPECT_NEAR(split[scene.at(150, 30)], 0.4f, 0.08);
}

TEST(Minor, ThresholdRisesWithFarSidelobes) {
  Scene scene(64, 64);
  scene.sky[0][scene.at(30, 30)] = 1.0f;
  scene.update();
  const auto r = Scene::views(scene.residual, 64, 64), p = Scene::views(scene.psf, 64, 64);
  std::vector<char> memory(static_cast<size_t>(ComponentList::bytes(100, 1)));
  const ComponentList list(memory.data(), static_cast<int64_t>(memory.size()), 1);
  MinorInput input;
  input.residual = r;
  input.psf = p;
  input.weights = scene.weights;
  input.rect = scene.all();
  input.threshold = 0.01f;
  input.max_iterations = 1000;
  input.global_peak = 4;
  input.far_sidelobe = 0.1f;
  minor_cycle(scene.options, input, list);
  EXPECT_FLOAT_EQ(list.header().threshold, 0.6f);
  EXPECT_TRUE(list.header().flags & kRaised);
  EXPECT_GT(list.header().left_peak, 0.5f);
}

TEST(Multiscale, ScalesAndKernels) {
  MinorOptions options;
  options.algorithm = Algorithm::multiscale;
  options.beam_pixels = 5.288f;
  automatic_scales(options, 480, 600);
  ASSERT_EQ(options.scales, 5);
  EXPECT_EQ(options.scale_pixels[0], 0.0f);
  EXPECT_NEAR(options.scale_pixels[1], 21.152, 1e-3);
  EXPECT_NEAR(options.scale_pixels[4], 169.216, 1e-3);
  // What WSClean 3.1 prints for these scales.
  const float peaks[] = {1.0f, 0.00803572f, 0.00217311f, 0.000590079f, 0.000153996f},
              weights[] = {1.0f, 1.7f, 2.8f, 4.6f, 7.7f};
  for (int scale = 0; scale < 5; ++scale) {
    const auto kernel = scale_kernel(options, scale);
    double sum = 0;
    for (const float value : kernel) sum += value;
    EXPECT_NEAR(sum, 1, 1e-5);
    EXPECT_NEAR(*std::max_element(kernel.begin(), kernel.end()) / peaks[scale], 1, 1e-4);
    EXPECT_NEAR(scale_weight(options, scale), weights[scale], 0.05);
  }
}

/// A broad source: most of its flux comes back, in few and large components.
TEST(Multiscale, RecoversAnExtendedSource) {
  for (const Shape shape : {Shape::tapered_quadratic, Shape::gaussian}) {
    Scene scene(100, 120);
    scene.options.algorithm = Algorithm::multiscale;
    scene.options.shape = shape;
    scene.options.beam_pixels = 3;
    automatic_scales(scene.options, 100, 120);
    double flux = 0;
    for (int64_t y = 30; y < 71; ++y)
      for (int64_t x = 40; x < 81; ++x) {
        const double r2 = std::pow(static_cast<double>(y - 50), 2) + std::pow(static_cast<double>(x - 60), 2);
        flux += scene.sky[0][scene.at(y, x)] = static_cast<float>(0.1 * std::exp(-r2 / 50));
      }
    scene.update();
    const float start = scene.largest_residual();
    ScaleMask nothing;
    const auto r = Scene::views(scene.residual, 100, 120);
    const Peak peak = find_peak(scene.options, r, scene.weights, {}, nothing, scene.all());
    EXPECT_GT(peak.scale, 0);
    EXPECT_GE(peak.value, start);
    float threshold = 0.2f * peak.value;
    int64_t components = 0;
    for (int cycle = 0; cycle < 5; ++cycle, threshold = std::max(0.005f * peak.value, 0.3f * threshold)) {
      const ComponentList list = scene.minor(threshold, 10000, cycle == 4);
      components += list.header().count;
      EXPECT_NEAR(list.header().start_peak / find_peak(scene.options, Scene::views(scene.residual, 100, 120),
                                                       scene.weights, {}, nothing, scene.all())
                                                 .value,
                  1, 1e-3);
      scene.apply(list);
      scene.update();
    }
    EXPECT_NEAR(scene.model_flux() / flux, 1, 0.05);
    EXPECT_LT(scene.largest_residual(), 0.05f * start);
    EXPECT_LT(components, 400);
    // The mask holds the scales at their centres, and nothing else is cleaned once it is in force.
    const ComponentList masked = scene.minor(0.002f * peak.value, 10000, true, {}, true);
    for (int64_t i = 0; i < masked.header().count; ++i)
      EXPECT_TRUE(scene.scale_mask[scene.at(masked.position(i)[0], masked.position(i)[1])] >>
                      masked.position(i)[2] &
                  1);
    std::vector<uint8_t> mask(scene.scale_mask.size(), 0);
    mask_from_components({scene.scale_mask.data(), {100, 120}}, {mask.data(), {100, 120}});
    EXPECT_EQ(std::count(mask.begin(), mask.end(), 1),
              std::count_if(scene.scale_mask.begin(), scene.scale_mask.end(),
                            [](uint16_t bits) { return bits != 0; }));
  }
}

TEST(Statistics, PeakAndFarSidelobe) {
  Scene scene(50, 60);
  scene.residual[0][scene.at(10, 20)] = -5.0f;
  scene.residual[0][scene.at(40, 30)] = 4.0f;
  scene.residual[0][scene.at(0, 0)] = kNan;
  scene.scale_mask[scene.at(40, 30)] = 1;
  const auto r = Scene::views(scene.residual, 50, 60);
  const ScaleMask mask(scene.scale_mask.data(), {50, 60});
  Peak peak = find_peak(scene.options, r, scene.weights, {}, mask, scene.all());
  EXPECT_EQ(peak.value, 5.0f);
  EXPECT_EQ(peak.y, 10);
  EXPECT_EQ(peak.x, 20);
  EXPECT_EQ(peak.masked_value, 4.0f);
  peak = larger(find_peak(scene.options, r, scene.weights, {}, mask, {0, 0, 25, 60}),
                find_peak(scene.options, r, scene.weights, {}, mask, {25, 0, 25, 60}));
  EXPECT_EQ(peak.value, 5.0f);
  EXPECT_EQ(peak.masked_value, 4.0f);
  scene.options.allow_negative = 0;
  EXPECT_EQ(find_peak(scene.options, r, scene.weights, {}, {}, scene.all()).value, 4.0f);
  Pixels psf(50 * 60, 0.0f);
  psf[scene.at(25, 30)] = 1;
  psf[scene.at(25, 41)] = -0.3f;
  psf[scene.at(36, 30)] = 0.2f;
  const Image image(psf.data(), {50, 60});
  EXPECT_FLOAT_EQ(far_sidelobe(image, 5, 5), 0.3f);
  EXPECT_FLOAT_EQ(far_sidelobe(image, 5, 12), 0.2f);
  EXPECT_FLOAT_EQ(far_sidelobe(image, 12, 12), 0.0f);
}

}  // namespace
}  // namespace fringeflow::deconvolve
