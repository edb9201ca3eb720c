// SPDX-License-Identifier: GPL-3.0-or-later
/// Decisions of the CLEAN loop, component lists, sub-images: what needs no scene.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "codelets/deconvolve/deconvolve.hpp"

namespace fringeflow::deconvolve {
namespace {

TEST(Components, MergedAndSorted) {
  std::vector<char> memory(static_cast<size_t>(ComponentList::bytes(4, 2)));
  const ComponentList list(memory.data(), static_cast<int64_t>(memory.size()), 2);
  EXPECT_EQ(list.capacity(), 4);
  list.clear();
  const int32_t positions[3][3] = {{5, 6, 1}, {2, 3, 0}, {5, 6, 1}};
  for (int i = 0; i < 3; ++i) {
    std::copy_n(positions[i], 3, list.position(i));
    list.flux(i)[0] = 1.0f;
    list.flux(i)[1] = static_cast<float>(i);
    ++list.header().count;
  }
  std::vector<Component> components;
  append_components(components, list);
  const auto merged = merge_components(std::move(components));
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].y, 2);
  EXPECT_EQ(merged[1].flux, (std::vector<float>{2.0f, 2.0f}));
}

TEST(SubImages, CoverTheImageOnce) {
  for (const auto& [ny, nx] :
       {std::pair<int64_t, int64_t>{512, 2048}, {2050, 1000}, {4096, 4096}, {8192, 3001}}) {
    const auto rects = sub_images({}, ny, nx);
    int64_t area = 0;
    for (const Rect& rect : rects) {
      area += rect.ny * rect.nx;
      EXPECT_GE(rect.y0, 0);
      EXPECT_LE(rect.x0 + rect.nx, nx);
      EXPECT_LE(rect.nx, 2048);
    }
    EXPECT_EQ(area, ny * nx);
    EXPECT_EQ(rects.size() == 1, ny <= 2048 && nx <= 2048);
  }
}

TEST(Decide, FromTheFirstCycleToTheThreshold) {
  LoopOptions options;
  options.threshold_jy = 0.5;
  options.max_iterations = 1000;
  LoopState state;
  const Robust robust{0, 0.01, 100};
  Decision decision = decide(options, state, robust, {10, 0, 0, 0, 0});
  EXPECT_TRUE(decision.clean);
  EXPECT_NEAR(decision.threshold, 2, 1e-12);
  EXPECT_FALSE(decision.is_final);
  EXPECT_EQ(decision.max_iterations, 1000);
  ComponentHeader header;
  header.count = 3;
  header.iterations = 30;
  header.flags = kReached;
  absorb(options, state, {&header, 1});
  EXPECT_EQ(state.iterations, 30);
  decision = decide(options, state, robust, {2.1f, 0, 0, 0, 0});
  EXPECT_TRUE(decision.clean);
  EXPECT_TRUE(decision.is_final);
  EXPECT_EQ(decision.threshold, 0.5);
  EXPECT_EQ(decision.max_iterations, 970);
  absorb(options, state, {&header, 1});
  EXPECT_TRUE(state.finished);
  EXPECT_FALSE(decide(options, state, robust, {0.6f, 0, 0, 0, 0}).clean);
  EXPECT_TRUE(state.done);
  EXPECT_EQ(state.reason, Reason::threshold);
  EXPECT_EQ(state.cycle, 2);
}

TEST(Decide, AutoMaskIsSwitchedOnOnce) {
  LoopOptions options;
  options.threshold_sigma = 3;
  options.auto_mask_sigma = 5;
  options.max_iterations = 1000;
  ComponentHeader header;
  header.count = header.iterations = 1;
  header.flags = kReached;
  LoopState state;
  Decision decision = decide(options, state, {0, 0.1, 100}, {1.0f, 0, 0, 0, 0});
  EXPECT_EQ(decision.threshold, 0.5);
  EXPECT_TRUE(decision.is_final);
  EXPECT_FALSE(decision.masked);
  absorb(options, state, {&header, 1});
  EXPECT_TRUE(state.masked);
  decision = decide(options, state, {0, 0.1, 100}, {0.6f, 0.4f, 0, 0, 0});
  EXPECT_TRUE(decision.masked);
  EXPECT_NEAR(decision.threshold, 0.3, 1e-12);
  EXPECT_TRUE(decision.is_final);
  absorb(options, state, {&header, 1});
  EXPECT_FALSE(decide(options, state, {0, 0.1, 100}, {0.6f, 0.2f, 0, 0, 0}).clean);
  EXPECT_EQ(state.reason, Reason::threshold);
  // Already below the first stage's threshold: no cycle is spent on it.
  state = {};
  state.cycle = 1;
  state.start_peak = 1;
  decision = decide(options, state, {0, 0.1, 100}, {0.45f, 0.45f, 0, 0, 0});
  EXPECT_TRUE(decision.clean);
  EXPECT_TRUE(decision.masked);
}

