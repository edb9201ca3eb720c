// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/facets.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fringeflow::gridder {
namespace {

/// Rows of a facet that are looked at while facets are compared.
constexpr int64_t kSearchRows = 64;

// n0 - 1 of a direction; a centre below the horizon counts as lying on it.
double n_minus_1(double l, double m) {
  const double rho2 = l * l + m * m;
  return rho2 >= 1 ? -1.0 : -rho2 / (1 + std::sqrt(1 - rho2));
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
};

// Range of r over the pixels above the horizon of about `rows` rows, the first and the last among them. Along a row r is
// concave: its minimum is at an end of the part above the horizon and its maximum where the slope vanishes, or at an end.
Range remainder_range(const Facet& facet, int64_t rows) {
  Range range;
  Facet f = facet;
  f.r_centre = 0;
  const int64_t step = std::max<int64_t>(1, f.ny / rows);
  for (int64_t i = 0; i < f.ny + step - 1; i += step) {
    const int64_t y = std::min(i, f.ny - 1);
    const double m = f.m0 + static_cast<double>(y - f.ny / 2) * f.cell_y_rad;
    if (m * m > 1) continue;
    const double reach = std::sqrt(1 - m * m);
    const auto x_of = [&](double l) { return static_cast<double>(f.nx / 2) - (l - f.l0) / f.cell_x_rad; };
    const double first = std::max(0.0, x_of(reach)),
                 last = std::min(static_cast<double>(f.nx - 1), x_of(-reach));
    const double best = x_of(-f.shear_u * reach / std::sqrt(1 + f.shear_u * f.shear_u));
    for (const double x : {first, last, std::clamp(best, first, std::max(first, last))})
      for (const double nearest : {std::floor(x), std::ceil(x)}) {
        const auto column = static_cast<int64_t>(std::clamp(nearest, 0.0, static_cast<double>(f.nx - 1)));
        const PixelDirection p = pixel_direction(f, column, y);
        if (p.above_horizon) range.add(p.r);
      }
  }
  if (range.low > range.high) range = {0, 0};  // wholly below the horizon
  return range;
}

void set_remainder(Facet& facet, int64_t rows) {
  const Range range = remainder_range(facet, rows);
  facet.r_centre = 0.5 * (range.low + range.high);
  facet.r_half = 0.5 * (range.high - range.low) * (1 + 1e-9);
}

// Slopes of the least-squares plane through n over the facet's pixels above the horizon: finite even at the
// horizon.
void fit_shear(Facet& facet) {
  constexpr int kSamples = 33;
  double s_ll = 0, s_lm = 0, s_mm = 0, s_l = 0, s_m = 0, s_1 = 0, t_l = 0, t_m = 0, t_1 = 0;
  for (int j = 0; j < kSamples; ++j)
    for (int i = 0; i < kSamples; ++i) {
      const double dl =
          (static_cast<double>(i) / (kSamples - 1) - 0.5) * static_cast<double>(facet.nx) * facet.cell_x_rad;
      const double dm =
          (static_cast<double>(j) / (kSamples - 1) - 0.5) * static_cast<double>(facet.ny) * facet.cell_y_rad;
      const double l = facet.l0 + dl, m = facet.m0 + dm, n2 = 1 - l * l - m * m;
      if (n2 < 0) continue;
      const double n = std::sqrt(n2);
      s_ll += dl * dl, s_lm += dl * dm, s_mm += dm * dm, s_l += dl, s_m += dm, s_1 += 1;
      t_l += n * dl, t_m += n * dm, t_1 += n;
    }
  facet.shear_u = facet.shear_v = 0;
  if (s_1 < 3) return;
  s_ll -= s_l * s_l / s_1, s_lm -= s_l * s_m / s_1, s_mm -= s_m * s_m / s_1;
  t_l -= s_l * t_1 / s_1, t_m -= s_m * t_1 / s_1;
  const double determinant = s_ll * s_mm - s_lm * s_lm;
  if (!(determinant > 1e-12 * s_ll * s_mm)) return;
  facet.shear_u = (t_l * s_mm - t_m * s_lm) / determinant;
  facet.shear_v = (t_m * s_ll - t_l * s_lm) / determinant;
}

}  // namespace

void set_remainder(Facet& facet) { set_remainder(facet, facet.ny); }

