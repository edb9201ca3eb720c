// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What self-calibration believes of a model: gains solved against artefacts keep them alive.
#include <vector>

#include "io/catalogue.hpp"
#include "io/fits_image.hpp"

namespace fringeflow::graphs {

/// Components of a model image on pixels where the restored image is at least `least`. Those of a hill of the restored image become one
/// point at their centroid, with their sum, where they are not told from one: the hill is joined to another below half of its peak, nine
/// tenths of its components are within a beam, and their largest second moment Σ f (x − x̄)² / Σ f is below 20 / (peak / noise) of the
/// beam's σ², at least 0.06 and at most 0.4. Errors of amplitudes that taper a long baseline look like sources of some width, and a model
/// with that width would confirm them.
/// @param model [ny][nx], Jy/pixel   @param restored [ny][nx], Jy/beam, whose header has the beam
/// @param noise of the restored image, Jy/beam
std::vector<io::SkyComponent> trusted_components(const io::FitsImage<float>& model,
                                                 const io::FitsImage<float>& restored, double least,
                                                 double noise);

}  // namespace fringeflow::graphs
