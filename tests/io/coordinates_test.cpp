// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/coordinates.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "io/constants.hpp"

namespace fringeflow::io {
namespace {

constexpr double kDegree = kPi / 180, kArcsecond = kDegree / 3600;

TEST(Coordinates, RoundTripOverTheHemisphere) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> unit(-1, 1);
  for (int i = 0; i < 20000; ++i) {
    const Direction centre{kPi * unit(random), kPi / 2 * unit(random)};
    const double l = unit(random), m = unit(random);
    if (l * l + m * m > 0.999) continue;
    const auto direction = direction_of(centre, l, m);
    ASSERT_TRUE(direction);
    const Lmn back = lmn_of(centre, *direction);
    EXPECT_NEAR(back.l, l, 1e-14);
    EXPECT_NEAR(back.m, m, 1e-14);
    EXPECT_NEAR(back.n_minus_1, std::sqrt(1 - l * l - m * m) - 1, 1e-13);
    EXPECT_GE(direction->ra_rad, 0);
    EXPECT_LT(direction->ra_rad, 2 * kPi);
  }
  EXPECT_FALSE(direction_of({}, 0.8, 0.7));
  EXPECT_FALSE(direction_of({}, NAN, 0));
}

TEST(Coordinates, MicroArcsecondFieldsKeepTheirDigits) {
  const double uas = kArcsecond * 1e-6;
  const Direction centre{3.2768, 0.2162};
  const Lmn at = lmn_of(centre, {centre.ra_rad, centre.dec_rad + 20 * uas});
  EXPECT_EQ(at.l, 0);
  EXPECT_NEAR(at.m / (20 * uas), 1, 1e-5);  // limited by the declination itself, not by the formula
  EXPECT_NEAR(n_minus_1(3e-9, 4e-9), -12.5e-18, 1e-30);
}

TEST(Coordinates, EastIsLeftAndNorthIsUp) {
  const ImageGrid grid({1.0, 0.5}, 2 * kArcsecond, 100, 60);
  const auto centre = grid.pixel_of(grid.centre);
  ASSERT_TRUE(centre);
  EXPECT_DOUBLE_EQ(centre->x, 50);
  EXPECT_DOUBLE_EQ(centre->y, 30);
  const auto east = grid.pixel_of({1.0 + 20 * kArcsecond / std::cos(0.5), 0.5});
  EXPECT_NEAR(east->x, 40, 1e-3);
  const auto north = grid.pixel_of({1.0, 0.5 + 20 * kArcsecond});
  EXPECT_NEAR(north->y, 40, 1e-6);
  EXPECT_FALSE(grid.pixel_of({1.0 + kPi, -0.5}));
  const auto back = grid.direction_at(7.25, 51.5);
  const auto pixel = grid.pixel_of(*back);
  EXPECT_NEAR(pixel->x, 7.25, 1e-8);
  EXPECT_NEAR(pixel->y, 51.5, 1e-8);
}

TEST(Coordinates, GridsAreComparedByWhereTheirPixelsAre) {
  const ImageGrid grid({1.0, 0.5}, kArcsecond, 1000, 1000);
  ImageGrid other = grid;
  other.centre.ra_rad += 2 * kPi;
  EXPECT_TRUE(grid.same_as(other));
  other.centre.dec_rad += 0.5 * kArcsecond;
  EXPECT_FALSE(grid.same_as(other, 0.1));
  other = grid;
  other.cell_rad *= 1.001;
  EXPECT_FALSE(grid.same_as(other, 0.1));
}

TEST(Coordinates, FormatsAngles) {
  EXPECT_EQ(format_ra(15 * kDegree * (14 + 11 / 60.0 + 20.64 / 3600), 2), "14:11:20.64");
  EXPECT_EQ(format_ra(-1e-12), "00:00:00.000");
  EXPECT_EQ(format_ra(2 * kPi - 1e-12), "00:00:00.000");
  EXPECT_EQ(format_dec(-(57 / 60.0 + 38 / 3600.0) * kDegree, 0, '.'), "-00.57.38");
  EXPECT_EQ(format_dec(29.9999999999 * kDegree, 1), "+30:00:00.0");
  EXPECT_EQ(format_angle(12.34 * kArcsecond), "12.34 arcsec");
  EXPECT_EQ(format_angle(3 * kDegree), "3 deg");
  EXPECT_EQ(format_angle(20e-6 * kArcsecond), "20 uas");
}

TEST(Coordinates, FormatsTimes) {
  EXPECT_EQ(format_utc(0), "1858-11-17T00:00:00.0");
  EXPECT_EQ(format_utc(55310.0 * 86400 + 8 * 3600 + 34 * 60 + 43), "2010-04-24T08:34:43.0");
  EXPECT_EQ(format_utc(51603.0 * 86400 + 86399.96),
            "2000-03-01T00:00:00.0");  // rounding carries over the leap day
}

TEST(Coordinates, ReadsAngles) {
  const double ra = (14 + 11 / 60.0 + 20.64 / 3600) * 15 * kDegree,
               dec = (52 + 12 / 60.0 + 9.3 / 3600) * kDegree;
  for (const char* text : {"14:11:20.64", "14h11m20.64s", " +14:11:20.64 ", "-09:48:39.36"}) {
    ASSERT_TRUE(parse_ra(text)) << text;
    EXPECT_NEAR(*parse_ra(text), ra, 1e-12) << text;
  }
  for (const char* text :
       {"52.12.09.3", "+52:12:09.3", "52d12m09.3s", "52.2025833333333deg", "52.2025833333333"}) {
    ASSERT_TRUE(parse_dec(text)) << text;
    EXPECT_NEAR(*parse_dec(text), dec, 1e-12) << text;
  }
  EXPECT_NEAR(*parse_dec("-00.57.38"), -(57 / 60.0 + 38 / 3600.0) * kDegree, 1e-15);
  EXPECT_NEAR(*parse_ra("30deg"), 30 * kDegree, 1e-15);
  EXPECT_NEAR(*parse_ra("-1rad"), 2 * kPi - 1, 1e-15);
  EXPECT_NEAR(*parse_dec("-0.25"), -0.25 * kDegree, 1e-15);
  for (const char* text :
       {"", "-", "+-1", "12:61:00", "12:-3:00", "a", "1:2:3:4", "nan", "30 parsec", "12.5:30:00", "1e400"}) {
    EXPECT_FALSE(parse_ra(text)) << text;
  }
  for (const char* text : {"91deg", "-90.0.1", "52.12.61", "1..2", "deg"})
    EXPECT_FALSE(parse_dec(text)) << text;
}

}  // namespace
}  // namespace fringeflow::io
