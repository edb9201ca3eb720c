// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "codelets/common/cuda_body.hpp"
#include "codelets/restore/restore_tasks.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/restore/restore_cuda.hpp"
#endif

namespace fringeflow::restore {
namespace {

void fit_beam_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<FitBeamArgs>();
  auto& block = *context[0].as<BeamBlock>();
  block = BeamBlock{};
  if (const auto beam = fit_beam(View<const float, 2>(context[1].as<const float>(), {args.ny, args.nx}),
                                 args.theoretical_pixels))
    block = {1, *beam};
}

void restore_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<RestoreArgs>();
  const std::array<int64_t, 2> shape{args.ny, args.nx};
  const View<float, 2> out(context[0].as<float>(), shape);
  const View<const float, 2> model(context[1].as<const float>(), shape),
      residual(context[2].as<const float>(), shape);
  const auto& block = *context[3].as<const BeamBlock>();
  if (block.known != 0)
    restore(model, residual, block.beam, out);
  else
    std::copy_n(residual.data(), residual.size(), out.data());
}

#if FRINGEFLOW_HAVE_CUDA
void restore_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<RestoreArgs>();
  restore_cuda(cuda::stream_of(context.cuda_stream()), context[1].as<const float>(),
               context[2].as<const float>(), context[3].as<const BeamBlock>(), args.ny, args.nx,
               context[0].as<float>());
}
#endif

double restore_work(const void* arguments) {
  const auto& args = *static_cast<const RestoreArgs*>(arguments);
  return static_cast<double>(args.nx * args.ny);
}

}  // namespace

const runtime::CodeletDef& fit_beam_codelet() {
  static const runtime::CodeletDef def{.name = "fit_beam",
                                       .doc = "Fits the restoring beam to the main lobe of the PSF",
                                       .colour = 0xfccde5,
                                       .cpu = fit_beam_body,
                                       .cpu_work_per_s = 200};
  return def;
}
const runtime::CodeletDef& restore_codelet() {
  static const runtime::CodeletDef def{.name = "restore",
                                       .doc = "Model convolved with the restoring beam, plus residual",
                                       .colour = 0xf768a1,
                                       .cpu = restore_body,
                                       .cuda = FF_CUDA(restore_cuda_body),
                                       .work = restore_work,
                                       .cpu_work_per_s = 3e7,
                                       .cuda_work_per_s = 3e9,
                                       .flops_per_work = 100};
  return def;
}

}  // namespace fringeflow::restore
