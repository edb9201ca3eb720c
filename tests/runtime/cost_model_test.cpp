// SPDX-License-Identifier: GPL-3.0-or-later
// The one cost model: analytic rates, records of this machine, a file that survives.
#include "runtime/cost_model.hpp"

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
    costs.learn({{CostModel::key(rated_codelet(), Device::cpu), {1e-5, 2e-5, 9e-1}}});
    EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cpu), 2e-2);
  }
  EXPECT_EQ(folder.count(), 1u) << "no temporary file stays";
  CostModel costs(file);
  EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cpu), 2e-2);
  EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cuda), 1e-5)
      << "other devices keep their own";
  costs.learn({{CostModel::key(rated_codelet(), Device::cpu), {4e-5, 4e-5, 4e-5}}});
  EXPECT_DOUBLE_EQ(CostModel(file).seconds(rated_codelet(), &nap, Device::cpu), 3e-2)
      << "equal weights of past and present";
  auto newer = rated_codelet();
  ++newer.version;
  EXPECT_DOUBLE_EQ(CostModel(file).seconds(newer, &nap, Device::cpu), 1e-3)
      << "another kernel: old records do not count";
}

TEST(CostModel, NeverInTheWay) {
  const TemporaryFolder folder;
  const Nap nap{1};
  for (const std::string text :
       {"", "{", "[]", "null", R"({"rated_v7_cpu": 5})", R"({"rated_v7_cpu": {"seconds_per_work": "x"}})",
        R"({"rated_v7_cpu": {"seconds_per_work": -1}})", R"({"rated_v7_cpu": {}})"}) {
    const auto file = folder.write("broken.json", text);
    EXPECT_NO_THROW({
      const CostModel costs(file);
      EXPECT_DOUBLE_EQ(costs.seconds(rated_codelet(), &nap, Device::cpu), 1e-3) << text;
    }) << text;
  }
  folder.write("file", "");
  CostModel unwritable(folder / "file/models.json");
  EXPECT_NO_THROW(unwritable.learn({{CostModel::key(rated_codelet(), Device::cpu), {2e-5}}}));
  EXPECT_DOUBLE_EQ(unwritable.seconds(rated_codelet(), &nap, Device::cpu), 2e-2)
      << "it still counts in this process";
}

TEST(CostModel, ARuntimeTeachesIt) {
  const TemporaryFolder folder;
  setenv("FRINGEFLOW_CACHE", (folder / "cache").c_str(), 1);
  const Nap nap{2};
  {
    Runtime runtime(workers(1, 1));
    EXPECT_DOUBLE_EQ(runtime.costs().seconds(rated_codelet(), &nap, Device::cpu), 2e-3);
    for (int i = 0; i < 5; ++i) runtime.submit(make_task(rated_codelet(), nap, {}));
    runtime.wait_all();
    for (const auto& task : runtime.timeline().tasks) EXPECT_DOUBLE_EQ(task.predicted_s, 2e-3);
    runtime.learn();
  }
  const auto file = CostModel::default_file();
  EXPECT_EQ(file.parent_path(), folder / "cache");
  ASSERT_TRUE(std::filesystem::exists(file));
  // A sleep of 2 ms takes at least that.
  EXPECT_GE(CostModel(file).seconds(rated_codelet(), &nap, Device::cpu), 2e-3);
}

}  // namespace
}  // namespace fringeflow::runtime::test
