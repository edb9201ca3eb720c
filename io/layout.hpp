// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Station layouts as text, numbers separated by commas or blanks, # comments:
/// - horizon plane: east, north[, up] in metres, with the longitude and latitude of their origin in a second
/// file;
/// - ITRF: X, Y, Z in metres[, diameter in metres[, name[, mount]]].
#include <string>
#include <vector>

#include "io/measurement_set.hpp"

namespace fringeflow::io {

/// Origin of a horizon-plane layout, WGS84.
struct GeographicPosition {
  double longitude_rad = 0, latitude_rad = 0, height_m = 0;
};

/// Stations in ITRF.
/// @param position_file longitude latitude [height] in degrees and metres; empty if the layout is in ITRF
/// Throws UserError with FILE:LINE: not a number, NaN, too few columns, positions that are not on the Earth,
/// fewer than two stations.
std::vector<Antenna> read_layout(const std::string& layout_file, const std::string& position_file);

/// The antennas of an existing MeasurementSet. Throws UserError or RunError.
std::vector<Antenna> antennas_of_set(const std::string& path);

GeographicPosition read_position(const std::string& position_file);

/// ITRF of a point `enu_m` (east, north, up) in the horizon plane at `origin`.
void horizon_to_itrf(const GeographicPosition& origin, const double (&enu_m)[3], double (&itrf_m)[3]);

}  // namespace fringeflow::io
