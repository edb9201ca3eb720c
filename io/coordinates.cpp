// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/coordinates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "io/constants.hpp"

namespace fringeflow::io {
namespace {

constexpr double kDegree = kPi / 180;

double wrap_2pi(double angle) {
  const double wrapped = std::remainder(angle, 2 * kPi);
  return wrapped < 0 ? wrapped + 2 * kPi : wrapped;
}

/// Splits a non-negative value in units of 1/3600 into whole, minutes and seconds, rounding once, at the last
/// decimal.
std::string sexagesimal(double value, int wrap, const char* first, char separator, int digits) {
  const double scale = std::pow(10.0, digits);
  auto ticks = static_cast<int64_t>(std::llround(value * 3600 * scale));
  const auto per_second = static_cast<int64_t>(scale);
  if (wrap > 0) ticks %= wrap * 3600 * per_second;
  const int64_t fraction = ticks % per_second;
  const int64_t seconds = ticks / per_second;
  std::string text = fmt::format("{}{:02}{}{:02}{}{:02}", first, seconds / 3600, separator, seconds / 60 % 60,
                                 separator, seconds % 60);
  if (digits > 0) text += fmt::format(".{:0{}}", fraction, digits);
  return text;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::optional<double> number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Number before the suffix, when the text ends with it.
std::optional<double> with_suffix(std::string_view text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return std::nullopt;
  return number(trimmed(text.substr(0, text.size() - suffix.size())));
}

/// Fields of a:b:c, a.b.c(.d), or a<unit>b m c s, as strings; the last may be fractional. Empty when not of
/// that form.
std::vector<std::string> fields_of(std::string_view text, char unit, bool dots) {
  std::vector<std::string> fields(1);
  const bool colons = text.find(':') != std::string_view::npos;
  const bool letters = text.find(unit) != std::string_view::npos;
  if (!colons && !letters && !dots) return {};
  for (const char c : text) {
    const bool cut = colons    ? c == ':'
                     : letters ? (c == unit || c == 'm' || c == 's')
                               : c == '.' && fields.size() < 3;
    if (cut) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (letters && fields.back().empty()) fields.pop_back();
  if (fields.size() < 2 || fields.size() > 3) return {};
  return fields;
}

/// a + b/60 + c/3600 with 0 ≤ b, c < 60 (60.0 is tolerated: some writers round up to it).
std::optional<double> sum_of(const std::vector<std::string>& fields) {
  double sum = 0, scale = 1;
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto value = number(trimmed(fields[i]));
    if (!value || *value < 0 || (i > 0 && *value > 60)) return std::nullopt;
    if (i + 1 < fields.size() && *value != std::floor(*value)) return std::nullopt;
    sum += *value * scale;
    scale /= 60;
  }
  return sum;
}

/// Any angle in degrees; `unit` is the letter after the first field and `per_unit` degrees in it.
std::optional<double> parse_degrees(std::string_view text, char unit, double per_unit, bool dots) {
  text = trimmed(text);
  double sign = 1;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
    if (text.empty() || text.front() == '-' || text.front() == '+') return std::nullopt;
  }
  if (const auto deg = with_suffix(text, "deg")) return sign * *deg;
  if (const auto rad = with_suffix(text, "rad")) return sign * *rad / kDegree;
  const bool dotted = dots && std::count(text.begin(), text.end(), '.') >= 2;
  if (const auto fields = fields_of(text, unit, dotted); !fields.empty()) {
    const auto value = sum_of(fields);
    if (!value) return std::nullopt;
    return sign * *value * per_unit;
  }
  const auto plain = number(text);
  if (!plain) return std::nullopt;
  return sign * *plain;
}

}  // namespace

double n_minus_1(double l, double m) {
  const double r2 = l * l + m * m;
  return -r2 / (1 + std::sqrt(1 - r2));
}

Lmn lmn_of(const Direction& centre, const Direction& direction) {
  const double dra = direction.ra_rad - centre.ra_rad;
  const double sin_dec = std::sin(direction.dec_rad), cos_dec = std::cos(direction.dec_rad);
  const double sin_dec0 = std::sin(centre.dec_rad), cos_dec0 = std::cos(centre.dec_rad);
  const double half = std::sin(dra / 2);
  Lmn r;
  r.l = cos_dec * std::sin(dra);
  // sin δ cos δ0 − cos δ sin δ0 cos Δα, written without the cancellation that spoils micro-arcsecond fields.
  r.m = std::sin(direction.dec_rad - centre.dec_rad) + 2 * cos_dec * sin_dec0 * half * half;
  const double n = sin_dec * sin_dec0 + cos_dec * cos_dec0 * std::cos(dra);
  r.n_minus_1 = n > 0 ? -(r.l * r.l + r.m * r.m) / (1 + n) : n - 1;
  return r;
}

std::optional<Direction> direction_of(const Direction& centre, double l, double m) {
  const double r2 = l * l + m * m;
  if (!(r2 <= 1)) return std::nullopt;
  const double n = std::sqrt(1 - r2);
  const double sin_dec0 = std::sin(centre.dec_rad), cos_dec0 = std::cos(centre.dec_rad);
  const double x = n * cos_dec0 - m * sin_dec0;
  const double z = m * cos_dec0 + n * sin_dec0;
  return Direction{wrap_2pi(centre.ra_rad + std::atan2(l, x)), std::atan2(z, std::hypot(x, l))};
}

ImageGrid::ImageGrid(const Direction& centre_, double cell_rad_, int64_t nx_, int64_t ny_)
    : centre(centre_),
      cell_rad(cell_rad_),
      nx(nx_),
      ny(ny_),
      x0(static_cast<double>(nx_ / 2)),
      y0(static_cast<double>(ny_ / 2)) {}

std::optional<Pixel> ImageGrid::pixel_of(const Direction& direction) const {
  const Lmn at = lmn_of(centre, direction);
  if (at.n_minus_1 < -1) return std::nullopt;
  return Pixel{x0 - at.l / cell_rad, y0 + at.m / cell_rad};
}

std::optional<Direction> ImageGrid::direction_at(double x, double y) const {
  return direction_of(centre, (x0 - x) * cell_rad, (y - y0) * cell_rad);
}

bool ImageGrid::same_as(const ImageGrid& other, double tolerance_pixels) const {
  if (nx != other.nx || ny != other.ny) return false;
  const double size = static_cast<double>(std::max(nx, ny));
  if (!(std::abs(cell_rad - other.cell_rad) * size <= tolerance_pixels * cell_rad)) return false;
  const auto centre_pixel = pixel_of(other.centre);
  return centre_pixel &&
         std::hypot(centre_pixel->x - other.x0, centre_pixel->y - other.y0) <= tolerance_pixels;
}

std::string format_ra(double ra_rad, int digits) {
  return sexagesimal(wrap_2pi(ra_rad) / kDegree / 15, 24, "", ':', digits);
}

std::string format_dec(double dec_rad, int digits, char separator) {
  return sexagesimal(std::abs(dec_rad) / kDegree, 0, dec_rad < 0 ? "-" : "+", separator, digits);
}

std::string format_angle(double rad) {
  struct Unit {
    double size_rad;
    const char* name;
  };
  constexpr std::array<Unit, 5> kUnits{{{kDegree, "deg"},
                                        {kDegree / 60, "arcmin"},
                                        {kDegree / 3600, "arcsec"},
                                        {kDegree / 3.6e6, "mas"},
                                        {kDegree / 3.6e9, "uas"}}};
  for (const Unit& unit : kUnits) {
    if (std::abs(rad) >= unit.size_rad) return fmt::format("{:.4g} {}", rad / unit.size_rad, unit.name);
  }
  return fmt::format("{:.4g} uas", rad / kUnits.back().size_rad);
}

std::string format_utc(double mjd_seconds) {
  // Days to a civil date by Howard Hinnant's algorithm; day 0 of it is 0000-03-01, which is MJD −678881.
  const auto tenths = static_cast<int64_t>(std::llround(mjd_seconds * 10));
  const int64_t per_day = 864000;
  int64_t day = tenths / per_day;
  if (tenths % per_day < 0) --day;
  const int64_t within = tenths - day * per_day;
  const int64_t z = day + 678881;
  const int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const int64_t doe = z - era * 146097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int64_t month = mp < 10 ? mp + 3 : mp - 9;
  const int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{}", year, month, doy - (153 * mp + 2) / 5 + 1,
                     within / 36000, within / 600 % 60, within / 10 % 60, within % 10);
}

std::optional<double> parse_ra(std::string_view text) {
  const auto degrees = parse_degrees(text, 'h', 15, false);
  if (!degrees || std::abs(*degrees) > 360) return std::nullopt;
  return wrap_2pi(*degrees * kDegree);
}

std::optional<double> parse_dec(std::string_view text) {
  const auto degrees = parse_degrees(text, 'd', 1, true);
  if (!degrees || std::abs(*degrees) > 90) return std::nullopt;
  return *degrees * kDegree;
}

}  // namespace fringeflow::io
