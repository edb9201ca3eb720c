// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numbers>
#include <span>

#include "io/error.hpp"

namespace fringeflow {
namespace {

struct Unit {
  const char* name;
  double factor;  ///< base units in one of it
};

constexpr double kDegree = std::numbers::pi / 180;
constexpr std::array kAngle{Unit{"uas", kDegree / 3600e6}, Unit{"mas", kDegree / 3600e3},
                            Unit{"asec", kDegree / 3600},  Unit{"arcsec", kDegree / 3600},
                            Unit{"amin", kDegree / 60},    Unit{"arcmin", kDegree / 60},
                            Unit{"deg", kDegree},          Unit{"rad", 1}};
constexpr std::array kFrequency{Unit{"Hz", 1}, Unit{"kHz", 1e3}, Unit{"MHz", 1e6}, Unit{"GHz", 1e9}};
constexpr std::array kDuration{Unit{"s", 1}, Unit{"min", 60}, Unit{"h", 3600}};
constexpr std::array kFlux{Unit{"uJy", 1e-6}, Unit{"mJy", 1e-3}, Unit{"Jy", 1}};
constexpr std::array kLength{Unit{"m", 1}, Unit{"km", 1e3}};
constexpr std::array kBytes{Unit{"kB", 1e3},           Unit{"MB", 1e6},
                            Unit{"GB", 1e9},           Unit{"TB", 1e12},
                            Unit{"KiB", 1024},         Unit{"MiB", 1024.0 * 1024},
                            Unit{"GiB", 1073741824.0}, Unit{"TiB", 1099511627776.0}};
constexpr std::array kUv{Unit{"lambda", 1}, Unit{"klambda", 1e3}, Unit{"m", 1}, Unit{"km", 1e3}};
constexpr std::array kThreshold{Unit{"sigma", 1}, Unit{"uJy", 1e-6}, Unit{"mJy", 1e-3}, Unit{"Jy", 1}};

std::span<const Unit> units_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::angle:
      return kAngle;
    case Dimension::frequency:
      return kFrequency;
    case Dimension::duration:
      return kDuration;
    case Dimension::flux:
      return kFlux;
    case Dimension::length:
      return kLength;
    case Dimension::bytes:
      return kBytes;
  }
  return {};
}

std::string join_names(std::span<const Unit> units) {
  std::string names;
  for (const Unit& unit : units) names += (names.empty() ? "" : ", ") + std::string(unit.name);
  return names;
}

[[noreturn]] void fail(std::string_view text, const std::string& why) {
  throw UserError(fmt::format("'{}' {}", trim(text), why));
}

/// Reads a number at the start of `text` and removes it; false when there is none.
bool take_number(std::string_view& text, double& value) {
  std::string_view rest = trim(text);
  if (rest.starts_with('+') && !rest.starts_with("+-")) rest.remove_prefix(1);
  // from_chars also reads "inf" and "nan", which are no values here.
  const std::size_t first = rest.starts_with('-') ? 1 : 0;
  if (rest.size() <= first || (rest[first] != '.' && (rest[first] < '0' || rest[first] > '9'))) return false;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return false;
  text = rest.substr(static_cast<std::size_t>(end - rest.data()));
  return true;
}

struct Measured {
  double value = 0;
  const Unit* unit = nullptr;  ///< null when none was written
};

/// A number and perhaps one of `units`.
Measured parse_measured(std::string_view text, std::span<const Unit> units) {
  Measured result;
  std::string_view rest = text;
  if (!take_number(rest, result.value))
    fail(text, fmt::format("is not a number with a unit ({})", join_names(units)));
  rest = trim(rest);
  if (rest.empty()) return result;
  for (const Unit& unit : units) {
    if (rest == unit.name) {
      result.unit = &unit;
      return result;
    }
  }
  fail(text, fmt::format("has an unknown unit '{}'; accepted: {}", rest, join_names(units)));
}

/// Splits "a..b" or "a~b"; a text without a separator is one value, both ends.
struct Ends {
  std::string_view begin, end;
  bool is_range = false;
};

Ends split_range(std::string_view text) {
  text = trim(text);
  std::size_t at = text.find(".."), length = 2;
  if (at == std::string_view::npos) {
    at = text.find('~');
    length = 1;
  }
  if (at == std::string_view::npos) return {text, text, false};
  const Ends ends{trim(text.substr(0, at)), trim(text.substr(at + length)), true};
  if (ends.begin.empty() && ends.end.empty()) fail(text, "is a range without ends; accepted: a..b, a.., ..b");
  return ends;
}

void check_order(std::string_view text, const Range& range) {
  if (range.begin && range.end && *range.begin > *range.end) fail(text, "ends before it begins");
}

int take_digits(std::string_view text, std::size_t at, std::size_t count, std::string_view whole) {
  int value = 0;
  if (at + count > text.size())
    fail(whole, "is not a time; accepted: 2026-01-01T00:00:00, MJD in days or in seconds");
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      fail(whole, "is not a time; accepted: 2026-01-01T00:00:00, MJD in days or in seconds");
    }
    value = 10 * value + (text[i] - '0');
  }
  return value;
}

