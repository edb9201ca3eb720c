// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Tiles and planes of the few channels of a row, all at once: cheaper than bisecting for where a track leaves a tile.
/// Internal to codelets/gridder.
#include <cstdint>

namespace fringeflow::gridder {

/// What is linear in frequency: ceil(slope f + offset) counts tiles along u and v, from 1, and first planes.
struct PlaceRay {
  double u_per_hz, u_offset, v_per_hz, v_offset, plane_per_hz, plane_offset, half_support;
};

struct ChannelPlaces {
  static constexpr int kMost = 16;  ///< channels
  /// Whole numbers. Element 0 repeats element 1, which is that of the first channel.
  alignas(64) double tile_u[kMost + 1], tile_v[kMost + 1];
  alignas(64) double plane[kMost];

  int64_t tile_u_of(int channel) const { return static_cast<int64_t>(tile_u[channel + 1]) - 1; }
  int64_t tile_v_of(int channel) const { return static_cast<int64_t>(tile_v[channel + 1]) - 1; }
  int64_t plane_of(int channel) const { return static_cast<int64_t>(plane[channel]); }
};

/// Fills places of channels [0, channels), at most kMost, to the bit as RowWalker computes them one by one.
/// @return bit c is set where channel c lies in another tile than channel c - 1
uint32_t place_channels(const PlaceRay& ray, const double* freq_hz, int channels, ChannelPlaces& places);

}  // namespace fringeflow::gridder
