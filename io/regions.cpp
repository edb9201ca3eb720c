// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/regions.hpp"

#include <fmt/format.h>

#include <cmath>

#include "io/atomic_file.hpp"
#include "io/constants.hpp"
#include "io/error.hpp"
#include "io/text_table.hpp"

namespace fringeflow::io {
namespace {

constexpr double kDegree = kPi / 180;

/// The part of a convex polygon that is nearer to a than to b.
std::vector<Pixel> clipped(const std::vector<Pixel>& polygon, const Pixel& a, const Pixel& b) {
  const double nx = b.x - a.x, ny = b.y - a.y, limit = nx * (a.x + b.x) / 2 + ny * (a.y + b.y) / 2;
  const auto beyond = [&](const Pixel& p) { return nx * p.x + ny * p.y - limit; };
  std::vector<Pixel> out;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Pixel &from = polygon[i], &to = polygon[(i + 1) % polygon.size()];
    const double at = beyond(from), next = beyond(to);
    if (at <= 0) out.push_back(from);
    if ((at < 0 && next > 0) || (at > 0 && next < 0)) {
      const double f = at / (at - next);
      out.push_back({from.x + f * (to.x - from.x), from.y + f * (to.y - from.y)});
    }
  }
  return out;
}

/// Numbers between the parentheses that follow `start`, as pairs of angles.
std::vector<Direction> directions_in(const std::string& path, const TextLine& line, size_t start) {
  const size_t open = line.text.find('(', start), close = line.text.find(')', start);
  if (open == std::string::npos || close == std::string::npos || close < open)
    fail_at(path, line.number, "a region needs its coordinates in parentheses");
  const auto fields = split_fields(std::string_view(line.text).substr(open + 1, close - open - 1));
  if (fields.size() % 2 != 0 || fields.empty())
    fail_at(path, line.number, "coordinates come in pairs of right ascension and declination");
  std::vector<Direction> out;
  for (size_t i = 0; i < fields.size(); i += 2) {
    const auto ra = parse_ra(fields[i]), dec = parse_dec(fields[i + 1]);
    if (!ra || !dec)
      fail_at(path, line.number, fmt::format("'{}, {}' is not a direction", fields[i], fields[i + 1]));
    out.push_back({*ra, *dec});
  }
  return out;
}

std::string text_of(const std::string& line) {
  const size_t at = line.find("text=");
  if (at == std::string::npos || at + 6 >= line.size()) return {};
  const char open = line[at + 5], close = open == '{' ? '}' : open;
  if (open != '{' && open != '"' && open != '\'') return line.substr(at + 5, line.find(' ', at + 5) - at - 5);
  const size_t end = line.find(close, at + 6);
  return end == std::string::npos ? std::string{} : line.substr(at + 6, end - at - 6);
}

Direction mean_of(const std::vector<Direction>& corners) {
  double x = 0, y = 0, z = 0;
  for (const auto& c : corners) {
    x += std::cos(c.dec_rad) * std::cos(c.ra_rad);
    y += std::cos(c.dec_rad) * std::sin(c.ra_rad);
    z += std::sin(c.dec_rad);
  }
  const double ra = std::atan2(y, x);
  return {ra < 0 ? ra + 2 * kPi : ra, std::atan2(z, std::hypot(x, y))};
}

}  // namespace

std::vector<Facet> voronoi_facets(std::span<const Direction> directions, std::span<const std::string> names,
                                  const ImageGrid& grid) {
  std::vector<std::optional<Pixel>> at;
  for (const auto& one : directions) at.push_back(grid.pixel_of(one));
  std::vector<Facet> facets;
  for (size_t d = 0; d < directions.size(); ++d) {
    Facet facet{d < names.size() ? names[d] : fmt::format("[D{}]", d), directions[d], {}};
    if (at[d]) {
      const double right = static_cast<double>(grid.nx) - 0.5, top = static_cast<double>(grid.ny) - 0.5;
      std::vector<Pixel> cell{{-0.5, -0.5}, {right, -0.5}, {right, top}, {-0.5, top}};
      for (size_t e = 0; e < directions.size() && !cell.empty(); ++e)
        if (e != d && at[e]) cell = clipped(cell, *at[d], *at[e]);
      for (const auto& corner : cell)
        if (const auto direction = grid.direction_at(corner.x, corner.y)) facet.corners.push_back(*direction);
    }
    facets.push_back(std::move(facet));
  }
  return facets;
}

