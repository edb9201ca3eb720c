// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The plane steps' device functors, run element by element on the CPU, against the CPU's kernels.
#include <gtest/gtest.h>

#include <limits>

#include "codelets/fft/plane_sizes.hpp"
#include "codelets/fft/planes_cuda.hpp"
#include "tests/codelets/gridder_pipeline.hpp"

namespace fringeflow::fft {
namespace {

using gridder::test::AlignedArray;

template <class F>
void run(const F& f) {
  for (int64_t i = 0; i < f.count(); ++i) f(i);
}

/// What cuFFT does.
template <class T>
void transform(Complex<T>* data, int64_t n, int64_t batch, int sign) {
  const auto fft = batched_fft<T>(n);
  const AlignedArray<T> x(n * 2 * kLanes<T>), scratch(fft->scratch_scalars());
  for (int64_t first = 0; first < batch; first += kLanes<T>) {
    const int64_t lanes = std::min<int64_t>(kLanes<T>, batch - first);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t lane = 0; lane < lanes; ++lane) {
        x[i * 2 * kLanes<T> + lane] = data[(first + lane) * n + i].re;
        x[i * 2 * kLanes<T> + kLanes<T> + lane] = data[(first + lane) * n + i].im;
      }
    fft->execute(x.data(), scratch.data(), sign);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t lane = 0; lane < lanes; ++lane)
        data[(first + lane) * n + i] = {x[i * 2 * kLanes<T> + lane], x[i * 2 * kLanes<T> + kLanes<T> + lane]};
  }
}

/// |a - b| in the norm of b.
template <class A, class B>
double difference(const A* a, const B* b, int64_t n) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(static_cast<double>(b[i]))) {
      EXPECT_TRUE(std::isnan(static_cast<double>(a[i])));
      continue;
    }
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += d * d;
    norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
}

struct Case {
  gridder::ImageGeometry image;
  double uv_share, w_lambda;
  int facets, strips;
};

template <class T>
class DevicePlanes : public testing::Test {
 protected:
  static constexpr double kTolerance = sizeof(T) == 4 ? 3e-6 : 1e-13;

  static std::vector<Case> cases() {
    return {{{96, 80, 0.0005}, 0.98, 4000, 1, 3},  // the box fills the period and more: cells fold
            {{128, 64, 0.0004}, 0.3, 0, 1, 2},     // a sparse box
            {{160, 160, 0.008}, 0.6, 60, 2, 4}};   // pixels beyond the horizon, sheared facets
  }
  static void check(const Case& one);
};

