// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// restore: image = model convolved with the restoring beam (peak 1, so Jy/pixel become Jy/beam) + residual,
/// and the fit of that beam.
///
/// The beam is the Gaussian exp(-(A x^2 + B x y + C y^2)) with peak 1 at the PSF's centre that fits the main
/// lobe best in the sense of least squares. Position angles run from north (+y) through east (-x, as l grows
/// to the east and x to the west).
#include <cstdint>
#include <optional>

#include "io/view.hpp"

namespace fringeflow::restore {

/// FWHM of the major and minor axis in pixels; position angle of the major axis in radians, in [0, pi).
struct Beam {
  double major_pixels = 0, minor_pixels = 0, angle_rad = 0;
};
/// FWHM as angles for square pixels of cell_rad.
struct SkyBeam {
  double major_rad = 0, minor_rad = 0, angle_rad = 0;
};
inline SkyBeam on_sky(const Beam& beam, double cell_rad) {
  return {beam.major_pixels * cell_rad, beam.minor_pixels * cell_rad, beam.angle_rad};
}

/// Coefficients of exp(-(a x^2 + b x y + c y^2)), 1/pixel^2.
struct Quadratic {
  double a = 0, b = 0, c = 0;
};
Quadratic quadratic(const Beam& beam);
/// Nothing if the form is not positive definite.
std::optional<Beam> beam_of(const Quadratic& form);

enum class FitBox : int32_t {
  quadrant,  ///< pixels x >= nx / 2, y >= ny / 2 only. What WSClean 3.1 fits (measured: equal to 1e-4 on six
             ///< real PSFs); the default, because images are compared by their beams. A PSF is symmetric, yet
             ///< the other two quadrants can differ from these.
  whole      ///< all pixels of the box
};

/// Fits the main lobe of a PSF [y][x] whose peak (ny / 2, nx / 2) is 1. The box is ten beams wide and grows
/// with the beam found.
/// @param theoretical_pixels FWHM that the longest baseline promises, 1 / (max|uv| cell); <= 0: taken from
/// the PSF's half maximum
/// @param circular fit one width only
/// @return nothing for blank PSFs or where no lobe can be fitted; never throws for what is in the image
std::optional<Beam> fit_beam(View<const float, 2> psf, double theoretical_pixels, bool circular = false,
                             FitBox box = FitBox::quadrant);

/// Rows and columns of a tile of restore.
inline constexpr int64_t kTile = 1024;

/// out = beam * model + residual, all [y][x] of one size; NaN where the residual is NaN. NaN model pixels
/// count as zero.
void restore(View<const float, 2> model, View<const float, 2> residual, const Beam& beam, View<float, 2> out);
/// The same for the tile [y0, y0 + ny) x [x0, x0 + nx) of out only; tiles of the grid of kTile may run at the
/// same time.
void restore_tile(View<const float, 2> model, View<const float, 2> residual, const Beam& beam, int64_t y0,
                  int64_t x0, int64_t ny, int64_t nx, View<float, 2> out);
/// Upper bound of what restore_tile allocates, bytes.
int64_t restore_workspace_bytes(const Beam& beam, int64_t ny, int64_t nx);

}  // namespace fringeflow::restore
