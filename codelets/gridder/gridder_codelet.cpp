// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/gridder.hpp"

#include "codelets/common/cuda_body.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/common/cuda_worker.hpp"
#endif

#include <cstring>

namespace fringeflow::gridder {
namespace {

void index_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<IndexArgs>();
  void* chunk = context[0].data;
  auto index = chunk_index(*args.plan, args.chunk.run_capacity, context[1].data);
  build_index(*args.plan, args.chunk.geometry(chunk),
              args.skip_weightless ? plane(View<const float, 3>(args.chunk.layout.weight(chunk)), 0)
                                   : View<const float, 2>(),
              index);
}

double index_work(const void* arguments) {
  return static_cast<const IndexArgs*>(arguments)->chunk.visibilities();
}

void clear_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ClearArgs>();
  std::memset(context[0].data, 0, static_cast<size_t>(args.plan->tiles.slots_of(args.slab, args.strip)));
}

#if FRINGEFLOW_HAVE_CUDA
void clear_cuda_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ClearArgs>();
  cuda::zero(cuda::stream_of(context.cuda_stream()), context[0].data,
             args.plan->tiles.slots_of(args.slab, args.strip));
}
#endif

double clear_work(const void* arguments) {
  const auto& args = *static_cast<const ClearArgs*>(arguments);
  return 1 + static_cast<double>(args.plan->tiles.slots_of(args.slab, args.strip));
}

}  // namespace

const runtime::CodeletDef& index_codelet() {
  static const runtime::CodeletDef def{
      .name = "index",
      .doc = "Sorts a chunk's visibilities into runs by tile and slab of w-planes",
      .colour = 0x9ecae1,
      .cpu = index_body,
      .work = index_work,
      .cpu_work_per_s = 3e8};
  return def;
}

const runtime::CodeletDef& clear_codelet() {
  static const runtime::CodeletDef def{.name = "clear",
                                       .doc = "Marks the tiles of a strip as empty",
                                       .colour = 0xdddddd,
                                       .cpu = clear_body,
                                       .cuda = FF_CUDA(clear_cuda_body),
                                       .work = clear_work,
                                       .cpu_work_per_s = 1e9};
  return def;
}

}  // namespace fringeflow::gridder
