// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_body.hpp"
#include "codelets/resample/refine.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/resample/resample_cuda.hpp"
#endif

namespace fringeflow::resample {
namespace {

using runtime::BodyContext;

/// Pointers to the facet's rows of pixels, strip after strip.
std::vector<const float*> rows_of(const BodyContext& context, const RefineArgs& args) {
  std::vector<const float*> rows;
  for (size_t strip = 0; strip < args.rows.size(); ++strip)
    for (int64_t row = 0; row < args.rows[strip]; ++row)
      rows.push_back(context[1 + strip].as<const float>() + row * args.plan->facet.nx);
  return rows;
}

void refine_body(const BodyContext& context) {
  const auto& args = context.arguments<RefineArgs>();
  const gridder::FacetPlan& plan = *args.plan;
  const auto rows = rows_of(context, args);
  const View<float, 2> image(context[0].as<float>(), {args.ny, args.nx});
  const auto refine = plan.double_precision ? refine_cpu<double, float> : refine_cpu<float, float>;
  refine(*plan.resampling, rows, 0, plan.image_ny(), plan.facet.y_begin, plan.facet.x_begin, image,
         plan.adds_to_image);
}

#if FRINGEFLOW_HAVE_CUDA
void refine_cuda_body(const BodyContext& context) {
  cuda::throw_posted_error();
  const auto& args = context.arguments<RefineArgs>();
  std::vector<const float*> strips;
  for (size_t strip = 0; strip < args.rows.size(); ++strip)
    strips.push_back(context[1 + strip].as<const float>());
  refine_cuda(cuda::stream_of(context.cuda_stream()), *args.plan->resampling, strips, args.rows,
              args.plan->facet.y_begin, args.plan->facet.x_begin,
              View<float, 2>(context[0].as<float>(), {args.ny, args.nx}), args.plan->adds_to_image);
}
#endif

double refine_work(const void* arguments) {
  const auto& args = *static_cast<const RefineArgs*>(arguments);
  const Resampling& axes = *args.plan->resampling;
  return static_cast<double>(axes.y.fine) *
         (static_cast<double>(axes.x.coarse * axes.y.taps) + static_cast<double>(axes.x.fine * axes.x.taps));
}

}  // namespace

const runtime::CodeletDef& refine_codelet() {
  static const runtime::CodeletDef def{.name = "refine",
                                       .doc = "Interpolates a facet computed on larger pixels to the image's",
                                       .colour = 0xa1d99b,
                                       .cpu = refine_body,
                                       .cuda = FF_CUDA(refine_cuda_body),
                                       .work = refine_work,
                                       .cpu_work_per_s = 1.5e10,
                                       .cuda_work_per_s = 1e12,
                                       .flops_per_work = 2};
  return def;
}

}  // namespace fringeflow::resample
