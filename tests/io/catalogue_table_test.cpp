// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/catalogue_table.hpp"

#include <fitsio.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/constants.hpp"
#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

using test::message_of;
using test::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;
constexpr double kDegree = kPi / 180, kArcsecond = kDegree / 3600;

std::string votable(const std::string& rows, const std::string& fields = "") {
  return "<?xml version=\"1.0\"?>\n<VOTABLE version=\"1.3\" "
         "xmlns=\"http://www.ivoa.net/xml/VOTable/v1.3\"><RESOURCE><TABLE "
         "name=\"t\">\n<FIELD name=\"RAJ2000\" datatype=\"double\" unit=\"deg\"/><FIELD name=\"DEJ2000\" "
         "datatype=\"double\" "
         "unit=\"deg\"/>\n<FIELD name=\"S\" datatype=\"float\" unit=\"mJy\"/><FIELD name=\"alpha\" "
         "datatype=\"float\"/>" +
         fields + "\n<DATA><TABLEDATA>" + rows + "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>\n";
}
const std::string kVotable =
    "ra_deg=RAJ2000,dec_deg=DEJ2000,i_jy=S,spectral_index=alpha,reference_frequency_hz=200e6";

TEST(CatalogueTable, CsvWithOthersNamesAndFactors) {
  const TemporaryFolder folder;
  const auto path =
      folder.write("g.csv",
                   "GLEAM,RA,Dec,Fp,a_major,b_minor,PA,q\nJ1,10:00:00,-30.00.00,1500,30,20,45,0.1\n"
                   "J2,10.5,-31,200,,,,\n");
  const auto sources =
      sources_of(read_table(path),
                 "ra_deg=RA, dec_deg=Dec, i_jy=Fp*1e-3, major_asec=a_major, minor_asec=b_minor, pa_deg=PA, "
                 "spectral_index=-0.8, spectral_curvature=q, reference_frequency_hz=2e8");
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_NEAR(sources[0].ra_rad, 150 * kDegree, 1e-12);
  EXPECT_NEAR(sources[0].dec_rad, -30 * kDegree, 1e-12);
  EXPECT_DOUBLE_EQ(sources[0].stokes_jy[0], 1.5);
  EXPECT_DOUBLE_EQ(sources[0].major_rad, 30 * kArcsecond);
  EXPECT_DOUBLE_EQ(sources[0].minor_rad, 20 * kArcsecond);
  EXPECT_DOUBLE_EQ(sources[1].ra_rad, 10.5 * kDegree);
  EXPECT_EQ(sources[1].major_rad, 0);
  // S = S0 x^(alpha + q log10 x), here at x = 10 and 100.
  const auto component = component_of(sources[0]);
  EXPECT_NEAR(component.flux_jy(2e9)[0], 1.5 * std::pow(10., -0.7), 1e-12);
  EXPECT_NEAR(component.flux_jy(2e10)[0], 1.5 * std::pow(100., -0.6), 1e-12);
}

TEST(CatalogueTable, VotableWithUnitsAndNulls) {
  const TemporaryFolder folder;
  const auto path = folder.write(
      "v.vot",
      votable(
          "<TR><TD>30.5</TD><TD>-30</TD><TD>250</TD><TD>-0.7</TD></TR>\n<TR><TD>31</TD><TD>-31</TD><TD> 1e3 "
          "</TD><TD>NaN</TD></TR><TR><TD>32</TD><TD>1</TD><TD>5</TD><TD/></TR>"));
  const auto sources = sources_of(read_table(path), kVotable);
  ASSERT_EQ(sources.size(), 3u);
  EXPECT_DOUBLE_EQ(sources[0].stokes_jy[0], 0.25);
  EXPECT_DOUBLE_EQ(sources[0].spectral_index, -0.7);
  EXPECT_DOUBLE_EQ(sources[1].stokes_jy[0], 1);
  EXPECT_EQ(sources[1].spectral_index, 0);
  EXPECT_EQ(sources[2].spectral_index, 0);
  EXPECT_EQ(load_sky_model(path, kVotable).components.size(), 3u);
}

