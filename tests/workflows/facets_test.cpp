// SPDX-License-Identifier: GPL-3.0-or-later
// Gains by direction, from the emulator's screen through the solver to images of facets.
#include "io/h5parm.hpp"
#include "io/regions.hpp"
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using ::testing::HasSubstr;

class Facets : public test::Program {
 protected:
  /// One source in the middle and six around it, 150 MHz, 5' stations of 2 km: half a degree is far for a screen.
  const std::vector<test::PixelSource> sources_ = [] {
    std::vector<test::PixelSource> out{{.x = 160, .y = 160, .flux_jy = 3}};
    for (int k = 0; k < 6; ++k)
      out.push_back({.x = std::round(160 + 110 * std::cos(k * M_PI / 3 + 0.2)),
                     .y = std::round(160 + 110 * std::sin(k * M_PI / 3 + 0.2)),
                     .flux_jy = 2 - 0.2 * k});
    return out;
  }();
  static constexpr double kCellRad = 40 * M_PI / 180 / 3600;
  const std::string imaging_ = " --size 320 --cell 40asec --iterations 4000 --threshold 20mJy --no-png ";

  void observe(const std::string& set, const std::string& more) const {
    std::string csv = "ra_deg,dec_deg,i_jy\n";
    for (const auto& s : sources_) {
      const auto at = grid(320, kCellRad).direction_at(s.x, s.y).value();
      csv +=
          fmt::format("{:.12f},{:.12f},{}\n", test::degrees(at.ra_rad), test::degrees(at.dec_rad), s.flux_jy);
    }
    folder_.write("s.csv", csv);
    const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
    expect_ok(fmt::format(
        "simulate --layout '{0}.layout.txt' --position '{0}.position.txt' --sources s.csv --start "
        "2025-06-01T07:56:00 --times 20 --interval 2min --channels 16 --frequency 150MHz "
        "--channel-width 1MHz --centre 60deg,-45deg {1} -o {2}",
        data, more, set));
  }
  /// Peak over 1.4826 x the median absolute deviation within 30 pixels of a source.
  static double dynamic_range(const io::FitsImage<float>& image, const test::PixelSource& s) {
    std::vector<double> p;
    double most = 0;
    for (int64_t y = static_cast<int64_t>(s.y) - 30; y <= static_cast<int64_t>(s.y) + 30; ++y)
      for (int64_t x = static_cast<int64_t>(s.x) - 30; x <= static_cast<int64_t>(s.x) + 30; ++x) {
        const double value = at(image, static_cast<double>(x), static_cast<double>(y));
        most = std::max(most, value);
        p.push_back(std::abs(value));
      }
    std::nth_element(p.begin(), p.begin() + static_cast<int64_t>(p.size() / 2), p.end());
    return most / (1.4826 * p[p.size() / 2]);
  }
};

TEST_F(Facets, GainsByDirectionFocusWhatOneGainCannot) {
  observe("s.ms", "--noise 50mJy --tec rms=0.05,scale=2km,height=300km,speed=100");
  expect_ok(
      "calibrate s.ms --model s.csv --interval 2min --solve scalar-phase --channels-per-solution 4 "
      "--apply CORRECTED_DATA -o one.h5");
  expect_ok("image s.ms --column CORRECTED_DATA" + imaging_ + "-o one");
  const auto text = expect_ok(
      "calibrate s.ms --model s.csv --interval 2min --solve tec --directions 7 --facets f.reg -o seven.h5");
  EXPECT_THAT(text, HasSubstr("7 directions"));
  EXPECT_THAT(text, HasSubstr("chi^2"));
  expect_ok("image s.ms --column DATA" + imaging_ + "--facet-gains seven.h5 -o seven");
  const auto one = image("one-image.fits"), seven = image("seven-image.fits");
  for (size_t i = 0; i < sources_.size(); ++i) {
    const auto& s = sources_[i];
    EXPECT_NEAR(at(seven, s.x, s.y) / s.flux_jy, 1, 0.05) << i;
    if (i > 0) {
      EXPECT_GT(dynamic_range(seven, s), 5 * dynamic_range(one, s)) << i;
    }
  }
  // The same directions from the regions, and the same bits in whatever order things happen and however little memory there is.
  expect_ok("calibrate s.ms --model s.csv --interval 2min --solve tec --directions f.reg -o again.h5");
  const auto a = io::read_directional_h5parm(folder_ / "seven.h5"),
             b = io::read_directional_h5parm(folder_ / "again.h5");
  ASSERT_EQ(a.tables.size(), 7U);
  ASSERT_EQ(b.tables.size(), 7U);
  for (size_t d = 0; d < 7; ++d) EXPECT_EQ(a.tables[d].gains, b.tables[d].gains);
  EXPECT_EQ(io::read_facets(folder_ / "f.reg").size(), 7U);
  expect_ok("image s.ms --column DATA" + imaging_ +
            "--facet-gains seven.h5 --set runtime.cpus=1 --set runtime.memory=260MiB -o small");
  expect_identical("small", "seven");
  // Regions with the same centres: the same image, but for pixels on the borders.
  expect_ok("image s.ms --column DATA" + imaging_ + "--facet-gains seven.h5 --facet-regions f.reg -o drawn");
  const auto drawn = image("drawn-dirty.fits"), dirty = image("seven-dirty.fits");
  size_t different = 0;
  for (size_t i = 0; i < dirty.pixels.size(); ++i) different += dirty.pixels[i] != drawn.pixels[i] ? 1 : 0;
  EXPECT_LT(different, dirty.pixels.size() / 500);
}

