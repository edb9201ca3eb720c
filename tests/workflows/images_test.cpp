// SPDX-License-Identifier: GPL-3.0-or-later
// From a simulated sky to images of it: every road through the program against the truth that was simulated.
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Images : public test::Program {};

const std::string k256 = " --size 256 --cell 5asec ";

TEST_F(Images, ASourceInTheDirtyImage) {
  simulate("s.ms", catalogue("s.csv", {{.x = 170, .y = 91, .flux_jy = 1.5}}, 256), 30, 4);
  for (const std::string weighting : {"natural", "uniform", "briggs:0"}) {
    SCOPED_TRACE(weighting);
    expect_ok("image s.ms --iterations 0 --accuracy 1e-5 --weighting " + weighting + k256 + "-o b");
    EXPECT_EQ(products("b"), (std::set<std::string>{"dirty.fits", "psf.fits"}));
    const auto dirty = image("b-dirty.fits"), psf = image("b-psf.fits");
    // Its own pixel sees every visibility in phase: exact but for the gridder's error and that of float visibilities.
    EXPECT_NEAR(at(dirty, 170, 91), 1.5, 1e-4);
    EXPECT_NEAR(at(psf, 128, 128), 1, 1e-4);
    const auto [x, y] = position(dirty, 170, 91);
    // A parabola is no beam: a beam of 8 pixels is symmetric to far better than this.
    EXPECT_NEAR(x, 170, 0.1);
    EXPECT_NEAR(y, 91, 0.1);
  }
}

TEST_F(Images, SourcesBetweenPixels) {
  const std::vector<test::PixelSource> sources{{.x = 128.37, .y = 77.81},
                                               {.x = 60.5, .y = 150.25, .flux_jy = 0.5}};
  simulate("s.ms", catalogue("s.csv", sources, 256), 60, 4);
  expect_ok("image s.ms --iterations 3000 --threshold 1mJy --weighting natural" + k256 + "-o b");
  const auto restored = image("b-image.fits");
  for (const auto& source : sources) {
    const auto [x, y] = position(restored, source.x, source.y);
    EXPECT_NEAR(x, source.x, 0.1);  // the requirement
    EXPECT_NEAR(y, source.y, 0.1);
  }
}

TEST_F(Images, CleanedFluxes) {
  const std::vector<test::PixelSource> sources{
      {.x = 128, .y = 128}, {.x = 60, .y = 190, .flux_jy = 0.4}, {.x = 200, .y = 70, .flux_jy = 0.2}};
  simulate("s.ms", catalogue("s.csv", sources, 256), 60, 4);
  for (const std::string algorithm : {"hogbom", "clark", "multiscale"}) {
    SCOPED_TRACE(algorithm);
    const auto text =
        expect_ok("image s.ms --iterations 20000 --threshold 0.2mJy --weighting natural --algorithm " +
                  algorithm + k256 + "-o b");
    EXPECT_EQ(products("b"),
              (std::set<std::string>{"dirty.fits", "psf.fits", "residual.fits", "model.fits", "image.fits"}));
    // What is left is below the threshold, five times below this; the rest is the sidelobes of its neighbours' residuals.
    const auto restored = image("b-image.fits"), model = image("b-model.fits"),
               residual = image("b-residual.fits");
    for (const auto& source : sources) EXPECT_NEAR(at(restored, source.x, source.y), source.flux_jy, 1e-3);
    EXPECT_LT(peak(residual), 0.5e-3);
    double total = 0;
    for (const float p : model.pixels) total += static_cast<double>(p);
    EXPECT_NEAR(total, 1.6, 0.02) << "components beside a source belong to it";
    EXPECT_TRUE(std::filesystem::exists(folder_ / "b-sources.txt"));
    EXPECT_THAT(text, HasSubstr("products      b-*.fits"));
    EXPECT_EQ(metrics("b")["visibilities"], 276 * 60 * 4);
  }
}

TEST_F(Images, SubImagesKeepToTheIterations) {
  // Two sub-images: in the last cycle each could use all the iterations that are left.
  const auto wide = [](double x, double flux_jy) {
    const io::ImageGrid grid(kCentre, kCell, 2304, 256);
    const auto direction = grid.direction_at(x, 128).value();
    return fmt::format("{:.12f},{:.12f},{}\n", test::degrees(direction.ra_rad),
                       test::degrees(direction.dec_rad), flux_jy);
  };
  folder_.write("s.csv", "ra_deg,dec_deg,i_jy\n" + wide(600, 1) + wide(1700, 0.9));
  simulate("s.ms", "s.csv", 60, 2);
  for (const int cpus : {1, 2}) {
    const auto prefix = fmt::format("b{}", cpus);
    expect_ok(
        fmt::format("image s.ms --size 2304,256 --cell 5asec --iterations 100 --threshold 1uJy --no-png "
                    "--set runtime.cpus={} -o {}",
                    cpus, prefix));
    const auto clean = metrics(prefix)["clean"][0];
    EXPECT_EQ(clean["iterations"], 100);
    EXPECT_EQ(clean["reason"], "number of iterations reached");
  }
  expect_identical("b2", "b1");
}

