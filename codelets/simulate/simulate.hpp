// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// simulate: visibilities of point sources by the direct sum
///   V_p(row, channel) = Σ_s S_p(s, channel) · exp(+2πi (u·l + v·m + w·(n−1)) · ν/c),
/// times exp(−i K (TEC_1 − TEC_2) / ν) of the row's antennas where an ionosphere is given, K = kTecRadHz. Phases are formed and reduced in double precision; the error is
/// below 3e-7 of the sum of the fluxes, that of rounding the result to float.
#include <complex>
#include <cstdint>

#include "io/view.hpp"

namespace fringeflow {

/// Of the Earth, 2π in a sidereal day.
inline constexpr double kEarthRotation_rad_s = 7.2921158553e-5;

/// What an observation's finite channels and integrations do to a source off the phase centre: the means over both of its phase, with
/// the delay τ = (u·l + v·m + w·(n−1))/c, are sinc(Δν τ) and sinc(Δt ν dτ/dt), sinc(x) = sin(πx)/(πx). UVW turn with the Earth: with the
/// phase centre's declination δ, d(u, v, w)/dt = Ω (w cos δ − v sin δ, u sin δ, −u cos δ). (Thompson, Moran & Swenson 2017, 6.4.)
struct Smearing {
  double channel_width_hz = 0;  ///< Δν; 0: none
  double integration_s = 0;     ///< Δt; 0: none
  double declination_rad = 0;
  bool any() const { return channel_width_hz != 0 || integration_s != 0; }
};

/// What a simulation task reads and writes.
struct SimulateArguments {
  View<const double, 2> uvw_m;    ///< [row][3]
  View<const double, 1> freq_hz;  ///< [channel], in any order
  View<const double, 2>
      lmn;  ///< [source][l, m, n−1]; n−1 < −1 for directions below the horizon is used as it is
  View<const double, 3> flux_jy;  ///< [source][channel][Stokes I, Q, U, V, or I alone]
  View<std::complex<float>, 3>
      vis;  ///< out: [stokes][row][channel], Jy; as many Stokes parameters as wanted, I first
  View<const double, 2> tec = {};        ///< [source][antenna], TECU; may be empty
  View<const int32_t, 2> antennas = {};  ///< [row][2]; needed with `tec`
  Smearing smearing = {};
};

/// Overwrites `vis`. Serial; rows are independent, so that callers divide them among tasks. The bits of a row
/// do not depend on which other rows are simulated with it.
void simulate_cpu(const SimulateArguments& arguments);

/// Flux of a source of spectral index `alpha`: S(ν) = S0 (ν/ν0)^alpha.
/// @param iquv_jy at reference_hz
/// @param flux_jy out: [channel][stokes], 1 or 4 Stokes parameters
void point_source_spectrum(const double (&iquv_jy)[4], double alpha, double reference_hz,
                           View<const double, 1> freq_hz, View<double, 2> flux_jy);

/// Floating-point operations of simulate_cpu, for cost models.
double simulate_flops(int64_t rows, int64_t channels, int64_t sources, int64_t stokes);

}  // namespace fringeflow
