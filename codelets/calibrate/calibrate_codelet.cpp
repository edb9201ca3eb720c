// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "codelets/calibrate/calibrate_tasks.hpp"
#include "codelets/common/cuda_body.hpp"
#include "io/measurement_set_stokes.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/calibrate/accumulate_cuda.hpp"
#include "codelets/calibrate/solve_cuda.hpp"
#endif

namespace fringeflow::calibrate {
namespace {

using Cfloat = std::complex<float>;

template <class Args>
std::array<int64_t, 3> extents(const Args& args) {
  return {args.rows, args.channels, args.correlations};
}
std::array<int64_t, 3> gain_extents(const Shape& shape) {
  return {shape.blocks(), shape.antennas, shape.polarisations()};
}
std::array<int64_t, 3> sum_extents(const Shape& shape) {
  return {shape.blocks(), shape.baselines(), shape.sums()};
}

void read_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ReadCorrelationsArgs>();
  io::CorrelationBuffers out{{context[0].as<double>(), {args.rows, 3}},
                             {context[1].as<int32_t>(), {args.rows, 2}},
                             {context[2].as<Cfloat>(), extents(args)},
                             {context[3].as<float>(), extents(args)},
                             {context[4].as<uint8_t>(), extents(args)}};
  args.read(out);
}

void accumulate_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<AccumulateArgs>();
  const Shape& shape = args.shape;
  const std::array<int64_t, 3> rows{args.rows, shape.channels, shape.correlations};
  const View<double, 3> sums(context[0].as<double>(), sum_extents(shape));
  if (args.first) std::fill_n(sums.data(), sums.size(), 0.);
  std::vector<Cfloat> model(static_cast<size_t>(args.rows * shape.channels * shape.correlations));
  io::correlations_of(
      args.stokes == 4 ? "IQUV" : "I", *args.correlations,
      View<const Cfloat, 3>(context[4].as<const Cfloat>(), {args.stokes, args.rows, shape.channels}),
      View<Cfloat, 3>(model.data(), rows));
  accumulate_cpu({shape,
                  {context[1].as<const Cfloat>(), rows},
                  {context[2].as<const float>(), rows},
                  {model.data(), rows},
                  {context[3].as<const int32_t>(), {args.rows, 2}},
                  sums});
}

/// Places of an interval's buffers.
struct IntervalBuffers {
  size_t gains, valid, outcomes, sums;
  IntervalBuffers(const SolveArgs& args, int64_t interval)
      : gains(static_cast<size_t>(3 * interval)),
        valid(gains + 1),
        outcomes(gains + 2),
        sums(static_cast<size_t>(3 * args.intervals + interval)) {}
};

void solve_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<SolveArgs>();
  const Shape& shape = args.shape;
  for (int64_t interval = 0; interval < args.intervals; ++interval) {
    const IntervalBuffers at(args, interval);
    solve_cpu({shape,
               {context[at.sums].as<const double>(), sum_extents(shape)},
               {context[at.gains].as<std::complex<double>>(), gain_extents(shape)},
               {context[at.valid].as<uint8_t>(), gain_extents(shape)},
               {context[at.outcomes].as<Outcome>(), {shape.blocks(), shape.fits()}},
               {},
               args.reference});
  }
}

void apply_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<ApplyArgs>();
  const Shape& shape = args.shape;
  const std::array<int64_t, 3> rows{args.rows, shape.channels, shape.correlations};
  *context[2].as<int64_t>() = apply_cpu({shape,
                                         {context[4].as<const std::complex<double>>(), gain_extents(shape)},
                                         {context[5].as<const uint8_t>(), gain_extents(shape)},
                                         {context[3].as<const int32_t>(), {args.rows, 2}},
                                         {context[0].as<Cfloat>(), rows},
                                         {context[1].as<uint8_t>(), rows}});
}

#if FRINGEFLOW_HAVE_CUDA
void accumulate_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<AccumulateArgs>();
  AccumulateRows in;
  in.shape = args.shape;
  in.rows = args.rows;
  in.vis = context[1].as<const cuda::Visibility>();
  in.weight = context[2].as<const float>();
  in.antennas = context[3].as<const int32_t>();
  in.model = context[4].as<const cuda::Visibility>();
  in.mixes = cuda::correlation_mixes(args.stokes, *args.correlations);
  in.sums = context[0].as<double>();
  in.first = args.first;
  accumulate_cuda(cuda::stream_of(context.cuda_stream()), in);
}

