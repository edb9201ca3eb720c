// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/cuda_launch.hpp"
#include "codelets/fft/planes_cuda.hpp"
#include "codelets/resample/resample_cuda.hpp"

namespace fringeflow::fft {
namespace {

using cuda::Scratch;
using cuda::Worker;

template <class F>
void launch(cuda::Stream stream, const F& f, const char* name) {
  cuda::launch_elements(stream, f.count(), f, name);
}

template <class T>
Complex<T>* zeroed_field(Worker& worker, int64_t count) {
  auto* field = worker.scratch<Complex<T>>(Scratch::field, count);
  cuda::check(cudaMemsetAsync(field, 0, static_cast<size_t>(count) * sizeof(Complex<T>), worker.stream()),
              "field");
  return field;
}

int32_t first_slot(const gridder::FacetPlan& plan, int64_t slab, int64_t strip) {
  return plan.tiles.slot_begin[static_cast<size_t>(slab * plan.tiles.strips + strip)];
}

}  // namespace

template <class T>
void rows_to_sky_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab, int64_t strip,
                      const gridder::TileStore<T>& store, const gridder::TileStore<T>& previous, T* rows) {
  Worker& worker = Worker::of(stream);
  const gridder::Facet& facet = plan->facet;
  const SlabShape<T> shape(facet, slab);
  const StripShape<T> part(*plan, shape, strip);
  auto* field = worker.scratch<Complex<T>>(Scratch::field, shape.planes * part.cells * facet.nv);
  launch(stream,
         TilesToField<T>{worker.plan(plan), shape, part, store, previous, first_slot(*plan, slab, strip),
                         strip > 0 ? first_slot(*plan, slab, strip - 1) : 0, field},
         "rows_to_sky: tiles");
  worker.transform(&field->re, facet.nv, shape.planes * part.cells, +1);
  launch(stream, FieldToRows<T>{facet, shape, part, field, rows}, "rows_to_sky: rows");
  cuda::launch_elements(stream, part.cells / kLanes<T>, SetFlag<T>{rows + part.flags}, "rows_to_sky: flags");
}

template <class T>
void columns_to_sky_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab,
                         std::span<const T* const> rows, int64_t block_begin, int64_t block_end, bool first,
                         T* image) {
  Worker& worker = Worker::of(stream);
  const gridder::Facet& facet = plan->facet;
  const SlabShape<T> shape(facet, slab);
  const int64_t blocks = block_end - block_begin, sequences = shape.planes * blocks * kLanes<T>;
  if (first)
    cuda::check(
        cudaMemsetAsync(image, 0, static_cast<size_t>(blocks * facet.nx * kLanes<T>) * sizeof(T), stream),
        "image");
  auto* field = zeroed_field<T>(worker, sequences * facet.nu);
  // One launch for each strip: cells of different strips may fold onto the same element.
  for (size_t strip = 0; strip < rows.size(); ++strip)
    launch(stream,
           RowsToField<T>{facet, shape, StripShape<T>(*plan, shape, static_cast<int64_t>(strip)), block_begin,
                          blocks, rows[strip], field},
           "columns_to_sky: rows");
  worker.transform(&field->re, facet.nu, sequences, +1);
  launch(stream, FieldToImage<T>{facet, shape, block_begin, blocks, field, image}, "columns_to_sky: image");
}

template <class T>
void correct_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t block_begin, int64_t block_end,
                  const T* image, const double* sums, int64_t sum_index, int64_t count,
                  const std::string& data_name, bool divide_by_n, float* out) {
  Worker& worker = Worker::of(stream);
  int64_t* nothing = worker.host_word();
  launch(stream,
         CorrectPixels<T>{worker.plan(plan), plan->screen, block_begin, block_end - block_begin, image, sums,
                          sum_index, count, divide_by_n, out, nothing},
         "correct");
  worker.when_written(nothing, [data_name](int64_t value) {
    if (value != 0)
      cuda::post_error(
          data_name +
          ": nothing to image: every selected visibility is flagged, has zero weight or is not finite");
  });
}

