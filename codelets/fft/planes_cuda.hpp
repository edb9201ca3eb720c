// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The device's plane steps as functors over elements. The field is the array that is transformed:
/// [plane][sequence][n] complex; sequences are cells along u (rows) or image rows y (columns). Tested on the
/// CPU against the kernels there.
#include <cmath>

#include "codelets/common/cuda_worker.hpp"
#include "codelets/fft/transforms_cuda.hpp"
#include "codelets/gridder/place_cuda.hpp"

namespace fringeflow::fft {

using cuda::PlanTables;
using gridder::kLanes;
using gridder::kSlabPlanes;
using gridder::kTile;

template <class T>
struct alignas(2 * sizeof(T)) Complex {
  T re, im;
};

/// The lanes of one element of a batched buffer, moved 16 bytes at a time.
template <class T>
struct Lanes {
  struct alignas(16) Part {
    T value[16 / sizeof(T)];
  };
  static constexpr int kParts = gridder::kLaneBytes / 16, kPerPart = 16 / int(sizeof(T));
  T value[kLanes<T>];

  FF_HD void load(const T* from) {
    for (int i = 0; i < kParts; ++i) {
      const Part part = reinterpret_cast<const Part*>(from)[i];
      for (int j = 0; j < kPerPart; ++j) value[i * kPerPart + j] = part.value[j];
    }
  }
  FF_HD void store(T* to) const {
    for (int i = 0; i < kParts; ++i) {
      Part part;
      for (int j = 0; j < kPerPart; ++j) part.value[j] = value[i * kPerPart + j];
      reinterpret_cast<Part*>(to)[i] = part;
    }
  }
};

FF_HD inline int64_t modulo(int64_t a, int64_t n) {
  const int64_t r = a % n;
  return r < 0 ? r + n : r;
}
/// Element of a transform of length n that holds pixel i of `pixels`.
FF_HD inline int64_t pixel_element(int64_t i, int64_t pixels, int64_t n) {
  return i < pixels / 2 ? i - pixels / 2 + n : i - pixels / 2;
}

/// Numbers of the buffers' layouts, from the plan alone.
template <class T>
struct SlabShape {
  int64_t slab, planes;   ///< planes of this slab that exist
  int64_t blocks;         ///< y-blocks of the facet
  int64_t box_u, box_v;   ///< cells of the box, halos included
  int64_t box_cells;      ///< box_u with the last strip's halo rounded up to lanes
  int64_t buffer_planes;  ///< planes that buffers have room for

  SlabShape(const gridder::Facet& facet, int64_t slab_number)
      : slab(slab_number),
        planes(facet.planes - slab_number * kSlabPlanes),
        blocks((facet.ny + kLanes<T> - 1) / kLanes<T>),
        box_u(facet.tiles_u * kTile + facet.support - 1),
        box_v(facet.tiles_v * kTile + facet.support - 1),
        box_cells(facet.tiles_u * kTile + (facet.support - 1 + kLanes<T> - 1) / kLanes<T> * kLanes<T>),
        buffer_planes(facet.planes < kSlabPlanes ? facet.planes : kSlabPlanes) {
    if (planes > kSlabPlanes) planes = kSlabPlanes;
  }
};
/// Cells along u of a strip in SlabRows, its first cell in the box, and where its flags are.
template <class T>
struct StripShape {
  int64_t tile_begin, tile_end;  ///< tile columns
  int64_t first, cells;
  int64_t flags;

  StripShape(const gridder::FacetPlan& plan, const SlabShape<T>& slab, int64_t strip)
      : tile_begin(plan.tiles.strip_begin[static_cast<size_t>(strip)]),
        tile_end(plan.tiles.strip_begin[static_cast<size_t>(strip) + 1]),
        first(tile_begin * kTile) {
    cells = strip + 1 == plan.tiles.strips ? slab.box_cells - first : (tile_end - tile_begin) * kTile;
    flags = slab.buffer_planes * slab.blocks * cells * 2 * kLanes<T>;
  }
};

// ---------------------------------------------------------------- rows: transforms along v

/// Element (u, k) of the field from the tiles: cells v that fold onto k, halos of the neighbouring tiles
/// added.
template <class T>
struct TilesToField {
  PlanTables plan;
  SlabShape<T> slab;
  StripShape<T> strip;
  gridder::TileStore<T> store, previous;
  int32_t first_slot, previous_first_slot;
  Complex<T>* field;  ///< [plane][u in strip][nv]

