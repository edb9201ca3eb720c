// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/calibrate/solve_batch.hpp"

#include <gtest/gtest.h>

namespace fringeflow::graphs {
namespace {

TEST(SolveBatch, SmallIntervalsShareTasksAndLargeOnesDoNot) {
  constexpr int64_t kRoom = 64;
  EXPECT_EQ(intervals_per_task({2, 0}, 1000, 2, 1e9, kRoom), 1);
  EXPECT_EQ(intervals_per_task({2, 0}, 1000, 2, 2e6, kRoom), 10);
  EXPECT_EQ(intervals_per_task({2, 0}, 1000, 2, 1, kRoom), 32) << "sums of two tasks fit";
  EXPECT_EQ(intervals_per_task({2, 0}, 1000, 2, 1, 1), 1);
  EXPECT_EQ(intervals_per_task({2, 0}, 1000, 2, 1, -3), 1);
}

TEST(SolveBatch, EveryWorkerHasTasks) {
  for (const int cpus : {1, 2, 7, 64})
    for (const int64_t intervals : {1, 3, 20, 500}) {
      const int64_t each = intervals_per_task({cpus, 0}, intervals, 2, 1, 1000);
      EXPECT_GE(each, 1);
      EXPECT_GE((intervals + each - 1) / each, std::min<int64_t>(intervals, 4 * cpus))
          << cpus << " " << intervals;
    }
}

TEST(SolveBatch, AGpuGetsManyFitsAtOnce) {
  EXPECT_EQ(intervals_per_task({8, 1}, 1000, 32, 1e9, 64), 16) << "however long a core would take";
  EXPECT_EQ(intervals_per_task({8, 1}, 1000, 2, 1e9, 64), 32) << "as far as there is room";
  EXPECT_EQ(intervals_per_task({8, 1}, 1000, 1024, 1e9, 64), 1);
  EXPECT_EQ(intervals_per_task({8, 4}, 16, 2, 1e9, 64), 2) << "every GPU has two tasks";
}

}  // namespace
}  // namespace fringeflow::graphs
