// SPDX-License-Identifier: GPL-3.0-or-later
// The graph that a recorder sees is the one that StarPU's sequential consistency makes.
#include "graphs/recorder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::graphs {
namespace {

using runtime::Access;
using runtime::DataId;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto R = Access::read, W = Access::write, RW = Access::read_write;

double seconds_of(const void* arguments) { return *static_cast<const double*>(arguments); }
const runtime::CodeletDef kCompute{.name = "compute",
                                   .doc = "",
                                   .colour = 0x12ab,
                                   .work = seconds_of,
                                   .cpu_work_per_s = 1,
                                   .flops_per_work = 10};
const runtime::CodeletDef kRead{
    .name = "read", .doc = "", .role = runtime::Role::io, .work = seconds_of, .cpu_work_per_s = 1};

class RecorderTest : public ::testing::Test {
 protected:
  DataId data(int64_t bytes = 1000000) { return recorder_.create({"data", bytes, 0}); }
  int64_t submit(std::vector<std::pair<DataId, Access>> data, double seconds = 1,
                 const runtime::CodeletDef& codelet = kCompute, runtime::Tag tag = {}) {
    return recorder_.submit(runtime::make_task(codelet, seconds, std::move(data), tag));
  }
  std::vector<int64_t> before(int64_t task) const {
    std::vector<int64_t> result;
    for (const auto& one : recorder_.dependencies().of(task)) result.push_back(one.task);
    return result;
  }

