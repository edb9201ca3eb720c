// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/grid/grid.hpp"

#include "codelets/common/simd_targets.hpp"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/grid/grid_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "codelets/gridder/block-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::gridder {
namespace HWY_NAMESPACE {

/// Visibility times plane kernel: [visibility][re of 8 planes, im of 8 planes].
template <class T>
struct PlaneValues {
  alignas(64) T value[kBlock][2 * kSlabPlanes];
};

/// Adds visibilities [begin, end) of a block, all on the same cell, to Rows x Columns cells. The cells are
/// held in registers, so that memory is touched once; the additions to each cell are in the order of the
/// visibilities.
template <int Rows, int Columns, class T>
HWY_INLINE void add_cells(const Block<T>& block, const PlaneValues<T>& planes, int row, int column, int begin,
                          int end, T* HWY_RESTRICT cells, int64_t stride) {
  const Tag<T, 2 * kSlabPlanes> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(d)), parts = 2 * kSlabPlanes / lanes;
  V sum[Rows][Columns][parts];
  FRINGEFLOW_UNROLL
  for (int a = 0; a < Rows; ++a) FRINGEFLOW_UNROLL
  for (int t = 0; t < Columns; ++t) FRINGEFLOW_UNROLL
  for (int p = 0; p < parts; ++p)
    sum[a][t][p] = hn::Load(d, cells + a * stride + t * 2 * kSlabPlanes + p * lanes);
  const T* HWY_RESTRICT ku = block.ku[row];
  const T* HWY_RESTRICT kv = block.kv[column];
  for (int j = begin; j < end; ++j) {
    V value[Rows][parts];
    FRINGEFLOW_UNROLL
    for (int a = 0; a < Rows; ++a) FRINGEFLOW_UNROLL
    for (int p = 0; p < parts; ++p)
      value[a][p] = hn::Mul(hn::Load(d, planes.value[j] + p * lanes), hn::Set(d, ku[a * kBlock + j]));
    FRINGEFLOW_UNROLL
    for (int t = 0; t < Columns; ++t) {
      const V k = hn::Set(d, kv[t * kBlock + j]);
      FRINGEFLOW_UNROLL
      for (int a = 0; a < Rows; ++a) FRINGEFLOW_UNROLL
      for (int p = 0; p < parts; ++p) sum[a][t][p] = hn::MulAdd(value[a][p], k, sum[a][t][p]);
    }
  }
  FRINGEFLOW_UNROLL
  for (int a = 0; a < Rows; ++a) FRINGEFLOW_UNROLL
  for (int t = 0; t < Columns; ++t) FRINGEFLOW_UNROLL
  for (int p = 0; p < parts; ++p)
    hn::Store(sum[a][t][p], d, cells + a * stride + t * 2 * kSlabPlanes + p * lanes);
}

/// How the W x W cells are cut into pieces that fit the registers.
template <int W, class T>
struct Cut {
  static constexpr int parts = 2 * kSlabPlanes / static_cast<int>(hn::MaxLanes(Tag<T, 2 * kSlabPlanes>()));
  static constexpr int held = kAccumulators / parts;
  static constexpr int column_parts = (W + held - 1) / held, columns = (W + column_parts - 1) / column_parts;
  static constexpr int most_rows = held / columns > 0 ? held / columns : 1;
  static constexpr int row_parts = (W + most_rows - 1) / most_rows, rows = (W + row_parts - 1) / row_parts;
  static constexpr int last_rows = W - (W - 1) / rows * rows, last_columns = W - (W - 1) / columns * columns;
};

/// add_cells for all W columns of some rows.
template <int W, int Rows, class T>
HWY_INLINE void add_rows(const Block<T>& block, const PlaneValues<T>& planes, int row, int begin, int end,
                         T* HWY_RESTRICT cells, int64_t stride) {
  using C = Cut<W, T>;
  int column = 0;
  for (; column + C::columns < W; column += C::columns)
    add_cells<Rows, C::columns>(block, planes, row, column, begin, end,
                                cells + row * stride + column * 2 * kSlabPlanes, stride);
  add_cells<Rows, C::last_columns>(block, planes, row, column, begin, end,
                                   cells + row * stride + column * 2 * kSlabPlanes, stride);
}

