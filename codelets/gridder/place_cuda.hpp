// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What the device's grid and degrid share: where a visibility lies in its tile, its kernel taps, and how the
/// threads of a block divide cells and visibilities. All of it runs on the CPU too, where it is tested.
#include <cmath>
#include <complex>
#include <memory>

#include "codelets/common/cuda_worker.hpp"
#include "codelets/gridder/geometry.hpp"
#include "codelets/gridder/index.hpp"
#include "io/constants.hpp"

namespace fringeflow::gridder {

/// One chunk in the device's memory.
struct DeviceChunk {
  const double* uvw_m = nullptr;                       ///< [row][3]
  std::shared_ptr<const std::vector<double>> freq_hz;  ///< [channel], in the host's memory
  int64_t channels = 0;
  const std::complex<float>* vis = nullptr;  ///< [row][channel], Jy; null: every visibility is 1
  const float* weight = nullptr;             ///< [row][channel]
  ChunkIndex index;                          ///< pointers into the device's memory
};

/// cos and sin of 2 pi turns; whole turns are taken off in double.
template <class T>
FF_HD inline void turn_factors(double turns, T& cosine, T& sine) {
  const T half_turns = static_cast<T>(2 * (turns - rint(turns)));
#ifdef __CUDA_ARCH__
  if constexpr (sizeof(T) == 4) {
    sincospif(half_turns, &sine, &cosine);
  } else {
    sincospi(half_turns, &sine, &cosine);
  }
#else
  cosine = static_cast<T>(std::cos(kPi * static_cast<double>(half_turns)));
  sine = static_cast<T>(std::sin(kPi * static_cast<double>(half_turns)));
#endif
}

/// A visibility within a tile and slab.
template <class T>
struct Placement {
  T su, sv, sw;    ///< arguments of the tap polynomials, -1..1
  T cosine, sine;  ///< of its phase
  int32_t u, v;    ///< first cell within the tile, 0..31
  int32_t plane;   ///< first plane within the slab, 1 - support .. 7
};

/// The index decides tile and slab: where rounding disagrees the cell is clamped into it and the offset
/// leaves [0, 1] by as much, which the polynomials carry on smoothly.
template <class T>
FF_HD inline Placement<T> place(const Facet& facet, int64_t slab, int64_t tile_u, int64_t tile_v,
                                const GridRay& ray, double freq_hz) {
  const double half = 0.5 * facet.support;
  const double xu = fma(freq_hz, ray.gu_per_hz, -half - static_cast<double>(facet.u_begin + kTile * tile_u));
  const double xv = fma(freq_hz, ray.gv_per_hz, -half - static_cast<double>(facet.v_begin + kTile * tile_v));
  const double xw =
      fma(freq_hz, ray.gw_per_hz, ray.gw_offset - half - static_cast<double>(kSlabPlanes * slab));
  const double iu = fmin(fmax(ceil(xu), 0.0), kTile - 1.0), iv = fmin(fmax(ceil(xv), 0.0), kTile - 1.0);
  const double iw = fmin(fmax(ceil(xw), 1.0 - facet.support), kSlabPlanes - 1.0);
  Placement<T> out;
  out.su = static_cast<T>(2 * (iu - xu) - 1);
  out.sv = static_cast<T>(2 * (iv - xv) - 1);
  out.sw = static_cast<T>(2 * (iw - xw) - 1);
  out.u = static_cast<int32_t>(iu);
  out.v = static_cast<int32_t>(iv);
  out.plane = static_cast<int32_t>(iw);
  turn_factors(freq_hz * ray.turns_per_hz, out.cosine, out.sine);
  return out;
}

/// The kernel on tap t: a polynomial in s. @param taps [support][degree + 1]
template <class T>
FF_HD inline T tap_value(const T* taps, int degree, int t, T s) {
  const T* c = taps + t * (degree + 1);
  T value = c[degree];
  for (int k = degree - 1; k >= 0; --k) value = value * s + c[k];
  return value;
}
/// The kernel on plane p of the slab; zero on planes that the visibility does not touch.
template <class T>
FF_HD inline T plane_tap(const T* taps, int degree, int support, int first_plane, int p, T s) {
  const int t = p - first_plane;
  return t >= 0 && t < support ? tap_value(taps, degree, t, s) : T(0);
}

/// A visibility touches every residue of cells modulo the support exactly once on each axis: the thread that
/// owns residue r finds its cell at first + residue_tap. Cells so have one owner, which adds in the
/// visibilities' order.
FF_HD inline int residue_tap(int residue, int first_modulo, int support) {
  const int t = residue - first_modulo;
  return t < 0 ? t + support : t;
}

/// Threads of a block of grid: [rows][support][4], of which the block owns cells with u = row + split rows
/// modulo support.
struct GridBlock {
  static constexpr int kThreads = 256;  ///< at most
  static constexpr int kQuads = 4;      ///< threads of a cell, each with 4 of its 16 scalars
  int rows, splits;
  FF_HD explicit GridBlock(int support) {
    const int most = kThreads / (kQuads * support);
    splits = (support + most - 1) / most;
    rows = (support + splits - 1) / splits;
  }
};

inline constexpr int kRunWindow = 32;  ///< runs whose visibilities are worked on as one sequence

/// Which of a window's runs holds visibility i. @param begin [kRunWindow + 1] visibilities before each run; i
/// < begin[last]
FF_HD inline int find_run(const int32_t* begin, int32_t i) {
  int at = 0;
  for (int step = kRunWindow / 2; step > 0; step /= 2)
    if (begin[at + step] <= i) at += step;
  return at;
}

}  // namespace fringeflow::gridder