std::vector<int32_t> voronoi_map(std::span<const Direction> directions, const ImageGrid& grid) {
  std::vector<std::optional<Pixel>> at;
  for (const auto& one : directions) at.push_back(grid.pixel_of(one));
  std::vector<int32_t> map(static_cast<size_t>(grid.nx * grid.ny), -1);
  for (int64_t y = 0; y < grid.ny; ++y)
    for (int64_t x = 0; x < grid.nx; ++x) {
      const auto px = static_cast<double>(x), py = static_cast<double>(y);
      if (std::hypot(px - grid.x0, py - grid.y0) * grid.cell_rad > 1) continue;
      double nearest = INFINITY;
      for (size_t d = 0; d < at.size(); ++d) {
        if (!at[d]) continue;
        const double distance = (px - at[d]->x) * (px - at[d]->x) + (py - at[d]->y) * (py - at[d]->y);
        if (distance < nearest) {
          nearest = distance;
          map[static_cast<size_t>(y * grid.nx + x)] = static_cast<int32_t>(d);
        }
      }
    }
  return map;
}

void write_facets(const std::string& path, std::span<const Facet> facets) {
  std::string text = "# Region file format: DS9 version 4.1\nglobal color=green width=1 select=1\nfk5\n";
  const auto pair = [](const Direction& d) {
    return fmt::format("{:.8f},{:.8f}", d.ra_rad / kDegree, d.dec_rad / kDegree);
  };
  for (const auto& facet : facets) {
    if (facet.corners.size() >= 3) {
      text += "polygon(";
      for (size_t i = 0; i < facet.corners.size(); ++i) {
        if (i > 0) text += ',';
        text += pair(facet.corners[i]);
      }
      text += ")\n";
    }
    text += fmt::format("point({}) # text={{{}}}\n", pair(facet.centre), facet.name);
  }
  write_file(path, text);
}

std::vector<Facet> read_facets(const std::string& path) {
  std::vector<Facet> facets;
  bool awaits_centre = false, system = false;
  for (const auto& line : read_lines(path)) {
    const size_t polygon = line.text.find("polygon("), point = line.text.find("point(");
    if (line.text.find("fk5") == 0 || line.text.find("icrs") == 0 ||
        line.text.find("fk5;") != std::string::npos || line.text.find("icrs;") != std::string::npos)
      system = true;
    if (line.text.starts_with("image") || line.text.starts_with("physical") ||
        line.text.starts_with("galactic") || line.text.starts_with("fk4"))
      fail_at(path, line.number, "regions must be in fk5 or icrs");
    if (polygon == std::string::npos && point == std::string::npos) continue;
    if (!system) fail_at(path, line.number, "no system of coordinates before this region: fk5 or icrs");
    const auto directions = directions_in(path, line, polygon != std::string::npos ? polygon : point);
    if (polygon != std::string::npos) {
      if (directions.size() < 3) fail_at(path, line.number, "a polygon has at least three corners");
      facets.push_back({text_of(line.text), mean_of(directions), directions});
      awaits_centre = true;
    } else if (awaits_centre) {
      facets.back().centre = directions.front();
      if (const auto name = text_of(line.text); !name.empty()) facets.back().name = name;
      awaits_centre = false;
    } else {
      facets.push_back({text_of(line.text), directions.front(), {}});
    }
  }
  if (facets.empty()) throw UserError(path + " has neither polygons nor points: it names no directions");
  for (size_t i = 0; i < facets.size(); ++i)
    if (facets[i].name.empty()) facets[i].name = fmt::format("[D{}]", i);
  return facets;
}

}  // namespace fringeflow::io
