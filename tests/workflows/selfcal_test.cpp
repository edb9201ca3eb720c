// SPDX-License-Identifier: GPL-3.0-or-later
// The emulator, the calibrator and self-calibration together: what is put in comes back.
#include <random>

#include "io/h5parm.hpp"
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using ::testing::HasSubstr;
using Complex = std::complex<double>;

class SelfCalibration : public test::Program {
 protected:
  std::vector<std::complex<float>> column(const std::string& set, const std::string& name) const {
    const casacore::Table table(folder_ / set);
    const casacore::Array<casacore::Complex> values =
        casacore::ArrayColumn<casacore::Complex>(table, name).getColumn();
    return {values.begin(), values.end()};
  }
  static double largest_difference(const std::vector<std::complex<float>>& a,
                                   const std::vector<std::complex<float>>& b) {
    EXPECT_EQ(a.size(), b.size());
    double most = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
      most = std::max(most, static_cast<double>(std::abs(a[i] - b[i])));
    return most;
  }
  void expect_mistake(const std::string& arguments, const std::string& word, int code = 2) const {
    const auto answer = run(arguments);
    EXPECT_EQ(answer.code, code) << arguments << "\n" << answer.text;
    EXPECT_THAT(answer.text, HasSubstr("fringeflow: error: ")) << arguments;
    EXPECT_THAT(answer.text, HasSubstr(word)) << arguments;
  }
  /// Peak of the paraboloid through the brightest pixel near (x, y), and where it is.
  static std::array<double, 3> top(const io::FitsImage<float>& i, double x, double y) {
    const auto [px, py] = position(i, x, y);
    const double dx = px - std::round(px), dy = py - std::round(py), one = at(i, px, py);
    const double fx = (at(i, px + 1, py) - at(i, px - 1, py)) / 2,
                 fy = (at(i, px, py + 1) - at(i, px, py - 1)) / 2;
    return {one + (fx * dx + fy * dy) / 2, px, py};
  }
  /// "b" against imaging the uncorrupted data, "clean": dynamic range and fluxes within 5 %, positions but for one shift; and "b-round0"
  /// is far from it.
  void expect_as_uncorrupted(const std::vector<test::PixelSource>& sources) const {
    const auto want = image("clean-image.fits"), got = image("b-image.fits"),
               raw = image("b-round0-image.fits");
    const auto dynamic_range = [](const io::FitsImage<float>& i) {
      std::vector<float> p(i.pixels);
      for (auto& x : p) x = std::abs(x);
      std::nth_element(p.begin(), p.begin() + static_cast<int64_t>(p.size() / 2), p.end());
      return peak(i) / static_cast<double>(p[p.size() / 2]);
    };
    EXPECT_GT(dynamic_range(got), 0.95 * dynamic_range(want));
    EXPECT_LT(dynamic_range(raw), 0.1 * dynamic_range(want)) << "too easy: the test shows nothing";
    const auto first = top(want, sources[0].x, sources[0].y), found = top(got, first[1], first[2]);
    for (const auto& source : sources) {
      const auto a = top(want, source.x, source.y), b = top(got, a[1], a[2]);
      EXPECT_NEAR(b[0] / a[0], 1, 0.05) << source.x;
      EXPECT_NEAR(b[1] - a[1], found[1] - first[1], 0.2) << source.x;
      EXPECT_NEAR(b[2] - a[2], found[2] - first[2], 0.2) << source.x;
    }
  }
  void simulate_with(const std::string& set, const std::string& sources, int times,
                     const std::string& more) const {
    simulate(set, sources, times, 4, "8s", "2025-06-01T07:56:00", more);
  }
};

