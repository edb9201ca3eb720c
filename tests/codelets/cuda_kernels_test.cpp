// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The CUDA kernels against the CPU's, without a runtime. Skipped where there is no device.
#include <gtest/gtest.h>

#include "fringeflow_version.hpp"

#if FRINGEFLOW_HAVE_CUDA
#include "codelets/degrid/degrid_cuda.hpp"
#include "codelets/fft/transforms_cuda.hpp"
#include "codelets/grid/grid_cuda.hpp"
#include "codelets/image/image.hpp"
#include "codelets/image/image_cuda.hpp"
#include "codelets/subtract/subtract_cuda.hpp"
#include "codelets/weight/weight_cuda.hpp"
#include "tests/codelets/cuda_device.hpp"
#include "tests/codelets/gridder_pipeline.hpp"

namespace fringeflow {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace): the tests' own
class CudaKernels : public CudaTest {};

TEST_F(CudaKernels, SmallOnes) {
  const auto a = noise(2000, 1), b = noise(2000, 2);
  const OnDevice<float> observed(a), predicted(b);
  subtract_cuda(kStream, observed.data(), predicted.data(), 1000);
  const auto residual = predicted.host();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(residual[i], a[i] - b[i]);

  std::vector<float> image(40 * 50, 7.0f), strip(20 * 30);
  for (size_t i = 0; i < strip.size(); ++i) strip[i] = static_cast<float>(i);
  const OnDevice<float> device_image(image), device_strip(strip);
  for (const auto& [y, x] : {std::pair{-5, 10}, {30, 35}, {25, -8}}) {
    image::paste_cpu(View<const float, 2>(strip.data(), {20, 30}), y, x,
                     View<float, 2>(image.data(), {40, 50}));
    image::paste_cuda(kStream, View<const float, 2>(device_strip.data(), {20, 30}), y, x,
                      View<float, 2>(device_image.data(), {40, 50}));
  }
  EXPECT_EQ(device_image.host(), image);

  const std::vector<double> sums{2, 0, 3};
  const std::vector<int64_t> sum_index{2, 1, 0};
  const OnDevice<double> device_sums(sums);
  const OnDevice<float> out(2000);
  const std::vector<const float*> images{observed.data(), predicted.data(), observed.data()};
  image::combine_cuda(kStream, images, sum_index, device_sums.data(), out.data(), 2000);
  EXPECT_LT(difference(out.host().data(), a.data(), 2000), 1e-6);

  std::vector<float> pixels{1, std::numeric_limits<float>::quiet_NaN(), -2,
                            std::numeric_limits<float>::infinity()};
  image::fill_cuda(kStream, pixels.data(), out.data(), 4);
  const auto filled = out.host();
  EXPECT_EQ(filled[0], 1);
  EXPECT_EQ(filled[1], 0);
  EXPECT_EQ(filled[2], -2);
  EXPECT_EQ(filled[3], 0);
}

// ---------------------------------------------------------------- the gridder

using Data = gridder::test::Data<std::complex<float>>;

/// A range of rows on the device.
struct DeviceRows {
  OnDevice<double> uvw;
  OnDevice<std::complex<float>> vis;
  OnDevice<float> weight;
  OnDevice<unsigned char> index;
  gridder::DeviceChunk chunk;

  DeviceRows(const gridder::FacetPlan& plan, const Data& data, const gridder::test::OwnedIndex& owned,
             int64_t row, int64_t rows)
      : uvw(data.uvw_m.data() + 3 * row, 3 * rows),
        vis(data.vis.data() + row * data.channels, rows * data.channels),
        weight(data.weight.data() + row * data.channels, rows * data.channels),
        index(owned.memory.data(), gridder::index_bytes(plan, owned.index.capacity)) {
    chunk.uvw_m = uvw.data();
    chunk.freq_hz = std::make_shared<const std::vector<double>>(data.freq_hz);
    chunk.channels = data.channels;
    chunk.vis = vis.data();
    chunk.weight = weight.data();
    chunk.index = gridder::chunk_index(plan, owned.index.capacity, index.data());
  }
};

