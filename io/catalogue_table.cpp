// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/catalogue_table.hpp"

#include <expat.h>
#include <fitsio.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>

#include "io/atomic_file.hpp"
#include "io/constants.hpp"
#include "io/coordinates.hpp"
#include "io/error.hpp"
#include "io/text_table.hpp"

namespace fringeflow::io {
namespace {

std::optional<double> as_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

CatalogueTable read_csv(const std::string& path) {
  CatalogueTable table{path, {}};
  for (const auto& line : read_lines(path)) {
    if (line.text[0] == '#') continue;
    const auto fields = split_fields(line.text);
    if (table.columns.empty()) {
      for (const auto& field : fields) table.columns.push_back({unquoted(field), "", {}});
      continue;
    }
    if (fields.size() != table.columns.size())
      fail_at(path, line.number,
              fmt::format("{} fields, but the header names {}", fields.size(), table.columns.size()));
    for (size_t i = 0; i < fields.size(); ++i) table.columns[i].cells.push_back(unquoted(fields[i]));
  }
  return table;
}

struct FitsCloser {
  void operator()(fitsfile* file) const {
    int status = 0;
    fits_close_file(file, &status);
  }
};
using FitsPointer = std::unique_ptr<fitsfile, FitsCloser>;

/// At the first binary or text table, or null where there is none.
FitsPointer open_fits_table(const std::string& path) {
  int status = 0, units = 0;
  fitsfile* raw = nullptr;
  fits_open_diskfile(&raw, path.c_str(), READONLY, &status);
  if (status) {
    fits_clear_errmsg();
    throw UserError(path + ": it is missing or not a FITS file");
  }
  FitsPointer file(raw);
  fits_get_num_hdus(raw, &units, &status);
  for (int unit = 1; unit <= units && !status; ++unit) {
    int type = 0;
    fits_movabs_hdu(raw, unit, &type, &status);
    if (!status && type != IMAGE_HDU && !fits_is_compressed_image(raw, &status)) return file;
  }
  fits_clear_errmsg();
  return nullptr;
}

CatalogueTable read_fits(const std::string& path) {
  const auto file = open_fits_table(path);
  if (!file) throw UserError(path + ": no table in this FITS file");
  CatalogueTable table{path, {}};
  int status = 0, columns = 0;
  LONGLONG rows = 0;
  fits_get_num_cols(file.get(), &columns, &status);
  fits_get_num_rowsll(file.get(), &rows, &status);
  for (int c = 1; c <= columns && !status; ++c) {
    CatalogueTable::Column column;
    int type = 0;
    LONGLONG repeat = 0, width = 0;
    char value[FLEN_VALUE] = "";
    fits_read_key(file.get(), TSTRING, fmt::format("TTYPE{}", c).c_str(), value, nullptr, &status);
    if (status) break;
    column.name = trim(value);
    if (int none = 0;
        fits_read_key(file.get(), TSTRING, fmt::format("TUNIT{}", c).c_str(), value, nullptr, &none) == 0)
      column.unit = trim(value);
    fits_clear_errmsg();
    fits_get_eqcoltypell(file.get(), c, &type, &repeat, &width, &status);
    if (status) break;
    column.cells.resize(static_cast<size_t>(rows));
    if (type == TSTRING) {
      std::vector<char> text(static_cast<size_t>(std::max<LONGLONG>(repeat, 1)) + 1);
      for (LONGLONG r = 0; r < rows && !status; ++r) {
        char* at = text.data();
        int any = 0;
        fits_read_col(file.get(), TSTRING, c, r + 1, 1, 1, const_cast<char*>(""), &at, &any, &status);
        column.cells[static_cast<size_t>(r)] = trim(at);
      }
    } else if (type > 0 && type != TCOMPLEX && type != TDBLCOMPLEX && repeat == 1) {
      std::vector<double> numbers(static_cast<size_t>(rows));
      double none = NAN;
      int any = 0;
      if (rows > 0) fits_read_col(file.get(), TDOUBLE, c, 1, 1, rows, &none, numbers.data(), &any, &status);
      for (size_t r = 0; r < numbers.size(); ++r)
        if (std::isfinite(numbers[r])) column.cells[r] = fmt::format("{}", numbers[r]);
    } else {
      continue;  // arrays and complex numbers are nobody's flux
    }
    table.columns.push_back(std::move(column));
  }
  if (status) {
    char text[FLEN_STATUS] = "";
    fits_get_errstatus(status, text);
    fits_clear_errmsg();
    throw UserError(fmt::format("{}: its table cannot be read ({})", path, text));
  }
  return table;
}

/// What expat tells of the first TABLE of a VOTable.
struct VotableReader {
  CatalogueTable table;
  bool in_table = false, done = false, in_cell = false;
  std::string unsupported;
  size_t cell = 0;
  std::string text;

