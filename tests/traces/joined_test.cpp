// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/joined.hpp"

#include <gtest/gtest.h>

#include "tests/traces/run_fixture.hpp"

namespace fringeflow::traces {
namespace {

TEST(Joined, OneJobAfterTheOther) {
  auto first = test::chain(3, 2), second = test::chain(2, 4);
  second.begin_s = 0.5;  // times count from the runtime's start, which is earlier than the first submission
  for (auto& task : second.tasks)
    for (double* at : {&task.submit_s, &task.ready_s, &task.start_s, &task.end_s}) *at += 0.5;
  const runtime::Timeline both[] = {first, second};
  const auto all = joined(both);
  EXPECT_DOUBLE_EQ(all.makespan_s, 7 + 9);
  ASSERT_EQ(all.tasks.size(), 7u);
  EXPECT_EQ(all.dependencies.tasks(), 7);
  EXPECT_EQ(all.data.size(), 2u);
  EXPECT_DOUBLE_EQ(all.tasks[4].start_s, 7);
  ASSERT_EQ(all.dependencies.of(4).size(), 1u);
  EXPECT_EQ(all.dependencies.of(4)[0].task, 3) << "the last task of the job before";
  EXPECT_EQ(all.dependencies.of(5)[0].task, 4);
  EXPECT_EQ(all.dependencies.of(5)[0].data, 1) << "its own data";
  const auto figures = metrics(all);
  EXPECT_DOUBLE_EQ(figures.critical_path_s, 16);
  EXPECT_DOUBLE_EQ(figures.busy_compute_s, 6 + 8);
  EXPECT_DOUBLE_EQ(figures.busy_io_s, 2);
  for (const auto& worker : figures.workers)
    EXPECT_NEAR(worker.busy_s + worker.fetching_s + worker.overhead_s + worker.idle_s, 16, 1e-9);
}

TEST(Joined, OnlyOnTheSameWorkers) {
  auto second = test::chain();
  second.workers.pop_back();
  const runtime::Timeline both[] = {test::chain(), second};
  EXPECT_THROW(joined(both), std::invalid_argument);
  EXPECT_EQ(joined({}).tasks.size(), 0u);
}

}  // namespace
}  // namespace fringeflow::traces
