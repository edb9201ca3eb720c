// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "codelets/calibrate/directions_tasks.hpp"
#include "codelets/common/cuda_body.hpp"
#include "io/measurement_set_stokes.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/calibrate/solve_directions_cuda.hpp"
#include "codelets/common/cuda_on_host.hpp"
#endif

namespace fringeflow::calibrate {
namespace {

using Cfloat = std::complex<float>;

/// Models of as many rows are in memory at a time.
constexpr int64_t kModelBytes = int64_t{1} << 20;

std::array<int64_t, 3> sum_extents(const DirectionShape& shape) {
  return {shape.gains.blocks(), shape.gains.baselines(), shape.sums()};
}

void accumulate_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<AccumulateDirectionsArgs>();
  const Shape& shape = args.shape.gains;
  const int64_t channels = shape.channels, step = shape.correlations, directions = args.shape.directions;
  const View<double, 3> sums(context[0].as<double>(), sum_extents(args.shape));
  if (args.first) std::fill_n(sums.data(), sums.size(), 0.);
  const int64_t batch = std::clamp<int64_t>(kModelBytes / (directions * channels * step * 8), 1, args.rows);
  std::vector<Cfloat> stokes(static_cast<size_t>(args.stokes * batch * channels)),
      model(static_cast<size_t>(directions * batch * channels * step));
  AccumulateDirectionsArguments arguments{args.shape, {}, {}, {}, {}, sums};
  if (args.freedom > 0) {
    arguments.freedom = args.freedom;
    arguments.gains = {context[5].as<const std::complex<double>>(), args.shape.gain_extents()};
    arguments.valid = {context[6].as<const uint8_t>(), args.shape.gain_extents()};
    arguments.outcomes = {context[7].as<const Outcome>(), {shape.blocks(), shape.fits()}};
  }
  for (int64_t row = 0; row < args.rows; row += batch) {
    const int64_t count = std::min(batch, args.rows - row), samples = count * channels * step;
    const std::array<int64_t, 3> extents{count, channels, step};
    const View<Cfloat, 3> part(stokes.data(), {args.stokes, count, channels});
    for (int64_t d = 0; d < directions; ++d) {
      simulate_groups(*(*args.groups)[static_cast<size_t>(d)],
                      {context[1].as<const double>() + 3 * row, {count, 3}}, *args.freq_hz, part);
      io::correlations_of(args.stokes == 4 ? "IQUV" : "I", *args.correlations,
                          View<const Cfloat, 3>(stokes.data(), {args.stokes, count, channels}),
                          View<Cfloat, 3>(model.data() + d * samples, extents));
    }
    const int64_t at = row * channels * step;
    arguments.vis = {context[2].as<const Cfloat>() + at, extents};
    arguments.weight = {context[3].as<const float>() + at, extents};
    arguments.antennas = {context[4].as<const int32_t>() + 2 * row, {count, 2}};
    arguments.model = {model.data(), {directions, count, channels, step}};
    accumulate_directions_cpu(arguments);
  }
}

/// Sums of an interval, [part].
std::vector<const double*> parts_of(const runtime::BodyContext& context, const SolveDirectionsArgs& args,
                                    int64_t interval) {
  std::vector<const double*> parts;
  for (int64_t part = 0; part < args.parts; ++part)
    parts.push_back(
        context[static_cast<size_t>(4 * args.intervals + interval * args.parts + part)].as<const double>());
  return parts;
}

void solve_interval(const runtime::BodyContext& context, const SolveDirectionsArgs& args, int64_t interval) {
  const Shape& shape = args.shape.gains;
  const int64_t size = args.shape.accumulator_size();
  const auto at = static_cast<size_t>(4 * interval);
  const auto parts = parts_of(context, args, interval);
  std::vector<double> total;
  const double* sums = parts.front();
  if (args.parts > 1) {
    total.assign(sums, sums + size);
    for (size_t part = 1; part < parts.size(); ++part)
      for (int64_t i = 0; i < size; ++i) total[static_cast<size_t>(i)] += parts[part][i];
    sums = total.data();
  }
  View<double, 2> tec;
  if (shape.kind == SolveKind::tec)
    tec = {context[at + 3].as<double>(), {shape.antennas, args.shape.directions}};
  solve_directions_cpu({args.shape,
                        {sums, sum_extents(args.shape)},
                        args.freq_hz,
                        {context[at].as<std::complex<double>>(), args.shape.gain_extents()},
                        {context[at + 1].as<uint8_t>(), args.shape.gain_extents()},
                        {context[at + 2].as<Outcome>(), {shape.blocks(), shape.fits()}},
                        tec,
                        args.limits,
                        args.reference,
                        args.position_m ? std::span<const std::array<double, 3>>(*args.position_m)
                                        : std::span<const std::array<double, 3>>()});
}

void solve_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<SolveDirectionsArgs>();
  for (int64_t interval = 0; interval < args.intervals; ++interval) solve_interval(context, args, interval);
}

