// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/degrid/degrid_cuda.hpp"
#include "codelets/gridder/runs_cuda.hpp"

namespace fringeflow::gridder {
namespace {

constexpr int kWarps = 4;   ///< of a block
constexpr int kSplits = 8;  ///< blocks of a tile
constexpr unsigned kAll = 0xffffffffu;
constexpr int kScalars = 2 * kSlabPlanes;

template <class T>
struct DegridJob {
  cuda::PlanTables plan;
  int64_t slab;
  int32_t first_slot;
  ChunkOnDevice chunk;
  const uint8_t* touched;
  const T* tiles;
  float2* predicted;
};

template <class T>
struct WarpShared {
  RunWindow window;
  T ku[kMaxSupport], kv[kMaxSupport];
  T kw[kSlabPlanes];
};

/// The dot product of the warp's lanes' part of the cells: complete in every lane of an even quad (re) and
/// upper quad (im). Lane = 4 sub + quad; quad 0, 1: re of planes 0-3, 4-7; quad 2, 3: im.
template <class T>
__device__ T sum_cells(const WarpShared<T>& s, const T* cells, int edge, int support, int lane) {
  const int quad = lane % 4;
  T sum[4] = {};
  int tu = 0, tv = lane / 4;
  while (tv >= support) tv -= support, ++tu;
  while (tu < support) {
    const T* cell = cells + (tu * edge + tv) * kScalars + quad * 4;
    const T kernel = s.ku[tu] * s.kv[tv];
    if constexpr (sizeof(T) == 4) {
      const float4 c = *reinterpret_cast<const float4*>(cell);
      sum[0] += kernel * c.x, sum[1] += kernel * c.y, sum[2] += kernel * c.z, sum[3] += kernel * c.w;
    } else {
      const double2 a = *reinterpret_cast<const double2*>(cell),
                    b = *reinterpret_cast<const double2*>(cell + 2);
      sum[0] += kernel * a.x, sum[1] += kernel * a.y, sum[2] += kernel * b.x, sum[3] += kernel * b.y;
    }
    tv += 8;
    while (tv >= support) tv -= support, ++tu;
  }
  const T* kw = s.kw + (quad % 2) * 4;
  T total = (sum[0] * kw[0] + sum[1] * kw[1]) + (sum[2] * kw[2] + sum[3] * kw[3]);
#pragma unroll
  for (int step = 16; step >= 4; step /= 2) total += __shfl_xor_sync(kAll, total, step);
  return total + __shfl_xor_sync(kAll, total, 1);
}

template <class T>
__global__ void __launch_bounds__(32 * kWarps) degrid_kernel(const DegridJob<T> job) {
  __shared__ T taps[kMaxSupport * (kMaxTapDegree + 1)];
  __shared__ WarpShared<T> warps[kWarps];
  const int local = static_cast<int>(blockIdx.x), lane = static_cast<int>(threadIdx.x) % 32,
            warp = static_cast<int>(threadIdx.x) / 32;
  const int32_t slot = job.first_slot + local;
  const int32_t run_begin = job.chunk.start[slot], run_end = job.chunk.start[slot + 1];
  // Without its halo an untouched tile is no zero in memory: it is not read.
  if (run_begin == run_end || job.touched[local] == 0) return;

  const Facet& facet = job.plan.facet;
  const int support = facet.support, degree = job.plan.degree, edge = kTile + support - 1;
  const int64_t tile_u = job.plan.slot_tile[slot] / facet.tiles_v,
                tile_v = job.plan.slot_tile[slot] % facet.tiles_v;
  for (int i = static_cast<int>(threadIdx.x); i < support * (degree + 1); i += 32 * kWarps)
    taps[i] = static_cast<T>(job.plan.taps[i]);
  __syncthreads();

  WarpShared<T>& s = warps[warp];
  const T* tile = job.tiles + local * facet.tile_scalars();
  const int32_t step = kRunWindow * kWarps * static_cast<int32_t>(gridDim.y);
  for (int64_t window = run_begin + kRunWindow * (static_cast<int64_t>(blockIdx.y) * kWarps + warp);
       window < run_end; window += step) {
    __syncwarp();
    s.window.load(job.chunk, static_cast<int32_t>(window), run_end, lane);
    __syncwarp();
    const int32_t total = s.window.begin[kRunWindow];
    for (int32_t first = 0; first < total; first += 32) {
      const int n = min(32, total - first);
      Placement<T> mine{};
      WindowVisibility at{};
      bool conjugated = false;
      if (lane < n) {
        at = s.window.visibility(job.chunk, first + lane);
        const double* uvw = job.chunk.uvw_m + 3 * at.row;
        const GridRay ray = grid_ray(facet, uvw[0], uvw[1], uvw[2]);
        mine = place<T>(facet, job.slab, tile_u, tile_v, ray, job.chunk.freq_hz[at.channel]);
        conjugated = ray.conjugated;
      }
      T re = 0, im = 0;
      for (int j = 0; j < n; ++j) {
        const T su = __shfl_sync(kAll, mine.su, j), sv = __shfl_sync(kAll, mine.sv, j),
                sw = __shfl_sync(kAll, mine.sw, j);
        const int u = __shfl_sync(kAll, mine.u, j), v = __shfl_sync(kAll, mine.v, j),
                  plane = __shfl_sync(kAll, mine.plane, j);
        const int tap = lane % kMaxSupport;
        if (tap < support)
          (lane < kMaxSupport ? s.ku : s.kv)[tap] =
              tap_value(taps, degree, tap, lane < kMaxSupport ? su : sv);
        if (lane < kSlabPlanes) s.kw[lane] = plane_tap(taps, degree, support, plane, lane, sw);
        __syncwarp();
        const T sum = sum_cells(s, tile + (u * edge + v) * kScalars, edge, support, lane);
        const T sum_re = __shfl_sync(kAll, sum, 0), sum_im = __shfl_sync(kAll, sum, 2);
        if (lane == j) re = sum_re, im = sum_im;
        __syncwarp();  // before the taps are overwritten
      }
      if (lane < n) {
        const T x = re * mine.cosine - im * mine.sine, y = re * mine.sine + im * mine.cosine;
        float2& out = job.predicted[at.index];
        out.x += static_cast<float>(x);
        out.y += static_cast<float>(conjugated ? -y : y);
      }
    }
  }
}

}  // namespace

template <class T>
void degrid_cuda(cuda::Stream stream, const std::shared_ptr<const FacetPlan>& plan, int64_t slab_begin,
                 int64_t slab_end, std::span<const TileStore<T>> stores, const DeviceChunk& chunk,
                 std::complex<float>* predicted) {
  cuda::Worker& worker = cuda::Worker::of(stream);
  const TileMap& map = plan->tiles;
  const cuda::PlanTables& tables = worker.plan(plan);
  const ChunkOnDevice on = on_device(worker, chunk);
  for (int64_t slab = slab_begin; slab < slab_end; ++slab)
    for (int64_t strip = 0; strip < map.strips; ++strip) {
      const int64_t slots = map.slots_of(slab, strip);
      const TileStore<T>& store = stores[static_cast<size_t>((slab - slab_begin) * map.strips + strip)];
      if (slots == 0 || store.touched == nullptr) continue;
      const int32_t first = map.slot_begin[static_cast<size_t>(slab * map.strips + strip)];
      const DegridJob<T> job{
          tables, slab, first, on, store.touched, store.tiles, reinterpret_cast<float2*>(predicted)};
      degrid_kernel<T><<<dim3(static_cast<unsigned>(slots), kSplits), 32 * kWarps, 0, stream>>>(job);
      cuda::check_launch("degrid");
    }
}
template void degrid_cuda<float>(cuda::Stream, const std::shared_ptr<const FacetPlan>&, int64_t, int64_t,
                                 std::span<const TileStore<float>>, const DeviceChunk&, std::complex<float>*);
template void degrid_cuda<double>(cuda::Stream, const std::shared_ptr<const FacetPlan>&, int64_t, int64_t,
                                  std::span<const TileStore<double>>, const DeviceChunk&,
                                  std::complex<float>*);

}  // namespace fringeflow::gridder
