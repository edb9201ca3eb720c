// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "io/catalogue.hpp"
#include "io/constants.hpp"
#include "io/error.hpp"
#include "io/text_table.hpp"

namespace fringeflow::io {
namespace {

constexpr double kDegree = kPi / 180, kArcsecond = kDegree / 3600;

/// One column of the format line, e.g. ReferenceFrequency='148e6'.
struct Field {
  std::string name;  ///< lower case
  std::string fallback;
};

/// The list between the commas of "Format = a, b" or "# (a, b) = format"; nothing when the line is neither.
std::optional<std::string> format_of(const std::string& line) {
  const std::string low = lower(line);
  if (low.starts_with("format")) {
    const std::string rest = trim(std::string_view(line).substr(6));
    if (rest.starts_with("=")) return trim(std::string_view(rest).substr(1));
  }
  const size_t open = line.find('('), close = line.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  const std::string tail = trim(std::string_view(low).substr(close + 1));
  const bool before_is_hash = trim(std::string_view(line).substr(0, open)) == "#" || open == 0;
  if (!before_is_hash || !tail.starts_with("=") || trim(std::string_view(tail).substr(1)) != "format")
    return std::nullopt;
  return line.substr(open + 1, close - open - 1);
}

std::vector<Field> read_format(const std::string& path, size_t line, const std::string& text) {
  std::vector<Field> fields;
  for (const std::string& item : split_fields(text)) {
    const size_t equals = item.find('=');
    Field field{lower(trim(item.substr(0, equals))), {}};
    if (equals != std::string::npos) field.fallback = unquoted(trim(item.substr(equals + 1)));
    fields.push_back(std::move(field));
  }
  for (const char* needed : {"name", "type", "ra", "dec", "i"}) {
    if (std::none_of(fields.begin(), fields.end(), [&](const Field& f) { return f.name == needed; })) {
      fail_at(path, line, fmt::format("column {} is missing in the format line", needed));
    }
  }
  return fields;
}

class Row {
 public:
  Row(const std::string& path, const TextLine& line, const std::vector<Field>& format)
      : path_(path), line_(line.number) {
    const std::vector<std::string> fields = split_fields(line.text);
    if (fields.size() > format.size()) {
      fail(fmt::format("{} fields, but the format line names {}", fields.size(), format.size()));
    }
    // Fields left out at the end take their defaults, as in every reader of this format.
    for (size_t i = 0; i < format.size(); ++i) {
      const std::string given = i < fields.size() ? unquoted(fields[i]) : std::string();
      value_[format[i].name] = given.empty() ? format[i].fallback : given;
    }
  }

  std::string text(const char* column) const {
    const auto found = value_.find(column);
    return found == value_.end() ? std::string() : found->second;
  }
  double number(const char* column) const { return number_at(path_, line_, column, text(column)); }
  double number_or(const char* column, double fallback) const {
    return text(column).empty() ? fallback : number(column);
  }
  bool flag(const char* column, bool fallback) const {
    const std::string value = lower(text(column));
    if (value.empty()) return fallback;
    if (value == "true" || value == "1" || value == "t") return true;
    if (value == "false" || value == "0" || value == "f") return false;
    fail(fmt::format("column {}: '{}' is neither true nor false", column, value));
  }
  std::vector<double> list(const char* column) const {
    std::string value = text(column);
    if (value.starts_with("[") != value.ends_with("]"))
      fail(fmt::format("column {}: '{}' is not a list", column, value));
    if (value.starts_with("[")) value = trim(std::string_view(value).substr(1, value.size() - 2));
    std::vector<double> numbers;
    if (value.empty()) return numbers;
    for (const std::string& item : split_fields(value))
      numbers.push_back(number_at(path_, line_, column, item));
    return numbers;
  }
  [[noreturn]] void fail(const std::string& what) const { fail_at(path_, line_, what); }

