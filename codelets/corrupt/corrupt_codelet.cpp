// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/corrupt/corrupt_tasks.hpp"

#include <algorithm>

#include "codelets/common/cuda_body.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/corrupt/corrupt_cuda.hpp"
#endif

namespace fringeflow::corrupt {
namespace {

using Cfloat = std::complex<float>;

void corrupt_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<CorruptArgs>();
  const auto& instrument = *args.instrument;
  const auto& keys = *args.keys;
  corrupt_cpu({instrument.correlations,
               {context[1].as<const Cfloat>(), {args.stokes, args.rows, args.channels}},
               {keys.antennas.data(), {args.rows, 2}},
               keys.time_s,
               keys.time_number,
               instrument.gains.get(),
               instrument.gain_frequency,
               instrument.noise_jy,
               instrument.seed,
               {context[0].as<Cfloat>(),
                {args.rows, args.channels, static_cast<int64_t>(instrument.correlations.size())}},
               instrument.bursts,
               instrument.freq_hz});
}

#if FRINGEFLOW_HAVE_CUDA
void corrupt_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<CorruptArgs>();
  corrupt_cuda(cuda::stream_of(context.cuda_stream()), args.instrument, *args.keys,
               context[1].as<const cuda::Visibility>(), args.rows, args.channels, args.stokes,
               context[0].as<cuda::Visibility>());
}
#endif

void screen_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ScreenArgs>();
  const auto times = static_cast<int64_t>(args.seconds.size()),
             sources = static_cast<int64_t>(args.lmn->size() / 3);
  const View<const double, 2> uvw(context[1].as<const double>(), {times * args.rows, 3});
  const View<double, 3> all(context[0].as<double>(), {sources, times, args.antennas});
  std::vector<double> position(static_cast<size_t>(2 * args.antennas)),
      one(static_cast<size_t>(sources * args.antennas));
  const View<double, 2> tec(one.data(), {sources, args.antennas});
  for (int64_t time = 0; time < times; ++time) {
    for (int64_t row = time * args.rows; row < (time + 1) * args.rows; ++row) {
      const auto at = static_cast<size_t>(2 * row);
      if (args.keys->antennas[at] != 0) continue;
      const auto q = static_cast<size_t>(args.keys->antennas[at + 1]);
      position[2 * q] = uvw(row, 0);
      position[2 * q + 1] = uvw(row, 1);
    }
    screen_cpu(args.screen, *args.waves, args.seconds[static_cast<size_t>(time)],
               {position.data(), {args.antennas, 2}}, {args.lmn->data(), {sources, 3}}, tec);
    for (int64_t s = 0; s < sources; ++s) std::copy_n(&tec(s, 0), args.antennas, &all(s, time, 0));
    if (args.record) args.record(time, tec);
  }
}

double corrupt_work(const void* arguments) {
  const auto& args = *static_cast<const CorruptArgs*>(arguments);
  const double per_sample = args.instrument->noise_jy > 0 ? 250 : 60;
  return 1e3 + per_sample * static_cast<double>(args.rows * args.channels) *
                   static_cast<double>(args.instrument->correlations.size());
}
double screen_work(const void* arguments) {
  const auto& args = *static_cast<const ScreenArgs*>(arguments);
  return 1e3 + 40. * static_cast<double>(args.lmn->size() / 3 * args.seconds.size()) *
                   static_cast<double>(args.antennas) * static_cast<double>(args.waves->size());
}

}  // namespace

const runtime::CodeletDef& corrupt_codelet() {
  static const runtime::CodeletDef def{
      .name = "corrupt",
      .doc = "Gains, leakage and noise of an instrument on model visibilities",
      .colour = 0xfc8d62,
      .cpu = corrupt_body,
      .cuda = FF_CUDA(corrupt_cuda_body),
      .work = corrupt_work,
      .cpu_work_per_s = 2e9,
      .cuda_work_per_s = 1e12,
      .flops_per_work = 1};
  return def;
}

const runtime::CodeletDef& screen_codelet() {
  static const runtime::CodeletDef def{
      .name = "screen",
      .doc = "Electron content of a turbulent screen above antennas, towards sources",
      .colour = 0x8da0cb,
      .cpu = screen_body,
      .work = screen_work,
      .cpu_work_per_s = 2e9,
      .flops_per_work = 1};
  return def;
}

}  // namespace fringeflow::corrupt