TEST_F(Images, StokesParameters) {
  for (const std::string feeds : {"XX,XY,YX,YY", "RR,RL,LR,LL"}) {
    SCOPED_TRACE(feeds);
    const std::string set = feeds[0] == 'X' ? "x.ms" : "r.ms";
    simulate(set, catalogue("s.csv", {{.x = 100, .y = 140, .q_jy = 0.3, .u_jy = -0.2, .v_jy = 0.1}}, 256), 20,
             2, "12min", "2025-06-01T07:56:00", "--correlations " + feeds);
    expect_ok("image " + set + " --iterations 0 --stokes IQUV --weighting natural --accuracy 1e-5" + k256 +
              "-o b");
    for (const auto& [stokes, flux] : {std::pair{'I', 1.0}, {'Q', 0.3}, {'U', -0.2}, {'V', 0.1}})
      EXPECT_NEAR(at(image(fmt::format("b-{}-dirty.fits", stokes)), 100, 140), flux, 1e-4) << stokes;
  }
}

TEST_F(Images, OutputChannels) {
  simulate("s.ms", catalogue("s.csv", {{.x = 100, .y = 140, .spectral_index = -1}}, 256), 40, 8);
  expect_ok("image s.ms --iterations 1000 --threshold 0.5mJy --channels-out 2 --weighting natural" + k256 +
            "-o b");
  // S(f) = f0 / f, over the channels at 1.3 GHz + 4 MHz k.
  double flux[2] = {0, 0};
  for (int k = 0; k < 8; ++k) flux[k / 4] += 1.3e9 / (1.3e9 + 4e6 * k) / 4;
  for (int c = 0; c < 2; ++c) {
    EXPECT_NEAR(at(image(fmt::format("b-000{}-dirty.fits", c)), 100, 140), flux[c], 2e-4);  // accuracy 1e-4
    EXPECT_NEAR(at(image(fmt::format("b-000{}-image.fits", c)), 100, 140), flux[c],
                1e-3);  // twice the threshold
  }
  EXPECT_NEAR(at(image("b-MFS-image.fits"), 100, 140), (flux[0] + flux[1]) / 2, 1e-3);
  EXPECT_EQ(products("b").size(), 15u);
}

TEST_F(Images, AnotherCentre) {
  simulate("s.ms", catalogue("s.csv", {{.x = 150, .y = 100}}, 256), 30, 4);
  const auto there = grid(256).direction_at(150, 100).value();
  expect_ok(fmt::format(
      "image s.ms --iterations 0 --weighting natural --accuracy 1e-5 --centre {:.10f}deg,{:.10f}deg {} -o b",
      test::degrees(there.ra_rad), test::degrees(there.dec_rad), k256));
  const auto dirty = image("b-dirty.fits");
  EXPECT_NEAR(at(dirty, 128, 128), 1, 1e-4);
  EXPECT_NEAR(dirty.header.grid.centre.ra_rad, there.ra_rad, 1e-11);
  EXPECT_NEAR(dirty.header.grid.centre.dec_rad, there.dec_rad, 1e-11);
}

TEST_F(Images, ShortIntegrationsAreCompressedWithinTheAccuracy) {
  simulate("s.ms",
           catalogue("s.csv", {{.x = 250, .y = 9}, {.x = 60, .y = 190, .flux_jy = 0.4, .q_jy = 0.1}}, 256),
           200, 6, "10s");
  const std::string options = "image s.ms --stokes IQ --weighting briggs:0 --iterations 0" + k256;
  // So accurate an image is not compressed.
  EXPECT_THAT(expect_ok(options + "--accuracy 1e-7 -o exact"), Not(HasSubstr("along time stand for")));
  for (const double accuracy : {1e-3, 1e-4, 1e-5}) {
    EXPECT_THAT(expect_ok(fmt::format("{}--accuracy {} -o b", options, accuracy)),
                HasSubstr("along time stand for"));
    for (const std::string product : {"I-dirty.fits", "Q-dirty.fits", "psf.fits"}) {
      const auto a = image("b-" + product), b = image("exact-" + product);
      double difference = 0, size = 0;
      for (size_t i = 0; i < a.pixels.size(); ++i) {
        difference += std::pow(a.pixels[i] - b.pixels[i], 2);
        size += std::pow(b.pixels[i], 2);
      }
      EXPECT_LT(std::sqrt(difference / size), accuracy) << product;
    }
  }
}

