// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/corrupt/corrupt_tasks.hpp"

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
                {args.rows, args.channels, static_cast<int64_t>(instrument.correlations.size())}}});
}

void screen_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ScreenArgs>();
  const View<const double, 2> uvw(context[1].as<const double>(), {args.rows, 3});
  std::vector<double> position(static_cast<size_t>(2 * args.antennas));
  for (int64_t row = 0; row < args.rows; ++row) {
    const auto at = static_cast<size_t>(2 * row);
    if (args.keys->antennas[at] != 0) continue;
    const auto q = static_cast<size_t>(args.keys->antennas[at + 1]);
    position[2 * q] = uvw(row, 0);
    position[2 * q + 1] = uvw(row, 1);
  }
  const auto sources = static_cast<int64_t>(args.lmn->size() / 3);
  const View<double, 2> tec(context[0].as<double>(), {sources, args.antennas});
  screen_cpu(args.screen, *args.waves, args.seconds, {position.data(), {args.antennas, 2}},
             {args.lmn->data(), {sources, 3}}, tec);
  if (args.record) args.record(tec);
}

double corrupt_work(const void* arguments) {
  const auto& args = *static_cast<const CorruptArgs*>(arguments);
  const double per_sample = args.instrument->noise_jy > 0 ? 250 : 60;
  return 1e3 + per_sample * static_cast<double>(args.rows * args.channels) *
                   static_cast<double>(args.instrument->correlations.size());
}
double screen_work(const void* arguments) {
  const auto& args = *static_cast<const ScreenArgs*>(arguments);
  return 1e3 + 40. * static_cast<double>(args.lmn->size() / 3) * static_cast<double>(args.antennas) *
                   static_cast<double>(args.waves->size());
}

}  // namespace

const runtime::CodeletDef& corrupt_codelet() {
  static const runtime::CodeletDef def{
      .name = "corrupt",
      .doc = "Gains, leakage and noise of an instrument on model visibilities",
      .colour = 0xfc8d62,
      .cpu = corrupt_body,
      .work = corrupt_work,
      .cpu_work_per_s = 2e9,
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
