// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/quantity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow {
namespace {

using test::message_of;
using ::testing::HasSubstr;

constexpr double kDegree = std::numbers::pi / 180;

TEST(Quantity, EveryUnitOfAnAngle) {
  for (const auto& [text, degrees] : std::vector<std::pair<const char*, double>>{{"1deg", 1},
                                                                                 {"60amin", 1},
                                                                                 {"60 arcmin", 1},
                                                                                 {"3600asec", 1},
                                                                                 {" 3600 arcsec ", 1},
                                                                                 {"3.6e6mas", 1},
                                                                                 {"3.6e9uas", 1},
                                                                                 {"+2deg", 2},
                                                                                 {"-.5deg", -0.5}}) {
    EXPECT_NEAR(parse_quantity(text, Dimension::angle), degrees * kDegree, 1e-15) << text;
  }
  EXPECT_DOUBLE_EQ(parse_quantity("0.25rad", Dimension::angle), 0.25);
}

TEST(Quantity, OtherDimensions) {
  EXPECT_DOUBLE_EQ(parse_quantity("1.3GHz", Dimension::frequency), 1.3e9);
  EXPECT_DOUBLE_EQ(parse_quantity("2min", Dimension::duration), 120);
  EXPECT_DOUBLE_EQ(parse_quantity("1.5h", Dimension::duration), 5400);
  EXPECT_DOUBLE_EQ(parse_quantity("3mJy", Dimension::flux), 3e-3);
  EXPECT_DOUBLE_EQ(parse_quantity("2km", Dimension::length), 2000);
  EXPECT_EQ(parse_bytes("600MiB"), 600 << 20);
  EXPECT_EQ(parse_bytes("1.5 GB"), 1500000000);
}

TEST(Quantity, MistakesNameTheTextAndTheUnits) {
  const auto angle = [](const char* text) {
    return message_of<UserError>([&] { parse_quantity(text, Dimension::angle); });
  };
  EXPECT_THAT(angle("1.5parsec"),
              HasSubstr("'1.5parsec' has an unknown unit 'parsec'; accepted: uas, mas, asec"));
  EXPECT_THAT(angle("1.5"), HasSubstr("no unit"));
  EXPECT_THAT(angle("wide"), HasSubstr("'wide' is not a number with a unit"));
  for (const char* text : {"", "nandeg", "infdeg", "1e999deg", "--1deg", "+-1deg", "1deg 2", "deg"}) {
    EXPECT_THROW(parse_quantity(text, Dimension::angle), UserError) << text;
  }
  EXPECT_THROW(parse_bytes("-1MiB"), UserError);
  EXPECT_THROW(parse_number("1asec"), UserError);
}

TEST(Quantity, WholeNumbers) {
  EXPECT_EQ(parse_integer("20000"), 20000);
  EXPECT_EQ(parse_integer("2e4"), 20000);
  EXPECT_EQ(parse_integer("-3"), -3);
  for (const char* text : {"1.5", "1e30", "x", "", "99999999999999999999"})
    EXPECT_THROW(parse_integer(text), UserError) << text;
}

TEST(Quantity, Thresholds) {
  EXPECT_EQ(parse_threshold("5sigma").kind, ThresholdKind::sigma);
  EXPECT_DOUBLE_EQ(parse_threshold("5 sigma").value, 5);
  EXPECT_EQ(parse_threshold("1mJy").kind, ThresholdKind::jansky);
  EXPECT_DOUBLE_EQ(parse_threshold("1mJy").value, 1e-3);
  for (const char* text : {"5", "-1sigma", "5deg"}) EXPECT_THROW(parse_threshold(text), UserError) << text;
}

TEST(Range, UvRanges) {
  UvRange range = parse_uv_range("100..30000lambda");
  EXPECT_TRUE(range.wavelengths);
  EXPECT_DOUBLE_EQ(*range.range.begin, 100);
  EXPECT_DOUBLE_EQ(*range.range.end, 30000);
  range = parse_uv_range("0.1~30 klambda");
  EXPECT_DOUBLE_EQ(*range.range.begin, 100);
  EXPECT_DOUBLE_EQ(*range.range.end, 30000);
  range = parse_uv_range("100m..2km");
  EXPECT_FALSE(range.wavelengths);
  EXPECT_DOUBLE_EQ(*range.range.begin, 100);
  EXPECT_DOUBLE_EQ(*range.range.end, 2000);
  range = parse_uv_range("..2km");
  EXPECT_FALSE(range.range.begin);
  range = parse_uv_range("5klambda..");
  EXPECT_DOUBLE_EQ(*range.range.begin, 5000);
  EXPECT_FALSE(range.range.end);
  for (const char* text :
       {"100..200", "5klambda", "10..5m", "1m..2klambda", "..", "-1..2m", "a..b", "1...m"}) {
    EXPECT_THROW(parse_uv_range(text), UserError) << text;
  }
}

TEST(Range, Channels) {
  EXPECT_DOUBLE_EQ(*parse_integer_range("0..63").end, 63);
  EXPECT_DOUBLE_EQ(*parse_integer_range("7").begin, 7);
  EXPECT_DOUBLE_EQ(*parse_integer_range("7").end, 7);
  EXPECT_FALSE(parse_integer_range("4..").end);
  for (const char* text : {"-1..3", "3..2", "1.5..2", "..", ""})
    EXPECT_THROW(parse_integer_range(text), UserError) << text;
}

TEST(Time, IsoAndMjd) {
  // 2026-01-01 is MJD 61041, 2000-01-01 MJD 51544.
  EXPECT_DOUBLE_EQ(parse_time("2026-01-01T00:00:00"), 61041 * 86400.0);
  EXPECT_DOUBLE_EQ(parse_time("2026-01-01"), 61041 * 86400.0);
  EXPECT_DOUBLE_EQ(parse_time("2000-01-01T12:00:00.5Z"), 51544.5 * 86400.0 + 0.5);
  EXPECT_DOUBLE_EQ(parse_time("2000-02-29T00:01"), (51544 + 59) * 86400.0 + 60);
  EXPECT_DOUBLE_EQ(parse_time("61041.25"), 61041.25 * 86400);
  EXPECT_DOUBLE_EQ(parse_time("5273942400"), 5273942400.0);
  EXPECT_DOUBLE_EQ(parse_time("1858-11-17"), 0);
  for (const char* text : {"2026-13-01", "2026-02-29", "2026-01-01T25:00:00", "2026-01-01T1:00", "yesterday",
                           "", "2026-01-01x"}) {
    EXPECT_THROW(parse_time(text), UserError) << text;
  }
  const Range range = parse_time_range("2026-01-01T00:00:00..2026-01-01T01:00:00");
  EXPECT_DOUBLE_EQ(*range.end - *range.begin, 3600);
  EXPECT_FALSE(parse_time_range("2026-01-01..").end);
  EXPECT_FALSE(parse_time_range("..61041").begin);
}

TEST(Direction, ThreeForms) {
  for (const char* text : {"30.76875deg,-30.203055555555555deg", "02h03m04.5s,-30d12m11s",
                           "02:03:04.5,-30:12:11", " 02:03:04.5 , -30:12:11 "}) {
    const Direction direction = parse_direction(text);
    EXPECT_NEAR(direction.ra_rad / kDegree, 30.76875, 1e-12) << text;
    EXPECT_NEAR(direction.dec_rad / kDegree, -(30 + 12 / 60.0 + 11 / 3600.0), 1e-12) << text;
  }
  EXPECT_NEAR(parse_direction("0h0m0s,-00d30m00s").dec_rad / kDegree, -0.5, 1e-12);
  for (const char* text :
       {"30,-30", "30deg", "30deg,-95deg", "1,2,3", "02h03m,12h", "25:61:00,0:0:0", "", ",", "10:,x"}) {
    EXPECT_THROW(parse_direction(text), UserError) << text;
  }
  EXPECT_THAT(message_of<UserError>([] { parse_direction("30,-30"); }), HasSubstr("no unit at '30'"));
}

TEST(Size, SquareAndNot) {
  EXPECT_EQ(parse_size("4096"), (std::vector<int64_t>{4096, 4096}));
  EXPECT_EQ(parse_size("4096,2048"), (std::vector<int64_t>{4096, 2048}));
  EXPECT_EQ(parse_size("4096x2048"), (std::vector<int64_t>{4096, 2048}));
  for (const char* text : {"", "4096,", "1,2,3", "big"}) EXPECT_THROW(parse_size(text), UserError) << text;
}

}  // namespace
}  // namespace fringeflow
