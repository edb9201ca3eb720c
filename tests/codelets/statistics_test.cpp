// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "codelets/deconvolve/deconvolve.hpp"

namespace fringeflow::deconvolve {
namespace {

double sorted_median(std::vector<float> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return 0.5 * (static_cast<double>(values[(n - 1) / 2]) + static_cast<double>(values[n / 2]));
}

/// Median and 1.4826 x median absolute deviation against those of sorted pixels, to the bit.
void expect_exact(int64_t ny, int64_t nx, const std::function<float(int64_t y, int64_t x)>& pixel) {
  std::vector<float> image;
  for (int64_t y = 0; y < ny; ++y)
    for (int64_t x = 0; x < nx; ++x) image.push_back(pixel(y, x));
  const Image view(image.data(), {ny, nx});
  const float weight = 1;
  const Robust robust = robust_statistics({&view, 1}, {&weight, 1});
  std::vector<float> finite;
  std::copy_if(image.begin(), image.end(), std::back_inserter(finite),
               [](float value) { return std::isfinite(value); });
  EXPECT_EQ(robust.finite, static_cast<int64_t>(finite.size()));
  const double median = sorted_median(finite);
  EXPECT_EQ(robust.median, median);
  for (float& value : finite) value = std::fabs(value - static_cast<float>(median));
  EXPECT_EQ(robust.sigma, 1.4826 * sorted_median(finite));
}

TEST(RobustStatistics, AreExactOfNoise) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.1f, 2);
  const auto noise = [&](int64_t, int64_t) { return normal(random); };
  for (const int64_t n : {1, 2, 31, 200}) expect_exact(3, n, noise);
  expect_exact(300, 301, noise);
  expect_exact(512, 700, noise);
}

TEST(RobustStatistics, LeaveOutWhatIsNotFinite) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(0, 1);
  expect_exact(401, 300, [&](int64_t y, int64_t) {
    if (y % 5 == 1) return std::numeric_limits<float>::quiet_NaN();
    if (y % 5 == 2) return -std::numeric_limits<float>::infinity();
    return y % 5 == 3 ? std::numeric_limits<float>::infinity() : normal(random);
  });
  const std::vector<float> blank(100 * 100, std::numeric_limits<float>::quiet_NaN());
  const Image view(blank.data(), {100, 100});
  const float weight = 1;
  EXPECT_EQ(robust_statistics({&view, 1}, {&weight, 1}).finite, 0);
  EXPECT_EQ(find_peak({}, {&view, 1}, {&weight, 1}, {}, {}, {0, 0, 100, 100}).value, 0.0f);
}

TEST(RobustStatistics, AreExactWhereASampleMisleads) {
  // All the same; two values; nearly everything in few columns' favour; a slope.
  expect_exact(256, 256, [](int64_t, int64_t) { return 3.0f; });
  expect_exact(256, 257, [](int64_t, int64_t x) { return x % 2 == 0 ? -1.0f : 1.0f; });
  for (const int64_t period : {2, 3, 5, 7, 9, 11, 13, 15, 17})
    expect_exact(300, 300, [&](int64_t y, int64_t x) {
      return (y * 300 + x) % period == 0 ? 1000.0f + static_cast<float>(x)
                                         : 1e-3f * static_cast<float>(y + 7 * x);
    });
  expect_exact(400, 400, [](int64_t y, int64_t x) { return static_cast<float>(y * 400 + x); });
}

TEST(RobustStatistics, OfSeveralChannelsAreThoseOfTheirMean) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> a(200 * 200), b(a.size()), mean(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = normal(random);
    b[i] = normal(random);
    mean[i] = 0.25f * a[i] + 0.75f * b[i];
  }
  const std::array<Image, 2> views{Image(a.data(), {200, 200}), Image(b.data(), {200, 200})};
  const std::array<float, 2> weights{1, 3};
  const Image view(mean.data(), {200, 200});
  const float one = 1;
  const Robust both = robust_statistics(views, weights), alone = robust_statistics({&view, 1}, {&one, 1});
  EXPECT_EQ(both.median, alone.median);
  EXPECT_EQ(both.sigma, alone.sigma);
}

}  // namespace
}  // namespace fringeflow::deconvolve
