// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Geometry of the gridder: improved w-stacking on sheared facets, one algorithm for CPU and GPU.
///
/// A facet is a rectangle of image pixels around the direction (l0, m0), n0 = sqrt(1 - l0^2 - m0^2). With
/// a = shear_u = -l0/n0 and b = shear_v = -m0/n0 the phase of a visibility at (u, v, w) wavelengths is
///   u l + v m + w (n - 1) = [u l0 + v m0 + w (n0 - 1 + rc)] + (u + a w) dl + (v + b w) dm + w (r - rc)
/// where l = l0 + dl, m = m0 + dm and r = n - n0 - a dl - b dm, which is tiny; rc centres its range.
///   dirty(l, m) = Re sum_i V_i exp(-2 pi i phase_i)
/// The bracket is applied to every visibility; (u + a w, v + b w) is gridded; w (r - rc) is done by the planes.
///
/// Pixel (x, y) of the facet has kx = x - nx/2, ky = y - ny/2, dl = -kx cell_x, dm = +ky cell_y. In grid cells
///   gu = +(u + a w) cell_x nu,   gv = -(v + b w) cell_y nv,   gw = (w - w0) / dw
/// so that the dirty image is Re sum_i V'_i exp(+2 pi i (gu kx / nu + gv ky / nv)) exp(-2 pi i w (r - rc)).
/// A visibility with w < 0 is replaced by its conjugate at (-u, -v, -w): the image is real.
///
/// Kernel: phi(x) = exp(beta ((1 - x^2)^e0 - 1)), |x| <= 1, x in units of support/2 cells, in u, v and w.
/// The first of the `support` cells that a visibility at coordinate g touches is i0 = ceil(g - support/2).
///
/// The grid is periodic in nu x nv, which is exact on the pixels; cells are kept in an unwrapped box
/// [u_begin, u_begin + 32 tiles_u) x [v_begin, v_begin + 32 tiles_v) of tiles and folded by the transform.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codelets/gridder/compression.hpp"
#include "codelets/gridder/extent.hpp"
#include "codelets/resample/resample.hpp"
#include "io/view.hpp"

