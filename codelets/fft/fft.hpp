// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// fft: from tiles to the image and back, a slab of w-planes at a time, in two steps that are tasks over strips.
///
/// dirty:   rows_to_sky   (slab, u-strip): tiles (+ halo of the previous strip) -> transform along v -> SlabRows
///          columns_to_sky (slab, y-strip): SlabRows of all strips -> transform along u -> x exp(-2 pi i w_p (r - rc)) -> += image
///          correct       (y-strip): x correction_x correction_y / psi_hat_w(r - rc), x scale, horizon blanked
/// predict: the exact adjoint, backwards: uncorrect -> columns_to_grid -> rows_to_grid.
///
/// Lanes: L = kLanes<T>. A y-block is L consecutive rows ky of the facet image, block b covers y in [b L, b L + L); the last may be
/// partial. y-strips are ranges of y-blocks.
#include <complex>
#include <span>

#include "codelets/fft/batched_fft.hpp"
#include "codelets/gridder/geometry.hpp"

namespace fringeflow::fft {

using gridder::FacetPlan;
using gridder::TileStore;

/// Number of y-blocks of a facet.
template <class T>
int64_t y_blocks(const FacetPlan& plan) {
  return (plan.facet.ny + gridder::kLanes<T> - 1) / gridder::kLanes<T>;
}
/// Cells along u of a u-strip: 32 per tile column; the last strip has its halo (support - 1 cells) too, rounded up to L.
template <class T>
int64_t strip_cells(const FacetPlan& plan, int64_t strip);

/// Half-transformed planes of a slab, of one u-strip: [plane in slab][y-block][u in strip][re, im][lane of y].
/// After them flags [u in strip / L], as T: 0 where all tiles of L cells are untouched; those cells are then not written.
template <class T>
int64_t slab_rows_scalars(const FacetPlan& plan, int64_t strip);
/// Half-transformed planes of a slab on the way back, of one y-strip: [plane][y-block in strip][u in box][re, im][lane of y],
/// u in box runs over the concatenated strips (sum of strip_cells).
template <class T>
int64_t slab_columns_scalars(const FacetPlan& plan, int64_t y_blocks_in_strip);

/// Image accumulator of one y-strip: [y-block][x][lane of y].
template <class T>
int64_t image_strip_scalars(const FacetPlan& plan, int64_t y_blocks_in_strip) {
  return y_blocks_in_strip * plan.facet.nx * gridder::kLanes<T>;
}

/// Scratch that the kernels below need, scalars of T (maximum over the steps). 64-byte aligned.
template <class T>
int64_t fft_scratch_scalars(const FacetPlan& plan);

/// @param previous the store of strip - 1 of the same slab (its upper halo), default when strip == 0.
template <class T>
void rows_to_sky_cpu(const FacetPlan& plan, int64_t slab, int64_t strip, const TileStore<T>& store,
                     const TileStore<T>& previous, T* rows, T* scratch);

/// Adds the planes of the slab to the image accumulator of y-blocks [block_begin, block_end).
/// @param rows [strip] the outputs of rows_to_sky for all strips.
template <class T>
void columns_to_sky_cpu(const FacetPlan& plan, int64_t slab, std::span<const T* const> rows,
                        int64_t block_begin, int64_t block_end, T* image, T* scratch);

/// Final correction: writes pixels [y][x] of the rows of these y-blocks: out(y - y_first, x), y_first = block_begin L.
/// pixel = accumulated x scale / (psi psi psi); pixels beyond the horizon are NaN. divide_by_n: also / n.
template <class T, class Pixel>
void correct_cpu(const FacetPlan& plan, int64_t block_begin, int64_t block_end, const T* image, double scale,
                 bool divide_by_n, View<Pixel, 2> out);

/// Adjoint of correct with scale 1: model pixels (Jy) [y][x] of these rows -> image accumulator layout. NaN and beyond the horizon: 0.
template <class T, class Pixel>
void uncorrect_cpu(const FacetPlan& plan, int64_t block_begin, int64_t block_end, View<const Pixel, 2> pixels,
                   bool divide_by_n, T* image);

/// image x exp(+2 pi i w_p (r - rc)) -> transform along u (sign -) -> columns of this y-strip, for all planes of the slab.
template <class T>
void columns_to_grid_cpu(const FacetPlan& plan, int64_t slab, int64_t block_begin, int64_t block_end,
                         const T* image, T* columns, T* scratch);

/// columns of all y-strips -> transform along v (sign -) -> tiles of (slab, strip), halos included, every tile of the map written and
/// touched; lanes of planes beyond the last are zero.
/// @param columns [y-strip] buffers; y_strip_begin [y-strips + 1] the y-blocks of each.
template <class T>
void rows_to_grid_cpu(const FacetPlan& plan, int64_t slab, int64_t strip, std::span<const T* const> columns,
                      std::span<const int64_t> y_strip_begin, TileStore<T> store, T* scratch);

}  // namespace fringeflow::fft
