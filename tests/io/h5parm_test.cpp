// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/h5parm.hpp"

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
