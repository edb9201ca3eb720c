// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/deconvolve/clean.hpp"
#include "runtime/cancelled.hpp"

#include <algorithm>

#include "codelets/common/cuda_body.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/common/cuda_on_host.hpp"
#include "codelets/deconvolve/clean_cuda.hpp"
#include "codelets/deconvolve/internal.hpp"
#endif

namespace fringeflow::deconvolve {
namespace {

using runtime::BodyContext;

std::vector<float> channel_weights(const CleanArgs& args, const BodyContext& context, size_t buffer) {
  std::vector<float> weights;
  const auto* sums = context[buffer].as<const double>();
  for (const auto index : args.sum_index) weights.push_back(static_cast<float>(sums[index]));
  return weights;
}

std::vector<Image> images(const CleanArgs& args, const BodyContext& context, size_t first) {
  std::vector<Image> result;
  for (size_t c = 0; c < args.sum_index.size(); ++c)
    result.emplace_back(context[first + c].as<const float>(), std::array<int64_t, 2>{args.ny, args.nx});
  return result;
}

Mask user_mask(const CleanArgs& args) {
  return args.mask ? Mask(args.mask->data(), {args.ny, args.nx}) : Mask();
}

void find_peak_body(const BodyContext& context) {
  const auto& args = context.arguments<CleanArgs>();
  const auto weights = channel_weights(args, context, 1);
  const ScaleMask scale_mask =
      args.auto_mask ? ScaleMask(context[2].as<const uint16_t>(), {args.ny, args.nx}) : ScaleMask();
  *context[0].as<Peak>() = find_peak(args.minor, images(args, context, args.auto_mask ? 3 : 2), weights,
                                     user_mask(args), scale_mask, args.rect);
}

void statistics_body(const BodyContext& context) {
  const auto& args = context.arguments<CleanArgs>();
  *context[0].as<Robust>() = robust_statistics(images(args, context, 2), channel_weights(args, context, 1));
}

void decide_body(const BodyContext& context) {
  const auto& args = context.arguments<CleanArgs>();
  auto& block = *context[0].as<LoopBlock>();
  Peak peak;
  for (size_t i = 2; i < context.size(); ++i)
    peak = i == 2 ? *context[i].as<const Peak>() : larger(peak, *context[i].as<const Peak>());
  block.peak = peak;
  block.decision = decide(args.loop, block.state, *context[1].as<const Robust>(), peak);
}

void make_list(const BodyContext& context, int64_t max_iterations) {
  const auto& args = context.arguments<CleanArgs>();
  const auto& block = *context[1].as<const LoopBlock>();
  const ComponentList out(context[0].data, context[0].bytes, args.channels());
  const auto weights = channel_weights(args, context, 2);
  const size_t first = args.auto_mask ? 4 : 3;
  const auto residual = images(args, context, first),
             psf = images(args, context, first + args.sum_index.size());
  MinorInput input;
  input.residual = residual;
  input.psf = psf;
  input.weights = weights;
  input.mask = user_mask(args);
  if (args.auto_mask) input.scale_mask = ScaleMask(context[3].as<const uint16_t>(), {args.ny, args.nx});
  input.masked = block.decision.masked;
  input.is_final = block.decision.is_final;
  input.rect = args.rect;
  input.threshold = static_cast<float>(block.decision.threshold);
  input.max_iterations = max_iterations;
  input.global_peak = block.peak.value;
  input.far_sidelobe = args.several_sub_images ? block.far_sidelobe : 0;
  input.cancelled = runtime::cancelled;
  minor_cycle(args.minor, input, out);
}

void minor_body(const BodyContext& context) {
  const auto& decision = context[1].as<const LoopBlock>()->decision;
  if (decision.clean)
    make_list(context, decision.max_iterations);
  else
    ComponentList(context[0].data, context[0].bytes, context.arguments<CleanArgs>().channels()).clear();
}

/// Buffer of the shares: the last one.
const int64_t* share_of(const BodyContext& context) {
  return context[context.size() - 1].as<const int64_t>() + context.arguments<CleanArgs>().sub_image;
}

void minor_again_body(const BodyContext& context) {
  if (const int64_t share = *share_of(context); share >= 0) make_list(context, share);
}

void share_iterations_body(const BodyContext& context) {
  const auto& args = context.arguments<CleanArgs>();
  std::vector<ComponentHeader> headers;
  for (size_t i = 2; i < context.size(); ++i)
    headers.push_back(ComponentList(context[i].data, context[i].bytes, args.channels()).header());
  const auto shares = share_iterations(context[1].as<const LoopBlock>()->decision.max_iterations, headers);
  std::copy(shares.begin(), shares.end(), context[0].as<int64_t>());
}

void apply_components_body(const BodyContext& context) {
  const auto& args = context.arguments<CleanArgs>();
  auto& block = *context[0].as<LoopBlock>();
  const size_t first = args.auto_mask ? 2 : 1;
  std::vector<View<float, 2>> models;
  for (size_t c = 0; c < args.sum_index.size(); ++c)
    models.emplace_back(context[first + c].as<float>(), std::array<int64_t, 2>{args.ny, args.nx});
  std::vector<ComponentList> lists;
  std::vector<ComponentHeader> headers;
  for (size_t i = first + args.sum_index.size(); i < context.size(); ++i) {
    lists.emplace_back(context[i].data, context[i].bytes, args.channels());
    headers.push_back(lists.back().header());
  }
  View<uint16_t, 2> scale_mask;
  if (args.auto_mask) scale_mask = {context[1].as<uint16_t>(), {args.ny, args.nx}};
  apply_components(args.minor, lists, models, scale_mask, 0, args.ny);
  absorb(args.loop, block.state, headers);
  std::vector<Component> components;
  for (const auto& list : lists) append_components(components, list);
  args.log->append(std::move(components));
}

void far_sidelobe_body(const BodyContext& context) {
  const auto& args = context.arguments<CleanArgs>();
  auto& block = *context[0].as<LoopBlock>();
  block = LoopBlock{};
  if (args.several_sub_images)
    block.far_sidelobe = far_sidelobe(Image(context[1].as<const float>(), {args.ny, args.nx}),
                                      args.rect.ny / 2, args.rect.nx / 2);
}

#if FRINGEFLOW_HAVE_CUDA
CleanImages images_on_device(const CleanArgs& args, const BodyContext& context, size_t sums, size_t residual,
                             bool with_psf) {
  CleanImages result;
  result.sums = context[sums].as<const double>();
  if (args.auto_mask) result.scale_mask = context[residual - 1].as<const uint16_t>();
  const size_t channels = args.sum_index.size();
  for (size_t c = 0; c < channels; ++c) result.residual.push_back(context[residual + c].as<const float>());
  for (size_t c = 0; with_psf && c < channels; ++c)
    result.psf.push_back(context[residual + channels + c].as<const float>());
  return result;
}

CleanLimits clean_limits(const CleanArgs& args) {
  const Limits limits = scale_limits(args.minor, 0, args.ny, args.nx);
  return {limits.y_begin, limits.y_end, limits.x_begin, limits.x_end};
}

void find_peak_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<CleanArgs>();
  if (args.minor.algorithm == Algorithm::multiscale)
    return cuda::run_on_host(context, args, 1, find_peak_body);
  find_peak_cuda(cuda::stream_of(context.cuda_stream()), args, clean_limits(args),
                 images_on_device(args, context, 1, args.auto_mask ? 3 : 2, false), context[0].as<Peak>());
}

void statistics_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<CleanArgs>();
  auto images = images_on_device(args, context, 1, 2, false);
  images.scale_mask = nullptr;  // this task has none
  statistics_cuda(cuda::stream_of(context.cuda_stream()), args, images, context[0].as<Robust>());
}

