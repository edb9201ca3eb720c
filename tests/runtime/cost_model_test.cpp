// SPDX-License-Identifier: GPL-3.0-or-later
// The one cost model: analytic rates, records of this machine, a file that survives.
#include "runtime/cost_model.hpp"

#include <time.h>

#include <chrono>
#include <thread>

#include "tests/runtime/runtime_fixture.hpp"

namespace fringeflow::runtime::test {
namespace {

using ::fringeflow::test::TemporaryFolder;

const CodeletDef& rated_codelet() {
  static const CodeletDef def{
      .name = "rated",
      .version = 7,
      .doc = "",
      .cpu = nap,
      .work = [](const void* arguments) { return 1000.0 * static_cast<const Nap*>(arguments)->milliseconds; },
      .cpu_work_per_s = 1e6,
      .cuda_work_per_s = 1e8};
  return def;
}

TEST(CostModel, AnalyticRatesWithoutRecords) {
  const TemporaryFolder folder;
  const CostModel costs(folder / "none.json");
  const Nap nap{5};
  EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cpu), 5e-3);
  EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cuda), 5e-5);
  const Nap nothing{0};
  EXPECT_GT(costs.seconds(rated_codelet(), &nothing, Device::cpu), 0)
      << "schedulers and simulation need more than zero";
  EXPECT_GT(costs.seconds(affine_codelet(), nullptr, Device::cpu), 0);
}

TEST(CostModel, LearnsTheMedianAndKeepsIt) {
  const TemporaryFolder folder;
  const auto file = folder / "models.json";
  const Nap nap{1};
  {
    CostModel costs(file);
    costs.learn({{CostModel::key(rated_codelet(), Device::cpu), {{1000, 1e-2}, {1000, 2e-2}, {1000, 900}}}});
    EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cpu), 2e-2);
  }
  EXPECT_EQ(folder.count(), 1u) << "no temporary file stays";
  CostModel costs(file);
  EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cpu), 2e-2);
  EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cuda), 1e-5)
      << "other devices keep their own";
  costs.learn({{CostModel::key(rated_codelet(), Device::cpu), {{1000, 4e-2}, {1000, 4e-2}, {1000, 4e-2}}}});
  EXPECT_DOUBLE_EQ(CostModel(file).seconds(rated_codelet(), &nap, Device::cpu), 3e-2)
      << "equal weights of past and present";
  auto newer = rated_codelet();
  ++newer.version;
  EXPECT_DOUBLE_EQ(CostModel(file).seconds(newer, &nap, Device::cpu), 1e-3)
      << "another kernel: old records do not count";
}

TEST(CostModel, SizesHaveTheirOwnRates) {
  const TemporaryFolder folder;
  CostModel costs(folder / "models.json");
  const auto key = CostModel::key(rated_codelet(), Device::cpu);
  auto seconds = [&](double work) { return costs.seconds_for(rated_codelet(), work, Device::cpu); };
  // Small tasks are all overhead: 1e-3 s for 4, 1 s for 4096.
  costs.learn({{key, {{4, 1e-3}, {4096, 1}}}});
  EXPECT_DOUBLE_EQ(seconds(4), 1e-3);
  EXPECT_DOUBLE_EQ(seconds(4096), 1);
  EXPECT_DOUBLE_EQ(seconds(2), 0.5e-3) << "below: the nearest";
  EXPECT_DOUBLE_EQ(seconds(16384), 4) << "above: the nearest";
  EXPECT_NEAR(seconds(128), 128 * std::sqrt(1e-3 / 4 * 1 / 4096), 1e-12) << "half way in log2";
  costs.learn({{key, {{0, 5}, {8, 0}}}});  // no work, or no time: nothing to learn
  EXPECT_EQ(costs.records().at(key).size(), 2u);
}

TEST(CostModel, OneRunsTasksArePreferredByTheirMean) {
  const TemporaryFolder folder;
  const auto key = CostModel::key(rated_codelet(), Device::cpu);
  CostModel costs(folder / "models.json");
  costs.learn({{key, {{1000, 1}, {100000, 2}}}});
  costs.prefer({{key, {{1000, 1}, {1000, 1}, {1000, 7}}}});
  EXPECT_DOUBLE_EQ(costs.seconds_for(rated_codelet(), 1000, Device::cpu), 3);
  EXPECT_DOUBLE_EQ(costs.seconds_for(rated_codelet(), 100000, Device::cpu), 2);
  EXPECT_DOUBLE_EQ(CostModel(folder / "models.json").seconds_for(rated_codelet(), 1000, Device::cpu), 1)
      << "not for others";
}

