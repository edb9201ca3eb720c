// SPDX-License-Identifier: GPL-3.0-or-later
// Image quality on images whose figures are known.
#include "traces/quality.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "io/error.hpp"
#include "io/fits_image.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::traces {
namespace {

using ::testing::HasSubstr;

struct Picture {
  int64_t n;
  std::vector<float> pixels;
  explicit Picture(int64_t size, float value = 0)
      : n(size), pixels(static_cast<size_t>(size * size), value) {}
  View<const float, 2> view() const { return {pixels.data(), {n, n}}; }
  float& at(int64_t y, int64_t x) { return pixels[static_cast<size_t>(y * n + x)]; }
  void add_source(double y, double x, double flux) {
    for (int64_t j = 0; j < n; ++j)
      for (int64_t i = 0; i < n; ++i)
        at(j, i) += static_cast<float>(flux * std::exp(-(std::pow(static_cast<double>(j) - y, 2) +
                                                         std::pow(static_cast<double>(i) - x, 2)) /
                                                       8));
  }
  void add_noise(double sigma, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> noise(0, sigma);
    for (auto& p : pixels) p += static_cast<float>(noise(random));
  }
};

TEST(Quality, BackgroundLeavesSourcesOut) {
  Picture picture(128);
  picture.add_noise(0.5, 1);
  // Cut at three sigma a normal distribution has 0.9866 of its rms; 16384 samples scatter by 0.6 % (one sigma).
  EXPECT_NEAR(background_rms(picture.view()) / 0.5, 0.9866, 0.02);
  picture.add_source(60, 60, 1000);
  EXPECT_NEAR(background_rms(picture.view()) / 0.5, 0.9866, 0.03);
  EXPECT_TRUE(std::isnan(background_rms(Picture(4, std::nanf("")).view())));
}

TEST(Quality, Psnr) {
  Picture reference(16, 1), image(16, 1.1f);
  EXPECT_NEAR(psnr_db(image.view(), reference.view()), 20, 1e-4);  // 0.1 in float
  EXPECT_TRUE(std::isinf(psnr_db(reference.view(), reference.view())));
  image.at(3, 3) = std::nanf("");  // blank pixels do not count
  EXPECT_NEAR(psnr_db(image.view(), reference.view()), 20, 1e-4);
}

TEST(Quality, Ssim) {
  Picture reference(16), image(16);
  for (int64_t y = 0; y < 16; ++y)
    for (int64_t x = 0; x < 16; ++x) reference.at(y, x) = static_cast<float>((x + y) % 2);
  EXPECT_NEAR(ssim(reference.view(), reference.view()), 1, 1e-12);
  // Constants 0.5 off by 0.5: no covariance, and R = 1: the checkerboard's variance is in each window 49/48 * m (1 - m), m its mean.
  for (auto& p : image.pixels) p = 0.5f;
  const double c1 = 1e-4, c2 = 9e-4, m = 24. / 49, v = 49. / 48 * m * (1 - m);
  const double one = (2 * 0.5 * m + c1) * c2 / ((0.25 + m * m + c1) * (v + c2));
  const double n = 25. / 49, other = (2 * 0.5 * n + c1) * c2 / ((0.25 + n * n + c1) * (v + c2));
  EXPECT_NEAR(ssim(image.view(), reference.view()), (one + other) / 2, 1e-12);
  EXPECT_TRUE(std::isnan(ssim(Picture(4).view(), Picture(4).view())));
}

TEST(Quality, SourcesMoveAndFade) {
  Picture reference(96), image(96);
  reference.add_noise(1e-3, 2);
  for (const auto& [y, x] : {std::pair{20., 30.}, {60., 70.}}) {
    reference.add_source(y, x, 1);
    image.add_source(y, x + 0.5, 0.9);
  }
  const auto errors = source_errors(image.view(), reference.view(), 100);
  ASSERT_EQ(errors.sources, 2);
  // A parabola through samples of a Gaussian of sigma 2 is off by 0.01 pixels; the noise adds some.
  EXPECT_NEAR(errors.mean_offset_px, 0.5, 0.03);
  EXPECT_NEAR(errors.mean_flux_error, 0.1, 0.01);
  EXPECT_NEAR(errors.median_flux_ratio, 0.1, 0.01);
  EXPECT_EQ(source_errors(image.view(), Picture(96).view()).sources, 0);
}

TEST(Quality, OfProducts) {
  const fringeflow::test::TemporaryFolder folder;
  Picture picture(32);
  picture.add_noise(1e-3, 3);
  picture.add_source(16, 16, 1);
  io::FitsHeader header;
  header.grid = io::ImageGrid({1, 0.5}, 1e-5, 32, 32);
  for (const char* name : {"b-dirty.fits", "b-image.fits", "reference.fits"})
    io::write_fits_image(folder / name, header, picture.view());
  const auto alone = image_quality(folder / "b", "");
  EXPECT_GT(alone["dirty_rms_jy_beam"].get<double>(), 0);
  EXPECT_FALSE(alone.contains("psnr_db"));
  const auto both = image_quality(folder / "b", folder / "reference.fits");
  EXPECT_NEAR(both["ssim"].get<double>(), 1, 1e-12);
  EXPECT_EQ(both["astrometric_error_asec"], 0);
  EXPECT_EQ(both["reference_sources"], 1);
  header.grid = io::ImageGrid({1, 0.5}, 1e-5, 16, 16);
  io::write_fits_image(folder / "small.fits", header, Picture(16).view());
  EXPECT_THAT(
      fringeflow::test::message_of<UserError>([&] { image_quality(folder / "b", folder / "small.fits"); }),
      HasSubstr("small.fits"));
}

}  // namespace
}  // namespace fringeflow::traces
