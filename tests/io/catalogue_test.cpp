// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/catalogue.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "io/constants.hpp"
#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

using test::message_of;
using test::TemporaryFolder;
constexpr double kDegree = kPi / 180, kArcsecond = kDegree / 3600;

TEST(Csv, ColumnsInAnyOrder) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("sky.csv",
                   "\xef\xbb\xbf# a comment\r\n\r\ni_jy, DEC_deg "
                   ",ra_deg,spectral_index,v_jy,reference_frequency_hz,name\r\n"
                   "1.5,-30.0,+30.5,-0.7,,1.3e9,\"a, b\"\r\n\r\n# another\r\n-2,10,350,0,0.25,,c");
  const auto sources = read_csv_catalogue(path);
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_DOUBLE_EQ(sources[0].ra_rad, 30.5 * kDegree);
  EXPECT_DOUBLE_EQ(sources[0].dec_rad, -30 * kDegree);
  EXPECT_EQ(sources[0].stokes_jy, (std::array<double, 4>{1.5, 0, 0, 0}));
  EXPECT_EQ(sources[0].spectral_index, -0.7);
  EXPECT_EQ(sources[0].reference_frequency_hz, 1.3e9);
  EXPECT_EQ(sources[1].stokes_jy, (std::array<double, 4>{-2, 0, 0, 0.25}));
  EXPECT_NEAR(component_of(sources[0]).flux_jy(2.6e9)[0], 1.5 * std::pow(2, -0.7), 1e-12);
}

TEST(Csv, GaussiansHaveAxesAndAnAngle) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("sky.csv", "ra_deg,dec_deg,i_jy,major_asec,minor_asec,pa_deg\n30,-30,1,20,10,30\n");
  const auto source = component_of(read_csv_catalogue(path).at(0));
  EXPECT_DOUBLE_EQ(source.major_rad, 20 * kArcsecond);
  EXPECT_DOUBLE_EQ(source.minor_rad, 10 * kArcsecond);
  EXPECT_DOUBLE_EQ(source.pa_rad, 30 * kDegree);
  EXPECT_TRUE(source.pa_is_absolute);
}

TEST(Csv, EveryErrorSaysWhere) {
  const std::string head = "ra_deg,dec_deg,i_jy,spectral_index,reference_frequency_hz\n30,-30,1,0,1e9\n";
  struct Case {
    std::string text, where, what;
  };
  const Case cases[] = {
      {head + "30,-30\n", "sky.csv:3:", "i_jy"},
      {head + "30,-30,1,0,1e9,7\n", "sky.csv:3:", "6 fields"},
      {head + "\n#\n30,-30,one,0,1e9\n", "sky.csv:5:", "i_jy"},
      {head + "30,,1,0,1e9\n", "sky.csv:3:", "dec_deg"},
      {head + "nan,-30,1,0,1e9\n", "sky.csv:3:", "ra_deg"},
      {head + "30,-30,inf,0,1e9\n", "sky.csv:3:", "i_jy"},
      {head + "30,-91,1,0,1e9\n", "sky.csv:3:", "dec_deg"},
      {head + "400,-9,1,0,1e9\n", "sky.csv:3:", "ra_deg"},
      {head + "30,-30,1,-0.7,\n", "sky.csv:3:", "reference_frequency_hz"},
      {head + "30,-30,1,-0.7,-5\n", "sky.csv:3:", "reference_frequency_hz"},
      {head + "30,-30,1 2,0,1e9\n", "sky.csv:3:", "i_jy"},
      {"ra_deg,dec_deg\n", "sky.csv:1:", "i_jy"},
      {"ra_deg,dec_deg,i_jy,spectral_idx\n", "sky.csv:1:", "spectral_idx"},
      {"ra_deg,ra_deg,dec_deg,i_jy\n", "sky.csv:1:", "twice"},
      {"ra_deg,dec_deg,i_jy,major_asec\n30,-30,1,-5\n", "sky.csv:2:", "below 0"},
      {"ra_deg,dec_deg,i_jy,major_asec,minor_asec\n30,-30,1,5,6\n", "sky.csv:2:", "longer than major_asec"},
      {"ra_deg,dec_deg,i_jy\n", "sky.csv", "no sources"},
      {"", "sky.csv", "empty"},
      {std::string("ra\0deg", 6), "sky.csv:1:", "not a text file"},
  };
  for (const Case& c : cases) {
    const TemporaryFolder folder;
    const auto path = folder.write("sky.csv", c.text);
    const std::string message = message_of<UserError>([&] { read_csv_catalogue(path); });
    EXPECT_NE(message.find(c.where), std::string::npos) << message;
    EXPECT_NE(message.find(c.what), std::string::npos) << message;
  }
  EXPECT_NE(message_of<UserError>([] { read_csv_catalogue("/none.csv"); }).find("/none.csv"),
            std::string::npos);
  EXPECT_NE(message_of<UserError>([] { read_csv_catalogue("/"); }).find("folder"), std::string::npos);
}

