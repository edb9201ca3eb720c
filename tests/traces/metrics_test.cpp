// SPDX-License-Identifier: GPL-3.0-or-later
// What timelines come to, on timelines simple enough for closed forms.
#include "traces/metrics.hpp"

#include <gtest/gtest.h>

namespace fringeflow::traces {
namespace {

using runtime::Device;
using runtime::Role;
using runtime::TaskRecord;
using runtime::Timeline;

const runtime::CodeletDef kCompute{.name = "grid", .doc = "", .flops_per_work = 8};
const runtime::CodeletDef kRead{.name = "read", .doc = "", .role = Role::io};

/// Two compute workers (0 and 1) and an I/O worker (2).
Timeline timeline(double makespan_s, std::initializer_list<std::tuple<int, double, double>> tasks) {
  Timeline result;
  result.workers = {{"CPU 0", Role::compute, Device::cpu},
                    {"CPU 1", Role::compute, Device::cpu},
                    {"CPU 2", Role::io, Device::cpu}};
  result.makespan_s = makespan_s;
  for (const auto& [worker, start, end] : tasks) {
    TaskRecord task;
    task.codelet = worker == 2 ? &kRead : &kCompute;
    task.worker = worker;
    task.start_s = start;
    task.end_s = end;
    task.bytes = 100;
    task.work = 10;
    task.id = static_cast<int64_t>(result.tasks.size());
    result.tasks.push_back(task);
  }
  return result;
}

// Sums of a few numbers that doubles hold to 1e-16 of themselves.
constexpr double kRounding = 1e-12;

TEST(Metrics, NothingRan) {
  const auto result = metrics(timeline(0, {}));
  EXPECT_EQ(result.makespan_s, 0);
  EXPECT_EQ(result.busy_compute_s, 0);
  EXPECT_EQ(result.utilisation, 0);
  EXPECT_EQ(result.hidden_io, 1) << "no reading is in the way";
}

TEST(Metrics, BothWorkersAlwaysBusy) {
  const auto result = metrics(timeline(4, {{0, 0, 4}, {1, 0, 1}, {1, 1, 4}}));
  EXPECT_NEAR(result.busy_compute_s, 8, kRounding);
  EXPECT_NEAR(result.area_bound_s, 4, kRounding);
  EXPECT_NEAR(result.utilisation, 1, kRounding);
  EXPECT_NEAR(result.serial_share, 0, kRounding);
}

TEST(Metrics, OneWorkerAlone) {
  // 3 s together, then 1 s alone: 7 of 8 worker seconds, a quarter of the time serial.
  const auto result = metrics(timeline(4, {{0, 0, 4}, {1, 0, 3}}));
  EXPECT_NEAR(result.utilisation, 7. / 8, kRounding);
  EXPECT_NEAR(result.serial_share, 1. / 4, kRounding);
  EXPECT_NEAR(metrics(timeline(4, {{0, 0, 4}})).serial_share, 1, kRounding);
}

TEST(Metrics, ReadingUnderComputing) {
  // Reading from 0 to 2, computing from 1 to 5: half of the reading is hidden.
  EXPECT_NEAR(metrics(timeline(5, {{2, 0, 2}, {0, 1, 5}})).hidden_io, 0.5, kRounding);
  // Nothing else runs.
  EXPECT_NEAR(metrics(timeline(2, {{2, 0, 2}})).hidden_io, 0, kRounding);
  // All of it; another worker takes over in the middle.
  EXPECT_NEAR(metrics(timeline(3, {{2, 1, 2}, {0, 0, 1.5}, {1, 1.5, 3}})).hidden_io, 1, kRounding);
  // Two reads at a time count once: from 0 to 3, hidden from 0 to 1.
  EXPECT_NEAR(metrics(timeline(3, {{2, 0, 2}, {2, 1, 3}, {0, 0, 1}})).hidden_io, 1. / 3, kRounding);
  // Reading counts nowhere as computing.
  const auto result = metrics(timeline(2, {{2, 0, 2}, {0, 0, 1}}));
  EXPECT_NEAR(result.busy_io_s, 2, kRounding);
  EXPECT_NEAR(result.busy_compute_s, 1, kRounding);
  EXPECT_NEAR(result.utilisation, 1. / 4, kRounding);
}

TEST(Metrics, TransfersUnderComputing) {
  auto run = timeline(5, {{0, 0, 2}, {1, 3, 5}});
  EXPECT_EQ(metrics(run).hidden_transfers, 1) << "there are none";
  EXPECT_EQ(metrics(run).transfers_s, 0);
  run.workers[1].device = run.tasks[1].device = Device::cuda;
  run.tasks[1].fetch_s = 2;  // from 1 to 3; the other worker computes until 2
  EXPECT_NEAR(metrics(run).transfers_s, 2, kRounding);
  EXPECT_NEAR(metrics(run).hidden_transfers, 0.5, kRounding);
  EXPECT_NEAR(metrics(run).serial_share, 1, kRounding) << "a transfer is no work";
}

TEST(Metrics, TasksOfNoLength) {
  const auto result = metrics(timeline(1, {{0, 0, 0}, {0, 0, 1}, {1, 0.5, 0.5}, {2, 0.5, 0.5}}));
  EXPECT_NEAR(result.serial_share, 1, kRounding);
  EXPECT_EQ(result.hidden_io, 1);
}

TEST(Metrics, PerCodelet) {
  Timeline many = timeline(100, {{2, 0, 7}});
  for (int i = 0; i < 20; ++i) {
    auto task = timeline(1, {{0, 0, 1. + i}}).tasks[0];
    many.tasks.push_back(task);
  }
  const auto json = per_codelet(many, metrics(many));
  EXPECT_EQ(json.size(), 2u);
  EXPECT_EQ(json["grid"]["count"], 20);
  EXPECT_NEAR(json["grid"]["total_s"].get<double>(), 210, kRounding);
  EXPECT_NEAR(json["grid"]["median_s"].get<double>(), 11, kRounding);
  EXPECT_NEAR(json["grid"]["p95_s"].get<double>(), 20, kRounding);
  EXPECT_EQ(json["grid"]["bytes"], 2000);
  EXPECT_EQ(json["read"]["count"], 1);
  EXPECT_TRUE(per_codelet(timeline(0, {}), {}).is_object());
}

/// As timeline(), and task i waits for the tasks of the i-th list.
Timeline chained(double makespan_s, std::initializer_list<std::tuple<int, double, double>> tasks,
                 std::initializer_list<std::vector<int64_t>> before) {
  Timeline result = timeline(makespan_s, tasks);
  for (const auto& one : before) {
    std::vector<runtime::Dependency> list;
    for (const int64_t task : one) list.push_back({task, 0});
    result.dependencies.append(list);
  }
  return result;
}

TEST(Metrics, CriticalPath) {
  // 0 (2 s) -> 2 (3 s) -> 3 (1 s); 1 (4 s) -> 3. The path is 0, 2, 3 with 6 s, though 1 is the longest task.
  const auto run = chained(8, {{0, 0, 2}, {1, 0, 4}, {0, 3, 6}, {1, 6.5, 7.5}}, {{}, {}, {0}, {1, 2}});
  const auto result = metrics(run);
  EXPECT_NEAR(result.critical_path_s, 6, kRounding);
  EXPECT_EQ(result.critical_path, (std::vector<int64_t>{0, 2, 3}));
  EXPECT_NEAR(result.area_bound_s, 5, kRounding);
  EXPECT_NEAR(result.efficiency(), 6. / 8, kRounding);
  EXPECT_NEAR(per_codelet(run, result)["grid"]["critical_path_s"].get<double>(), 6, kRounding);
  // A task that has not run (a failed run) takes no time.
  auto failed = run;
  failed.tasks.erase(failed.tasks.begin());
  EXPECT_NEAR(metrics(failed).critical_path_s, 5, kRounding);  // 1, 3
}

TEST(Metrics, WhereAWorkersTimeWent) {
  auto run = timeline(10, {{0, 1, 3}, {1, 2, 6}, {0, 4, 9}});
  run.begin_s = 0.5;
  run.tasks[0].fetch_s = 0.25;
  run.tasks[0].overhead_s = 0.125;
  run.tasks[2].fetch_s = 0.5;
  run.tasks[1].overhead_s = 100;  // more than there is until the end: cut
  const auto result = metrics(run);
  ASSERT_EQ(result.workers.size(), 3u);
  EXPECT_NEAR(result.workers[0].busy_s, 7, kRounding);
  EXPECT_NEAR(result.workers[0].fetching_s, 0.75, kRounding);
  EXPECT_NEAR(result.workers[0].overhead_s, 0.125, kRounding);
  EXPECT_NEAR(result.workers[1].overhead_s, 4.5, kRounding);
  for (const auto& worker : result.workers)
    EXPECT_NEAR(worker.busy_s + worker.fetching_s + worker.overhead_s + worker.idle_s, 10, kRounding);
  EXPECT_NEAR(result.load_imbalance, 7 / 5.5, kRounding);
  EXPECT_NEAR(result.overhead_share, (0.75 + 0.125 + 4.5) / 30, kRounding);
}

TEST(Metrics, ErrorOfTheModel) {
  auto run = timeline(4, {{0, 0, 1}, {1, 0, 3}});
  run.tasks[0].predicted_s = 2;
  run.tasks[1].predicted_s = 2;
  EXPECT_NEAR(metrics(run).model_error, 2. / 4, kRounding);
}

}  // namespace
}  // namespace fringeflow::traces
