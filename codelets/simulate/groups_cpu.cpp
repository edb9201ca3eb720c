// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <vector>

#include "codelets/simulate/simulate_tasks.hpp"
#include "io/constants.hpp"

namespace fringeflow {
namespace {

/// Multiplies all Stokes parameters by the Fourier transform of a group's Gaussian.
void attenuate(const SourceGroup& group, View<const double, 2> uvw_m, const std::vector<double>& freq_hz,
               View<std::complex<float>, 3> vis) {
  const double sine = std::sin(group.pa_rad), cosine = std::cos(group.pa_rad);
  const double to_sigma = 1 / std::sqrt(8 * std::log(2.0));
  const double a = group.major_rad * to_sigma, b = group.minor_rad * to_sigma;
  for (int64_t row = 0; row < uvw_m.extent(0); ++row) {
    const double u = uvw_m(row, 0), v = uvw_m(row, 1);
    const double ua = u * sine + v * cosine, ub = u * cosine - v * sine;
    const double exponent_m = -2 * kPi * kPi * (a * a * ua * ua + b * b * ub * ub);
    for (int64_t channel = 0; channel < vis.extent(2); ++channel) {
      const double lambda = freq_hz[static_cast<size_t>(channel)] / kSpeedOfLight_m_s;
      const auto factor = static_cast<float>(std::exp(exponent_m * lambda * lambda));
      for (int64_t stokes = 0; stokes < vis.extent(0); ++stokes) vis(stokes, row, channel) *= factor;
    }
  }
}

}  // namespace

void simulate_groups(const std::vector<SourceGroup>& groups, View<const double, 2> uvw_m,
                     const std::vector<double>& freq_hz, View<std::complex<float>, 3> vis,
                     View<const double, 2> tec, View<const int32_t, 2> antennas, const Smearing& smearing) {
  const int64_t stokes = vis.extent(0), channels = vis.extent(2);
  if (groups.empty()) std::fill_n(vis.data(), vis.size(), std::complex<float>(0));
  // The first group goes where the sum will be.
  std::vector<std::complex<float>> part(groups.size() > 1 ? static_cast<size_t>(vis.size()) : 0);
  int64_t first = 0;
  for (const auto& group : groups) {
    const auto sources = static_cast<int64_t>(group.lmn.size() / 3);
    const bool adds = &group != &groups.front();
    const View<std::complex<float>, 3> out(adds ? part.data() : vis.data(),
                                           {stokes, vis.extent(1), channels});
    SimulateArguments arguments{uvw_m, View<const double, 1>(freq_hz.data(), {channels}),
                                View<const double, 2>(group.lmn.data(), {sources, 3}),
                                View<const double, 3>(group.flux_jy.data(), {sources, channels, stokes}),
                                out};
    if (tec.data() != nullptr) {
      arguments.tec = {tec.data() + first * tec.extent(1), {sources, tec.extent(1)}};
      arguments.antennas = antennas;
    }
    arguments.smearing = smearing;
    first += sources;
    simulate_cpu(arguments);
    if (group.major_rad > 0 || group.minor_rad > 0) attenuate(group, uvw_m, freq_hz, out);
    for (int64_t i = 0; adds && i < vis.size(); ++i) vis.data()[i] += part[static_cast<size_t>(i)];
  }
}

}  // namespace fringeflow
