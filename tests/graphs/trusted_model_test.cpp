// SPDX-License-Identifier: GPL-3.0-or-later
// Which parts of a model gains are solved against.
#include "graphs/selfcal/trusted_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace fringeflow::graphs {
namespace {

constexpr int64_t kSize = 64;
constexpr double kCell = 1e-5, kBeam = 8;  // pixels, FWHM

io::FitsImage<float> blank() {
  io::FitsImage<float> image;
  image.header.grid = io::ImageGrid({1, -0.5}, kCell, kSize, kSize);
  image.header.beam = {kBeam * kCell, kBeam * kCell, 0};
  image.pixels.assign(kSize * kSize, 0);
  return image;
}

void add(io::FitsImage<float>& model, io::FitsImage<float>& restored, int64_t x, int64_t y, double flux) {
  model.pixels[static_cast<size_t>(y * kSize + x)] += static_cast<float>(flux);
  for (int64_t j = 0; j < kSize; ++j)
    for (int64_t i = 0; i < kSize; ++i)
      restored.pixels[static_cast<size_t>(j * kSize + i)] +=
          static_cast<float>(flux * std::exp2(-4 * std::pow(std::hypot(i - x, j - y) / kBeam, 2)));
}

TEST(TrustedModel, ComponentsAroundASourceAreOnePoint) {
  auto model = blank(), restored = blank();
  add(model, restored, 20, 30, 0.6);
  add(model, restored, 21, 30, 0.4);
  add(model, restored, 26, 30, 0.01);  // a sidelobe on its side
  const auto found = trusted_components(model, restored, 0.05, 1e-3);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NEAR(found[0].stokes_jy[0], 1.01, 1e-6);
  const auto at = restored.header.grid.pixel_of({found[0].ra_rad, found[0].dec_rad}).value();
  EXPECT_NEAR(at.x, (0.6 * 20 + 0.4 * 21 + 0.01 * 26) / 1.01, 1e-3);
  EXPECT_NEAR(at.y, 30, 1e-3);
}

TEST(TrustedModel, ExtendedSourcesAreKeptAndFaintPixelsLeftOut) {
  auto model = blank(), restored = blank();
  for (int k = 0; k < 12; ++k)
    add(model, restored, std::llround(30 + 10 * std::cos(k * M_PI / 6)),
        std::llround(30 + 10 * std::sin(k * M_PI / 6)), k % 3 == 0 ? 0.2 : 0.1);
  add(model, restored, 5, 58, 0.01);
  const auto found = trusted_components(model, restored, 0.05, 0.01);
  EXPECT_EQ(found.size(), 12U);
}

TEST(TrustedModel, TwoSourcesSideBySideStayTwo) {
  auto model = blank(), restored = blank();
  add(model, restored, 20, 30, 1);
  add(model, restored, 36, 30, 0.5);
  EXPECT_EQ(trusted_components(model, restored, 0.01, 1e-3).size(), 2U);
}

}  // namespace
}  // namespace fringeflow::graphs