TEST_F(SelfCalibration, GainsPutInComeBack) {
  catalogue("s.csv", {{.x = 128, .y = 128}, {.x = 150, .y = 100, .flux_jy = 0.5}}, 256);
  simulate_with("s.ms", "s.csv", 6,
                "--gains walk:phase=60deg,time=30s,amplitude=0.1+constant:amplitude=0.3+bandpass");
  expect_ok(
      "calibrate s.ms --model s.csv --interval 8s --channels-per-solution 1 --reference S005 -o g.h5 --plot");
  const auto found = io::read_h5parm(folder_ / "g.h5"), truth = io::read_h5parm(folder_ / "s-truth.h5");
  ASSERT_EQ(found.gains.size(), truth.gains.size());
  const size_t antennas = found.antennas.size();
  for (size_t block = 0; block < found.gains.size() / antennas / 2; ++block)
    for (size_t hand = 0; hand < 2; ++hand) {
      const auto at = [&](size_t a) { return (block * antennas + a) * 2 + hand; };
      EXPECT_NEAR(std::arg(found.gains[at(5)]), 0, 1e-12);
      const Complex turn = std::polar(1., std::arg(truth.gains[at(5)]));
      for (size_t a = 0; a < antennas; ++a)
        EXPECT_LT(std::abs(found.gains[at(a)] * turn - truth.gains[at(a)]), 1e-4) << block << " " << a;
    }
  EXPECT_TRUE(std::filesystem::exists(folder_ / "g-phase.png"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "g-amplitude.png"));
  // The model seen through these gains is the data again.
  expect_ok("predict s.ms --model s.csv --gains g.h5");
  EXPECT_LT(largest_difference(column("s.ms", "MODEL_DATA"), column("s.ms", "DATA")), 1e-5);
}

// How many intervals a task solves depends on the workers.
TEST_F(SelfCalibration, IntervalsSolvedTogetherHaveTheSameBits) {
  catalogue("s.csv", {{.x = 128, .y = 128}, {.x = 150, .y = 100, .flux_jy = 0.5}}, 256);
  simulate_with("s.ms", "s.csv", 50,
                "--gains walk:phase=60deg,time=30s+constant:amplitude=0.3 --noise 50mJy");
  const auto solves = [&](const std::string& prefix, const std::string& codelet) {
    return metrics(prefix)["codelets"][codelet]["count"].get<int>();
  };
  const std::string solve = "calibrate s.ms --model s.csv --interval 8s";
  expect_ok(solve + " --set runtime.cpus=1 -o one.h5");
  expect_ok(solve + " --set runtime.cpus=16 -o sixteen.h5");
  EXPECT_LT(solves("one", "solve"), 15);
  EXPECT_EQ(solves("sixteen", "solve"), 50);
  const auto one = io::read_h5parm(folder_ / "one.h5"), sixteen = io::read_h5parm(folder_ / "sixteen.h5");
  EXPECT_EQ(one.gains, sixteen.gains);
  EXPECT_EQ(one.valid, sixteen.valid);
  const std::string directions =
      "calibrate s.ms --model s.csv --interval 8s --solve phase --robust 5 --directions 2";
  expect_ok(directions + " --set runtime.cpus=1 -o few.h5");
  expect_ok(directions + " --set runtime.cpus=16 -o many.h5");
  EXPECT_LT(solves("few", "solve_directions"), 5 * 50);
  EXPECT_EQ(solves("many", "solve_directions"), 5 * 50) << "five passes";
  const auto few = io::read_directional_h5parm(folder_ / "few.h5"),
             many = io::read_directional_h5parm(folder_ / "many.h5");
  for (size_t d = 0; d < 2; ++d) EXPECT_EQ(few.tables[d].gains, many.tables[d].gains);
}

TEST_F(SelfCalibration, EmulatedBitsDoNotDependOnWorkers) {
  catalogue("s.csv", {{.x = 128, .y = 128}, {.x = 150, .y = 100, .flux_jy = 0.5, .q_jy = 0.1}}, 256);
  const std::string effects =
      "--correlations XX,XY,YX,YY --gains walk+leakage --noise sefd:400Jy --tec rms=0.1,scale=2km --beam "
      "gaussian:1deg ";
  simulate_with("a.ms", "s.csv", 9, effects + "--seed 4 --set runtime.cpus=1");
  simulate_with("b.ms", "s.csv", 9, effects + "--seed 4 --set runtime.cpus=3 --set runtime.scheduler=lws");
  simulate_with("c.ms", "s.csv", 9, effects + "--seed 5");
  EXPECT_EQ(column("a.ms", "DATA"), column("b.ms", "DATA"));
  EXPECT_NE(column("a.ms", "DATA"), column("c.ms", "DATA"));
}

