// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/weight/weigh.hpp"

#include "codelets/common/cuda_body.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/weight/weight_cuda.hpp"
#endif

namespace fringeflow::weight {
namespace {

using runtime::BodyContext;

gridder::ChunkGeometry chunk_geometry(const ChunkLayout& layout, void* chunk,
                                      const std::vector<double>& freq_hz, int64_t begin, int64_t end,
                                      double max_uv_lambda) {
  return {layout.uvw_m(chunk), std::span<const double>(freq_hz), begin, end, max_uv_lambda};
}

void density_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<DensityArgs>();
  void* chunk = context[1].data;
  // All Stokes use the density of the first one.
  density_cpu(
      args.geometry,
      chunk_geometry(args.layout, chunk, *args.freq_hz, 0, args.layout.channels, args.geometry.max_uv_lambda),
      plane(View<const float, 3>(args.layout.weight(chunk)), 0), context[0].as<double>());
}

void density_summary_body(const runtime::BodyContext& context) {
  *context[0].as<DensitySummary>() =
      density_summary(context.arguments<DensitySummaryArgs>().geometry, context[1].as<const double>());
}

WeightScheme scheme_of(const ImageOptions& options) {
  const auto weighting = options.weighting == WeightingScheme::natural   ? Weighting::kNatural
                         : options.weighting == WeightingScheme::uniform ? Weighting::kUniform
                                                                         : Weighting::kBriggs;
  return {weighting, options.robust, options.taper_rad};
}

void weigh_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<WeighArgs>();
  void* chunk = context[0].data;
  const auto scheme = scheme_of(args.options);
  const double* density = context.size() > 1 ? context[1].as<const double>() : nullptr;
  const double s2 = scheme.weighting == Weighting::kBriggs
                        ? briggs_s2(scheme.robust, *context[2].as<const DensitySummary>())
                        : 0;
  for (size_t c = 0; c < args.channels.size(); ++c)
    for (int64_t stokes = 0; stokes < args.layout.stokes; ++stokes) {
      const auto geometry = chunk_geometry(args.layout, chunk, *args.freq_hz, args.channels[c].first,
                                           args.channels[c].second, args.geometry.max_uv_lambda);
      const auto beyond = apply_weights_cpu(scheme, s2, args.geometry, density, geometry,
                                            plane(args.layout.weight(chunk), stokes));
      if (args.first_time && stokes == 0) args.counters->add_beyond_grid(beyond);
    }
}

void sum_weights_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<SumWeightsArgs>();
  auto* sums = context[0].as<double>();
  for (const auto& [begin, end] : args.channels)
    for (int64_t stokes = 0; stokes < args.layout.stokes; ++stokes)
      sum_weights_cpu(plane(View<const float, 3>(args.layout.weight(context[1].data)), stokes), begin, end,
                      *sums++);
}

#if FRINGEFLOW_HAVE_CUDA
WeightChunk chunk_on_device(const BodyContext& context, const ChunkLayout& layout, void* chunk,
                            const std::shared_ptr<const std::vector<double>>& freq_hz, int64_t begin,
                            int64_t end) {
  auto& worker = cuda::Worker::of(cuda::stream_of(context.cuda_stream()));
  return {layout.uvw_m(chunk).data(), worker.constants(freq_hz), layout.rows, layout.channels, begin, end};
}

void density_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<DensityArgs>();
  void* chunk = context[1].data;
  density_cuda(cuda::stream_of(context.cuda_stream()), args.geometry,
               chunk_on_device(context, args.layout, chunk, args.freq_hz, 0, args.layout.channels),
               plane(args.layout.weight(chunk), 0).data(), context[0].as<double>());
}

void density_summary_cuda_body(const BodyContext& context) {
  density_summary_cuda(cuda::stream_of(context.cuda_stream()),
                       context.arguments<DensitySummaryArgs>().geometry, context[1].as<const double>(),
                       context[0].as<DensitySummary>());
}

