// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/resample/resample.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "codelets/resample/resample_cuda.hpp"
#include "io/constants.hpp"

namespace fringeflow::resample {
namespace {

Resampling axes_of(int64_t ny, int64_t nx, double ratio_y, double ratio_x, double oversampling,
                   double error) {
  return {make_axis(ny, ratio_y, oversampling, error), make_axis(nx, ratio_x, oversampling, error)};
}

template <class T>
std::vector<T> random_pixels(int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> pixel(-1, 1);
  std::vector<T> out(static_cast<size_t>(n));
  for (T& p : out) p = static_cast<T>(pixel(random));
  return out;
}

template <class T>
std::vector<const T*> rows_of(const std::vector<T>& image, int64_t nx) {
  std::vector<const T*> rows;
  for (size_t at = 0; at < image.size(); at += static_cast<size_t>(nx)) rows.push_back(image.data() + at);
  return rows;
}

/// A wave of `cycles_y`, `cycles_x` per coarse pixel, sampled on coarse pixels and interpolated.
double wave_error(double oversampling, double error, double ratio, double share_of_band) {
  const int64_t ny = 150, nx = 214;
  const Resampling axes = axes_of(ny, nx, ratio, 1.3 * ratio, oversampling, error);
  const double fy = share_of_band * 0.5 / oversampling, fx = -0.8 * fy;
  const auto wave = [&](double y, double x) { return std::cos(2 * kPi * (fy * y + fx * x) + 0.3); };
  std::vector<double> coarse;
  for (int64_t y = 0; y < axes.y.coarse; ++y)
    for (int64_t x = 0; x < axes.x.coarse; ++x)
      coarse.push_back(
          wave(static_cast<double>(y - axes.y.coarse / 2), static_cast<double>(x - axes.x.coarse / 2)));
  std::vector<double> fine(static_cast<size_t>(ny * nx));
  refine_cpu<double, double>(axes, rows_of(coarse, axes.x.coarse), 0, ny, 0, 0, {fine.data(), {ny, nx}});
  double worst = 0;
  for (int64_t y = 0; y < ny; ++y)
    for (int64_t x = 0; x < nx; ++x)
      worst = std::max(worst, std::abs(fine[static_cast<size_t>(y * nx + x)] -
                                       wave(static_cast<double>(y - ny / 2) / ratio,
                                            static_cast<double>(x - nx / 2) / (1.3 * ratio))));
  return worst;
}

TEST(Resample, WavesComeBackWithinTheErrorAskedFor) {
  for (const double error : {1e-4, 1e-6, 1e-9, 1e-13})
    for (const double oversampling : {1.25, 1.5, 2.0})
      for (const double share : {0.0, 0.5, 1.0})
        // Both axes err; Kaiser's formula is good to a small factor, most for long kernels.
        EXPECT_LT(wave_error(oversampling, error, 1.9, share), 8 * error + 2e-15)
            << error << " " << oversampling << " " << share;
}

TEST(Resample, ShortWavesAreNotKept) {
  // What the test above shows is no accident: beyond the band nothing comes back.
  EXPECT_GT(wave_error(1.5, 1e-6, 1.9, 2.2), 0.1);
}

template <class T, class Pixel>
void expect_adjoint(double tolerance) {
  const Resampling axes = axes_of(90, 122, 1.7, 2.3, 1.4, 1e-6);
  // The facet hangs over the image's rim.
  const int64_t ny = 100, nx = 115, y0 = -3, x0 = 4;
  const auto coarse = random_pixels<Pixel>(axes.y.coarse * axes.x.coarse, 1);
  auto model = random_pixels<Pixel>(ny * nx, 2);
  std::vector<Pixel> fine(static_cast<size_t>(ny * nx)), back(coarse.size());
  refine_cpu<T, Pixel>(axes, rows_of(coarse, axes.x.coarse), 0, 40, y0, x0, {fine.data(), {ny, nx}});
  refine_cpu<T, Pixel>(axes, rows_of(coarse, axes.x.coarse), 40, 90, y0, x0, {fine.data(), {ny, nx}});
  const View<const Pixel, 2> image(model.data(), {ny, nx});
  coarsen_cpu<T, Pixel>(axes, image, y0, x0, 0, 21, {back.data(), {21, axes.x.coarse}});
  coarsen_cpu<T, Pixel>(axes, image, y0, x0, 21, axes.y.coarse,
                        {back.data() + 21 * axes.x.coarse, {axes.y.coarse - 21, axes.x.coarse}});
  double a = 0, b = 0, size = 0;
  for (size_t i = 0; i < fine.size(); ++i) a += static_cast<double>(fine[i]) * static_cast<double>(model[i]);
  for (size_t i = 0; i < back.size(); ++i) {
    b += static_cast<double>(coarse[i]) * static_cast<double>(back[i]);
    size += std::abs(static_cast<double>(coarse[i]) * static_cast<double>(back[i]));
  }
  EXPECT_NEAR(a, b, tolerance * size);
}

TEST(Resample, CoarsenIsTheAdjoint) {
  expect_adjoint<double, double>(1e-15);
  expect_adjoint<float, float>(1e-7);
  expect_adjoint<double, float>(1e-7);
}

TEST(Resample, BlankModelPixelsCountAsZero) {
  const Resampling axes = axes_of(60, 60, 1.5, 1.5, 1.5, 1e-5);
  auto model = random_pixels<float>(3600, 5), blank = model;
  for (size_t i = 0; i < model.size(); i += 7) {
    model[i] = 0;
    blank[i] = std::numeric_limits<float>::quiet_NaN();
  }
  std::vector<float> a(static_cast<size_t>(axes.y.coarse * axes.x.coarse)), b(a);
  coarsen_cpu<float, float>(axes, {model.data(), {60, 60}}, 0, 0, 0, axes.y.coarse,
                            {a.data(), {axes.y.coarse, axes.x.coarse}});
  coarsen_cpu<float, float>(axes, {blank.data(), {60, 60}}, 0, 0, 0, axes.y.coarse,
                            {b.data(), {axes.y.coarse, axes.x.coarse}});
  EXPECT_EQ(a, b);
  EXPECT_TRUE(std::all_of(a.begin(), a.end(), [](float p) { return std::isfinite(p); }));
}

TEST(Resample, BlankPixelsStayBlank) {
  const Resampling axes = axes_of(60, 60, 1.5, 1.5, 1.5, 1e-5);
  const std::vector<float> coarse(static_cast<size_t>(axes.y.coarse * axes.x.coarse),
                                  std::numeric_limits<float>::quiet_NaN());
  std::vector<float> fine(3600);
  refine_cpu<float, float>(axes, rows_of(coarse, axes.x.coarse), 0, 60, 0, 0, {fine.data(), {60, 60}});
  EXPECT_TRUE(std::all_of(fine.begin(), fine.end(), [](float p) { return std::isnan(p); }));
}

TEST(Resample, RatioOneIsTheIdentity) {
  const Resampling axes = axes_of(20, 30, 1, 1, 1.5, 1e-5);
  const auto image = random_pixels<float>(600, 6);
  std::vector<float> out(600);
  refine_cpu<float, float>(axes, rows_of(image, 30), 0, 20, 0, 0, {out.data(), {20, 30}});
  EXPECT_EQ(out, image);
}

TEST(Resample, DeviceKernelsOnTheHostAgree) {
  const Resampling axes = axes_of(90, 122, 1.7, 2.3, 1.4, 1e-6);
  const int64_t ny = 100, nx = 115, y0 = -3, x0 = 4;
  const AxisTables y = host_axis(axes.y), x = host_axis(axes.x);
  const auto coarse = random_pixels<float>(axes.y.coarse * axes.x.coarse, 1),
             model = random_pixels<float>(ny * nx, 2);
  const auto run = [](const auto& kernel) {
    for (int64_t i = 0; i < kernel.count(); ++i) kernel(i);
  };
  std::vector<float> expected(static_cast<size_t>(ny * nx), -1.0f), got(expected),
      halfway(static_cast<size_t>(axes.y.coarse * axes.x.fine));
  refine_cpu<double, float>(axes, rows_of(coarse, axes.x.coarse), 0, 90, y0, x0, {expected.data(), {ny, nx}});
  run(RefineAlongX{x, coarse.data(), axes.y.coarse, halfway.data()});
  run(RefineAlongY{y, halfway.data(), axes.x.fine, y0, x0, {got.data(), {ny, nx}}});
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-6) << i;

  const int64_t begin = 5, rows = 30;
  std::vector<float> wanted(static_cast<size_t>(rows * axes.x.coarse)), result(wanted);
  halfway.resize(static_cast<size_t>(rows * axes.x.fine));
  coarsen_cpu<double, float>(axes, {model.data(), {ny, nx}}, y0, x0, begin, begin + rows,
                             {wanted.data(), {rows, axes.x.coarse}});
  run(CoarsenAlongY{y, {model.data(), {ny, nx}}, axes.x.fine, y0, x0, begin, rows, halfway.data()});
  run(CoarsenAlongX{x, halfway.data(), rows, result.data()});
  for (size_t i = 0; i < result.size(); ++i) ASSERT_NEAR(result[i], wanted[i], 2e-6) << i;
}

}  // namespace
}  // namespace fringeflow::resample
