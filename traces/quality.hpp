// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// How good an image is: against itself, and against a reference of the same pixels. Formulas as astroCAMP's metrics specification.
#include <nlohmann/json.hpp>
#include <string>

#include "io/view.hpp"

namespace fringeflow::traces {

/// Root mean square of the background, sqrt(mean (I - mean)^2) over pixels within three of it (repeated until none leaves).
/// @param image [ny][nx], Jy/beam; NaN is blank. NaN without a finite pixel.
double background_rms(View<const float, 2> image);

/// 10 log10(max|reference|^2 / mean squared difference), dB, over pixels that both have; infinite for equal images.
double psnr_db(View<const float, 2> image, View<const float, 2> reference);

/// Mean structural similarity over windows of 7 x 7 (uniform, sample covariance), c1 = (0.01 R)^2, c2 = (0.03 R)^2 with
/// R = max - min of the reference. Windows with blank pixels do not count. Images smaller than a window give NaN.
double ssim(View<const float, 2> image, View<const float, 2> reference);

/// Sources of the reference (local maxima above `sigmas` times its background), found again within two pixels in the image.
struct SourceErrors {
  int64_t sources = 0;
  double mean_offset_px = 0;     ///< astrometric error
  double mean_flux_error = 0;    ///< photometric error: mean |S - S_ref|, Jy/beam
  double median_flux_ratio = 0;  ///< median |S - S_ref| / S_ref
};
SourceErrors source_errors(View<const float, 2> image, View<const float, 2> reference, double sigmas = 10);

/// The quality of a run's products under the names of the metric table; with a reference image (FITS) also against it.
/// @param prefix of the products; @param reference path, or empty. Throws UserError naming a file that is missing or does not fit.
nlohmann::json image_quality(const std::string& prefix, const std::string& reference);

}  // namespace fringeflow::traces