/// Adds visibilities [begin, end), all on the same cell, to the W x W cells from `cells` on.
template <int W, class T>
HWY_INLINE void add_kernel(const Block<T>& block, const PlaneValues<T>& planes, int begin, int end,
                           T* HWY_RESTRICT cells, int64_t stride) {
  using C = Cut<W, T>;
  int row = 0;
  for (; row + C::rows < W; row += C::rows)
    add_rows<W, C::rows>(block, planes, row, begin, end, cells, stride);
  add_rows<W, C::last_rows>(block, planes, row, begin, end, cells, stride);
}

/// Loads weight x visibility, conjugated where w < 0, and takes off the phase of the facet's centre.
template <class T, class Vis>
HWY_INLINE void load_values(const Vis* HWY_RESTRICT vis, int64_t readable, const float* HWY_RESTRICT weight,
                            bool conjugated, int n, Block<T>& block) {
  const Tag<T, kBlock> d;
  using V = hn::Vec<decltype(d)>;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const hn::Rebind<float, decltype(d)> df;
  alignas(64) float spare_weight[kBlock];
  weight = sixteen(weight, n, readable, spare_weight);
  Vis spare_vis[kBlock];
  alignas(64) T narrow[kBlock * 2];
  const T* interleaved = nullptr;
  if (vis) {
    vis = sixteen(vis, n, readable, spare_vis);
    if constexpr (std::is_same_v<T, typename Vis::value_type>) {
      interleaved = reinterpret_cast<const T*>(vis);
    } else {
      for (int i = 0; i < n; ++i) {
        narrow[2 * i] = static_cast<T>(vis[i].real());
        narrow[2 * i + 1] = static_cast<T>(vis[i].imag());
      }
      interleaved = narrow;
    }
  }
  for (int c = 0; c < n; c += lanes) {
    V w;
    if constexpr (std::is_same_v<T, float>)
      w = hn::LoadU(d, weight + c);
    else
      w = hn::PromoteTo(d, hn::LoadU(df, weight + c));
    const V cosine = hn::Load(d, block.cosine + c), sine = hn::Load(d, block.sine + c);
    V re, im;
    if (interleaved) {
      V x, y;
      hn::LoadInterleaved2(d, interleaved + 2 * c, x, y);
      // Where the weight is zero the visibility may be anything, NaN too.
      const auto used = hn::Ne(w, hn::Zero(d));
      x = hn::IfThenElseZero(used, hn::Mul(x, w));
      y = hn::IfThenElseZero(used, hn::Mul(y, w));
      if (conjugated) y = hn::Neg(y);
      re = hn::MulAdd(x, cosine, hn::Mul(y, sine));
      im = hn::NegMulAdd(x, sine, hn::Mul(y, cosine));
    } else {
      re = hn::Mul(w, cosine);
      im = hn::Neg(hn::Mul(w, sine));
    }
    hn::Store(re, d, block.re + c);
    hn::Store(im, d, block.im + c);
  }
}

/// Adds the n visibilities of a block to their tile.
template <int W, class T>
HWY_NOINLINE void add_block(const Tables<T>& tables, const Block<T>& block, const PlaneValues<T>& planes,
                            int n, T* tile) {
  const int64_t stride = tables.edge * 2 * kSlabPlanes;
  for (int j = 0; j < n;) {
    int same = j + 1;
    while (same < n && block.cell[same] == block.cell[j]) ++same;
    add_kernel<W>(block, planes, j, same, tile + static_cast<int64_t>(block.cell[j]) * 2 * kSlabPlanes,
                  stride);
    j = same;
  }
}

template <class T>
using AddBlock = void (*)(const Tables<T>&, const Block<T>&, const PlaneValues<T>&, int, T*);

template <class T, int... I>
AddBlock<T> add_block_of(int support, std::integer_sequence<int, I...>) {
  static constexpr AddBlock<T> functions[] = {add_block<kMinSupport + I, T>...};
  return functions[support - kMinSupport];
}

