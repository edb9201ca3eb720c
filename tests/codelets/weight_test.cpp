// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/weight/weight.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <vector>

#include "tests/codelets/gridder_fixture.hpp"

namespace fringeflow::weight {
namespace {

using TestData = gridder::test::Data<std::complex<float>>;

TestData make_data() {
  return {{101 * 2, 64, 1e-4}, {.rows = 300, .channels = 17, .max_uv_share = 1.1, .w_lambda = 100}};
}

// The rule again, in the words of its definition and without any shared code.
struct Reference {
  std::vector<double> u, v,
      density_of;  // per visibility; density_of is that of its cell, or -1 beyond the grid
  double sum = 0, sum_squares = 0;

  explicit Reference(const TestData& data) {
    const double d = data.image.cell_rad;
    const auto padded = [](int64_t n) {
      int64_t p = static_cast<int64_t>(std::ceil(1.2 * static_cast<double>(n)));
      while (p % 4 != 0) ++p;
      return p;
    };
    const int64_t nu = padded(data.image.nx), nv = padded(data.image.ny);
    std::vector<double> density(static_cast<size_t>(nu * nv / 2));
    std::vector<int64_t> cells;
    for (int64_t r = 0; r < data.rows; ++r)
      for (size_t c = 0; c < data.freq_hz.size(); ++c) {
        double uu = data.uvw_m[static_cast<size_t>(3 * r)] * (data.freq_hz[c] / kSpeedOfLight_m_s);
        double vv = data.uvw_m[static_cast<size_t>(3 * r + 1)] * (data.freq_hz[c] / kSpeedOfLight_m_s);
        u.push_back(uu);
        v.push_back(vv);
        if (std::abs(uu) >= 1 / (2 * d) || std::abs(vv) >= 1 / (2 * d)) {
          cells.push_back(-1);
          continue;
        }
        if (vv < 0) uu = -uu, vv = -vv;
        const auto x =
            static_cast<int64_t>(std::floor(uu * static_cast<double>(nu) * d + static_cast<double>(nu) / 2));
        const auto y = static_cast<int64_t>(std::floor(vv * static_cast<double>(nv) * d));
        cells.push_back(y * nu + x);
        density[static_cast<size_t>(cells.back())] += static_cast<double>(data.weight[u.size() - 1]);
      }
    for (const int64_t cell : cells) density_of.push_back(cell < 0 ? -1 : density[static_cast<size_t>(cell)]);
    for (const double w : density) sum += w, sum_squares += w * w;
  }
};

std::vector<double> density_in_chunks(const TestData& data, const std::vector<int64_t>& chunk_rows) {
  const DensityGeometry geometry = density_geometry(data.image);
  std::vector<double> density(static_cast<size_t>(geometry.size()));
  int64_t row = 0;
  for (const int64_t n : chunk_rows) {
    density_cpu(geometry, data.geometry(row, row + n), data.weights(row, row + n), density.data());
    row += n;
  }
  return density;
}

double apply_in_chunks(const TestData& data, const WeightScheme& scheme, const std::vector<double>& density,
                       const std::vector<int64_t>& chunk_rows, std::vector<float>& weight, int64_t& beyond) {
  const DensityGeometry geometry = density_geometry(data.image);
  const double s2 = briggs_s2(scheme.robust, density_summary(geometry, density.data()));
  double sum = 0;
  beyond = 0;
  weight = data.weight;
  int64_t row = 0;
  for (const int64_t n : chunk_rows) {
    beyond += apply_weights_cpu(scheme, s2, geometry, density.data(), data.geometry(row, row + n),
                                View<float, 2>(weight.data() + row * data.channels, {n, data.channels}));
    sum_weights_cpu({weight.data() + row * data.channels, {n, data.channels}}, 0, data.channels, sum);
    row += n;
  }
  return sum;
}

TEST(Weight, DensityGridIsPaddedPerAxis) {
  const DensityGeometry g = density_geometry({202, 64, 1e-4});
  EXPECT_EQ(g.nu, 244);  // ceil(242.4) = 243
  EXPECT_EQ(g.nv, 40);   // ceil(76.8) = 77, padded to 80, half of it
  EXPECT_EQ(density_cell(g, 0, 0), 122);
  EXPECT_EQ(density_cell(g, 10, -1e-9), 121);  // conjugated: u = -10
  EXPECT_EQ(density_cell(g, 5000, 0), -1);
  EXPECT_EQ(density_cell(g, 0, -5000), -1);
  EXPECT_EQ(density_cell(g, 4999.9, 4999.9), 39 * 244 + 243);
}

TEST(Weight, SchemesFollowTheirDefinitions) {
  const TestData data = make_data();
  const Reference reference(data);
  const auto density = density_in_chunks(data, {data.rows});
  std::vector<WeightScheme> schemes = {{Weighting::kNatural}, {Weighting::kUniform}};
  for (const double robust : {-2.0, 0.0, 0.5, 2.0}) schemes.push_back({Weighting::kBriggs, robust});
  schemes.push_back({Weighting::kBriggs, 0, 1e-4});
  for (const WeightScheme& scheme : schemes) {
    std::vector<float> weight;
    int64_t beyond = 0, expected_beyond = 0;
    const double sum = apply_in_chunks(data, scheme, density, {data.rows}, weight, beyond);
    double expected_sum = 0;
    const double s2 = std::pow(5 * std::pow(10, -scheme.robust), 2) / (reference.sum_squares / reference.sum);
    for (size_t i = 0; i < weight.size(); ++i) {
      const double w = static_cast<double>(data.weight[i]), in_cell = reference.density_of[i];
      double expected = w;
      if (scheme.weighting == Weighting::kUniform) expected = w / in_cell;
      if (scheme.weighting == Weighting::kBriggs) expected = w / (1 + in_cell * s2);
      if (scheme.taper_fwhm_rad > 0) {
        // The transform of exp(-4 ln 2 r^2 / fwhm^2).
        const double q = reference.u[i] * reference.u[i] + reference.v[i] * reference.v[i];
        expected *=
            std::exp(-kPi * kPi * scheme.taper_fwhm_rad * scheme.taper_fwhm_rad * q / (4 * std::log(2.0)));
      }
      if (in_cell < 0) expected = 0, ++expected_beyond;
      EXPECT_NEAR(static_cast<double>(weight[i]), expected, 1e-6 * expected + 1e-30);
      expected_sum += expected;
    }
    EXPECT_NEAR(sum, expected_sum, 1e-6 * expected_sum);
    EXPECT_EQ(beyond, expected_beyond);
    EXPECT_GT(beyond, 0);
  }
}

TEST(Weight, BitsDoNotDependOnChunks) {
  const TestData data = make_data();
  const auto one = density_in_chunks(data, {data.rows}),
             many = density_in_chunks(data, {1, 99, data.rows - 100});
  EXPECT_EQ(one, many);
  std::vector<float> a, b;
  int64_t beyond = 0;
  const WeightScheme scheme{Weighting::kBriggs, 0.5};
  EXPECT_EQ(apply_in_chunks(data, scheme, one, {data.rows}, a, beyond),
            apply_in_chunks(data, scheme, one, {50, data.rows - 50}, b, beyond));
  EXPECT_EQ(a, b);
}

TEST(Weight, OnlyTheChannelsOfTheImageCount) {
  const TestData data = make_data();
  const DensityGeometry geometry = density_geometry(data.image);
  gridder::ChunkGeometry chunk = data.geometry(0, data.rows);
  chunk.channel_begin = 3, chunk.channel_end = 5;
  std::vector<double> density(static_cast<size_t>(geometry.size()));
  density_cpu(geometry, chunk, data.weights(0, data.rows), density.data());
  std::vector<float> weight = data.weight;
  double sum = 0;
  apply_weights_cpu({Weighting::kUniform}, 0, geometry, density.data(), chunk,
                    View<float, 2>(weight.data(), {data.rows, data.channels}));
  sum_weights_cpu({weight.data(), {data.rows, data.channels}}, 3, 5, sum);
  int64_t occupied = 0;
  for (const double d : density) occupied += d > 0;
  EXPECT_NEAR(sum, static_cast<double>(occupied), 1e-4 * sum);  // each occupied cell sums to one
  for (size_t i = 0; i < weight.size(); ++i) {
    const auto c = static_cast<int64_t>(i) % data.channels;
    if (c < 3 || c >= 5) {
      EXPECT_EQ(weight[i], data.weight[i]);
    }
  }
}

TEST(Weight, AnEmptyDensityIsHarmless) {
  EXPECT_EQ(briggs_s2(0, {}), 0);
  TestData data = make_data();
  std::fill(data.weight.begin(), data.weight.end(), 0.f);
  std::vector<float> weight;
  int64_t beyond = 0;
  EXPECT_EQ(apply_in_chunks(data, {Weighting::kUniform}, density_in_chunks(data, {data.rows}), {data.rows},
                            weight, beyond),
            0);
  EXPECT_EQ(beyond, 0);
}

}  // namespace
}  // namespace fringeflow::weight
