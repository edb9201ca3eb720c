// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Bodies of the geometry functions that CPU and GPU kernels share. Included by geometry.hpp.
#include <cmath>

#include "codelets/gridder/geometry.hpp"
#include "io/constants.hpp"

namespace fringeflow::gridder {

FF_HD inline PixelDirection pixel_direction(const Facet& facet, int64_t x, int64_t y) {
  const double dl = -static_cast<double>(x - facet.nx / 2) * facet.cell_x_rad;
  const double dm = static_cast<double>(y - facet.ny / 2) * facet.cell_y_rad;
  PixelDirection out{facet.l0 + dl, facet.m0 + dm, facet.r_centre, false};
  const double n_squared = (1 - out.l * out.l) - out.m * out.m;
  if (n_squared < 0) return out;
  out.above_horizon = true;
  // n - n0 without cancellation: (n^2 - n0^2) / (n + n0). Of a centre below the horizon n0 was taken as zero.
  const double n = sqrt(n_squared);
  const double n0 = 1 + facet.n0_minus_1;
  const double difference = n0 > 0 ? -(dl * (facet.l0 + out.l) + dm * (facet.m0 + out.m)) / (n + n0) : n;
  out.r = (difference - facet.shear_u * dl) - facet.shear_v * dm;
  return out;
}

FF_HD inline GridPosition grid_position(const Facet& facet, double u_lambda, double v_lambda,
                                        double w_lambda) {
  const bool conjugated = w_lambda < 0;
  const double u = conjugated ? -u_lambda : u_lambda;
  const double v = conjugated ? -v_lambda : v_lambda;
  const double w = conjugated ? -w_lambda : w_lambda;
  return {(u + facet.shear_u * w) * (facet.cell_x_rad * static_cast<double>(facet.nu)),
          -(v + facet.shear_v * w) * (facet.cell_y_rad * static_cast<double>(facet.nv)),
          (w - facet.w0) / facet.dw, (u * facet.l0 + v * facet.m0) + w * (facet.n0_minus_1 + facet.r_centre),
          conjugated};
}

/// Positions of a row's visibilities are linear in frequency: slopes per Hz of the quantities of
/// GridPosition. gu = gu_per_hz f, gv = gv_per_hz f, gw = gw_per_hz f + gw_offset, phase_turns = turns_per_hz
/// f.
struct GridRay {
  double gu_per_hz, gv_per_hz, gw_per_hz, gw_offset, turns_per_hz;
  bool conjugated;
};
FF_HD inline GridRay grid_ray(const Facet& facet, double u_m, double v_m, double w_m) {
  // The slopes are those of u, v, w in wavelengths per Hz; w0 is an offset, not a slope.
  const bool conjugated = w_m < 0;
  const double per_speed = (conjugated ? -1 : 1) / kSpeedOfLight_m_s;
  const double u = u_m * per_speed, v = v_m * per_speed, w = w_m * per_speed;
  return {(u + facet.shear_u * w) * (facet.cell_x_rad * static_cast<double>(facet.nu)),
          -(v + facet.shear_v * w) * (facet.cell_y_rad * static_cast<double>(facet.nv)),
          w / facet.dw,
          -facet.w0 / facet.dw,
          (u * facet.l0 + v * facet.m0) + w * (facet.n0_minus_1 + facet.r_centre),
          conjugated};
}

/// True when a visibility lies on the grid: |u|, |v| < max_uv_lambda = 1 / (2 cell). Monotonic in frequency.
FF_HD inline bool on_grid(double u_m, double v_m, double freq_hz, double max_uv_lambda) {
  const double per_m = freq_hz / kSpeedOfLight_m_s;
  return fabs(u_m * per_m) < max_uv_lambda && fabs(v_m * per_m) < max_uv_lambda;
}

}  // namespace fringeflow::gridder