Candidate on_larger_pixels(const Facet& facet, const UvExtent& extent, double oversampling, double error) {
  Candidate out{facet, facet.nx, facet.ny, 1, 1, oversampling, 1, 1};
  const int taps = resample::taps_for(oversampling, error);
  // Local wave numbers: (u + a w, v + b w) and what the slope of the remainder adds, largest at a corner.
  double slope_x = 0, slope_y = 0;
  const auto corners_above_horizon = [&](const Facet& f) {
    for (const int64_t y : {int64_t{0}, f.ny})
      for (const int64_t x : {int64_t{0}, f.nx}) {
        const double l = f.l0 - static_cast<double>(x - f.nx / 2) * f.cell_x_rad,
                     m = f.m0 + static_cast<double>(y - f.ny / 2) * f.cell_y_rad, n2 = 1 - l * l - m * m;
        if (n2 < 0.01) return false;
        slope_x = std::max(slope_x, std::abs(l / std::sqrt(n2) + f.shear_u));
        slope_y = std::max(slope_y, std::abs(m / std::sqrt(n2) + f.shear_v));
      }
    return true;
  };
  // Twice: the margin that interpolation needs enlarges the field a little.
  for (int round = 0; round < 2; ++round) {
    if (!corners_above_horizon(out.facet)) return {facet, facet.nx, facet.ny, 1, 1, oversampling, 1, 1};
    const auto ratio = [&](double wave_number, double cell_rad, int64_t pixels) {
      const double most = static_cast<double>(pixels) / 16;
      const double r = std::min(most, 1 / (2 * oversampling * wave_number * cell_rad));
      return r >= 1.1 ? r : 1.0;
    };
    const double w = extent.max_w_lambda;
    out.ratio_x =
        ratio(extent.max_u_lambda + (std::abs(facet.shear_u) + slope_x) * w, facet.cell_x_rad, facet.nx);
    out.ratio_y =
        ratio(extent.max_v_lambda + (std::abs(facet.shear_v) + slope_y) * w, facet.cell_y_rad, facet.ny);
    out.taps_x = out.ratio_x > 1 ? taps : 1;
    out.taps_y = out.ratio_y > 1 ? taps : 1;
    out.facet.cell_x_rad = facet.cell_x_rad * out.ratio_x;
    out.facet.cell_y_rad = facet.cell_y_rad * out.ratio_y;
    out.facet.nx = resample::coarse_pixels(facet.nx, out.ratio_x, taps);
    out.facet.ny = resample::coarse_pixels(facet.ny, out.ratio_y, taps);
  }
  if (!corners_above_horizon(out.facet) || !out.resampled())
    return {facet, facet.nx, facet.ny, 1, 1, oversampling, 1, 1};
  set_remainder(out.facet, kSearchRows);
  return out;
}

std::vector<Facet> make_facets(const ImageGeometry& image, int per_side) {
  // Equal even sizes; the last column and row of facets may be smaller.
  const auto part = [per_side](int64_t n) { return 2 * ((n / 2 + per_side - 1) / per_side); };
  const int64_t step_x = part(image.nx), step_y = part(image.ny);
  std::vector<Facet> out;
  for (int64_t y = 0; y < image.ny; y += step_y)
    for (int64_t x = 0; x < image.nx; x += step_x) {
      Facet f;
      f.x_begin = x, f.y_begin = y;
      f.nx = std::min(step_x, image.nx - x), f.ny = std::min(step_y, image.ny - y);
      f.cell_x_rad = f.cell_y_rad = image.cell_rad;
      f.l0 = -static_cast<double>(x + f.nx / 2 - image.nx / 2) * image.cell_rad;
      f.m0 = static_cast<double>(y + f.ny / 2 - image.ny / 2) * image.cell_rad;
      f.n0_minus_1 = n_minus_1(f.l0, f.m0);
      Facet fitted = f;
      const double n0 = 1 + f.n0_minus_1;
      fit_shear(fitted);
      set_remainder(fitted, kSearchRows);
      if (n0 > 0.05) {
        f.shear_u = -f.l0 / n0, f.shear_v = -f.m0 / n0;
        set_remainder(f, kSearchRows);
      }
      // The tangent plane is exact for small fields, the fitted one better near the horizon.
      out.push_back(n0 > 0.05 && f.r_half <= 1.05 * fitted.r_half ? f : fitted);
    }
  return out;
}

}  // namespace fringeflow::gridder
