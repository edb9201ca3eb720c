// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/layout.hpp"

#include "io/measurement_set_impl.hpp"  // before casacore

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "io/constants.hpp"
#include "io/error.hpp"

namespace fringeflow::io {
namespace {

struct Line {
  int number = 0;
  std::vector<std::string> words;
};

std::vector<Line> read_lines(const std::string& file) {
  std::ifstream in(file);
  std::error_code ignored;
  if (!in || std::filesystem::is_directory(file, ignored))
    throw UserError(fmt::format("'{}' cannot be read", file));
  std::vector<Line> lines;
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    Line line{number, {}};
    std::string word;
    for (char c : text.substr(0, text.find('#')) + ' ') {
      if (c != ' ' && c != '\t' && c != ',' && c != '\r') {
        word += c;
      } else if (!word.empty()) {
        line.words.push_back(std::move(word));
        word.clear();
      }
    }
    if (!line.words.empty()) lines.push_back(std::move(line));
  }
  if (in.bad()) throw UserError(fmt::format("'{}' cannot be read to its end", file));
  return lines;
}

double number(const std::string& file, const Line& line, size_t column, const char* what) {
  const std::string& word = line.words[column];
  double value = 0;
  const char* begin = word.data() + (word[0] == '+' ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) {
    throw UserError(
        fmt::format("{}:{}: {} is '{}', which is not a finite number", file, line.number, what, word));
  }
  return value;
}

void need_columns(const std::string& file, const Line& line, size_t least, const char* what) {
  if (line.words.size() < least)
    throw UserError(
        fmt::format("{}:{}: needs {}, has {} column(s)", file, line.number, what, line.words.size()));
}

constexpr double kRadius = 6378137, kFlattening = 1 / 298.257223563;  // WGS84

}  // namespace

GeographicPosition read_position(const std::string& position_file) {
  const auto lines = read_lines(position_file);
  if (lines.empty())
    throw UserError(fmt::format("{}:1: needs a longitude and a latitude in degrees", position_file));
  const Line& line = lines.front();
  need_columns(position_file, line, 2, "longitude and latitude in degrees");
  const double longitude = number(position_file, line, 0, "the longitude"),
               latitude = number(position_file, line, 1, "the latitude");
  const double height = line.words.size() > 2 ? number(position_file, line, 2, "the height") : 0;
  if (std::abs(longitude) > 360 || std::abs(latitude) > 90 || std::abs(height) > 1e5) {
    throw UserError(fmt::format("{}:{}: {} {} is not a longitude and a latitude in degrees", position_file,
                                line.number, line.words[0], line.words[1]));
  }
  return {longitude * kPi / 180, latitude * kPi / 180, height};
}

void horizon_to_itrf(const GeographicPosition& origin, const double (&enu_m)[3], double (&itrf_m)[3]) {
  const double sl = std::sin(origin.longitude_rad), cl = std::cos(origin.longitude_rad);
  const double sb = std::sin(origin.latitude_rad), cb = std::cos(origin.latitude_rad);
  const double e2 = kFlattening * (2 - kFlattening), n = kRadius / std::sqrt(1 - e2 * sb * sb);
  const double r = (n + origin.height_m) * cb, z = (n * (1 - e2) + origin.height_m) * sb;
  const double outward = cb * enu_m[2] - sb * enu_m[1];
  itrf_m[0] = r * cl + cl * outward - sl * enu_m[0];
  itrf_m[1] = r * sl + sl * outward + cl * enu_m[0];
  itrf_m[2] = z + sb * enu_m[2] + cb * enu_m[1];
}

std::vector<Antenna> read_layout(const std::string& layout_file, const std::string& position_file) {
  const bool itrf = position_file.empty();
  const auto origin = itrf ? GeographicPosition{} : read_position(position_file);
  std::vector<Antenna> antennas;
  int last = 1;
  for (const Line& line : read_lines(layout_file)) {
    last = line.number;
    need_columns(layout_file, line, itrf ? 3 : 2,
                 itrf ? "X, Y and Z in metres (or a position file, if these are east and north)"
                      : "east and north in metres");
    double xyz[3] = {0, 0, 0};
    for (size_t i = 0; i < 3 && i < line.words.size(); ++i) {
      xyz[i] = number(layout_file, line, i,
                      itrf ? (i == 0   ? "X"
                              : i == 1 ? "Y"
                                       : "Z")
                           : (i == 0   ? "east"
                              : i == 1 ? "north"
                                       : "up"));
    }
    Antenna antenna;
    antenna.name = fmt::format("S{:03}", antennas.size());
    if (itrf) {
      std::copy(xyz, xyz + 3, antenna.position_m);
      if (line.words.size() > 3) antenna.diameter_m = number(layout_file, line, 3, "the diameter");
      if (line.words.size() > 4) antenna.name = line.words[4];
      const double radius = std::hypot(xyz[0], xyz[1], xyz[2]);
      if (radius < 6.3e6 || radius > 6.5e6) {
        throw UserError(fmt::format(
            "{}:{}: {} {} {} is not on the Earth's surface in ITRF; east, north, up need a position file",
            layout_file, line.number, line.words[0], line.words[1], line.words[2]));
      }
    } else {
      if (std::hypot(xyz[0], xyz[1], xyz[2]) > 6e6) {
        throw UserError(fmt::format(
            "{}:{}: {} {} is too far from the layout's origin; ITRF positions need no position file",
            layout_file, line.number, line.words[0], line.words[1]));
      }
      horizon_to_itrf(origin, xyz, antenna.position_m);
    }
    antenna.station = antenna.name;
    antennas.push_back(antenna);
  }
  if (antennas.size() < 2) {
    throw UserError(fmt::format("{}:{}: {} station(s), an interferometer needs at least two", layout_file,
                                last, antennas.size()));
  }
  return antennas;
}

std::vector<Antenna> antennas_of_set(const std::string& path) {
  detail::quieten_casacore();
  const auto antennas = detail::read_subtables(detail::open_measurement_set(path, false), path).antennas;
  if (antennas.size() < 2)
    throw UserError(
        fmt::format("'{}' has {} antenna(s), an interferometer needs at least two", path, antennas.size()));
  return antennas;
}

}  // namespace fringeflow::io