  static std::string local(const char* name) {
    const std::string_view all = name;
    return std::string(all.substr(all.find(':') == std::string_view::npos ? 0 : all.find(':') + 1));
  }
  static void start(void* data, const char* name, const char** attributes) {
    auto& me = *static_cast<VotableReader*>(data);
    const std::string tag = local(name);
    if (me.done) return;
    if (tag == "TABLE") me.in_table = true;
    if (!me.in_table) return;
    if (tag == "FIELD") {
      CatalogueTable::Column column;
      for (; *attributes != nullptr; attributes += 2) {
        if (std::string_view(attributes[0]) == "name") column.name = attributes[1];
        if (std::string_view(attributes[0]) == "unit") column.unit = attributes[1];
      }
      me.table.columns.push_back(std::move(column));
    }
    if (tag == "BINARY" || tag == "BINARY2" || tag == "FITS") me.unsupported = tag;
    if (tag == "TR") me.cell = 0;
    if (tag == "TD") {
      me.in_cell = true;
      me.text.clear();
    }
  }
  static void end(void* data, const char* name) {
    auto& me = *static_cast<VotableReader*>(data);
    const std::string tag = local(name);
    if (!me.in_table || me.done) return;
    if (tag == "TD") {
      me.in_cell = false;
      std::string value = trim(me.text);
      const auto number = as_number(value);
      if (number && !std::isfinite(*number)) value.clear();
      if (me.cell < me.table.columns.size()) me.table.columns[me.cell++].cells.push_back(std::move(value));
    }
    if (tag == "TR")
      for (; me.cell < me.table.columns.size(); ++me.cell) me.table.columns[me.cell].cells.emplace_back();
    if (tag == "TABLE") me.done = true;
  }
  static void characters(void* data, const char* text, int length) {
    auto& me = *static_cast<VotableReader*>(data);
    if (me.in_cell) me.text.append(text, static_cast<size_t>(length));
  }
};

CatalogueTable read_votable(const std::string& path) {
  const std::string content = read_file(path);
  VotableReader reader;
  reader.table.path = path;
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser(
      XML_ParserCreate(nullptr), XML_ParserFree);
  XML_SetUserData(parser.get(), &reader);
  XML_SetElementHandler(parser.get(), VotableReader::start, VotableReader::end);
  XML_SetCharacterDataHandler(parser.get(), VotableReader::characters);
  if (content.size() > (size_t{1} << 30)) throw UserError(path + ": a VOTable of more than 1 GiB");
  if (XML_Parse(parser.get(), content.data(), static_cast<int>(content.size()), 1) != XML_STATUS_OK)
    throw UserError(fmt::format("{}:{}: not XML: {}", path, XML_GetCurrentLineNumber(parser.get()),
                                XML_ErrorString(XML_GetErrorCode(parser.get()))));
  if (!reader.unsupported.empty())
    throw UserError(fmt::format(
        "{}: its table is in the form {}; TABLEDATA is read: save it in that form, or as FITS or CSV", path,
        reader.unsupported));
  if (!reader.in_table) throw UserError(path + ": no TABLE in this VOTable");
  return reader.table;
}

enum class Quantity { angle_deg, angle_asec, flux, frequency, number };

struct Key {
  const char* name;
  Quantity quantity;
  bool required = false;
};
constexpr std::array<Key, 12> kKeys{{{"ra_deg", Quantity::angle_deg, true},
                                     {"dec_deg", Quantity::angle_deg, true},
                                     {"i_jy", Quantity::flux, true},
                                     {"q_jy", Quantity::flux},
                                     {"u_jy", Quantity::flux},
                                     {"v_jy", Quantity::flux},
                                     {"spectral_index", Quantity::number},
                                     {"spectral_curvature", Quantity::number},
                                     {"reference_frequency_hz", Quantity::frequency},
                                     {"major_asec", Quantity::angle_asec},
                                     {"minor_asec", Quantity::angle_asec},
                                     {"pa_deg", Quantity::angle_deg}}};

/// What one of a unit is in the unit of the key.
std::optional<double> factor_of(Quantity quantity, const std::string& unit) {
  static const std::map<std::string, double> degrees{
      {"deg", 1},           {"degree", 1},         {"degrees", 1},      {"rad", 180 / kPi},
      {"arcmin", 1. / 60},  {"arcsec", 1. / 3600}, {"asec", 1. / 3600}, {"mas", 1. / 3600e3},
      {"uas", 1. / 3600e6}, {"hour", 15}};
  static const std::map<std::string, double> janskys{{"jy", 1},         {"mjy", 1e-3},      {"ujy", 1e-6},
                                                     {"jy/beam", 1},    {"mjy/beam", 1e-3}, {"w/m2/hz", 1e26},
                                                     {"w/m^2/hz", 1e26}};
  static const std::map<std::string, double> hertz{{"hz", 1}, {"khz", 1e3}, {"mhz", 1e6}, {"ghz", 1e9}};
  if (unit.empty()) return 1;
  const auto find = [&](const std::map<std::string, double>& units, double scale) -> std::optional<double> {
    const auto found = units.find(lower(unit));
    return found == units.end() ? std::nullopt : std::optional(found->second * scale);
  };
  switch (quantity) {
    case Quantity::angle_deg:
      return find(degrees, 1);
    case Quantity::angle_asec:
      return find(degrees, 3600);
    case Quantity::flux:
      return find(janskys, 1);
    case Quantity::frequency:
      return find(hertz, 1);
    default:
      return 1;
  }
}

/// Where the values of a key come from.
struct Origin {
  const CatalogueTable::Column* column = nullptr;
  double factor = 1, constant = 0;
};

class Mapper {
 public:
  Mapper(const CatalogueTable& table, const std::string& mapping) : table_(table) {
    std::map<std::string, std::string> given;
    for (const auto& item : split_fields(mapping)) {
      if (item.empty()) continue;
      const size_t equals = item.find('=');
      const std::string key = lower(trim(item.substr(0, equals)));
      if (equals == std::string::npos) throw UserError(fmt::format("columns: '{}' is not KEY=COLUMN", item));
      if (std::none_of(kKeys.begin(), kKeys.end(), [&](const Key& k) { return key == k.name; })) {
        std::vector<std::string> names;
        for (const Key& k : kKeys) names.emplace_back(k.name);
        throw UserError(fmt::format("columns: '{}' is no key; the keys are {}", key, fmt::join(names, ", ")));
      }
      if (!given.emplace(key, trim(item.substr(equals + 1))).second)
        throw UserError(fmt::format("columns: '{}' is there twice", key));
    }
    for (size_t i = 0; i < kKeys.size(); ++i) {
      const auto found = given.find(kKeys[i].name);
      if (found != given.end())
        origins_[i] = origin(kKeys[i], found->second);
      else if (const auto* same = find(kKeys[i].name))
        origins_[i] = Origin{same, 1, 0};
      else if (kKeys[i].required)
        throw UserError(
            fmt::format("{}: no column {}; say which one it is with columns: {}=COLUMN; the table has {}",
                        table.path, kKeys[i].name, kKeys[i].name, names()));
    }
  }

