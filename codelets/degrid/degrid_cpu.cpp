// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/degrid/degrid.hpp"

#include "codelets/common/simd_targets.hpp"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/degrid/degrid_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "codelets/gridder/block-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::gridder {
namespace HWY_NAMESPACE {

/// Adds ku times the sum along v of Rows rows of cells to total[parts].
template <int W, int Rows, class D, class T, class V = hn::Vec<D>>
HWY_INLINE void sum_rows(D d, const T* HWY_RESTRICT ku, const T* HWY_RESTRICT kv, const T* HWY_RESTRICT cells,
                         int64_t stride, V* HWY_RESTRICT total) {
  constexpr int lanes = static_cast<int>(hn::MaxLanes(d)), parts = 2 * kSlabPlanes / lanes;
  V sum[Rows][parts];
  const V first = hn::Set(d, kv[0]);
  FRINGEFLOW_UNROLL
  for (int a = 0; a < Rows; ++a) FRINGEFLOW_UNROLL
  for (int p = 0; p < parts; ++p) sum[a][p] = hn::Mul(first, hn::Load(d, cells + a * stride + p * lanes));
  FRINGEFLOW_UNROLL
  for (int t = 1; t < W; ++t) {
    const V k = hn::Set(d, kv[t * kBlock]);
    FRINGEFLOW_UNROLL
    for (int a = 0; a < Rows; ++a) FRINGEFLOW_UNROLL
    for (int p = 0; p < parts; ++p)
      sum[a][p] = hn::MulAdd(k, hn::Load(d, cells + a * stride + t * 2 * kSlabPlanes + p * lanes), sum[a][p]);
  }
  FRINGEFLOW_UNROLL
  for (int a = 0; a < Rows; ++a) FRINGEFLOW_UNROLL
  for (int p = 0; p < parts; ++p) total[p] = hn::MulAdd(hn::Set(d, ku[a * kBlock]), sum[a][p], total[p]);
}

/// Sum over the W x W cells of visibility j: out[0..8) the real, out[8..16) the imaginary parts of the
/// planes. Cells of a row are added in order of v, rows in order of u: the same bits for every vector width.
template <int W, class T>
HWY_INLINE void sum_cells(const Block<T>& block, int j, const T* HWY_RESTRICT cells, int64_t stride,
                          T* HWY_RESTRICT out) {
  const Tag<T, 2 * kSlabPlanes> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int lanes = static_cast<int>(hn::MaxLanes(d)), parts = 2 * kSlabPlanes / lanes;
  // Rows at a time: enough independent sums to hide the latency of the multiply-add.
  constexpr int most = kAccumulators / (2 * parts) > 0 ? kAccumulators / (2 * parts) : 1;
  constexpr int bands = (W + most - 1) / most, rows = (W + bands - 1) / bands,
                last = W - (W - 1) / rows * rows;
  V total[parts];
  FRINGEFLOW_UNROLL
  for (int p = 0; p < parts; ++p) total[p] = hn::Zero(d);
  int row = 0;
  for (; row + rows < W; row += rows)
    sum_rows<W, rows>(d, &block.ku[row][j], &block.kv[0][j], cells + row * stride, stride, total);
  sum_rows<W, last>(d, &block.ku[row][j], &block.kv[0][j], cells + row * stride, stride, total);
  FRINGEFLOW_UNROLL
  for (int p = 0; p < parts; ++p) hn::Store(total[p], d, out + p * lanes);
}

/// Sums of the n visibilities of a block over their cells and planes, to block.re and block.im.
template <int W, class T>
HWY_NOINLINE void sum_block(const Tables<T>& tables, const T* tile, int n, Block<T>& block) {
  const int64_t stride = tables.edge * 2 * kSlabPlanes;
  const Tag<T, 4> d4;
  const int lanes = static_cast<int>(hn::Lanes(d4));
  for (int j = 0; j < n; ++j) {
    alignas(64) T kernel[kSlabPlanes], sums[2 * kSlabPlanes], folded[8];
    sum_cells<W>(block, j, tile + static_cast<int64_t>(block.cell[j]) * 2 * kSlabPlanes, stride, sums);
    plane_kernel(tables, block, j, kernel);
    // The planes are added in a fixed tree: p and p + 4 first, then p and p + 2, then the last two.
    for (int p = 0; p < 4; p += lanes) {
      const auto low = hn::Load(d4, kernel + p), high = hn::Load(d4, kernel + 4 + p);
      for (int part = 0; part < 2; ++part) {
        const T* s = sums + part * kSlabPlanes + p;
        hn::Store(hn::MulAdd(high, hn::Load(d4, s + 4), hn::Mul(low, hn::Load(d4, s))), d4,
                  folded + 4 * part + p);
      }
    }
    block.re[j] = (folded[0] + folded[2]) + (folded[1] + folded[3]);
    block.im[j] = (folded[4] + folded[6]) + (folded[5] + folded[7]);
  }
}

template <class T>
using SumBlock = void (*)(const Tables<T>&, const T*, int, Block<T>&);

template <class T, int... I>
SumBlock<T> sum_block_of(int support, std::integer_sequence<int, I...>) {
  static constexpr SumBlock<T> functions[] = {sum_block<kMinSupport + I, T>...};
  return functions[support - kMinSupport];
}

/// The kernels of a support.
template <class T>
struct Kernels {
  PlaceBlock<T> place;
  SumBlock<T> sum;
};

/// Turns the sums by the phase of the facet's centre, conjugates where w < 0, and adds them to the
/// prediction.
template <class T, class Vis>
HWY_INLINE void add_values(Block<T>& block, bool conjugated, int n, Vis* HWY_RESTRICT predicted) {
  using S = typename Vis::value_type;
  const Tag<T, kBlock> d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  for (int c = 0; c < n; c += lanes) {
    const auto re = hn::Load(d, block.re + c), im = hn::Load(d, block.im + c);
    const auto cosine = hn::Load(d, block.cosine + c), sine = hn::Load(d, block.sine + c);
    const auto x = hn::NegMulAdd(im, sine, hn::Mul(re, cosine));
    auto y = hn::MulAdd(re, sine, hn::Mul(im, cosine));
    if (conjugated) y = hn::Neg(y);
    hn::Store(x, d, block.re + c);
    hn::Store(y, d, block.im + c);
  }
  S* HWY_RESTRICT out = reinterpret_cast<S*>(predicted);
  for (int j = 0; j < n; ++j) {
    out[2 * j] += static_cast<S>(block.re[j]);
    out[2 * j + 1] += static_cast<S>(block.im[j]);
  }
}

/// The n channels from the `done`-th on that the nodes stand for, into the block.
template <class T>
HWY_INLINE void from_nodes(const ChannelCompression::Matrix<T>& matrix, const Nodes<T>& nodes, int done,
                           int n, Block<T>& block) {
  const Tag<T, kBlock> d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  for (int c = 0; c < n; c += lanes) {
    auto re = hn::Zero(d), im = hn::Zero(d);
    for (int k = 0; k < matrix.nodes; ++k) {
      const auto weight = hn::LoadU(d, matrix.to_channels.data() + k * matrix.padded + done + c);
      re = hn::MulAdd(weight, hn::Set(d, nodes.re[k]), re);
      im = hn::MulAdd(weight, hn::Set(d, nodes.im[k]), im);
    }
    hn::Store(re, d, block.re + c);
    hn::Store(im, d, block.im + c);
  }
}

/// Adds what one tile holds to the visibilities of its runs.
template <class T, class Vis>
void sum_runs(const FacetPlan& plan, const Tables<T>& tables, const Kernels<T>& kernels,
              const TileOrigin& origin, const DegridOutput<Vis>& output, int32_t begin, int32_t end,
              const T* tile, Block<T>& block) {
  constexpr int kAhead = 3;
  const ChunkGeometry& geometry = output.geometry;
  const int64_t channels = output.predicted.extent(1);
  const auto known_freqs = static_cast<int64_t>(geometry.freq_hz.size());
  double spare_freq[kBlock];
  Nodes<T> nodes;
  const Segments segments(plan, geometry);
  for (int32_t i = begin; i < end; ++i) {
    if (i + kAhead < end)
      prefetch_run<Vis>(output.index.runs[i + kAhead], geometry, output.predicted.data(), nullptr, channels);
    const Run run = output.index.runs[i];
    const double* uvw = geometry.uvw_m.data() + 3 * static_cast<int64_t>(run.row);
    const GridRay ray = grid_ray(plan.facet, uvw[0], uvw[1], uvw[2]);
    segments(ray, run.channel, run.count, [&](int64_t first_channel, int count, int node_count) {
      const auto* matrix = node_count > 0 ? &plan.compression->matrix<T>(count, node_count) : nullptr;
      if (matrix) {
        node_frequencies(*matrix, geometry.freq_hz.data() + first_channel, spare_freq);
        kernels.place(tables, origin, ray, spare_freq, node_count, block);
        kernels.sum(tables, tile, node_count, block);
        std::memcpy(nodes.re, block.re, sizeof block.re);
        std::memcpy(nodes.im, block.im, sizeof block.im);
      }
      for (int done = 0; done < count; done += kBlock) {
        const int n = std::min(kBlock, count - done);
        const int64_t channel = first_channel + done;
        const double* freq = sixteen(geometry.freq_hz.data() + channel, n, known_freqs - channel, spare_freq);
        if (matrix) {
          turn(ray, freq, n, block);
          from_nodes(*matrix, nodes, done, n, block);
        } else {
          kernels.place(tables, origin, ray, freq, n, block);
          kernels.sum(tables, tile, n, block);
        }
        add_values(block, ray.conjugated, n,
                   output.predicted.data() + static_cast<int64_t>(run.row) * channels + channel);
      }
    });
  }
}

template <class T, class Vis>
void degrid_target(const FacetPlan& plan, int64_t slab_begin, int64_t slab_end,
                   std::span<const TileStore<T>> stores, std::span<const DegridOutput<Vis>> outputs) {
  const Tables<T> tables(plan);
  const Kernels<T> kernels{place_of<T>(tables.support), sum_block_of<T>(tables.support, Supports())};
  const TileMap& map = plan.tiles;
  const int64_t scalars = plan.facet.tile_scalars();
  Block<T> block;
  std::memset(&block, 0, sizeof block);  // lanes past the last visibility are turned too
  for (int64_t slab = slab_begin; slab < slab_end; ++slab)
    for (int64_t strip = 0; strip < map.strips; ++strip) {
      const TileStore<T>& store = stores[static_cast<size_t>((slab - slab_begin) * map.strips + strip)];
      if (!store.touched) continue;
      const int32_t first = map.slot_begin[static_cast<size_t>(slab * map.strips + strip)];
      // A tile after another for all chunks: it stays in the cache.
      for (int64_t local = 0; local < map.slots_of(slab, strip); ++local) {
        if (!store.touched[local]) continue;
        const auto slot = static_cast<size_t>(first + local);
        const TileOrigin origin = tile_origin(plan.facet, slab, map.slot_tile[slot]);
        for (const auto& output : outputs)
          sum_runs(plan, tables, kernels, origin, output, output.index.start[slot],
                   output.index.start[slot + 1], store.tiles + local * scalars, block);
      }
    }
}

#define FRINGEFLOW_DEGRID_TARGET(name, T, V)                                                                \
  void name(const FacetPlan& plan, int64_t slab_begin, int64_t slab_end,                                    \
            std::span<const TileStore<T>> stores, std::span<const DegridOutput<std::complex<V>>> outputs) { \
    degrid_target<T, std::complex<V>>(plan, slab_begin, slab_end, stores, outputs);                         \
  }
FRINGEFLOW_DEGRID_TARGET(degrid_ff, float, float)
FRINGEFLOW_DEGRID_TARGET(degrid_fd, float, double)
FRINGEFLOW_DEGRID_TARGET(degrid_df, double, float)
FRINGEFLOW_DEGRID_TARGET(degrid_dd, double, double)
#undef FRINGEFLOW_DEGRID_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::gridder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringeflow::gridder {

#define FRINGEFLOW_DEGRID(name, T, V)                                          \
  HWY_EXPORT(name);                                                            \
  template <>                                                                  \
  void degrid_cpu(const FacetPlan& plan, int64_t slab_begin, int64_t slab_end, \
                  std::span<const TileStore<T>> stores,                        \
                  std::span<const DegridOutput<std::complex<V>>> outputs) {    \
    HWY_DYNAMIC_DISPATCH(name)(plan, slab_begin, slab_end, stores, outputs);   \
  }
FRINGEFLOW_DEGRID(degrid_ff, float, float)
FRINGEFLOW_DEGRID(degrid_fd, float, double)
FRINGEFLOW_DEGRID(degrid_df, double, float)
FRINGEFLOW_DEGRID(degrid_dd, double, double)
#undef FRINGEFLOW_DEGRID

}  // namespace fringeflow::gridder
#endif  // HWY_ONCE
