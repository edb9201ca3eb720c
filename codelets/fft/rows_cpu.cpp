// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// rows_to_sky and rows_to_grid: transforms along v between tiles and half-transformed planes.
#include "codelets/common/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/fft/rows_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include <algorithm>
#include <span>
#include <vector>

#include "codelets/fft/batched_fft-inl.hpp"
#include "codelets/fft/fft.hpp"
#include "codelets/fft/plane-inl.hpp"
#include "codelets/fft/plane_sizes.hpp"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::fft {
namespace HWY_NAMESPACE {

using gridder::Facet;
using gridder::kSlabPlanes;
using gridder::kTile;

constexpr ptrdiff_t kCell = 2 * kSlabPlanes;  ///< scalars of a cell: [re, im][plane]

/// A tile column that stores cells of a u-block: the first `lanes` of them, from its row `row` on.
template <class T>
struct TileColumn {
  int64_t tile_u = -1;
  int64_t row = 0;
  int lanes = 0;  ///< 0: none
  TileStore<T> store;
  int64_t first_slot = 0;
};

/// The cells of a run along v in one tile: `at` is the first, the u-block's lanes are `lane_stride` apart.
template <class T>
struct TilePart {
  T* at = nullptr;
  int lanes = 0;
};

/// Finds the tiles of a (slab, strip) that hold cells of a u-block.
template <class T>
class BlockTiles {
 public:
  /// @param u_cell first cell of the u-block in the box; a u-block lies in one tile column (and in the lower
  /// one's halo).
  BlockTiles(const FacetPlan& plan, int64_t slab, int64_t strip, int64_t u_cell, const TileStore<T>& store,
             const TileStore<T>& previous)
      : plan_(plan), slab_(slab), lane_stride_(plan.facet.tile_edge() * kCell) {
    const gridder::TileMap& map = plan.tiles;
    const int64_t begin = map.strip_begin[size_t(strip)], end = map.strip_begin[size_t(strip) + 1];
    const int64_t own = u_cell / kTile, local = u_cell % kTile;
    const auto first = [&](int64_t of) { return int64_t(map.slot_begin[size_t(slab * map.strips + of)]); };
    const int64_t halo = plan.facet.support - 1 - local;
    if (own >= 1 && halo > 0) {
      const int lanes = int(std::min<int64_t>(kLanes<T>, halo));
      if (own > begin) {
        lower_ = {own - 1, local + kTile, lanes, store, first(strip)};
      } else if (previous.tiles != nullptr) {
        lower_ = {own - 1, local + kTile, lanes, previous, first(strip - 1)};
      }
    }
    if (own < end) own_ = {own, local, kLanes<T>, store, first(strip)};
  }

  ptrdiff_t lane_stride() const { return lane_stride_; }

  /// The parts that hold cells v, v + 1, ... of the box in the order of summation; @return their number.
  /// @param upper_halo look in tile column v / 32 - 1 too.
  /// @param readers skip untouched tiles; writers get every tile of the map.
  int parts(int64_t v, bool readers, TilePart<T> out[4]) const {
    const int64_t tile_v = v / kTile, local = v % kTile;
    const bool halo = tile_v >= 1 && local < plan_.facet.support - 1;
    int count = 0;
    for (const TileColumn<T>* column : {&lower_, &own_}) {
      if (column->lanes == 0) continue;
      if (halo) count += part(*column, tile_v - 1, local + kTile, readers, out[count]);
      if (tile_v < plan_.facet.tiles_v) count += part(*column, tile_v, local, readers, out[count]);
    }
    return count;
  }

  /// Whether any cell of the box has a part.
  bool any(bool readers) const {
    const Facet& facet = plan_.facet;
    const int64_t box = facet.tiles_v * kTile + facet.support - 1;
    TilePart<T> found[4];
    for (int64_t v = 0; v < box; v += v % kTile == 0 ? facet.support - 1 : kTile - v % kTile)
      if (parts(v, readers, found) > 0) return true;
    return false;
  }

  /// The tile columns, for marking what was written.
  const TileColumn<T>& own() const { return own_; }
  const TileColumn<T>& lower() const { return lower_; }

 private:
  int part(const TileColumn<T>& column, int64_t tile_v, int64_t v, bool readers, TilePart<T>& out) const {
    const int32_t slot = plan_.tiles.slot_of(slab_, column.tile_u, tile_v);
    if (slot < 0) return 0;
    const int64_t index = slot - column.first_slot;
    if (readers && column.store.touched[index] == 0) return 0;
    const Facet& facet = plan_.facet;
    out = {column.store.tiles + index * facet.tile_scalars() + (column.row * facet.tile_edge() + v) * kCell,
           column.lanes};
    return 1;
  }

