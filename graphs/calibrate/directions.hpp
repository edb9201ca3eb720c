// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "io/catalogue.hpp"
#include "io/correlations.hpp"
#include "io/h5parm.hpp"
#include "io/options_calibrate.hpp"

namespace fringeflow::graphs {

class RunRecord;

/// CalibrateJob::directions as a number of clusters; nothing where it is a file. Throws UserError for less than 1.
std::optional<int64_t> cluster_count(const std::string& directions);

/// Whether a job is for the solver of gains with directions, which also smooths, reweighs and fits electron contents.
bool needs_directions(const CalibrateJob& job);

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

struct DirectionsSolved {
  io::DirectionalGains gains;
  double io_s = 0;  ///< that its tasks spent on reading
};

/// Solves, writes the h5parm (with an axis dir when there are directions) and the facets, reports. For job.apply_column, which takes one
/// direction, the data are corrected then. Throws UserError and RunError.
/// @param record of the job, of which it then leaves a run directory; null: it is part of another one
DirectionsSolved calibrate_directions(const CalibrateJob& job, const io::CorrelationSelection& rows,
                                      RunRecord* record);

/// Corrects rows for gains and writes them to a column, with flags where there are none.
void write_corrected(const std::string& path, io::CorrelationSelection rows, const std::string& column);

}  // namespace fringeflow::graphs
