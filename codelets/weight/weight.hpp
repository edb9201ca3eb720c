// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// weight: imaging weights from the density of visibilities in the uv plane.
///   natural  w            uniform  w / W            Briggs  w / (1 + W s^2),  s^2 = (5 10^-robust)^2 / (sum
///   W^2 / sum w)
/// W is the sum of weights in the visibility's cell of the density grid, over all channels and all sets of an
/// image. The grid has 1.2 times the image's resolution on each axis, rounded up to a multiple of 4, and only
/// v >= 0: a visibility with v < 0 counts as its conjugate. These are WSClean's rules.
#include <cstdint>
#include <span>

#include "codelets/gridder/index.hpp"

namespace fringeflow::weight {

/// Shape of the density grid of an image.
struct DensityGeometry {
  int64_t nu = 0;                           ///< cells along u, -nu/2 .. nu/2
  int64_t nv = 0;                           ///< cells along v of the half plane v >= 0
  double cells_per_u = 0, cells_per_v = 0;  ///< cells per wavelength
  double max_uv_lambda = 0;  ///< a visibility with |u| or |v| >= this has weight zero: 1 / (2 cell)

  int64_t size() const { return nu * nv; }
};
DensityGeometry density_geometry(const gridder::ImageGeometry& image);

/// Cell of a visibility, [v][u] flattened; -1 outside the grid.
int64_t density_cell(const DensityGeometry& geometry, double u_lambda, double v_lambda);

/// Adds the weights of a chunk to the density, one after the other: bits do not depend on chunk boundaries.
/// @param weight [row][channel]; the channels outside [channel_begin, channel_end) are left alone.
/// @param density [nv][nu], sum of weights.
void density_cpu(const DensityGeometry& geometry, const gridder::ChunkGeometry& chunk,
                 View<const float, 2> weight, double* density);

/// What Briggs' weighting needs to know of a density.
struct DensitySummary {
  double sum = 0;          ///< sum over the cells of W = sum of the weights of all visibilities on the grid
  double sum_squares = 0;  ///< sum over the cells of W^2
};
DensitySummary density_summary(const DensityGeometry& geometry, const double* density);

enum class Weighting { kNatural, kUniform, kBriggs };

struct WeightScheme {
  Weighting weighting = Weighting::kNatural;
  double robust = 0;  ///< Briggs' robustness, -2..2
  double taper_fwhm_rad =
      0;  ///< weights are multiplied with the Gaussian whose image has this width; 0: no taper
};

/// Briggs' s^2; 0 for an empty density.
double briggs_s2(double robust, const DensitySummary& summary);

/// Standard deviation in the uv plane (wavelengths) of the Gaussian whose image has the given full width at
/// half maximum.
double taper_sigma_lambda(double fwhm_rad);

/// Turns weights into imaging weights, in place.
/// @param s2 from briggs_s2; used by Briggs' weighting only.
/// @param density may be null for natural weighting.
/// @return the number of visibilities with a weight that lie beyond the grid; their weight becomes 0.
int64_t apply_weights_cpu(const WeightScheme& scheme, double s2, const DensityGeometry& geometry,
                          const double* density, const gridder::ChunkGeometry& chunk, View<float, 2> weight);

/// Adds up weights of channels [channel_begin, channel_end): a row's first, then the row's sum, so that the bits of the total do
/// not depend on chunk boundaries.
/// @param weight  [row][channel]; @param sum  is added to
void sum_weights_cpu(View<const float, 2> weight, int64_t channel_begin, int64_t channel_end, double& sum);

}  // namespace fringeflow::weight
