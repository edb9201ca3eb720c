// SPDX-License-Identifier: GPL-3.0-or-later
// casacore cannot tell sidereal time without its table of leap seconds, which is a separate download. Where
// it is not installed, casacore gets this one, through a table in a temporary folder that it reads once.
#include "io/measurement_set_impl.hpp"

#include <casacore/casa/System/AppState.h>
#include <casacore/measures/Measures/MeasTable.h>
#include <casacore/tables/Tables/ScaColDesc.h>
#include <casacore/tables/Tables/SetupNewTab.h>
#include <casacore/tables/Tables/TableInfo.h>
#include <casacore/tables/Tables/TableRecord.h>
#include <stdlib.h>

#include <filesystem>

namespace fringeflow::io::detail {
namespace {

namespace fs = std::filesystem;

/// From MJD on, TAI − UTC = seconds + (MJD − offset) · rate. IERS Bulletin C; none has been announced since
/// 2017.
struct LeapSecond {
  double mjd, seconds, offset, rate;
};
constexpr LeapSecond kLeapSeconds[] = {{37300, 1.422818, 37300, 0.001296},
                                       {37512, 1.372818, 37300, 0.001296},
                                       {37665, 1.845858, 37665, 0.0011232},
                                       {38334, 1.945858, 37665, 0.0011232},
                                       {38395, 3.24013, 38761, 0.001296},
                                       {38486, 3.34013, 38761, 0.001296},
                                       {38639, 3.44013, 38761, 0.001296},
                                       {38761, 3.54013, 38761, 0.001296},
                                       {38820, 3.64013, 38761, 0.001296},
                                       {38942, 3.74013, 38761, 0.001296},
                                       {39004, 3.84013, 38761, 0.001296},
                                       {39126, 4.31317, 39126, 0.002592},
                                       {39887, 4.21317, 39126, 0.002592},
                                       {41317, 10, 0, 0},
                                       {41499, 11, 0, 0},
                                       {41683, 12, 0, 0},
                                       {42048, 13, 0, 0},
                                       {42413, 14, 0, 0},
                                       {42778, 15, 0, 0},
                                       {43144, 16, 0, 0},
                                       {43509, 17, 0, 0},
                                       {43874, 18, 0, 0},
                                       {44239, 19, 0, 0},
                                       {44786, 20, 0, 0},
                                       {45151, 21, 0, 0},
                                       {45516, 22, 0, 0},
                                       {46247, 23, 0, 0},
                                       {47161, 24, 0, 0},
                                       {47892, 25, 0, 0},
                                       {48257, 26, 0, 0},
                                       {48804, 27, 0, 0},
                                       {49169, 28, 0, 0},
                                       {49534, 29, 0, 0},
                                       {50083, 30, 0, 0},
                                       {50630, 31, 0, 0},
                                       {51179, 32, 0, 0},
                                       {53736, 33, 0, 0},
                                       {54832, 34, 0, 0},
                                       {56109, 35, 0, 0},
                                       {57204, 36, 0, 0},
                                       {57754, 37, 0, 0}};

class DataFolder : public casacore::AppState {
 public:
  explicit DataFolder(std::string folder) : folder_(std::move(folder)) {}
  std::list<std::string> dataPath() const override { return {folder_}; }
  bool initialized() const override { return true; }

 private:
  std::string folder_;
};

bool known() {
  try {
    casacore::MeasTable::dUTC(60000);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void write_table(const fs::path& path) {
  casacore::TableDesc description;
  const char* columns[] = {"MJD", "dUTC", "Offset", "Multiplier"};
  for (const char* column : columns) description.addColumn(casacore::ScalarColumnDesc<double>(column));
  casacore::SetupNewTable setup(path.string(), description, casacore::Table::New);
  casacore::Table table(setup, std::size(kLeapSeconds));
  table.tableInfo().setType("IERS");
  table.rwKeywordSet().define("VS_CREATE", "2026/01/01");
  table.rwKeywordSet().define("VS_DATE", "2026/01/01");
  table.rwKeywordSet().define("VS_VERSION", "0001.0000");
  table.rwKeywordSet().define("VS_TYPE", "TAI_UTC difference");
  for (casacore::rownr_t row = 0; row < std::size(kLeapSeconds); ++row) {
    const auto& leap = kLeapSeconds[row];
    const double values[] = {leap.mjd, leap.seconds, leap.offset, leap.rate};
    for (size_t i = 0; i < 4; ++i) casacore::ScalarColumn<double>(table, columns[i]).put(row, values[i]);
  }
}

}  // namespace

void ensure_leap_seconds() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (known()) return;
    std::string folder = (fs::temp_directory_path() / "fringeflow-measures-XXXXXX").string();
    if (!mkdtemp(folder.data()))
      throw RunError("no folder for temporary files in '" + fs::temp_directory_path().string() + "'");
    std::error_code ignored;
    try {
      fs::create_directory(fs::path(folder) / "geodetic");
      write_table(fs::path(folder) / "geodetic" / "TAI_UTC");
      casacore::AppStateSource::initialize(new DataFolder(folder));
      (void)known();
      casacore::AppStateSource::initialize(new casacore::AppState);
    } catch (...) {
      fs::remove_all(folder, ignored);
      throw;
    }
    fs::remove_all(folder, ignored);
  });
}

}  // namespace fringeflow::io::detail
