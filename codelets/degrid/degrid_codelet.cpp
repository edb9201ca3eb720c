// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstring>

#include "codelets/common/cuda_body.hpp"
#include "codelets/degrid/degrid.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/degrid/degrid_cuda.hpp"
#endif

namespace fringeflow::gridder {
namespace {

constexpr size_t kBuffersOfChunk = 3;

/// Stores of all strips; those of strips that the task leaves to others are empty.
template <class T>
std::vector<TileStore<T>> stores_of(const DegridArgs& args, const runtime::BodyContext& context) {
  std::vector<TileStore<T>> stores;
  size_t buffer = kBuffersOfChunk * args.chunks.size();
  for (int64_t slab = args.slab_begin; slab < args.slab_end; ++slab)
    for (int64_t strip = 0; strip < args.plan->tiles.strips; ++strip)
      stores.push_back(strip < args.strip_begin || strip >= args.strip_end
                           ? TileStore<T>{}
                           : tile_store<T>(*args.plan, slab, strip, context[buffer++].data));
  return stores;
}

template <class T>
void degrid(const DegridArgs& args, const runtime::BodyContext& context) {
  const auto stores = stores_of<T>(args, context);
  std::vector<DegridOutput<std::complex<float>>> outputs;
  for (size_t i = 0; i < args.chunks.size(); ++i) {
    const auto& chunk = args.chunks[i];
    void* predicted = context[kBuffersOfChunk * i].data;
    if (args.first[i]) std::memset(predicted, 0, static_cast<size_t>(chunk.layout.vis_bytes()));
    outputs.push_back({chunk.geometry(context[kBuffersOfChunk * i + 1].data),
                       chunk_index(*args.plan, chunk.run_capacity, context[kBuffersOfChunk * i + 2].data),
                       plane(chunk.layout.predicted(predicted), args.stokes)});
  }
  degrid_cpu<T, std::complex<float>>(*args.plan, args.slab_begin, args.slab_end, stores, outputs);
}

void body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<DegridArgs>();
  if (args.plan->double_precision)
    degrid<double>(args, context);
  else
    degrid<float>(args, context);
}

#if FRINGEFLOW_HAVE_CUDA
template <class T>
void degrid_on_device(const DegridArgs& args, const runtime::BodyContext& context) {
  const auto stores = stores_of<T>(args, context);
  const auto stream = cuda::stream_of(context.cuda_stream());
  for (size_t i = 0; i < args.chunks.size(); ++i) {
    const auto& planned = args.chunks[i];
    void* predicted = context[kBuffersOfChunk * i].data;
    if (args.first[i]) cuda::zero(stream, predicted, planned.layout.vis_bytes());
    DeviceChunk chunk;
    chunk.uvw_m = planned.layout.uvw_m(context[kBuffersOfChunk * i + 1].data).data();
    chunk.freq_hz = planned.freq_hz;
    chunk.channels = planned.layout.channels;
    chunk.index = chunk_index(*args.plan, planned.run_capacity, context[kBuffersOfChunk * i + 2].data);
    degrid_cuda<T>(stream, args.plan, args.slab_begin, args.slab_end, stores, chunk,
                   plane(planned.layout.predicted(predicted), args.stokes).data());
  }
}

void cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<DegridArgs>();
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
    for (int64_t strip = args.strip_begin; strip < args.strip_end; ++strip)
      share += tile_share(*args.plan, slab, strip);
  const double support = args.plan->facet.support;
  double visibilities = 0;
  for (const auto& chunk : args.chunks) visibilities += chunk.visibilities();
  return 1e3 + visibilities * share * support * support * (args.plan->double_precision ? 2 : 1);
}

}  // namespace

const runtime::CodeletDef& degrid_codelet() {
  static const runtime::CodeletDef def{
      .name = "degrid",
      .doc = "Predicts visibilities of chunks from the tiles of a facet's model",
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
