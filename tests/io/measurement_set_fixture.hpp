// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A tiny set in a temporary folder, and its chunks.
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/measurement_set.hpp"
#include "tests/data/tiny_set.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::test {

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

}  // namespace fringeflow::test
