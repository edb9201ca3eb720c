// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// What grid and degrid share, compiled once per SIMD target (Highway): a block of up to 16 visibilities of a
/// run with its cells, kernel taps and phase factors. Every operation is written so that each lane gives the
/// same bits on all targets with fused multiply-add, whatever their width.
// Per-target include guard.
#if defined(FRINGEFLOW_GRIDDER_BLOCK_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef FRINGEFLOW_GRIDDER_BLOCK_INL_HPP
#undef FRINGEFLOW_GRIDDER_BLOCK_INL_HPP
#else
#define FRINGEFLOW_GRIDDER_BLOCK_INL_HPP
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <complex>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "codelets/gridder/geometry.hpp"
#include "codelets/gridder/index.hpp"
#include "codelets/gridder/segments.hpp"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::gridder {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

inline constexpr int kBlock = 16;  ///< visibilities of a block

/// Before a loop over registers: they are only registers when it is unrolled.
#undef FRINGEFLOW_UNROLL
#define FRINGEFLOW_UNROLL _Pragma("GCC unroll 16")

/// Tag of a vector of at most Count scalars; the loops below step by its lanes.
template <class T, int Count>
using Tag = hn::CappedTag<T, Count>;

/// Registers that may hold accumulators: half to three quarters of what the target has.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
inline constexpr int kAccumulators = 12;
#else
inline constexpr int kAccumulators = 24;
#endif

/// A facet's constants in the precision of the grid.
template <class T>
struct Tables {
  int support, degree;
  int64_t edge;  ///< cells on a side of a tile
  double half_support;
  alignas(64) T taps[kMaxSupport][kMaxTapDegree + 1];
  /// Row k holds coefficient k of taps 0..support-1 at columns 7.., zeros around: 8 planes are one load from
  /// column 7 + first tap.
  static constexpr int kPlanePad = kSlabPlanes - 1;
  alignas(64) T plane_taps[kMaxTapDegree + 1][kMaxSupport + 2 * kSlabPlanes];

  explicit Tables(const FacetPlan& plan)
      : support(plan.facet.support),
        degree(plan.degree),
        edge(plan.facet.tile_edge()),
        half_support(0.5 * plan.facet.support) {
    std::memset(plane_taps, 0, sizeof plane_taps);
    for (int t = 0; t < support; ++t)
      for (int k = 0; k <= degree; ++k) {
        const double c = plan.taps[static_cast<size_t>(t * (degree + 1) + k)];
        taps[t][k] = static_cast<T>(c);
        plane_taps[k][kPlanePad + t] = static_cast<T>(c);
      }
  }
};

/// Up to 16 visibilities; lane = visibility.
template <class T>
struct Block {
  alignas(64) T ku[kMaxSupport][kBlock];
  alignas(64) T kv[kMaxSupport][kBlock];
  alignas(64) T re[kBlock];  ///< grid: weighted, rotated visibility; degrid: sum over cells
  alignas(64) T im[kBlock];
  alignas(64) T cosine[kBlock];  ///< of the phase
  alignas(64) T sine[kBlock];
  alignas(64) T su[kBlock];  ///< arguments of the tap polynomials, -1..1
  alignas(64) T sv[kBlock];
  alignas(64) T sw[kBlock];
  alignas(64) T turns[kBlock];        ///< phase, -1/2..1/2
  alignas(64) int32_t cell[kBlock];   ///< first cell: u * edge + v within the tile
  alignas(64) int32_t plane[kBlock];  ///< column of Tables::plane_taps
};

/// Origin of a tile and slab in grid coordinates.
struct TileOrigin {
  double u, v;
  int slab;
};
inline TileOrigin tile_origin(const Facet& f, int64_t slab, int64_t tile) {
  return {static_cast<double>(f.u_begin + kTile * (tile / f.tiles_v)),
          static_cast<double>(f.v_begin + kTile * (tile % f.tiles_v)), static_cast<int>(slab)};
}

/// Stores doubles as T.
template <class D, class T>
HWY_INLINE void store_as(D d, hn::Vec<D> x, T* out) {
  if constexpr (std::is_same_v<T, double>) {
    hn::Store(x, d, out);
  } else {
    const hn::Rebind<T, D> dt;
    hn::Store(hn::DemoteTo(dt, x), dt, out);
  }
}

