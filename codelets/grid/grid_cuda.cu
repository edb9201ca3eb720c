// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/grid/grid_cuda.hpp"
#include "codelets/gridder/runs_cuda.hpp"

namespace fringeflow::gridder {
namespace {

constexpr int kBatch = 64;  ///< visibilities staged at a time
constexpr int kScalars = 2 * kSlabPlanes;
constexpr int kPerThread = kScalars / GridBlock::kQuads;

template <class T>
struct GridJob {
  cuda::PlanTables plan;
  int64_t slab;
  int32_t first_slot;
  ChunkOnDevice chunk;
  const uint8_t* touched;
  T* tiles;
};

template <class T>
struct GridShared {
  T taps[kMaxSupport * (kMaxTapDegree + 1)];
  T ku[kBatch][kMaxSupport];
  T kv[kBatch][kMaxSupport];
  alignas(32) T value[kBatch][kScalars];  ///< [re, im][plane]: visibility x plane kernel
  T su[kBatch], sv[kBatch], sw[kBatch], re[kBatch], im[kBatch];
  int16_t u[kBatch], v[kBatch], u_modulo[kBatch], v_modulo[kBatch], plane[kBatch];
  RunWindow window;
};

/// Position, phase and weighted value of visibility i of the window, to place j of the batch.
template <class T>
__device__ void stage_visibility(const GridJob<T>& job, int64_t tile_u, int64_t tile_v, int32_t i, int j,
                                 GridShared<T>& s) {
  const WindowVisibility at = s.window.visibility(job.chunk, i);
  const double* uvw = job.chunk.uvw_m + 3 * at.row;
  const GridRay ray = grid_ray(job.plan.facet, uvw[0], uvw[1], uvw[2]);
  const Placement<T> p =
      place<T>(job.plan.facet, job.slab, tile_u, tile_v, ray, job.chunk.freq_hz[at.channel]);
  const int support = job.plan.facet.support;
  const T weight = static_cast<T>(job.chunk.weight[at.index]);
  T re = 0, im = 0;
  // A visibility of weight zero may be anything: it is not read.
  if (weight != 0) {
    T x = 1, y = 0;
    if (job.chunk.vis != nullptr) {
      const float2 vis = job.chunk.vis[at.index];
      x = static_cast<T>(vis.x);
      y = static_cast<T>(ray.conjugated ? -vis.y : vis.y);
    }
    re = weight * (x * p.cosine + y * p.sine);
    im = weight * (y * p.cosine - x * p.sine);
  }
  s.su[j] = p.su;
  s.sv[j] = p.sv;
  s.sw[j] = p.sw;
  s.re[j] = re;
  s.im[j] = im;
  s.u[j] = static_cast<int16_t>(p.u);
  s.v[j] = static_cast<int16_t>(p.v);
  s.u_modulo[j] = static_cast<int16_t>(p.u % support);
  s.v_modulo[j] = static_cast<int16_t>(p.v % support);
  s.plane[j] = static_cast<int16_t>(p.plane);
}

template <class T>
__device__ void load_cell(const T* cell, T (&value)[kPerThread]) {
  if constexpr (sizeof(T) == 4) {
    const float4 v = *reinterpret_cast<const float4*>(cell);
    value[0] = v.x, value[1] = v.y, value[2] = v.z, value[3] = v.w;
  } else {
    const double2 a = *reinterpret_cast<const double2*>(cell),
                  b = *reinterpret_cast<const double2*>(cell + 2);
    value[0] = a.x, value[1] = a.y, value[2] = b.x, value[3] = b.y;
  }
}
template <class T>
__device__ void store_cell(T* cell, const T (&value)[kPerThread]) {
  if constexpr (sizeof(T) == 4) {
    *reinterpret_cast<float4*>(cell) = make_float4(value[0], value[1], value[2], value[3]);
  } else {
    *reinterpret_cast<double2*>(cell) = make_double2(value[0], value[1]);
    *reinterpret_cast<double2*>(cell + 2) = make_double2(value[2], value[3]);
  }
}

template <class T>
__global__ void __launch_bounds__(GridBlock::kThreads) grid_kernel(const GridJob<T> job) {
  __shared__ GridShared<T> s;
  const int local = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x),
            threads = static_cast<int>(blockDim.x);
  const int32_t slot = job.first_slot + local;
  const int32_t run_begin = job.chunk.start[slot], run_end = job.chunk.start[slot + 1];
  if (run_begin == run_end) return;

  const int support = job.plan.facet.support, degree = job.plan.degree;
  const int edge = kTile + support - 1;
  const int64_t tile_u = job.plan.slot_tile[slot] / job.plan.facet.tiles_v,
                tile_v = job.plan.slot_tile[slot] % job.plan.facet.tiles_v;
  for (int i = thread; i < support * (degree + 1); i += threads) s.taps[i] = static_cast<T>(job.plan.taps[i]);

