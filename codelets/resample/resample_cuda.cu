// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/resample/resample_cuda.hpp"

namespace fringeflow::resample {
namespace {

using cuda::Scratch;
using cuda::Worker;

AxisTables on_device(Worker& worker, const Axis& axis) {
  return {axis.coarse,
          axis.fine,
          axis.taps,
          worker.constants(axis.first),
          worker.constants(axis.fine_range),
          worker.constants(axis.weight)};
}

template <class F>
void launch(cuda::Stream stream, const F& f, const char* name) {
  cuda::launch_elements(stream, f.count(), f, name);
}

}  // namespace

void refine_cuda(cuda::Stream stream, const Resampling& axes, std::span<const float* const> strips,
                 std::span<const int64_t> rows, int64_t y0, int64_t x0, View<float, 2> image, bool add) {
  Worker& worker = Worker::of(stream);
  const AxisTables x = on_device(worker, axes.x), y = on_device(worker, axes.y);
  auto* halfway = worker.scratch<float>(Scratch::field, y.coarse * x.fine);
  int64_t row = 0;
  for (size_t i = 0; i < strips.size(); row += rows[i], ++i)
    launch(stream, RefineAlongX{x, strips[i], rows[i], halfway + row * x.fine}, "refine: x");
  launch(stream, RefineAlongY{y, halfway, x.fine, y0, x0, image, add}, "refine: y");
}

View<const float, 2> coarsen_cuda(cuda::Stream stream, const Resampling& axes, View<const float, 2> image,
                                  int64_t y0, int64_t x0, int64_t row_begin, int64_t row_end) {
  Worker& worker = Worker::of(stream);
  const AxisTables x = on_device(worker, axes.x), y = on_device(worker, axes.y);
  const int64_t rows = row_end - row_begin;
  auto* halfway = worker.scratch<float>(Scratch::field, rows * x.fine);
  auto* coarse = worker.scratch<float>(Scratch::values, rows * x.coarse);
  launch(stream, CoarsenAlongY{y, image, x.fine, y0, x0, row_begin, rows, halfway}, "coarsen: y");
  launch(stream, CoarsenAlongX{x, halfway, rows, coarse}, "coarsen: x");
  return {coarse, {rows, x.coarse}};
}

}  // namespace fringeflow::resample
