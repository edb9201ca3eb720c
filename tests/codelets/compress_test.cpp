// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Nodes along time: which groups get them, how well they stand for visibilities, and that compress and expand are transposes of each other.
#include "codelets/compress/compress.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "codelets/compress/compress_cuda.hpp"
#include "io/constants.hpp"
#include "tests/codelets/fft_test_util.hpp"

namespace fringeflow::gridder {
namespace {

using Cfloat = std::complex<float>;

constexpr double kAccuracy = 1e-4;
constexpr int64_t kTimes = 16,
                  kChannels = 70;  // more than a block of channels, and not a multiple of any vector
const ImageGeometry kImage{2048, 1024, 2e-5};

/// Rows of baselines that the Earth turns, [baseline][time].
struct Rows {
  std::vector<double> uvw;
  std::vector<double> freq_hz;
  /// @param lengths_m one for each baseline
  explicit Rows(const std::vector<double>& lengths_m, double interval_s = 8) {
    for (size_t b = 0; b < lengths_m.size(); ++b)
      for (int64_t t = 0; t < kTimes; ++t) {
        const double angle =
                         0.4 + 2.1 * static_cast<double>(b) + 7.2921e-5 * interval_s * static_cast<double>(t),
                     length = lengths_m[b];
        uvw.insert(uvw.end(), {length * std::cos(angle), 0.6 * length * std::sin(angle),
                               -0.8 * length * std::sin(angle) + 0.1 * length});
      }
    for (int64_t c = 0; c < kChannels; ++c) freq_hz.push_back(1.3e9 + 1e6 * static_cast<double>(c));
  }
  int64_t rows() const { return static_cast<int64_t>(uvw.size()) / 3; }
  View<const double, 2> view() const { return {uvw.data(), {rows(), 3}}; }
};

const TimeCompression& compression() {
  static const TimeCompression one(kImage, kAccuracy, 1 / (2 * kImage.cell_rad));
  return one;
}

TimeGroups groups_of(const Rows& rows) { return compression().choose(rows.view(), kTimes, rows.freq_hz); }

/// What a source at (l, m) gives on baselines `uvw`, [row][channel].
std::vector<Cfloat> waves(View<const double, 2> uvw, const Rows& rows, double l, double m) {
  std::vector<Cfloat> out;
  const double n_minus_1 = std::sqrt(1 - l * l - m * m) - 1;
  for (int64_t row = 0; row < uvw.extent(0); ++row)
    for (const double f : rows.freq_hz) {
      const double turns =
          (uvw(row, 0) * l + uvw(row, 1) * m + uvw(row, 2) * n_minus_1) * f / kSpeedOfLight_m_s;
      out.emplace_back(std::polar(1.0, 2 * kPi * (turns - std::round(turns))));
    }
  return out;
}

/// Nodes of a chunk, a plane for each of `planes`.
struct Nodes {
  std::vector<Cfloat> vis;
  std::vector<float> weight;
};
Nodes compress(const TimeGroups& groups, const std::vector<CompressPlane>& planes) {
  const auto count = static_cast<int64_t>(planes.size());
  Nodes out;
  out.vis.resize(static_cast<size_t>(count * groups.rows * kChannels));
  out.weight.resize(out.vis.size());
  compress_cpu(groups, compression().nodes(), planes, {out.vis.data(), {count, groups.rows, kChannels}},
               {out.weight.data(), {count, groups.rows, kChannels}});
  return out;
}

std::vector<float> some_weights(int64_t rows) {
  std::vector<float> weight(static_cast<size_t>(rows * kChannels));
  for (size_t i = 0; i < weight.size(); ++i)
    weight[i] = i % 11 == 3 ? 0.0f : 0.5f + 0.1f * static_cast<float>(i % 5);
  return weight;
}

TEST(TimeGroups, SlowBaselinesGetFewNodesAndFastOnesNone) {
  const Rows rows({30, 1500, 9000}, 8);
  const auto groups = groups_of(rows);
  ASSERT_EQ(groups.groups->size(), 3u);
  const auto& g = *groups.groups;
  EXPECT_EQ(g[0].rows(kTimes), 4);
  EXPECT_GT(g[1].rows(kTimes), g[0].rows(kTimes));
  EXPECT_LT(g[1].rows(kTimes), kTimes);
  EXPECT_EQ(g[1].first_row, g[0].rows(kTimes));
  EXPECT_EQ(groups.rows, g[0].rows(kTimes) + g[1].rows(kTimes) + g[2].rows(kTimes));
  EXPECT_EQ(groups_of(Rows({9000}, 120)).rows, kTimes) << "too fast at two minutes";
}

TEST(TimeGroups, WhatIsNotSmoothIsKept) {
  Rows gap({300});
  const Rows later({300}, 40);
  std::copy(later.uvw.begin() + 3 * 9, later.uvw.end(),
            gap.uvw.begin() + 3 * 9);  // time jumps after nine rows
  EXPECT_EQ(groups_of(gap).groups->front().parts, 0);

  Rows flagged({300});
  std::fill_n(flagged.uvw.begin() + 15, 3, 0.0);  // UVW of a flagged row that had none
  EXPECT_EQ(groups_of(flagged).groups->front().parts, 0);

  EXPECT_EQ(groups_of(Rows({12000}, 0.5)).groups->front().parts, 0) << "beyond the grid at some channels";
  EXPECT_GT(groups_of(Rows({300})).groups->front().parts, 0);
}

TEST(TimeGroups, NodesFollowTheBaseline) {
  const Rows rows({1500});
  const auto groups = groups_of(rows);
  std::vector<double> nodes(static_cast<size_t>(3 * groups.rows));
  fill_node_uvw(groups, compression().nodes(), rows.view(), {nodes.data(), {groups.rows, 3}});
  for (int64_t k = 0; k < groups.rows; ++k) {
    const double* at = nodes.data() + 3 * k;
    EXPECT_NEAR(std::hypot(at[0], at[1] / 0.6), 1500, 1e-5) << k;
    EXPECT_TRUE(at[0] < rows.uvw.front() && at[0] > rows.uvw[3 * (kTimes - 1)]) << k;
  }
}

TEST(Compress, NodesStandForWavesOfAllPixels) {
  const Rows rows({30, 400, 1500, 9000});
  const auto groups = groups_of(rows);
  ASSERT_LT(groups.rows, rows.rows());
  std::vector<double> node_uvw(static_cast<size_t>(3 * groups.rows));
  fill_node_uvw(groups, compression().nodes(), rows.view(), {node_uvw.data(), {groups.rows, 3}});
  for (const auto& [l, m] : {std::pair{0.02048, -0.01024}, {-0.02048, -0.01024}, {0.003, 0.01}, {0.0, 0.0}}) {
    const auto at_nodes = waves({node_uvw.data(), {groups.rows, 3}}, rows, l, m),
               wanted = waves(rows.view(), rows, l, m);
    std::vector<Cfloat> got(wanted.size());
    expand_cpu(groups, compression().nodes(), {at_nodes.data(), {groups.rows, kChannels}},
               {got.data(), {rows.rows(), kChannels}});
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_LT(std::abs(got[i] - wanted[i]), 2 * kCompressionShare * kAccuracy)
          << i << " at " << l << ", " << m;
  }
}

TEST(Compress, IsTheTransposeOfExpand) {
  const Rows rows({30, 1500, 9000});
  const auto groups = groups_of(rows);
  const auto weight = some_weights(rows.rows());
  std::vector<Cfloat> vis(weight.size()), back(weight.size()),
      x(static_cast<size_t>(groups.rows * kChannels));
  fft::fill_random(reinterpret_cast<float*>(vis.data()), 2 * static_cast<int64_t>(vis.size()), 1);
  fft::fill_random(reinterpret_cast<float*>(x.data()), 2 * static_cast<int64_t>(x.size()), 2);
  const auto nodes =
      compress(groups, {{{vis.data(), {rows.rows(), kChannels}}, {weight.data(), {rows.rows(), kChannels}}}});
  expand_cpu(groups, compression().nodes(), {x.data(), {groups.rows, kChannels}},
             {back.data(), {rows.rows(), kChannels}});
  std::complex<double> on_nodes = 0, on_rows = 0;
  double size = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const std::complex<double> product =
        std::complex<double>(std::conj(x[i])) * std::complex<double>(nodes.vis[i]) * double{nodes.weight[i]};
    on_nodes += product;
    size += std::abs(product);
  }
  for (size_t i = 0; i < vis.size(); ++i)
    on_rows += std::complex<double>(std::conj(back[i])) * std::complex<double>(vis[i]) * double{weight[i]};
  EXPECT_LT(std::abs(on_nodes - on_rows), 1e-7 * size);
}

TEST(Compress, PlanesAndWeights) {
  const Rows rows({30, 9000}, 120);  // the second is kept
  const auto groups = groups_of(rows);
  ASSERT_EQ(groups.groups->at(1).parts, 0);
  auto weight = some_weights(rows.rows());
  for (int64_t t = 0; t < kTimes; ++t)
    weight[static_cast<size_t>(t * kChannels + 5)] = 0;  // a flagged channel
  std::vector<Cfloat> vis(weight.size(), {2, -1});
  for (size_t i = 0; i < vis.size(); ++i)
    if (weight[i] == 0)
      vis[i] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
  const View<const float, 2> weights(weight.data(), {rows.rows(), kChannels});
  const auto nodes = compress(groups, {{{vis.data(), {rows.rows(), kChannels}}, weights}, {{}, weights}});
  const auto plane = static_cast<size_t>(groups.rows * kChannels);
  const int64_t first = groups.groups->at(0).rows(kTimes);
  for (int64_t k = 0; k < first; ++k)
    for (int64_t c = 0; c < kChannels; ++c) {
      const auto i = static_cast<size_t>(k * kChannels + c);
      EXPECT_EQ(nodes.weight[i], c == 5 ? 0 : 1) << c;
      EXPECT_NEAR(std::abs(nodes.vis[i] - nodes.vis[plane + i] * Cfloat(2, -1)), 0, 1e-5)
          << "the PSF's is of ones";
    }
  // A source at the centre is the sum of the weights, whatever the nodes.
  double sum = 0, wanted = 0;
  for (int64_t i = 0; i < first * kChannels; ++i) sum += nodes.vis[plane + static_cast<size_t>(i)].real();
  for (int64_t i = 0; i < kTimes * kChannels; ++i) wanted += weight[static_cast<size_t>(i)];
  EXPECT_NEAR(sum, wanted, 1e-4 * wanted);
  for (int64_t i = 0; i < kTimes * kChannels; ++i) {
    const auto from = static_cast<size_t>(kTimes * kChannels + i),
               to = static_cast<size_t>(first * kChannels + i);
    EXPECT_EQ(nodes.weight[to], weight[from]);
    EXPECT_EQ(nodes.vis[plane + to], Cfloat(1));
    if (weight[from] != 0) {
      EXPECT_EQ(nodes.vis[to], vis[from]);
    }
  }
}

TEST(Compress, GivesTheSameBitsOnAllTargets) {
  const Rows rows({30, 1500, 9000});
  const auto groups = groups_of(rows);
  const auto weight = some_weights(rows.rows());
  std::vector<Cfloat> vis(weight.size());
  fft::fill_random(reinterpret_cast<float*>(vis.data()), 2 * static_cast<int64_t>(vis.size()), 3);
  const CompressPlane plane{{vis.data(), {rows.rows(), kChannels}},
                            {weight.data(), {rows.rows(), kChannels}}};
  const auto first = compress(groups, {plane});
  fft::for_each_fused_target([&](int64_t target) {
    const auto again = compress(groups, {plane});
    EXPECT_EQ(std::memcmp(again.vis.data(), first.vis.data(), first.vis.size() * sizeof(Cfloat)), 0)
        << target;
  });
}

TEST(CompressCuda, DeviceCodeOnTheHostAgrees) {
  const Rows rows({30, 1500, 9000, 700});
  const auto groups = groups_of(rows);
  const auto weight = some_weights(rows.rows());
  std::vector<Cfloat> vis(weight.size());
  fft::fill_random(reinterpret_cast<float*>(vis.data()), 2 * static_cast<int64_t>(vis.size()), 3);
  const CompressPlane plane{{vis.data(), {rows.rows(), kChannels}},
                            {weight.data(), {rows.rows(), kChannels}}};
  const auto wanted = compress(groups, {plane});

  const auto matrices = time_matrices(compression().nodes());
  const auto positions = time_positions(compression().nodes());
  const GroupTables tables{groups.groups->data(),
                           {matrices.data()},
                           positions.data(),
                           kTimes,
                           static_cast<int64_t>(groups.groups->size())};
  std::vector<Cfloat> nodes_vis(wanted.vis.size());
  std::vector<float> nodes_weight(wanted.weight.size());
  const CompressChannel one{tables,
                            kChannels,
                            reinterpret_cast<const cuda::Visibility*>(vis.data()),
                            weight.data(),
                            reinterpret_cast<cuda::Visibility*>(nodes_vis.data()),
                            nodes_weight.data()};
  for (int64_t i = 0; i < tables.count * kChannels; ++i) one(i);
  EXPECT_EQ(nodes_weight, wanted.weight);
  for (size_t i = 0; i < nodes_vis.size(); ++i) ASSERT_LT(std::abs(nodes_vis[i] - wanted.vis[i]), 1e-5) << i;

  std::vector<Cfloat> expanded(vis.size()), expected(vis.size());
  const ExpandChannel back{tables, kChannels, reinterpret_cast<const cuda::Visibility*>(wanted.vis.data()),
                           reinterpret_cast<cuda::Visibility*>(expanded.data())};
  for (int64_t i = 0; i < tables.count * kChannels; ++i) back(i);
  expand_cpu(groups, compression().nodes(), {wanted.vis.data(), {groups.rows, kChannels}},
             {expected.data(), {rows.rows(), kChannels}});
  for (size_t i = 0; i < expanded.size(); ++i) ASSERT_LT(std::abs(expanded[i] - expected[i]), 1e-4) << i;

  std::vector<double> uvw(static_cast<size_t>(3 * groups.rows)), by_host(uvw.size());
  const PlaceNodes place{tables, rows.uvw.data(), uvw.data()};
  for (int64_t i = 0; i < tables.count; ++i) place(i);
  fill_node_uvw(groups, compression().nodes(), rows.view(), {by_host.data(), {groups.rows, 3}});
  EXPECT_EQ(uvw, by_host);
}

}  // namespace
}  // namespace fringeflow::gridder
