// SPDX-License-Identifier: GPL-3.0-or-later
// What the emulator takes for a sky and does to it, seen in images.
#include <fstream>

#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using ::testing::HasSubstr;

class Emulator : public test::Program {
 protected:
  io::FitsImage<float> image_of(const std::string& name, const std::string& sources,
                                const std::string& more = "") const {
    simulate(name + ".ms", sources, 20, 4, "3min", "2025-06-01T07:56:00", more);
    expect_ok("image " + name + ".ms --size 256 --cell 5asec --weighting natural --no-png -o " + name);
    return image(name + "-dirty.fits");
  }
};

TEST_F(Emulator, AnImageIsTheSameSkyAsItsPixelsInACatalogue) {
  const std::vector<test::PixelSource> sources{
      {.x = 128, .y = 128}, {.x = 60, .y = 190, .flux_jy = 0.4}, {.x = 201, .y = 70, .flux_jy = 0.2}};
  std::vector<float> pixels(256 * 256);
  for (const auto& one : sources)
    pixels[static_cast<size_t>(one.y * 256 + one.x)] = static_cast<float>(one.flux_jy);
  io::FitsHeader header;
  header.grid = grid(256);
  header.unit = "JY/PIXEL";
  io::write_fits_image(folder_ / "sky.fits", header, {pixels.data(), {256, 256}});
  const auto one = image_of("image", "sky.fits"), other = image_of("list", catalogue("s.csv", sources, 256));
  EXPECT_LT(l2_difference(one, other), 2e-6);
  // Gains and noise come on top.
  expect_ok("image image.ms --size 256 --cell 5asec --no-png -o again");
  const auto answer = run(
      "simulate --layout x --sources sky.fits --tec 0.1 --start 2025-06-01T07:56:00 --times 1 --frequency "
      "1.3GHz --centre 60deg,-45deg -o x.ms");
  EXPECT_EQ(answer.code, 2);
}

TEST_F(Emulator, SmearingTakesWhatTheFormulaSays) {
  // One source, far from the centre: all that is lost of its peak is the mean of the factors over the baselines.
  const auto sources = catalogue("s.csv", {{.x = 20, .y = 128}}, 256);
  const double sharp = at(image_of("sharp", sources), 20, 128);
  const double band = at(image_of("band", sources, "--smearing bandwidth"), 20, 128),
               time = at(image_of("time", sources, "--smearing time"), 20, 128),
               both = at(image_of("both", sources, "--smearing both"), 20, 128);
  EXPECT_NEAR(sharp, 1, 1e-3);
  EXPECT_LT(band, sharp);
  EXPECT_LT(time, sharp);
  EXPECT_NEAR(both, band * time / sharp, 2e-3);
  // At the phase centre nothing is lost.
  const auto centre = catalogue("c.csv", {{.x = 128, .y = 128}}, 256);
  EXPECT_NEAR(at(image_of("centre", centre, "--smearing both"), 128, 128), 1, 1e-5);
}

TEST_F(Emulator, InterferenceIsSeenUnlessItIsFlagged) {
  const auto sources = catalogue("s.csv", {{.x = 128, .y = 128}}, 256);
  const std::string rfi = "--rfi bursts=40,flux=100Jy,duration=10min,width=4MHz --seed 3 ";
  const auto clean = image_of("clean", sources), dirty = image_of("dirty", sources, rfi),
             flagged = image_of("flagged", sources, rfi + "--flags rfi");
  EXPECT_GT(l2_difference(dirty, clean), 0.5);
  EXPECT_NEAR(at(flagged, 128, 128), 1, 1e-5) << "what is left is the source alone";
  const auto truth = folder_ / "flagged-rfi.csv";
  std::ifstream lines(truth);
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) ++count;
  EXPECT_EQ(count, 41);
  EXPECT_GT(metrics("flagged")["visibilities_flagged"], 0);
  EXPECT_EQ(metrics("dirty")["visibilities_flagged"], 0);
  const auto answer = run(
      "simulate --layout a --sources s.csv --start 2025-06-01T07:56:00 --times 1 --frequency 1.3GHz --centre "
      "60deg,-45deg --rfi flux=3Jy -o x.ms");
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.text, HasSubstr("bursts"));
}

TEST_F(Emulator, CataloguesOfOthers) {
  folder_.write("g.csv", "RAJ2000,DEJ2000,Fint\n60,-45,1000\n");
  const auto mapped = image_of("mapped", "g.csv", "--columns ra_deg=RAJ2000,dec_deg=DEJ2000,i_jy=Fint*1e-3");
  EXPECT_NEAR(at(mapped, 128, 128), 1, 1e-5);
}

TEST_F(Emulator, OneClearErrorForEachBadInput) {
  folder_.write("nan.txt", "0 0\n10 nan\n");
  folder_.write("one.txt", "0 0\n");
  folder_.write("two.txt", "0 0\n100 0\n");
  folder_.write("position.txt", "20 -30\n");
  catalogue("s.csv", {{.x = 128, .y = 128}}, 256);
  folder_.write("noflux.csv", "ra_deg,dec_deg\n60,-45\n");
  const auto answer = [&](const std::string& layout, const std::string& sources,
                          const std::string& more = "") {
    const auto given = run(fmt::format(
        "simulate --layout {} --position position.txt --sources {} --start 2025-06-01T07:56:00 --times "
        "4 --interval 10s --frequency 1.3GHz --centre 60deg,-45deg {} -o x.ms",
        layout, sources, more));
    EXPECT_EQ(given.code, 2) << given.text;
    EXPECT_EQ(std::count(given.text.begin(), given.text.end(), '\n'), 1) << given.text;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "x.ms"));
    return given.text;
  };
  EXPECT_THAT(answer("nan.txt", "s.csv"), HasSubstr("nan.txt:2"));
  EXPECT_THAT(answer("one.txt", "s.csv"), HasSubstr("two"));
  EXPECT_THAT(answer("two.txt", "noflux.csv"), HasSubstr("i_jy"));
  EXPECT_THAT(answer("two.txt", "noflux.csv", "--columns i_jy=flux"), HasSubstr("'flux'"));
}

}  // namespace
}  // namespace fringeflow