TEST_F(Images, SeveralSetsAreOne) {
  const auto sources = catalogue("s.csv", {{.x = 150, .y = 100}, {.x = 80, .y = 80, .flux_jy = 0.3}}, 256);
  simulate("both.ms", sources, 40, 4, "3min", "2025-06-01T07:56:00");
  simulate("a.ms", sources, 20, 4, "3min", "2025-06-01T07:56:00");
  simulate("b.ms", sources, 20, 4, "3min", "2025-06-01T08:56:00");
  for (const std::string weighting : {"natural", "briggs:0"}) {
    expect_ok("image both.ms --iterations 0 --weighting " + weighting + k256 + "-o one");
    expect_ok("image a.ms b.ms --iterations 0 --weighting " + weighting + k256 + "-o two");
    // The same visibilities in another order: rounding of sums of floats.
    EXPECT_LT(largest_difference(image("one-dirty.fits"), image("two-dirty.fits")), 1e-6) << weighting;
  }
}

TEST_F(Images, FacetsMakeTheSameImage) {
  simulate("s.ms", catalogue("s.csv", {{.x = 30, .y = 40}, {.x = 200, .y = 210, .flux_jy = 0.5}}, 256), 30,
           4);
  for (const double accuracy : {1e-3, 1e-6}) {
    expect_ok(fmt::format("image s.ms --iterations 0 --weighting natural --accuracy {} --facets 1 {} -o one",
                          accuracy, k256));
    expect_ok(fmt::format("image s.ms --iterations 0 --weighting natural --accuracy {} --facets 2 {} -o four",
                          accuracy, k256));
    // Each is within the accuracy of the truth.
    EXPECT_LT(l2_difference(image("four-dirty.fits"), image("one-dirty.fits")), 2 * accuracy);
  }
}

TEST_F(Images, DescendingChannels) {
  simulate("up.ms", catalogue("s.csv", {{.x = 100, .y = 140, .spectral_index = -2}}, 256), 20, 8);
  std::filesystem::copy(folder_ / "up.ms", folder_ / "down.ms", std::filesystem::copy_options::recursive);
  {
    auto table = test::edit(folder_ / "down.ms");
    casacore::ArrayColumn<casacore::Complex> data(table, "DATA");
    for (casacore::rownr_t row = 0; row < table.nrow(); ++row) {
      const auto cell = data(row);
      casacore::Array<casacore::Complex> turned(cell.shape());
      const auto n = cell.shape()[1];
      for (ssize_t p = 0; p < cell.shape()[0]; ++p)
        for (ssize_t c = 0; c < n; ++c)
          turned(casacore::IPosition(2, p, c)) = cell(casacore::IPosition(2, p, n - 1 - c));
      data.put(row, turned);
    }
    auto windows = test::edit(folder_ / "down.ms/SPECTRAL_WINDOW");
    casacore::ArrayColumn<double> frequencies(windows, "CHAN_FREQ");
    const auto up = frequencies(0);
    casacore::Array<double> down(up.shape());
    for (ssize_t c = 0; c < 8; ++c) down(casacore::IPosition(1, c)) = up(casacore::IPosition(1, 7 - c));
    frequencies.put(0, down);
  }
  for (const std::string more : {"", "--channels-out 2 "}) {
    expect_ok("image up.ms --iterations 200 --weighting briggs:0 " + more + k256 + "-o up");
    expect_ok("image down.ms --iterations 200 --weighting briggs:0 " + more + k256 + "-o down");
    // Visibilities of a row are added in another order.
    for (const auto& name : products("up"))
      EXPECT_LT(largest_difference(image("up-" + name), image("down-" + name)), 2e-5) << name;
  }
}

TEST_F(Images, AnEmptyOutputChannelIsBlank) {
  simulate("s.ms", catalogue("s.csv", {{.x = 100, .y = 140}}, 256), 20, 4);
  {
    auto table = test::edit(folder_ / "s.ms");
    casacore::ArrayColumn<bool> flags(table, "FLAG");
    for (casacore::rownr_t row = 0; row < table.nrow(); ++row) {
      auto cell = flags(row);
      for (ssize_t p = 0; p < cell.shape()[0]; ++p)
        for (ssize_t c = 2; c < 4; ++c) cell(casacore::IPosition(2, p, c)) = true;
      flags.put(row, cell);
    }
  }
  for (const std::string iterations : {"0", "500"}) {
    SCOPED_TRACE(iterations);
    const auto text = expect_ok("image s.ms --channels-out 2 --iterations " + iterations + k256 + "-o b");
    EXPECT_THAT(text, HasSubstr("warning"));
    const auto blank = image("b-0001-dirty.fits");
    EXPECT_TRUE(std::all_of(blank.pixels.begin(), blank.pixels.end(), [](float p) { return std::isnan(p); }));
    EXPECT_NEAR(at(image("b-0000-dirty.fits"), 100, 140), 1, 1e-3);
    EXPECT_NEAR(at(image("b-MFS-dirty.fits"), 100, 140), 1, 1e-3)
        << "the combined image is that of the other channel";
  }
}

