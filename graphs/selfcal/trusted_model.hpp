// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What self-calibration believes of a model: gains solved against artefacts keep them alive.
#include <vector>

#include "io/catalogue.hpp"
#include "io/fits_image.hpp"

namespace fringeflow::graphs {

/// Components of a model image on pixels where the restored image is at least `least`. Those of a hill of the restored image become one point
/// at their centroid, with their sum, where what they are spread over is not told from a point: when the largest second moment
/// Σ f (x − x̄)² / Σ f is below max(0.06, 20 / (hill's peak / noise)) of the beam's, σ². Errors of amplitudes that taper a long
/// baseline look like sources of some width, and a model with that width would confirm them.
/// @param model [ny][nx], Jy/pixel   @param restored [ny][nx], Jy/beam, whose header has the beam
/// @param noise of the restored image, Jy/beam
std::vector<io::SkyComponent> trusted_components(const io::FitsImage<float>& model,
                                                 const io::FitsImage<float>& restored, double least,
                                                 double noise);

}  // namespace fringeflow::graphs
