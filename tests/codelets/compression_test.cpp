// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/compression.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <string>

#include "tests/codelets/gridder_pipeline.hpp"

namespace fringeflow::gridder {
namespace {

/// Worst error of waves up to kappa at the channels, from the nodes.
double worst_wave(const ChannelCompression::Matrix<double>& matrix, double kappa) {
  double worst = 0;
  for (int i = 0; i <= 40; ++i) {
    const double k = kappa * i / 40;
    for (int c = 0; c < matrix.channels; ++c) {
      std::complex<double> sum = 0;
      for (int n = 0; n < matrix.nodes; ++n)
        sum += matrix.to_nodes[static_cast<size_t>(c * ChannelCompression::kMaxNodes + n)] *
               std::polar(1.0, k * matrix.position[static_cast<size_t>(n)]);
      worst = std::max(worst, std::abs(sum - std::polar(1.0, k * (-1 + 2.0 * c / (matrix.channels - 1)))));
    }
  }
  return worst;
}

TEST(Compression, WavesWithinReachComeBack) {
  for (const double error : {1e-3, 1e-5, 1e-8, 1e-10}) {
    const ChannelCompression compression(error);
    for (const int nodes : {4, 7, 10, 13, 16}) {
      const double reach = compression.reach(nodes);
      if (reach == 0) continue;
      for (const int channels : {17, 33, 64}) {
        const auto& matrix = compression.matrix<double>(channels, nodes);
        EXPECT_LT(worst_wave(matrix, reach), 2 * error) << error << " " << nodes << " " << channels;
        EXPECT_GT(worst_wave(matrix, 2 * reach + 1), 5 * error) << "the reach is no accident";
      }
    }
    EXPECT_GT(compression.reach(16), compression.reach(8));
    EXPECT_GT(compression.reach(8), error < 1e-9 ? 0 : 0.3) << error;
  }
}

TEST(Compression, BothLayoutsHoldTheSameWeights) {
  const ChannelCompression compression(1e-5);
  const auto& matrix = compression.matrix<float>(37, 9);
  for (int c = 0; c < 37; ++c)
    for (int k = 0; k < ChannelCompression::kMaxNodes; ++k) {
      const float to_node = matrix.to_nodes[static_cast<size_t>(c * ChannelCompression::kMaxNodes + k)];
      EXPECT_EQ(to_node, k < 9 ? matrix.to_channels[static_cast<size_t>(k * matrix.padded + c)] : 0.0f);
    }
  EXPECT_EQ(&matrix, &compression.matrix<float>(37, 9)) << "made once";
}

TEST(Compression, IsChosenWhereItIsCheaper) {
  const ChannelCompression compression(1e-5);
  EXPECT_EQ(compression.choose(5, 0.1).nodes, 0) << "too few channels";
  EXPECT_EQ(compression.choose(64, 200).nodes, 0) << "waves as short as channels";
  const auto still = compression.choose(64, 0.01);
  EXPECT_EQ(still.parts, 1);
  EXPECT_LE(still.nodes, 5);
  const auto long_run = compression.choose(300, 40);
  EXPECT_GE(long_run.parts, 5);
  EXPECT_LT(long_run.parts * long_run.nodes, 240);
  EXPECT_GE(compression.reach(long_run.nodes), 40.0 / long_run.parts);
}

TEST(Compression, ChangesTheGridWithinTheAccuracy) {
  // Tracks of 67 channels; with compression and without.
  const test::Data<std::complex<double>> data({64, 64, 3e-4}, {.rows = 40, .channels = 67, .w_lambda = 1e3});
  for (const double accuracy : {1e-3, 1e-5}) {
    PlanSummary summary;
    // The same kernel and pixels, which the cost model would not choose for both.
    PlanOptions options{
        .accuracy = accuracy, .resample = false, .support = 8, .sigma = 1.5, .precision_bits = 64};
    const auto with = test::dirty_image(data, options, summary);
    options.compress = false;
    const auto without = test::dirty_image(data, options, summary);
    double difference = 0, norm = 0;
    for (size_t i = 0; i < with.size(); ++i) {
      difference += (with[i] - without[i]) * (with[i] - without[i]);
      norm += without[i] * without[i];
    }
    EXPECT_GT(difference, 0) << "nothing was compressed";
    EXPECT_LT(std::sqrt(difference / norm), 0.2 * accuracy);
  }
}

TEST(Compression, UnequalSpacingIsLeftAlone) {
  EXPECT_TRUE(equally_spaced(std::vector<double>{1e9, 1.001e9, 1.002e9}));
  EXPECT_TRUE(equally_spaced(std::vector<double>{1.002e9, 1.001e9, 1e9}));
  EXPECT_FALSE(equally_spaced(std::vector<double>{1e9, 1.001e9, 1.003e9}));
  EXPECT_FALSE(equally_spaced(std::vector<double>{1e9}));
}

}  // namespace
}  // namespace fringeflow::gridder
