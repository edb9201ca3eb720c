// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Random visibilities and their plan, index and tile buffers, for the tests of the gridder.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <memory>
#include <new>
#include <random>
#include <vector>

#include <hwy/highway.h>

#include "codelets/degrid/degrid.hpp"
#include "codelets/grid/grid.hpp"
#include "codelets/gridder/index.hpp"
#include "codelets/gridder/kernel.hpp"
#include "codelets/gridder/plan.hpp"
#include "io/constants.hpp"

namespace fringeflow::gridder::test {

/// Zeroed memory aligned for SIMD.
template <class T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(int64_t size)
      : data_(static_cast<T*>(
            ::operator new(static_cast<size_t>(size) * sizeof(T) + 64, std::align_val_t(64)))),
        size_(size) {
    std::fill_n(reinterpret_cast<unsigned char*>(data_.get()), static_cast<size_t>(size) * sizeof(T) + 64, 0);
  }
  T* data() const { return data_.get(); }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) const { return data_.get()[i]; }

 private:
  struct Delete {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<T, Delete> data_;
  int64_t size_ = 0;
};

struct DataOptions {
  int64_t rows = 100, channels = 8;
  double max_uv_share = 0.98;  ///< of 1/(2 cell) at the highest frequency
  double w_lambda = 1000;      ///< |w| up to this at the highest frequency
  bool descending = false;
  unsigned seed = 1;
  int64_t short_rows = 0;  ///< of the rows, on baselines a fiftieth as long
};

/// Random rows and visibilities for an image.
template <class Vis>
struct Data {
  ImageGeometry image;
  std::vector<double> uvw_m, freq_hz;
  std::vector<Vis> vis;
  std::vector<float> weight;
  int64_t rows, channels;

  Data(const ImageGeometry& geometry, const DataOptions& options)
      : image(geometry), rows(options.rows), channels(options.channels) {
    std::mt19937 generator(options.seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    const double top = 1.1e9 + 3e6 * static_cast<double>(channels);
    for (int64_t c = 0; c < channels; ++c)
      freq_hz.push_back(1.1e9 + 3e6 * static_cast<double>(options.descending ? channels - 1 - c : c));
    const double to_m = kSpeedOfLight_m_s / top, uv = options.max_uv_share / (2 * image.cell_rad) * to_m;
    for (int64_t r = 0; r < rows; ++r) {
      uvw_m.push_back(uv * uniform(generator));
      uvw_m.push_back(uv * uniform(generator));
      uvw_m.push_back(options.w_lambda * to_m * uniform(generator));
    }
    for (size_t i = 0; i < static_cast<size_t>(3 * options.short_rows); ++i) uvw_m[i] /= 50;
    using S = typename Vis::value_type;
    for (int64_t i = 0; i < rows * channels; ++i) {
      vis.emplace_back(static_cast<S>(uniform(generator)), static_cast<S>(uniform(generator)));
      weight.push_back(static_cast<float>(1.5 + uniform(generator)));
    }
  }

  double max_uv_lambda() const { return 1 / (2 * image.cell_rad); }

  ExtentByLength extent() const {
    ExtentByLength out;
    for (int64_t r = 0; r < rows; ++r)
      out.add_row(&uvw_m[static_cast<size_t>(3 * r)], freq_hz, max_uv_lambda());
    return out;
  }

  ChunkGeometry geometry(int64_t row_begin, int64_t row_end) const {
    return {View<const double, 2>(uvw_m.data() + 3 * row_begin, {row_end - row_begin, 3}),
            freq_hz,
            0,
            channels,
            max_uv_lambda(),
            equally_spaced(freq_hz)};
  }
  View<const float, 2> weights(int64_t row_begin, int64_t row_end) const {
    return {weight.data() + row_begin * channels, {row_end - row_begin, channels}};
  }
};

/// A plan with its tile map finished for the data.
template <class Vis>
std::vector<std::shared_ptr<FacetPlan>> finished_plans(const Data<Vis>& data, const PlanOptions& options,
                                                       PlanSummary& summary) {
  auto plans = plan_facets(data.image, data.extent(), options, summary);
  for (auto& plan : plans) {
    TileMarker marker(*plan, 0, 3);
    marker.mark_rows({data.uvw_m.data(), {data.rows, 3}}, data.freq_hz);
    marker.finish(*plan, options.strips_target);
  }
  return plans;
}

/// The index of a range of rows, with its memory.
struct OwnedIndex {
  AlignedArray<unsigned char> memory;
  ChunkIndex index;

  template <class Vis>
  OwnedIndex(const FacetPlan& plan, const Data<Vis>& data, int64_t row_begin, int64_t row_end,
             bool weighted = true) {
    TileMarker marker(plan);
    const int64_t capacity =
        marker.mark_rows({data.uvw_m.data() + 3 * row_begin, {row_end - row_begin, 3}}, data.freq_hz);
    memory = AlignedArray<unsigned char>(index_bytes(plan, capacity));
    index = chunk_index(plan, capacity, memory.data());
    build_index(plan, data.geometry(row_begin, row_end),
                weighted ? data.weights(row_begin, row_end) : View<const float, 2>(), index);
  }
};

/// All tile stores of a facet: [slab][strip].
template <class T>
struct Tiles {
  std::vector<AlignedArray<unsigned char>> memory;
  std::vector<TileStore<T>> stores;

