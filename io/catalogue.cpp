// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/catalogue_table.hpp"
#include "io/constants.hpp"
#include "io/error.hpp"
#include "io/text_table.hpp"

namespace fringeflow::io {
namespace {

constexpr double kDegree = kPi / 180;

enum Column {
  kRa,
  kDec,
  kI,
  kQ,
  kU,
  kV,
  kIndex,
  kReference,
  kMajor,
  kMinor,
  kPa,
  kCurvature,
  kName,
  kColumns
};

constexpr std::array<const char*, kColumns> kColumnNames{
    "ra_deg",     "dec_deg",    "i_jy",           "q_jy",
    "u_jy",       "v_jy",       "spectral_index", "reference_frequency_hz",
    "major_asec", "minor_asec", "pa_deg",         "spectral_curvature",
    "name"};

/// For each column of the file what it holds.
std::vector<Column> read_csv_header(const std::string& path, const TextLine& line) {
  std::vector<Column> columns;
  std::array<bool, kColumns> seen{};
  for (const std::string& field : split_fields(line.text)) {
    const std::string name = lower(unquoted(field));
    const auto* const found = std::find(kColumnNames.begin(), kColumnNames.end(), name);
    if (found == kColumnNames.end()) {
      fail_at(path, line.number,
              fmt::format("unknown column '{}'; the columns are {}", name, fmt::join(kColumnNames, ", ")));
    }
    const auto column = static_cast<Column>(found - kColumnNames.begin());
    if (seen[column]) fail_at(path, line.number, fmt::format("column {} is there twice", name));
    seen[column] = true;
    columns.push_back(column);
  }
  for (const Column needed : {kRa, kDec, kI}) {
    if (!seen[needed]) fail_at(path, line.number, fmt::format("column {} is missing", kColumnNames[needed]));
  }
  return columns;
}

CatalogueSource read_csv_row(const std::string& path, const TextLine& line,
                             const std::vector<Column>& columns) {
  const std::vector<std::string> fields = split_fields(line.text);
  if (fields.size() < columns.size()) {
    fail_at(path, line.number,
            fmt::format("{} fields, but the header names {}: column {} is missing", fields.size(),
                        columns.size(), kColumnNames[columns[fields.size()]]));
  }
  if (fields.size() > columns.size()) {
    fail_at(path, line.number,
            fmt::format("{} fields, but the header names {}", fields.size(), columns.size()));
  }
  std::array<double, kColumns> value{};
  for (size_t i = 0; i < fields.size(); ++i) {
    const Column column = columns[i];
    const bool optional = column > kI;
    if (column == kName || (optional && fields[i].empty())) continue;
    value[column] = number_at(path, line.number, kColumnNames[column], fields[i]);
  }
  const auto bad = [&](Column column, const char* what) {
    fail_at(path, line.number, fmt::format("column {}: {} {}", kColumnNames[column], value[column], what));
  };
  if (std::abs(value[kDec]) > 90) bad(kDec, "is beyond ±90 degrees");
  if (std::abs(value[kRa]) > 360) bad(kRa, "is beyond 360 degrees");
  for (const Column column : {kMajor, kMinor})
    if (value[column] < 0) bad(column, "is a width below 0");
  if (value[kMinor] > value[kMajor]) bad(kMinor, "is longer than major_asec");
  if (value[kReference] < 0) bad(kReference, "is not a frequency");
  if ((value[kIndex] != 0 || value[kCurvature] != 0) && value[kReference] == 0) {
    fail_at(path, line.number, "column reference_frequency_hz: a spectral index needs a reference frequency");
  }
  return {value[kRa] * kDegree,
          value[kDec] * kDegree,
          {value[kI], value[kQ], value[kU], value[kV]},
          value[kIndex],
          value[kReference],
          value[kMajor] * kDegree / 3600,
          value[kMinor] * kDegree / 3600,
          value[kPa] * kDegree,
          value[kCurvature]};
}

bool ends_with_any(const std::string& path, std::initializer_list<const char*> endings) {
  const std::string name = lower(path);
  return std::any_of(endings.begin(), endings.end(),
                     [&](const char* ending) { return name.ends_with(ending); });
}

}  // namespace

std::vector<CatalogueSource> read_csv_catalogue(const std::string& path) {
  std::vector<Column> columns;
  std::vector<CatalogueSource> sources;
  for (const TextLine& line : read_lines(path)) {
    if (line.text[0] == '#') continue;
    if (columns.empty()) {
      columns = read_csv_header(path, line);
    } else {
      sources.push_back(read_csv_row(path, line, columns));
    }
  }
  if (columns.empty())
    throw UserError(path + ": empty; the first line names the columns, ra_deg,dec_deg,i_jy at least");
  if (sources.empty()) throw UserError(path + ": no sources below the line that names the columns");
  return sources;
}

std::array<double, 4> SkyComponent::flux_jy(double frequency_hz) const {
  double factor = 1;
  if (!spectral_terms.empty() && reference_frequency_hz > 0) {
    const double x = frequency_hz / reference_frequency_hz;
    const double base = logarithmic ? std::log10(x) : x - 1;
    double sum = 0;
    for (size_t k = spectral_terms.size(); k-- > 0;) sum = sum * base + spectral_terms[k];
    if (logarithmic) {
      factor = std::pow(x, sum);
    } else if (stokes_jy[0] != 0) {
      factor = 1 + sum * base / stokes_jy[0];
    } else {
      return {sum * base, stokes_jy[1], stokes_jy[2],
              stokes_jy[3]};  // nothing that Q, U and V could be in proportion to
    }
  }
  std::array<double, 4> flux = stokes_jy;
  for (double& s : flux) s *= factor;
  return flux;
}

SkyComponent component_of(const CatalogueSource& source) {
  SkyComponent c;
  c.ra_rad = source.ra_rad;
  c.dec_rad = source.dec_rad;
  c.stokes_jy = source.stokes_jy;
  c.reference_frequency_hz = source.reference_frequency_hz;
  if (source.spectral_index != 0 || source.spectral_curvature != 0)
    c.spectral_terms = {source.spectral_index};
  if (source.spectral_curvature != 0) c.spectral_terms.push_back(source.spectral_curvature);
  c.major_rad = source.major_rad;
  c.minor_rad = source.minor_rad;
  c.pa_rad = source.pa_rad;
  c.pa_is_absolute = !c.is_point();
  return c;
}

std::vector<SkyComponent> components_of(View<const float, 2> model, const ImageGrid& grid,
                                        double reference_frequency_hz, int scale, double fwhm_rad) {
  std::vector<SkyComponent> components;
  for (int64_t y = 0; y < model.extent(0); ++y) {
    for (int64_t x = 0; x < model.extent(1); ++x) {
      const float flux = model(y, x);
      if (flux == 0 || !std::isfinite(flux)) continue;
      const auto at = grid.direction_at(static_cast<double>(x), static_cast<double>(y));
      if (!at) continue;
      SkyComponent c;
      c.name = fmt::format("s{}c{}", scale, components.size());
      c.ra_rad = at->ra_rad;
      c.dec_rad = at->dec_rad;
      c.stokes_jy[0] = flux;
      c.reference_frequency_hz = reference_frequency_hz;
      c.logarithmic = false;  // what WSClean writes for a flat spectrum
      c.major_rad = c.minor_rad = fwhm_rad;
      components.push_back(std::move(c));
    }
  }
  return components;
}

SkyModel load_sky_model(const std::string& path, const std::string& columns) {
  SkyModel model;
  const bool fits = ends_with_any(path, {".fits", ".fit", ".fits.gz"});
  if (!columns.empty() || ends_with_any(path, {".vot", ".votable", ".xml"}) ||
      (fits && has_fits_table(path))) {
    for (const CatalogueSource& source : sources_of(read_table(path), columns))
      model.components.push_back(component_of(source));
  } else if (ends_with_any(path, {".csv"})) {
    for (const CatalogueSource& source : read_csv_catalogue(path))
      model.components.push_back(component_of(source));
  } else if (ends_with_any(path, {".txt", ".skymodel", ".bbs", ".sourcelist"})) {
    model.components = read_component_list(path);
  } else if (fits) {
    model.image = read_fits_image<float>(path);
    if (!model.image->header.grid_problem.empty())
      throw UserError(path + ": " + model.image->header.grid_problem);
  } else {
    throw UserError(path +
                    ": a sky model is a catalogue (.csv, .vot, a table in .fits), a .txt component list or a "
                    ".fits image");
  }
  return model;
}

}  // namespace fringeflow::io
