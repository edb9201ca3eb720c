// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/fits_image.hpp"

#include <fitsio.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <wcslib/wcs.h>
#include <wcslib/wcshdr.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>

#include "io/constants.hpp"
#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

using test::message_of;
using test::TemporaryFolder;
constexpr double kDegree = kPi / 180;

FitsHeader example_header(int64_t nx, int64_t ny) {
  FitsHeader header;
  header.grid = ImageGrid({(360 - 77.6694208333334) * kDegree, -0.963333333333333 * kDegree},
                          2.5 / 3600 * kDegree, nx, ny);
  header.frequency_hz = 4.536e9;
  header.bandwidth_hz = 2e6;
  header.beam = BeamShape{0.00514 * kDegree, 0.00396 * kDegree, 39.5 * kDegree};
  header.telescope = "EVLA";
  header.object = "3C391 C3";
  header.observer = "O'Neill";
  header.date_obs = format_utc(55310.0 * 86400 + 8 * 3600 + 34 * 60 + 43);
  header.origin = "Fringeflow 0.1";
  header.cards = {{"WSCWEIGH", "briggs(0)", "weighting"},
                  {"WSCIMGWG", 2504.5},
                  {"WSCNVIS", int64_t{71497}},
                  {"WSCTHRES", 1e-30, "tiny"}};
  header.history = {"fringeflow image Größe.ms " + std::string(200, 'x') + "\nsecond: line", ""};
  return header;
}

std::vector<float> example_pixels(int64_t nx, int64_t ny) {
  std::vector<float> pixels(static_cast<size_t>(nx * ny));
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (float& p : pixels) p = normal(random);
  pixels[5] = NAN;
  return pixels;
}

TEST(FitsImage, RoundTrip) {
  const TemporaryFolder folder;
  const int64_t nx = 70, ny = 46;
  const auto pixels = example_pixels(nx, ny);
  const FitsHeader header = example_header(nx, ny);
  const std::string path = folder / "a[1](2)+1.fits";  // no extended file name syntax
  write_fits_image(path, header, {pixels.data(), {ny, nx}});
  EXPECT_EQ(std::filesystem::file_size(path) % 2880, 0u);
  EXPECT_EQ(folder.count(), 1u) << "no temporary file stays";

  const auto image = read_fits_image<float>(path);
  EXPECT_EQ(std::memcmp(image.pixels.data(), pixels.data(), 5 * sizeof(float)), 0);
  EXPECT_TRUE(std::isnan(image.pixels[5]));
  EXPECT_EQ(std::memcmp(image.pixels.data() + 6, pixels.data() + 6, (pixels.size() - 6) * sizeof(float)), 0);
  EXPECT_EQ(image.planes, 1);
  const FitsHeader& h = image.header;
  EXPECT_EQ(h.grid_problem, "");
  EXPECT_TRUE(h.grid.same_as(header.grid, 1e-6));
  EXPECT_DOUBLE_EQ(h.frequency_hz, header.frequency_hz);
  EXPECT_DOUBLE_EQ(h.bandwidth_hz, header.bandwidth_hz);
  EXPECT_EQ(h.stokes, 'I');
  EXPECT_NEAR(h.beam->pa_rad, header.beam->pa_rad, 1e-12);
  EXPECT_EQ(h.unit, "JY/BEAM");
  EXPECT_EQ(h.observer, "O'Neill");
  EXPECT_EQ(h.date_obs, "2010-04-24T08:34:43.0");
  EXPECT_EQ(read_fits_image<double>(path).pixels[7], static_cast<double>(pixels[7]));
}

TEST(FitsImage, HeaderIsCardsOfPrintableAscii) {
  const std::string text = fits_header_text(example_header(64, 64));
  EXPECT_EQ(text.size() % 2880, 0u);
  for (const char c : text) ASSERT_TRUE(c >= 0x20 && c < 0x7f);
  EXPECT_NE(text.find("HISTORY fringeflow image Gr??e.ms"), std::string::npos);
  EXPECT_NE(text.find("HISTORY second: line"), std::string::npos);
  EXPECT_NE(text.find("WSCTHRES=              1.0E-30 / tiny"), std::string::npos);
  EXPECT_NE(text.find("OBSERVER= 'O''Neill'"), std::string::npos);
  EXPECT_NE(text.find("CRPIX1  =                 33.0"), std::string::npos);
  FitsHeader wrong = example_header(64, 64);
  wrong.cards.push_back({"lower", 1.0});
  EXPECT_THROW(fits_header_text(wrong), std::invalid_argument);
}