  double value(size_t key, int64_t row) const {
    const Key& of = kKeys[key];
    if (!origins_[key]) return 0;
    const Origin& from = *origins_[key];
    if (from.column == nullptr) return from.constant;
    const std::string& cell = from.column->cells[static_cast<size_t>(row)];
    const auto fail = [&](const std::string& what) {
      throw UserError(
          fmt::format("{}: row {}, column {}: {}", table_.path, row + 1, from.column->name, what));
    };
    if (cell.empty()) {
      if (of.required) fail("no value");
      return 0;
    }
    if (const auto number = as_number(cell)) {
      if (!std::isfinite(*number)) fail(fmt::format("'{}' is not finite", cell));
      return *number * from.factor;
    }
    const auto angle = key == 0 ? parse_ra(cell) : key == 1 ? parse_dec(cell) : std::nullopt;
    if (!angle) fail(fmt::format("'{}' is not a number", cell));
    return *angle * 180 / kPi;
  }

 private:
  const CatalogueTable::Column* find(const std::string& name) const {
    for (const auto& column : table_.columns)
      if (lower(column.name) == lower(name)) return &column;
    return nullptr;
  }
  std::string names() const {
    std::vector<std::string> all;
    for (const auto& column : table_.columns) all.push_back(column.name);
    return fmt::format("{}", fmt::join(all, ", "));
  }
  Origin origin(const Key& key, const std::string& text) const {
    if (const auto number = as_number(text); number && find(text) == nullptr) return {nullptr, 1, *number};
    const size_t star = text.rfind('*');
    const auto factor = star == std::string::npos ? std::nullopt : as_number(trim(text.substr(star + 1)));
    const std::string name = factor ? trim(text.substr(0, star)) : text;
    const auto* column = find(name);
    if (column == nullptr)
      throw UserError(fmt::format("columns: {} has no column '{}'; it has {}", table_.path, name, names()));
    if (factor) return {column, *factor, 0};
    const auto unit = factor_of(key.quantity, column->unit);
    if (!unit)
      throw UserError(fmt::format(
          "columns: {}, column {}: the unit '{}' is not known for {}; give a factor, {}={}*FACTOR",
          table_.path, column->name, column->unit, key.name, key.name, name));
    return {column, *unit, 0};
  }

