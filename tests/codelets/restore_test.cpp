// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/restore/restore.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "io/constants.hpp"

namespace fringeflow::restore {
namespace {

using Pixels = std::vector<float>;
View<const float, 2> view(const Pixels& pixels, int64_t ny, int64_t nx) { return {pixels.data(), {ny, nx}}; }

/// A Gaussian with peak 1 at (ny / 2, nx / 2), written from the definition of its axes.
Pixels gaussian(int64_t ny, int64_t nx, const Beam& beam) {
  Pixels image(static_cast<size_t>(ny * nx));
  const double east = std::sin(beam.angle_rad), north = std::cos(beam.angle_rad);
  for (int64_t y = 0; y < ny; ++y)
    for (int64_t x = 0; x < nx; ++x) {
      const auto l = static_cast<double>(nx / 2 - x), m = static_cast<double>(y - ny / 2);
      const double along = (l * east + m * north) / beam.major_pixels,
                   across = (l * north - m * east) / beam.minor_pixels;
      image[static_cast<size_t>(y * nx + x)] =
          static_cast<float>(std::exp(-4 * std::log(2.0) * (along * along + across * across)));
    }
  return image;
}

TEST(BeamFit, FindsKnownGaussians) {
  for (const double degrees : {0.0, 20.0, 45.0, 90.0, 120.0, 179.0})
    for (const auto& [major, minor] : {std::pair{9.0, 5.0}, {4.0, 3.5}, {20.0, 4.0}, {1.5, 1.2}})
      for (const FitBox box : {FitBox::quadrant, FitBox::whole}) {
        const Beam beam{major, minor, degrees * kPi / 180};
        const auto found = fit_beam(view(gaussian(128, 150, beam), 128, 150), 3.0, false, box);
        ASSERT_TRUE(found) << degrees << " " << major;
        EXPECT_NEAR(found->major_pixels, major, 1e-3 * major);
        EXPECT_NEAR(found->minor_pixels, minor, 1e-3 * minor);
        EXPECT_NEAR(std::sin(found->angle_rad - beam.angle_rad), 0, 2e-3) << degrees;
        EXPECT_GE(found->angle_rad, 0);
        EXPECT_LT(found->angle_rad, kPi);
      }
}

TEST(BeamFit, NorthThroughEast) {
  // Elongated along +y: position angle 0. Along the diagonal of growing y and falling x (north-east): 45
  // degrees.
  const auto north = fit_beam(view(gaussian(64, 64, {8, 4, 0}), 64, 64), 4);
  EXPECT_NEAR(std::sin(north->angle_rad), 0, 1e-6);
  Pixels diagonal(64 * 64);
  for (int64_t y = 0; y < 64; ++y)
    for (int64_t x = 0; x < 64; ++x) {
      const double dx = static_cast<double>(x - 32), dy = static_cast<double>(y - 32), along = (dy - dx) / 6,
                   across = (dy + dx) / 3;
      diagonal[static_cast<size_t>(y * 64 + x)] =
          static_cast<float>(std::exp(-along * along - across * across));
    }
  EXPECT_NEAR(fit_beam(view(diagonal, 64, 64), 4)->angle_rad, kPi / 4, 1e-6);
}

TEST(BeamFit, NeedsNoTheoreticalBeam) {
  const auto found = fit_beam(view(gaussian(128, 128, {12, 7, 1}), 128, 128), 0);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->major_pixels, 12, 0.01);
}

TEST(BeamFit, Circular) {
  const auto found = fit_beam(view(gaussian(128, 128, {9, 6, 1}), 128, 128), 5, true);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->major_pixels, found->minor_pixels, 1e-9);
  EXPECT_GT(found->major_pixels, 6);
  EXPECT_LT(found->major_pixels, 9);
}

TEST(BeamFit, NothingForBlankAndStrangeImages) {
  const Pixels zero(64 * 64, 0.0f), nan(64 * 64, std::numeric_limits<float>::quiet_NaN()),
      flat(64 * 64, 1.0f);
  EXPECT_FALSE(fit_beam(view(zero, 64, 64), 3));
  EXPECT_FALSE(fit_beam(view(nan, 64, 64), 3));
  EXPECT_FALSE(fit_beam(view(flat, 64, 64), 3));
  EXPECT_FALSE(fit_beam(view(zero, 1, 1), 3));
  // One pixel: undersampled. Any answer will do, but there must be one soon, and finite.
  Pixels point = zero;
  point[32 * 64 + 32] = 1;
  const auto found = fit_beam(view(point, 64, 64), 0.7);
  EXPECT_TRUE(!found || std::isfinite(found->major_pixels));
}

