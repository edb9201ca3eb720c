// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// columns_to_sky and columns_to_grid: transforms along u with the planes' phase screens.
#include "codelets/common/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/fft/columns_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include <algorithm>
#include <span>

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

/// The screens of a slab over a y-block: phase in turns w_p (r - r_centre) = base + (p - middle) step, where
/// base is reduced to half a turn in double. |step| is below a turn, so that float keeps the phase to 1e-6
/// turns however large w is. table: [x][base, step][lane].
template <class T>
HWY_NOINLINE void ScreenTable(const Facet& facet, int64_t slab, int64_t block, T* table) {
  const WideDouble<T> d;
  const Directions<T> directions(facet, block * kLanes<T>);
  const double w_middle = facet.w0 + double(slab * kSlabPlanes + kSlabPlanes / 2) * facet.dw;
  const auto w = hn::Set(d, w_middle), dw = hn::Set(d, facet.dw);
  for (int64_t x = 0; x < facet.nx; ++x) {
    T* row = table + x * kRow<T>;
    for (int lane = 0; lane < kLanes<T>; lane += int(hn::Lanes(d))) {
      const auto offset = directions(x, lane).offset;
      const auto turns = hn::Mul(w, offset);
      StoreAs(d, hn::Sub(turns, hn::Round(turns)), row + lane);
      StoreAs(d, hn::Mul(dw, offset), row + kLanes<T> + lane);
    }
  }
}

/// x += the rows of one plane and y-block of all strips, folded onto the period; every element of x is
/// written.
template <class T>
HWY_INLINE void FoldColumns(const FacetPlan& plan, std::span<const T* const> rows, int64_t plane,
                            int64_t block, T* x) {
  const Facet& facet = plan.facet;
  const Wide<T> d;
  const ptrdiff_t step = ptrdiff_t(hn::Lanes(d));
  const int64_t blocks = y_blocks<T>(plan);
  const int64_t box = facet.tiles_u * gridder::kTile + facet.support - 1;
  // The hardware does not look past a page or a strip: rows are fetched this far ahead.
  constexpr int64_t kAhead = 24;
  const auto start_of = [&](int64_t strip) {
    return rows[size_t(strip)] + (plane * blocks + block) * strip_cells<T>(plan, strip) * kRow<T>;
  };
  int64_t cell = 0;
  int64_t at = Modulo(facet.u_begin, facet.nu);
  for (int64_t strip = 0; strip < int64_t(rows.size()); ++strip) {
    const int64_t cells = strip_cells<T>(plan, strip);
    const T* from = start_of(strip);
    const T* next = strip + 1 < int64_t(rows.size()) ? start_of(strip + 1) - cells * kRow<T> : from;
    const T* filled = rows[size_t(strip)] + slab_rows_flags_offset<T>(plan, strip);
    for (int64_t u = 0; u < cells && cell < box; ++u, ++cell) {
      T* to = x + at * kRow<T>;
      const T* ahead = (u + kAhead < cells ? from : next) + (u + kAhead) * kRow<T>;
      for (ptrdiff_t i = 0; i < kRow<T>; i += kLanes<T>) __builtin_prefetch(ahead + i, 0, 2);
      const bool empty = filled[u / kLanes<T>] == T(0);
      if (cell < facet.nu) {
        if (empty) {
          for (ptrdiff_t i = 0; i < kRow<T>; i += step) hn::Store(hn::Zero(d), d, to + i);
        } else {
          for (ptrdiff_t i = 0; i < kRow<T>; i += step)
            hn::Store(hn::Load(d, from + u * kRow<T> + i), d, to + i);
        }
      } else if (!empty) {
        for (ptrdiff_t i = 0; i < kRow<T>; i += step)
          hn::Store(hn::Add(hn::Load(d, to + i), hn::Load(d, from + u * kRow<T> + i)), d, to + i);
      }
      if (++at == facet.nu) at = 0;
    }
  }
  for (; cell < facet.nu; ++cell) {
    for (ptrdiff_t i = 0; i < kRow<T>; i += step) hn::Store(hn::Zero(d), d, x + at * kRow<T> + i);
    if (++at == facet.nu) at = 0;
  }
}