  explicit Tiles(const FacetPlan& plan) {
    for (int64_t slab = 0; slab < plan.tiles.slabs; ++slab)
      for (int64_t strip = 0; strip < plan.tiles.strips; ++strip) {
        // Room for doubles, so that tests can ask for either precision whatever the plan says.
        memory.emplace_back(64 + 2 * tile_store_bytes(plan, slab, strip));
        stores.push_back(tile_store<T>(plan, slab, strip, memory.back().data()));
      }
  }
};

/// Grids all data in chunks of the given numbers of rows.
template <class T, class Vis>
void grid_all(const FacetPlan& plan, const Data<Vis>& data, const std::vector<int64_t>& chunk_rows,
              Tiles<T>& tiles, bool psf = false) {
  std::vector<OwnedIndex> indices;
  std::vector<GridInput<Vis>> inputs;
  int64_t row = 0;
  for (const int64_t n : chunk_rows) {
    indices.emplace_back(plan, data, row, row + n);
    const View<const Vis, 2> vis =
        psf ? View<const Vis, 2>()
            : View<const Vis, 2>(data.vis.data() + row * data.channels, {n, data.channels});
    inputs.push_back({data.geometry(row, row + n), vis, data.weights(row, row + n), indices.back().index});
    row += n;
  }
  for (int64_t slab = 0; slab < plan.tiles.slabs; ++slab)
    for (int64_t strip = 0; strip < plan.tiles.strips; ++strip)
      grid_cpu<T, Vis>(plan, slab, strip, inputs,
                       tiles.stores[static_cast<size_t>(slab * plan.tiles.strips + strip)]);
}

/// Calls f(cell u, cell v, plane, complex cell) for every cell of every touched tile, halos included.
template <class T, class F>
void for_each_cell(const FacetPlan& plan, const Tiles<T>& tiles, F&& f) {
  const Facet& facet = plan.facet;
  const TileMap& map = plan.tiles;
  for (int64_t slab = 0; slab < map.slabs; ++slab)
    for (int64_t strip = 0; strip < map.strips; ++strip) {
      const TileStore<T>& store = tiles.stores[static_cast<size_t>(slab * map.strips + strip)];
      for (int64_t local = 0; local < map.slots_of(slab, strip); ++local) {
        if (!store.touched[local]) continue;
        const int64_t tile = map.slot_tile[static_cast<size_t>(
            map.slot_begin[static_cast<size_t>(slab * map.strips + strip)] + local)];
        const int64_t u0 = facet.u_begin + kTile * (tile / facet.tiles_v),
                      v0 = facet.v_begin + kTile * (tile % facet.tiles_v);
        T* cells = store.tiles + local * facet.tile_scalars();
        for (int64_t i = 0; i < facet.tile_edge(); ++i)
          for (int64_t j = 0; j < facet.tile_edge(); ++j)
            for (int p = 0; p < kSlabPlanes; ++p) {
              T* cell = cells + (i * facet.tile_edge() + j) * 2 * kSlabPlanes + p;
              f(u0 + i, v0 + j, slab * kSlabPlanes + p, cell[0], cell[kSlabPlanes]);
            }
      }
    }
}

/// Visits the cells that a visibility touches: f(u, v, plane, weight).
template <class F>
void for_each_tap(const Facet& facet, const GridPosition& at, F&& f) {
  const double half = 0.5 * facet.support;
  const auto start = [half](double g) { return static_cast<int64_t>(std::ceil(g - half)); };
  const int64_t u0 = start(at.gu), v0 = start(at.gv), w0 = start(at.gw);
  const auto kernel = [&](int64_t cell, double g) {
    return kernel_value((static_cast<double>(cell) - g) / half, facet.beta, facet.e0);
  };
  for (int64_t u = u0; u < u0 + facet.support; ++u)
    for (int64_t v = v0; v < v0 + facet.support; ++v)
      for (int64_t w = w0; w < w0 + facet.support; ++w)
        f(u, v, w, kernel(u, at.gu) * kernel(v, at.gv) * kernel(w, at.gw));
}

/// Runs f for every SIMD target of this machine that has fused multiply-add.
template <class F>
void for_each_fused_target(F&& f) {
  const int64_t all = hwy::SupportedTargets();
  for (const int64_t target : {int64_t{HWY_AVX2}, int64_t{HWY_AVX3}, int64_t{HWY_NEON}}) {
    if ((all & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    f();
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

inline std::complex<double> turn(double turns) {
  const double angle = 2 * kPi * (turns - std::round(turns));
  return {std::cos(angle), std::sin(angle)};
}

}  // namespace fringeflow::gridder::test