/// RA in radians as double, Dec in degrees as float, flux in Jy as float with a NaN, a name and an array that nobody asks for.
std::string write_table(const TemporaryFolder& folder, float third_flux) {
  const std::string path = folder / "t.fits";
  fitsfile* file = nullptr;
  int status = 0;
  fits_create_file(&file, ("!" + path).c_str(), &status);
  const char* types[] = {"NAME", "RA", "DEC", "FLUX", "CHANNELS"};
  const char* forms[] = {"8A", "1D", "1E", "1E", "4E"};
  const char* units[] = {"", "rad", "deg", "Jy", "Jy"};
  fits_create_tbl(file, BINARY_TBL, 3, 5, const_cast<char**>(types), const_cast<char**>(forms),
                  const_cast<char**>(units), "c", &status);
  double ra[] = {0.5, 0.6, 0.7};
  float dec[] = {-30, -31, -32}, flux[] = {1, 2, third_flux};
  fits_write_col(file, TDOUBLE, 2, 1, 1, 3, ra, &status);
  fits_write_col(file, TFLOAT, 3, 1, 1, 3, dec, &status);
  fits_write_col(file, TFLOAT, 4, 1, 1, 3, flux, &status);
  fits_close_file(file, &status);
  EXPECT_EQ(status, 0);
  return path;
}

TEST(CatalogueTable, FitsBinaryTable) {
  const TemporaryFolder folder;
  const auto path = write_table(folder, 3);
  const auto model = load_sky_model(path, "ra_deg=ra,dec_deg=dec,i_jy=FLUX");
  ASSERT_EQ(model.components.size(), 3u);
  EXPECT_FALSE(model.image);
  EXPECT_DOUBLE_EQ(model.components[1].ra_rad, 0.6);
  EXPECT_DOUBLE_EQ(model.components[1].dec_rad, -31 * kDegree);
  EXPECT_DOUBLE_EQ(model.components[2].stokes_jy[0], 3);
}

TEST(CatalogueTable, EveryMistakeIsNamed) {
  const TemporaryFolder folder;
  const auto of = [&](const std::string& path, const std::string& mapping) {
    return message_of<UserError>([&] { sources_of(read_table(path), mapping); });
  };
  const std::string row = "<TR><TD>30</TD><TD>-30</TD><TD>2</TD><TD>1</TD></TR>";
  const auto good = folder.write("good.vot", votable(row));
  EXPECT_THAT(of(good, "ra_deg=RAJ2000,dec_deg=DEJ2000"),
              AllOf(HasSubstr("good.vot"), HasSubstr("no column i_jy"), HasSubstr("alpha")));
  EXPECT_THAT(of(good, "ra_deg=RAJ2000,dec_deg=DEJ2000,i_jy=Flux"),
              AllOf(HasSubstr("'Flux'"), HasSubstr("RAJ2000")));
  EXPECT_THAT(of(good, "flux=S"), AllOf(HasSubstr("'flux' is no key"), HasSubstr("i_jy")));
  EXPECT_THAT(of(good, "ra_deg"), HasSubstr("KEY=COLUMN"));
  EXPECT_THAT(of(good, "ra_deg=RAJ2000,ra_deg=S"), HasSubstr("twice"));
  EXPECT_THAT(of(good, "ra_deg=RAJ2000,dec_deg=DEJ2000,i_jy=S,spectral_index=alpha"),
              HasSubstr("reference_frequency_hz"));
  EXPECT_THAT(of(good, "ra_deg=S,dec_deg=DEJ2000,i_jy=S"), AllOf(HasSubstr("mJy"), HasSubstr("FACTOR")));
  const auto no_flux = folder.write("n.vot", votable("<TR><TD>30</TD><TD>-30</TD><TD/><TD>1</TD></TR>"));
  EXPECT_THAT(of(no_flux, kVotable), AllOf(HasSubstr("row 1"), HasSubstr("column S"), HasSubstr("no value")));
  const auto words =
      folder.write("w.vot", votable("<TR><TD>30</TD><TD>-30</TD><TD>much</TD><TD>1</TD></TR>"));
  EXPECT_THAT(of(words, kVotable), HasSubstr("'much' is not a number"));
  EXPECT_THAT(of(folder.write("e.vot", votable("")), kVotable), HasSubstr("no sources"));
  EXPECT_THAT(of(folder.write("x.vot", "<VOTABLE><RESOURCE>"), kVotable),
              AllOf(HasSubstr("x.vot:"), HasSubstr("not XML")));
  EXPECT_THAT(
      of(folder.write("b.vot", "<VOTABLE><TABLE><FIELD name='a'/><DATA><BINARY2/></DATA></TABLE></VOTABLE>"),
         kVotable),
      HasSubstr("TABLEDATA"));
  EXPECT_THAT(of(folder.write("a.txt", "x"), kVotable), HasSubstr(".csv"));
  EXPECT_THAT(of(write_table(folder, NAN), "ra_deg=ra,dec_deg=dec,i_jy=FLUX"),
              AllOf(HasSubstr("row 3"), HasSubstr("FLUX")));
  EXPECT_THAT(of(folder / "missing.fits", kVotable), HasSubstr("missing.fits"));
}

}  // namespace
}  // namespace fringeflow::io