  int64_t count() const { return strip.cells * plan.facet.nv; }

  FF_HD void add_tile(const gridder::TileStore<T>& from, int32_t first, int64_t tu, int64_t tv, int64_t row,
                      int64_t column, T* sum) const {
    const int32_t slot = plan.slot_of(slab.slab, tu, tv);
    if (slot < 0 || from.touched[slot - first] == 0) return;
    const T* cell = from.tiles + (slot - first) * plan.facet.tile_scalars() +
                    (row * plan.facet.tile_edge() + column) * 2 * kSlabPlanes;
    for (int i = 0; i < 2 * kSlabPlanes / kLanes<T>; ++i) {
      Lanes<T> scalars;
      scalars.load(cell + i * kLanes<T>);
      for (int j = 0; j < kLanes<T>; ++j) sum[i * kLanes<T> + j] += scalars.value[j];
    }
  }
  FF_HD void add_column(const gridder::TileStore<T>& from, int32_t first, int64_t tu, int64_t row, int64_t v,
                        T* sum) const {
    const int64_t tv = v / kTile, local = v % kTile;
    if (tv >= 1 && local < plan.facet.support - 1) add_tile(from, first, tu, tv - 1, row, local + kTile, sum);
    if (tv < plan.facet.tiles_v) add_tile(from, first, tu, tv, row, local, sum);
  }
  FF_HD void operator()(int64_t i) const {
    const gridder::Facet& facet = plan.facet;
    const int64_t u = i / facet.nv, k = i % facet.nv;
    const int64_t own = (strip.first + u) / kTile, local = (strip.first + u) % kTile;
    T sum[2 * kSlabPlanes] = {};
    for (int64_t v = modulo(k - facet.v_begin, facet.nv); v < slab.box_v; v += facet.nv) {
      if (own >= 1 && local < facet.support - 1) {
        if (own > strip.tile_begin)
          add_column(store, first_slot, own - 1, local + kTile, v, sum);
        else if (previous.tiles != nullptr)
          add_column(previous, previous_first_slot, own - 1, local + kTile, v, sum);
      }
      if (own < strip.tile_end) add_column(store, first_slot, own, local, v, sum);
    }
    for (int p = 0; p < kSlabPlanes; ++p)
      if (p < slab.planes) field[(p * strip.cells + u) * facet.nv + k] = {sum[p], sum[kSlabPlanes + p]};
  }
};

/// Scalar pairs of SlabRows [plane][y-block][u][re, im][lane] from the transformed field.
template <class T>
struct FieldToRows {
  gridder::Facet facet;
  SlabShape<T> slab;
  StripShape<T> strip;
  const Complex<T>* field;
  T* rows;

  int64_t count() const { return slab.planes * slab.blocks * strip.cells * kLanes<T>; }
  FF_HD void operator()(int64_t i) const {
    const int64_t lane = i % kLanes<T>, element = i / kLanes<T>;
    const int64_t u = element % strip.cells, block = element / strip.cells % slab.blocks,
                  plane = element / strip.cells / slab.blocks;
    const int64_t y = block * kLanes<T> + lane;
    Complex<T> value{0, 0};
    if (y < facet.ny)
      value = field[(plane * strip.cells + u) * facet.nv + pixel_element(y, facet.ny, facet.nv)];
    T* to = rows + element * 2 * kLanes<T> + lane;
    to[0] = value.re;
    to[kLanes<T>] = value.im;
  }
};
/// Flags of SlabRows: all cells were written.
template <class T>
struct SetFlag {
  T* flags;
  FF_HD void operator()(int64_t i) const { flags[i] = T(1); }
};

/// The way back: element (plane, u, y) of the field from the columns of one y-strip. The rest of the field
/// must be zero.
template <class T>
struct ColumnsToField {
  gridder::Facet facet;
  SlabShape<T> slab;
  int64_t block_begin, blocks;  ///< of the y-strip
  int64_t first, cells;         ///< cells of the box that this strip's tiles store
  const T* columns;
  Complex<T>* field;  ///< [plane][u][nv]

