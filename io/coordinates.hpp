// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Directions on the sky, the orthographic (SIN) projection of images, and how angles are written down.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/options.hpp"

namespace fringeflow::io {

/// Direction cosines relative to a phase centre: l to the east, m to the north, and n − 1 without
/// cancellation.
struct Lmn {
  double l = 0, m = 0, n_minus_1 = 0;
};

/// n − 1 = √(1−l²−m²) − 1 for l² + m² ≤ 1, exact to rounding for tiny fields too. NaN beyond the horizon.
double n_minus_1(double l, double m);

/// Direction cosines of `direction` seen from `centre`. A direction behind the horizon has n_minus_1 < −1.
Lmn lmn_of(const Direction& centre, const Direction& direction);

/// Inverse of lmn_of on the near hemisphere; RA in [0, 2π). Nothing when l² + m² > 1.
std::optional<Direction> direction_of(const Direction& centre, double l, double m);

/// Position in an image, 0-based, fractional: pixel [y][x].
struct Pixel {
  double x = 0, y = 0;
};

/// Where the pixels of an image are on the sky: l = (x0 − x)·cell, m = (y − y0)·cell, east to the left.
struct ImageGrid {
  Direction centre;
  double cell_rad = 0;
  int64_t nx = 0, ny = 0;
  double x0 = 0, y0 = 0;  ///< pixel of the phase centre, 0-based

  ImageGrid() = default;
  /// Phase centre at the pixel (nx/2, ny/2), as all images of this program.
  ImageGrid(const Direction& centre, double cell_rad, int64_t nx, int64_t ny);

  /// Pixel of a direction, inside the image or not; nothing for a direction behind the horizon.
  std::optional<Pixel> pixel_of(const Direction& direction) const;
  /// Direction of a pixel; nothing beyond the horizon.
  std::optional<Direction> direction_at(double x, double y) const;
  /// True when the two grids put every pixel of the image at the same place, to `tolerance_pixels`.
  bool same_as(const ImageGrid& other, double tolerance_pixels = 0.01) const;
};

/// RA as hh:mm:ss.sss with `digits` decimals, in [0h, 24h).
std::string format_ra(double ra_rad, int digits = 3);
/// Declination as ±dd:mm:ss.sss; `separator` '.' gives the form of component lists, ±dd.mm.ss.sss.
std::string format_dec(double dec_rad, int digits = 2, char separator = ':');
/// An angle in the unit that suits it (deg, arcmin, arcsec, mas, uas), four significant digits: "12.34
/// arcsec".
std::string format_angle(double rad);
/// Modified Julian date in seconds (the scale of TIME columns) as ISO 8601, 2010-04-24T08:34:43.0.
std::string format_utc(double mjd_seconds);

/// Reads a right ascension: 14:11:20.64 or 14h11m20.64s (hours, a sign is allowed), 212.8deg, 3.7rad; a bare
/// number is degrees. Radians in [0, 2π), or nothing when the text is not one.
std::optional<double> parse_ra(std::string_view text);
/// Reads a declination: +52.12.09.3, 52:12:09.3 or 52d12m09.3s (degrees), -30deg, 0.3rad; a bare number is
/// degrees. Radians in [−π/2, π/2], or nothing when the text is not one.
std::optional<double> parse_dec(std::string_view text);

}  // namespace fringeflow::io