  fringeflow::test::TemporaryFolder folder_;
  runtime::CostModel costs_{folder_ / "none.json"};  // seconds are the tasks' arguments
  Recorder recorder_;
};

TEST_F(RecorderTest, ReadersWaitForTheWriter) {
  const auto x = data();
  submit({{x, W}});
  submit({{x, R}});
  submit({{x, R}});
  EXPECT_THAT(before(0), IsEmpty());
  EXPECT_THAT(before(1), ElementsAre(0));
  EXPECT_THAT(before(2), ElementsAre(0)) << "not for each other";
}

TEST_F(RecorderTest, WritersWaitForReadersAndWriters) {
  const auto x = data();
  submit({{x, W}});
  submit({{x, R}});
  submit({{x, R}});
  submit({{x, W}});
  submit({{x, RW}});
  submit({{x, R}});
  EXPECT_THAT(before(3), ElementsAre(0, 1, 2));
  EXPECT_THAT(before(4), ElementsAre(3)) << "the readers were before the writer before";
  EXPECT_THAT(before(5), ElementsAre(4));
}

TEST_F(RecorderTest, OfAllItsDataAndWithoutRepeats) {
  const auto x = data(), y = data(), z = data();
  submit({{x, W}, {y, W}});
  submit({{z, R}});  // never written: free
  submit({{x, R}, {y, R}, {z, RW}});
  submit({{x, R}, {x, RW}});  // the same data twice is no wait for itself
  EXPECT_THAT(before(1), IsEmpty());
  EXPECT_THAT(before(2), ElementsAre(0, 1));
  EXPECT_THAT(before(3), ElementsAre(0, 2));
}

TEST_F(RecorderTest, ARingThrottles) {
  const DataId slots[] = {data(), data()};
  for (int chunk = 0; chunk < 4; ++chunk) {
    submit({{slots[chunk % 2], W}}, 1, kRead);
    submit({{slots[chunk % 2], R}});
  }
  EXPECT_THAT(before(2), IsEmpty());          // the second slot is free
  EXPECT_THAT(before(4), ElementsAre(0, 1));  // the first must have been used
  EXPECT_THAT(before(6), ElementsAre(2, 3));
}

TEST_F(RecorderTest, WhatTheSubmitterWaitedFor) {
  const auto x = data(), y = data();
  submit({{x, W}});
  const auto first = submit({{x, R}});
  recorder_.wait(first);
  submit({{y, W}});
  const auto second = submit({{y, R}});
  recorder_.wait(second);
  submit({});
  EXPECT_THAT(before(2), ElementsAre(1)) << "no data in common";
  EXPECT_THAT(before(3), ElementsAre(1, 2));
  EXPECT_THAT(before(4), ElementsAre(3)) << "which waited for the first";
  EXPECT_EQ(recorder_.dependencies().of(2)[0].data, -1);
  EXPECT_EQ(recorder_.dependencies().of(3)[1].data, y);
  // Two tasks submitted together and waited for one after the other.
  const auto third = submit({}), fourth = submit({});
  recorder_.wait(third);
  recorder_.wait(fourth);
  submit({});
  EXPECT_THAT(before(7), ElementsAre(third, fourth));
}

TEST_F(RecorderTest, RunsNothing) {
  const auto ticket = submit({});
  EXPECT_FALSE(recorder_.wait(ticket));
  EXPECT_FALSE(recorder_.failed());
}

TEST_F(RecorderTest, Totals) {
  const auto x = data(), y = data();
  submit({{x, W}}, 3, kRead);
  submit({{x, R}}, 5);
  submit({{y, W}}, 7);
  submit({{x, RW}, {y, R}}, 11);
  const auto sum = totals(recorder_, costs_);
  // Sums of whole numbers are exact.
  EXPECT_EQ(sum.io_s, 3);
  EXPECT_EQ(sum.compute_s, 23);
  EXPECT_EQ(sum.critical_path_s, 19);  // 3, 5, 11: longer than 7, 11
  ASSERT_EQ(sum.codelets.size(), 2u);
  EXPECT_EQ(sum.codelets[0].codelet, &kRead);
  EXPECT_EQ(sum.codelets[1].count, 3);
  EXPECT_EQ(sum.codelets[1].seconds, 23);
  EXPECT_EQ(sum.codelets[1].work, 23);
}

TEST_F(RecorderTest, DumpsTheGraph) {
  const auto x = data();
  submit({{x, W}}, 2, kRead, {.chunk = 0});
  submit({{x, R}}, 3, kCompute, {.chunk = 0, .facet = 2});
  const auto json = nlohmann::json::parse(dump(recorder_, costs_, "json"));
  ASSERT_EQ(json["nodes"].size(), 2u);
  EXPECT_EQ(json["nodes"][0]["label"], "read chunk 0");
  EXPECT_EQ(json["nodes"][1]["label"], "compute chunk 0 facet 2");
  EXPECT_EQ(json["nodes"][1]["bytes"], 1000000);
  EXPECT_EQ(json["nodes"][1]["flops"], 30);
  EXPECT_EQ(json["nodes"][1]["seconds"], 3);
  EXPECT_EQ(json["edges"], nlohmann::json::parse("[[0, 1]]"));
  const auto dot = dump(recorder_, costs_, "dot");
  EXPECT_THAT(dot, HasSubstr("n0 [label=\"read chunk 0\\n1.0 MB, 2 s\""));
  EXPECT_THAT(dot, HasSubstr("fillcolor=\"#0012ab\""));
  EXPECT_THAT(dot, HasSubstr("n0 -> n1;"));
  EXPECT_EQ(std::count(dot.begin(), dot.end(), '{'), std::count(dot.begin(), dot.end(), '}'));
  const auto mermaid = dump(recorder_, costs_, "mermaid");
  EXPECT_THAT(mermaid, ::testing::StartsWith("flowchart LR\n"));
  EXPECT_THAT(mermaid, HasSubstr("n1[\"compute chunk 0 facet 2<br/>1.0 MB, 3 s\"]"));
  EXPECT_THAT(mermaid, HasSubstr("n0 --> n1"));
  EXPECT_THAT(fringeflow::test::message_of<UserError>([&] { dump(recorder_, costs_, "png"); }),
              HasSubstr("png"));
}

TEST_F(RecorderTest, CondensesLargeGraphs) {
  const auto x = data();
  for (int chunk = 0; chunk < 100; ++chunk) {
    submit({{x, W}}, 2, kRead, {.chunk = chunk});
    submit({{x, R}}, 3, kCompute, {.chunk = chunk, .cycle = chunk % 2});
  }
  const auto json = nlohmann::json::parse(dump(recorder_, costs_, "json", 150));
  ASSERT_EQ(json["nodes"].size(), 3u);  // read, compute, compute of cycle 1
  EXPECT_EQ(json["nodes"][0]["label"], "read");
  EXPECT_EQ(json["nodes"][0]["tasks"], 100);
  EXPECT_EQ(json["nodes"][2]["tasks"], 50);
  EXPECT_EQ(json["nodes"][2]["seconds"], 150);
  EXPECT_EQ(nlohmann::json::parse(dump(recorder_, costs_, "json", 200))["nodes"].size(), 200u);
}

TEST_F(RecorderTest, GraphsWithoutTasksOrEdges) {
  for (int tasks = 0; tasks < 2; ++tasks) {
    const auto json = nlohmann::json::parse(dump(recorder_, costs_, "json"));
    EXPECT_TRUE(json["nodes"].is_array()) << tasks;
    EXPECT_TRUE(json["edges"].is_array()) << tasks;
    EXPECT_THAT(dump(recorder_, costs_, "dot"), HasSubstr("digraph"));
    submit({});
  }
}

}  // namespace
}  // namespace fringeflow::graphs
