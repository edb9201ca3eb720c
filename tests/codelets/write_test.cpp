// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/write/write.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <vector>

#include "codelets/restore/restore_tasks.hpp"
#include "codelets/write/visibilities.hpp"
#include "io/atomic_file.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow {
namespace {

using runtime::BodyContext;
using runtime::Buffer;

TEST(Write, ImagesAndPreviewsAppearTogetherWithTheirBeam) {
  const test::TemporaryFolder folder;
  constexpr double kCell = 1e-5;
  std::vector<float> pixels(16 * 24);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i);
  double sums[] = {1, 20, 300};
  restore::BeamBlock beam{1, {5, 3, 0.25}};
  const auto products = std::make_shared<io::Products>();
  WriteArgs args;
  args.path = folder / "b-image.fits";
  args.header.grid = {{1, 0.5}, kCell, 24, 16};
  args.sum_index = {0, 2};
  args.with_beam = true;
  args.products = products;
  const Buffer buffers[] = {{pixels.data(), 16 * 24 * 4}, {sums, sizeof sums}, {&beam, sizeof beam}};
  write_codelet().cpu(BodyContext(&args, buffers, runtime::Device::cpu, nullptr));
  const PreviewArgs preview{folder / "b-image.png", 24, 16, products};
  preview_codelet().cpu(BodyContext(&preview, {buffers, 1}, runtime::Device::cpu, nullptr));
  EXPECT_FALSE(std::filesystem::exists(args.path));
  products->commit();
  EXPECT_TRUE(std::filesystem::exists(preview.path));
  const auto image = io::read_fits_image<float>(args.path);
  EXPECT_EQ(image.pixels, pixels);
  const auto expected = restore::on_sky(beam.beam, kCell);
  ASSERT_TRUE(image.header.beam);
  EXPECT_NEAR(image.header.beam->major_rad, expected.major_rad, 1e-6 * expected.major_rad);
  EXPECT_NEAR(image.header.beam->minor_rad, expected.minor_rad, 1e-6 * expected.minor_rad);
  // The sums of weights that are named, as WSClean writes it.
  const std::string text = io::read_file(args.path);
  const size_t card = text.find("WSCIMGWG=");
  ASSERT_NE(card, std::string::npos);
  EXPECT_EQ(std::stod(text.substr(card + 9)), 301);
  EXPECT_EQ(write_codelet().work(&args), 16 * 24 * 4);
}

TEST(Write, WithoutAFittedBeamThereIsNone) {
  const test::TemporaryFolder folder;
  std::vector<float> pixels(16 * 16, 1.0f);
  double sum = 1;
  restore::BeamBlock beam;
  WriteArgs args;
  args.path = folder / "b-image.fits";
  args.header.grid = {{1, 0.5}, 1e-5, 16, 16};
  args.sum_index = {0};
  args.with_beam = true;
  const Buffer buffers[] = {{pixels.data(), 16 * 16 * 4}, {&sum, sizeof sum}, {&beam, sizeof beam}};
  write_codelet().cpu(BodyContext(&args, buffers, runtime::Device::cpu, nullptr));
  EXPECT_FALSE(io::read_fits_image<float>(args.path).header.beam);
}

TEST(Write, RowsArePassedOnInTheirShape) {
  std::vector<double> uvw_m(2 * 5);
  std::vector<std::complex<float>> vis(2 * 3 * 4);
  UvwArgs fill{2, [](View<double, 2> out) { out(1, 2) = 7; }};
  const Buffer rows[] = {{uvw_m.data(), 2 * 3 * 8}};
  uvw_codelet().cpu(BodyContext(&fill, rows, runtime::Device::cpu, nullptr));
  EXPECT_EQ(uvw_m[5], 7);
  vis[(1 * 3 + 2) * 4 + 3] = {1, -1};
  bool written = false;
  WriteRowsArgs args;
  args.rows = 2;
  args.columns = 5;
  args.extents = {2, 3, 4};
  args.write = [&](View<const double, 2> coordinates, View<const std::complex<float>, 3> values) {
    written = true;
    EXPECT_EQ(coordinates(1, 0), 7) << "the sixth number, in rows of five";
    EXPECT_EQ(values(1, 2, 3), std::complex<float>(1, -1));
  };
  const Buffer both[] = {{vis.data(), 2 * 3 * 4 * 8}, {uvw_m.data(), 2 * 5 * 8}};
  write_rows_codelet().cpu(BodyContext(&args, both, runtime::Device::cpu, nullptr));
  EXPECT_TRUE(written);
}

}  // namespace
}  // namespace fringeflow
