// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_body.hpp"
#include "codelets/subtract/subtract.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/subtract/subtract_cuda.hpp"
#endif

namespace fringeflow {
namespace {

void body(const runtime::BodyContext& context) {
  const auto& layout = context.arguments<SubtractArgs>().layout;
  const View<const std::complex<float>, 3> observed = layout.vis(context[1].data);
  subtract_cpu(observed.span(), layout.predicted(context[0].data).span());
}

#if FRINGEFLOW_HAVE_CUDA
void cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& layout = context.arguments<SubtractArgs>().layout;
  const auto observed = layout.vis(context[1].data), predicted = layout.predicted(context[0].data);
  subtract_cuda(cuda::stream_of(context.cuda_stream()), reinterpret_cast<const float*>(observed.data()),
                reinterpret_cast<float*>(predicted.data()), predicted.size());
}
#endif

double work(const void* arguments) {
  const auto& layout = static_cast<const SubtractArgs*>(arguments)->layout;
  return static_cast<double>(layout.vis_bytes());
}

}  // namespace

const runtime::CodeletDef& subtract_codelet() {
  static const runtime::CodeletDef def{.name = "subtract",
                                       .doc = "Residual visibilities: observed minus predicted",
                                       .colour = 0xa8ddb5,
                                       .cpu = body,
                                       .cuda = FF_CUDA(cuda_body),
                                       .work = work,
                                       .cpu_work_per_s = 3e9,
                                       .cuda_work_per_s = 5e11,
                                       .flops_per_work = 0.25};
  return def;
}

}  // namespace fringeflow
