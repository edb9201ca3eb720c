// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_body.hpp"
#include "codelets/simulate/simulate_tasks.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/simulate/simulate_cuda.hpp"
#endif

namespace fringeflow {
namespace {

void body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<SimulateTaskArgs>();
  View<const double, 2> tec;
  View<const int32_t, 2> antennas;
  if (args.tec_antennas > 0) {
    int64_t sources = 0;
    for (const auto& group : *args.groups) sources += static_cast<int64_t>(group.lmn.size() / 3);
    tec = {context[2].as<const double>(), {sources, args.tec_antennas}};
    antennas = {args.antennas->data(), {args.rows, 2}};
  }
  simulate_groups(*args.groups, {context[1].as<const double>(), {args.rows, 3}}, *args.freq_hz,
                  {context[0].as<std::complex<float>>(), {args.stokes, args.rows, args.channels}}, tec,
                  antennas, args.smearing);
}

#if FRINGEFLOW_HAVE_CUDA
void cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<SimulateTaskArgs>();
  const bool electrons = args.tec_antennas > 0;
  simulate_cuda(cuda::stream_of(context.cuda_stream()), args.groups, *args.freq_hz,
                context[1].as<const double>(), args.rows, args.stokes, context[0].as<cuda::Visibility>(),
                args.smearing, electrons ? context[2].as<const double>() : nullptr, args.tec_antennas,
                electrons ? args.antennas->data() : nullptr);
}
#endif

double work(const void* arguments) {
  const auto& args = *static_cast<const SimulateTaskArgs*>(arguments);
  double flops = 0;
  for (const auto& group : *args.groups)
    flops +=
        simulate_flops(args.rows, args.channels, static_cast<int64_t>(group.lmn.size() / 3), args.stokes);
  return 1e3 + flops * (args.tec_antennas > 0 ? 4 : 1) * (args.smearing.any() ? 4 : 1);
}

}  // namespace

const runtime::CodeletDef& simulate_codelet() {
  static const runtime::CodeletDef def{.name = "simulate",
                                       .doc = "Visibilities of a list of sources by the direct sum",
                                       .colour = 0xffd92f,
                                       .cpu = body,
                                       .cuda = FF_CUDA(cuda_body),
                                       .work = work,
                                       .cpu_work_per_s = 5e9,
                                       .cuda_work_per_s = 2e12,
                                       .flops_per_work = 1};
  return def;
}

}  // namespace fringeflow
