// SPDX-License-Identifier: GPL-3.0-or-later
// What the emulator takes for a sky and does to it, seen in images.
#include <array>
#include <fstream>
#include <map>

#include "tests/workflows/program.hpp"

#include <casacore/tables/Tables/TableRecord.h>

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

/// Rows of a set, as they are.
struct Rows {
  explicit Rows(const std::string& path) : table(path) {
    for (const char* name : {"TIME", "TIME_CENTROID", "INTERVAL", "EXPOSURE"})
      columns[name] = casacore::ScalarColumn<double>(table, name).getColumn().tovector();
    antenna1 = casacore::ScalarColumn<casacore::Int>(table, "ANTENNA1").getColumn().tovector();
    antenna2 = casacore::ScalarColumn<casacore::Int>(table, "ANTENNA2").getColumn().tovector();
    casacore::ArrayColumn<casacore::Complex>(table, "DATA").getColumn(data);
    casacore::ArrayColumn<double>(table, "UVW").getColumn(uvw);
    casacore::ArrayColumn<float>(table, "WEIGHT_SPECTRUM").getColumn(spectrum);
    casacore::ArrayColumn<float>(table, "WEIGHT").getColumn(weight);
    casacore::ArrayColumn<float>(table, "SIGMA").getColumn(sigma);
    casacore::ArrayColumn<casacore::Bool>(table, "FLAG").getColumn(flag);
  }
  double at(const std::string& name, size_t row) const { return columns.at(name)[row]; }
  casacore::Table table;
  std::map<std::string, std::vector<double>> columns;
  std::vector<casacore::Int> antenna1, antenna2;
  casacore::Array<casacore::Complex> data;
  casacore::Array<double> uvw;
  casacore::Array<float> spectrum, weight, sigma;
  casacore::Array<casacore::Bool> flag;
};

TEST_F(Emulator, AveragesAreThoseOfTheSetThatIsNotAveraged) {
  const auto sources = catalogue("s.csv", {{.x = 40, .y = 128}, {.x = 150, .y = 100, .q_jy = 0.1}}, 256);
  // 70 integrations: the last averages are shorter.
  const auto observe = [&](const std::string& set, const std::string& more) {
    simulate(set, sources, 70, 3, "8s", "2025-06-01T07:56:00",
             "--noise 50mJy --gains walk --flags 0.3 --correlations XX,XY,YX,YY " + more);
  };
  const std::string averaging = "--averaging field=0.3deg,smearing=0.01,interval=256s ";
  observe("full.ms", "");
  observe("mean.ms", averaging + "--set runtime.cpus=1");
  observe("again.ms", averaging + "--set runtime.cpus=3 --set runtime.scheduler=lws");
  const Rows full(folder_ / "full.ms"), mean(folder_ / "mean.ms"), again(folder_ / "again.ms");
  EXPECT_TRUE(casacore::allEQ(mean.data, again.data));
  EXPECT_TRUE(casacore::allEQ(mean.uvw, again.uvw));
  const size_t rows = mean.antenna1.size();
  EXPECT_LT(rows, full.antenna1.size() / 4);
  std::map<std::pair<int, int>, double> seconds;
  std::set<double> intervals;
  int flagged = 0;
  using casacore::IPosition;
  for (size_t i = 0; i < rows; ++i) {
    if (i > 0) {
      EXPECT_GE(mean.at("TIME", i) + mean.at("INTERVAL", i) / 2,
                mean.at("TIME", i - 1) + mean.at("INTERVAL", i - 1) / 2 - 1e-3);
    }
    const double interval = mean.at("INTERVAL", i);
    seconds[{mean.antenna1[i], mean.antenna2[i]}] += interval;
    intervals.insert(interval);
    // Baseline and times of the other set.
    const auto row = static_cast<ssize_t>(i);
    std::vector<ssize_t> parts;
    for (size_t k = 0; k < full.antenna1.size(); ++k)
      if (full.antenna1[k] == mean.antenna1[i] && full.antenna2[k] == mean.antenna2[i] &&
          std::abs(full.at("TIME", k) - mean.at("TIME", i)) < interval / 2)
        parts.push_back(static_cast<ssize_t>(k));
    ASSERT_EQ(static_cast<double>(parts.size()) * 8, interval);
    double centroid = 0, observed = 0;
    std::array<double, 3> uvw{};
    for (const ssize_t k : parts) {
      bool any = false;
      for (ssize_t c = 0; c < 3; ++c) any = any || !full.flag(IPosition(3, 0, c, k));
      if (!any) continue;
      ++observed;
      centroid += full.at("TIME", static_cast<size_t>(k));
      for (ssize_t x = 0; x < 3; ++x) uvw[static_cast<size_t>(x)] += full.uvw(IPosition(2, x, k));
    }
    if (observed > 0) {
      EXPECT_NEAR(mean.at("TIME_CENTROID", i), centroid / observed, 1e-5);
      EXPECT_EQ(mean.at("EXPOSURE", i), observed * 8);
      for (ssize_t x = 0; x < 3; ++x)
        EXPECT_NEAR(mean.uvw(IPosition(2, x, row)), uvw[static_cast<size_t>(x)] / observed, 1e-9);
    }
    double sum_of_weights = 0;
    for (ssize_t c = 0; c < 3; ++c) {
      const ssize_t p = (row + c) % 4;
      std::complex<double> sum;
      double n = 0;
      for (const ssize_t k : parts)
        if (!full.flag(IPosition(3, p, c, k))) {
          sum += std::complex<double>(full.data(IPosition(3, p, c, k)));
          ++n;
        }
      EXPECT_EQ(mean.flag(IPosition(3, p, c, row)), n == 0);
      flagged += n == 0 ? 1 : 0;
      const double all = n > 0 ? n : static_cast<double>(parts.size());
      sum_of_weights += all;
      EXPECT_FLOAT_EQ(mean.spectrum(IPosition(3, p, c, row)), static_cast<float>(all / 0.0025));
      if (n > 0) {
        EXPECT_LT(std::abs(std::complex<double>(mean.data(IPosition(3, p, c, row))) - sum / n), 1e-6);
      }
    }
    EXPECT_NEAR(mean.weight(IPosition(2, 1, row)) * 0.0025 * 3, sum_of_weights, 1e-4);
    EXPECT_NEAR(mean.sigma(IPosition(2, 1, row)), 0.05 / std::sqrt(sum_of_weights / 3), 1e-7);
  }
  for (const auto& [baseline, s] : seconds) EXPECT_DOUBLE_EQ(s, 560);
  EXPECT_THAT(intervals, ::testing::IsSupersetOf({32., 64., 128., 256.}));
  EXPECT_GT(flagged, 0);
  // What DP3 knows averages by.
  const casacore::Table axis = mean.table.keywordSet().asTable("BDA_TIME_AXIS"),
                        factors = mean.table.keywordSet().asTable("BDA_FACTORS");
  EXPECT_EQ(casacore::ScalarColumn<double>(axis, "UNIT_TIME_INTERVAL")(0), 8);
  EXPECT_EQ(casacore::ScalarColumn<double>(axis, "MAX_TIME_INTERVAL")(0), 256);
  EXPECT_EQ(factors.nrow(), 276u);
  EXPECT_FALSE(full.table.keywordSet().isDefined("BDA_TIME_AXIS"));
}