  const FacetPlan& plan_;
  int64_t slab_;
  ptrdiff_t lane_stride_;
  TileColumn<T> lower_, own_;
};

/// Scalars from one plane's u-block in the scratch to the next. Not a multiple of 4 kB, or the planes' stores
/// of a cell would compete for one set of the first-level cache.
template <class T>
HWY_INLINE ptrdiff_t PlaneStride(const Facet& facet) {
  return (facet.nv + kPlanePadding) * kRow<T>;
}

/// sums[lane][16] = cells of the first kParts of `parts`, in their order, for lanes [begin, end).
template <int kParts, class T>
HWY_INLINE void SumLanes(const TilePart<T>* parts, ptrdiff_t lane_stride, int begin, int end, T* sums) {
  const Wide<T> d;
  for (int lane = begin; lane < end; ++lane)
    for (ptrdiff_t i = 0; i < kCell; i += ptrdiff_t(hn::Lanes(d))) {
      auto sum = hn::Zero(d);
      for (int part = 0; part < kParts; ++part) {
        const auto value = hn::Load(d, parts[part].at + lane * lane_stride + i);
        sum = part == 0 ? value : hn::Add(sum, value);
      }
      hn::Store(sum, d, sums + lane * kCell + i);
    }
}
template <class T>
HWY_INLINE void SumLanes(const TilePart<T>* parts, int count, ptrdiff_t lane_stride, int begin, int end,
                         T* sums) {
  switch (count) {
    case 0:
      return SumLanes<0>(parts, lane_stride, begin, end, sums);
    case 1:
      return SumLanes<1>(parts, lane_stride, begin, end, sums);
    case 2:
      return SumLanes<2>(parts, lane_stride, begin, end, sums);
    case 3:
      return SumLanes<3>(parts, lane_stride, begin, end, sums);
    default:
      return SumLanes<4>(parts, lane_stride, begin, end, sums);
  }
}

/// Transposes the cells of a u-block, [lane][re, im][plane] with lanes `stride` apart, to each plane's
/// element.
template <bool kAdd, class T>
HWY_INLINE void SpreadCell(const T* cells, ptrdiff_t stride, int64_t planes, T* to, ptrdiff_t plane_stride) {
  for (int half = 0; half < int(kCell); half += kLanes<T>) {
    Transpose<T>([&](Wide<T> d, int lane, int column)
                     HWY_ATTR { return hn::Load(d, cells + lane * stride + half + column); },
                 [&](Wide<T> d, hn::Vec<Wide<T>> value, int scalar, int lane) HWY_ATTR {
                   // Scalar s of the cells belongs to plane s % 8 and part s / 8.
                   const int plane = (half + scalar) % kSlabPlanes, part = (half + scalar) / kSlabPlanes;
                   if (plane >= planes) return;
                   T* element = to + plane * plane_stride + part * kLanes<T> + lane;
                   hn::Store(kAdd ? hn::Add(hn::Load(d, element), value) : value, d, element);
                 });
  }
}

/// Gathers a u-block: planes[plane] of `length` rows each get every element written, cells folded onto the
/// period nv.
/// @return false when all tiles are untouched; the planes are not written then.
template <class T>
HWY_INLINE bool GatherBlock(const Facet& facet, const BlockTiles<T>& tiles, int64_t planes, T* x) {
  const Wide<T> d;
  const ptrdiff_t step = ptrdiff_t(hn::Lanes(d));
  const int64_t box = facet.tiles_v * kTile + facet.support - 1;
  const ptrdiff_t plane_stride = PlaneStride<T>(facet);
  TilePart<T> parts[4];
  alignas(64) T sums[kLanes<T> * kCell];
  if (!tiles.any(true)) return false;

  int64_t at = Modulo(facet.v_begin, facet.nv);
  for (int64_t v = 0; v < box;) {
    // Cells up to the next change of tiles: the end of the lower tile's halo, or of the tile.
    const int64_t local = v % kTile;
    const int64_t end =
        std::min(box, v - local + (local < facet.support - 1 ? facet.support - 1 : int64_t{kTile}));
    const int count = tiles.parts(v, true, parts);
    // The lower tile column's parts come first and hold the first halo_lanes lanes only.
    int lower = 0;
    while (lower < count && parts[lower].lanes < kLanes<T>) ++lower;
    const int halo_lanes = lower > 0 ? parts[0].lanes : 0;
    const bool plain = count == 1 && lower == 0;
    for (; v < end; ++v) {
      T* to = x + at * kRow<T>;
      const bool add = v >= facet.nv;
      if (count == 0) {
        if (!add)
          for (int64_t plane = 0; plane < planes; ++plane)
            for (ptrdiff_t i = 0; i < kRow<T>; i += step)
              hn::Store(hn::Zero(d), d, to + plane * plane_stride + i);
      } else {
        const T* cells = sums;
        ptrdiff_t stride = kCell;
        if (plain) {
          cells = parts[0].at;
          stride = tiles.lane_stride();
        } else {
          SumLanes(parts, count, tiles.lane_stride(), 0, halo_lanes, sums);
          SumLanes(parts + lower, count - lower, tiles.lane_stride(), halo_lanes, kLanes<T>, sums);
        }
        // The next tiles, 32 cells ahead, into the second-level cache: too many streams for the hardware.
        for (int i = 0; i < count; ++i)
          for (int lane = 0; lane < parts[i].lanes; ++lane)
            for (ptrdiff_t line = 0; line < kCell; line += kLanes<T>)
              __builtin_prefetch(parts[i].at + facet.tile_scalars() + lane * tiles.lane_stride() + line, 0,
                                 2);
        if (add) {
          SpreadCell<true>(cells, stride, planes, to, plane_stride);
        } else if (planes == kSlabPlanes) {
          SpreadCell<false>(cells, stride, kSlabPlanes, to, plane_stride);
        } else {
          SpreadCell<false>(cells, stride, planes, to, plane_stride);
        }
        for (int i = 0; i < count; ++i) parts[i].at += kCell;
      }
      if (++at == facet.nv) at = 0;
    }
  }
  for (int64_t v = box; v < facet.nv; ++v) {
    for (int64_t plane = 0; plane < planes; ++plane)
      for (ptrdiff_t i = 0; i < kRow<T>; i += step)
        hn::Store(hn::Zero(d), d, x + plane * plane_stride + at * kRow<T> + i);
    if (++at == facet.nv) at = 0;
  }
  return true;
}

template <class T>
HWY_INLINE void RowsToSky(const FacetPlan& plan, const TransformPlan<T>& transform, int64_t slab,
                          int64_t strip, const TileStore<T>& store, const TileStore<T>& previous, T* rows,
                          T* scratch) {
  const Facet& facet = plan.facet;
  const int64_t planes = std::min<int64_t>(kSlabPlanes, facet.planes - slab * kSlabPlanes);
  const int64_t cells = strip_cells<T>(plan, strip), blocks = y_blocks<T>(plan);
  const int64_t u_first = int64_t{plan.tiles.strip_begin[size_t(strip)]} * kTile;
  const ptrdiff_t plane_stride = PlaneStride<T>(facet);
  T* fft_scratch = scratch + kSlabPlanes * plane_stride;
  T* filled = rows + slab_rows_flags_offset<T>(plan, strip);
  alignas(64) const T zero_row[kLanes<T>] = {};
  for (int64_t u = 0; u < cells; u += kLanes<T>) {
    const BlockTiles<T> tiles(plan, slab, strip, u_first + u, store, previous);
    const bool any = GatherBlock(facet, tiles, planes, scratch);
    filled[u / kLanes<T>] = any ? T(1) : T(0);
    if (!any) continue;
    for (int64_t plane = 0; plane < planes; ++plane) {
      T* x = scratch + plane * plane_stride;
      TransformInPlace(transform, x, fft_scratch, +1);
      T* to = rows + (plane * blocks * cells + u) * kRow<T>;
      for (int64_t block = 0; block < blocks; ++block, to += cells * kRow<T>) {
        const T* from[kLanes<T>];
        for (int lane = 0; lane < kLanes<T>; ++lane) {
          const int64_t y = block * kLanes<T> + lane;
          const int64_t k = y < facet.ny / 2 ? y - facet.ny / 2 + facet.nv : y - facet.ny / 2;
          from[lane] = y < facet.ny ? x + transform.position(k) * kRow<T> : nullptr;
        }
        for (ptrdiff_t part = 0; part < kRow<T>; part += kLanes<T>)
          Transpose<T>(
              [&](Wide<T> tag, int lane, int column) HWY_ATTR {
                return hn::Load(tag, (from[lane] != nullptr ? from[lane] + part : zero_row) + column);
              },
              [&](Wide<T> tag, hn::Vec<Wide<T>> value, int u_lane, int lane)
                  HWY_ATTR { StorePast(value, tag, to + u_lane * kRow<T> + part + lane); });
      }
    }
  }
  hwy::FlushStream();
}

/// Writes a transformed u-block to every tile that stores its cells.
template <class T>
HWY_INLINE void ScatterBlock(const Facet& facet, const BlockTiles<T>& tiles, int64_t planes,
                             const TransformPlan<T>& transform, const T* x) {
  const int64_t box = facet.tiles_v * kTile + facet.support - 1;
  const ptrdiff_t plane_stride = PlaneStride<T>(facet);
  alignas(64) const T zero_row[kLanes<T>] = {};
  int64_t at = Modulo(facet.v_begin, facet.nv);
  for (int64_t v = 0; v < box;) {
    const int64_t local = v % kTile;
    const int64_t end =
        std::min(box, v - local + (local < facet.support - 1 ? facet.support - 1 : int64_t{kTile}));
    TilePart<T> parts[4];
    const int count = tiles.parts(v, false, parts);
    for (; v < end; ++v) {
      if (count > 0) {
        const T* from = x + transform.position(at) * kRow<T>;
        for (int half = 0; half < int(kCell); half += kLanes<T>) {
          Transpose<T>(
              [&](Wide<T> tag, int scalar, int lane) HWY_ATTR {
                const int plane = (half + scalar) % kSlabPlanes, part = (half + scalar) / kSlabPlanes;
                return hn::Load(tag, plane < planes ? from + plane * plane_stride + part * kLanes<T> + lane
                                                    : zero_row + lane);
              },
              [&](Wide<T> tag, hn::Vec<Wide<T>> value, int lane, int column) HWY_ATTR {
                for (int i = 0; i < count; ++i)
                  if (lane < parts[i].lanes)
                    hn::Store(value, tag, parts[i].at + lane * tiles.lane_stride() + half + column);
              });
        }
        for (int i = 0; i < count; ++i) parts[i].at += kCell;
      }
      if (++at == facet.nv) at = 0;
    }
  }
}

template <class T>
HWY_INLINE void RowsToGrid(const FacetPlan& plan, const TransformPlan<T>& transform, int64_t slab,
                           int64_t strip, std::span<const T* const> columns,
                           std::span<const int64_t> y_strip_begin, TileStore<T> store, T* scratch) {
  const Facet& facet = plan.facet;
  const Wide<T> d;
  const int64_t slots = plan.tiles.slots_of(slab, strip);
  if (slots == 0) return;
  const int64_t planes = std::min<int64_t>(kSlabPlanes, facet.planes - slab * kSlabPlanes);
  const int64_t cells = box_cells<T>(plan);
  const int64_t u_begin = int64_t{plan.tiles.strip_begin[size_t(strip)]} * kTile;
  const int64_t u_end = int64_t{plan.tiles.strip_begin[size_t(strip) + 1]} * kTile + facet.support - 1;
  const ptrdiff_t plane_stride = PlaneStride<T>(facet);
  T* fft_scratch = scratch + kSlabPlanes * plane_stride;
  // Every block of y lies far from the next: the hardware does not foresee where, and each is fetched some blocks ahead.
  struct YBlock {
    const T* at;
    int64_t plane_stride;
  };
  std::vector<YBlock> y_blocks;
  for (size_t s = 0; s + 1 < y_strip_begin.size(); ++s) {
    const int64_t blocks = y_strip_begin[s + 1] - y_strip_begin[s];
    for (int64_t block = 0; block < blocks; ++block)
      y_blocks.push_back({columns[s] + block * cells * kRow<T>, blocks * cells * kRow<T>});
  }
  constexpr size_t kAhead = 3;
  for (int64_t u = u_begin; u < u_end; u += kLanes<T>) {
    // The strip's own tiles only: what lies below it is written by the previous strip.
    const BlockTiles<T> tiles(plan, slab, strip, u, store, TileStore<T>{});
    if (!tiles.any(false)) continue;
    for (int64_t plane = 0; plane < planes; ++plane) {
      T* x = scratch + plane * plane_stride;
      for (size_t block = 0; block < y_blocks.size(); ++block) {
        const T* from = y_blocks[block].at + plane * y_blocks[block].plane_stride + u * kRow<T>;
        if (block + kAhead < y_blocks.size()) {
          const auto& next = y_blocks[block + kAhead];
          const T* ahead = next.at + plane * next.plane_stride + u * kRow<T>;
          for (ptrdiff_t i = 0; i < kLanes<T> * kRow<T>; i += kLanes<T>) __builtin_prefetch(ahead + i, 0, 2);
        }
        const int64_t y_first = static_cast<int64_t>(block) * kLanes<T>;
        for (ptrdiff_t part = 0; part < kRow<T>; part += kLanes<T>)
          Transpose<T>([&](Wide<T> tag, int u_lane, int lane)
                           HWY_ATTR { return hn::Load(tag, from + u_lane * kRow<T> + part + lane); },
                       [&](Wide<T> tag, hn::Vec<Wide<T>> value, int lane, int u_lane) HWY_ATTR {
                         const int64_t y = y_first + lane;
                         if (y >= facet.ny) return;
                         const int64_t k = y < facet.ny / 2 ? y - facet.ny / 2 + facet.nv : y - facet.ny / 2;
                         hn::Store(value, tag, x + k * kRow<T> + part + u_lane);
                       });
      }
      for (int64_t i = (facet.ny - facet.ny / 2) * kRow<T>; i < (facet.nv - facet.ny / 2) * kRow<T>;
           i += int64_t(hn::Lanes(d)))
        hn::Store(hn::Zero(d), d, x + i);
      TransformInPlace(transform, x, fft_scratch, -1);
    }
    ScatterBlock(facet, tiles, planes, transform, scratch);
  }
  hwy::FlushStream();
  std::fill_n(store.touched, slots, uint8_t{1});
}

void RowsToSkyFloat(const FacetPlan& plan, const TransformPlan<float>& transform, int64_t slab, int64_t strip,
                    const TileStore<float>& store, const TileStore<float>& previous, float* rows,
                    float* scratch) {
  RowsToSky(plan, transform, slab, strip, store, previous, rows, scratch);
}
void RowsToSkyDouble(const FacetPlan& plan, const TransformPlan<double>& transform, int64_t slab,
                     int64_t strip, const TileStore<double>& store, const TileStore<double>& previous,
                     double* rows, double* scratch) {
  RowsToSky(plan, transform, slab, strip, store, previous, rows, scratch);
}
void RowsToGridFloat(const FacetPlan& plan, const TransformPlan<float>& transform, int64_t slab,
                     int64_t strip, std::span<const float* const> columns,
                     std::span<const int64_t> y_strip_begin, TileStore<float> store, float* scratch) {
  RowsToGrid(plan, transform, slab, strip, columns, y_strip_begin, store, scratch);
}
void RowsToGridDouble(const FacetPlan& plan, const TransformPlan<double>& transform, int64_t slab,
                      int64_t strip, std::span<const double* const> columns,
                      std::span<const int64_t> y_strip_begin, TileStore<double> store, double* scratch) {
  RowsToGrid(plan, transform, slab, strip, columns, y_strip_begin, store, scratch);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::fft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <type_traits>

namespace fringeflow::fft {

HWY_EXPORT(RowsToSkyFloat);
HWY_EXPORT(RowsToSkyDouble);
HWY_EXPORT(RowsToGridFloat);
HWY_EXPORT(RowsToGridDouble);

template <class T>
void rows_to_sky_cpu(const FacetPlan& plan, int64_t slab, int64_t strip, const TileStore<T>& store,
                     const TileStore<T>& previous, T* rows, T* scratch) {
  const auto transform = transform_plan<T>(plan.facet.nv);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(RowsToSkyFloat)(plan, *transform, slab, strip, store, previous, rows, scratch);
  } else {
    HWY_DYNAMIC_DISPATCH(RowsToSkyDouble)(plan, *transform, slab, strip, store, previous, rows, scratch);
  }
}

template <class T>
void rows_to_grid_cpu(const FacetPlan& plan, int64_t slab, int64_t strip, std::span<const T* const> columns,
                      std::span<const int64_t> y_strip_begin, TileStore<T> store, T* scratch) {
  const auto transform = transform_plan<T>(plan.facet.nv);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(RowsToGridFloat)
    (plan, *transform, slab, strip, columns, y_strip_begin, store, scratch);
  } else {
    HWY_DYNAMIC_DISPATCH(RowsToGridDouble)
    (plan, *transform, slab, strip, columns, y_strip_begin, store, scratch);
  }
}

template void rows_to_sky_cpu<float>(const FacetPlan&, int64_t, int64_t, const TileStore<float>&,
                                     const TileStore<float>&, float*, float*);
template void rows_to_sky_cpu<double>(const FacetPlan&, int64_t, int64_t, const TileStore<double>&,
                                      const TileStore<double>&, double*, double*);
template void rows_to_grid_cpu<float>(const FacetPlan&, int64_t, int64_t, std::span<const float* const>,
                                      std::span<const int64_t>, TileStore<float>, float*);
template void rows_to_grid_cpu<double>(const FacetPlan&, int64_t, int64_t, std::span<const double* const>,
                                       std::span<const int64_t>, TileStore<double>, double*);

}  // namespace fringeflow::fft
#endif  // HWY_ONCE