/// Days of the proleptic Gregorian calendar since 1858-11-17, the zero of MJD.
int64_t mjd_of(int64_t year, int month, int day) {
  // Years run from March, so that the leap day is the last of its year.
  const int64_t y = month <= 2 ? year - 1 : year;
  const int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 678881;
}

constexpr double kSecondsPerDay = 86400;
constexpr double kDaysLimit =
    1e6;  ///< numbers below are MJD in days, from here on in seconds (11 days after 1858)

/// "hh:mm:ss.s", "02h03m04.5s", "-30d12m11s": the value in the unit of its first part.
bool parse_sexagesimal(std::string_view text, bool& hours, double& value) {
  text = trim(text);
  double sign = 1;
  if (text.starts_with('-') || text.starts_with('+')) {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  const bool colons = text.find(':') != std::string_view::npos;
  const std::size_t letter = text.find_first_of("hd");
  if (!colons && (letter == std::string_view::npos || text.substr(letter).starts_with("deg"))) return false;
  const char separators[3] = {colons ? ':' : text[letter], colons ? ':' : 'm', 's'};
  if (!colons) hours = text[letter] == 'h';
  double part[3] = {0, 0, 0};
  std::size_t count = 0;
  for (; count < 3 && !text.empty(); ++count) {
    if (text[0] < '0' || text[0] > '9' || !take_number(text, part[count])) return false;
    if (count > 0 && part[count] >= 60) return false;
    // The last part of the form with colons, and the seconds' letter, may be left out.
    if (text.starts_with(separators[count])) {
      if (colons && count == 2) return false;
      text.remove_prefix(1);
    } else if (!text.empty() || (!colons && count < 2)) {
      return false;
    }
  }
  if (!text.empty() || count == 0 || part[0] != std::floor(part[0])) return false;
  value = sign * (part[0] + part[1] / 60 + part[2] / 3600);
  return true;
}

double parse_coordinate(std::string_view text, bool right_ascension, std::string_view whole) {
  bool hours = right_ascension;
  double value = 0;
  if (parse_sexagesimal(text, hours, value)) {
    if (hours && !right_ascension) fail(whole, "has a declination in hours");
    return value * kDegree * (hours ? 15 : 1);
  }
  std::string_view rest = text;
  if (!take_number(rest, value)) {
    fail(whole,
         "is not a direction RA,DEC; accepted: 30deg,-30deg, 02h03m04.5s,-30d12m11s, 02:03:04.5,-30:12:11");
  }
  if (trim(rest).empty())
    fail(whole, fmt::format("has no unit at '{}'; write for example 30deg,-30deg", trim(text)));
  return parse_quantity(text, Dimension::angle);
}

}  // namespace

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string unit_names(Dimension dimension) { return join_names(units_of(dimension)); }

double parse_quantity(std::string_view text, Dimension dimension) {
  const std::span<const Unit> units = units_of(dimension);
  const Measured measured = parse_measured(text, units);
  if (measured.unit == nullptr) fail(text, fmt::format("has no unit; accepted: {}", join_names(units)));
  return measured.value * measured.unit->factor;
}

double parse_number(std::string_view text) {
  double value = 0;
  std::string_view rest = text;
  if (!take_number(rest, value)) fail(text, "is not a number");
  if (!trim(rest).empty()) fail(text, "is not a plain number (it takes no unit)");
  return value;
}

int64_t parse_integer(std::string_view text) {
  const std::string_view digits = trim(text);
  int64_t whole = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), whole);
  if (error == std::errc() && end == digits.data() + digits.size()) return whole;
  double value = 0;
  std::string_view rest = text;
  if (!take_number(rest, value) || !trim(rest).empty() || value != std::floor(value) ||
      std::abs(value) > 9e15) {
    fail(text, "is not a whole number");
  }
  return static_cast<int64_t>(value);
}

int64_t parse_bytes(std::string_view text) {
  const double bytes = parse_quantity(text, Dimension::bytes);
  if (bytes < 0 || bytes > 9e18) fail(text, "is not an amount of memory");
  return static_cast<int64_t>(bytes);
}

Threshold parse_threshold(std::string_view text) {
  const Measured measured = parse_measured(text, kThreshold);
  if (measured.unit == nullptr) fail(text, fmt::format("has no unit; accepted: {}", join_names(kThreshold)));
  if (measured.value < 0) fail(text, "is negative");
  const bool sigma = measured.unit == &kThreshold[0];
  return {sigma ? ThresholdKind::sigma : ThresholdKind::jansky, measured.value * measured.unit->factor};
}