void minor_on_device(const BodyContext& context, const int64_t* share) {
  const auto& args = context.arguments<CleanArgs>();
  minor_cuda(cuda::stream_of(context.cuda_stream()), args, clean_limits(args),
             images_on_device(args, context, 2, args.auto_mask ? 4 : 3, true),
             context[1].as<const LoopBlock>(), share, context[0].data, context[0].bytes);
}
void minor_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<CleanArgs>();
  if (args.minor.algorithm == Algorithm::multiscale) return cuda::run_on_host(context, args, 1, minor_body);
  minor_on_device(context, nullptr);
}
void minor_again_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<CleanArgs>();
  if (args.minor.algorithm != Algorithm::multiscale) return minor_on_device(context, share_of(context));
  // Whether there is anything to do, before all the images are copied.
  int64_t share = 0;
  const auto stream = cuda::stream_of(context.cuda_stream());
  cuda::copy_to_host(stream, share_of(context), &share, sizeof share);
  cuda::synchronise(stream);
  if (share >= 0) cuda::run_on_host(context, args, 1, minor_again_body);
}
#endif

double pixels_work(const void* arguments) {
  const auto& args = *static_cast<const CleanArgs*>(arguments);
  return static_cast<double>(args.rect.ny * args.rect.nx) * args.channels() * args.minor.scales;
}

