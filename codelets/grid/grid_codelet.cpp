// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_body.hpp"
#include "codelets/grid/grid.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/grid/grid_cuda.hpp"
#endif

namespace fringeflow::gridder {
namespace {

template <class T>
void grid(const GridArgs& args, const runtime::BodyContext& context) {
  const size_t stride = args.residual ? 3 : 2;
  std::vector<GridInput<std::complex<float>>> inputs;
  inputs.reserve(args.chunks.size());
  for (size_t i = 0; i < args.chunks.size(); ++i) {
    const auto& chunk = args.chunks[i];
    void* data = context[1 + i * stride].data;
    GridInput<std::complex<float>> input;
    input.geometry = chunk.geometry(data);
    input.weight = plane(chunk.layout.weight(data), args.stokes);
    if (args.residual)
      input.vis = plane(chunk.layout.predicted(context[3 + i * stride].data), args.stokes);
    else if (!args.psf)
      input.vis = plane(chunk.layout.vis(data), args.stokes);
    input.index = chunk_index(*args.plan, chunk.run_capacity, context[2 + i * stride].data);
    inputs.push_back(input);
  }
  grid_cpu<T, std::complex<float>>(*args.plan, args.slab, args.strip, inputs,
                                   tile_store<T>(*args.plan, args.slab, args.strip, context[0].data));
}

void body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<GridArgs>();
  if (args.plan->double_precision)
    grid<double>(args, context);
  else
    grid<float>(args, context);
}

#if FRINGEFLOW_HAVE_CUDA
template <class T>
void grid_on_device(const GridArgs& args, const runtime::BodyContext& context) {
  const size_t stride = args.residual ? 3 : 2;
  std::vector<DeviceChunk> chunks;
  for (size_t i = 0; i < args.chunks.size(); ++i) {
    const auto& chunk = args.chunks[i];
    void* data = context[1 + i * stride].data;
    DeviceChunk one;
    one.uvw_m = chunk.layout.uvw_m(data).data();
    one.freq_hz = chunk.freq_hz;
    one.channels = chunk.layout.channels;
    one.weight = plane(chunk.layout.weight(data), args.stokes).data();
    if (args.residual)
      one.vis = plane(chunk.layout.predicted(context[3 + i * stride].data), args.stokes).data();
    else if (!args.psf)
      one.vis = plane(chunk.layout.vis(data), args.stokes).data();
    one.index = chunk_index(*args.plan, chunk.run_capacity, context[2 + i * stride].data);
    chunks.push_back(one);
  }
  grid_cuda<T>(cuda::stream_of(context.cuda_stream()), args.plan, args.slab, args.strip, chunks,
               tile_store<T>(*args.plan, args.slab, args.strip, context[0].data));
}

void cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<GridArgs>();
  if (args.plan->double_precision)
    grid_on_device<double>(args, context);
  else
    grid_on_device<float>(args, context);
}
#endif

double work(const void* arguments) {
  const auto& args = *static_cast<const GridArgs*>(arguments);
  double visibilities = 0;
  for (const auto& chunk : args.chunks) visibilities += chunk.visibilities();
  const double support = args.plan->facet.support;
  return 1e3 + visibilities * tile_share(*args.plan, args.slab, args.strip) * support * support *
                   (args.plan->double_precision ? 2 : 1);
}

}  // namespace

const runtime::CodeletDef& grid_codelet() {
  static const runtime::CodeletDef def{
      .name = "grid",
      .doc = "Adds visibilities to the tiles of one strip and slab of w-planes of a facet",
      .colour = 0x2b8cbe,
      .cpu = body,
      .cuda = FF_CUDA(cuda_body),
      .work = work,
      .cpu_work_per_s = 2e9,
      .cuda_work_per_s = 5e10,
      .flops_per_work = 4.0 * kSlabPlanes};
  return def;
}

}  // namespace fringeflow::gridder
