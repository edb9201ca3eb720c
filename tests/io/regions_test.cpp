// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/regions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

const ImageGrid kGrid({1, -0.5}, 1e-4, 200, 100);

std::vector<Direction> directions() {
  std::vector<Direction> out;
  for (const auto& [x, y] : {std::pair{40., 50.}, {150., 30.}, {120., 90.}})
    out.push_back(*kGrid.direction_at(x, y));
  return out;
}

TEST(Regions, CellsAreWhatIsNearest) {
  const auto map = voronoi_map(directions(), kGrid);
  ASSERT_EQ(map.size(), 20000U);
  EXPECT_EQ(map[50 * 200 + 40], 0);
  EXPECT_EQ(map[30 * 200 + 150], 1);
  EXPECT_EQ(map[90 * 200 + 120], 2);
  const std::vector<std::string> names{"a", "b", "c"};
  const auto facets = voronoi_facets(directions(), names, kGrid);
  ASSERT_EQ(facets.size(), 3U);
  // Areas of the polygons are the numbers of their pixels.
  for (size_t d = 0; d < 3; ++d) {
    EXPECT_EQ(facets[d].name, names[d]);
    double area = 0;
    for (size_t i = 0; i < facets[d].corners.size(); ++i) {
      const auto a = *kGrid.pixel_of(facets[d].corners[i]),
                 b = *kGrid.pixel_of(facets[d].corners[(i + 1) % facets[d].corners.size()]);
      area += (a.x * b.y - b.x * a.y) / 2;
    }
    const auto pixels = std::count(map.begin(), map.end(), static_cast<int32_t>(d));
    EXPECT_NEAR(area, static_cast<double>(pixels), 0.01 * static_cast<double>(pixels));
  }
}

TEST(Regions, WrittenOnesComeBack) {
  const test::TemporaryFolder folder;
  const std::vector<std::string> names{"[D0]", "b c", ""};
  const auto facets = voronoi_facets(directions(), names, kGrid);
  write_facets(folder / "f.reg", facets);
  const auto back = read_facets(folder / "f.reg");
  ASSERT_EQ(back.size(), 3U);
  EXPECT_EQ(back[0].name, "[D0]");
  EXPECT_EQ(back[1].name, "b c");
  EXPECT_EQ(back[2].name, "[D2]");
  for (size_t d = 0; d < 3; ++d) {
    EXPECT_NEAR(back[d].centre.ra_rad, facets[d].centre.ra_rad, 1e-9);
    EXPECT_NEAR(back[d].centre.dec_rad, facets[d].centre.dec_rad, 1e-9);
    EXPECT_EQ(back[d].corners.size(), facets[d].corners.size());
  }
}

TEST(Regions, AsOtherProgramsWriteThem) {
  const test::TemporaryFolder folder;
  folder.write(
      "w.reg",
      "# Region file format: DS9 version 4.1\nglobal color=green\nfk5; polygon(10,20,12,20,12,22,10,22) # "
      "text={north}\npolygon(01:00:00,+20:00:00,01:10:00,+20:00:00,01:05:00,+21:00:00)\npoint(16.2,20.3) # "
      "text=\"mid dle\"\n");
  const auto facets = read_facets(folder / "w.reg");
  ASSERT_EQ(facets.size(), 2U);
  EXPECT_EQ(facets[0].name, "north");
  EXPECT_NEAR(facets[0].centre.ra_rad * 180 / M_PI, 11, 0.02);
  EXPECT_EQ(facets[1].name, "mid dle");
  EXPECT_NEAR(facets[1].centre.dec_rad * 180 / M_PI, 20.3, 1e-9);
  EXPECT_NEAR(facets[1].corners[0].ra_rad * 180 / M_PI, 15, 1e-9);
  for (const auto& [text, word] : {std::pair{"fk5\ncircle(1,2,3)\n", "neither"},
                                   {"image\npolygon(1,2,3,4,5,6)\n", "x.reg:1"},
                                   {"polygon(1,2,3,4,5,6)\n", "system"},
                                   {"fk5\npolygon(1,2,3,4)\n", "three corners"},
                                   {"fk5\npoint(1,nan)\n", "x.reg:2"}}) {
    folder.write("x.reg", text);
    try {
      read_facets(folder / "x.reg");
      FAIL() << text;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(word));
    }
  }
}

}  // namespace
}  // namespace fringeflow::io