/// image += Re(X exp(-2 pi i turns)) over the kept columns.
template <class T>
HWY_INLINE void AddScreened(const TransformPlan<T>& transform, const T* x, const T* table, double from_middle,
                            int64_t nx, T* image) {
  const Wide<T> d;
  const auto planes = hn::Set(d, T(from_middle));
  for (int64_t i = 0; i < nx; ++i) {
    const int64_t k = i < nx / 2 ? i - nx / 2 + transform.n : i - nx / 2;
    const T* value = x + transform.position(k) * kRow<T>;
    for (ptrdiff_t lane = 0; lane < kLanes<T>; lane += ptrdiff_t(hn::Lanes(d))) {
      const T* screen = table + i * kRow<T> + lane;
      const auto turns = hn::MulAdd(hn::Load(d, screen + kLanes<T>), planes, hn::Load(d, screen));
      hn::Vec<Wide<T>> s, c;
      SinCosTurns(d, turns, s, c);
      T* pixel = image + i * kLanes<T> + lane;
      const auto imaginary = hn::MulAdd(hn::Load(d, value + kLanes<T> + lane), s, hn::Load(d, pixel));
      hn::Store(hn::MulAdd(hn::Load(d, value + lane), c, imaginary), d, pixel);
    }
  }
}

/// X = image exp(+2 pi i turns) on the kept columns, 0 elsewhere.
template <class T>
HWY_INLINE void Screen(const Facet& facet, const T* image, const T* table, double from_middle, T* x) {
  const Wide<T> d;
  const ptrdiff_t step = ptrdiff_t(hn::Lanes(d));
  const auto planes = hn::Set(d, T(from_middle));
  const int64_t nx = facet.nx, nu = facet.nu;
  for (int64_t i = 0; i < nx; ++i) {
    T* value = x + (i < nx / 2 ? i - nx / 2 + nu : i - nx / 2) * kRow<T>;
    for (ptrdiff_t lane = 0; lane < kLanes<T>; lane += step) {
      const T* screen = table + i * kRow<T> + lane;
      const auto turns = hn::MulAdd(hn::Load(d, screen + kLanes<T>), planes, hn::Load(d, screen));
      hn::Vec<Wide<T>> s, c;
      SinCosTurns(d, turns, s, c);
      const auto pixel = hn::Load(d, image + i * kLanes<T> + lane);
      hn::Store(hn::Mul(pixel, c), d, value + lane);
      hn::Store(hn::Mul(pixel, s), d, value + kLanes<T> + lane);
    }
  }
  for (int64_t i = (nx - nx / 2) * kRow<T>; i < (nu - nx / 2) * kRow<T>; i += step)
    hn::Store(hn::Zero(d), d, x + i);
}

/// Scratch of the columns' steps: one transform, a screen table, the transform's own.
template <class T>
struct ColumnScratch {
  ColumnScratch(const FacetPlan& plan, T* scratch)
      : x(scratch), table(x + plan.facet.nu * kRow<T>), fft(table + plan.facet.nx * kRow<T>) {}
  T *x, *table, *fft;
};

template <class T>
HWY_INLINE void ColumnsToSky(const FacetPlan& plan, const TransformPlan<T>& transform, int64_t slab,
                             std::span<const T* const> rows, int64_t block_begin, int64_t block_end, T* image,
                             T* scratch) {
  const Facet& facet = plan.facet;
  const ColumnScratch<T> part(plan, scratch);
  const int64_t planes = std::min<int64_t>(kSlabPlanes, facet.planes - slab * kSlabPlanes);
  for (int64_t block = block_begin; block < block_end; ++block) {
    ScreenTable(facet, slab, block, part.table);
    T* block_image = image + (block - block_begin) * facet.nx * kLanes<T>;
    for (int64_t plane = 0; plane < planes; ++plane) {
      FoldColumns(plan, rows, plane, block, part.x);
      TransformInPlace(transform, part.x, part.fft, +1);
      AddScreened(transform, part.x, part.table, double(plane - kSlabPlanes / 2), facet.nx, block_image);
    }
  }
}