void solve_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<SolveArgs>();
  std::vector<SolveInterval> intervals;
  for (int64_t interval = 0; interval < args.intervals; ++interval) {
    const IntervalBuffers at(args, interval);
    intervals.push_back({context[at.sums].as<const double>(), context[at.gains].as<cuda::Complex>(),
                         context[at.valid].as<uint8_t>(), context[at.outcomes].as<Outcome>()});
  }
  solve_cuda(cuda::stream_of(context.cuda_stream()), args.shape, intervals, {}, args.reference);
}

void apply_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<ApplyArgs>();
  apply_cuda(cuda::stream_of(context.cuda_stream()), args.shape, context[4].as<const cuda::Complex>(),
             context[5].as<const uint8_t>(), context[3].as<const int32_t>(), args.rows,
             context[0].as<cuda::Visibility>(), context[1].as<uint8_t>(), context[2].as<int64_t>());
}
#endif

void write_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<WriteCorrelationsArgs>();
  args.write({context[0].as<const Cfloat>(), extents(args)}, {context[1].as<const uint8_t>(), extents(args)},
             *context[2].as<const int64_t>());
}

double read_work(const void* arguments) {
  const auto& args = *static_cast<const ReadCorrelationsArgs*>(arguments);
  return static_cast<double>(args.rows * args.channels * args.correlations) * 13;
}
double write_work(const void* arguments) {
  const auto& args = *static_cast<const WriteCorrelationsArgs*>(arguments);
  return static_cast<double>(args.rows * args.channels * args.correlations) * 8;
}
double accumulate_work(const void* arguments) {
  const auto& args = *static_cast<const AccumulateArgs*>(arguments);
  const double per_visibility =
      args.shape.kind == SolveKind::full ? 300 : 20. * static_cast<double>(args.shape.hands());
  return 1e3 + per_visibility * static_cast<double>(args.rows * args.shape.channels);
}
double solve_work(const void* arguments) {
  const auto& args = *static_cast<const SolveArgs*>(arguments);
  const Shape& shape = args.shape;
  constexpr double kIterations = 100;
  const double per_baseline = shape.kind == SolveKind::full ? 512 : 20. * static_cast<double>(shape.fits());
  return 1e3 + kIterations * per_baseline *
                   static_cast<double>(args.intervals * shape.blocks() * shape.baselines());
}
double apply_work(const void* arguments) {
  const auto& args = *static_cast<const ApplyArgs*>(arguments);
  const double per_correlation = args.shape.kind == SolveKind::full ? 60 : 30;
  return 1e3 +
         per_correlation * static_cast<double>(args.rows * args.shape.channels * args.shape.correlations);
}

}  // namespace

const runtime::CodeletDef& read_correlations_codelet() {
  static const runtime::CodeletDef def{
      .name = "read_correlations",
      .doc = "Reads correlations, weights and flags of a piece of a solution interval",
      .colour = 0x8c6d31,
      .role = runtime::Role::io,
      .cpu = read_body,
      .work = read_work,
      .cpu_work_per_s = 3e8};
  return def;
}
const runtime::CodeletDef& accumulate_codelet() {
  static const runtime::CodeletDef def{
      .name = "accumulate",
      .doc = "Products of data and model, summed per baseline over a solution",
      .colour = 0xa6d854,
      .cpu = accumulate_body,
      .cuda = FF_CUDA(accumulate_cuda_body),
      .work = accumulate_work,
      .cpu_work_per_s = 2e9,
      .cuda_work_per_s = 5e11,
      .flops_per_work = 1};
  return def;
}
const runtime::CodeletDef& solve_codelet() {
  static const runtime::CodeletDef def{.name = "solve",
                                       .doc = "Gains of solution intervals by StEFCal",
                                       .colour = 0xe78ac3,
                                       .cpu = solve_body,
                                       .cuda = FF_CUDA(solve_cuda_body),
                                       .work = solve_work,
                                       .cpu_work_per_s = 1e9,
                                       .cuda_work_per_s = 2e10,
                                       .flops_per_work = 1};
  return def;
}
const runtime::CodeletDef& apply_codelet() {
  static const runtime::CodeletDef def{
      .name = "apply_gains",
      .doc = "Corrects visibilities for gains and flags those without a solution",
      .colour = 0x66c2a5,
      .cpu = apply_body,
      .cuda = FF_CUDA(apply_cuda_body),
      .work = apply_work,
      .cpu_work_per_s = 1e9,
      .cuda_work_per_s = 1e12,
      .flops_per_work = 1};
  return def;
}
const runtime::CodeletDef& write_correlations_codelet() {
  static const runtime::CodeletDef def{.name = "write_correlations",
                                       .doc = "Writes corrected correlations, and flags where they changed",
                                       .colour = 0x525252,
                                       .role = runtime::Role::io,
                                       .cpu = write_body,
                                       .work = write_work,
                                       .cpu_work_per_s = 3e8};
  return def;
}

}  // namespace fringeflow::calibrate