/// cos and sin of 2 pi t, |t| <= 1/2, to the precision of T.
template <class D>
HWY_INLINE void cos_sin_turns(D d, hn::Vec<D> t, hn::Vec<D>& cosine, hn::Vec<D>& sine) {
  using T = hn::TFromD<D>;
  using V = hn::Vec<D>;
  const V quarter = hn::Round(hn::Mul(t, hn::Set(d, T(4))));
  const V x = hn::NegMulAdd(quarter, hn::Set(d, T(0.25)), t);  // exact, |x| <= 1/8
  const V x2 = hn::Mul(x, x);
  // Taylor series in turns, (2 pi)^k / k!: at |x| = 1/8 the next term is below rounding.
  constexpr double s[] = {6.283185307179586,  -41.341702240399755, 81.60524927607504,
                          -76.70585975306136, 42.058693944897634,  -15.094642576822984,
                          3.8199525848482803, -0.7181223017785001, 0.10422916220813978};
  constexpr double c[] = {1.0,
                          -19.739208802178716,
                          64.93939402266828,
                          -85.45681720669371,
                          60.24464137187664,
                          -26.426256783374388,
                          7.903536371318465,
                          -1.7143907110886711,
                          0.282005968455791,
                          -0.03638284114254564};
  constexpr int ns = std::is_same_v<T, double> ? 8 : 4, nc = std::is_same_v<T, double> ? 9 : 5;
  V sp = hn::Set(d, static_cast<T>(s[ns])), cp = hn::Set(d, static_cast<T>(c[nc]));
  for (int k = ns - 1; k >= 0; --k) sp = hn::MulAdd(sp, x2, hn::Set(d, static_cast<T>(s[k])));
  for (int k = nc - 1; k >= 0; --k) cp = hn::MulAdd(cp, x2, hn::Set(d, static_cast<T>(c[k])));
  sp = hn::Mul(sp, x);
  // Quadrant q = -2..2: odd ones swap; sine is negative for q = 2, -2, -1, cosine for 1, 2, -2.
  const V magnitude = hn::Abs(quarter);
  const auto odd = hn::Eq(magnitude, hn::Set(d, T(1)));
  const auto half = hn::Eq(magnitude, hn::Set(d, T(2)));
  const V first = hn::IfThenElse(odd, cp, sp), second = hn::IfThenElse(odd, sp, cp);
  const auto negative_sine = hn::Or(half, hn::Eq(quarter, hn::Set(d, T(-1))));
  const auto negative_cosine = hn::Or(half, hn::Eq(quarter, hn::Set(d, T(1))));
  sine = hn::IfThenElse(negative_sine, hn::Neg(first), first);
  cosine = hn::IfThenElse(negative_cosine, hn::Neg(second), second);
}

