// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/measurement_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "io/error.hpp"
#include "io/measurement_set_stokes.hpp"
#include "tests/io/measurement_set_fixture.hpp"

namespace fringeflow::test {
namespace {

using casacore::IPosition;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST_F(MeasurementSetTest, DescribesTheSet) {
  make_tiny_set(path_);
  const io::MeasurementSet set(path_, {});
  const auto& info = set.info();
  EXPECT_EQ(info.column, "DATA");
  EXPECT_TRUE(info.column_was_auto);
  EXPECT_TRUE(info.weight_spectrum);
  EXPECT_DOUBLE_EQ(info.phase_centre.ra_rad, 0.5);
  EXPECT_DOUBLE_EQ(info.phase_centre.dec_rad, -0.5);
  EXPECT_EQ(info.telescope, "Fringeflow");
  EXPECT_EQ(info.field_name, "simulated");
  EXPECT_EQ(info.antennas.size(), 6u);
  EXPECT_EQ(info.antennas[2].name, "T2");
  EXPECT_EQ(info.rows, 75);
  ASSERT_EQ(info.windows.size(), 1u);
  EXPECT_EQ(info.windows[0].freq_hz, (std::vector<double>{1.3e9, 1.301e9, 1.302e9, 1.303e9}));
  EXPECT_EQ(info.windows[0].width_hz[3], 1e6);
}

TEST_F(MeasurementSetTest, ReadsAllStokesParametersOfLinearAndCircularFeeds) {
  for (const auto& correlations :
       {std::vector<std::string>{"XX", "XY", "YX", "YY"}, std::vector<std::string>{"RR", "RL", "LR", "LL"}}) {
    fs::remove_all(path_);
    TinySet options;
    options.correlations = correlations;
    make_tiny_set(path_, options);
    const auto chunks = read("IQUV");
    ASSERT_EQ(chunks.size(), 1u);
    const auto& chunk = chunks[0];
    ASSERT_EQ(chunk.spec.rows, 75);
    EXPECT_EQ(chunk.statistics.visibilities, 75 * 4);
    EXPECT_EQ(chunk.statistics.flagged, 0);
    for (int s = 0; s < 4; ++s) {
      for (int row = 0; row < 75; ++row) {
        for (int c = 0; c < 4; ++c) {
          EXPECT_NEAR(std::abs(chunk.vis_at(s, row, c) - tiny_visibility(s, row, c)), 0, 2e-6)
              << correlations[0] << s << row << c;
          EXPECT_EQ(chunk.weight_at(s, row, c), 4);
        }
      }
    }
    EXPECT_EQ(chunk.uvw_m, chunk.scanned_uvw_m);
    EXPECT_EQ(chunk.antennas[0], 0);
    EXPECT_EQ(chunk.antennas[1], 1);
    EXPECT_DOUBLE_EQ(chunk.time_s[74], 5.2739424e9 + 2400);
  }
}

TEST_F(MeasurementSetTest, TwoAndOneCorrelations) {
  TinySet options;
  options.correlations = {"RR", "LL"};
  make_tiny_set(path_, options);
  io::MeasurementSet two(path_, {});
  two.check_stokes("IV");
  EXPECT_THAT(message_of<UserError>([&] { two.check_stokes("U"); }),
              AllOf(HasSubstr("tiny.ms"), HasSubstr("Stokes U"), HasSubstr("RR, LL")));
  EXPECT_THAT(message_of<UserError>([&] { read_all(two, "Q"); }), HasSubstr("Stokes Q"));
  const auto chunk = read_all(two, "IV")[0];
  EXPECT_NEAR(std::abs(chunk.vis_at(1, 7, 2) - tiny_visibility(3, 7, 2)), 0, 1e-6);

  path_ = folder_ / "one.ms";
  options.correlations = {"YY"};
  make_tiny_set(path_, options);
  const auto one = read("I")[0];
  EXPECT_NEAR(std::abs(one.vis_at(0, 7, 2) - (tiny_visibility(0, 7, 2) - tiny_visibility(1, 7, 2))), 0, 1e-6);
  EXPECT_EQ(one.weight_at(0, 7, 2), 1);
}

TEST_F(MeasurementSetTest, FlagsAndBrokenSamplesCountNothing) {
  make_tiny_set(path_);
  {
    auto t = edit(path_);
    put_element(t, "FLAG", 3, IPosition(2, 0, 1), true);  // XX of channel 1
    put_element(t, "FLAG", 4, IPosition(2, 1, 1), true);  // XY: not used by I
    put_cell(t, "FLAG_ROW", 5, true);
    put_element(t, "DATA", 6, IPosition(2, 3, 0), casacore::Complex(kNan, 0));
    put_element(t, "DATA", 7, IPosition(2, 0, 2), casacore::Complex(0, kInfinity));
    put_element(t, "WEIGHT_SPECTRUM", 8, IPosition(2, 0, 3), kNan);
    put_element(t, "WEIGHT_SPECTRUM", 9, IPosition(2, 3, 3), -1.f);
    put_element(t, "WEIGHT_SPECTRUM", 10, IPosition(2, 3, 3), 0.f);
    put_element(t, "WEIGHT_SPECTRUM", 11, IPosition(2, 3, 3), kInfinity);
    put_element(t, "WEIGHT_SPECTRUM", 12, IPosition(2, 3, 3), 0.25f);
  }
  const auto chunk = read("IU")[0];
  const std::vector<std::pair<int, int>> without_weight = {{3, 1}, {6, 0},  {7, 2}, {8, 3},
                                                           {9, 3}, {10, 3}, {11, 3}};
  for (const auto& [row, channel] : without_weight) {
    EXPECT_EQ(chunk.weight_at(0, row, channel), 0) << row;
    EXPECT_EQ(chunk.vis_at(0, row, channel), 0.f) << row;
    EXPECT_EQ(chunk.weight_at(1, row, channel), 4) << row;  // cross hands are whole
  }
  EXPECT_EQ(chunk.weight_at(0, 4, 1), 4);
  EXPECT_EQ(chunk.weight_at(1, 4, 1), 0);
  for (int c = 0; c < 4; ++c) EXPECT_EQ(chunk.weight_at(0, 5, c), 0);
  EXPECT_EQ(chunk.weight_at(0, 12, 3), 1);
  EXPECT_EQ(chunk.statistics.flagged, 4 + 7);
  EXPECT_EQ(chunk.statistics.not_finite, 4);
}

TEST_F(MeasurementSetTest, AutocorrelationsAreDropped) {
  TinySet options;
  options.autocorrelations = true;
  make_tiny_set(path_, options);
  const auto chunk = read()[0];
  EXPECT_EQ(chunk.spec.rows, 75);
  EXPECT_EQ(chunk.spec.stored_rows, 103);  // all 105 but the first and the last
  for (int row = 0; row < 75; ++row)
    EXPECT_NE(chunk.antennas[static_cast<size_t>(2 * row)], chunk.antennas[static_cast<size_t>(2 * row + 1)]);
}

TEST_F(MeasurementSetTest, AnAutocorrelationWithABaselineIsFlagged) {
  make_tiny_set(path_);
  {
    auto t = edit(path_);
    put_cell(t, "ANTENNA1", 4, 2);
    put_cell(t, "ANTENNA2", 4, 2);
  }
  io::MeasurementSet set(path_, {});
  const auto chunk = read_all(set)[0];
  EXPECT_EQ(chunk.spec.rows, 75);
  for (int c = 0; c < 4; ++c) {
    EXPECT_EQ(chunk.weight_at(0, 4, c), 0);
    EXPECT_GT(chunk.weight_at(0, 5, c), 0);
  }
  EXPECT_EQ(read_all(set)[0].weight, chunk.weight);  // also when its small columns are not read again
}

TEST_F(MeasurementSetTest, ProductsDoNotDependOnChunks) {
  TinySet options;
  options.antennas = 20;
  options.times = 12;
  options.autocorrelations = true;
  make_tiny_set(path_, options);
  const auto whole = read("IQ");
  ASSERT_EQ(whole.size(), 1u);
  const Direction elsewhere{0.51, -0.49};
  const auto whole_turned = read("IQ", {}, 1 << 20, elsewhere);
  for (int64_t target : {1, 37, 1000, 5000}) {
    const auto parts = read("IQ", {}, target), turned = read("IQ", {}, target, elsewhere);
    EXPECT_GT(parts.size(), 1u);
    int64_t at = 0;
    for (size_t k = 0; k < parts.size(); ++k) {
      const Chunk& part = parts[k];
      EXPECT_EQ(part.uvw_m, part.scanned_uvw_m);
      for (int64_t row = 0; row < part.spec.rows; ++row, ++at) {
        for (int s = 0; s < 2; ++s) {
          for (int c = 0; c < 4; ++c) {
            ASSERT_EQ(part.vis_at(s, row, c), whole[0].vis_at(s, at, c));
            ASSERT_EQ(turned[k].vis_at(s, row, c), whole_turned[0].vis_at(s, at, c));
            ASSERT_EQ(part.weight_at(s, row, c), whole[0].weight_at(s, at, c));
          }
        }
        for (size_t i = 0; i < 3; ++i)
          ASSERT_EQ(part.uvw_m[3 * static_cast<size_t>(row) + i],
                    whole[0].uvw_m[3 * static_cast<size_t>(at) + i]);
      }
    }
    EXPECT_EQ(at, whole[0].spec.rows);
  }
}

TEST_F(MeasurementSetTest, ChunksAreWholeTiles) {
  TinySet options;
  options.antennas = 48;
  options.times = 5;
  options.channels = 64;
  make_tiny_set(path_, options);
  io::MeasurementSet set(path_, {});
  const int64_t tile = set.info().tile_rows;
  EXPECT_GE(tile, 1024);
  const auto chunks = set.scan(2500 * 64, {}, {});
  EXPECT_GT(chunks.size(), 1u);
  int64_t next = 0;
  for (const auto& chunk : chunks) {
    ASSERT_EQ(chunk.row_ranges.size(), 1u);
    EXPECT_EQ(chunk.row_ranges[0].first, next);
    EXPECT_EQ(next % tile, 0);
    next = chunk.row_ranges[0].second;
  }
  EXPECT_EQ(next, 48 * 47 / 2 * 5);
  EXPECT_EQ(set.info().windows[0].rows, next);
  EXPECT_GT(set.buffer_bytes(), 0);
}

TEST_F(MeasurementSetTest, WeightColumnWithoutSpectrum) {
  make_tiny_set(path_);
  {
    auto t = edit(path_);
    t.removeColumn("WEIGHT_SPECTRUM");
    put_element(t, "WEIGHT", 2, IPosition(1, 3), 0.5f);
    put_element(t, "WEIGHT", 3, IPosition(1, 1), 0.5f);
  }
  io::MeasurementSet set(path_, {});
  EXPECT_FALSE(set.info().weight_spectrum);
  const auto chunk = read_all(set)[0];
  EXPECT_EQ(chunk.weight_at(0, 2, 0), 2);
  EXPECT_EQ(chunk.weight_at(0, 3, 0), 4);
}

/// Sums over a real data set: visibilities, unflagged ones, weights, and weights times visibilities, as
/// Python computes them with casacore from the definition.
struct Sums {
  const char *name, *column;
  int64_t rows;
  double kept, weight, re, im;
};

class RealSets : public ::testing::TestWithParam<Sums> {};

TEST_P(RealSets, SumsAgree) {
  const Sums& want = GetParam();
  const TemporaryFolder folder;
  const auto path = shared_set(want.name, folder);
  if (!path) GTEST_SKIP() << "no shared data";
  Selection selection;
  selection.column = want.column;
  io::MeasurementSet set(*path, selection);
  int64_t rows = 0, kept = 0;
  double weight = 0;
  std::complex<double> sum = 0;
  for (const auto& chunk : read_all(set, "I", 20000)) {
    rows += chunk.spec.rows;
    kept += chunk.statistics.visibilities - chunk.statistics.flagged;
    for (size_t i = 0; i < chunk.vis.size(); ++i) {
      ASSERT_TRUE(std::isfinite(chunk.vis[i].real()) && std::isfinite(chunk.vis[i].imag()));
      weight += chunk.weight[i];
      sum += static_cast<double>(chunk.weight[i]) * std::complex<double>(chunk.vis[i]);
    }
  }
  EXPECT_EQ(rows, want.rows);
  EXPECT_EQ(static_cast<double>(kept), want.kept);
  EXPECT_NEAR(weight, want.weight, 1e-5 * want.weight);
  EXPECT_NEAR(std::abs(sum - std::complex<double>(want.re, want.im)), 0, 1e-5 * std::abs(sum));
}

INSTANTIATE_TEST_SUITE_P(
    Shared, RealSets,
    ::testing::Values(Sums{"vla_3c391_c3", "DATA", 110331, 71497, 2802908, -23441.7138, 46600.9368},
                      Sums{"lofar_3c295_hba", "CORRECTED_DATA", 3660, 3516, 858368, 91477679.2, 39113.523},
                      Sums{"lofar_elais_ilt", "CORRECTED_DATA", 49950, 94608, 1.970236e+09, 338177517,
                           -1075932.61},
                      Sums{"mwa_puppis_a", "DATA", 2556, 49255, 18819284, 50225660.1, -25340448.1},
                      Sums{"askap_vela_2019", "DATA", 18270, 13640, 54560, 73353.2172, 2150.22775},
                      Sums{"gmrt_1543p480", "DATA", 6525, 41460, 165840, 67671.4495, 19446.1401},
                      Sums{"vlba_bllac_43ghz", "DATA", 2462, 2462, 1976499.02, 6438864.17, 230326.193},
                      Sums{"eht_m87_2017apr11_lo", "DATA", 7447, 7447, 356384733, 91726992.3, -40970818.8},
                      Sums{"meerkat_cdfs25_io", "DATA", 140, 0, 0, 0, 0}),
    [](const auto& set) { return std::string(set.param.name); });

}  // namespace
}  // namespace fringeflow::test