template <class T>
void check_gridder(double accuracy, const gridder::ImageGeometry& image, double w_lambda, int facets) {
  gridder::test::DataOptions options;
  options.rows = 70;
  options.channels = 40;
  options.w_lambda = w_lambda;
  const Data data(image, options);
  gridder::PlanOptions wanted;
  wanted.accuracy = accuracy;
  wanted.compress = false;  // the device grids every channel
  wanted.facets_per_side = facets;
  wanted.strips_target = 3;
  gridder::PlanSummary summary;
  const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-12;
  for (const auto& plan : finished_plans(data, wanted, summary)) {
    const gridder::TileMap& map = plan->tiles;
    const gridder::Facet& facet = plan->facet;
    const gridder::test::OwnedIndex a(*plan, data, 0, 30), b(*plan, data, 30, data.rows),
        whole(*plan, data, 0, data.rows, false);
    const DeviceRows rows_a(*plan, data, a, 0, 30), rows_b(*plan, data, b, 30, 40),
        rows_all(*plan, data, whole, 0, data.rows);
    gridder::test::Tiles<T> tiles(*plan);
    grid_all(*plan, data, {30, 40}, tiles);
    std::vector<OnDevice<unsigned char>> stores;
    std::vector<gridder::TileStore<T>> views;
    const gridder::DeviceChunk chunks[] = {rows_a.chunk, rows_b.chunk};
    const gridder::DeviceChunk once[] = {rows_all.chunk};
    for (int64_t slab = 0; slab < map.slabs; ++slab)
      for (int64_t strip = 0; strip < map.strips; ++strip) {
        const auto at = static_cast<size_t>(slab * map.strips + strip);
        const int64_t slots = map.slots_of(slab, strip),
                      bytes = 64 + 2 * tile_store_bytes(*plan, slab, strip);
        stores.emplace_back(bytes);
        views.push_back(gridder::tile_store<T>(*plan, slab, strip, stores.back().data()));
        gridder::grid_cuda<T>(kStream, plan, slab, strip, chunks, views.back());
        const auto host = stores.back().host();
        auto copy = host;
        const auto view = gridder::tile_store<T>(*plan, slab, strip, copy.data());
        for (int64_t i = 0; i < slots; ++i) EXPECT_EQ(view.touched[i], tiles.stores[at].touched[i]);
        EXPECT_LT(difference(view.tiles, tiles.stores[at].tiles, slots * facet.tile_scalars()), tolerance)
            << "grid";
        // All rows in one chunk: the same bits.
        const OnDevice<unsigned char> again(bytes);
        gridder::grid_cuda<T>(kStream, plan, slab, strip, once,
                              gridder::tile_store<T>(*plan, slab, strip, again.data()));
        EXPECT_EQ(again.host(), host);
      }

    // To the sky.
    const auto y_begin = gridder::test::block_strips<T>(*plan, 2);
    const gridder::test::AlignedArray<T> scratch(fft::fft_scratch_scalars<T>(*plan));
    std::vector<gridder::test::AlignedArray<T>> images;
    std::vector<OnDevice<T>> device_images;
    for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
      images.emplace_back(fft::image_strip_scalars<T>(*plan, y_begin[s + 1] - y_begin[s]));
      device_images.emplace_back(images.back().size());
    }
    for (int64_t slab = 0; slab < map.slabs; ++slab) {
      std::vector<gridder::test::AlignedArray<T>> rows;
      std::vector<OnDevice<T>> device_rows;
      std::vector<const T*> pointers, device_pointers;
      for (int64_t strip = 0; strip < map.strips; ++strip) {
        const auto at = static_cast<size_t>(slab * map.strips + strip);
        rows.emplace_back(fft::slab_rows_scalars<T>(*plan, strip));
        device_rows.emplace_back(rows.back().size());
        fft::rows_to_sky_cpu<T>(*plan, slab, strip, tiles.stores[at],
                                strip > 0 ? tiles.stores[at - 1] : gridder::TileStore<T>(),
                                rows.back().data(), scratch.data());
        fft::rows_to_sky_cuda<T>(kStream, plan, slab, strip, views[at],
                                 strip > 0 ? views[at - 1] : gridder::TileStore<T>(),
                                 device_rows.back().data());
        pointers.push_back(rows.back().data());
        device_pointers.push_back(device_rows.back().data());
      }
      for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
        fft::columns_to_sky_cpu<T>(*plan, slab, pointers, y_begin[s], y_begin[s + 1], images[s].data(),
                                   scratch.data());
        fft::columns_to_sky_cuda<T>(kStream, plan, slab, device_pointers, y_begin[s], y_begin[s + 1],
                                    slab == 0, device_images[s].data());
      }
    }
    const OnDevice<double> sums(std::vector<double>{0, 100});
    for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
      const int64_t y0 = y_begin[s] * gridder::kLanes<T>,
                    y1 = std::min(y_begin[s + 1] * gridder::kLanes<T>, facet.ny);
      std::vector<float> pixels(static_cast<size_t>((y1 - y0) * facet.nx));
      fft::correct_cpu<T, float>(*plan, y_begin[s], y_begin[s + 1], images[s].data(), 0.01, false,
                                 View<float, 2>(pixels.data(), {y1 - y0, facet.nx}));
      const OnDevice<float> device(static_cast<int64_t>(pixels.size()));
      fft::correct_cuda<T>(kStream, plan, y_begin[s], y_begin[s + 1], device_images[s].data(), sums.data(), 1,
                           2, "test", false, device.data());
      EXPECT_LT(difference(device.host().data(), pixels.data(), static_cast<int64_t>(pixels.size())),
                std::max(tolerance, 2e-7))
          << "dirty";
    }

    // And back.
    const auto model = noise(image.nx * image.ny, 5);
    const OnDevice<float> device_model(model);
    std::vector<gridder::test::AlignedArray<T>> strips;
    std::vector<OnDevice<T>> device_strips;
    for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
      const int64_t y0 = y_begin[s] * gridder::kLanes<T>,
                    y1 = std::min(y_begin[s + 1] * gridder::kLanes<T>, facet.ny);
      std::vector<float> cut;
      for (int64_t y = y0; y < y1; ++y)
        for (int64_t x = 0; x < facet.nx; ++x)
          cut.push_back(model[static_cast<size_t>((facet.y_begin + y) * image.nx + facet.x_begin + x)]);
      strips.emplace_back(images[s].size());
      device_strips.emplace_back(images[s].size());
      fft::uncorrect_cpu<T, float>(*plan, y_begin[s], y_begin[s + 1],
                                   View<const float, 2>(cut.data(), {y1 - y0, facet.nx}), false,
                                   strips.back().data());
      fft::uncorrect_cuda<T>(kStream, plan, y_begin[s], y_begin[s + 1],
                             View<const float, 2>(device_model.data(), {image.ny, image.nx}), false,
                             device_strips.back().data());
    }
    for (int64_t slab = 0; slab < map.slabs; ++slab) {
      std::vector<gridder::test::AlignedArray<T>> columns;
      std::vector<OnDevice<T>> device_columns;
      std::vector<const T*> pointers, device_pointers;
      for (size_t s = 0; s + 1 < y_begin.size(); ++s) {
        columns.emplace_back(fft::slab_columns_scalars<T>(*plan, y_begin[s + 1] - y_begin[s]));
        device_columns.emplace_back(columns.back().size());
        fft::columns_to_grid_cpu<T>(*plan, slab, y_begin[s], y_begin[s + 1], strips[s].data(),
                                    columns.back().data(), scratch.data());
        fft::columns_to_grid_cuda<T>(kStream, plan, slab, y_begin[s], y_begin[s + 1], device_strips[s].data(),
                                     device_columns.back().data());
        pointers.push_back(columns.back().data());
        device_pointers.push_back(device_columns.back().data());
      }
      for (int64_t strip = 0; strip < map.strips; ++strip) {
        const auto at = static_cast<size_t>(slab * map.strips + strip);
        fft::rows_to_grid_cpu<T>(*plan, slab, strip, pointers, y_begin, tiles.stores[at], scratch.data());
        fft::rows_to_grid_cuda<T>(kStream, plan, slab, strip, device_pointers, y_begin, views[at]);
      }
    }
    std::vector<std::complex<float>> predicted(data.vis.size());
    const gridder::DegridOutput<std::complex<float>> output{
        data.geometry(0, data.rows), whole.index,
        View<std::complex<float>, 2>(predicted.data(), {data.rows, data.channels})};
    gridder::degrid_cpu<T, std::complex<float>>(*plan, 0, map.slabs, tiles.stores, std::span(&output, 1));
    const OnDevice<std::complex<float>> device_predicted(static_cast<int64_t>(predicted.size()));
    gridder::degrid_cuda<T>(kStream, plan, 0, map.slabs, views, rows_all.chunk, device_predicted.data());
    const auto host = device_predicted.host();
    EXPECT_LT(
        difference(reinterpret_cast<const float*>(host.data()),
                   reinterpret_cast<const float*>(predicted.data()), 2 * static_cast<int64_t>(host.size())),
        std::max(tolerance, 3e-7))
        << "degrid";
  }
}