  int64_t count() const { return slab.planes * blocks * cells * kLanes<T>; }
  FF_HD void operator()(int64_t i) const {
    const int64_t lane = i % kLanes<T>, element = i / kLanes<T>;
    const int64_t u = element % cells, block = element / cells % blocks, plane = element / cells / blocks;
    const int64_t y = (block_begin + block) * kLanes<T> + lane;
    if (y >= facet.ny) return;
    const T* from = columns + ((plane * blocks + block) * slab.box_cells + first + u) * 2 * kLanes<T> + lane;
    field[(plane * cells + u) * facet.nv + pixel_element(y, facet.ny, facet.nv)] = {from[0], from[kLanes<T>]};
  }
};
/// Cell (slot, u, v) of the strip's tiles, halos included, from the transformed field.
template <class T>
struct FieldToTiles {
  PlanTables plan;
  SlabShape<T> slab;
  int64_t tile_begin, cells, slots;
  int32_t first_slot;
  const Complex<T>* field;  ///< [plane][u][nv]
  T* tiles;

  int64_t count() const { return slots * plan.facet.tile_edge() * plan.facet.tile_edge(); }
  FF_HD void operator()(int64_t i) const {
    const gridder::Facet& facet = plan.facet;
    const int64_t edge = facet.tile_edge(), v_local = i % edge, u_local = i / edge % edge,
                  local = i / edge / edge;
    const int32_t tile = plan.slot_tile[first_slot + local];
    const int64_t u = (tile / facet.tiles_v - tile_begin) * kTile + u_local;
    const int64_t k = modulo(facet.v_begin + tile % facet.tiles_v * kTile + v_local, facet.nv);
    T scalars[2 * kSlabPlanes] = {};
    for (int p = 0; p < kSlabPlanes; ++p)
      if (p < slab.planes) {
        const Complex<T> value = field[(p * cells + u) * facet.nv + k];
        scalars[p] = value.re;
        scalars[kSlabPlanes + p] = value.im;
      }
    for (int part = 0; part < 2 * kSlabPlanes / kLanes<T>; ++part) {
      Lanes<T> out;
      for (int j = 0; j < kLanes<T>; ++j) out.value[j] = scalars[part * kLanes<T> + j];
      out.store(tiles + i * 2 * kSlabPlanes + part * kLanes<T>);
    }
  }
};

// ---------------------------------------------------------------- columns: transforms along u

/// Phase of pixel (x, y) on plane p of a slab: base + (p - 4) step turns, as on the CPU.
template <class T>
struct Screen {
  T base, step;
  FF_HD Screen(const gridder::Facet& facet, int64_t slab, int64_t x, int64_t y) {
    const gridder::PixelDirection direction = gridder::pixel_direction(facet, x, y);
    const double offset = direction.above_horizon ? direction.r - facet.r_centre : 0;
    const double turns =
        (facet.w0 + static_cast<double>(slab * kSlabPlanes + kSlabPlanes / 2) * facet.dw) * offset;
    base = static_cast<T>(turns - rint(turns));
    step = static_cast<T>(facet.dw * offset);
  }
  FF_HD void factors(int plane, T& cosine, T& sine) const {
    const T turns = step * static_cast<T>(plane - kSlabPlanes / 2) + base;
#ifdef __CUDA_ARCH__
    if constexpr (sizeof(T) == 4) {
      sincospif(2 * turns, &sine, &cosine);
    } else {
      sincospi(2 * turns, &sine, &cosine);
    }
#else
    gridder::turn_factors(static_cast<double>(turns), cosine, sine);
#endif
  }
};

/// Adds the rows of one strip to the field [plane][image row of the y-strip][nu], folded onto the period.
template <class T>
struct RowsToField {
  gridder::Facet facet;
  SlabShape<T> slab;
  StripShape<T> strip;
  int64_t block_begin, blocks;  ///< of the y-strip
  const T* rows;
  Complex<T>* field;

