// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelet of the simulator: visibilities of a list of sources for a block of rows.
#include <memory>
#include <vector>

#include "codelets/simulate/simulate.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow {

/// Sources of one shape, ready for the direct sum. Gaussians are attenuated by
/// exp(-2 pi^2 (s_a^2 u_a^2 + s_b^2 u_b^2)), u_a = u sin PA + v cos PA, s = FWHM / sqrt(8 ln 2).
struct SourceGroup {
  std::vector<double> lmn;      ///< [source][3]
  std::vector<double> flux_jy;  ///< [source][channel][stokes]
  double major_rad = 0, minor_rad = 0, pa_rad = 0;
};

/// The sum of all groups, as the codelet computes it.
/// @param uvw_m [row][3]   @param freq_hz [channel]   @param vis out: [stokes][row][channel], Jy
/// @param tec [source][antenna], TECU, the sources of all groups one after the other; may be empty
/// @param antennas [row][2]; needed with `tec`
void simulate_groups(const std::vector<SourceGroup>& groups, View<const double, 2> uvw_m,
                     const std::vector<double>& freq_hz, View<std::complex<float>, 3> vis,
                     View<const double, 2> tec = {}, View<const int32_t, 2> antennas = {},
                     const Smearing& smearing = {});

/// Buffers: vis [stokes][row][channel] complex float (write), uvw_m [row][3] double (read) and, with `tec_antennas`, tec
/// [source][antenna] double (read), the sources of all groups one after the other.
struct SimulateTaskArgs {
  int64_t rows = 0, channels = 0, stokes = 1;
  std::shared_ptr<const std::vector<double>> freq_hz;
  std::shared_ptr<const std::vector<SourceGroup>> groups;
  int64_t tec_antennas = 0;
  std::shared_ptr<const std::vector<int32_t>> antennas = {};  ///< [row][2]; needed with `tec_antennas`
  Smearing smearing = {};
};
const runtime::CodeletDef& simulate_codelet();

}  // namespace fringeflow
