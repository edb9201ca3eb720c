// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The exponential-of-semicircle kernel, its polynomial taps and its Fourier transform
/// (Barnett, Magland & af Klinteberg 2019; shape constants of shared measurements for small supports).
#include <vector>

#include "codelets/gridder/geometry.hpp"

namespace fringeflow::gridder {

/// phi(x) for |x| <= 1, else 0.
double kernel_value(double x, double beta, double e0);

/// Shape parameters (beta, e0) for a support and an oversampling factor.
KernelShape kernel_shape(int support, double sigma);

/// Expected relative L2 error of one dimension, from the numerical alias integral over the kept field |k| <= n/(2 sigma).
double alias_error(const KernelShape& shape);

/// How much the corrections of three dimensions magnify white noise, such as round-off, in relative L2 over the image with some
/// weight on its corners. Grows steeply with support and falls with oversampling.
double noise_magnification(const KernelShape& shape);

/// All (support, sigma) pairs, sigma from a fixed ladder 1.25..2.5 and the least that will do, whose three-dimensional error with
/// the round-off of the given precision is at most `accuracy` with a margin; the caller's cost model takes the cheapest. May be
/// empty.
std::vector<KernelShape> kernel_candidates(double accuracy, bool double_precision);

/// Polynomials of the taps: tap t covers offsets d in [0,1): the visibility at g has i0 = ceil(g - W/2), d = i0 - (g - W/2),
/// and weight phi((t + d - W/2) * 2 / W) on cell i0 + t. Coefficients in s = 2 d - 1, constant first, [support][degree+1].
std::vector<double> tap_polynomials(const KernelShape& shape, int degree);

/// psi_hat(nu) = integral of phi(2 x / W) cos(2 pi nu x) dx over [-W/2, W/2], nu in cycles per cell.
double kernel_transform(const KernelShape& shape, double nu);

/// The w kernel's correction over a facet.
ScreenCorrection screen_correction(const Facet& facet);

/// 1/psi_hat as a polynomial-free fine table for the w correction: value(t) for |t| <= 1 maps to nu = t * nu_max.
class CorrectionTable {
 public:
  CorrectionTable(const KernelShape& shape, double nu_max, int samples);
  double operator()(double nu) const;  ///< interpolated to better than 1e-14 relative

 private:
  double nu_max_ = 0;
  std::vector<double> coefficients_;  ///< even Chebyshev series in nu / nu_max
};

}  // namespace fringeflow::gridder
