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
  const auto json = per_codelet(many);
  EXPECT_EQ(json.size(), 2u);
  EXPECT_EQ(json["grid"]["count"], 20);
  EXPECT_NEAR(json["grid"]["total_s"].get<double>(), 210, kRounding);
  EXPECT_NEAR(json["grid"]["median_s"].get<double>(), 11, kRounding);
  EXPECT_NEAR(json["grid"]["p95_s"].get<double>(), 20, kRounding);
  EXPECT_EQ(json["grid"]["bytes"], 2000);
  EXPECT_EQ(json["read"]["count"], 1);
  EXPECT_TRUE(per_codelet(timeline(0, {})).is_object());
}

TEST(Metrics, TraceThatPerfettoOpens) {
  auto run = timeline(3, {{0, 0.5, 1.25}, {2, 0, 2}});
  run.tasks[0].tag = {.chunk = 4, .facet = 1, .cycle = 2, .slab = 3};
  const auto json = nlohmann::json::parse(perfetto_json(run));
  const auto& events = json.at("traceEvents");
  ASSERT_EQ(events.size(), 5u);  // a name for each of three workers, and two tasks
  EXPECT_EQ(events[2]["ph"], "M");
  EXPECT_EQ(events[2]["args"]["name"], "CPU 2 (I/O)");
  const auto& task = events[3];
  EXPECT_EQ(task["ph"], "X");
  EXPECT_EQ(task["name"], "grid chunk 4 facet 1");
  EXPECT_EQ(task["tid"], 0);
  EXPECT_NEAR(task["ts"].get<double>(), 0.5e6, 1e-3);
  EXPECT_NEAR(task["dur"].get<double>(), 0.75e6, 1e-3);
  EXPECT_EQ(task["args"]["cycle"], 2);
  EXPECT_EQ(task["args"]["slab"], 3);
  EXPECT_EQ(task["args"]["bytes"], 100);
  EXPECT_EQ(task["args"]["flops"], 80);
  EXPECT_FALSE(events[4]["args"].contains("chunk")) << "it does not apply";
  EXPECT_EQ(nlohmann::json::parse(perfetto_json(timeline(0, {})))["traceEvents"].size(), 3u);
}

}  // namespace
}  // namespace fringeflow::traces