TEST(FitsImage, WcslibPutsASourceOnThePixel) {
  const int64_t nx = 4096, ny = 3000;
  const FitsHeader header = example_header(nx, ny);
  std::string text = fits_header_text(header);
  size_t cards = 0;  // without END, which wcslib counts as rejected
  while (!std::string_view(text).substr(80 * cards).starts_with("END     ")) ++cards;
  int rejected = 0, count = 0;
  wcsprm* wcs = nullptr;
  ASSERT_EQ(wcspih(text.data(), static_cast<int>(cards), WCSHDR_all, 0, &rejected, &count, &wcs), 0);
  ASSERT_EQ(rejected, 0);
  ASSERT_EQ(count, 1);
  ASSERT_EQ(wcsset(wcs), 0);
  for (const Pixel at : {Pixel{0, 0}, Pixel{2048, 1500}, Pixel{3999.3, 20.6}}) {
    const auto sky = header.grid.direction_at(at.x, at.y);
    double world[4] = {sky->ra_rad / kDegree, sky->dec_rad / kDegree, header.frequency_hz, 1};
    double phi = 0, theta = 0, intermediate[4], pixel[4];
    int status = 0;
    ASSERT_EQ(wcss2p(wcs, 1, 4, world, &phi, &theta, intermediate, pixel, &status), 0);
    EXPECT_NEAR(pixel[0] - 1, at.x, 0.001);
    EXPECT_NEAR(pixel[1] - 1, at.y, 0.001);
    EXPECT_NEAR(pixel[2], 1, 1e-9);
    EXPECT_NEAR(pixel[3], 1, 1e-9);
  }
  wcsvfree(&count, &wcs);
}

TEST(FitsImage, CfitsioSeesWellFormedCards) {
  const TemporaryFolder folder;
  const auto pixels = example_pixels(8, 8);
  write_fits_image(folder / "a.fits", example_header(8, 8), {pixels.data(), {8, 8}});
  fitsfile* file = nullptr;
  int status = 0, keys = 0, more = 0;
  fits_open_diskfile(&file, (folder / "a.fits").c_str(), READONLY, &status);
  fits_get_hdrspace(file, &keys, &more, &status);
  ASSERT_EQ(status, 0);
  for (int i = 1; i <= keys; ++i) {
    char card[81] = "", name[81] = "";
    int length = 0;
    fits_read_record(file, i, card, &status);
    fits_get_keyname(card, name, &length, &status);
    fits_test_keyword(name, &status);
    fits_test_record(card, &status);
    EXPECT_EQ(status, 0) << card;
    status = 0;
  }
  LONGLONG head = 0, data = 0, end = 0;
  fits_get_hduaddrll(file, &head, &data, &end, &status);
  EXPECT_EQ(static_cast<uintmax_t>(end), std::filesystem::file_size(folder / "a.fits"));
  fits_close_file(file, &status);
}

/// Writes with cfitsio what others may hand in.
void write_other(const std::string& path, int bits, std::vector<long> axes,
                 const std::vector<std::pair<const char*, double>>& keys, bool in_extension = false) {
  fitsfile* file = nullptr;
  int status = 0;
  fits_create_diskfile(&file, path.c_str(), &status);
  if (in_extension) fits_create_img(file, BYTE_IMG, 0, nullptr, &status);
  fits_create_img(file, bits, static_cast<int>(axes.size()), axes.data(), &status);
  for (const auto& [key, value] : keys)
    fits_update_key(file, TDOUBLE, key, const_cast<double*>(&value), nullptr, &status);
  if (!axes.empty()) {
    long size = 1;
    for (const long n : axes) size *= n;
    std::vector<double> pixels(static_cast<size_t>(size));
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<double>(i);
    fits_set_bscale(file, 1, 0, &status);
    fits_write_img(file, TDOUBLE, 1, size, pixels.data(), &status);
  }
  fits_close_file(file, &status);
  ASSERT_EQ(status, 0);
}

TEST(FitsImage, ReadsOtherKinds) {
  const TemporaryFolder folder;
  write_other(folder / "short.fits", SHORT_IMG, {6, 4}, {{"BSCALE", 0.5}, {"BZERO", 10}});
  const auto image = read_fits_image<float>(folder / "short.fits");
  EXPECT_EQ(image.header.grid.nx, 6);
  EXPECT_EQ(image.header.grid.ny, 4);
  EXPECT_FLOAT_EQ(image.view()(0, 1, 2), 10 + 0.5f * 8);
  EXPECT_NE(image.header.grid_problem, "");

  write_other(folder / "double.fits", DOUBLE_IMG, {6, 4, 2, 1}, {}, true);
  const auto cube = read_fits_image<double>(folder / "double.fits");
  EXPECT_EQ(cube.planes, 2);
  EXPECT_EQ(cube.view()(1, 3, 5), 47);
}

