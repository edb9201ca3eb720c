// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <vector>

#include "codelets/common/cuda_body.hpp"
#include "codelets/handover/handover.hpp"
#include "io/constants.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/handover/handover_cuda.hpp"
#endif

namespace fringeflow::handover {
namespace {

using Cfloat = std::complex<float>;

/// Empty where nothing is flagged.
std::vector<uint8_t> simulated_flags(const Samples& samples, const Times& times, int64_t cells) {
  std::vector<uint8_t> flags;
  if (!samples.flags) return flags;
  flags.resize(static_cast<size_t>(cells));
  samples.flags(times.begin, times.count, flags.data());
  return flags;
}

void to_correlations_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ToCorrelationsArgs>();
  io::correlations_of(
      args.stokes == 4 ? "IQUV" : "I", *args.correlations,
      View<const Cfloat, 3>(context[1].as<const Cfloat>(), {args.stokes, args.rows, args.channels}),
      View<Cfloat, 3>(context[0].as<Cfloat>(),
                      {args.rows, args.channels, static_cast<int64_t>(args.correlations->size())}));
}

#if FRINGEFLOW_HAVE_CUDA
void to_correlations_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  to_correlations_cuda(cuda::stream_of(context.cuda_stream()), context.arguments<ToCorrelationsArgs>(),
                       context[1].as<const cuda::Visibility>(), context[0].as<cuda::Visibility>());
}
#endif

void to_stokes_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ToStokesArgs>();
  const auto& samples = *args.samples;
  const auto correlations = static_cast<int64_t>(samples.weight.size());
  void* chunk = context[0].data;
  const auto uvw_m = args.layout.uvw_m(chunk);
  for (int64_t row = 0; row < args.rows; ++row)
    std::copy_n(context[1].as<const double>() + 3 * row, 3,
                &uvw_m(args.order.place(args.row_begin + row), 0));
  const auto simulated =
      simulated_flags(samples, args.times, args.rows * args.layout.channels * correlations);
  const uint8_t* flags = args.flags          ? context[3].as<const uint8_t>()
                         : simulated.empty() ? nullptr
                                             : simulated.data();
  int64_t known = 0;
  for (size_t i = 0; i < simulated.size(); i += static_cast<size_t>(correlations)) known += simulated[i];
  io::ReadStatistics statistics;
  statistics.visibilities = args.rows * args.layout.channels;
  statistics.flagged =
      to_stokes_cpu({samples.terms,
                     {context[2].as<const Cfloat>(), {args.rows, args.layout.channels, correlations}},
                     samples.weight,
                     flags,
                     args.layout.vis(chunk),
                     args.layout.weight(chunk),
                     args.row_begin,
                     args.order});
  if (statistics.flagged > known && samples.density_is_known) throw DensityChanged();
  samples.counters->add(statistics, true);
}

void calibration_rows_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<CalibrationRowsArgs>();
  const auto channels = static_cast<int64_t>(args.freq_hz->size()),
             correlations = static_cast<int64_t>(args.samples->weight.size());
  const auto baselines = static_cast<int64_t>(args.pairs->size() / 2);
  auto* antennas = context[0].as<int32_t>();
  for (int64_t row = 0; row < args.rows; row += baselines)
    std::copy_n(args.pairs->begin(), 2 * baselines, antennas + 2 * row);
  const auto simulated = simulated_flags(*args.samples, args.times, args.rows * channels * correlations);
  auto* flags = context[2].as<uint8_t>();
  if (simulated.empty())
    std::fill_n(flags, args.rows * channels * correlations, uint8_t{0});
  else
    std::copy(simulated.begin(), simulated.end(), flags);
  const auto inside = [](const Range& range, double x) {
    return !(range.begin && x < *range.begin) && !(range.end && x > *range.end);
  };
  const auto* uvw_m = context[3].as<const double>();
  auto* weight = context[1].as<float>();
  for (int64_t row = 0; row < args.rows; ++row) {
    const double length = std::hypot(uvw_m[3 * row], uvw_m[3 * row + 1]);
    const bool counts = inside(args.uv_m, length);
    for (int64_t channel = 0; channel < channels; ++channel) {
      const bool used =
          counts &&
          inside(args.uv_lambda, length * (*args.freq_hz)[static_cast<size_t>(channel)] / kSpeedOfLight_m_s);
      for (int64_t c = 0; c < correlations; ++c, ++flags)
        *weight++ = used && *flags == 0 ? args.samples->weight[static_cast<size_t>(c)] : 0;
    }
  }
}