void weigh_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<WeighArgs>();
  void* chunk = context[0].data;
  const auto scheme = scheme_of(args.options);
  const auto factor =
      weight_factor(scheme, context.size() > 1 ? context[1].as<const double>() : nullptr,
                    scheme.weighting == Weighting::kBriggs ? context[2].as<const DensitySummary>() : nullptr);
  for (size_t c = 0; c < args.channels.size(); ++c)
    for (int64_t stokes = 0; stokes < args.layout.stokes; ++stokes) {
      std::function<void(int64_t)> beyond;
      if (args.first_time && stokes == 0)
        beyond = [counters = args.counters](int64_t count) { counters->add_beyond_grid(count); };
      apply_weights_cuda(cuda::stream_of(context.cuda_stream()), factor, args.geometry,
                         chunk_on_device(context, args.layout, chunk, args.freq_hz, args.channels[c].first,
                                         args.channels[c].second),
                         plane(args.layout.weight(chunk), stokes).data(), std::move(beyond));
    }
}

void sum_weights_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<SumWeightsArgs>();
  auto* sums = context[0].as<double>();
  for (const auto& [begin, end] : args.channels)
    for (int64_t stokes = 0; stokes < args.layout.stokes; ++stokes)
      sum_weights_cuda(cuda::stream_of(context.cuda_stream()),
                       plane(View<const float, 3>(args.layout.weight(context[1].data)), stokes), begin, end,
                       sums++);
}
#endif

double density_work(const void* arguments) {
  const auto& layout = static_cast<const DensityArgs*>(arguments)->layout;
  return static_cast<double>(layout.rows * layout.channels);
}
double summary_work(const void* arguments) {
  return static_cast<double>(static_cast<const DensitySummaryArgs*>(arguments)->geometry.size());
}
double sum_weights_work(const void* arguments) {
  const auto& layout = static_cast<const SumWeightsArgs*>(arguments)->layout;
  return static_cast<double>(layout.rows * layout.channels * layout.stokes);
}
double weigh_work(const void* arguments) {
  const auto& layout = static_cast<const WeighArgs*>(arguments)->layout;
  return static_cast<double>(layout.rows * layout.channels * layout.stokes);
}

}  // namespace

const runtime::CodeletDef& density_codelet() {
  static const runtime::CodeletDef def{.name = "density",
                                       .doc = "Adds a chunk's weights to the density grid in the uv plane",
                                       .colour = 0xd9f0a3,
                                       .cpu = density_body,
                                       .cuda = FF_CUDA(density_cuda_body),
                                       .work = density_work,
                                       .cpu_work_per_s = 2e8,
                                       .cuda_work_per_s = 5e9,
                                       .flops_per_work = 4};
  return def;
}
const runtime::CodeletDef& density_summary_codelet() {
  static const runtime::CodeletDef def{.name = "density_summary",
                                       .doc = "Sums of the density grid that Briggs' weighting needs",
                                       .colour = 0xaddd8e,
                                       .cpu = density_summary_body,
                                       .cuda = FF_CUDA(density_summary_cuda_body),
                                       .work = summary_work,
                                       .cpu_work_per_s = 1e9,
                                       .cuda_work_per_s = 1e11,
                                       .flops_per_work = 3};
  return def;
}
const runtime::CodeletDef& weigh_codelet() {
  static const runtime::CodeletDef def{.name = "weigh",
                                       .doc = "Turns weights into imaging weights",
                                       .colour = 0x78c679,
                                       .cpu = weigh_body,
                                       .cuda = FF_CUDA(weigh_cuda_body),
                                       .work = weigh_work,
                                       .cpu_work_per_s = 2e8,
                                       .cuda_work_per_s = 5e9,
                                       .flops_per_work = 6};
  return def;
}
const runtime::CodeletDef& sum_weights_codelet() {
  static const runtime::CodeletDef def{.name = "sum_weights",
                                       .doc = "Adds up a chunk's imaging weights",
                                       .colour = 0x41ab5d,
                                       .cpu = sum_weights_body,
                                       .cuda = FF_CUDA(sum_weights_cuda_body),
                                       .work = sum_weights_work,
                                       .cpu_work_per_s = 1e9,
                                       .cuda_work_per_s = 5e10,
                                       .flops_per_work = 1};
  return def;
}

}  // namespace fringeflow::weight