/// Fills positions, taps and phase factors of n visibilities at freq[0..n), of which 16 can be read.
/// The index decides the tile and slab: where rounding disagrees the cell is clamped into it and the offset
/// leaves [0, 1] by as much, which the polynomials carry on smoothly.
template <int W, class T>
HWY_NOINLINE void place(const Tables<T>& tables, const TileOrigin& origin, const GridRay& ray,
                        const double* HWY_RESTRICT freq, int n, Block<T>& block) {
  const Tag<double, kBlock / 2> dd;  // 8 doubles become 8 floats, one aligned store
  using VD = hn::Vec<decltype(dd)>;
  const hn::Rebind<int32_t, decltype(dd)> di;
  const int step = static_cast<int>(hn::Lanes(dd));
  const VD zero = hn::Zero(dd), one = hn::Set(dd, 1.0), two = hn::Set(dd, 2.0);
  const VD last_cell = hn::Set(dd, kTile - 1.0);
  const VD au = hn::Set(dd, ray.gu_per_hz), bu = hn::Set(dd, -tables.half_support - origin.u);
  const VD av = hn::Set(dd, ray.gv_per_hz), bv = hn::Set(dd, -tables.half_support - origin.v);
  const double first_plane = static_cast<double>(kSlabPlanes) * origin.slab;
  const VD aw = hn::Set(dd, ray.gw_per_hz),
           bw = hn::Set(dd, ray.gw_offset - tables.half_support - first_plane);
  const VD low_plane = hn::Set(dd, 1.0 - W), high_plane = hn::Set(dd, kSlabPlanes - 1.0);
  const VD plane_pad = hn::Set(dd, static_cast<double>(Tables<T>::kPlanePad));
  const VD edge = hn::Set(dd, static_cast<double>(tables.edge)), turns = hn::Set(dd, ray.turns_per_hz);
  for (int c = 0; c < n; c += step) {
    const VD f = hn::LoadU(dd, freq + c);
    const VD xu = hn::MulAdd(f, au, bu), xv = hn::MulAdd(f, av, bv), xw = hn::MulAdd(f, aw, bw);
    const VD iu = hn::Min(hn::Max(hn::Ceil(xu), zero), last_cell),
             iv = hn::Min(hn::Max(hn::Ceil(xv), zero), last_cell);
    const VD iw = hn::Min(hn::Max(hn::Ceil(xw), low_plane), high_plane);
    store_as(dd, hn::MulSub(two, hn::Sub(iu, xu), one), block.su + c);
    store_as(dd, hn::MulSub(two, hn::Sub(iv, xv), one), block.sv + c);
    store_as(dd, hn::MulSub(two, hn::Sub(iw, xw), one), block.sw + c);
    hn::Store(hn::DemoteTo(di, hn::MulAdd(iu, edge, iv)), di, block.cell + c);
    hn::Store(hn::DemoteTo(di, hn::Sub(plane_pad, iw)), di, block.plane + c);
    const VD phase = hn::Mul(f, turns);
    store_as(dd, hn::Sub(phase, hn::Round(phase)), block.turns + c);
  }
  const Tag<T, kBlock> dt;
  using VT = hn::Vec<decltype(dt)>;
  const int lanes = static_cast<int>(hn::Lanes(dt));
  for (int c = 0; c < n; c += lanes) {
    VT cosine, sine;
    cos_sin_turns(dt, hn::Load(dt, block.turns + c), cosine, sine);
    hn::Store(cosine, dt, block.cosine + c);
    hn::Store(sine, dt, block.sine + c);
  }
#if HWY_TARGET != HWY_SCALAR  // which has no halves
  if constexpr (hn::MaxLanes(dt) == kBlock) {
    // Taps in u and in v of few visibilities share a register.
    const hn::Half<decltype(dt)> half;
    if (n <= static_cast<int>(hn::Lanes(half))) {
      const VT s = hn::ConcatLowerLower(dt, hn::Load(dt, block.sv), hn::Load(dt, block.su));
      for (int t = 0; t < W; ++t) {
        const T* HWY_RESTRICT k = tables.taps[t];
        VT p = hn::Set(dt, k[tables.degree]);
        for (int i = tables.degree - 1; i >= 0; --i) p = hn::MulAdd(p, s, hn::Set(dt, k[i]));
        hn::Store(hn::LowerHalf(half, p), half, block.ku[t]);
        hn::Store(hn::UpperHalf(half, p), half, block.kv[t]);
      }
      return;
    }
  }
#endif
  for (int c = 0; c < n; c += lanes) {
    const VT su = hn::Load(dt, block.su + c), sv = hn::Load(dt, block.sv + c);
    for (int t = 0; t < W; ++t) {
      const T* HWY_RESTRICT k = tables.taps[t];
      VT pu = hn::Set(dt, k[tables.degree]), pv = pu;
      for (int i = tables.degree - 1; i >= 0; --i) {
        const VT coefficient = hn::Set(dt, k[i]);
        pu = hn::MulAdd(pu, su, coefficient);
        pv = hn::MulAdd(pv, sv, coefficient);
      }
      hn::Store(pu, dt, block.ku[t] + c);
      hn::Store(pv, dt, block.kv[t] + c);
    }
  }
}

/// Phase factors alone, of n visibilities at freq[0..n), of which 16 can be read.
template <class T>
HWY_INLINE void turn(const GridRay& ray, const double* HWY_RESTRICT freq, int n, Block<T>& block) {
  const Tag<double, kBlock / 2> dd;
  const auto turns = hn::Set(dd, ray.turns_per_hz);
  for (int c = 0; c < n; c += static_cast<int>(hn::Lanes(dd))) {
    const auto phase = hn::Mul(hn::LoadU(dd, freq + c), turns);
    store_as(dd, hn::Sub(phase, hn::Round(phase)), block.turns + c);
  }
  const Tag<T, kBlock> dt;
  for (int c = 0; c < n; c += static_cast<int>(hn::Lanes(dt))) {
    hn::Vec<decltype(dt)> cosine, sine;
    cos_sin_turns(dt, hn::Load(dt, block.turns + c), cosine, sine);
    hn::Store(cosine, dt, block.cosine + c);
    hn::Store(sine, dt, block.sine + c);
  }
}