TEST_F(Images, MaskAndContinuing) {
  simulate("s.ms", catalogue("s.csv", {{.x = 60, .y = 60}, {.x = 190, .y = 190, .flux_jy = 0.5}}, 256), 40,
           4);
  std::vector<float> mask(256 * 256, 0.f);
  for (size_t y = 50; y < 70; ++y)
    for (size_t x = 50; x < 70; ++x) mask[y * 256 + x] = 1;
  io::FitsHeader header;
  header.grid = grid(256);
  header.frequency_hz = 1.3e9;
  io::write_fits_image(folder_ / "mask.fits", header, {mask.data(), {256, 256}});
  expect_ok("image s.ms --iterations 2000 --threshold 2mJy --weighting natural --mask mask.fits" + k256 +
            "-o first");
  const auto first = image("first-model.fits");
  double inside = 0;
  for (size_t i = 0; i < mask.size(); ++i) {
    if (mask[i] == 0.f) {
      ASSERT_EQ(first.pixels[i], 0.f) << i;
    }
    inside += static_cast<double>(first.pixels[i]);
  }
  EXPECT_NEAR(inside, 1, 0.02);  // 2 mJy of threshold, seen through a handful of components
  // Continuing: what is modelled is not cleaned again, and the other source now is.
  expect_ok("image s.ms --iterations 5000 --threshold 0.2mJy --weighting natural --model first-model.fits" +
            k256 + "-o second");
  EXPECT_NEAR(at(image("second-image.fits"), 60, 60), 1, 1e-3);
  EXPECT_NEAR(at(image("second-image.fits"), 190, 190), 0.5, 1e-3);
  EXPECT_LT(peak(image("second-residual.fits")), 0.5e-3);
}

/// Largest difference of two columns relative to the largest value.
double column_difference(const std::string& path, const std::string& a, const std::string& b) {
  const casacore::Table table(path);
  const auto first = casacore::ArrayColumn<casacore::Complex>(table, a).getColumn();
  const auto second = casacore::ArrayColumn<casacore::Complex>(table, b).getColumn();
  double most = 0, largest = 0;
  auto other = second.begin();
  for (const auto& value : first) {
    most = std::max(most, static_cast<double>(std::abs(value - *other)));
    largest = std::max(largest, static_cast<double>(std::abs(value)));
    ++other;
  }
  return most / largest;
}

TEST_F(Images, PredictsItsModel) {
  const auto sources = catalogue("s.csv", {{.x = 60, .y = 60}, {.x = 190, .y = 190, .flux_jy = 0.5}}, 256);
  simulate("s.ms", sources, 20, 4);
  expect_ok("predict s.ms --model s.csv --column FROM_CATALOGUE");
  EXPECT_LT(column_difference(folder_ / "s.ms", "DATA", "FROM_CATALOGUE"), 1e-6)
      << "both are direct sums, stored as floats";
  expect_ok("image s.ms --iterations 100 --weighting natural" + k256 + "-o b");
  expect_ok("predict s.ms --model b-model.fits --column FROM_IMAGE --accuracy 1e-6");
  expect_ok("predict s.ms --model b-sources.txt --column FROM_COMPONENTS");
  // The accuracy is an L2 error over all visibilities; a single one may be a few times worse.
  EXPECT_LT(column_difference(folder_ / "s.ms", "FROM_COMPONENTS", "FROM_IMAGE"), 1e-5);
  EXPECT_LT(column_difference(folder_ / "s.ms", "DATA", "FROM_CATALOGUE"), 1e-6)
      << "other columns stay as they are";
}

TEST_F(Images, ReadersOfFitsAcceptThem) {
  simulate("s.ms", catalogue("s.csv", {{.x = 150.2, .y = 100.7}}, 256), 40, 4);
  expect_ok("image s.ms --iterations 200 --stokes I" + k256 + "-o b");
  const auto there = grid(256).direction_at(150.2, 100.7).value();
  const std::string command = fmt::format(
      "cd '{}' && /usr/bin/python3 '{}/tests/io/check_fits.py' b-dirty.fits b-image.fits {:.10f} {:.10f} "
      "2>&1 && "
      "/usr/bin/python3 '{}/tests/io/check_fits.py' b-psf.fits b-residual.fits b-model.fits 2>&1",
      folder_ / "", FRINGEFLOW_SOURCE_DIR, test::degrees(there.ra_rad), test::degrees(there.dec_rad),
      FRINGEFLOW_SOURCE_DIR);
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): a test's own words
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "python3-astropy is not installed";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace fringeflow