template <class T>
void DevicePlanes<T>::check(const Case& one) {
  gridder::test::DataOptions options;
  options.rows = 60;
  options.max_uv_share = one.uv_share;
  options.w_lambda = one.w_lambda;
  const gridder::test::Data<std::complex<float>> data(one.image, options);
  gridder::PlanSummary summary;
  gridder::PlanOptions wanted;
  wanted.accuracy = sizeof(T) == 4 ? 1e-3 : 1e-7;
  wanted.facets_per_side = one.facets;
  wanted.strips_target = one.strips;
  for (const auto& plan : finished_plans(data, wanted, summary)) {
    const gridder::Facet& facet = plan->facet;
    const gridder::TileMap& map = plan->tiles;
    const PlanTables tables = cuda::host_tables(*plan);
    const auto y_begin = gridder::test::block_strips<T>(*plan, 3);
    gridder::test::Tiles<T> tiles(*plan);
    grid_all(*plan, data, {data.rows}, tiles);
    const AlignedArray<T> scratch(fft_scratch_scalars<T>(*plan));
    const auto first_slot = [&](int64_t slab, int64_t strip) {
      return map.slot_begin[static_cast<size_t>(slab * map.strips + strip)];
    };
    std::vector<AlignedArray<T>> images, device_images;
    for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
      images.emplace_back(image_strip_scalars<T>(*plan, y_begin[s + 1] - y_begin[s]));
      device_images.emplace_back(images.back().size());
    }
    for (int64_t slab = 0; slab < map.slabs; ++slab) {
      const SlabShape<T> shape(facet, slab);
      ASSERT_EQ(shape.blocks, y_blocks<T>(*plan));
      ASSERT_EQ(shape.box_cells, box_cells<T>(*plan));
      std::vector<AlignedArray<T>> rows;
      std::vector<const T*> pointers;
      for (int64_t strip = 0; strip < map.strips; ++strip) {
        const StripShape<T> part(*plan, shape, strip);
        ASSERT_EQ(part.cells, strip_cells<T>(*plan, strip));
        ASSERT_EQ(part.flags, slab_rows_flags_offset<T>(*plan, strip));
        const auto at = static_cast<size_t>(slab * map.strips + strip);
        const auto previous = strip > 0 ? tiles.stores[at - 1] : gridder::TileStore<T>();
        rows.emplace_back(slab_rows_scalars<T>(*plan, strip));
        rows_to_sky_cpu<T>(*plan, slab, strip, tiles.stores[at], previous, rows.back().data(),
                           scratch.data());
        pointers.push_back(rows.back().data());

        std::vector<Complex<T>> field(static_cast<size_t>(shape.planes * part.cells * facet.nv));
        run(TilesToField<T>{tables, shape, part, tiles.stores[at], previous, first_slot(slab, strip),
                            strip > 0 ? first_slot(slab, strip - 1) : 0, field.data()});
        transform(field.data(), facet.nv, shape.planes * part.cells, +1);
        const AlignedArray<T> device(slab_rows_scalars<T>(*plan, strip));
        run(FieldToRows<T>{facet, shape, part, field.data(), device.data()});
        // Cells whose flag is not set were not written: they are zero in fresh memory.
        EXPECT_LT(difference(device.data(), rows.back().data(), part.flags), kTolerance)
            << "rows_to_sky, strip " << strip;
      }
      for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
        const int64_t blocks = y_begin[s + 1] - y_begin[s];
        columns_to_sky_cpu<T>(*plan, slab, pointers, y_begin[s], y_begin[s + 1], images[s].data(),
                              scratch.data());
        std::vector<Complex<T>> field(static_cast<size_t>(shape.planes * blocks * kLanes<T> * facet.nu));
        for (int64_t strip = 0; strip < map.strips; ++strip)
          run(RowsToField<T>{facet, shape, StripShape<T>(*plan, shape, strip), y_begin[s], blocks,
                             pointers[static_cast<size_t>(strip)], field.data()});
        transform(field.data(), facet.nu, shape.planes * blocks * kLanes<T>, +1);
        run(FieldToImage<T>{facet, shape, y_begin[s], blocks, field.data(), device_images[s].data()});
      }
    }
    const gridder::ScreenCorrection& correction = plan->screen;
    std::vector<float> model(static_cast<size_t>(one.image.nx * one.image.ny));
    for (size_t i = 0; i < model.size(); ++i)
      model[i] = i % 7 == 3 ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(i % 11);
    const View<const float, 2> model_view(model.data(), {one.image.ny, one.image.nx});
    std::vector<AlignedArray<T>> model_strips;
    for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
      EXPECT_LT(difference(device_images[s].data(), images[s].data(), images[s].size()), kTolerance)
          << "columns_to_sky";
      const int64_t blocks = y_begin[s + 1] - y_begin[s], y0 = y_begin[s] * kLanes<T>;
      const int64_t y1 = std::min(y_begin[s + 1] * kLanes<T>, facet.ny), pixels = (y1 - y0) * facet.nx;
      std::vector<float> out(static_cast<size_t>(pixels)), device_out(out);
      const double sums[] = {0, 250};
      int64_t nothing = 7;
      for (const bool divide : {false, true}) {
        correct_cpu<T, float>(*plan, y_begin[s], y_begin[s + 1], images[s].data(), 1 / sums[1], divide,
                              View<float, 2>(out.data(), {y1 - y0, facet.nx}));
        run(CorrectPixels<T>{tables, correction, y_begin[s], blocks, images[s].data(), sums, 1, 2, divide,
                             device_out.data(), &nothing});
        EXPECT_LT(difference(device_out.data(), out.data(), pixels), 2e-7) << "correct";
        EXPECT_EQ(nothing, 0);
      }
      run(CorrectPixels<T>{tables, correction, y_begin[s], blocks, images[s].data(), sums, 0, 1, false,
                           device_out.data(), &nothing});
      EXPECT_EQ(nothing, 1);
      EXPECT_TRUE(std::isnan(device_out[0]));

      std::vector<float> cut(static_cast<size_t>(pixels));
      for (int64_t y = y0; y < y1; ++y)
        std::copy_n(&model_view(facet.y_begin + y, facet.x_begin), facet.nx,
                    cut.data() + (y - y0) * facet.nx);
      model_strips.emplace_back(images[s].size());
      const AlignedArray<T> device_strip(images[s].size());
      uncorrect_cpu<T, float>(*plan, y_begin[s], y_begin[s + 1],
                              View<const float, 2>(cut.data(), {y1 - y0, facet.nx}), true,
                              model_strips.back().data());
      run(UncorrectPixels<T>{tables, correction, y_begin[s], blocks, model_view, facet.y_begin, facet.x_begin,
                             true, device_strip.data()});
      EXPECT_LT(difference(device_strip.data(), model_strips.back().data(), device_strip.size()), kTolerance)
          << "uncorrect";
    }
    for (int64_t slab = 0; slab < map.slabs; ++slab) {
      const SlabShape<T> shape(facet, slab);
      std::vector<AlignedArray<T>> columns;
      std::vector<const T*> pointers;
      for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
        const int64_t blocks = y_begin[s + 1] - y_begin[s];
        columns.emplace_back(slab_columns_scalars<T>(*plan, blocks));
        columns_to_grid_cpu<T>(*plan, slab, y_begin[s], y_begin[s + 1], model_strips[s].data(),
                               columns.back().data(), scratch.data());
        pointers.push_back(columns.back().data());
        std::vector<Complex<T>> field(static_cast<size_t>(shape.planes * blocks * kLanes<T> * facet.nu));
        run(ImageToField<T>{facet, shape, y_begin[s], blocks, model_strips[s].data(), field.data()});
        transform(field.data(), facet.nu, shape.planes * blocks * kLanes<T>, -1);
        const AlignedArray<T> device(columns.back().size());
        run(FieldToColumns<T>{facet, shape, blocks, field.data(), device.data()});
        EXPECT_LT(difference(device.data(), columns.back().data(),
                             shape.planes * blocks * shape.box_cells * 2 * kLanes<T>),
                  kTolerance)
            << "columns_to_grid";
      }
      for (int64_t strip = 0; strip < map.strips; ++strip) {
        const StripShape<T> part(*plan, shape, strip);
        const auto at = static_cast<size_t>(slab * map.strips + strip);
        const int64_t slots = map.slots_of(slab, strip),
                      cells = (part.tile_end - part.tile_begin) * kTile + facet.support - 1;
        rows_to_grid_cpu<T>(*plan, slab, strip, pointers, y_begin, tiles.stores[at], scratch.data());
        std::vector<Complex<T>> field(static_cast<size_t>(shape.planes * cells * facet.nv));
        for (size_t s = 0; s + 1 < y_begin.size(); ++s)
          run(ColumnsToField<T>{facet, shape, y_begin[s], y_begin[s + 1] - y_begin[s], part.first, cells,
                                pointers[s], field.data()});
        transform(field.data(), facet.nv, shape.planes * cells, -1);
        const AlignedArray<T> device(slots * facet.tile_scalars());
        run(FieldToTiles<T>{tables, shape, part.tile_begin, cells, slots, first_slot(slab, strip),
                            field.data(), device.data()});
        EXPECT_LT(difference(device.data(), tiles.stores[at].tiles, device.size()), kTolerance)
            << "rows_to_grid";
      }
    }
  }
}

using Precisions = testing::Types<float, double>;
TYPED_TEST_SUITE(DevicePlanes, Precisions);

TYPED_TEST(DevicePlanes, AgreeWithTheCpu) {
  for (const Case& one : this->cases()) this->check(one);
}

}  // namespace
}  // namespace fringeflow::fft