TEST(Components, ReadsWscleansText) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "a.txt",
      "Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency='4536000198.0925', "
      "MajorAxis, MinorAxis, Orientation\n"
      "s1c0,GAUSSIAN,-05:10:35.827,-01.08.00.501,0.0131,[],false,4536000198.0925,23.35,21.5,30\n"
      "s0c0,POINT,-05:10:36.827,-00.57.38,2,[0.5,-0.25],false,,,,\n"
      "s0c1,POINT,18:10:36.827,00.57.38,2,[-0.7,0.1],true,1e9,,,\n");
  const auto c = read_component_list(path);
  ASSERT_EQ(c.size(), 3u);
  EXPECT_NEAR(c[0].ra_rad, 2 * kPi - (5 + 10 / 60.0 + 35.827 / 3600) * 15 * kDegree, 1e-12);
  EXPECT_NEAR(c[0].dec_rad, -(1 + 8 / 60.0 + 0.501 / 3600) * kDegree, 1e-12);
  EXPECT_NEAR(c[0].major_rad, 23.35 * kArcsecond, 1e-15);
  EXPECT_NEAR(c[0].pa_rad, 30 * kDegree, 1e-15);
  EXPECT_FALSE(c[0].is_point());
  EXPECT_EQ(c[0].flux_jy(1e9)[0], 0.0131);
  EXPECT_EQ(c[1].reference_frequency_hz, 4536000198.0925);
  EXPECT_NEAR(c[1].flux_jy(1.5 * 4536000198.0925)[0], 2 + 0.5 * 0.5 - 0.25 * 0.25, 1e-12);
  EXPECT_NEAR(c[2].flux_jy(1e10)[0], 2 * std::pow(10, -0.7 + 0.1), 1e-12);
}

TEST(Components, ReadsOtherSkyModels) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "a.skymodel",
      "# (Name, Type, Patch, Ra, Dec, I, Q, U, V, ReferenceFrequency='74e6', SpectralIndex='[]', "
      "MajorAxis, MinorAxis, Orientation) = format\n# comment\n\n, , CygA, 19:59:26, +40.44.00\n"
      "CygA_2, POINT, CygA, 19:59:30.433, +40.43.56.221, 4.8e+03, 1.0, 0.0, 0.0, , [-0.8], 1, 2, 3\n"
      "short, point, CygA, 19:59:30.433, +40.43.56.221, 5\n");
  const auto c = read_component_list(path);
  ASSERT_EQ(c.size(), 2u);
  EXPECT_TRUE(c[0].is_point());
  EXPECT_EQ(c[0].stokes_jy[1], 1);
  EXPECT_TRUE(c[0].logarithmic);
  EXPECT_NEAR(c[0].flux_jy(148e6)[1], std::pow(2, -0.8), 1e-12);
  EXPECT_EQ(c[1].flux_jy(148e6)[0], 5);
}

TEST(Components, EveryErrorSaysWhere) {
  const std::string head =
      "Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, ReferenceFrequency\n";
  struct Case {
    std::string text, where, what;
  };
  const Case cases[] = {
      {"a,POINT,1:2:3,4.5.6,1\n", "a.txt:1:", "format line"},
      {"Format = Name, Type, Ra, Dec\n", "a.txt:1:", "column i"},
      {head + "a,DISK,1:2:3,4.5.6,1\n", "a.txt:2:", "DISK"},
      {head + "a,POINT,1:x:3,4.5.6,1\n", "a.txt:2:", "column ra"},
      {head + "a,POINT,1:2:3,94.5.6,1\n", "a.txt:2:", "column dec"},
      {head + "a,POINT,1:2:3,4.5.6,\n", "a.txt:2:", "column i"},
      {head + "a,POINT,1:2:3,4.5.6,1,[0.5,true,1e9\n", "a.txt:2:", "not a list"},
      {head + "a,POINT,1:2:3,4.5.6,1,[0.5],maybe,1e9\n", "a.txt:2:", "maybe"},
      {head + "a,POINT,1:2:3,4.5.6,1,[0.5],true,\n", "a.txt:2:", "reference frequency"},
      {head + "a,POINT,1:2:3,4.5.6,1,[],true,1e9,9\n", "a.txt:2:", "9 fields"},
      {head, "a.txt", "no components"},
      {"", "a.txt", "no format line"},
  };
  for (const Case& c : cases) {
    const TemporaryFolder folder;
    const auto path = folder.write("a.txt", c.text);
    const std::string message = message_of<UserError>([&] { read_component_list(path); });
    EXPECT_NE(message.find(c.where), std::string::npos) << message;
    EXPECT_NE(message.find(c.what), std::string::npos) << message;
  }
}