template <class T>
void uncorrect_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t block_begin, int64_t block_end,
                    View<const float, 2> model, bool divide_by_n, T* image) {
  Worker& worker = Worker::of(stream);
  const gridder::Facet& facet = plan->facet;
  int64_t y0 = facet.y_begin, x0 = facet.x_begin;
  if (plan->resampling) {
    const int64_t first = block_begin * kLanes<T>, last = std::min(block_end * kLanes<T>, facet.ny);
    model = resample::coarsen_cuda(stream, *plan->resampling, model, y0, x0, first, last);
    y0 = -first;
    x0 = 0;
  }
  launch(stream,
         UncorrectPixels<T>{worker.plan(plan), plan->screen, block_begin, block_end - block_begin, model, y0,
                            x0, divide_by_n, image},
         "uncorrect");
}

template <class T>
void columns_to_grid_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab, int64_t block_begin,
                          int64_t block_end, const T* image, T* columns) {
  Worker& worker = Worker::of(stream);
  const gridder::Facet& facet = plan->facet;
  const SlabShape<T> shape(facet, slab);
  const int64_t blocks = block_end - block_begin, sequences = shape.planes * blocks * kLanes<T>;
  auto* field = zeroed_field<T>(worker, sequences * facet.nu);
  launch(stream, ImageToField<T>{facet, shape, block_begin, blocks, image, field}, "columns_to_grid: image");
  worker.transform(&field->re, facet.nu, sequences, -1);
  launch(stream, FieldToColumns<T>{facet, shape, blocks, field, columns}, "columns_to_grid: columns");
}

template <class T>
void rows_to_grid_cuda(cuda::Stream stream, const PlanPointer& plan, int64_t slab, int64_t strip,
                       std::span<const T* const> columns, std::span<const int64_t> y_strip_begin,
                       gridder::TileStore<T> store) {
  const int64_t slots = plan->tiles.slots_of(slab, strip);
  if (slots == 0) return;
  Worker& worker = Worker::of(stream);
  const gridder::Facet& facet = plan->facet;
  const SlabShape<T> shape(facet, slab);
  const StripShape<T> part(*plan, shape, strip);
  const int64_t cells = (part.tile_end - part.tile_begin) * kTile + facet.support - 1;
  auto* field = zeroed_field<T>(worker, shape.planes * cells * facet.nv);
  for (size_t s = 0; s + 1 < y_strip_begin.size(); ++s)
    launch(stream,
           ColumnsToField<T>{facet, shape, y_strip_begin[s], y_strip_begin[s + 1] - y_strip_begin[s],
                             part.first, cells, columns[s], field},
           "rows_to_grid: columns");
  worker.transform(&field->re, facet.nv, shape.planes * cells, -1);
  launch(stream,
         FieldToTiles<T>{worker.plan(plan), shape, part.tile_begin, cells, slots,
                         first_slot(*plan, slab, strip), field, store.tiles},
         "rows_to_grid: tiles");
  cuda::check(cudaMemsetAsync(store.touched, 1, static_cast<size_t>(slots), stream), "rows_to_grid: touched");
}

#define FRINGEFLOW_FFT_CUDA(T)                                                                               \
  template void rows_to_sky_cuda<T>(cuda::Stream, const PlanPointer&, int64_t, int64_t,                      \
                                    const gridder::TileStore<T>&, const gridder::TileStore<T>&, T*);         \
  template void columns_to_sky_cuda<T>(cuda::Stream, const PlanPointer&, int64_t, std::span<const T* const>, \
                                       int64_t, int64_t, bool, T*);                                          \
  template void correct_cuda<T>(cuda::Stream, const PlanPointer&, int64_t, int64_t, const T*, const double*, \
                                int64_t, int64_t, const std::string&, bool, float*);                         \
  template void uncorrect_cuda<T>(cuda::Stream, const PlanPointer&, int64_t, int64_t, View<const float, 2>,  \
                                  bool, T*);                                                                 \
  template void columns_to_grid_cuda<T>(cuda::Stream, const PlanPointer&, int64_t, int64_t, int64_t,         \
                                        const T*, T*);                                                       \
  template void rows_to_grid_cuda<T>(cuda::Stream, const PlanPointer&, int64_t, int64_t,                     \
                                     std::span<const T* const>, std::span<const int64_t>,                    \
                                     gridder::TileStore<T>);
FRINGEFLOW_FFT_CUDA(float)
FRINGEFLOW_FFT_CUDA(double)
#undef FRINGEFLOW_FFT_CUDA

}  // namespace fringeflow::fft
