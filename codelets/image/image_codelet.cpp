// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "codelets/common/cuda_body.hpp"
#include "codelets/image/image.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/image/image_cuda.hpp"
#endif

namespace fringeflow::image {
namespace {

void assemble_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<AssembleArgs>();
  const View<float, 2> image(context[0].as<float>(), {args.ny, args.nx});
  for (size_t i = 0; i < args.strips.size(); ++i) {
    const auto& strip = args.strips[i];
    paste_cpu(View<const float, 2>(context[1 + i].as<const float>(), {strip.ny, strip.nx}), strip.y_begin,
              strip.x_begin, image, args.add);
  }
}

void combine_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<CombineArgs>();
  const auto* sums = context[1].as<const double>();
  std::vector<View<const float, 2>> images;
  std::vector<double> weights;
  for (size_t i = 0; i < args.sum_index.size(); ++i) {
    images.emplace_back(context[2 + i].as<const float>(), std::array<int64_t, 2>{args.ny, args.nx});
    weights.push_back(sums[args.sum_index[i]]);
  }
  combine_cpu(images, weights, View<float, 2>(context[0].as<float>(), {args.ny, args.nx}));
}

void zero_body(const runtime::BodyContext& context) {
  std::memset(context[0].data, 0, static_cast<size_t>(context.arguments<ZeroArgs>().bytes));
}

void fill_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<FillArgs>();
  if (args.blank) {
    std::fill_n(context[0].as<float>(), args.bytes / static_cast<int64_t>(sizeof(float)),
                std::numeric_limits<float>::quiet_NaN());
    return;
  }
  if (!args.pixels) {
    std::memset(context[0].data, 0, static_cast<size_t>(args.bytes));
    return;
  }
  std::transform(args.pixels->begin(), args.pixels->end(), context[0].as<float>(),
                 [](float p) { return std::isfinite(p) ? p : 0.0f; });
}

#if FRINGEFLOW_HAVE_CUDA
void assemble_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<AssembleArgs>();
  const View<float, 2> image(context[0].as<float>(), {args.ny, args.nx});
  for (size_t i = 0; i < args.strips.size(); ++i) {
    const auto& strip = args.strips[i];
    paste_cuda(cuda::stream_of(context.cuda_stream()),
               View<const float, 2>(context[1 + i].as<const float>(), {strip.ny, strip.nx}), strip.y_begin,
               strip.x_begin, image, args.add);
  }
}

void combine_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<CombineArgs>();
  std::vector<const float*> images;
  for (size_t i = 0; i < args.sum_index.size(); ++i) images.push_back(context[2 + i].as<const float>());
  combine_cuda(cuda::stream_of(context.cuda_stream()), images, args.sum_index, context[1].as<const double>(),
               context[0].as<float>(), args.ny * args.nx);
}

void zero_cuda_body(const runtime::BodyContext& context) {
  cuda::zero(cuda::stream_of(context.cuda_stream()), context[0].data, context.arguments<ZeroArgs>().bytes);
}

void fill_cuda_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<FillArgs>();
  const auto stream = cuda::stream_of(context.cuda_stream());
  if (args.blank)
    blank_cuda(stream, context[0].as<float>(), args.bytes / static_cast<int64_t>(sizeof(float)));
  else if (args.pixels)
    fill_cuda(stream, args.pixels->data(), context[0].as<float>(), static_cast<int64_t>(args.pixels->size()));
  else
    cuda::zero(stream, context[0].data, args.bytes);
}
#endif

double fill_work(const void* arguments) {
  return static_cast<double>(static_cast<const FillArgs*>(arguments)->bytes);
}

double assemble_work(const void* arguments) {
  double pixels = 0;
  for (const auto& strip : static_cast<const AssembleArgs*>(arguments)->strips)
    pixels += static_cast<double>(strip.ny * strip.nx);
  return pixels;
}
double combine_work(const void* arguments) {
  const auto& args = *static_cast<const CombineArgs*>(arguments);
  return static_cast<double>(args.nx * args.ny) * static_cast<double>(args.sum_index.size());
}
double zero_work(const void* arguments) {
  return static_cast<double>(static_cast<const ZeroArgs*>(arguments)->bytes);
}

}  // namespace

const runtime::CodeletDef& assemble_codelet() {
  static const runtime::CodeletDef def{.name = "assemble",
                                       .doc = "Puts the strips of a facet into the image",
                                       .colour = 0xc7e9c0,
                                       .cpu = assemble_body,
                                       .cuda = FF_CUDA(assemble_cuda_body),
                                       .work = assemble_work,
                                       .cpu_work_per_s = 5e8,
                                       .cuda_work_per_s = 5e10};
  return def;
}
const runtime::CodeletDef& combine_codelet() {
  static const runtime::CodeletDef def{.name = "combine",
                                       .doc = "Weighted mean of output channels",
                                       .colour = 0x74c476,
                                       .cpu = combine_body,
                                       .cuda = FF_CUDA(combine_cuda_body),
                                       .work = combine_work,
                                       .cpu_work_per_s = 3e8,
                                       .cuda_work_per_s = 5e10,
                                       .flops_per_work = 2};
  return def;
}
const runtime::CodeletDef& zero_codelet() {
  static const runtime::CodeletDef def{.name = "zero",
                                       .doc = "Fills a buffer with zero",
                                       .colour = 0xeeeeee,
                                       .cpu = zero_body,
                                       .cuda = FF_CUDA(zero_cuda_body),
                                       .work = zero_work,
                                       .cpu_work_per_s = 5e9,
                                       .cuda_work_per_s = 1e12};
  return def;
}

const runtime::CodeletDef& fill_codelet() {
  static const runtime::CodeletDef def{.name = "fill",
                                       .doc = "Starts a model image: empty, or from a file",
                                       .colour = 0xeeeeee,
                                       .cpu = fill_body,
                                       .cuda = FF_CUDA(fill_cuda_body),
                                       .work = fill_work,
                                       .cpu_work_per_s = 3e9,
                                       .cuda_work_per_s = 1e12};
  return def;
}

}  // namespace fringeflow::image
