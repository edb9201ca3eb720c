// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/fft/transforms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codelets/common/cuda_body.hpp"
#include "io/error.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/fft/transforms_cuda.hpp"
#endif

namespace fringeflow::fft {
namespace {

using runtime::BodyContext;

/// Calls step(T{}) with T the precision of the plan.
template <class Step>
auto in_precision(const FacetPlan& plan, Step step) {
  return plan.double_precision ? step(double{}) : step(float{});
}

template <class T>
std::vector<const T*> pointers(const BodyContext& context, size_t first) {
  std::vector<const T*> result;
  for (size_t i = first; i < context.size(); ++i) result.push_back(context[i].as<const T>());
  return result;
}

template <class T>
T* scratch(const BodyContext& context, const FacetPlan& plan) {
  return reinterpret_cast<T*>(context.scratch(scratch_bytes(plan)));
}

void rows_to_sky_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    const auto store = gridder::tile_store<T>(*args.plan, args.slab, args.strip, context[1].data);
    TileStore<T> previous;
    if (args.strip > 0)
      previous = gridder::tile_store<T>(*args.plan, args.slab, args.strip - 1, context[2].data);
    rows_to_sky_cpu<T>(*args.plan, args.slab, args.strip, store, previous, context[0].as<T>(),
                       scratch<T>(context, *args.plan));
  });
}

void columns_to_sky_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    T* image = context[0].as<T>();
    if (args.first)
      std::fill_n(image, image_strip_scalars<T>(*args.plan, args.y.block_end - args.y.block_begin), T(0));
    const auto rows = pointers<T>(context, 1);
    columns_to_sky_cpu<T>(*args.plan, args.slab, rows, args.y.block_begin, args.y.block_end, image,
                          scratch<T>(context, *args.plan));
  });
}

void correct_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  const auto* sums = context[2].as<const double>();
  const double sum = sums[args.sum_index];
  const auto [first, last] = y_rows(*args.plan, args.y);
  const View<float, 2> out(context[0].as<float>(), {last - first, args.plan->facet.nx});
  if (!(sum > 0)) {
    if (std::none_of(sums, sums + args.sums, [](double one) { return one > 0; }))
      throw RunError(
          args.data_name +
          ": nothing to image: every selected visibility is flagged, has zero weight or is not finite");
    std::fill_n(out.data(), out.size(), std::numeric_limits<float>::quiet_NaN());
    return;
  }
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    correct_cpu<T, float>(*args.plan, args.y.block_begin, args.y.block_end, context[1].as<const T>(), 1 / sum,
                          args.divide_by_n, out);
  });
}

/// Copies the rectangle of the image at (y_begin, x_begin); what lies outside keeps its value.
void cut_out(View<const float, 2> image, int64_t y_begin, int64_t x_begin, View<float, 2> out) {
  const int64_t x0 = std::max<int64_t>(0, -x_begin), x1 = std::min(out.extent(1), image.extent(1) - x_begin);
  for (int64_t y = 0; y < out.extent(0) && x1 > x0; ++y)
    if (y_begin + y >= 0 && y_begin + y < image.extent(0))
      std::copy_n(&image(y_begin + y, x_begin + x0), x1 - x0, &out(y, x0));
}

void uncorrect_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  const auto& facet = args.plan->facet;
  const auto [first, last] = y_rows(*args.plan, args.y);
  const View<const float, 2> model(context[1].as<const float>(), {args.image_ny, args.image_nx});
  std::vector<float> pixels(static_cast<size_t>((last - first) * facet.nx), 0.0f);
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    const View<float, 2> rows(pixels.data(), {last - first, facet.nx});
    if (args.plan->resampling)
      resample::coarsen_cpu<T, float>(*args.plan->resampling, model, facet.y_begin, facet.x_begin, first,
                                      last, rows);
    else
      cut_out(model, facet.y_begin + first, facet.x_begin, rows);
    uncorrect_cpu<T, float>(*args.plan, args.y.block_begin, args.y.block_end,
                            View<const float, 2>(pixels.data(), {last - first, facet.nx}), args.divide_by_n,
                            context[0].as<T>());
  });
}

void columns_to_grid_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    columns_to_grid_cpu<T>(*args.plan, args.slab, args.y.block_begin, args.y.block_end,
                           context[1].as<const T>(), context[0].as<T>(), scratch<T>(context, *args.plan));
  });
}

void rows_to_grid_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    const auto columns = pointers<T>(context, 1);
    rows_to_grid_cpu<T>(*args.plan, args.slab, args.strip, columns, args.y_strip_begin,
                        gridder::tile_store<T>(*args.plan, args.slab, args.strip, context[0].data),
                        scratch<T>(context, *args.plan));
  });
}

