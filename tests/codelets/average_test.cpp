// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/average/average.hpp"

#include <gtest/gtest.h>

#include <complex>
#include <vector>

namespace fringeflow::average {
namespace {

using Cfloat = std::complex<float>;

/// Two baselines, four integrations from number 8 on, three channels, two planes of one value or one of two, each sample different.
class Average : public ::testing::Test {
 protected:
  static constexpr int64_t kTimes = 4, kBaselines = 2, kChannels = 3, kRows = kTimes * kBaselines;

  Average() {
    for (size_t i = 0; i < vis_.size(); ++i)
      vis_[i] = {static_cast<float>(i * i), 1.5f - static_cast<float>(i)};
    for (size_t i = 0; i < uvw_.size(); ++i) uvw_[i] = static_cast<double>(i * i) / 7;
  }
  void run(int64_t planes, bool flagged) {
    const int64_t bins = static_cast<int64_t>(bins_.size()), values = kChannels * 2 / planes;
    planes_ = planes;
    values_ = values;
    mean_.assign(static_cast<size_t>(bins * kChannels * 2), {});
    rows_.assign(static_cast<size_t>(bins * (kRowColumns + kChannels)), -1);
    average_cpu({bins_,
                 8,
                 kBaselines,
                 kChannels,
                 {vis_.data(), {planes, kRows, values}},
                 {uvw_.data(), {kRows, 3}},
                 flagged ? flag_.data() : nullptr,
                 {mean_.data(), {planes, bins, values}},
                 {rows_.data(), {bins, kRowColumns + kChannels}}});
  }
  /// Of the times given, counted from the first of the buffers.
  Cfloat expected(int64_t plane, int32_t baseline, int64_t value, const std::vector<int64_t>& times) const {
    std::complex<double> sum;
    for (const int64_t t : times)
      sum += std::complex<double>(
          vis_[static_cast<size_t>((plane * kRows + t * kBaselines + baseline) * values_ + value)]);
    return Cfloat(sum / static_cast<double>(times.size()));
  }
  Cfloat mean(int64_t plane, int64_t bin, int64_t value) const {
    return mean_[static_cast<size_t>((plane * static_cast<int64_t>(bins_.size()) + bin) * values_ + value)];
  }
  double row(int64_t bin, int64_t column) const {
    return rows_[static_cast<size_t>(bin * (kRowColumns + kChannels) + column)];
  }

  const std::vector<io::AveragedRow> bins_{{0, 1, 8}, {0, 1, 9}, {1, 4, 8}, {0, 2, 10}};
  std::vector<Cfloat> vis_ = std::vector<Cfloat>(2 * kRows * kChannels);
  std::vector<double> uvw_ = std::vector<double>(3 * kRows);
  std::vector<uint8_t> flag_ = std::vector<uint8_t>(kRows * kChannels);
  std::vector<Cfloat> mean_;
  std::vector<double> rows_;
  int64_t planes_ = 1, values_ = 1;
};

TEST_F(Average, MeansOfAllThatIsThere) {
  for (const int64_t planes : {1, 2}) {
    run(planes, false);
    for (int64_t p = 0; p < planes; ++p)
      for (int64_t v = 0; v < values_; ++v) {
        EXPECT_EQ(mean(p, 0, v), expected(p, 0, v, {0}));
        EXPECT_EQ(mean(p, 1, v), expected(p, 0, v, {1}));
        EXPECT_EQ(mean(p, 2, v), expected(p, 1, v, {0, 1, 2, 3}));
        EXPECT_EQ(mean(p, 3, v), expected(p, 0, v, {2, 3}));
      }
  }
  EXPECT_DOUBLE_EQ(row(2, 1), (uvw_[4] + uvw_[10] + uvw_[16] + uvw_[22]) / 4) << "v of baseline 1";
  EXPECT_DOUBLE_EQ(row(2, 3), 9.5);
  EXPECT_DOUBLE_EQ(row(3, 3), 10.5);
  EXPECT_EQ(row(2, 4), 4);
  EXPECT_EQ(row(3, kRowColumns + 2), 2);
}

TEST_F(Average, FlaggedSamplesDoNotCount) {
  // Baseline 1: time 0 flagged whole, time 2 in channel 1, and channel 2 at all times.
  const auto flag = [&](int64_t t, int64_t baseline, int64_t c) {
    flag_[static_cast<size_t>((t * kBaselines + baseline) * kChannels + c)] = 1;
  };
  for (int64_t c = 0; c < kChannels; ++c) flag(0, 1, c);
  flag(2, 1, 1);
  for (int64_t t = 1; t < kTimes; ++t) flag(t, 1, 2);
  // And all of baseline 0 at times 2 and 3.
  for (const int64_t t : {2, 3})
    for (int64_t c = 0; c < kChannels; ++c) flag(t, 0, c);
  run(2, true);
  EXPECT_EQ(mean(1, 2, 0), expected(1, 1, 0, {1, 2, 3}));
  EXPECT_EQ(mean(1, 2, 1), expected(1, 1, 1, {1, 3}));
  EXPECT_EQ(mean(1, 2, 2), expected(1, 1, 2, {0, 1, 2, 3})) << "nothing is left: the mean of all, flagged";
  EXPECT_EQ(row(2, kRowColumns + 0), 3);
  EXPECT_EQ(row(2, kRowColumns + 1), 2);
  EXPECT_EQ(row(2, kRowColumns + 2), 0);
  EXPECT_DOUBLE_EQ(row(2, 3), 10) << "times 1 to 3";
  EXPECT_EQ(row(2, 4), 3);
  EXPECT_DOUBLE_EQ(row(2, 0), (uvw_[9] + uvw_[15] + uvw_[21]) / 3);
  // A row without any sample left has the time of all.
  EXPECT_EQ(mean(0, 3, 1), expected(0, 0, 1, {2, 3}));
  EXPECT_EQ(row(3, kRowColumns + 1), 0);
  EXPECT_DOUBLE_EQ(row(3, 3), 10.5);
  EXPECT_EQ(row(3, 4), 2);
}

}  // namespace
}  // namespace fringeflow::average