namespace fringeflow::gridder {

inline constexpr int kTile = 32;          ///< cells on a side of a tile
inline constexpr int kSlabPlanes = 8;     ///< w-planes in the SIMD lanes of one cell
inline constexpr int kMinSupport = 4;     ///< cells
inline constexpr int kMaxSupport = 16;    ///< cells
inline constexpr int kMaxTapDegree = 24;  ///< of the polynomials that stand for the kernel
inline constexpr int kLaneBytes = 64;     ///< one batch of transforms: 16 float or 8 double lanes
template <class T>
inline constexpr int kLanes = kLaneBytes / int(sizeof(T));

/// The image that a run makes. Pixel (x, y), 0-based: l = -(x - nx/2) cell_rad, m = (y - ny/2) cell_rad.
struct ImageGeometry {
  int64_t nx = 0, ny = 0;
  double cell_rad = 0;
};

/// Kernel shape and its error, chosen for an accuracy.
struct KernelShape {
  int support = 0;   ///< cells, 4..16
  double sigma = 2;  ///< oversampling at least this
  double beta = 0, e0 = 0.5;
  double error = 0;  ///< expected relative L2 error of grid or degrid with all three dimensions
};

/// Plain numbers that describe one facet on its grid; copied to devices as it is.
struct Facet {
  int64_t x_begin = 0, y_begin = 0;  ///< first pixel in the image, of the image's pixels
  int64_t nx = 0, ny = 0;            ///< pixels that are computed, even; see FacetPlan::resampling
  double cell_x_rad = 0, cell_y_rad = 0;
  double l0 = 0, m0 = 0, n0_minus_1 = 0;  ///< of pixel (nx/2, ny/2)
  double shear_u = 0, shear_v = 0;
  double r_centre = 0,
         r_half = 0;       ///< r lies within r_centre -+ r_half over the facet's pixels above the horizon
  int64_t nu = 0, nv = 0;  ///< transform sizes, even, 2^a 3^b 5^c
  int64_t u_begin = 0, v_begin = 0;  ///< first cell of the box
  int64_t tiles_u = 0,
          tiles_v = 0;  ///< tiles by first touched cell; the box has 32 tiles_u + support - 1 cells
  int32_t planes = 0;   ///< w-planes: plane p is at w = w0 + p dw wavelengths
  int32_t support = 0;
  double w0 = 0, dw = 1;
  double beta = 0, e0 = 0.5;
  BaselineShell shell;  ///< whose rows are gridded here
  FF_HD int slabs() const { return (planes + kSlabPlanes - 1) / kSlabPlanes; }
  FF_HD int64_t tile_edge() const {
    return kTile + support - 1;
  }  ///< cells on a side of a stored tile, halo included
  /// Scalars of one stored tile: [u tile_edge][v tile_edge][re, im][plane kSlabPlanes].
  FF_HD int64_t tile_scalars() const { return tile_edge() * tile_edge() * 2 * kSlabPlanes; }
};

/// Direction cosines and remainder of one pixel of a facet.
struct PixelDirection {
  double l, m, r;  ///< r - r_centre is what the planes apply
  bool above_horizon;
};
FF_HD PixelDirection pixel_direction(const Facet& facet, int64_t x, int64_t y);

/// Where one visibility lands. All in double, exact to rounding.
struct GridPosition {
  double gu, gv, gw;   ///< cells from the grid's origin, planes from plane 0
  double phase_turns;  ///< u l0 + v m0 + w (n0 - 1 + rc), in turns, of the (possibly conjugated) visibility
  bool conjugated;
};
FF_HD GridPosition grid_position(const Facet& facet, double u_lambda, double v_lambda, double w_lambda);

/// Which tiles of a facet hold visibilities, numbered 0..slots-1 in the order slab, strip, tile_u, tile_v.
/// A strip is a range of tile columns (along u): the unit of parallel gridding and transforms. Bits of the result do not
/// depend on strips: every tile accumulates its visibilities in their order, halos are added in a fixed order.
struct TileMap {
  int64_t slabs = 0, strips = 0, tiles_u = 0, tiles_v = 0;
  std::vector<int32_t> slot;         ///< [slab][tile_u][tile_v]; -1: never touched
  std::vector<int32_t> slot_tile;    ///< [slot] tile_u * tiles_v + tile_v
  std::vector<int32_t> strip_begin;  ///< [strips + 1] first tile column of each strip
  std::vector<int32_t> slot_begin;   ///< [slab * strips + strip, + 1] first slot of each (slab, strip)
  int32_t slot_of(int64_t slab, int64_t tu, int64_t tv) const {
    return slot[static_cast<size_t>((slab * tiles_u + tu) * tiles_v + tv)];
  }
  int64_t slots() const { return static_cast<int64_t>(slot_tile.size()); }
  /// Tiles stored for one (slab, strip).
  int64_t slots_of(int64_t slab, int64_t strip) const {
    const auto i = static_cast<size_t>(slab * strips + strip);
    return slot_begin[i + 1] - slot_begin[i];
  }
};

/// 1 / psi_hat of the w kernel at (r - r_centre) dw as a series in t^2, t = (r - r_centre) / r_half.
struct ScreenCorrection {
  static constexpr int kTerms = 28;
  double per_offset = 0;      ///< t per unit of r - r_centre
  int terms_used = 1;         ///< the rest is below rounding
  double terms[kTerms] = {};  ///< Chebyshev coefficients in 2 t^2 - 1
};

/// A facet with its tile map and the tables that kernels need: polynomial coefficients of the kernel's taps and the
/// image-plane corrections. Immutable after planning, shared by all tasks.
struct FacetPlan {
  Facet facet;
  TileMap tiles;
  bool double_precision = false;
  int degree = 0;  ///< of the tap polynomials
  std::vector<double>
      taps;  ///< [support][degree + 1]: coefficients (constant first) in s = 2 d - 1, see kernel.hpp
  std::vector<double> correction_x;  ///< [nx] 1 / psi_hat(kx / nu)
  std::vector<double> correction_y;  ///< [ny] 1 / psi_hat(ky / nv)
  ScreenCorrection screen;
  std::shared_ptr<const ChannelCompression> compression;  ///< null: every channel is gridded
  /// From the facet's pixels to the image's; null where they are the same.
  std::shared_ptr<const resample::Resampling> resampling;
  bool adds_to_image = false;  ///< its pixels come on top of those of other baselines' facets
  int64_t visibilities = 0;    ///< on the grid of its baselines
  int64_t image_nx() const { return resampling ? resampling->x.fine : facet.nx; }  ///< extents in the image
  int64_t image_ny() const { return resampling ? resampling->y.fine : facet.ny; }
};

/// A part of a facet's grid storage handed to kernels: the tiles of one (slab, strip).
/// touched[i] != 0 says that tile i holds data; kernels that add to an untouched tile zero it first, readers skip it.
template <class T>
struct TileStore {
  uint8_t* touched = nullptr;  ///< [slots of this slab and strip]
  T* tiles = nullptr;          ///< [slots][tile_edge][tile_edge][2][kSlabPlanes], 64-byte aligned
};
/// Bytes of a buffer with the touched flags (padded to 64) followed by the tiles; and its view.
int64_t tile_store_bytes(const FacetPlan& plan, int64_t slab, int64_t strip);
template <class T>
TileStore<T> tile_store(const FacetPlan& plan, int64_t slab, int64_t strip, void* buffer);

}  // namespace fringeflow::gridder

#include "codelets/gridder/geometry_inline.hpp"
