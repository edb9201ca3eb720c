// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/gain_lookup.hpp"

#include <gtest/gtest.h>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

using test::message_of;
const std::vector<int> kLinear{9, 12}, kCircular{5, 8};

std::vector<Antenna> antennas(std::initializer_list<const char*> names) {
  std::vector<Antenna> list;
  for (const char* name : names) list.emplace_back().name = name;
  return list;
}

/// Gain of time t, frequency f, antenna a, hand h: 1 + t + 10 f + 100 a + 1000 h.
GainTable example() {
  GainTable table;
  table.times_s = {100, 200, 230};
  table.freq_hz = {1e8, 1.1e8};
  table.antennas = antennas({"A", "B", "C"});
  table.polarisations = {"XX", "YY"};
  for (int t = 0; t < 3; ++t)
    for (int f = 0; f < 2; ++f)
      for (int a = 0; a < 3; ++a)
        for (int h = 0; h < 2; ++h) table.gains.emplace_back(1 + t + 10 * f + 100 * a + 1000 * h);
  table.valid.assign(table.gains.size(), 1);
  return table;
}

TEST(GainLookup, TheNearestCountsAndAntennasGoByName) {
  const auto table = example();
  const GainLookup gains(table, antennas({"C", "A"}), kLinear, "g.h5", "s.ms");
  EXPECT_EQ(gains.time_of(0), 0);
  EXPECT_EQ(gains.time_of(149), 0);
  EXPECT_EQ(gains.time_of(151), 1);
  EXPECT_EQ(gains.time_of(1e9), 2);
  const double freqs[] = {9e7, 1.04e8, 1.06e8};
  EXPECT_EQ(gains.frequencies_of(freqs), (std::vector<int32_t>{0, 0, 1}));
  EXPECT_EQ(gains.jones(1, 1, 0)[0], 1. + 1 + 10 + 200);
  EXPECT_EQ(gains.jones(1, 1, 1)[3], 1. + 1 + 10 + 1000);
  EXPECT_EQ(gains.jones(1, 1, 1)[1], 0.);
  EXPECT_TRUE(gains.diagonal());
}

TEST(GainLookup, IntervalsThatAreKnownBeatTheNearestMiddle) {
  auto table = example();
  table.bounds_s = {{0, 190}, {195, 205}, {206, 250}};
  const GainLookup gains(table, table.antennas, kLinear, "g.h5", "s.ms");
  EXPECT_EQ(gains.time_of(180), 0) << "200 is nearer, but its interval begins later";
  EXPECT_EQ(gains.time_of(206), 2);
  EXPECT_EQ(gains.time_of(200), 1);
}

TEST(GainLookup, FlaggedSolutionsFlag) {
  auto table = example();
  table.valid[1] = 0;  // A, YY, first time and frequency
  const GainLookup gains(table, table.antennas, kLinear, "g.h5", "s.ms");
  std::complex<float> vis[] = {202, 7};
  bool flag[] = {false, false};
  const int32_t freq[] = {0};
  gains.correct(100, 0, 2, freq, kLinear, vis, flag);
  EXPECT_FLOAT_EQ(vis[0].real(), 202.f / 201.f);
  EXPECT_EQ(vis[1], 7.f);
  EXPECT_FALSE(flag[0]);
  EXPECT_TRUE(flag[1]);
}

TEST(GainLookup, GainsOfAnotherArrayAreRefused) {
  const auto table = example();
  const auto message = message_of<UserError>([&] {
    GainLookup(table, antennas({"A", "D", "E"}), kLinear, "g.h5", "s.ms");
  });
  for (const char* word : {"g.h5", "2 of the 3", "s.ms", "D, E", "another array"})
    EXPECT_NE(message.find(word), std::string::npos) << message;
  const auto feeds =
      message_of<UserError>([&] { GainLookup(table, table.antennas, kCircular, "g.h5", "s.ms"); });
  EXPECT_NE(feeds.find("XX, YY"), std::string::npos) << feeds;
  EXPECT_NE(feeds.find("RR"), std::string::npos) << feeds;
}

TEST(GainLookup, AGainOfZeroCannotBeUndone) {
  auto table = example();
  table.gains[0] = 0;
  const GainLookup gains(table, table.antennas, kLinear, "g.h5", "s.ms");
  EXPECT_FALSE(gains.valid(0, 0, 0, 0));
}

}  // namespace
}  // namespace fringeflow::io