TEST_F(SelfCalibration, LayoutsOfSetsAndGaussiansAndBeams) {
  // A Gaussian of 60" is half resolved by 1.7 km at 1.3 GHz; the beam halves what is half its width away.
  folder_.write("g.csv", "ra_deg,dec_deg,i_jy,major_asec,minor_asec,pa_deg\n60,-45,1,60,30,20\n");
  simulate_with("s.ms", "g.csv", 2, "");
  expect_ok(
      "simulate --layout s.ms --sources g.csv --start 2025-06-01T07:56:00 --times 2 --interval 8s --channels "
      "4 "
      "--frequency 1.3GHz --channel-width 4MHz --centre 60deg,-45deg -o t.ms");
  EXPECT_EQ(column("s.ms", "DATA"), column("t.ms", "DATA"));
  const casacore::Table table(folder_ / "s.ms");
  const casacore::ArrayColumn<casacore::Double> uvw(table, "UVW");
  const casacore::ArrayColumn<casacore::Complex> data(table, "DATA");
  const double pa = 20 * M_PI / 180, sigma = M_PI / 180 / 3600 / std::sqrt(8 * std::log(2.));
  for (casacore::rownr_t row = 0; row < table.nrow(); row += 17) {
    const auto at = uvw(row);
    const casacore::IPosition zero(1, 0), one(1, 1);
    const double scale = 1.3e9 / 299792458., u = at(zero) * scale, v = at(one) * scale,
                 a = 60 * sigma * (u * std::sin(pa) + v * std::cos(pa)),
                 b = 30 * sigma * (u * std::cos(pa) - v * std::sin(pa));
    const double want = std::exp(-2 * M_PI * M_PI * (a * a + b * b));
    EXPECT_NEAR(std::real(data(row)(casacore::IPosition(2, 0, 0))), want, 1e-6);
  }
  folder_.write("b.csv", "ra_deg,dec_deg,i_jy\n60,-44.5,1\n");
  simulate_with("b.ms", "b.csv", 1, "--beam gaussian:1deg");
  const double half = std::abs(Complex(column("b.ms", "DATA").at(0)));
  EXPECT_NEAR(half, 0.5, 1e-4);
}

TEST_F(SelfCalibration, RoundsBringBackWhatGainsHaveSpoilt) {
  // Phases do not tell where the sky is: sources come out shifted together, off the pixels, and are put off them from the beginning.
  const std::vector<test::PixelSource> sources{{.x = 128.3, .y = 127.6, .flux_jy = 1},
                                               {.x = 180.4, .y = 90.3, .flux_jy = 0.4},
                                               {.x = 69.7, .y = 150.4, .flux_jy = 0.2}};
  catalogue("s.csv", sources, 256);
  const auto observe = [&](const std::string& set, const std::string& more) {
    simulate(set, "s.csv", 24, 2, "4min", "2025-06-01T07:56:00", "--noise 20mJy " + more);
  };
  observe("clean.ms", "");
  observe("s.ms", "--gains constant:phase=40deg,amplitude=0.1+sinusoid:phase=15deg,amplitude=0,time=3h");
  const std::string imaging = " --size 256 --cell 5asec --iterations 1500 --threshold 1mJy --no-png ";
  expect_ok("image clean.ms" + imaging + "-o clean");
  const auto text = expect_ok("selfcal s.ms" + imaging +
                              "--rounds phase:20min,phase:4min,diagonal:40min,phase:4min,diagonal:40min "
                              "--apply CORRECTED_DATA -o b");
  EXPECT_THAT(text, HasSubstr("round 3"));
  expect_as_uncorrupted(sources);
  EXPECT_THAT(products("b"), ::testing::IsSupersetOf(
                                 {"image.fits", "model.fits", "round1-image.fits", "round3-image.fits"}));
  for (const char* name : {"b-round1-gains.h5", "b-round3-gains.h5", "b-selfcal.txt"})
    EXPECT_TRUE(std::filesystem::exists(folder_ / name)) << name;
  // Correcting in memory and imaging the corrected column are the same thing.
  expect_ok("image s.ms --column CORRECTED_DATA" + imaging + "-o again");
  EXPECT_LT(Program::largest_difference(image("again-dirty.fits"), image("b-dirty.fits")), 1e-6);
}