/// The kernels of a support.
template <class T>
struct Kernels {
  PlaceBlock<T> place;
  AddBlock<T> add;
};

template <class T>
HWY_INLINE void multiply_planes(const Tables<T>& tables, const Block<T>& block, int n,
                                PlaneValues<T>& planes) {
  const Tag<T, kSlabPlanes> d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  for (int j = 0; j < n; ++j) {
    alignas(64) T kernel[kSlabPlanes];
    plane_kernel(tables, block, j, kernel);
    for (int p = 0; p < kSlabPlanes; p += lanes) {
      const auto k = hn::Load(d, kernel + p);
      hn::Store(hn::Mul(k, hn::Set(d, block.re[j])), d, planes.value[j] + p);
      hn::Store(hn::Mul(k, hn::Set(d, block.im[j])), d, planes.value[j] + kSlabPlanes + p);
    }
  }
}

/// Multiplies n visibilities of the block into the nodes that stand for them.
template <class T>
HWY_INLINE void add_to_nodes(const T* HWY_RESTRICT to_nodes, const Block<T>& block, int n, Nodes<T>& nodes) {
  const Tag<T, kBlock> d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  for (int k = 0; k < kBlock; k += lanes) {
    // Two sums each, so that an addition need not wait for the one before it.
    auto re = hn::Load(d, nodes.re + k), im = hn::Load(d, nodes.im + k);
    auto odd_re = hn::Zero(d), odd_im = hn::Zero(d);
    int j = 0;
    for (; j + 1 < n; j += 2) {
      const auto weight = hn::LoadU(d, to_nodes + j * kBlock + k),
                 odd_weight = hn::LoadU(d, to_nodes + (j + 1) * kBlock + k);
      re = hn::MulAdd(weight, hn::Set(d, block.re[j]), re);
      im = hn::MulAdd(weight, hn::Set(d, block.im[j]), im);
      odd_re = hn::MulAdd(odd_weight, hn::Set(d, block.re[j + 1]), odd_re);
      odd_im = hn::MulAdd(odd_weight, hn::Set(d, block.im[j + 1]), odd_im);
    }
    if (j < n) {
      const auto weight = hn::LoadU(d, to_nodes + j * kBlock + k);
      re = hn::MulAdd(weight, hn::Set(d, block.re[j]), re);
      im = hn::MulAdd(weight, hn::Set(d, block.im[j]), im);
    }
    hn::Store(hn::Add(re, odd_re), d, nodes.re + k);
    hn::Store(hn::Add(im, odd_im), d, nodes.im + k);
  }
}

/// Adds the runs of one chunk that lie on a tile to it.
template <class T, class Vis>
void add_runs(const FacetPlan& plan, const Tables<T>& tables, const Kernels<T>& kernels,
              const TileOrigin& origin, const GridInput<Vis>& input, int32_t begin, int32_t end, T* tile) {
  constexpr int kAhead = 3;
  const ChunkGeometry& geometry = input.geometry;
  const int64_t channels = input.weight.extent(1), total = input.weight.size();
  const auto known_freqs = static_cast<int64_t>(geometry.freq_hz.size());
  const Vis* vis = input.vis.size() > 0 ? input.vis.data() : nullptr;
  const float* weight = input.weight.data();
  Block<T> block;
  PlaneValues<T> planes;
  double spare_freq[kBlock];
  Nodes<T> nodes;
  const Segments segments(plan, geometry);
  for (int32_t i = begin; i < end; ++i) {
    if (i + kAhead < end) prefetch_run(input.index.runs[i + kAhead], geometry, vis, weight, channels);
    const Run run = input.index.runs[i];
    const double* uvw = geometry.uvw_m.data() + 3 * static_cast<int64_t>(run.row);
    const GridRay ray = grid_ray(plan.facet, uvw[0], uvw[1], uvw[2]);
    segments(ray, run.channel, run.count, [&](int64_t first, int count, int node_count) {
      const auto* matrix = node_count > 0 ? &plan.compression->matrix<T>(count, node_count) : nullptr;
      if (matrix) nodes = {};
      for (int done = 0; done < count; done += kBlock) {
        const int n = std::min(kBlock, count - done);
        const int64_t channel = first + done, at = static_cast<int64_t>(run.row) * channels + channel;
        const double* freq = sixteen(geometry.freq_hz.data() + channel, n, known_freqs - channel, spare_freq);
        if (matrix)
          turn(ray, freq, n, block);
        else
          kernels.place(tables, origin, ray, freq, n, block);
        load_values(vis ? vis + at : nullptr, total - at, weight + at, ray.conjugated, n, block);
        if (matrix) {
          add_to_nodes(matrix->to_nodes.data() + done * kBlock, block, n, nodes);
          continue;
        }
        multiply_planes(tables, block, n, planes);
        kernels.add(tables, block, planes, n, tile);
      }
      if (!matrix) return;
      node_frequencies(*matrix, geometry.freq_hz.data() + first, spare_freq);
      kernels.place(tables, origin, ray, spare_freq, node_count, block);
      std::memcpy(block.re, nodes.re, sizeof block.re);
      std::memcpy(block.im, nodes.im, sizeof block.im);
      multiply_planes(tables, block, node_count, planes);
      kernels.add(tables, block, planes, node_count, tile);
    });
  }
}

