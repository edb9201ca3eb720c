// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// How a chunk of visibilities lies in one buffer: uvw_m, then vis, then weight, each aligned to 64 bytes.
#include <complex>
#include <cstddef>
#include <cstdint>

#include "io/view.hpp"

namespace fringeflow {

inline int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Extents of a chunk's arrays.
struct ChunkLayout {
  int64_t rows = 0, channels = 0, stokes = 0;

  int64_t uvw_bytes() const { return padded(rows * 3 * int64_t{sizeof(double)}); }
  int64_t vis_bytes() const {
    return padded(stokes * rows * channels * int64_t{sizeof(std::complex<float>)});
  }
  int64_t weight_bytes() const { return padded(stokes * rows * channels * int64_t{sizeof(float)}); }
  int64_t bytes() const { return uvw_bytes() + vis_bytes() + weight_bytes(); }

  View<double, 2> uvw_m(void* chunk) const { return {static_cast<double*>(chunk), {rows, 3}}; }
  /// [stokes][row][channel]
  View<std::complex<float>, 3> vis(void* chunk) const {
    return {reinterpret_cast<std::complex<float>*>(static_cast<std::byte*>(chunk) + uvw_bytes()),
            {stokes, rows, channels}};
  }
  /// [stokes][row][channel]
  View<float, 3> weight(void* chunk) const {
    return {reinterpret_cast<float*>(static_cast<std::byte*>(chunk) + uvw_bytes() + vis_bytes()),
            {stokes, rows, channels}};
  }
  /// A buffer of vis_bytes() as [stokes][row][channel]: predicted or residual visibilities.
  View<std::complex<float>, 3> predicted(void* buffer) const {
    return {static_cast<std::complex<float>*>(buffer), {stokes, rows, channels}};
  }
};

/// One Stokes plane [row][channel] of a [stokes][row][channel] view.
template <class T>
View<T, 2> plane(const View<T, 3>& cube, int64_t stokes) {
  return {cube.data() + stokes * cube.extent(1) * cube.extent(2), {cube.extent(1), cube.extent(2)}};
}

}  // namespace fringeflow
