// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/h5parm.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

GainTable example(bool polarisations, bool amplitudes) {
  GainTable table;
  table.times_s = {5e9, 5e9 + 16, 5e9 + 32};
  table.freq_hz = {1e8, 1.5e8};
  for (const char* name : {"CS001HBA0", "RS106", "a station with a long name"}) {
    table.antennas.emplace_back();
    table.antennas.back().name = name;
  }
  if (polarisations) table.polarisations = {"XX", "YY"};
  table.amplitudes = amplitudes;
  for (int64_t i = 0; i < table.size(); ++i) {
    table.gains.push_back(std::polar(amplitudes ? 0.5 + 0.1 * static_cast<double>(i) : 1.,
                                     0.05 * static_cast<double>(i) - 0.6));
    table.valid.push_back(i % 5 != 2);
  }
  return table;
}

TEST(H5parm, ComesBack) {
  const test::TemporaryFolder folder;
  for (const bool polarisations : {true, false})
    for (const bool amplitudes : {true, false}) {
      const GainTable table = example(polarisations, amplitudes);
      const std::string path = folder / "gains.h5";
      write_h5parm(path, table);
      const GainTable back = read_h5parm(path);
      EXPECT_EQ(back.times_s, table.times_s);
      EXPECT_EQ(back.freq_hz, table.freq_hz);
      EXPECT_EQ(back.polarisations, table.polarisations);
      EXPECT_EQ(back.amplitudes, amplitudes);
      EXPECT_EQ(back.valid, table.valid);
      ASSERT_EQ(back.antennas.size(), 3u);
      EXPECT_EQ(back.antennas[2].name, "a station with a long name");
      for (size_t i = 0; i < table.gains.size(); ++i)
        EXPECT_LT(std::abs(back.gains[i] - (table.valid[i] ? table.gains[i] : 1.)), 1e-15) << i;
    }
}

TEST(H5parm, DirectionsComeBack) {
  const test::TemporaryFolder folder;
  for (const bool polarisations : {true, false}) {
    DirectionalGains gains;
    for (int d = 0; d < 3; ++d) {
      gains.names.push_back(fmt::format("[D{}]", d));
      gains.directions.push_back({1 + 0.1 * d, -0.5});
      gains.tables.push_back(example(polarisations, true));
      for (auto& g : gains.tables.back().gains) g *= 1 + d;
      gains.tables.back().valid[static_cast<size_t>(d)] = 0;
    }
    TecTable tec{gains.tables[0].times_s, gains.tables[0].antennas, gains.directions,
                 std::vector<double>(27, 0.5)};
    tec.valid.assign(27, 1);
    write_h5parm(folder / "d.h5", gains, &tec);
    const auto back = read_directional_h5parm(folder / "d.h5");
    EXPECT_EQ(back.names, gains.names);
    ASSERT_EQ(back.tables.size(), 3u);
    for (size_t d = 0; d < 3; ++d) {
      EXPECT_NEAR(back.directions[d].ra_rad, gains.directions[d].ra_rad, 1e-7);
      EXPECT_EQ(back.tables[d].valid, gains.tables[d].valid);
      EXPECT_EQ(back.tables[d].polarisations, gains.tables[d].polarisations);
      for (size_t i = 0; i < back.tables[d].gains.size(); ++i)
        EXPECT_LT(
            std::abs(back.tables[d].gains[i] - (gains.tables[d].valid[i] ? gains.tables[d].gains[i] : 1.)),
            1e-14);
    }
    EXPECT_THROW(read_h5parm(folder / "d.h5"), UserError);
  }
  write_h5parm(folder / "one.h5", example(true, true));
  EXPECT_TRUE(read_directional_h5parm(folder / "one.h5").directions.empty());
}

TEST(H5parm, OtherFilesAreRefused) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(read_h5parm(folder / "none.h5"), UserError);
  folder.write("text.h5", "no gains");
  try {
    read_h5parm(folder / "text.h5");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("text.h5"));
  }
}

TEST(H5parm, UnwritableFolderIsNamed) {
  EXPECT_THROW(write_h5parm("/proc/nowhere/gains.h5", example(true, true)), RunError);
}

}  // namespace
}  // namespace fringeflow::io
