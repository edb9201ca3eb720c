// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/averaging.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>

#include "io/coordinates.hpp"
#include "io/observation_geometry.hpp"
#include "tests/data/tiny_set.hpp"

namespace fringeflow::io {
namespace {

NewMeasurementSet observation(bool autocorrelations = false) {
  NewMeasurementSet set;
  // 60 m apart to 30 km, on a bent line.
  for (int i = 0; i < 10; ++i) {
    const double r = 60 * (std::pow(2, i) - 1);
    set.antennas.push_back(
        {fmt::format("A{}", i), "", {5109e3 + 0.2 * r, 2006e3 + 0.8 * r, -3239e3 - 0.6 * r}, 13.5});
  }
  for (int t = 0; t < 64; ++t) set.times_s.push_back(5.2739424e9 + 8 * t);
  set.interval_s = 8;
  set.freq_hz = {1.3e9, 1.7e9};
  set.channel_width_hz = 4e8;
  set.phase_centre = {0.5, -0.5};
  set.autocorrelations = autocorrelations;
  return set;
}

TEST(Averaging, NoBaselineLosesMoreThanAskedAnywhereInTheField) {
  const auto set = observation();
  const AveragingOptions options{.field_rad = 0.04, .smearing = 0.02, .interval_s = 400};
  const auto integrations = integrations_to_average(set, options);
  const ObservationGeometry geometry(set, "x");
  const auto baselines = geometry.baselines(), antennas = static_cast<int64_t>(set.antennas.size());
  ASSERT_EQ(integrations.size(), static_cast<size_t>(baselines));
  std::vector<double> uvw(set.times_s.size() * static_cast<size_t>(3 * baselines)),
      at(static_cast<size_t>(3 * antennas));
  for (size_t t = 0; t < set.times_s.size(); ++t) {
    geometry.antenna_uvw(static_cast<int64_t>(t), {at.data(), {antennas, 3}});
    geometry.baseline_uvw({at.data(), {antennas, 3}},
                          {uvw.data() + t * static_cast<size_t>(3 * baselines), {baselines, 3}});
  }
  double worst = 0, worst_twice = 0;
  for (int64_t b = 0; b < baselines; ++b)
    for (int k = 0; k < 16; ++k) {
      // Around the edge of the field, the largest average of every baseline, and twice that.
      const double r = std::sin(options.field_rad / 2), l = r * std::cos(k * M_PI / 8),
                   m = r * std::sin(k * M_PI / 8), n1 = std::sqrt(1 - r * r) - 1;
      for (const int64_t count : {int64_t{integrations[static_cast<size_t>(b)]},
                                  int64_t{2 * integrations[static_cast<size_t>(b)]}}) {
        if (count > 50) continue;  // what the longest average allows
        std::complex<double> mean;
        for (int64_t t = 0; t < count; ++t) {
          const double* w = uvw.data() + (t * baselines + b) * 3;
          mean += std::polar(1., 2 * M_PI * 1.7e9 / 299792458. * (w[0] * l + w[1] * m + w[2] * n1));
        }
        const double lost = 1 - std::abs(mean) / static_cast<double>(count);
        (count == integrations[static_cast<size_t>(b)] ? worst : worst_twice) =
            std::max(count == integrations[static_cast<size_t>(b)] ? worst : worst_twice, lost);
      }
    }
  EXPECT_LE(worst, options.smearing);
  EXPECT_GT(worst, options.smearing / 8) << "the bound is not a waste";
  EXPECT_GT(worst_twice, options.smearing);
  EXPECT_EQ(*std::max_element(integrations.begin(), integrations.end()), 32) << "400 s are 50 integrations";
  EXPECT_EQ(*std::min_element(integrations.begin(), integrations.end()), 1);
  for (const int32_t n : integrations) EXPECT_EQ(n & (n - 1), 0);
}

TEST(Averaging, BaselinesWithoutLengthTakeTheLongestInterval) {
  const auto set = observation(true);
  const auto integrations =
      integrations_to_average(set, {.field_rad = 3, .smearing = 1e-6, .interval_s = 60});
  EXPECT_EQ(integrations.front(), 4) << "an autocorrelation: 32 s of 60";
  EXPECT_EQ(integrations[9], 1) << "30 km";
}

TEST(Averaging, RowsHoldEveryIntegrationOnceInTheOrderOfTheirEnds) {
  const std::vector<int32_t> integrations{1, 4, 2, 8, 1};
  const int64_t times = 21;
  const AveragedRows rows(integrations, times);
  EXPECT_EQ(rows.block_times(), 8);
  EXPECT_EQ(rows.blocks(), 3);
  EXPECT_EQ(rows.rows(), 21 + 6 + 11 + 3 + 21);
  std::map<std::pair<int32_t, int64_t>, int> seen;
  int64_t count = 0, last = 0;
  for (int64_t block = 0; block < rows.blocks(); ++block) {
    EXPECT_EQ(rows.first_row(block), count);
    for (const auto& row : rows.block(block)) {
      EXPECT_GE(row.begin + row.count, last);
      last = row.begin + row.count;
      EXPECT_EQ(row.begin % integrations[static_cast<size_t>(row.baseline)], 0);
      for (int64_t t = row.begin; t < row.begin + row.count; ++t) ++seen[{row.baseline, t}];
      ++count;
    }
  }
  EXPECT_EQ(count, rows.rows());
  EXPECT_EQ(seen.size(), static_cast<size_t>(5 * times));
  for (const auto& [key, n] : seen) EXPECT_EQ(n, 1);
}

}  // namespace
}  // namespace fringeflow::io