TEST(CostModel, RecordsMove) {
  const TemporaryFolder folder;
  const auto key = CostModel::key(rated_codelet(), Device::cpu);
  CostModel there(folder / "there.json"), here(folder / "here.json");
  there.learn({{key, {{1000, 3}}}});
  here.learn({{key, {{1000, 1}, {9000, 1}}}, {"other_v1_cpu", {{1, 1}}}});
  here.import(CostModel::from_text(CostModel::to_text(there.records())));
  const CostModel again(folder / "here.json");
  EXPECT_EQ(again.records().at(key).size(), 1u);
  EXPECT_DOUBLE_EQ(again.seconds_for(rated_codelet(), 1000, Device::cpu), 3);
  EXPECT_TRUE(again.records().contains("other_v1_cpu"));
  EXPECT_TRUE(again.recorded(rated_codelet(), Device::cpu));
  EXPECT_FALSE(again.recorded(rated_codelet(), Device::cuda));
}

TEST(CostModel, MeasuredSizes) {
  const TemporaryFolder folder;
  const auto key = CostModel::key(rated_codelet(), Device::cpu);
  CostModel costs(folder / "none.json");
  EXPECT_FALSE(costs.measured(key, 1000));
  costs.prefer(CostModel::of_samples({{key, {{1000, 3}, {1020, 1}, {1010, 9}, {0, 1}}}}));
  EXPECT_EQ(costs.records().at(key).at(9).samples, 3);
  EXPECT_DOUBLE_EQ(costs.records().at(key).at(9).seconds_per_work, 3. / 1000) << "the median";
  EXPECT_TRUE(costs.measured(key, 1900)) << "about twice as much";
  EXPECT_TRUE(costs.measured(key, 300));
  EXPECT_FALSE(costs.measured(key, 5000));
  EXPECT_FALSE(costs.measured(key, 200));
}

TEST(CostModel, NeverInTheWay) {
  const TemporaryFolder folder;
  const Nap nap{1};
  for (const std::string text :
       {"", "{", "[]", "null", R"({"rated_v7_cpu": 5})", R"({"rated_v7_cpu": {"seconds_per_work": 1}})",
        R"({"rated_v7_cpu": {"sizes": 1}})",
        R"({"rated_v7_cpu": {"sizes": {"9": {"seconds_per_work": -1}}}})",
        R"({"rated_v7_cpu": {"sizes": {"x": {"seconds_per_work": 1}}}})", R"({"rated_v7_cpu": {}})"}) {
    const auto file = folder.write("broken.json", text);
    EXPECT_NO_THROW({
      const CostModel costs(file);
      EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cpu), 1e-3) << text;
    }) << text;
  }
  folder.write("file", "");
  CostModel unwritable(folder / "file/models.json");
  EXPECT_NO_THROW(unwritable.learn({{CostModel::key(rated_codelet(), Device::cpu), {{1000, 2e-2}}}}));
  EXPECT_DOUBLE_EQ(unwritable.seconds(rated_codelet(), &nap, Device::cpu), 2e-2)
      << "it still counts in this process";
}

/// On a core for as long as it says, and ten times as long kept from it, as on a machine that others use too.
void interrupted(const BodyContext& context) {
  const auto on_core_s = [] {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  const int milliseconds = context.arguments<Nap>().milliseconds;
  std::this_thread::sleep_for(std::chrono::milliseconds(10 * milliseconds));
  const double until = on_core_s() + 1e-3 * milliseconds;
  while (on_core_s() < until) {
  }
}

TEST(CostModel, ARuntimeTeachesIt) {
  const TemporaryFolder folder;
  setenv("FRINGEFLOW_CACHE", (folder / "cache").c_str(), 1);
  const Nap nap{2};
  CodeletDef codelet = rated_codelet();
  codelet.cpu = interrupted;
  {
    Runtime runtime(workers(1, 1));
    EXPECT_DOUBLE_EQ(runtime.costs().seconds(codelet, &nap, Device::cpu), 2e-3);
    for (int i = 0; i < 5; ++i) runtime.submit(make_task(codelet, nap, {}));
    runtime.wait_all();
    for (const auto& task : runtime.timeline().tasks) EXPECT_DOUBLE_EQ(task.predicted_s, 2e-3);
    runtime.learn();
  }
  const auto file = CostModel::default_file();
  EXPECT_EQ(file.parent_path(), folder / "cache");
  ASSERT_TRUE(std::filesystem::exists(file));
  EXPECT_GE(CostModel(file).seconds(codelet, &nap, Device::cpu), 2e-3);
  EXPECT_LT(CostModel(file).seconds(codelet, &nap, Device::cpu), 5e-3) << "others' time is not the task's";
}

}  // namespace
}  // namespace fringeflow::runtime::test