TEST_F(CudaKernels, GridderInFloat) {
  check_gridder<float>(1e-2, {96, 80, 0.0005}, 3000, 1);
  check_gridder<float>(1e-4, {96, 96, 0.008}, 150, 2);
}
TEST_F(CudaKernels, GridderInDouble) { check_gridder<double>(1e-9, {64, 64, 0.008}, 150, 1); }

// ---------------------------------------------------------------- weights

TEST_F(CudaKernels, Weights) {
  gridder::test::DataOptions options;
  options.rows = 300;
  options.channels = 40;
  options.max_uv_share = 1.05;
  Data data({96, 80, 0.0005}, options);
  for (size_t i = 0; i < data.weight.size(); i += 5) data.weight[i] = 0;
  const auto geometry = weight::density_geometry(data.image);
  std::vector<double> density(static_cast<size_t>(geometry.size()));
  const gridder::ChunkGeometry chunk = data.geometry(0, data.rows);
  weight::density_cpu(geometry, chunk, data.weights(0, data.rows), density.data());

  const OnDevice<double> uvw(data.uvw_m), freq(data.freq_hz), device_density(geometry.size());
  const OnDevice<float> weights(data.weight);
  const weight::WeightChunk on{uvw.data(), freq.data(), data.rows, data.channels, 0, data.channels};
  weight::density_cuda(kStream, geometry, on, weights.data(), device_density.data());
  EXPECT_EQ(device_density.host(), density);

  const auto summary = weight::density_summary(geometry, density.data());
  const OnDevice<weight::DensitySummary> device_summary(1);
  weight::density_summary_cuda(kStream, geometry, device_density.data(), device_summary.data());
  EXPECT_NEAR(device_summary.host()[0].sum, summary.sum, 1e-12 * summary.sum);
  EXPECT_NEAR(device_summary.host()[0].sum_squares, summary.sum_squares, 1e-12 * summary.sum_squares);

  for (const auto kind :
       {weight::Weighting::kNatural, weight::Weighting::kUniform, weight::Weighting::kBriggs}) {
    const weight::WeightScheme scheme{kind, 0.5, 2e-3};
    auto wanted = data.weight;
    double sum = 1;
    const auto beyond =
        weight::apply_weights_cpu(scheme, weight::briggs_s2(0.5, summary), geometry, density.data(), chunk,
                                  View<float, 2>(wanted.data(), {data.rows, data.channels}));
    weight::sum_weights_cpu({wanted.data(), {data.rows, data.channels}}, 0, data.channels, sum);
    const OnDevice<float> got(data.weight);
    const OnDevice<double> device_sum(std::vector<double>{1});
    int64_t device_beyond = -1;
    weight::apply_weights_cuda(kStream,
                               weight::weight_factor(scheme, device_density.data(), device_summary.data()),
                               geometry, on, got.data(), [&](int64_t n) { device_beyond = n; });
    weight::sum_weights_cuda(kStream, {got.data(), {data.rows, data.channels}}, 0, data.channels,
                             device_sum.data());
    EXPECT_LT(difference(got.host().data(), wanted.data(), static_cast<int64_t>(wanted.size())), 1e-6);
    EXPECT_NEAR(device_sum.host()[0], sum, 1e-6 * sum);
    EXPECT_EQ(device_beyond, beyond);
  }
}

TEST_F(CudaKernels, ErrorsOfTheDeviceArePosted) {
  cuda::post_error("first");
  cuda::post_error("second");
  EXPECT_THROW(cuda::throw_posted_error(), std::runtime_error);
  cuda::throw_posted_error();  // forgotten
}

}  // namespace
}  // namespace fringeflow
#else
TEST(CudaKernels, Built) { GTEST_SKIP() << "this build has no CUDA: nothing was run"; }
#endif
