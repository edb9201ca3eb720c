// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstring>

#include "codelets/common/cuda_body.hpp"
#include "codelets/degrid/degrid.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/degrid/degrid_cuda.hpp"
#endif

namespace fringeflow::gridder {
namespace {

template <class T>
void degrid(const DegridArgs& args, const runtime::BodyContext& context) {
  std::vector<TileStore<T>> stores;
  size_t buffer = 3;
  for (int64_t slab = args.slab_begin; slab < args.slab_end; ++slab)
    for (int64_t strip = 0; strip < args.plan->tiles.strips; ++strip)
      stores.push_back(tile_store<T>(*args.plan, slab, strip, context[buffer++].data));
  const auto predicted = plane(args.chunk.layout.predicted(context[0].data), args.stokes);
  degrid_cpu<T, std::complex<float>>(
      *args.plan, args.slab_begin, args.slab_end, stores, args.chunk.geometry(context[1].data),
      chunk_index(*args.plan, args.chunk.run_capacity, context[2].data), predicted);
}

void body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<DegridArgs>();
  if (args.first) std::memset(context[0].data, 0, static_cast<size_t>(args.chunk.layout.vis_bytes()));
  if (args.plan->double_precision)
    degrid<double>(args, context);
  else
    degrid<float>(args, context);
}

#if FRINGEFLOW_HAVE_CUDA
template <class T>
void degrid_on_device(const DegridArgs& args, const runtime::BodyContext& context) {
  std::vector<TileStore<T>> stores;
  size_t buffer = 3;
  for (int64_t slab = args.slab_begin; slab < args.slab_end; ++slab)
    for (int64_t strip = 0; strip < args.plan->tiles.strips; ++strip)
      stores.push_back(tile_store<T>(*args.plan, slab, strip, context[buffer++].data));
  DeviceChunk chunk;
  chunk.uvw_m = args.chunk.layout.uvw_m(context[1].data).data();
  chunk.freq_hz = args.chunk.freq_hz;
  chunk.channels = args.chunk.layout.channels;
  chunk.index = chunk_index(*args.plan, args.chunk.run_capacity, context[2].data);
  degrid_cuda<T>(cuda::stream_of(context.cuda_stream()), args.plan, args.slab_begin, args.slab_end, stores,
                 chunk, plane(args.chunk.layout.predicted(context[0].data), args.stokes).data());
}

void cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<DegridArgs>();
  if (args.first)
    cuda::zero(cuda::stream_of(context.cuda_stream()), context[0].data, args.chunk.layout.vis_bytes());
  if (args.plan->double_precision)
    degrid_on_device<double>(args, context);
  else
    degrid_on_device<float>(args, context);
}
#endif

double work(const void* arguments) {
  const auto& args = *static_cast<const DegridArgs*>(arguments);
  double share = 0;
  for (int64_t slab = args.slab_begin; slab < args.slab_end; ++slab)
    for (int64_t strip = 0; strip < args.plan->tiles.strips; ++strip)
      share += tile_share(*args.plan, slab, strip);
  const double support = args.plan->facet.support;
  return 1e3 + args.chunk.visibilities() * share * support * support * (args.plan->double_precision ? 2 : 1);
}

}  // namespace

const runtime::CodeletDef& degrid_codelet() {
  static const runtime::CodeletDef def{
      .name = "degrid",
      .doc = "Predicts a chunk's visibilities from the tiles of a facet's model",
      .colour = 0x7bccc4,
      .cpu = body,
      .cuda = FF_CUDA(cuda_body),
      .work = work,
      .cpu_work_per_s = 2e9,
      .cuda_work_per_s = 5e10,
      .flops_per_work = 4.0 * kSlabPlanes};
  return def;
}

}  // namespace fringeflow::gridder