TEST_F(Facets, RoundsByDirectionOfSelfCalibration) {
  observe("s.ms",
          "--noise 50mJy --tec rms=0.02,scale=2km,height=300km,speed=100 --gains "
          "constant:phase=60deg,amplitude=0");
  const auto text = expect_ok("selfcal s.ms" + imaging_ +
                              "--start-model s.csv --directions 7 -o b --rounds "
                              "phase:2min,directions-scalar-phase:2min,directions-scalar-phase:2min");
  EXPECT_THAT(text, HasSubstr("directions-scalar-phase 120 s"));
  const auto one = image("b-round1-image.fits"), best = image("b-image.fits");
  for (size_t i = 1; i < sources_.size(); ++i) {
    const auto& s = sources_[i];
    EXPECT_GT(dynamic_range(best, s), 5 * dynamic_range(one, s)) << i;
    // Phases of a direction do not tell where it is: sources move by a fraction of the beam.
    double top = 0;
    for (int y = -3; y <= 3; ++y)
      for (int x = -3; x <= 3; ++x) top = std::max(top, at(best, s.x + x, s.y + y));
    EXPECT_NEAR(top / s.flux_jy, 1, 0.1) << i;
  }
  // The best round's gains make its image again, in its facets.
  EXPECT_EQ(io::read_facets(folder_ / "b-facets.reg").size(), 7U);
  EXPECT_EQ(io::read_directional_h5parm(folder_ / "b-gains.h5").tables.size(), 7U);
}

TEST_F(Facets, WithoutAScreenTheyAreThePlainImage) {
  observe("s.ms", "");
  expect_ok(
      "calibrate s.ms --model s.csv --interval 40min --solve diagonal --directions 3 --solver "
      "levenberg-marquardt -o three.h5");
  expect_ok("image s.ms" + imaging_ + "--accuracy 1e-5 -o plain");
  expect_ok("image s.ms" + imaging_ + "--accuracy 1e-5 --facet-gains three.h5 -o facets");
  EXPECT_LT(largest_difference(image("facets-dirty.fits"), image("plain-dirty.fits")), 1e-4);
  EXPECT_LT(largest_difference(image("facets-psf.fits"), image("plain-psf.fits")), 1e-4);
  EXPECT_LT(largest_difference(image("facets-image.fits"), image("plain-image.fits")), 5e-3);
}

TEST_F(Facets, MistakesAreNamed) {
  observe("s.ms", "");
  const auto mistake = [&](const std::string& arguments, const std::string& word) {
    const auto answer = run(arguments);
    EXPECT_EQ(answer.code, 2) << arguments << "\n" << answer.text;
    EXPECT_THAT(answer.text, HasSubstr(word)) << arguments;
  };
  const std::string solve = "calibrate s.ms --model s.csv --interval 2min -o g.h5 ";
  mistake(solve + "--directions 9", "9 clusters of 7 components");
  mistake(solve + "--directions none.reg", "none.reg");
  mistake(solve + "--directions 2 --apply CORRECTED_DATA", "image with them per facet");
  mistake(solve + "--directions 2 --solve full", "full");
  folder_.write("far.reg", "fk5\npoint(60,-45)\npoint(240,45)\n");
  mistake(solve + "--directions far.reg", "no component of the model");
  folder_.write("bad.reg", "fk5\npolygon(60,-45,61)\n");
  mistake(solve + "--directions bad.reg", "bad.reg:2");
  expect_ok(solve);
  mistake("image s.ms" + imaging_ + "--facet-gains g.h5 -o p", "without directions");
  expect_ok(solve + "--directions 2");
  mistake("image s.ms" + imaging_ + "--facet-gains g.h5 --stokes IQ -o p", "stokes must be I");
  const std::string rounds = "selfcal s.ms" + imaging_ + "-o p --rounds ";
  mistake(rounds + "directions-tec:2min", "needs directions");
  mistake(rounds + "directions-tec:2min,phase:2min --directions 3", "come last");
  mistake(rounds + "directions-full:2min --directions 3", "full has no directions");
  mistake(rounds + "directions-phase:2min --directions 3 --apply CORRECTED_DATA",
          "do not correct one column");
  mistake(rounds + "directions-phase:2min --directions none.reg", "none.reg");
  mistake(rounds + "directions-phase:2min --directions 0", "at least 1");
  mistake(rounds + "directions-phase:2min --directions 3 --stokes IQ", "stokes must be I");
  EXPECT_THAT(products("p"), ::testing::IsEmpty());
  mistake("predict s.ms --model s.csv --gains g.h5", "2 directions");
}

}  // namespace
}  // namespace fringeflow