// Two stations have a phase, but no amplitudes: those take three.
TEST_F(SelfCalibration, ARoundWithoutGainsLeavesTheBestOneBefore) {
  catalogue("s.csv", {{.x = 64, .y = 64}}, 128);
  folder_.write("two.txt", "0 0 0\n900 500 0\n");
  expect_ok("simulate --layout two.txt --position '" FRINGEFLOW_SOURCE_DIR
            "/apps/workflows/data/demo.position.txt' --sources s.csv --start 2025-06-01T07:56:00 --times 40 "
            "--interval 8min --channels 4 --frequency 1.3GHz --channel-width 4MHz --centre 60deg,-45deg "
            "--gains constant:phase=60deg,amplitude=0 -o s.ms");
  const std::string selfcal =
      "selfcal s.ms --size 128 --cell 5asec --iterations 40 --no-png --start-model point:1Jy --rounds ";
  const auto text = expect_ok(selfcal + "phase:8min,diagonal:80min --apply CORRECTED_DATA -o b");
  EXPECT_THAT(text, HasSubstr("round 2 (diagonal 4800 s) has no gains: stopping"));
  EXPECT_THAT(text, HasSubstr("none of 8 solutions converged"));
  EXPECT_THAT(text, HasSubstr("best round 1: b-*.fits"));
  EXPECT_EQ(image("b-image.fits").pixels, image("b-round1-image.fits").pixels);
  for (const auto& name : file_names()) EXPECT_FALSE(name.starts_with("b-round2")) << name;
  std::ifstream table(folder_ / "b-selfcal.txt");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(table), {}), HasSubstr("no gains: "));
  for (const auto& value : column("s.ms", "CORRECTED_DATA")) EXPECT_LT(std::abs(value - 1.F), 1e-4);

  expect_mistake(selfcal + "diagonal:80min,phase:8min -o c", "the first round (diagonal 4800 s) has no gains",
                 1);
  EXPECT_THAT(products("c"), ::testing::Contains("round0-image.fits"));
  EXPECT_THAT(products("c"), ::testing::Not(::testing::Contains("image.fits")));

  // What can be known before is told before; that a model has too few components, in its round.
  const std::string by_direction = selfcal + "directions-phase:8min --directions ";
  expect_mistake(by_direction + "2 -o d", "2 clusters of 1 components");
  expect_mistake(selfcal + "phase:8min,directions-phase:8min --directions 41 -o d",
                 "41 clusters of at most 40");
  expect_mistake(
      "selfcal s.ms --size 128 --cell 5asec --iterations 40 --start-model none.csv --rounds phase:8min -o d",
      "none.csv");
  for (const auto& name : file_names()) EXPECT_FALSE(name.starts_with("d-")) << name;
  EXPECT_THAT(expect_ok(selfcal + "phase:8min,directions-phase:8min --directions 30 -o e"),
              HasSubstr("best round 1: e-*.fits"));
}

