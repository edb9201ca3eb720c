// SPDX-License-Identifier: GPL-3.0-or-later
#include <spdlog/spdlog.h>

#include <cmath>
#include <map>

#include "graphs/predict/predict.hpp"

namespace fringeflow::graphs {
namespace {

/// Position angle in the (l, m) plane: away from the phase centre, north is not along m.
double angle_in_plane(const io::SkyComponent& component, const Direction& centre) {
  if (!component.pa_is_absolute || component.is_point()) return component.pa_rad;
  constexpr double kStep = 1e-6;
  const auto from = io::lmn_of(centre, {component.ra_rad, component.dec_rad - kStep}),
             to = io::lmn_of(centre, {component.ra_rad, component.dec_rad + kStep});
  return component.pa_rad + std::atan2(to.l - from.l, to.m - from.m);
}

}  // namespace

std::shared_ptr<const std::vector<SourceGroup>> source_groups(std::span<const io::SkyComponent> components,
                                                              const Direction& centre,
                                                              std::span<const double> freq_hz,
                                                              int64_t stokes) {
  auto groups = std::make_shared<std::vector<SourceGroup>>();
  std::map<std::array<double, 3>, size_t> by_shape;
  int64_t below = 0;
  for (const auto& component : components) {
    const auto lmn = io::lmn_of(centre, {component.ra_rad, component.dec_rad});
    if (lmn.n_minus_1 < -1) {
      ++below;
      continue;
    }
    const std::array<double, 3> shape{component.major_rad, component.minor_rad,
                                      angle_in_plane(component, centre)};
    const auto [entry, fresh] = by_shape.try_emplace(shape, groups->size());
    if (fresh) {
      groups->emplace_back();
      groups->back().major_rad = component.major_rad;
      groups->back().minor_rad = component.minor_rad;
      groups->back().pa_rad = shape[2];
    }
    auto& group = (*groups)[entry->second];
    group.lmn.insert(group.lmn.end(), {lmn.l, lmn.m, lmn.n_minus_1});
    for (const double freq : freq_hz) {
      const auto flux = component.flux_jy(freq);
      group.flux_jy.insert(group.flux_jy.end(), flux.begin(), flux.begin() + stokes);
    }
  }
  if (below > 0)
    spdlog::warn("{} sources are more than 90 degrees from the phase centre and are left out", below);
  return groups;
}

int64_t stokes_needed(std::span<const io::SkyComponent> components) {
  for (const auto& component : components)
    if (component.stokes_jy[1] != 0 || component.stokes_jy[2] != 0 || component.stokes_jy[3] != 0) return 4;
  return 1;
}

}  // namespace fringeflow::graphs
