// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_body.hpp"
#include "codelets/compress/compress.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/compress/compress_cuda.hpp"
#endif

namespace fringeflow::gridder {
namespace {

/// The planes of a chunk that the task compresses.
std::vector<CompressPlane> planes_of(const CompressArgs& args, const runtime::BodyContext& context) {
  const ChunkLayout& layout = args.of.layout;
  void* chunk = context[1].data;
  std::vector<CompressPlane> planes;
  for (int64_t s = 0; s < layout.stokes; ++s)
    planes.push_back({plane(args.residual ? layout.predicted(context[2].data) : layout.vis(chunk), s),
                      plane(layout.weight(chunk), s)});
  if (args.psf) planes.push_back({{}, plane(layout.weight(chunk), 0)});
  return planes;
}

void compress_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<CompressArgs>();
  const NodesOf& of = args.of;
  void* nodes = context[0].data;
  fill_node_uvw(of.groups, of.compression->nodes(), of.layout.uvw_m(context[1].data), of.nodes.uvw_m(nodes));
  compress_cpu(of.groups, of.compression->nodes(), planes_of(args, context), of.nodes.vis(nodes),
               of.nodes.weight(nodes));
}

void expand_body(const runtime::BodyContext& context) {
  const NodesOf& of = context.arguments<ExpandArgs>().of;
  for (int64_t s = 0; s < of.layout.stokes; ++s)
    expand_cpu(of.groups, of.compression->nodes(), plane(of.nodes.predicted(context[1].data), s),
               plane(of.layout.predicted(context[0].data), s));
}

#if FRINGEFLOW_HAVE_CUDA
void compress_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<CompressArgs>();
  compress_cuda(cuda::stream_of(context.cuda_stream()), args.of, args.of.layout.uvw_m(context[1].data).data(),
                planes_of(args, context), context[0].data);
}

void expand_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  expand_cuda(cuda::stream_of(context.cuda_stream()), context.arguments<ExpandArgs>().of,
              static_cast<const cuda::Visibility*>(context[1].data),
              static_cast<cuda::Visibility*>(context[0].data));
}
#endif

double bytes_moved(const NodesOf& of) {
  return static_cast<double>(of.layout.vis_bytes() + of.nodes.vis_bytes());
}
double compress_work(const void* arguments) {
  return bytes_moved(static_cast<const CompressArgs*>(arguments)->of);
}
double expand_work(const void* arguments) {
  return bytes_moved(static_cast<const ExpandArgs*>(arguments)->of);
}

}  // namespace

const runtime::CodeletDef& compress_codelet() {
  static const runtime::CodeletDef def{
      .name = "compress",
      .doc = "Lets a few nodes stand for the consecutive integrations of baselines",
      .colour = 0x41b6c4,
      .cpu = compress_body,
      .cuda = FF_CUDA(compress_cuda_body),
      .work = compress_work,
      .cpu_work_per_s = 2e9,
      .cuda_work_per_s = 5e11,
      .flops_per_work = 4};
  return def;
}

const runtime::CodeletDef& expand_codelet() {
  static const runtime::CodeletDef def{.name = "expand",
                                       .doc = "Predicted visibilities of integrations from their nodes",
                                       .colour = 0x7fcdbb,
                                       .cpu = expand_body,
                                       .cuda = FF_CUDA(expand_cuda_body),
                                       .work = expand_work,
                                       .cpu_work_per_s = 2e9,
                                       .cuda_work_per_s = 5e11,
                                       .flops_per_work = 4};
  return def;
}

}  // namespace fringeflow::gridder