UvRange parse_uv_range(std::string_view text) {
  const Ends ends = split_range(text);
  if (!ends.is_range) fail(text, "is not a range; accepted: 100..30000lambda, 1..30klambda, ..2km");
  Measured begin, end;
  if (!ends.begin.empty()) begin = parse_measured(ends.begin, kUv);
  if (!ends.end.empty()) end = parse_measured(ends.end, kUv);
  if (begin.unit == nullptr && !ends.begin.empty()) begin.unit = end.unit;
  const Unit* unit = ends.end.empty() ? begin.unit : end.unit;
  if (unit == nullptr) fail(text, fmt::format("has no unit; accepted: {}", join_names(kUv)));
  const auto in_wavelengths = [](const Unit* u) { return u == &kUv[0] || u == &kUv[1]; };
  UvRange result;
  result.wavelengths = in_wavelengths(unit);
  if (!ends.begin.empty()) {
    if (in_wavelengths(begin.unit) != result.wavelengths) fail(text, "mixes wavelengths and metres");
    result.range.begin = begin.value * begin.unit->factor;
  }
  if (!ends.end.empty()) result.range.end = end.value * end.unit->factor;
  if (result.range.begin.value_or(0) < 0 || result.range.end.value_or(0) < 0)
    fail(text, "has a negative end");
  check_order(text, result.range);
  return result;
}

Range parse_integer_range(std::string_view text) {
  const Ends ends = split_range(text);
  Range range;
  if (!ends.is_range) {
    range.begin = range.end = static_cast<double>(parse_integer(text));
  } else {
    if (!ends.begin.empty()) range.begin = static_cast<double>(parse_integer(ends.begin));
    if (!ends.end.empty()) range.end = static_cast<double>(parse_integer(ends.end));
  }
  if (range.begin.value_or(0) < 0 || range.end.value_or(0) < 0) fail(text, "has a negative end");
  check_order(text, range);
  return range;
}

Range parse_time_range(std::string_view text) {
  const Ends ends = split_range(text);
  if (!ends.is_range) fail(text, "is not a range of times; accepted: a..b, a.., ..b");
  Range range;
  if (!ends.begin.empty()) range.begin = parse_time(ends.begin);
  if (!ends.end.empty()) range.end = parse_time(ends.end);
  check_order(text, range);
  return range;
}

double parse_time(std::string_view text) {
  const std::string_view whole = trim(text);
  if (whole.size() < 10 || whole[4] != '-' || whole[7] != '-') {
    double value = 0;
    std::string_view rest = whole;
    if (!take_number(rest, value) || !rest.empty()) {
      fail(text, "is not a time; accepted: 2026-01-01T00:00:00, MJD in days or in seconds");
    }
    return std::abs(value) < kDaysLimit ? value * kSecondsPerDay : value;
  }
  const int year = take_digits(whole, 0, 4, text), month = take_digits(whole, 5, 2, text),
            day = take_digits(whole, 8, 2, text);
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  const std::array month_days{31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1 || day > month_days[static_cast<std::size_t>(month - 1)])
    fail(text, "is not a date");
  double seconds = static_cast<double>(mjd_of(year, month, day)) * kSecondsPerDay;
  std::string_view rest = whole.substr(10);
  if (rest.ends_with('Z')) rest.remove_suffix(1);
  if (rest.empty()) return seconds;
  const bool shaped = (rest[0] == 'T' || rest[0] == ' ') && rest.size() >= 6 && rest[3] == ':' &&
                      (rest.size() == 6 || (rest.size() >= 9 && rest[6] == ':'));
  if (!shaped) fail(text, "is not a time; accepted: 2026-01-01T00:00:00 (UTC)");
  const int hour = take_digits(rest, 1, 2, text), minute = take_digits(rest, 4, 2, text);
  double second = 0;
  if (rest.size() > 6) {
    take_digits(rest, 7, 2, text);
    second = parse_number(rest.substr(7));
  }
  if (hour > 23 || minute > 59 || second >= 61) fail(text, "is not a time of day");
  return seconds + hour * 3600.0 + minute * 60.0 + second;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> pieces;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view piece = trim(text.substr(begin, comma - begin));
    if (piece.empty()) fail(text, "has an empty item");
    pieces.emplace_back(piece);
    begin = comma + 1;
  }
  return pieces;
}

Direction parse_direction(std::string_view text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos || text.find(',', comma + 1) != std::string_view::npos) {
    fail(text,
         "is not a direction RA,DEC; accepted: 30deg,-30deg, 02h03m04.5s,-30d12m11s, 02:03:04.5,-30:12:11");
  }
  Direction direction{parse_coordinate(text.substr(0, comma), true, text),
                      parse_coordinate(text.substr(comma + 1), false, text)};
  if (std::abs(direction.dec_rad) > 90 * kDegree * (1 + 1e-12)) fail(text, "has a declination beyond 90deg");
  if (std::abs(direction.ra_rad) > 360 * kDegree * (1 + 1e-12))
    fail(text, "has a right ascension beyond 360deg");
  return direction;
}

std::vector<int64_t> parse_size(std::string_view text) {
  std::string_view whole = trim(text);
  const std::size_t separator = whole.find_first_of(",x");
  if (separator == std::string_view::npos) {
    const int64_t n = parse_integer(whole);
    return {n, n};
  }
  return {parse_integer(whole.substr(0, separator)), parse_integer(whole.substr(separator + 1))};
}

}  // namespace fringeflow