double whole_work(const void* arguments) {
  const auto& args = *static_cast<const CleanArgs*>(arguments);
  return static_cast<double>(args.ny * args.nx) * args.channels();
}

runtime::CodeletDef define(const char* name, const char* doc, uint32_t colour, runtime::Body body,
                           double (*work)(const void*), double rate, runtime::Body cuda_body = nullptr,
                           int version = 1) {
  return {.name = name,
          .version = version,
          .doc = doc,
          .colour = colour,
          .role = runtime::Role::compute,
          .cpu = body,
          .cuda = cuda_body,
          .work = work,
          .cpu_work_per_s = rate,
          .cuda_work_per_s = rate * 50,
          .flops_per_work = 2};
}

}  // namespace

const runtime::CodeletDef& find_peak_codelet() {
  static const auto def = define("find_peak", "Largest residual of a sub-image", 0xbcbddc, find_peak_body,
                                 pixels_work, 3e8, FF_CUDA(find_peak_cuda_body));
  return def;
}
const runtime::CodeletDef& statistics_codelet() {
  static const auto def = define("statistics", "Median and robust noise of the residual", 0xdadaeb,
                                 statistics_body, whole_work, 5e8, FF_CUDA(statistics_cuda_body), 2);
  return def;
}
const runtime::CodeletDef& decide_codelet() {
  static const auto def = define("decide", "Threshold of the next major cycle, or the end of cleaning",
                                 0x54278f, decide_body, nullptr, 1e5);
  return def;
}
const runtime::CodeletDef& minor_codelet() {
  static const auto def = define("minor", "Minor loop of CLEAN on one sub-image", 0x756bb1, minor_body,
                                 pixels_work, 2e7, FF_CUDA(minor_cuda_body));
  return def;
}
const runtime::CodeletDef& share_iterations_codelet() {
  static const auto def = define("share_iterations", "What each sub-image may take of the last iterations",
                                 0x54278f, share_iterations_body, nullptr, 1e5);
  return def;
}
const runtime::CodeletDef& minor_again_codelet() {
  // Nearly always nothing is to be done.
  static const auto def =
      define("minor_again", "Minor loop of CLEAN again, with the sub-image's share of iterations", 0x756bb1,
             minor_again_body, pixels_work, 1e11, FF_CUDA(minor_again_cuda_body));
  return def;
}
const runtime::CodeletDef& apply_components_codelet() {
  static const auto def = define("apply_components", "Adds components to the model", 0x9e9ac8,
                                 apply_components_body, whole_work, 1e9);
  return def;
}
const runtime::CodeletDef& far_sidelobe_codelet() {
  static const auto def = define("far_sidelobe", "Starts a cleaning loop: far sidelobes of the PSF", 0xdadaeb,
                                 far_sidelobe_body, whole_work, 1e9);
  return def;
}

int64_t list_capacity(int64_t max_iterations, const Rect& rect) {
  return std::min<int64_t>({max_iterations, rect.ny * rect.nx, int64_t{1} << 17});
}

}  // namespace fringeflow::deconvolve