TEST_F(Emulator, AveragedSetsArePlannedBeforeTheyExist) {
  catalogue("s.csv", {{.x = 128, .y = 128}}, 256);
  const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
  folder_.write(
      "w.yaml",
      fmt::format("version: 1\nstages:\n"
                  "  - {{id: obs, stage: simulate, layout: '{0}.layout.txt', position: "
                  "'{0}.position.txt', sources: s.csv, centre: '60deg,-45deg', start: "
                  "2025-06-01T07:56:00, times: 70, interval: 8s, channels: 2, frequency: 1.3GHz, "
                  "averaging: 'field=0.3deg,interval=256s', autocorrelations: true, output: w.ms}}\n"
                  "  - {{id: vis, stage: read, in: {{ms: obs}}}}\n"
                  "  - {{id: dirty, stage: image, in: {{vis: vis}}, size: 256, cell: 5asec}}\n"
                  "  - {{id: out, stage: write, in: {{image: dirty}}, prefix: w, png: false}}\n",
                  data));
  const auto planned = [&] { return nlohmann::json::parse(expect_ok("plan w.yaml --json"))[1]; };
  const auto before = planned();
  expect_ok("run w.yaml");
  const auto after = planned();
  for (const char* key : {"visibilities", "tasks", "data_bytes"}) EXPECT_EQ(before[key], after[key]) << key;
  EXPECT_LT(before["visibilities"], 276 * 70 * 2 / 4);
}

TEST_F(Emulator, AveragedSetsAreImagedAndCalibratedAsOthers) {
  const auto edge = catalogue("edge.csv", {{.x = 128, .y = 128, .flux_jy = 0.5}, {.x = 40, .y = 128}}, 256);
  const std::string averaging = "--averaging field=0.25deg,smearing=0.01,interval=256s ";
  simulate("full.ms", edge, 64, 4, "8s");
  simulate("mean.ms", edge, 64, 4, "8s", "2025-06-01T07:56:00", averaging);
  for (const std::string name : {"full", "mean"})
    expect_ok("image " + name + ".ms --size 256 --cell 5asec --weighting natural --no-png -o " + name);
  const auto full = image("full-dirty.fits"), mean = image("mean-dirty.fits");
  // The source at the edge loses what was asked at most, that in the centre nothing.
  EXPECT_LT(at(mean, 40, 128), at(full, 40, 128) - 2e-4);
  EXPECT_LT(largest_difference(mean, full), 0.01);
  EXPECT_NEAR(at(mean, 128, 128), at(full, 128, 128), 2e-3) << "sidelobes of the other";
  // Rows are longer than the interval that is solved for on some baselines.
  const auto centre = catalogue("centre.csv", {{.x = 128, .y = 128}}, 256);
  simulate("c.ms", centre, 64, 4, "8s", "2025-06-01T07:56:00",
           averaging + "--gains constant:phase=60deg,amplitude=0.2");
  for (const std::string interval : {"64s", "256s", "0s"}) {
    const auto text = expect_ok("calibrate c.ms --model centre.csv --interval " + interval +
                                " -o g.h5 --apply CORRECTED_DATA");
    EXPECT_EQ(text.find("256 s long") != std::string::npos, interval == "64s") << text;
    const casacore::Table table(folder_ / "c.ms");
    const casacore::Array<casacore::Complex> values =
        casacore::ArrayColumn<casacore::Complex>(table, "CORRECTED_DATA").getColumn();
    double most = 0;
    for (const auto& value : values) most = std::max(most, std::abs(std::complex<double>(value) - 1.));
    EXPECT_LT(most, 1e-4) << interval;
  }
  // A column of a model, too.
  expect_ok("predict mean.ms --model edge.csv");
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
  EXPECT_THAT(answer("two.txt", "s.csv", "--averaging smearing=0.1"), HasSubstr("field=2deg"));
  EXPECT_THAT(answer("two.txt", "s.csv", "--averaging field=1deg,interval=2s"),
              HasSubstr("shorter than an integration"));
}

}  // namespace
}  // namespace fringeflow