#if FRINGEFLOW_HAVE_CUDA
cuda::Stream stream_of(const BodyContext& context) {
  cuda::throw_posted_error();
  return cuda::stream_of(context.cuda_stream());
}

void rows_to_sky_cuda_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    const auto store = gridder::tile_store<T>(*args.plan, args.slab, args.strip, context[1].data);
    TileStore<T> previous;
    if (args.strip > 0)
      previous = gridder::tile_store<T>(*args.plan, args.slab, args.strip - 1, context[2].data);
    rows_to_sky_cuda<T>(stream_of(context), args.plan, args.slab, args.strip, store, previous,
                        context[0].as<T>());
  });
}

void columns_to_sky_cuda_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    columns_to_sky_cuda<T>(stream_of(context), args.plan, args.slab, pointers<T>(context, 1),
                           args.y.block_begin, args.y.block_end, args.first, context[0].as<T>());
  });
}

void correct_cuda_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    correct_cuda<T>(stream_of(context), args.plan, args.y.block_begin, args.y.block_end,
                    context[1].as<const T>(), context[2].as<const double>(), args.sum_index, args.sums,
                    args.data_name, args.divide_by_n, context[0].as<float>());
  });
}

void uncorrect_cuda_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  const View<const float, 2> model(context[1].as<const float>(), {args.image_ny, args.image_nx});
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    uncorrect_cuda<T>(stream_of(context), args.plan, args.y.block_begin, args.y.block_end, model,
                      args.divide_by_n, context[0].as<T>());
  });
}

void columns_to_grid_cuda_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    columns_to_grid_cuda<T>(stream_of(context), args.plan, args.slab, args.y.block_begin, args.y.block_end,
                            context[1].as<const T>(), context[0].as<T>());
  });
}

void rows_to_grid_cuda_body(const BodyContext& context) {
  const auto& args = context.arguments<StepArgs>();
  in_precision(*args.plan, [&](auto zero) {
    using T = decltype(zero);
    rows_to_grid_cuda<T>(stream_of(context), args.plan, args.slab, args.strip, pointers<T>(context, 1),
                         args.y_strip_begin,
                         gridder::tile_store<T>(*args.plan, args.slab, args.strip, context[0].data));
  });
}
#endif

double log2_size(int64_t n) { return std::log2(static_cast<double>(std::max<int64_t>(n, 2))); }

double rows_work(const void* arguments) {
  const auto& args = *static_cast<const StepArgs*>(arguments);
  const auto& facet = args.plan->facet;
  const auto columns = args.plan->tiles.strip_begin[static_cast<size_t>(args.strip) + 1] -
                       args.plan->tiles.strip_begin[static_cast<size_t>(args.strip)];
  return static_cast<double>(columns) * gridder::kTile * gridder::kSlabPlanes *
         static_cast<double>(facet.nv) * log2_size(facet.nv) * (args.plan->double_precision ? 2 : 1);
}

double columns_work(const void* arguments) {
  const auto& args = *static_cast<const StepArgs*>(arguments);
  const auto& facet = args.plan->facet;
  const auto [first, last] = y_rows(*args.plan, args.y);
  return static_cast<double>(last - first) * gridder::kSlabPlanes * static_cast<double>(facet.nu) *
         log2_size(facet.nu) * (args.plan->double_precision ? 2 : 1);
}

double pixel_work(const void* arguments) {
  const auto& args = *static_cast<const StepArgs*>(arguments);
  const auto [first, last] = y_rows(*args.plan, args.y);
  return static_cast<double>((last - first) * args.plan->facet.nx);
}

}  // namespace

int64_t rows_bytes(const FacetPlan& plan, int64_t strip) {
  return in_precision(
      plan, [&](auto zero) { return slab_rows_scalars<decltype(zero)>(plan, strip) * int64_t{sizeof zero}; });
}
int64_t columns_bytes(const FacetPlan& plan, const YStrip& y) {
  return in_precision(plan, [&](auto zero) {
    return slab_columns_scalars<decltype(zero)>(plan, y.block_end - y.block_begin) * int64_t{sizeof zero};
  });
}
int64_t image_strip_bytes(const FacetPlan& plan, const YStrip& y) {
  return in_precision(plan, [&](auto zero) {
    return image_strip_scalars<decltype(zero)>(plan, y.block_end - y.block_begin) * int64_t{sizeof zero};
  });
}
int64_t pixel_strip_bytes(const FacetPlan& plan, const YStrip& y) {
  const auto [first, last] = y_rows(plan, y);
  return (last - first) * plan.facet.nx * int64_t{sizeof(float)};
}
int64_t scratch_bytes(const FacetPlan& plan) {
  return in_precision(
      plan, [&](auto zero) { return fft_scratch_scalars<decltype(zero)>(plan) * int64_t{sizeof zero}; });
}