/// Values of the nodes that stand for a part of a run's channels.
template <class T>
struct Nodes {
  alignas(64) T re[ChannelCompression::kMaxNodes];
  alignas(64) T im[ChannelCompression::kMaxNodes];
};
static_assert(ChannelCompression::kMaxNodes == kBlock);

/// Frequencies of all 16 nodes of a part from freq[0] to freq[channels - 1]; those past the last repeat it.
template <class T>
HWY_INLINE void node_frequencies(const ChannelCompression::Matrix<T>& matrix, const double* freq,
                                 double* out) {
  const double first = freq[0], last = freq[matrix.channels - 1];
  const double middle = 0.5 * (first + last), half = 0.5 * (last - first);
  for (int k = 0; k < kBlock; ++k) out[k] = middle + half * matrix.position[static_cast<size_t>(k)];
}

template <class T>
using PlaceBlock = void (*)(const Tables<T>&, const TileOrigin&, const GridRay&, const double*, int,
                            Block<T>&);

using Supports = std::make_integer_sequence<int, kMaxSupport - kMinSupport + 1>;

template <class T, int... I>
PlaceBlock<T> place_of(int support, std::integer_sequence<int, I...>) {
  static constexpr PlaceBlock<T> functions[] = {place<kMinSupport + I, T>...};
  return functions[support - kMinSupport];
}
template <class T>
PlaceBlock<T> place_of(int support) {
  return place_of<T>(support, Supports());
}

/// Kernel of visibility j on the 8 planes of the slab, written to out[8].
template <class T>
HWY_INLINE void plane_kernel(const Tables<T>& tables, const Block<T>& block, int j, T* HWY_RESTRICT out) {
  const Tag<T, kSlabPlanes> d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const auto s = hn::Set(d, block.sw[j]);
  for (int p = 0; p < kSlabPlanes; p += lanes) {
    const T* HWY_RESTRICT column = &tables.plane_taps[0][block.plane[j] + p];
    constexpr int64_t row = kMaxSupport + 2 * kSlabPlanes;
    auto value = hn::LoadU(d, column + tables.degree * row);
    for (int i = tables.degree - 1; i >= 0; --i) value = hn::MulAdd(value, s, hn::LoadU(d, column + i * row));
    hn::Store(value, d, out + p);
  }
}

/// The first `n` of 16 scalars at `from`, which may be the last of an array: reads past them only if
/// `readable` >= 16.
template <class S>
HWY_INLINE const S* sixteen(const S* from, int n, int64_t readable, S* HWY_RESTRICT spare) {
  if (readable >= kBlock) return from;
  for (int i = 0; i < kBlock; ++i) spare[i] = i < n ? from[i] : S();
  return spare;
}

/// Fetches the lines of a run that is soon to be worked on.
template <class Vis>
HWY_INLINE void prefetch_run(const Run& run, const ChunkGeometry& geometry, const Vis* vis,
                             const float* weight, int64_t channels) {
  const int64_t at = static_cast<int64_t>(run.row) * channels + run.channel;
  const int64_t count = std::min<int64_t>(run.count, 4 * kBlock);
  if (vis) {
    const auto* line = reinterpret_cast<const char*>(vis + at);
    const auto bytes = count * static_cast<int64_t>(sizeof(Vis));
    for (int64_t b = 0; b < bytes; b += 64) hwy::Prefetch(line + b);
    hwy::Prefetch(line + bytes - 1);
  }
  if (weight) {
    for (int64_t c = 0; c < count; c += 64 / int64_t{sizeof(float)}) hwy::Prefetch(weight + at + c);
    hwy::Prefetch(weight + at + count - 1);
  }
  hwy::Prefetch(geometry.uvw_m.data() + 3 * static_cast<int64_t>(run.row));
}

}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::gridder
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