void geometry_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<GeometryArgs>();
  void* chunk = context[0].data;
  args.uvw(args.layout.uvw_m(chunk));
  const auto weight = args.layout.weight(chunk);
  const int64_t plane = args.layout.rows * args.layout.channels;
  const auto correlations = static_cast<int64_t>(args.samples->weight.size());
  const auto simulated = simulated_flags(*args.samples, args.times, plane * correlations);
  for (size_t s = 0; s < args.samples->terms.size(); ++s) {
    const auto stokes = static_cast<int64_t>(s);
    float* out = &weight(stokes, 0, 0);
    std::fill_n(out, plane, stokes_weight(args.samples->terms[s], args.samples->weight));
    if (simulated.empty()) continue;
    const int64_t channels = args.layout.channels;
    for (int64_t i = 0; i < plane; ++i)
      if (simulated[static_cast<size_t>(i * correlations)] != 0)
        out[args.order.place(i / channels) * channels + i % channels] = 0;
  }
}

double to_correlations_work(const void* arguments) {
  const auto& args = *static_cast<const ToCorrelationsArgs*>(arguments);
  return static_cast<double>(args.rows * args.channels) * static_cast<double>(args.correlations->size());
}
double to_stokes_work(const void* arguments) {
  const auto& args = *static_cast<const ToStokesArgs*>(arguments);
  return static_cast<double>(args.rows * args.layout.channels * args.layout.stokes);
}
double calibration_rows_work(const void* arguments) {
  const auto& args = *static_cast<const CalibrationRowsArgs*>(arguments);
  return static_cast<double>(args.rows) *
         static_cast<double>(args.freq_hz->size() * args.samples->weight.size());
}
double geometry_work(const void* arguments) {
  const auto& args = *static_cast<const GeometryArgs*>(arguments);
  return static_cast<double>(args.layout.rows * args.layout.channels * args.layout.stokes);
}

}  // namespace

const runtime::CodeletDef& to_correlations_codelet() {
  static const runtime::CodeletDef def{.name = "to_correlations",
                                       .doc = "Correlations of simulated Stokes visibilities",
                                       .colour = 0xe5c494,
                                       .cpu = to_correlations_body,
                                       .cuda = FF_CUDA(to_correlations_cuda_body),
                                       .work = to_correlations_work,
                                       .cpu_work_per_s = 5e8,
                                       .cuda_work_per_s = 1e11};
  return def;
}
const runtime::CodeletDef& to_stokes_codelet() {
  static const runtime::CodeletDef def{
      .name = "to_stokes",
      .doc = "Emulated correlations as Stokes visibilities and weights of a chunk to image",
      .colour = 0xb3b3b3,
      .cpu = to_stokes_body,
      .work = to_stokes_work,
      .cpu_work_per_s = 3e8};
  return def;
}
const runtime::CodeletDef& calibration_rows_codelet() {
  static const runtime::CodeletDef def{.name = "calibration_rows",
                                       .doc = "Antennas, weights and flags of emulated rows for calibration",
                                       .colour = 0x8c6d31,
                                       .cpu = calibration_rows_body,
                                       .work = calibration_rows_work,
                                       .cpu_work_per_s = 1e9};
  return def;
}
const runtime::CodeletDef& geometry_codelet() {
  static const runtime::CodeletDef def{.name = "geometry",
                                       .doc = "UVW and weights of a chunk before its visibilities exist",
                                       .colour = 0xbd9e39,
                                       .cpu = geometry_body,
                                       .work = geometry_work,
                                       .cpu_work_per_s = 1e9};
  return def;
}

}  // namespace fringeflow::handover