// 64 stations, most of them in a core, and 50 sources: three rounds.
TEST_F(SelfCalibration, SlowFiftySourcesOfAMeerKatLikeArray) {
  std::mt19937_64 random(3);
  const auto uniform = [&] { return std::ldexp(static_cast<double>(random() >> 11), -53); };
  std::string layout;
  for (int i = 0; i < 64; ++i) {
    const double radius = i < 44 ? 20 + 800 * uniform() * uniform() : 500 * std::pow(8, (i - 44) / 19.),
                 angle = 2 * M_PI * uniform();
    layout += fmt::format("{:.3f} {:.3f} 0\n", radius * std::cos(angle), radius * std::sin(angle));
  }
  folder_.write("layout.txt", layout);
  std::string csv = "ra_deg,dec_deg,i_jy\n";
  std::vector<test::PixelSource> sources;
  const double cell = 2 * M_PI / 180 / 3600;
  for (int k = 0; k < 50; ++k) {
    sources.push_back(
        {.x = 60 + 904 * uniform(), .y = 60 + 904 * uniform(), .flux_jy = std::pow(k + 1, -0.9)});
    const auto& s = sources.back();
    const auto direction = grid(1024, cell).direction_at(s.x, s.y).value();
    csv += fmt::format("{:.12f},{:.12f},{}\n", test::degrees(direction.ra_rad),
                       test::degrees(direction.dec_rad), s.flux_jy);
  }
  folder_.write("s.csv", csv);
  const auto observe = [&](const std::string& set, const std::string& more) {
    expect_ok(
        "simulate --layout layout.txt --position '" FRINGEFLOW_SOURCE_DIR
        "/apps/workflows/data/demo.position.txt' --sources s.csv --start 2025-06-01T07:56:00 --times 40 "
        "--interval 2min --channels 4 --frequency 1.3GHz --channel-width 10MHz --centre 60deg,-45deg "
        "--noise 100mJy " +
        more + " -o " + set);
  };
  observe("clean.ms", "");
  observe("s.ms", "--gains constant:phase=40deg,amplitude=0.1+sinusoid:phase=15deg,amplitude=0,time=1h");
  const std::string imaging = " --size 1024 --cell 2asec --iterations 8000 --threshold 0.6mJy --no-png ";
  expect_ok("image clean.ms" + imaging + "-o clean");
  expect_ok("selfcal s.ms" + imaging + "--rounds phase:10min,phase:2min,diagonal:2min -o b");
  // Fluxes of sources alone in their surroundings: of two in one beam the paraboloid finds the brighter.
  std::erase_if(sources, [all = sources](const test::PixelSource& s) {
    return s.flux_jy < 0.05 || std::any_of(all.begin(), all.end(), [&](const test::PixelSource& o) {
             return o.x != s.x && std::hypot(o.x - s.x, o.y - s.y) < 16;
           });
  });
  expect_as_uncorrupted(sources);
}

TEST_F(SelfCalibration, MistakesAreNamed) {
  catalogue("s.csv", {{.x = 64, .y = 64}}, 128);
  simulate_with("s.ms", "s.csv", 3, "");
  const std::string imaging = "selfcal s.ms --size 128 --cell 10asec -o b ";
  expect_mistake(imaging + "--iterations 10", "--rounds");
  expect_mistake(imaging + "--rounds phase:60s", "is not cleaned");
  expect_mistake(imaging + "--iterations 10 --rounds phase", "KIND:INTERVAL");
  expect_mistake(imaging + "--iterations 10 --rounds phase:1h", "longer than the data");
  expect_mistake(imaging + "--iterations 10 --rounds phase:8s --reference NONE", "no antenna 'NONE'");
  expect_mistake(imaging + "--iterations 10 --rounds phase:8s --apply DATA", "DATA");
  EXPECT_THAT(products("b"), ::testing::IsEmpty());
  expect_mistake("calibrate s.ms --model none.fits --interval 8s -o g.h5", "none.fits");
  expect_mistake("calibrate s.ms --model point:1Jy --interval 1h -o g.h5", "longer than the data");
  folder_.write("noflux.csv", "ra_deg,dec_deg\n60,-45\n");
  expect_mistake("calibrate s.ms --model noflux.csv --interval 8s -o g.h5", "i_jy");
  folder_.write(
      "other.txt",
      "5109360 2006852 -3238948 13 X0\n5109460 2006852 -3238948 13 X1\n5109360 2006952 -3238948 13 X2\n");
  expect_ok(
      "simulate --layout other.txt --sources s.csv --start 2025-06-01T07:56:00 --times 2 --frequency 1.3GHz "
      "--centre 60deg,-45deg -o o.ms");
  expect_ok("calibrate o.ms --model s.csv --interval 8s -o o.h5");
  expect_mistake("predict s.ms --model s.csv --gains o.h5", "another array");
  expect_mistake("predict s.ms --model s.csv --gains other.txt", "not a gains file");
  expect_mistake(
      "simulate --layout other.txt --sources s.csv --start 2025-06-01T07:56:00 --times 2 --frequency 1.3GHz "
      "--centre 60deg,-45deg -o p.ms --gains o.h5x",
      "no kind of gains");
  folder_.write("nan.txt", "5109360 nan -3238948\n5109460 2006852 -3238948\n");
  expect_mistake(
      "simulate --layout nan.txt --sources s.csv --start 2025-06-01T07:56:00 --times 2 --frequency 1.3GHz "
      "--centre 60deg,-45deg -o p.ms",
      "nan.txt:1");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "p.ms"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "g.h5"));
}

}  // namespace
}  // namespace fringeflow
