// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "codelets/calibrate/calibrate_tasks.hpp"
#include "io/measurement_set_stokes.hpp"

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

void solve_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<SolveArgs>();
  const Shape& shape = args.shape;
  solve_cpu({shape,
             {context[3].as<const double>(), sum_extents(shape)},
             {context[0].as<std::complex<double>>(), gain_extents(shape)},
             {context[1].as<uint8_t>(), gain_extents(shape)},
             {context[2].as<Outcome>(), {shape.blocks(), shape.fits()}},
             {},
             args.reference});
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
  const Shape& shape = static_cast<const SolveArgs*>(arguments)->shape;
  constexpr double kIterations = 100;
  const double per_baseline = shape.kind == SolveKind::full ? 512 : 20. * static_cast<double>(shape.fits());
  return 1e3 + kIterations * per_baseline * static_cast<double>(shape.blocks() * shape.baselines());
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
      .work = accumulate_work,
      .cpu_work_per_s = 2e9,
      .flops_per_work = 1};
  return def;
}
const runtime::CodeletDef& solve_codelet() {
  static const runtime::CodeletDef def{.name = "solve",
                                       .doc = "Gains of one solution interval by StEFCal",
                                       .colour = 0xe78ac3,
                                       .cpu = solve_body,
                                       .work = solve_work,
                                       .cpu_work_per_s = 1e9,
                                       .flops_per_work = 1};
  return def;
}
const runtime::CodeletDef& apply_codelet() {
  static const runtime::CodeletDef def{
      .name = "apply_gains",
      .doc = "Corrects visibilities for gains and flags those without a solution",
      .colour = 0x66c2a5,
      .cpu = apply_body,
      .work = apply_work,
      .cpu_work_per_s = 1e9,
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