  const CatalogueTable& table_;
  std::array<std::optional<Origin>, kKeys.size()> origins_;
};

}  // namespace

bool has_fits_table(const std::string& path) { return open_fits_table(path) != nullptr; }

CatalogueTable read_table(const std::string& path) {
  const std::string name = lower(path);
  const auto ends = [&](std::initializer_list<const char*> endings) {
    return std::any_of(endings.begin(), endings.end(), [&](const char* one) { return name.ends_with(one); });
  };
  if (ends({".csv"})) return read_csv(path);
  if (ends({".fits", ".fit", ".fits.gz"})) return read_fits(path);
  if (ends({".vot", ".votable", ".xml"})) return read_votable(path);
  throw UserError(path + ": columns can be chosen of tables: .csv, .fits (binary table) or .vot (VOTable)");
}

std::vector<CatalogueSource> sources_of(const CatalogueTable& table, const std::string& mapping) {
  if (table.rows() == 0) throw UserError(table.path + ": no sources in the table");
  const Mapper mapper(table, mapping);
  std::vector<CatalogueSource> sources;
  constexpr double kDegree = kPi / 180;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const auto value = [&](size_t key) { return mapper.value(key, row); };
    CatalogueSource source;
    source.ra_rad = value(0) * kDegree;
    source.dec_rad = value(1) * kDegree;
    for (size_t s = 0; s < 4; ++s) source.stokes_jy[s] = value(2 + s);
    source.spectral_index = value(6);
    source.spectral_curvature = value(7);
    source.reference_frequency_hz = value(8);
    source.major_rad = std::max(value(9), value(10)) * kDegree / 3600;
    source.minor_rad = std::min(value(9), value(10)) * kDegree / 3600;
    source.pa_rad = value(11) * kDegree;
    const auto bad = [&](const std::string& what) {
      throw UserError(fmt::format("{}: row {}: {}", table.path, row + 1, what));
    };
    if (std::abs(source.dec_rad) > kPi / 2 * (1 + 1e-12))
      bad(fmt::format("a declination of {} degrees", value(1)));
    if (source.minor_rad < 0) bad("a width below 0");
    if ((source.spectral_index != 0 || source.spectral_curvature != 0) &&
        !(source.reference_frequency_hz > 0))
      bad("a spectrum needs a reference frequency: columns: reference_frequency_hz=NUMBER");
    sources.push_back(source);
  }
  return sources;
}

}  // namespace fringeflow::io
