// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/png_preview.hpp"

#include <gtest/gtest.h>
#include <png.h>

#include <cmath>
#include <random>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

using test::message_of;
using test::TemporaryFolder;

struct Decoded {
  int64_t nx = 0, ny = 0;
  std::vector<uint8_t> rgba;
  const uint8_t* at(int64_t x, int64_t y) const { return &rgba[static_cast<size_t>(4 * (y * nx + x))]; }
};

Decoded decode(const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_file(&image, path.c_str())) << image.message;
  image.format = PNG_FORMAT_RGBA;
  Decoded d{image.width, image.height, std::vector<uint8_t>(PNG_IMAGE_SIZE(image))};
  EXPECT_TRUE(png_image_finish_read(&image, nullptr, d.rgba.data(), 0, nullptr)) << image.message;
  return d;
}

double lightness(const std::array<uint8_t, 3>& c) {
  const auto linear = [](uint8_t v) { return std::pow(v / 255.0, 2.2); };
  return 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
}

TEST(PngPreview, LightnessOfTheColourMapRises) {
  for (int i = 1; i <= 64; ++i)
    EXPECT_GT(lightness(colour_at(i / 64.0)), lightness(colour_at((i - 1) / 64.0))) << i;
  EXPECT_LT(lightness(colour_at(-1)), 0.02);
  EXPECT_GT(lightness(colour_at(2)), 0.8);
}

TEST(PngPreview, NorthIsUpEastIsLeftAndBlanksAreTransparent) {
  const TemporaryFolder folder;
  const int64_t nx = 300, ny = 200;
  std::vector<float> pixels(static_cast<size_t>(nx * ny));
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 1e-3f);
  for (float& p : pixels) p = normal(random);
  pixels[static_cast<size_t>(190 * nx + 20)] = 1;  // to the north-east
  pixels[0] = NAN;                                 // the south-eastern corner
  write_png_preview(folder / "a.png", {pixels.data(), {ny, nx}});
  const Decoded d = decode(folder / "a.png");
  EXPECT_EQ(d.ny, ny);
  EXPECT_GT(d.nx, nx) << "with a colour bar";
  EXPECT_GT(d.at(20, ny - 1 - 190)[1], 200);
  EXPECT_EQ(d.at(0, ny - 1)[3], 0);
  EXPECT_EQ(d.at(1, ny - 1)[3], 255);
  EXPECT_EQ(folder.count(), 1u);
}

TEST(PngPreview, LargeImagesAreAveragedDown) {
  const TemporaryFolder folder;
  const int64_t n = 500;
  std::vector<float> pixels(static_cast<size_t>(n * n), 2.0f);
  PreviewOptions options;
  options.max_size = 128;
  options.colour_bar = false;
  write_png_preview(folder / "a.png", {pixels.data(), {n, n}}, options);
  const Decoded d = decode(folder / "a.png");
  EXPECT_EQ(d.nx, 125);
  EXPECT_EQ(d.ny, 125);
}

TEST(PngPreview, AnyImageHasAScale) {
  const TemporaryFolder folder;
  for (const float value : {0.0f, -3.0f, NAN, INFINITY, 1e-38f}) {
    const std::vector<float> pixels(64 * 32, value);
    for (const Stretch stretch : {Stretch::asinh, Stretch::percentile}) {
      PreviewOptions options;
      options.stretch = stretch;
      const ColourScale scale = choose_scale({pixels.data(), {32, 64}}, options);
      EXPECT_GT(scale.high, scale.low);
      EXPECT_NEAR(scale.position_of(scale.low), 0, 1e-12);
      EXPECT_NEAR(scale.position_of(scale.high), 1, 1e-12);
      EXPECT_NEAR(scale.position_of(scale.value_at(0.3)), 0.3, 1e-9);
      write_png_preview(folder / "a.png", {pixels.data(), {32, 64}}, options);
    }
  }
  EXPECT_NE(message_of<RunError>([] {
              const std::vector<float> pixels(4);
              write_png_preview("/proc/nowhere/b.png", {pixels.data(), {2, 2}});
            }).find("/proc/nowhere/b.png"),
            std::string::npos);
}

}  // namespace
}  // namespace fringeflow::io
