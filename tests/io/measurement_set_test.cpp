// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/measurement_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "io/error.hpp"
#include "io/measurement_set_stokes.hpp"
#include "tests/data/tiny_set.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::test {
namespace {

using casacore::IPosition;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class MeasurementSetTest : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string path_ = folder_ / "tiny.ms";

  std::vector<Chunk> read(const std::string& stokes = "I", const Selection& selection = {},
                          int64_t target = 1 << 20, const std::optional<Direction>& centre = {}) {
    io::MeasurementSet set(path_, selection);
    return read_all(set, stokes, target, centre);
  }
};

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

TEST_F(MeasurementSetTest, UserErrors) {
  make_tiny_set(path_);
  const auto opening = [&](const std::string& path, const Selection& selection = {}) {
    return message_of<UserError>([&] { io::MeasurementSet(path, selection); });
  };
  EXPECT_THAT(opening(folder_ / "none.ms"), AllOf(HasSubstr("none.ms"), HasSubstr("does not exist")));
  fs::create_directory(folder_ / "plain.ms");
  EXPECT_THAT(opening(folder_ / "plain.ms"),
              AllOf(HasSubstr("plain.ms"), HasSubstr("is not a MeasurementSet")));
  EXPECT_THAT(opening(folder_.write("file.ms", "no")), HasSubstr("a MeasurementSet is a folder"));
  EXPECT_THAT(opening(path_ + "/ANTENNA"),
              AllOf(HasSubstr("is not a MeasurementSet"), HasSubstr("no column")));
  Selection s;
  s.column = "NOPE";
  EXPECT_THAT(opening(path_, s), AllOf(HasSubstr("tiny.ms"), HasSubstr("NOPE"), HasSubstr("DATA")));
  s.column = "UVW";
  EXPECT_THAT(opening(path_, s), HasSubstr("does not hold visibilities"));
  s = {};
  s.fields = {3};
  EXPECT_THAT(opening(path_, s), AllOf(HasSubstr("no field 3"), HasSubstr("simulated")));
  s = {};
  s.spws = {1};
  EXPECT_THAT(opening(path_, s), HasSubstr("no spectral window 1"));
  s = {};
  s.channel_end = 4;
  EXPECT_THAT(opening(path_, s), HasSubstr("channels 0..4"));
  s = {};
  s.channel_begin = 9;
  EXPECT_THAT(opening(path_, s), HasSubstr("channels 9.."));
}

TEST_F(MeasurementSetTest, RunErrors) {
  make_tiny_set(path_);
  const std::string bad = folder_ / "bad.ms";
  const auto spoilt = [&](auto&& spoil) {
    fs::remove_all(bad);
    fs::copy(path_, bad, fs::copy_options::recursive);
    spoil();
    return message_of<RunError>([&] {
      io::MeasurementSet set(bad, {});
      read_all(set);
    });
  };
  EXPECT_THAT(spoilt([&] { put_element(edit(bad), "UVW", 17, IPosition(1, 1), std::nan("")); }),
              AllOf(HasSubstr("bad.ms"), HasSubstr("UVW"), HasSubstr("row 17")));
  EXPECT_THAT(spoilt([&] { put_element(edit(bad), "UVW", 3, IPosition(1, 2), double{kInfinity}); }),
              HasSubstr("row 3"));
  EXPECT_THAT(spoilt([&] { put_cell(edit(bad), "FIELD_ID", 8, 5); }),
              AllOf(HasSubstr("FIELD_ID"), HasSubstr("row 8")));
  EXPECT_THAT(spoilt([&] { put_cell(edit(bad), "ANTENNA2", 8, 77); }),
              AllOf(HasSubstr("ANTENNA2"), HasSubstr("row 8"), HasSubstr("77")));
  EXPECT_THAT(spoilt([&] {
                auto t = edit(bad);
                for (int row = 0; row < 75; ++row) put_cell(t, "TIME", row, std::nan(""));
              }),
              AllOf(HasSubstr("bad.ms"), HasSubstr("TIME")));
  EXPECT_THAT(spoilt([&] { put_cell(edit(bad), "DATA_DESC_ID", 8, 5); }),
              AllOf(HasSubstr("DATA_DESC_ID"), HasSubstr("row 8")));
  EXPECT_THAT(spoilt([&] { fs::remove_all(bad + "/FIELD"); }),
              AllOf(HasSubstr("bad.ms"), HasSubstr("FIELD")));
  EXPECT_THAT(spoilt([&] { fs::remove(bad + "/table.f0"); }), HasSubstr("bad.ms"));
  // Every file of the main table cut short, casacore's own checks or ours.
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path_)) {
    const std::string name = entry.path().filename();
    if (entry.is_regular_file() && (name.starts_with("table.f") || name == "table.dat") &&
        entry.file_size() > 0)
      files.push_back(name);
  }
  EXPECT_GT(files.size(), 8u);
  for (const auto& file : files) {
    if (file.starts_with("table.f4") || file.starts_with("table.f5"))
      continue;  // WEIGHT and SIGMA are not read
    EXPECT_THAT(spoilt([&] { fs::resize_file(bad + "/" + file, fs::file_size(bad + "/" + file) / 3); }),
                HasSubstr("bad.ms"))
        << file;
  }
  Selection late;
  late.time_s.begin = 6e9;
  EXPECT_THAT(message_of<RunError>([&] { read("I", late); }), HasSubstr("no rows left"));
}

TEST_F(MeasurementSetTest, NoRowsAtAll) {
  make_tiny_set(path_);
  edit(path_).deepCopy(folder_ / "empty.ms", casacore::Table::New, false, casacore::Table::AipsrcEndian,
                       true);
  EXPECT_THAT(message_of<RunError>([&] { io::MeasurementSet(folder_ / "empty.ms", {}); }),
              AllOf(HasSubstr("empty.ms"), HasSubstr("no rows")));
}

TEST_F(MeasurementSetTest, FlaggedRowsMayHaveNoUvw) {
  make_tiny_set(path_);
  {
    auto t = edit(path_);
    put_element(t, "UVW", 17, IPosition(1, 1), std::nan(""));
    put_cell(t, "FLAG_ROW", 17, true);
  }
  const auto chunk = read()[0];
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(chunk.uvw_m[3 * 17 + i], 0);
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