 private:
  const std::string& path_;
  size_t line_;
  std::map<std::string, std::string> value_;
};

SkyComponent read_component(const Row& row) {
  SkyComponent c;
  c.name = row.text("name");
  const auto ra = parse_ra(row.text("ra"));
  if (!ra) row.fail(fmt::format("column ra: '{}' is not a right ascension (hh:mm:ss.s)", row.text("ra")));
  const auto dec = parse_dec(row.text("dec"));
  if (!dec) row.fail(fmt::format("column dec: '{}' is not a declination (+dd.mm.ss.s)", row.text("dec")));
  c.ra_rad = *ra;
  c.dec_rad = *dec;
  c.stokes_jy = {row.number("i"), row.number_or("q", 0), row.number_or("u", 0), row.number_or("v", 0)};
  c.spectral_terms = row.list("spectralindex");
  c.logarithmic = row.flag("logarithmicsi", true);
  c.reference_frequency_hz = row.number_or("referencefrequency", 0);
  const bool flat =
      std::all_of(c.spectral_terms.begin(), c.spectral_terms.end(), [](double t) { return t == 0; });
  if (c.reference_frequency_hz < 0 || (!flat && c.reference_frequency_hz == 0)) {
    row.fail("column referencefrequency: a spectrum needs a reference frequency above 0 Hz");
  }
  for (const char* column : {"rotationmeasure", "polarizedfraction", "polarizationangle"}) {
    if (row.number_or(column, 0) != 0) row.fail(fmt::format("column {} is not supported yet", column));
  }
  const std::string type = lower(row.text("type"));
  if (type == "gaussian") {
    c.major_rad = row.number_or("majoraxis", 0) * kArcsecond;
    c.minor_rad = row.number_or("minoraxis", 0) * kArcsecond;
    c.pa_rad = row.number_or("orientation", 0) * kDegree;
    c.pa_is_absolute = row.flag("orientationisabsolute", false);
    if (c.major_rad < 0 || c.minor_rad < 0) row.fail("columns majoraxis and minoraxis: a width below 0");
  } else if (type != "point") {
    row.fail(fmt::format("column type: '{}'; POINT and GAUSSIAN are supported", row.text("type")));
  }
  return c;
}

/// Decimals beyond the micro-arcsecond matter for VLBI only, and make other lists hard to read.
std::string without_zeros(std::string text) {
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// A comma in a name would end its field.
std::string field_text(std::string name) {
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ',' || c == '\n' || c == '\'' || c == '"'; }, '_');
  return name;
}

}  // namespace

std::vector<SkyComponent> read_component_list(const std::string& path) {
  std::vector<Field> format;
  std::vector<SkyComponent> components;
  bool has_patches = false;
  for (const TextLine& line : read_lines(path)) {
    if (format.empty()) {
      if (const auto text = format_of(line.text)) {
        format = read_format(path, line.number, *text);
        has_patches =
            std::any_of(format.begin(), format.end(), [](const Field& f) { return f.name == "patch"; });
        continue;
      }
      if (line.text[0] == '#') continue;
      fail_at(path, line.number,
              "no format line before the first component (Format = Name, Type, Ra, Dec, I, …)");
    }
    if (line.text[0] == '#') continue;
    const Row row(path, line, format);
    if (has_patches && row.text("name").empty() && row.text("type").empty()) continue;
    components.push_back(read_component(row));
  }
  if (format.empty()) throw UserError(path + ": no format line (Format = Name, Type, Ra, Dec, I, …)");
  if (components.empty()) throw UserError(path + ": no components below the format line");
  return components;
}

void write_components(const std::string& path, std::span<const SkyComponent> components,
                      double reference_frequency_hz, Products* products) {
  const auto polarised = [](const SkyComponent& c) {
    return c.stokes_jy[1] != 0 || c.stokes_jy[2] != 0 || c.stokes_jy[3] != 0;
  };
  const bool all_stokes = std::any_of(components.begin(), components.end(), polarised);
  const bool absolute =
      std::any_of(components.begin(), components.end(), [](const auto& c) { return c.pa_is_absolute; });
  AtomicFile file(path);
  file.write(fmt::format(
      "Format = Name, Type, Ra, Dec, I, {}SpectralIndex, LogarithmicSI, ReferenceFrequency='{}', "
      "MajorAxis, MinorAxis, Orientation{}\n",
      all_stokes ? "Q, U, V, " : "", reference_frequency_hz, absolute ? ", OrientationIsAbsolute" : ""));
  std::string text;
  for (const SkyComponent& c : components) {
    const double frequency = c.reference_frequency_hz > 0 ? c.reference_frequency_hz : reference_frequency_hz;
    fmt::format_to(std::back_inserter(text), "{},{},{},{},{},", field_text(c.name),
                   c.is_point() ? "POINT" : "GAUSSIAN", without_zeros(format_ra(c.ra_rad, 9)),
                   without_zeros(format_dec(c.dec_rad, 8, '.')), c.stokes_jy[0]);
    if (all_stokes)
      fmt::format_to(std::back_inserter(text), "{},{},{},", c.stokes_jy[1], c.stokes_jy[2], c.stokes_jy[3]);
    fmt::format_to(std::back_inserter(text), "[{}],{},{},", fmt::join(c.spectral_terms, ","),
                   c.logarithmic ? "true" : "false", frequency);
    if (c.is_point()) {
      text += ",,";
    } else {
      fmt::format_to(std::back_inserter(text), "{},{},{}", c.major_rad / kArcsecond, c.minor_rad / kArcsecond,
                     c.pa_rad / kDegree);
    }
    if (absolute) text += c.pa_is_absolute ? ",true" : ",false";
    text += '\n';
    if (text.size() > 1 << 20) {
      file.write(text);
      text.clear();
    }
  }
  file.write(text);
  finish(std::move(file), products);
}

}  // namespace fringeflow::io