template <class T>
HWY_INLINE void ColumnsToGrid(const FacetPlan& plan, const TransformPlan<T>& transform, int64_t slab,
                              int64_t block_begin, int64_t block_end, const T* image, T* columns,
                              T* scratch) {
  const Facet& facet = plan.facet;
  const Wide<T> d;
  const ColumnScratch<T> part(plan, scratch);
  const int64_t planes = std::min<int64_t>(kSlabPlanes, facet.planes - slab * kSlabPlanes);
  const int64_t cells = box_cells<T>(plan);
  for (int64_t block = block_begin; block < block_end; ++block) {
    ScreenTable(facet, slab, block, part.table);
    const T* block_image = image + (block - block_begin) * facet.nx * kLanes<T>;
    for (int64_t plane = 0; plane < planes; ++plane) {
      Screen(facet, block_image, part.table, double(plane - kSlabPlanes / 2), part.x);
      TransformInPlace(transform, part.x, part.fft, -1);
      T* to = columns + (plane * (block_end - block_begin) + block - block_begin) * cells * kRow<T>;
      int64_t k = Modulo(facet.u_begin, facet.nu);
      for (int64_t u = 0; u < cells; ++u, to += kRow<T>) {
        const T* from = part.x + transform.position(k) * kRow<T>;
        for (ptrdiff_t i = 0; i < kRow<T>; i += ptrdiff_t(hn::Lanes(d)))
          StorePast<T>(hn::Load(d, from + i), d, to + i);
        if (++k == facet.nu) k = 0;
      }
    }
  }
  hwy::FlushStream();
}

void ColumnsToSkyFloat(const FacetPlan& plan, const TransformPlan<float>& transform, int64_t slab,
                       std::span<const float* const> rows, int64_t block_begin, int64_t block_end,
                       float* image, float* scratch) {
  ColumnsToSky(plan, transform, slab, rows, block_begin, block_end, image, scratch);
}
void ColumnsToSkyDouble(const FacetPlan& plan, const TransformPlan<double>& transform, int64_t slab,
                        std::span<const double* const> rows, int64_t block_begin, int64_t block_end,
                        double* image, double* scratch) {
  ColumnsToSky(plan, transform, slab, rows, block_begin, block_end, image, scratch);
}
void ColumnsToGridFloat(const FacetPlan& plan, const TransformPlan<float>& transform, int64_t slab,
                        int64_t block_begin, int64_t block_end, const float* image, float* columns,
                        float* scratch) {
  ColumnsToGrid(plan, transform, slab, block_begin, block_end, image, columns, scratch);
}
void ColumnsToGridDouble(const FacetPlan& plan, const TransformPlan<double>& transform, int64_t slab,
                         int64_t block_begin, int64_t block_end, const double* image, double* columns,
                         double* scratch) {
  ColumnsToGrid(plan, transform, slab, block_begin, block_end, image, columns, scratch);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::fft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <type_traits>

namespace fringeflow::fft {

HWY_EXPORT(ColumnsToSkyFloat);
HWY_EXPORT(ColumnsToSkyDouble);
HWY_EXPORT(ColumnsToGridFloat);
HWY_EXPORT(ColumnsToGridDouble);

template <class T>
void columns_to_sky_cpu(const FacetPlan& plan, int64_t slab, std::span<const T* const> rows,
                        int64_t block_begin, int64_t block_end, T* image, T* scratch) {
  const auto transform = transform_plan<T>(plan.facet.nu);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(ColumnsToSkyFloat)
    (plan, *transform, slab, rows, block_begin, block_end, image, scratch);
  } else {
    HWY_DYNAMIC_DISPATCH(ColumnsToSkyDouble)
    (plan, *transform, slab, rows, block_begin, block_end, image, scratch);
  }
}

template <class T>
void columns_to_grid_cpu(const FacetPlan& plan, int64_t slab, int64_t block_begin, int64_t block_end,
                         const T* image, T* columns, T* scratch) {
  const auto transform = transform_plan<T>(plan.facet.nu);
  if constexpr (std::is_same_v<T, float>) {
    HWY_DYNAMIC_DISPATCH(ColumnsToGridFloat)
    (plan, *transform, slab, block_begin, block_end, image, columns, scratch);
  } else {
    HWY_DYNAMIC_DISPATCH(ColumnsToGridDouble)
    (plan, *transform, slab, block_begin, block_end, image, columns, scratch);
  }
}

template void columns_to_sky_cpu<float>(const FacetPlan&, int64_t, std::span<const float* const>, int64_t,
                                        int64_t, float*, float*);
template void columns_to_sky_cpu<double>(const FacetPlan&, int64_t, std::span<const double* const>, int64_t,
                                         int64_t, double*, double*);
template void columns_to_grid_cpu<float>(const FacetPlan&, int64_t, int64_t, int64_t, const float*, float*,
                                         float*);
template void columns_to_grid_cpu<double>(const FacetPlan&, int64_t, int64_t, int64_t, const double*, double*,
                                          double*);

}  // namespace fringeflow::fft
#endif  // HWY_ONCE