  const GridBlock shape(support);
  const int quad = thread % GridBlock::kQuads, column = thread / GridBlock::kQuads % support;
  const int row = thread / (GridBlock::kQuads * support) + static_cast<int>(blockIdx.y) * shape.rows;
  const bool owner = row < support;  // the last of several blocks may own fewer rows
  T* cells = job.tiles + local * job.plan.facet.tile_scalars() + quad * kPerThread;
  T sum[kPerThread] = {};
  if (owner && job.touched[local] == 0)
    for (int a = row; a < edge; a += support)
      for (int b = column; b < edge; b += support) store_cell(cells + (a * edge + b) * kScalars, sum);

  int held = -1;  // cell whose sum is in registers
  for (int32_t window = run_begin; window < run_end; window += kRunWindow) {
    __syncthreads();  // the previous window is done with
    if (thread < 32) s.window.load(job.chunk, window, run_end, thread);
    __syncthreads();
    const int32_t total = s.window.begin[kRunWindow];
    for (int32_t first = 0; first < total; first += kBatch) {
      const int n = min(kBatch, total - first);
      if (first > 0) __syncthreads();  // the previous batch is done with
      for (int j = thread; j < n; j += threads) stage_visibility(job, tile_u, tile_v, first + j, j, s);
      __syncthreads();
      const int items = 2 * support + kSlabPlanes;
      for (int i = thread; i < n * items; i += threads) {
        const int j = i / items, k = i % items;
        if (k < support) {
          s.ku[j][k] = tap_value(s.taps, degree, k, s.su[j]);
        } else if (k < 2 * support) {
          s.kv[j][k - support] = tap_value(s.taps, degree, k - support, s.sv[j]);
        } else {
          const int p = k - 2 * support;
          const T kernel = plane_tap(s.taps, degree, support, s.plane[j], p, s.sw[j]);
          s.value[j][p] = s.re[j] * kernel;
          s.value[j][kSlabPlanes + p] = s.im[j] * kernel;
        }
      }
      __syncthreads();
      if (!owner) continue;
      for (int j = 0; j < n; ++j) {
        const int tu = residue_tap(row, s.u_modulo[j], support),
                  tv = residue_tap(column, s.v_modulo[j], support);
        const int cell = (s.u[j] + tu) * edge + s.v[j] + tv;
        if (cell != held) {
          if (held >= 0) store_cell(cells + held * kScalars, sum);
          load_cell(cells + cell * kScalars, sum);
          held = cell;
        }
        T value[kPerThread];
        load_cell(&s.value[j][quad * kPerThread], value);
        const T kernel = s.ku[j][tu] * s.kv[j][tv];
#pragma unroll
        for (int i = 0; i < kPerThread; ++i) sum[i] += kernel * value[i];
      }
    }
  }
  if (held >= 0) store_cell(cells + held * kScalars, sum);
}

}  // namespace

template <class T>
void grid_cuda(cuda::Stream stream, const std::shared_ptr<const FacetPlan>& plan, int64_t slab, int64_t strip,
               std::span<const DeviceChunk> chunks, TileStore<T> store) {
  const int64_t slots = plan->tiles.slots_of(slab, strip);
  if (slots == 0) return;
  cuda::Worker& worker = cuda::Worker::of(stream);
  const int32_t first = plan->tiles.slot_begin[static_cast<size_t>(slab * plan->tiles.strips + strip)];
  const GridBlock shape(plan->facet.support);
  const auto threads = static_cast<unsigned>(shape.rows * plan->facet.support * GridBlock::kQuads);
  for (const DeviceChunk& chunk : chunks) {
    const GridJob<T> job{worker.plan(plan),        slab,          first,
                         on_device(worker, chunk), store.touched, store.tiles};
    grid_kernel<T>
        <<<dim3(static_cast<unsigned>(slots), static_cast<unsigned>(shape.splits)), threads, 0, stream>>>(
            job);
    cuda::check_launch("grid");
    cuda::launch_elements(stream, slots, MarkTouched{chunk.index.start + first, store.touched},
                          "grid: touched");
  }
}
template void grid_cuda<float>(cuda::Stream, const std::shared_ptr<const FacetPlan>&, int64_t, int64_t,
                               std::span<const DeviceChunk>, TileStore<float>);
template void grid_cuda<double>(cuda::Stream, const std::shared_ptr<const FacetPlan>&, int64_t, int64_t,
                                std::span<const DeviceChunk>, TileStore<double>);

}  // namespace fringeflow::gridder
