// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/measurement_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/error.hpp"
#include "tests/io/measurement_set_fixture.hpp"

namespace fringeflow::test {
namespace {

using casacore::IPosition;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(MeasurementSetTest, SelectsChannelsTimesAndUvRange) {
  make_tiny_set(path_);
  Selection selection;
  selection.channel_begin = 1;
  selection.channel_end = 2;
  selection.time_s = {5.2739424e9 + 300, 5.2739424e9 + 1500};
  const auto chunk = read("I", selection)[0];
  EXPECT_EQ(chunk.spec.rows, 30);
  EXPECT_EQ(chunk.spec.channels, 2);
  EXPECT_NEAR(std::abs(chunk.vis_at(0, 0, 0) - tiny_visibility(0, 15, 1)), 0, 1e-6);

  const auto all = read()[0];
  Selection lambda, metres;
  lambda.uv_lambda = {1000., 2500.};
  metres.uv_m = {{}, 500.};
  const auto by_lambda = read("I", lambda)[0], by_metres = read("I", metres)[0];
  int64_t kept = 0;
  for (int row = 0; row < 75; ++row) {
    const double uv =
        std::hypot(all.uvw_m[3 * static_cast<size_t>(row)], all.uvw_m[3 * static_cast<size_t>(row) + 1]);
    for (int c = 0; c < 4; ++c) {
      const double uv_lambda = uv * (1.3e9 + 1e6 * c) / kSpeedOfLight_m_s;
      const bool in = uv_lambda >= 1000 && uv_lambda <= 2500;
      kept += in;
      EXPECT_EQ(by_lambda.weight_at(0, row, c) > 0, in);
      EXPECT_EQ(by_metres.weight_at(0, row, c) > 0, uv <= 500);
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_EQ(by_lambda.statistics.flagged, 300 - kept);
}

TEST_F(MeasurementSetTest, AnotherPhaseCentre) {
  // Vis of a point source relative to the old centre, rotated to the new one, against the formula at the new
  // one.
  TinySet options;
  options.size_m = 30000;
  make_tiny_set(path_, options);
  const Direction from = options.centre, to{0.52, -0.47}, source{0.507, -0.483};
  const auto lmn = [&](const Direction& centre, double(&out)[3]) {
    const double dra = source.ra_rad - centre.ra_rad;
    out[0] = std::cos(source.dec_rad) * std::sin(dra);
    out[1] = std::sin(source.dec_rad) * std::cos(centre.dec_rad) -
             std::cos(source.dec_rad) * std::sin(centre.dec_rad) * std::cos(dra);
    out[2] = std::sqrt(1 - out[0] * out[0] - out[1] * out[1]) - 1;
  };
  double before[3], after[3];
  lmn(from, before);
  lmn(to, after);
  const auto value = [](const double* uvw, const double(&k)[3], double freq) {
    const double angle = 2 * kPi * (uvw[0] * k[0] + uvw[1] * k[1] + uvw[2] * k[2]) * freq / kSpeedOfLight_m_s;
    return std::complex<float>(static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)));
  };
  const auto old = read()[0];
  {
    auto t = edit(path_);
    casacore::ArrayColumn<casacore::Complex> data(t, "DATA");
    for (int row = 0; row < 75; ++row) {
      casacore::Array<casacore::Complex> cell(IPosition(2, 4, 4), casacore::Complex(0));
      for (int c = 0; c < 4; ++c) {
        cell(IPosition(2, 0, c)) = cell(IPosition(2, 3, c)) =
            value(&old.uvw_m[3 * static_cast<size_t>(row)], before, 1.3e9 + 1e6 * c);
      }
      data.put(static_cast<casacore::rownr_t>(row), cell);
    }
  }
  const auto chunk = read("I", {}, 1 << 20, to)[0];
  double largest = 0, longer = 0;
  for (int row = 0; row < 75; ++row) {
    const double* uvw = &chunk.uvw_m[3 * static_cast<size_t>(row)];
    const double* stored = &old.uvw_m[3 * static_cast<size_t>(row)];
    longer = std::max(
        longer, std::abs(std::hypot(uvw[0], uvw[1], uvw[2]) - std::hypot(stored[0], stored[1], stored[2])));
    for (int c = 0; c < 4; ++c) {
      largest = std::max(largest, static_cast<double>(std::abs(chunk.vis_at(0, row, c) -
                                                               value(uvw, after, 1.3e9 + 1e6 * c))));
    }
  }
  EXPECT_LT(largest, 1e-6);
  EXPECT_LT(longer, 1e-9);
  EXPECT_EQ(chunk.uvw_m, chunk.scanned_uvw_m);

  io::MeasurementSet set(path_, {});
  std::vector<double> again(chunk.uvw_m.size());
  set.read_uvw(chunk.spec, to, {again.data(), {75, 3}});
  EXPECT_EQ(again, chunk.uvw_m);
}

TEST_F(MeasurementSetTest, OnlyRowsOfTheFirstFieldUnlessAsked) {
  make_tiny_set(path_);
  {
    auto t = edit(path_);
    for (int row = 30; row < 75; ++row) put_cell(t, "FIELD_ID", row, 1 + row / 60);
    casacore::Table fields(path_ + "/FIELD", casacore::Table::Update);
    fields.addRow(2);
    for (int i : {1, 2}) {
      put_cell(fields, "NAME", i, casacore::String(fmt::format("field {}", i)));
      casacore::Array<double> direction(IPosition(2, 2, 1), -0.5);
      direction(IPosition(2, 0, 0)) = i == 1 ? 0.6 : 0.5;  // field 2 has the centre of field 0
      for (const char* column : {"PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"}) {
        casacore::ArrayColumn<double>(fields, column).put(static_cast<casacore::rownr_t>(i), direction);
      }
    }
  }
  io::MeasurementSet set(path_, {});
  const auto chunks = read_all(set);
  int64_t rows = 0;
  for (const auto& chunk : chunks) rows += chunk.spec.rows;
  EXPECT_EQ(rows, 45);
  ASSERT_EQ(set.info().notes.size(), 1u);
  EXPECT_THAT(set.info().notes[0], HasSubstr("1 field 1"));

  Selection both;
  both.fields = {0, 1};
  EXPECT_THAT(message_of<UserError>([&] { read("I", both); }), HasSubstr("--centre"));
  rows = 0;
  for (const auto& chunk : read("I", both, 1 << 20, Direction{0.55, -0.5})) rows += chunk.spec.rows;
  EXPECT_EQ(rows, 60);
  Selection one;
  one.fields = {1};
  const auto only = read("I", one);
  EXPECT_EQ(only[0].spec.rows, 30);
  EXPECT_NEAR(std::abs(only[0].vis_at(0, 0, 0) - tiny_visibility(0, 30, 0)), 0, 1e-6);
}

TEST_F(MeasurementSetTest, SetsWithDifferentCentresNeedAChoice) {
  make_tiny_set(path_);
  TinySet options;
  options.centre = {0.5001, -0.5};
  const std::string other = folder_ / "other.ms";
  make_tiny_set(other, options);
  const std::vector<std::shared_ptr<io::MeasurementSet>> sets = {
      std::make_shared<io::MeasurementSet>(path_, Selection{}),
      std::make_shared<io::MeasurementSet>(other, Selection{})};
  EXPECT_THAT(message_of<UserError>([&] { io::check_compatible(sets, {}); }),
              AllOf(HasSubstr("tiny.ms"), HasSubstr("other.ms"), HasSubstr("--centre")));
  io::check_compatible(sets, Direction{0.5, -0.5});
  io::check_compatible({sets.data(), 1}, {});
}

TEST_F(MeasurementSetTest, InterleavedWindowsOfDifferentShapes) {
  const auto set_path = shared_set("alma_mssel_io", folder_);
  if (!set_path) GTEST_SKIP() << "no shared data";
  path_ = *set_path;
  Selection selection;
  selection.fields = {1};
  const auto whole = read("I", selection), parts = read("I", selection, 100);
  std::vector<int64_t> rows(3), part_rows(3);
  for (const auto& chunk : whole) {
    rows[static_cast<size_t>(chunk.spec.window)] += chunk.spec.rows;
    EXPECT_EQ(chunk.spec.channels, chunk.spec.window == 1 ? 64 : 1);
  }
  EXPECT_EQ(rows[0], 0);
  EXPECT_GT(rows[1], 0);
  EXPECT_EQ(rows[1], rows[2]);
  EXPECT_GT(parts.size(), whole.size());
  for (const auto& chunk : whole) {
    int64_t at = 0;
    for (const auto& part : parts) {
      if (part.spec.window != chunk.spec.window) continue;
      for (int64_t row = 0; row < part.spec.rows; ++row, ++at) {
        for (int64_t c = 0; c < part.spec.channels; ++c)
          ASSERT_EQ(part.vis_at(0, row, c), chunk.vis_at(0, at, c));
      }
    }
    EXPECT_EQ(at, chunk.spec.rows);
  }
}
}  // namespace
}  // namespace fringeflow::test
