// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// resample: between an image and a coarser one of the same field.
///
/// A dirty image is a sum of waves no shorter than the data's finest fringe. Where the image's pixels sample that
/// fringe many times over, a facet is computed on larger pixels (fewer and shorter transforms) and brought to the
/// image's by band-limited interpolation. Along each axis
///   fine[f] = sum_j weight[f][j] coarse[first[f] + j],   weight = sinc(x) kaiser(x),  x in coarse pixels,
/// (Oppenheim & Schafer, Discrete-Time Signal Processing, 7.6: Kaiser's formulas give window and taps for an error).
/// `coarsen` is the exact adjoint, for model images.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "io/view.hpp"

namespace fringeflow::resample {

/// One axis. Fine pixel fine/2 lies on coarse pixel coarse/2; a coarse pixel is `ratio` fine ones.
struct Axis {
  int64_t coarse = 0, fine = 0;
  int taps = 0;
  std::shared_ptr<const std::vector<int32_t>> first;  ///< [fine] first coarse pixel, never descending
  std::shared_ptr<const std::vector<int32_t>>
      fine_range;                                     ///< [coarse][2] fine pixels [begin, end) that use it
  std::shared_ptr<const std::vector<double>> weight;  ///< [fine][taps]
  std::shared_ptr<const std::vector<float>> weight_single;  ///< the same, rounded
};

/// Taps of an interpolation with relative error at most `error` of waves with `oversampling` times two coarse
/// pixels or more per period.
int taps_for(double oversampling, double error);
/// Coarse pixels that an axis of `fine` pixels needs, even.
int64_t coarse_pixels(int64_t fine, double ratio, int taps);
/// ratio 1: the identity, one tap.
Axis make_axis(int64_t fine, double ratio, double oversampling, double error);

/// Both axes of an image.
struct Resampling {
  Axis y, x;
};

/// image(y0 + y, x0 + x) = (or +=, if `add`) interpolated pixel (y, x) for fine rows [y_begin, y_end); pixels outside the image
/// are left out.
/// @param coarse [coarse row] pointers to coarse.x pixels each
/// T: precision of the sums.
template <class T, class Pixel>
void refine_cpu(const Resampling& axes, std::span<const Pixel* const> coarse, int64_t y_begin, int64_t y_end,
                int64_t y0, int64_t x0, View<Pixel, 2> image, bool add = false);

/// Adjoint: coarse rows [row_begin, row_end) of the model image(y0 + y, x0 + x); NaN counts as 0, as does what lies
/// outside the image. @param out [row_end - row_begin][coarse x]
template <class T, class Pixel>
void coarsen_cpu(const Resampling& axes, View<const Pixel, 2> image, int64_t y0, int64_t x0,
                 int64_t row_begin, int64_t row_end, View<Pixel, 2> out);

}  // namespace fringeflow::resample