std::vector<YStrip> y_strips(const FacetPlan& plan, int64_t target) {
  const int64_t blocks = in_precision(plan, [&](auto zero) { return y_blocks<decltype(zero)>(plan); });
  const int64_t count = std::min(target, blocks);
  std::vector<YStrip> strips;
  for (int64_t i = 0; i < count; ++i) strips.push_back({blocks * i / count, blocks * (i + 1) / count});
  return strips;
}

std::pair<int64_t, int64_t> y_rows(const FacetPlan& plan, const YStrip& y) {
  const int64_t lanes =
      in_precision(plan, [](auto zero) { return int64_t{gridder::kLanes<decltype(zero)>}; });
  return {y.block_begin * lanes, std::min(y.block_end * lanes, plan.facet.ny)};
}

const runtime::CodeletDef& rows_to_sky_codelet() {
  static const runtime::CodeletDef def{.name = "rows_to_sky",
                                       .doc = "Transforms the planes of a slab along v, one strip of rows",
                                       .colour = 0xfdae6b,
                                       .cpu = rows_to_sky_body,
                                       .cuda = FF_CUDA(rows_to_sky_cuda_body),
                                       .work = rows_work,
                                       .cpu_work_per_s = 4e9,
                                       .cuda_work_per_s = 2e11,
                                       .flops_per_work = 5};
  return def;
}
const runtime::CodeletDef& columns_to_sky_codelet() {
  static const runtime::CodeletDef def{
      .name = "columns_to_sky",
      .doc = "Transforms the planes of a slab along u, applies the w-screen and adds to the image",
      .colour = 0xe6550d,
      .cpu = columns_to_sky_body,
      .cuda = FF_CUDA(columns_to_sky_cuda_body),
      .work = columns_work,
      .cpu_work_per_s = 4e9,
      .cuda_work_per_s = 2e11,
      .flops_per_work = 5};
  return def;
}
const runtime::CodeletDef& correct_codelet() {
  static const runtime::CodeletDef def{
      .name = "correct",
      .doc = "Divides by the kernel's transform and by the sum of weights; blanks beyond the horizon",
      .colour = 0xfdd0a2,
      .cpu = correct_body,
      .cuda = FF_CUDA(correct_cuda_body),
      .work = pixel_work,
      .cpu_work_per_s = 1e8,
      .cuda_work_per_s = 1e10,
      .flops_per_work = 20};
  return def;
}
const runtime::CodeletDef& uncorrect_codelet() {
  static const runtime::CodeletDef def{.name = "uncorrect",
                                       .doc = "Adjoint of correct: prepares a facet of the model image",
                                       .colour = 0xfdd0a2,
                                       .cpu = uncorrect_body,
                                       .cuda = FF_CUDA(uncorrect_cuda_body),
                                       .work = pixel_work,
                                       .cpu_work_per_s = 1e8,
                                       .cuda_work_per_s = 1e10,
                                       .flops_per_work = 20};
  return def;
}
const runtime::CodeletDef& columns_to_grid_codelet() {
  static const runtime::CodeletDef def{
      .name = "columns_to_grid",
      .doc = "Applies the conjugate w-screen to the model and transforms along u, the planes of a slab",
      .colour = 0xe6550d,
      .cpu = columns_to_grid_body,
      .cuda = FF_CUDA(columns_to_grid_cuda_body),
      .work = columns_work,
      .cpu_work_per_s = 4e9,
      .cuda_work_per_s = 2e11,
      .flops_per_work = 5};
  return def;
}
const runtime::CodeletDef& rows_to_grid_codelet() {
  static const runtime::CodeletDef def{.name = "rows_to_grid",
                                       .doc = "Transforms along v and fills the tiles of one strip of a slab",
                                       .colour = 0xfdae6b,
                                       .cpu = rows_to_grid_body,
                                       .cuda = FF_CUDA(rows_to_grid_cuda_body),
                                       .work = rows_work,
                                       .cpu_work_per_s = 4e9,
                                       .cuda_work_per_s = 2e11,
                                       .flops_per_work = 5};
  return def;
}

}  // namespace fringeflow::fft