  FF_HD int64_t elements() const { return strip.cells < facet.nu ? strip.cells : facet.nu; }
  int64_t count() const { return slab.planes * blocks * elements(); }
  FF_HD void operator()(int64_t i) const {
    const int64_t e = i % elements(), block = i / elements() % blocks, plane = i / elements() / blocks;
    Lanes<T> re{}, im{}, more;
    for (int64_t u = e; u < strip.cells && strip.first + u < slab.box_u; u += facet.nu) {
      if (rows[strip.flags + u / kLanes<T>] == T(0)) continue;  // not written
      const T* from = rows + ((plane * slab.blocks + block_begin + block) * strip.cells + u) * 2 * kLanes<T>;
      more.load(from);
      for (int lane = 0; lane < kLanes<T>; ++lane) re.value[lane] += more.value[lane];
      more.load(from + kLanes<T>);
      for (int lane = 0; lane < kLanes<T>; ++lane) im.value[lane] += more.value[lane];
    }
    Complex<T>* to = field + (plane * blocks + block) * kLanes<T> * facet.nu +
                     modulo(facet.u_begin + strip.first + e, facet.nu);
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      Complex<T> value = to[lane * facet.nu];
      value.re += re.value[lane];
      value.im += im.value[lane];
      to[lane * facet.nu] = value;
    }
  }
};
/// Pixels (block, x) += Re(field exp(-2 pi i turns)) over the planes.
template <class T>
struct FieldToImage {
  gridder::Facet facet;
  SlabShape<T> slab;
  int64_t block_begin, blocks;
  const Complex<T>* field;
  T* image;

  int64_t count() const { return blocks * facet.nx; }
  FF_HD void operator()(int64_t i) const {
    const int64_t x = i % facet.nx, block = i / facet.nx;
    const Complex<T>* from = field + block * kLanes<T> * facet.nu + pixel_element(x, facet.nx, facet.nu);
    Lanes<T> sum;
    sum.load(image + i * kLanes<T>);
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      const int64_t y = (block_begin + block) * kLanes<T> + lane;
      if (y >= facet.ny) break;
      const Screen<T> screen(facet, slab.slab, x, y);
      for (int p = 0; p < slab.planes; ++p) {
        T cosine, sine;
        screen.factors(p, cosine, sine);
        const Complex<T> value = from[(p * blocks * kLanes<T> + lane) * facet.nu];
        sum.value[lane] += value.re * cosine + value.im * sine;
      }
    }
    sum.store(image + i * kLanes<T>);
  }
};
/// The way back: pixels (block, x) times exp(+2 pi i turns) to every plane of the field, which is zero
/// elsewhere.
template <class T>
struct ImageToField {
  gridder::Facet facet;
  SlabShape<T> slab;
  int64_t block_begin, blocks;
  const T* image;
  Complex<T>* field;

  int64_t count() const { return blocks * facet.nx; }
  FF_HD void operator()(int64_t i) const {
    const int64_t x = i % facet.nx, block = i / facet.nx;
    Complex<T>* to = field + block * kLanes<T> * facet.nu + pixel_element(x, facet.nx, facet.nu);
    Lanes<T> pixels;
    pixels.load(image + i * kLanes<T>);
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      const int64_t y = (block_begin + block) * kLanes<T> + lane;
      if (y >= facet.ny) break;
      const Screen<T> screen(facet, slab.slab, x, y);
      for (int p = 0; p < slab.planes; ++p) {
        T cosine, sine;
        screen.factors(p, cosine, sine);
        to[(p * blocks * kLanes<T> + lane) * facet.nu] = {pixels.value[lane] * cosine,
                                                          pixels.value[lane] * sine};
      }
    }
  }
};
/// Elements (plane, block, u in box) of the columns from the transformed field.
template <class T>
struct FieldToColumns {
  gridder::Facet facet;
  SlabShape<T> slab;
  int64_t blocks;
  const Complex<T>* field;
  T* columns;