TEST(FitsImage, BadInput) {
  const TemporaryFolder folder;
  const ImageGrid grid({1, 0.5}, 1e-5, 6, 4);
  const auto read = [](const std::string& path) { return [path] { read_fits_image<float>(path); }; };
  EXPECT_NE(message_of<UserError>(read(folder / "none.fits")).find("none.fits: No such file"),
            std::string::npos);
  EXPECT_NE(message_of<UserError>(read(folder.write("text.fits", "hello"))).find("text.fits"),
            std::string::npos);
  EXPECT_NE(message_of<UserError>(read(folder / ".")).find(": not "), std::string::npos);
  write_other(folder / "line.fits", FLOAT_IMG, {6}, {});
  EXPECT_NE(message_of<UserError>(read(folder / "line.fits")).find("1 axes"), std::string::npos);
  write_other(folder / "empty.fits", FLOAT_IMG, {}, {});
  EXPECT_NE(message_of<UserError>(read(folder / "empty.fits")).find("no image"), std::string::npos);

  write_other(folder / "good.fits", FLOAT_IMG, {600, 400}, {});
  std::filesystem::resize_file(folder / "good.fits", 2880 * 5);
  EXPECT_NE(message_of<RunError>(read(folder / "good.fits")).find("ends too early"), std::string::npos);

  write_other(folder / "mask.fits", FLOAT_IMG, {6, 5}, {});
  const auto match = [&](const std::string& name) {
    return [&, name] { read_fits_matching<float>(folder / name, grid, "mask"); };
  };
  EXPECT_NE(message_of<UserError>(match("mask.fits")).find("the mask has 6 x 5 pixels, the image 6 x 4"),
            std::string::npos);
  write_other(folder / "planes.fits", FLOAT_IMG, {6, 4, 3}, {});
  EXPECT_NE(message_of<UserError>(match("planes.fits")).find("3 planes"), std::string::npos);
  write_other(folder / "plain.fits", FLOAT_IMG, {6, 4, 1, 1}, {});
  EXPECT_EQ(read_fits_matching<float>(folder / "plain.fits", grid, "mask").pixels.size(), 24u);
  FitsHeader header;
  header.grid = ImageGrid({1.001, 0.5}, 1e-5, 6, 4);
  const std::vector<float> pixels(24);
  write_fits_image(folder / "away.fits", header, {pixels.data(), {4, 6}});
  EXPECT_NE(message_of<UserError>(match("away.fits")).find("elsewhere"), std::string::npos);
}

TEST(FitsImage, UnwritableOrFullLeavesNothing) {
  const TemporaryFolder folder;
  const std::vector<float> pixels(256 * 256);
  FitsHeader header;
  header.grid = ImageGrid({1, 0.5}, 1e-5, 256, 256);
  const auto write = [&](const std::string& path) {
    return [&, path] { write_fits_image(path, header, {pixels.data(), {256, 256}}); };
  };
  EXPECT_NE(message_of<RunError>(write("/proc/nowhere/b.fits")).find("/proc/nowhere/b.fits"),
            std::string::npos);
  folder.write("file", "");
  EXPECT_NE(message_of<RunError>(write(folder / "file/b.fits")).find("file/b.fits"), std::string::npos);

  // A limit on the size of files fails in the middle of the pixels, as a full disk does.
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100000, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of<RunError>(write(folder / "full.fits"));
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("full.fits"), std::string::npos);
  EXPECT_EQ(folder.count(), 1u) << "only 'file'";
}

TEST(Products, AppearTogetherOrNotAtAll) {
  const TemporaryFolder folder;
  folder.write("a.txt", "old");
  {
    Products products;
    write_file(folder / "a.txt", "new", &products);
    write_file(folder / "b.txt", "new", &products);
    EXPECT_EQ(products.paths().size(), 2u);
  }
  EXPECT_EQ(read_file(folder / "a.txt"), "old");
  EXPECT_EQ(folder.count(), 1u);
  Products products;
  write_file(folder / "a.txt", "new", &products);
  write_file(folder / "b.txt", "new", &products);
  products.commit();
  EXPECT_EQ(read_file(folder / "a.txt"), "new");
  EXPECT_EQ(folder.count(), 2u);
}

TEST(Products, PrefixIsTriedBeforeTheRun) {
  const TemporaryFolder folder;
  check_writable_prefix(folder / "new/deeper/b");
  EXPECT_TRUE(std::filesystem::is_empty(folder / "new/deeper"));
  EXPECT_NE(message_of<RunError>([] { check_writable_prefix("/proc/nowhere/b"); }).find("/proc/nowhere/b"),
            std::string::npos);
  folder.write("file", "");
  EXPECT_NE(message_of<RunError>([&] { check_writable_prefix(folder / "file/b"); }).find("file/b"),
            std::string::npos);
  EXPECT_THROW(check_writable_prefix(""), UserError);
  EXPECT_THROW(check_writable_prefix(folder / "new/"), UserError);
}

TEST(FitsImage, ReadsTheSharedModels) {
  const auto data = test::shared_data();
  if (!data) GTEST_SKIP() << "the shared data sets are not here";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*data + "/models")) {
    const auto image = read_fits_image<float>(entry.path().string());
    EXPECT_EQ(static_cast<int64_t>(image.pixels.size()),
              image.header.grid.nx * image.header.grid.ny * image.planes);
    ++count;
  }
  EXPECT_GT(count, 3);
  const auto virgo = read_fits_header(*data + "/models/VirA_VLSS.fits");
  EXPECT_EQ(virgo.grid_problem, "");
  EXPECT_NEAR(virgo.grid.cell_rad / kDegree * 3600, 5, 1e-3);
  EXPECT_NEAR(virgo.frequency_hz, 73.8e6, 1e5);
}

}  // namespace
}  // namespace fringeflow::io