TEST(BeamFit, IgnoresBlankPixels) {
  Pixels psf = gaussian(64, 64, {8, 5, 0.5});
  for (size_t i = 0; i < 64 * 20; ++i) psf[i] = std::numeric_limits<float>::quiet_NaN();
  const auto found = fit_beam(view(psf, 64, 64), 5, false, FitBox::whole);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->major_pixels, 8, 0.01);
}

TEST(Beam, FormAndBack) {
  for (const double angle : {0.0, 0.3, 1.5, 1.6, 3.0}) {
    const auto back = beam_of(quadratic({7, 3, angle}));
    ASSERT_TRUE(back);
    EXPECT_NEAR(back->major_pixels, 7, 1e-9);
    EXPECT_NEAR(back->minor_pixels, 3, 1e-9);
    EXPECT_NEAR(back->angle_rad, angle, 1e-9);
  }
  EXPECT_FALSE(beam_of({1, 5, 1}));
}

TEST(Restore, PointsBecomeBeams) {
  const int64_t ny = 90, nx = 70;
  const Beam beam{6, 4, 0.7};
  Pixels model(static_cast<size_t>(ny * nx), 0.0f), out(model.size());
  model[static_cast<size_t>(ny / 2 * nx + nx / 2)] = 2.0f;
  Pixels residual(model.size(), 0.25f);
  residual[5] = std::numeric_limits<float>::quiet_NaN();
  model[6] = std::numeric_limits<float>::quiet_NaN();
  restore(view(model, ny, nx), view(residual, ny, nx), beam, {out.data(), {ny, nx}});
  const Pixels expected = gaussian(ny, nx, beam);
  for (size_t i = 0; i < out.size(); ++i) {
    if (i == 5)
      EXPECT_TRUE(std::isnan(out[i]));
    else
      EXPECT_NEAR(out[i], 2 * expected[i] + 0.25f, 2e-6) << i;
  }
}

/// Direct sums and transforms must give the same image, across tiles too; the flux is conserved.
TEST(Restore, StampsAndTransformsAgree) {
  const int64_t ny = 1300, nx = 1100;
  const Beam beam{5, 3, 2.0};
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Pixels dense(static_cast<size_t>(ny * nx)), sparse(dense.size(), 0.0f), zero(dense.size(), 0.0f),
      out(dense.size());
  for (float& value : dense) value = uniform(random);
  restore(view(dense, ny, nx), view(zero, ny, nx), beam, {out.data(), {ny, nx}});
  const Quadratic form = quadratic(beam);
  for (int i = 0; i < 200; ++i) {
    const auto y = static_cast<int64_t>(random() % ny), x = static_cast<int64_t>(random() % nx);
    double sum = 0;
    for (int64_t j = std::max<int64_t>(0, y - 20); j < std::min(ny, y + 21); ++j)
      for (int64_t k = std::max<int64_t>(0, x - 20); k < std::min(nx, x + 21); ++k) {
        const auto dx = static_cast<double>(x - k), dy = static_cast<double>(y - j);
        sum += dense[static_cast<size_t>(j * nx + k)] *
               std::exp(-(form.a * dx * dx + form.b * dx * dy + form.c * dy * dy));
      }
    EXPECT_NEAR(out[static_cast<size_t>(y * nx + x)], sum, 3e-5) << y << " " << x;
  }
  double flux = 0, total = 0;
  for (int i = 0; i < 50; ++i) {
    auto& pixel = sparse[static_cast<size_t>((100 + random() % 1000) * nx + 100 + random() % 900)];
    pixel = 1 + uniform(random);
  }
  for (const float value : sparse) flux += value;
  restore(view(sparse, ny, nx), view(zero, ny, nx), beam, {out.data(), {ny, nx}});
  for (const float value : out) total += value;
  const double area = kPi * beam.major_pixels * beam.minor_pixels / (4 * std::log(2.0));
  EXPECT_NEAR(total / area, flux, 1e-4 * flux);
}

}  // namespace
}  // namespace fringeflow::restore
