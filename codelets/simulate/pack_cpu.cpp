// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The host's part of simulate on the device.
#include <numeric>

#include "codelets/simulate/simulate_cuda.hpp"

namespace fringeflow::simulate_device {
namespace {

int64_t sources_of(const std::vector<SourceGroup>& groups) {
  return std::accumulate(groups.begin(), groups.end(), int64_t{0}, [](int64_t sum, const SourceGroup& group) {
    return sum + static_cast<int64_t>(group.lmn.size() / 3);
  });
}

/// Channels as the kernels need them, and whether all segments are evenly spaced.
struct Channels {
  std::vector<double> inverse_m, step_m;
  bool regular = true;

  Channels(const std::vector<SourceGroup>& groups, const std::vector<double>& freq_hz) {
    for (const double f : freq_hz) inverse_m.push_back(f / kSpeedOfLight_m_s);
    double longest_m = 0;
    for (const auto& group : groups)
      longest_m =
          std::max(longest_m, longest_path_m(group.lmn.data(), static_cast<int64_t>(group.lmn.size() / 3)));
    const auto count = static_cast<int64_t>(freq_hz.size());
    for (int64_t first = 0; first < count; first += kSegmentChannels) {
      const auto spacing =
          spacing_of(inverse_m.data() + first, std::min(kSegmentChannels, count - first), longest_m);
      step_m.push_back(spacing.step);
      regular = regular && spacing.regular;
    }
  }
};

}  // namespace

PackedSky::PackedSky(const std::vector<SourceGroup>& groups, const std::vector<double>& freq_hz,
                     int64_t stokes) {
  const double to_sigma = 1 / std::sqrt(8 * std::log(2.0));
  int64_t end = 0;
  const auto append = [this](const std::vector<double>& from) {
    values_.insert(values_.end(), from.begin(), from.end());
  };
  for (const auto& group : groups) {
    end += static_cast<int64_t>(group.lmn.size() / 3);
    append({static_cast<double>(end), group.major_rad * to_sigma, group.minor_rad * to_sigma,
            std::sin(group.pa_rad), std::cos(group.pa_rad)});
  }
  for (const auto& group : groups) append(group.lmn);
  for (const auto& group : groups) append(group.flux_jy);
  values_.resize(static_cast<size_t>(static_cast<int64_t>(groups.size() * sizeof(Shape) / 8) + 3 * end +
                                     end * static_cast<int64_t>(freq_hz.size()) * stokes));
  const Channels channels(groups, freq_hz);
  append(channels.inverse_m);
  append(channels.step_m);
}

SkyTables sky_tables(const std::vector<SourceGroup>& groups, const std::vector<double>& freq_hz,
                     int64_t stokes, const double* base) {
  static_assert(sizeof(Shape) % sizeof(double) == 0 && alignof(Shape) == alignof(double));
  SkyTables out;
  out.groups = static_cast<int64_t>(groups.size());
  out.sources = sources_of(groups);
  out.channels = static_cast<int64_t>(freq_hz.size());
  out.regular = Channels(groups, freq_hz).regular;
  out.shape = reinterpret_cast<const Shape*>(base);
  out.lmn = base + out.groups * static_cast<int64_t>(sizeof(Shape) / sizeof(double));
  out.flux_jy = out.lmn + 3 * out.sources;
  out.inverse_m = out.flux_jy + out.sources * out.channels * stokes;
  out.step_m = out.inverse_m + out.channels;
  return out;
}

Propagation propagation(const Smearing& smearing, const double* tec, int64_t tec_antennas,
                        const int32_t* antennas) {
  Propagation out;
  out.tec = tec;
  out.tec_antennas = tec_antennas;
  out.antennas = antennas;
  out.smears = smearing.any();
  out.channel_width_per_c = smearing.channel_width_hz / kSpeedOfLight_m_s;
  out.rotation = kEarthRotation_rad_s * smearing.integration_s / kSpeedOfLight_m_s;
  out.sine = std::sin(smearing.declination_rad);
  out.cosine = std::cos(smearing.declination_rad);
  return out;
}

}  // namespace fringeflow::simulate_device