#if FRINGEFLOW_HAVE_CUDA
void accumulate_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<AccumulateDirectionsArgs>();
  DirectionRows in = direction_rows(args.shape);
  in.rows = args.rows;
  in.stokes = args.stokes;
  in.vis = context[2].as<const cuda::Visibility>();
  in.weight = context[3].as<const float>();
  in.antennas = context[4].as<const int32_t>();
  in.mixes = cuda::correlation_mixes(args.stokes, *args.correlations);
  in.sums = context[0].as<double>();
  in.first = args.first;
  if (args.freedom > 0) {
    in.freedom = args.freedom;
    in.gains = context[5].as<const cuda::Complex>();
    in.valid = context[6].as<const uint8_t>();
    in.outcomes = context[7].as<const Outcome>();
  }
  accumulate_directions_cuda(cuda::stream_of(context.cuda_stream()), in, *args.groups, *args.freq_hz,
                             context[1].as<const double>());
}

void solve_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<SolveDirectionsArgs>();
  if (!fits_blocks_apart(args.shape, args.limits)) {
    cuda::run_on_host(context, args, static_cast<size_t>(4 * args.intervals), solve_body);
    return;
  }
  std::vector<DirectionParts> intervals;
  for (int64_t interval = 0; interval < args.intervals; ++interval) {
    const auto at = static_cast<size_t>(4 * interval);
    intervals.push_back({{nullptr, context[at].as<cuda::Complex>(), context[at + 1].as<uint8_t>(),
                          context[at + 2].as<Outcome>()},
                         parts_of(context, args, interval)});
  }
  solve_directions_cuda(cuda::stream_of(context.cuda_stream()), args.shape, args.limits, args.reference,
                        intervals);
}
#endif

double accumulate_work(const void* arguments) {
  const auto& args = *static_cast<const AccumulateDirectionsArgs*>(arguments);
  const Shape& shape = args.shape.gains;
  double flops = 0;
  for (const auto& groups : *args.groups)
    for (const auto& group : *groups)
      flops +=
          simulate_flops(args.rows, shape.channels, static_cast<int64_t>(group.lmn.size() / 3), args.stokes);
  const auto columns = static_cast<double>(2 * args.shape.directions + 2);
  return 1e3 + flops +
         2 * columns * columns * static_cast<double>(args.rows * shape.channels * shape.hands());
}

double solve_work(const void* arguments) {
  const auto& args = *static_cast<const SolveDirectionsArgs*>(arguments);
  constexpr double kIterations = 100;
  const auto directions = static_cast<double>(args.shape.directions);
  return 1e3 + kIterations * 16 * directions * directions *
                   static_cast<double>(args.intervals * args.shape.gains.blocks() *
                                       args.shape.gains.baselines() * args.shape.gains.fits());
}

}  // namespace

const runtime::CodeletDef& accumulate_directions_codelet() {
  static const runtime::CodeletDef def{
      .name = "accumulate_directions",
      .doc = "Predicts every direction, and sums products of data and models per baseline over a solution",
      .colour = 0x8da0cb,
      .cpu = accumulate_body,
      .cuda = FF_CUDA(accumulate_cuda_body),
      .work = accumulate_work,
      .cpu_work_per_s = 4e9,
      .cuda_work_per_s = 5e11,
      .flops_per_work = 1};
  return def;
}
const runtime::CodeletDef& solve_directions_codelet() {
  static const runtime::CodeletDef def{.name = "solve_directions",
                                       .doc = "Gains of solution intervals in all directions",
                                       .colour = 0xe7298a,
                                       .cpu = solve_body,
                                       .cuda = FF_CUDA(solve_cuda_body),
                                       .work = solve_work,
                                       .cpu_work_per_s = 1e9,
                                       .cuda_work_per_s = 1e10,
                                       .flops_per_work = 1};
  return def;
}

}  // namespace fringeflow::calibrate
