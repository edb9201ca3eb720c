// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A model's components divided among directions.
#include <optional>
#include <string>
#include <vector>

#include "io/catalogue.hpp"

namespace fringeflow::graphs {

/// CalibrateJob::directions as a number of clusters; nothing where it is a file. Throws UserError for less than 1.
std::optional<int64_t> cluster_count(const std::string& directions);

/// A direction, and the components of the model around it.
struct DirectionModel {
  std::string name;
  Direction direction;
  std::vector<io::SkyComponent> components;
};

/// Clusters of a model's components by Lloyd's algorithm with their fluxes as weights, from the brightest and what is farthest from those
/// taken, measured by flux times distance squared; the same for the same model. Throws UserError for more clusters than components.
std::vector<DirectionModel> cluster(std::vector<io::SkyComponent> components, int64_t count);

/// Components by their nearest direction. Throws UserError naming a direction that gets none.
std::vector<DirectionModel> divide(std::vector<io::SkyComponent> components, std::vector<std::string> names,
                                   std::vector<Direction> directions, const std::string& path);

/// As CalibrateJob::directions says; one direction, `centre`, where that is empty. Throws UserError.
std::vector<DirectionModel> direction_models(const std::string& directions,
                                             std::vector<io::SkyComponent> components,
                                             const Direction& centre);

}  // namespace fringeflow::graphs
