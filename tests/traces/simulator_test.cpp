// SPDX-License-Identifier: GPL-3.0-or-later
// Graphs in simulated time, small enough to know when they must end.
#include "traces/simulator.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "graphs/recorder.hpp"
#include "traces/metrics.hpp"
#include "traces/simgrid.hpp"

namespace fringeflow::traces {
namespace {

using runtime::Access;
using runtime::DataId;
using runtime::Device;

constexpr auto R = Access::read, W = Access::write, RW = Access::read_write;
constexpr double kRounding = 1e-9;

double seconds_of(const void* arguments) { return *static_cast<const double*>(arguments); }
void nothing(const runtime::BodyContext&) {}
const runtime::CodeletDef kCompute{.name = "compute", .doc = "", .cpu = nothing, .work = seconds_of};
const runtime::CodeletDef kGpu{.name = "gpu", .doc = "", .cpu = nothing, .cuda = nothing, .work = seconds_of};
const runtime::CodeletDef kRead{
    .name = "read", .doc = "", .role = runtime::Role::io, .cpu = nothing, .work = seconds_of};

class Simulated : public ::testing::Test {
 protected:
  Simulated() {
    machine_.submit_s = 0;
    machine_.overhead_s = 0;
  }
  DataId data(int64_t bytes = 1000) { return recorder_.create({"data", bytes, 0}); }
  int64_t submit(double seconds, std::vector<std::pair<DataId, Access>> accesses = {},
                 const runtime::CodeletDef& codelet = kCompute, int priority = 0) {
    return recorder_.submit(runtime::make_task(codelet, seconds, std::move(accesses), {}, priority));
  }
  runtime::Timeline run() const {
    return simulate(recorder_.tasks(), recorder_.dependencies(), recorder_.data(), machine_,
                    [](const runtime::Task& task, Device device) {
                      return seconds_of(task.arguments.get()) / (device == Device::cuda ? 10 : 1);
                    });
  }
  graphs::Recorder recorder_;
  SimulatedMachine machine_;
};

TEST_F(Simulated, NothingToDo) { EXPECT_EQ(run().makespan_s, 0); }

TEST_F(Simulated, WorkersShareWhatIsIndependent) {
  for (int i = 0; i < 4; ++i) submit(1);
  EXPECT_NEAR(run().makespan_s, 4, kRounding);
  machine_.cpus = 2;
  EXPECT_NEAR(run().makespan_s, 2, kRounding);
  machine_.cpus = 8;
  EXPECT_NEAR(run().makespan_s, 1, kRounding);
}

TEST_F(Simulated, DataMakeAnOrder) {
  const auto x = data(), y = data();
  submit(1, {{x, W}});
  submit(2, {{x, R}, {y, W}});
  submit(3, {{x, R}});
  submit(4, {{x, RW}, {y, R}});
  machine_.cpus = 4;
  const auto timeline = run();
  EXPECT_NEAR(timeline.makespan_s, 1 + 3 + 4, kRounding);
  EXPECT_NEAR(metrics(timeline).critical_path_s, 8, kRounding);
  EXPECT_EQ(timeline.tasks.size(), 4u);
}

TEST_F(Simulated, PrioritiesGoFirstWhereThePolicyKnowsThem) {
  submit(1);
  submit(2, {}, kCompute, 1);
  submit(3, {}, kCompute, 5);
  auto order = [&] {
    std::vector<int64_t> ids;
    for (const auto& task : run().tasks) ids.push_back(task.id);
    return ids;
  };
  EXPECT_EQ(order(), (std::vector<int64_t>{2, 1, 0}));
  machine_.scheduler = "eager";
  EXPECT_EQ(order(), (std::vector<int64_t>{0, 1, 2}));
}

TEST_F(Simulated, TheSubmitterWaitsAndTakesTime) {
  recorder_.wait(submit(2));
  submit(1);
  machine_.cpus = 4;
  EXPECT_NEAR(run().makespan_s, 3, kRounding);
  machine_.submit_s = 0.25;
  machine_.overhead_s = 0.125;
  EXPECT_NEAR(run().makespan_s, 3.25, kRounding);
  machine_.cpus = 1;  // the overhead is over before the submitter is
  EXPECT_NEAR(run().makespan_s, 3.25, kRounding);
}

TEST_F(Simulated, ReadsShareTheDisk) {
  for (int i = 0; i < 4; ++i) submit(0.125, {{data(1000000000), W}}, kRead);
  EXPECT_NEAR(run().makespan_s, 0.25, kRounding) << "two I/O workers, no limit but their own time";
  machine_.read_bytes_s = 1e9;
  EXPECT_NEAR(run().makespan_s, 4, 1e-6) << "4 GB at 1 GB/s, whoever reads them";
  machine_.io_workers = 4;
  EXPECT_NEAR(run().makespan_s, 4, 1e-6);
  machine_.read_bytes_s = 1e12;
  EXPECT_NEAR(run().makespan_s, 0.125, 1e-6);
}

TEST_F(Simulated, ReadsShareTheDiskUnderStarPUToo) {
  if (simgrid_program().empty()) GTEST_SKIP() << "no StarPU with SimGrid was there to build with";
  const auto by_starpu = [&] {
    return simulate_with_simgrid(
        recorder_.tasks(), recorder_.dependencies(), recorder_.data(), machine_,
        [](const runtime::Task& task, Device) { return seconds_of(task.arguments.get()); });
  };
  for (int i = 0; i < 4; ++i) submit(0.125, {{data(1000000000), W}}, kRead);
  submit(3, {{data(1000000000), R}});
  constexpr double kStarPU = 0.01;  // its own overheads
  EXPECT_NEAR(by_starpu().makespan_s, 3, kStarPU) << "no limit but their own time";
  machine_.read_bytes_s = 1e9;
  EXPECT_NEAR(by_starpu().makespan_s, 4, kStarPU) << "4 GB at 1 GB/s, whoever reads them";
  machine_.io_workers = 4;
  const auto timeline = by_starpu();
  EXPECT_NEAR(timeline.makespan_s, 4, kStarPU);
  for (const auto& task : timeline.tasks) {
    const bool reads = task.codelet->role == runtime::Role::io;
    EXPECT_NEAR(task.end_s - task.start_s, reads ? 4 : 3, kStarPU)
        << "all at once, a quarter of the disk each";
  }
}

TEST_F(Simulated, ReadingIsHiddenUnderComputing) {
  for (int i = 0; i < 3; ++i) {
    const auto x = data();
    submit(1, {{x, W}}, kRead);
    submit(1, {{x, R}});
  }
  machine_.io_workers = 1;
  const auto timeline = run();
  EXPECT_NEAR(timeline.makespan_s, 4, kRounding);
  EXPECT_NEAR(metrics(timeline).hidden_io, 2. / 3, kRounding);
}

TEST_F(Simulated, GpusAndTheirLinks) {
  const auto x = data(1000000000);
  submit(1, {{x, W}});
  submit(10, {{x, R}}, kGpu);
  submit(10, {{x, R}}, kGpu);
  machine_.gpus = 1;
  machine_.link_bytes_s = 1e9;
  const auto timeline = run();
  // 1 s on the core, 1 s of transfer, which stays, and twice 1 s on the GPU.
  EXPECT_NEAR(timeline.makespan_s, 4, kRounding);
  EXPECT_NEAR(timeline.tasks[1].fetch_s, 1, kRounding);
  EXPECT_EQ(timeline.tasks[2].fetch_s, 0);
  EXPECT_EQ(timeline.tasks[2].device, Device::cuda);
  machine_.gpus = 0;
  EXPECT_NEAR(run().makespan_s, 21, kRounding);
}

TEST_F(Simulated, PoliciesDecideByWhatTheyAreTold) {
  submit(3);
  submit(1);
  submit(1);
  submit(1);
  machine_.cpus = 2;
  machine_.scheduler = "dmda";
  EXPECT_NEAR(run().makespan_s, 3, kRounding);
  const auto told = simulate(
      recorder_.tasks(), recorder_.dependencies(), recorder_.data(), machine_,
      [](const runtime::Task& task, Device) { return seconds_of(task.arguments.get()); },
      [](const runtime::Task&, Device) { return 1.0; });
  EXPECT_NEAR(told.makespan_s, 4, kRounding) << "two each, of lengths that it takes for equal";
  EXPECT_EQ(told.tasks[0].predicted_s, 1);
}

TEST_F(Simulated, LotsFollowTheSeed) {
  for (int i = 0; i < 40; ++i) submit(1 + i % 3);
  machine_.cpus = 4;
  machine_.scheduler = "random";
  EXPECT_TRUE(draws_lots("random") && draws_lots("modular-prandom-prio") && !draws_lots("lws"));
  std::set<double> makespans;
  for (machine_.seed = 1; machine_.seed <= 9; ++machine_.seed) makespans.insert(run().makespan_s);
  EXPECT_GT(makespans.size(), 3u);
}

TEST_F(Simulated, EveryPolicyRunsEverythingWithinTheBounds) {
  std::vector<DataId> all;
  for (int i = 0; i < 20; ++i) all.push_back(data());
  for (int i = 0; i < 400; ++i)
    submit(0.5 + (i * 37 % 11) * 0.1,
           {{all[static_cast<size_t>(i * 7 % 20)], RW}, {all[static_cast<size_t>(i * 13 % 20)], R}},
           i % 5 == 0 ? kRead : kCompute, i % 3);
  machine_.cpus = 3;
  std::set<std::string> kinds;
  for (const char* scheduler : {"auto", "prio", "eager", "lws", "ws", "random", "dm", "dmdas", "heteroprio",
                                "modular-heft", "modular-ws", "unheard-of"}) {
    machine_.scheduler = scheduler;
    kinds.insert(simulated_policy(scheduler));
    const auto timeline = run();
    const auto result = metrics(timeline);
    EXPECT_EQ(timeline.tasks.size(), 400u) << scheduler;
    EXPECT_GE(timeline.makespan_s, std::max(result.critical_path_s, result.area_bound_s) - kRounding)
        << scheduler;
    EXPECT_LE(timeline.makespan_s, result.busy_compute_s + result.busy_io_s + kRounding) << scheduler;
    EXPECT_EQ(run().makespan_s, timeline.makespan_s) << scheduler << ": the same again";
    for (const auto& task : timeline.tasks)
      for (const auto& before : timeline.dependencies.of(task.id)) {
        const auto other = std::find_if(timeline.tasks.begin(), timeline.tasks.end(),
                                        [&](const auto& t) { return t.id == before.task; });
        EXPECT_LE(other->end_s, task.start_s + kRounding) << scheduler;
      }
  }
  EXPECT_EQ(kinds.size(), 5u);
}

}  // namespace
}  // namespace fringeflow::traces