template <class T, class Vis>
void grid_target(const FacetPlan& plan, int64_t slab, int64_t strip, std::span<const GridInput<Vis>> chunks,
                 TileStore<T> store) {
  const Tables<T> tables(plan);
  const Kernels<T> kernels{place_of<T>(tables.support), add_block_of<T>(tables.support, Supports())};
  const TileMap& map = plan.tiles;
  const int32_t first = map.slot_begin[static_cast<size_t>(slab * map.strips + strip)];
  const int64_t slots = map.slots_of(slab, strip), scalars = plan.facet.tile_scalars();
  // Tile by tile, so that a tile stays in cache over the chunks.
  for (int64_t local = 0; local < slots; ++local) {
    const auto slot = static_cast<size_t>(first + local);
    const TileOrigin origin = tile_origin(plan.facet, slab, map.slot_tile[slot]);
    T* tile = store.tiles + local * scalars;
    for (const GridInput<Vis>& chunk : chunks) {
      const int32_t begin = chunk.index.start[slot], end = chunk.index.start[slot + 1];
      if (begin == end) continue;
      if (!store.touched[local]) {
        std::memset(tile, 0, static_cast<size_t>(scalars) * sizeof(T));
        store.touched[local] = 1;
      }
      add_runs(plan, tables, kernels, origin, chunk, begin, end, tile);
    }
  }
}

#define FRINGEFLOW_GRID_TARGET(name, T, V)                                            \
  void name(const FacetPlan& plan, int64_t slab, int64_t strip,                       \
            std::span<const GridInput<std::complex<V>>> chunks, TileStore<T> store) { \
    grid_target<T, std::complex<V>>(plan, slab, strip, chunks, store);                \
  }
FRINGEFLOW_GRID_TARGET(grid_ff, float, float)
FRINGEFLOW_GRID_TARGET(grid_fd, float, double)
FRINGEFLOW_GRID_TARGET(grid_df, double, float)
FRINGEFLOW_GRID_TARGET(grid_dd, double, double)
#undef FRINGEFLOW_GRID_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::gridder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringeflow::gridder {

#define FRINGEFLOW_GRID(name, T, V)                                                       \
  HWY_EXPORT(name);                                                                       \
  template <>                                                                             \
  void grid_cpu(const FacetPlan& plan, int64_t slab, int64_t strip,                       \
                std::span<const GridInput<std::complex<V>>> chunks, TileStore<T> store) { \
    HWY_DYNAMIC_DISPATCH(name)(plan, slab, strip, chunks, store);                         \
  }
FRINGEFLOW_GRID(grid_ff, float, float)
FRINGEFLOW_GRID(grid_fd, float, double)
FRINGEFLOW_GRID(grid_df, double, float)
FRINGEFLOW_GRID(grid_dd, double, double)
#undef FRINGEFLOW_GRID

}  // namespace fringeflow::gridder
#endif  // HWY_ONCE
