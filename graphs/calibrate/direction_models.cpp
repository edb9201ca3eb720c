// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/direction_models.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "io/error.hpp"
#include "io/regions.hpp"

namespace fringeflow::graphs {
namespace {

using Vector = std::array<double, 3>;

Vector vector_of(double ra, double dec) {
  return {std::cos(dec) * std::cos(ra), std::cos(dec) * std::sin(ra), std::sin(dec)};
}

Direction direction_of(const Vector& v) {
  const double ra = std::atan2(v[1], v[0]);
  return {ra < 0 ? ra + 2 * M_PI : ra, std::atan2(v[2], std::hypot(v[0], v[1]))};
}

double distance2(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < 3; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

size_t nearest(const std::vector<Vector>& centres, const Vector& at) {
  size_t best = 0;
  for (size_t c = 1; c < centres.size(); ++c)
    if (distance2(centres[c], at) < distance2(centres[best], at)) best = c;
  return best;
}

double flux_of(const io::SkyComponent& component) { return std::abs(component.stokes_jy[0]); }

}  // namespace

std::optional<int64_t> cluster_count(const std::string& directions) {
  int64_t count = 0;
  const char* end = directions.data() + directions.size();
  const auto [at, error] = std::from_chars(directions.data(), end, count);
  if (error != std::errc() || at != end) return std::nullopt;
  if (count < 1) throw UserError("directions: at least 1");
  return count;
}

std::vector<DirectionModel> cluster(std::vector<io::SkyComponent> components, int64_t count) {
  if (count > static_cast<int64_t>(components.size()))
    throw UserError(fmt::format("directions: {} clusters of {} components", count, components.size()));
  std::vector<Vector> at;
  for (const auto& one : components) at.push_back(vector_of(one.ra_rad, one.dec_rad));
  std::vector<Vector> centres;
  while (static_cast<int64_t>(centres.size()) < count) {
    size_t best = 0;
    double most = -1;
    for (size_t i = 0; i < at.size(); ++i) {
      const double far = centres.empty() ? 1 : distance2(centres[nearest(centres, at[i])], at[i]);
      if (flux_of(components[i]) * far > most) {
        most = flux_of(components[i]) * far;
        best = i;
      }
    }
    centres.push_back(at[best]);
  }
  for (int round = 0; round < 100; ++round) {
    std::vector<Vector> sum(centres.size(), Vector{});
    for (size_t i = 0; i < at.size(); ++i) {
      auto& to = sum[nearest(centres, at[i])];
      for (size_t k = 0; k < 3; ++k) to[k] += flux_of(components[i]) * at[i][k];
    }
    double moved = 0;
    for (size_t c = 0; c < centres.size(); ++c) {
      const double size = std::sqrt(distance2(sum[c], {}));
      if (!(size > 0)) continue;  // nothing is nearest to it: it stays
      for (auto& x : sum[c]) x /= size;
      moved = std::max(moved, distance2(sum[c], centres[c]));
      centres[c] = sum[c];
    }
    if (moved < 1e-24) break;
  }
  std::vector<std::string> names;
  std::vector<Direction> directions;
  for (size_t c = 0; c < centres.size(); ++c) {
    names.push_back(fmt::format("[D{}]", c));
    directions.push_back(direction_of(centres[c]));
  }
  return divide(std::move(components), std::move(names), std::move(directions), "directions");
}

std::vector<DirectionModel> divide(std::vector<io::SkyComponent> components, std::vector<std::string> names,
                                   std::vector<Direction> directions, const std::string& path) {
  std::vector<Vector> centres;
  std::vector<DirectionModel> models;
  for (size_t d = 0; d < directions.size(); ++d) {
    centres.push_back(vector_of(directions[d].ra_rad, directions[d].dec_rad));
    models.push_back({names[d], directions[d], {}});
  }
  for (auto& one : components)
    models[nearest(centres, vector_of(one.ra_rad, one.dec_rad))].components.push_back(std::move(one));
  for (const auto& model : models)
    if (model.components.empty())
      throw UserError(fmt::format("{}: no component of the model is nearest to direction {} ({} {})", path,
                                  model.name, io::format_ra(model.direction.ra_rad),
                                  io::format_dec(model.direction.dec_rad)));
  return models;
}

std::vector<DirectionModel> direction_models(const std::string& directions,
                                             std::vector<io::SkyComponent> components,
                                             const Direction& centre) {
  if (directions.empty()) return {{"[D0]", centre, std::move(components)}};
  if (const auto count = cluster_count(directions)) return cluster(std::move(components), *count);
  std::vector<std::string> names;
  std::vector<Direction> centres;
  for (const auto& facet : io::read_facets(directions)) {
    names.push_back(facet.name);
    centres.push_back(facet.centre);
  }
  return divide(std::move(components), std::move(names), std::move(centres), directions);
}

}  // namespace fringeflow::graphs
