// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/measurement_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "io/error.hpp"
#include "tests/io/measurement_set_fixture.hpp"

namespace fringeflow::test {
namespace {

using casacore::IPosition;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

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

}  // namespace
}  // namespace fringeflow::test