  int64_t count() const { return slab.planes * blocks * slab.box_cells; }
  FF_HD void operator()(int64_t i) const {
    const int64_t u = i % slab.box_cells, row_block = i / slab.box_cells;  // row_block = plane blocks + block
    const Complex<T>* from = field + row_block * kLanes<T> * facet.nu + modulo(facet.u_begin + u, facet.nu);
    Lanes<T> re, im;
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      const Complex<T> value = from[lane * facet.nu];
      re.value[lane] = value.re;
      im.value[lane] = value.im;
    }
    re.store(columns + i * 2 * kLanes<T>);
    im.store(columns + i * 2 * kLanes<T> + kLanes<T>);
  }
};

// ---------------------------------------------------------------- corrections in the image plane

/// What pixel (x, y) of the facet is multiplied with; NaN beyond the horizon.
FF_HD inline double pixel_factor(const PlanTables& plan, const gridder::ScreenCorrection& correction,
                                 int64_t x, int64_t y, bool divide_by_n) {
  const gridder::PixelDirection direction = gridder::pixel_direction(plan.facet, x, y);
  if (!direction.above_horizon) return nan("");
  const double t = (direction.r - plan.facet.r_centre) * correction.per_offset, z = 2 * t * t - 1;
  double b1 = 0, b2 = 0;
  for (int i = gridder::ScreenCorrection::kTerms - 1; i > 0; --i) {
    const double b = 2 * z * b1 + (correction.terms[i] - b2);
    b2 = b1;
    b1 = b;
  }
  const double factor = plan.correction_x[x] * plan.correction_y[y] * (z * b1 + (correction.terms[0] - b2));
  return divide_by_n ? factor / sqrt((1 - direction.l * direction.l) - direction.m * direction.m) : factor;
}

template <class T>
struct CorrectPixels {
  PlanTables plan;
  gridder::ScreenCorrection correction;
  int64_t block_begin, blocks;
  const T* image;
  const double* sums;
  int64_t sum_index, sum_count;
  bool divide_by_n;
  float* out;        ///< [y][x]
  int64_t* nothing;  ///< set to 1 when no sum is positive, else to 0; by one thread

  int64_t count() const { return blocks * plan.facet.nx; }
  FF_HD void operator()(int64_t i) const {
    const int64_t x = i % plan.facet.nx, block = i / plan.facet.nx;
    const double sum = sums[sum_index];
    if (i == 0) {
      bool any = false;
      for (int64_t j = 0; j < sum_count; ++j) any = any || sums[j] > 0;
      *nothing = any ? 0 : 1;
    }
    Lanes<T> pixels;
    pixels.load(image + i * kLanes<T>);
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      const int64_t row = block * kLanes<T> + lane, y = block_begin * kLanes<T> + row;
      if (y >= plan.facet.ny) break;
      const double factor = sum > 0 ? pixel_factor(plan, correction, x, y, divide_by_n) / sum : nan("");
      out[row * plan.facet.nx + x] = static_cast<float>(static_cast<double>(pixels.value[lane]) * factor);
    }
  }
};

template <class T>
struct UncorrectPixels {
  PlanTables plan;
  gridder::ScreenCorrection correction;
  int64_t block_begin, blocks;
  View<const float, 2> model;  ///< pixel (x, y) of the facet is model(y0 + y, x0 + x)
  int64_t y0, x0;
  bool divide_by_n;
  T* image;

  int64_t count() const { return blocks * plan.facet.nx; }
  FF_HD void operator()(int64_t i) const {
    const gridder::Facet& facet = plan.facet;
    const int64_t x = i % facet.nx, block = i / facet.nx, column = x0 + x;
    Lanes<T> pixels{};
    for (int lane = 0; lane < kLanes<T>; ++lane) {
      const int64_t y = (block_begin + block) * kLanes<T> + lane, row = y0 + y;
      if (y >= facet.ny) break;
      // Where the facet reaches beyond the image there is no flux.
      if (row < 0 || row >= model.extent(0) || column < 0 || column >= model.extent(1)) continue;
      const double value =
          static_cast<double>(model(row, column)) * pixel_factor(plan, correction, x, y, divide_by_n);
      if (value == value) pixels.value[lane] = static_cast<T>(value);  // else blank, or beyond the horizon
    }
    pixels.store(image + i * kLanes<T>);
  }
};

}  // namespace fringeflow::fft