TEST(Decide, EndsForEveryReason) {
  LoopOptions options;
  options.max_iterations = 100;
  options.threshold_jy = 0.1;
  const Robust robust{0, 0.01, 100};
  const auto reason = [&](LoopState state, float peak, const Robust& r) {
    EXPECT_FALSE(decide(options, state, r, {peak, 0, 0, 0, 0}).clean);
    EXPECT_TRUE(state.done);
    return state.reason;
  };
  EXPECT_EQ(reason({}, 0.05f, robust), Reason::nothing);
  EXPECT_EQ(reason({}, 0.0f, {0, 0, 0}), Reason::nothing);
  LoopState state;
  state.cycle = 2;
  state.start_peak = 1;
  EXPECT_EQ(reason(state, 4.1f, robust), Reason::diverged);
  EXPECT_EQ(reason(state, 0.09f, robust), Reason::threshold);
  state.iterations = 100;
  EXPECT_EQ(reason(state, 0.5f, robust), Reason::iterations);
  state.iterations = 0;
  state.cycle = options.max_major;
  EXPECT_EQ(reason(state, 0.5f, robust), Reason::majors);
  state.cycle = 2;
  const ComponentHeader nothing;
  absorb(options, state, {&nothing, 1});
  EXPECT_EQ(reason(state, 0.5f, robust), Reason::stalled);
  state = {};
  options.max_iterations = 0;
  EXPECT_EQ(reason(state, 0.5f, robust), Reason::iterations);
}

TEST(Decide, RaisedThresholdsNeedAnotherCycle) {
  LoopOptions options;
  options.max_iterations = 100;
  options.threshold_jy = 0.3;
  LoopState state;
  ASSERT_TRUE(decide(options, state, {0, 0.01, 100}, {1.0f, 0, 0, 0, 0}).is_final);
  ComponentHeader headers[2];
  headers[0].count = 1;
  headers[0].flags = kReached;
  headers[1].flags = kReached | kRaised;
  absorb(options, state, headers);
  EXPECT_FALSE(state.finished);
  EXPECT_TRUE(decide(options, state, {0, 0.01, 100}, {0.5f, 0, 0, 0, 0}).clean);
}

TEST(Decide, SmallerStepsWhenACycleMakesThingsWorse) {
  LoopOptions options;
  options.max_iterations = 1000;
  options.threshold_jy = 0.01;
  options.major_gain = 0.8;
  LoopState state;
  const Robust robust{0, 0.01, 100};
  EXPECT_NEAR(decide(options, state, robust, {1, 0, 0, 0, 0}).threshold, 0.2, 1e-6);
  // A minor loop that only diverged has changed nothing: the cycle does not count.
  ComponentHeader header;
  header.flags = kDiverged;
  absorb(options, state, {&header, 1});
  EXPECT_EQ(state.cycle, 0);
  EXPECT_NEAR(decide(options, state, robust, {1, 0, 0, 0, 0}).threshold, 0.6, 1e-6);
  // The exact residual's peak grew; within a few percent it is the PSF's business.
  header.flags = kReached;
  header.count = header.iterations = 1;
  absorb(options, state, {&header, 1});
  EXPECT_NEAR(decide(options, state, robust, {1.04f, 0, 0, 0, 0}).threshold, 1.04 * 0.6, 1e-6);
  absorb(options, state, {&header, 1});
  EXPECT_NEAR(decide(options, state, robust, {1.2f, 0, 0, 0, 0}).threshold, 1.2 * 0.8, 1e-6);
  EXPECT_EQ(state.halvings, 2);
  // The minor loops think that they have reached the end, the residual says otherwise.
  state.is_final = 1;
  state.threshold = 0.01;
  absorb(options, state, {&header, 1});
  EXPECT_TRUE(state.finished);
  EXPECT_TRUE(decide(options, state, robust, {0.03f, 0, 0, 0, 0}).clean);
  EXPECT_FALSE(state.finished);
  EXPECT_EQ(state.halvings, 3);
  // In the end it gives up.
  header = {};
  header.flags = kDiverged;
  while (!state.done) {
    absorb(options, state, {&header, 1});
    decide(options, state, robust, {0.03f, 0, 0, 0, 0});
  }
  EXPECT_EQ(state.reason, Reason::diverged);
  EXPECT_EQ(state.halvings, kMostHalvings);
}

TEST(Decide, SubImagesShareWhatIsLeft) {
  const auto shares = [](int64_t budget, const std::vector<int64_t>& taken) {
    std::vector<ComponentHeader> headers(taken.size());
    for (size_t i = 0; i < taken.size(); ++i) headers[i].iterations = taken[i];
    return share_iterations(budget, headers);
  };
  using Shares = std::vector<int64_t>;
  EXPECT_EQ(shares(100, {60, 40, 0}), (Shares{-1, -1, -1}));  // they fit: nothing runs again
  EXPECT_EQ(shares(100, {100, 100, 0}), (Shares{50, 50, 0}));
  EXPECT_EQ(shares(100, {100, 100, 100}), (Shares{34, 33, 33}));  // of equal remainders the first
  EXPECT_EQ(shares(10, {1, 4, 7}), (Shares{1, 3, 6}));            // 0.83, 3.33, 5.83
  EXPECT_EQ(shares(1, {1, 1}), (Shares{1, 0}));
  EXPECT_EQ(shares(1000000000, {1000000000, 1000000000, 999999999}),
            (Shares{333333334, 333333333, 333333333}));
  for (int64_t budget = 1; budget < 300; budget += 7) {
    const Shares taken{budget, budget / 2, 1, budget / 3, budget};
    const auto some = shares(budget, taken);
    EXPECT_EQ(std::accumulate(some.begin(), some.end(), int64_t{0}), budget);
    for (size_t i = 0; i < taken.size(); ++i) EXPECT_LE(some[i], taken[i]);
  }
}

}  // namespace
}  // namespace fringeflow::deconvolve
