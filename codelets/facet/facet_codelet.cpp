// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <limits>

#include "codelets/common/cuda_body.hpp"
#include "codelets/facet/facet.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/facet/facet_cuda.hpp"
#endif

namespace fringeflow::facet {
namespace {

using Cfloat = std::complex<float>;

void divide_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<DivideArgs>();
  const View<const Cfloat, 3> in =
      args.from_chunk ? args.layout.vis(context[1].data) : args.layout.predicted(context[1].data);
  divide_cpu(args.gains, plane(in, 0), plane(args.layout.predicted(context[0].data), 0));
}

void multiply_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<MultiplyArgs>();
  const View<const Cfloat, 3> in = args.layout.predicted(context[1].data);
  multiply_cpu(args.gains, plane(in, 0), !args.first, plane(args.layout.predicted(context[0].data), 0));
}

void stitch_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<StitchArgs>();
  const View<float, 2> image(context[0].as<float>(), {args.ny, args.nx});
  const View<const int32_t, 2> map(args.map->data(), {args.ny, args.nx});
  if (args.first)
    std::transform(args.map->begin(), args.map->end(), image.data(),
                   [](int32_t d) { return d < 0 ? std::numeric_limits<float>::quiet_NaN() : 0.F; });
  for (size_t i = 0; i < args.strips.size(); ++i) {
    const auto& strip = args.strips[i];
    stitch_cpu(View<const float, 2>(context[1 + i].as<const float>(), {strip.ny, strip.nx}), strip.y_begin,
               strip.x_begin, map, args.direction, image);
  }
}

void cut_body(const runtime::BodyContext& context) {
  const auto& args = context.arguments<CutArgs>();
  const auto* image = context[1].as<const float>();
  auto* out = context[0].as<float>();
  for (size_t i = 0; i < args.map->size(); ++i) out[i] = (*args.map)[i] == args.direction ? image[i] : 0.F;
}

#if FRINGEFLOW_HAVE_CUDA
void divide_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<DivideArgs>();
  const auto in = args.from_chunk ? args.layout.vis(context[1].data)
                                  : View<const Cfloat, 3>(args.layout.predicted(context[1].data));
  divide_cuda(cuda::stream_of(context.cuda_stream()), args.gains, cuda::as_visibility(in.data()),
              cuda::as_visibility(args.layout.predicted(context[0].data).data()));
}

void multiply_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<MultiplyArgs>();
  const View<const Cfloat, 3> in = args.layout.predicted(context[1].data);
  multiply_cuda(cuda::stream_of(context.cuda_stream()), args.gains, cuda::as_visibility(in.data()),
                !args.first, cuda::as_visibility(args.layout.predicted(context[0].data).data()));
}

void stitch_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<StitchArgs>();
  std::vector<const float*> strips;
  for (size_t i = 0; i < args.strips.size(); ++i) strips.push_back(context[1 + i].as<const float>());
  stitch_cuda(cuda::stream_of(context.cuda_stream()), args, strips, context[0].as<float>());
}

void cut_cuda_body(const runtime::BodyContext& context) {
  cuda::throw_posted_error();
  cut_cuda(cuda::stream_of(context.cuda_stream()), context.arguments<CutArgs>(), context[1].as<const float>(),
           context[0].as<float>());
}
#endif

template <class Args>
double gain_work(const void* arguments) {
  const auto& layout = static_cast<const Args*>(arguments)->layout;
  return static_cast<double>(layout.rows * layout.channels);
}
double stitch_work(const void* arguments) {
  double pixels = 1;
  for (const auto& strip : static_cast<const StitchArgs*>(arguments)->strips)
    pixels += static_cast<double>(strip.ny * strip.nx);
  return pixels;
}
double cut_work(const void* arguments) {
  return static_cast<double>(static_cast<const CutArgs*>(arguments)->map->size());
}

}  // namespace

const runtime::CodeletDef& divide_codelet() {
  static const runtime::CodeletDef def{.name = "facet_divide",
                                       .doc = "Corrects visibilities for the gains of one facet's direction",
                                       .colour = 0xb3de69,
                                       .cpu = divide_body,
                                       .cuda = FF_CUDA(divide_cuda_body),
                                       .work = gain_work<DivideArgs>,
                                       .cpu_work_per_s = 1e8,
                                       .cuda_work_per_s = 2e10,
                                       .flops_per_work = 30};
  return def;
}
const runtime::CodeletDef& multiply_codelet() {
  static const runtime::CodeletDef def{
      .name = "facet_multiply",
      .doc = "Adds a facet's visibilities as seen through the gains of its direction",
      .colour = 0xccebc5,
      .cpu = multiply_body,
      .cuda = FF_CUDA(multiply_cuda_body),
      .work = gain_work<MultiplyArgs>,
      .cpu_work_per_s = 1e8,
      .cuda_work_per_s = 2e10,
      .flops_per_work = 30};
  return def;
}
const runtime::CodeletDef& stitch_codelet() {
  static const runtime::CodeletDef def{
      .name = "stitch",
      .doc = "Copies the pixels of a facet that belong to its direction into the image",
      .colour = 0xfccde5,
      .cpu = stitch_body,
      .cuda = FF_CUDA(stitch_cuda_body),
      .work = stitch_work,
      .cpu_work_per_s = 5e8,
      .cuda_work_per_s = 1e11};
  return def;
}
const runtime::CodeletDef& cut_codelet() {
  static const runtime::CodeletDef def{.name = "cut",
                                       .doc = "The part of a model image that belongs to one direction",
                                       .colour = 0xd9d9d9,
                                       .cpu = cut_body,
                                       .cuda = FF_CUDA(cut_cuda_body),
                                       .work = cut_work,
                                       .cpu_work_per_s = 1e9,
                                       .cuda_work_per_s = 1e11};
  return def;
}

}  // namespace fringeflow::facet
