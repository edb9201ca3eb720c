// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/average/average.hpp"

namespace fringeflow::average {
namespace {

using Cfloat = std::complex<float>;

void body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<AverageArgs>();
  const auto bins = static_cast<int64_t>(args.bins->size());
  const int64_t rows = args.times * args.baselines, values = args.channels * args.correlations;
  std::vector<uint8_t> flags;
  if (args.flags) {
    flags.resize(static_cast<size_t>(rows * args.channels * args.flag_repeat));
    args.flags(args.first_time, args.times, flags.data());
    for (int64_t i = 0; i < rows * args.channels; ++i)
      flags[static_cast<size_t>(i)] = flags[static_cast<size_t>(i * args.flag_repeat)];
  }
  average_cpu({*args.bins,
               args.first_time,
               args.baselines,
               args.channels,
               {context[2].as<const Cfloat>(), {args.planes, rows, values}},
               {context[3].as<const double>(), {rows, 3}},
               flags.empty() ? nullptr : flags.data(),
               {context[0].as<Cfloat>(), {args.planes, bins, values}},
               {context[1].as<double>(), {bins, kRowColumns + args.channels}}});
}

double work(const void* arguments) {
  const auto& args = *static_cast<const AverageArgs*>(arguments);
  return static_cast<double>(args.planes * args.times * args.baselines) *
         static_cast<double>(args.channels * args.correlations);
}

}  // namespace

const runtime::CodeletDef& average_codelet() {
  static const runtime::CodeletDef def{.name = "average",
                                       .doc = "Averages rows in time, longer on shorter baselines",
                                       .colour = 0xa6d854,
                                       .cpu = body,
                                       .work = work,
                                       .cpu_work_per_s = 2e8,
                                       .flops_per_work = 2};
  return def;
}

}  // namespace fringeflow::average