TEST(Components, WrittenListsReadBack) {
  const TemporaryFolder folder;
  std::vector<float> model(8 * 6);
  const ImageGrid grid({4.9, -0.3}, 1e-6 * kArcsecond, 8,
                       6);  // a field of micro-arcseconds keeps its positions
  model[3] = 0.5f;
  model[20] = -1e-3f;
  auto components = components_of({model.data(), {6, 8}}, grid, 1.4e9);
  ASSERT_EQ(components.size(), 2u);
  EXPECT_EQ(components[1].name, "s0c1");
  const auto wide = components_of({model.data(), {6, 8}}, grid, 1.4e9, 2, 3 * kArcsecond);
  components.insert(components.end(), wide.begin(), wide.end());
  write_components(folder / "c.txt", components, 1.4e9);
  EXPECT_TRUE(read_file(folder / "c.txt")
                  .starts_with("Format = Name, Type, Ra, Dec, I, SpectralIndex, LogarithmicSI, "
                               "ReferenceFrequency='1400000000', "
                               "MajorAxis, MinorAxis, Orientation\ns0c0,POINT,"));
  const auto back = load_sky_model(folder / "c.txt").components;
  ASSERT_EQ(back.size(), 4u);
  for (size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].name, components[i].name);
    EXPECT_EQ(back[i].stokes_jy, components[i].stokes_jy);
    EXPECT_EQ(back[i].reference_frequency_hz, 1.4e9);
    EXPECT_NEAR(back[i].major_rad, components[i].major_rad, 1e-15);
    const auto at = grid.pixel_of({back[i].ra_rad, back[i].dec_rad}),
               want = grid.pixel_of({components[i].ra_rad, components[i].dec_rad});
    EXPECT_NEAR(at->x, want->x, 0.01);
    EXPECT_NEAR(at->y, want->y, 0.01);
  }
  components[0].stokes_jy = {1, 0.1, -0.2, 0.3};
  components[0].spectral_terms = {-0.7, 0.02};
  write_components(folder / "c.txt", components, 1.4e9);
  const auto polarised = read_component_list(folder / "c.txt");
  EXPECT_EQ(polarised[0].stokes_jy, components[0].stokes_jy);
  EXPECT_EQ(polarised[0].spectral_terms, components[0].spectral_terms);
}

TEST(SkyModel, ToldApartByName) {
  const TemporaryFolder folder;
  EXPECT_EQ(load_sky_model(folder.write("A.CSV", "ra_deg,dec_deg,i_jy\n1,2,3\n")).components.size(), 1u);
  EXPECT_NE(message_of<UserError>([&] { load_sky_model(folder / "a.doc"); }).find("a.doc"),
            std::string::npos);
  FitsHeader header;
  header.grid = ImageGrid({1, 0.5}, 1e-5, 6, 4);
  header.unit = "JY/PIXEL";
  const std::vector<float> pixels(24, 0.5f);
  write_fits_image(folder / "m.fits", header, {pixels.data(), {4, 6}});
  const SkyModel model = load_sky_model(folder / "m.fits");
  ASSERT_TRUE(model.image);
  EXPECT_EQ(model.image->pixels, pixels);
}

TEST(SkyModel, ReadsTheSharedCatalogues) {
  const auto data = test::shared_data();
  if (!data) GTEST_SKIP() << "the shared data sets are not here";
  EXPECT_GT(load_sky_model(*data + "/catalogues/3C295-sweijen.skymodel").components.size(), 10u);
  const auto bright = load_sky_model(*data + "/catalogues/A-Team_lowres.skymodel").components;
  EXPECT_GT(bright.size(), 10u);
  EXPECT_EQ(bright[0].name, "CygA_4_2");
  EXPECT_GT(load_sky_model(*data + "/catalogues/Calibrators_SH_lowres.skymodel").components.size(), 10u);
}

}  // namespace
}  // namespace fringeflow::io
