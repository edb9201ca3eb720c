// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "codelets/deconvolve/internal.hpp"

namespace fringeflow::deconvolve {
namespace {

/// A field of noise with points in it, and a PSF whose sidelobes reach everywhere.
struct Field {
  int64_t h, w;
  std::vector<float> residual, psf;
  std::vector<uint16_t> allowed;
  Field(int64_t ny, int64_t nx)
      : h(ny),
        w(nx),
        residual(static_cast<size_t>(ny * nx)),
        psf(residual.size()),
        allowed(residual.size(), 1) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 1);
    for (float& value : residual) value = normal(random);
    for (int i = 0; i < 40; ++i) residual[random() % residual.size()] += 20;
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x) {
        const auto dy = static_cast<float>(y - h / 2), dx = static_cast<float>(x - w / 2);
        const float r2 = dx * dx + dy * dy;
        psf[static_cast<size_t>(y * w + x)] = 0.96f * std::exp(-r2 / 8) + 0.04f * std::cos(1.1f * dx) *
                                                                              std::cos(0.6f * dy) /
                                                                              (1 + 0.03f * std::sqrt(r2));
      }
  }
  SubMinor job(float threshold, int64_t iterations) const {
    SubMinor job;
    job.h = h;
    job.w = w;
    job.values = {residual.data()};
    job.integrated = residual.data();
    job.allowed = allowed.data();
    job.psf = {Image(psf.data(), {h, w})};
    job.weights = {1};
    job.threshold = threshold;
    job.list_threshold = 0.9f * threshold;
    job.max_iterations = iterations;
    job.max_positions = iterations;
    job.counted = {0, 0, h, w};
    return job;
  }
};

/// Hogbom's loop as it is written in textbooks, on the pixels that are listed: every component is subtracted from all of them.
SubMinorResult textbook(const SubMinor& job) {
  SubMinorResult result;
  const Image& psf = job.psf[0];
  std::vector<int64_t> list;
  // Eight pixels of a row are listed together.
  for (int64_t y = 0; y < job.h; ++y)
    for (int64_t x = 0; x < job.w; x += 8) {
      bool any = false;
      for (int64_t k = y * job.w + x; k < y * job.w + std::min(x + 8, job.w); ++k) {
        const float size = job.allow_negative ? std::fabs(job.values[0][k]) : job.values[0][k];
        any = any || (size >= job.list_threshold && (job.allowed[k] & job.bit) != 0);
      }
      for (int64_t k = x; any && k < std::min(x + 8, job.w); ++k) list.push_back(y * job.w + k);
    }
  std::vector<float> values(job.values[0], job.values[0] + job.h * job.w);
  std::vector<int64_t> entry(values.size(), -1);
  std::vector<double> flux;
  for (;;) {
    float peak = 0;
    int64_t at = -1;
    for (const int64_t i : list) {
      const float value = values[static_cast<size_t>(i)],
                  size = job.allow_negative ? std::fabs(value) : value;
      if ((job.allowed[i] & job.bit) != 0 && size > peak) {
        peak = size;
        at = i;
      }
    }
    result.left = peak;
    if (!(peak > job.threshold) || result.iterations == job.max_iterations) break;
    const int64_t y0 = at / job.w, x0 = at % job.w;
    int64_t& index = entry[static_cast<size_t>(at)];
    if (index < 0) {
      index = static_cast<int64_t>(flux.size());
      flux.push_back(0);
      result.entries.push_back({static_cast<int32_t>(y0), static_cast<int32_t>(x0), true});
    }
    const float step = job.gain * values[static_cast<size_t>(at)];
    flux[static_cast<size_t>(index)] += static_cast<double>(step);
    ++result.iterations;
    for (const int64_t i : list) {
      const int64_t y = i / job.w - y0 + job.h / 2, x = i % job.w - x0 + job.w / 2;
      if (y >= 0 && y < job.h && x >= 0 && x < job.w) values[static_cast<size_t>(i)] -= step * psf(y, x);
    }
  }
  for (const double f : flux) result.flux.push_back(static_cast<float>(f));
  return result;
}

void expect_same(const SubMinorResult& result, const SubMinorResult& expected) {
  EXPECT_EQ(result.iterations, expected.iterations);
  EXPECT_EQ(result.left, expected.left);
  ASSERT_EQ(result.entries.size(), expected.entries.size());
  for (size_t i = 0; i < expected.entries.size(); ++i) {
    EXPECT_EQ(result.entries[i].y, expected.entries[i].y) << i;
    EXPECT_EQ(result.entries[i].x, expected.entries[i].x) << i;
    EXPECT_EQ(result.flux[i], expected.flux[i]) << i;
  }
}

TEST(SubMinor, IsTheTextbooksLoopToTheBit) {
  // More components than may wait for a block, and rows that are no multiple of eight.
  const Field field(130, 203);
  const auto job = field.job(0.7f, 5000);
  const auto result = sub_minor(job);
  EXPECT_EQ(result.iterations, 5000);
  expect_same(result, textbook(job));
}

TEST(SubMinor, UnderAMaskAndWithoutNegativesToo) {
  Field field(300, 331);
  std::mt19937 random(3);
  for (uint16_t& bits : field.allowed) bits = random() % 20 == 0 ? 1 : 2;
  auto job = field.job(0.9f, 800);
  job.allow_negative = false;
  expect_same(sub_minor(job), textbook(job));
  job.bit = 2;
  job.threshold = 4;
  job.list_threshold = 3;
  job.allow_negative = true;
  expect_same(sub_minor(job), textbook(job));
}

TEST(SubMinor, OfEqualPeaksTheFirstRowByRow) {
  Field field(200, 200);
  std::fill(field.residual.begin(), field.residual.end(), 0.0f);
  // The same peak in tiles one beside and one below the other.
  for (const int64_t y : {100, 7, 40})
    for (const int64_t x : {150, 9, 60}) field.residual[static_cast<size_t>(y * 200 + x)] = 5;
  auto job = field.job(0.5f, 60);
  job.list_threshold = -1;
  const auto result = sub_minor(job);
  ASSERT_GE(result.entries.size(), 1u);
  EXPECT_EQ(result.entries[0].y, 7);
  EXPECT_EQ(result.entries[0].x, 9);
  expect_same(result, textbook(job));
}

}  // namespace
}  // namespace fringeflow::deconvolve
