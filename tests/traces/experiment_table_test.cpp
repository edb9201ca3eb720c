// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/experiment_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/traces/browser.hpp"

namespace fringeflow::traces {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<Objective> kTimeAndEnergy{{"time_s", false}, {"energy_j", false}};

// seed-systems.md 3.5: latency s, energy J of a KRIA KR260; the front is (6.54, 22.69), (6.53, 22.72), (6.50, 22.82), (6.46, 23.0).
TEST(Pareto, Kr260) {
  const std::vector<std::vector<double>> points{{6.54, 22.69}, {6.54, 24.46}, {6.54, 24.46}, {6.53, 22.72},
                                                {6.89, 24.74}, {6.48, 23.13}, {6.46, 23.0},  {6.77, 23.83},
                                                {6.54, 23.02}, {6.50, 22.82}};
  EXPECT_THAT(pareto_front(points, kTimeAndEnergy), ElementsAre(0, 3, 6, 9));
}

TEST(Pareto, EqualsStayAndUnknownsGo) {
  const double unknown = std::nan("");
  EXPECT_THAT(pareto_front({{1, 2}, {1, 2}, {1, 3}, {0, unknown}}, kTimeAndEnergy), ElementsAre(0, 1));
  EXPECT_THAT(pareto_front({{1, 5}, {2, 9}, {3, 4}}, {{"time_s", false}, {"throughput_vis_s", true}}),
              ElementsAre(0, 1));
  EXPECT_THAT(pareto_front({}, kTimeAndEnergy), ElementsAre());
}

nlohmann::json metrics(double time_s, double energy_j) {
  return {{"time_s", time_s},
          {"energy_j", energy_j},
          {"utilisation", 0.5},
          {"peak_memory_bytes", 1048576},
          {"sites", {{"Here", {{"carbon_g", energy_j / 10}, {"cost_per_job_usd", 1}}}}}};
}

class Table : public ::testing::Test {
 protected:
  Table() {
    for (const double t : {3., 1., 2.}) table_.add({0, static_cast<int>(t), "ok", "aa", metrics(t, 10)});
    table_.add({1, 0, "ok", "aa", metrics(1.5, 20)});
    table_.add({2, 0, "refused: no, really", "", {}});
    table_.add({3, 0, "ok", "bb", metrics(5, 50)});
  }
  ExperimentTable table_{{"runtime.scheduler", "image.size"},
                         {{"prio", "512"}, {"lws", "512"}, {"peager", "512"}, {"prio", "1024"}}};
};

TEST_F(Table, Csv) {
  const auto runs = table_.runs_csv();
  EXPECT_THAT(runs, HasSubstr("point,repeat,runtime.scheduler,image.size,status,pixels,time_s,"));
  EXPECT_THAT(runs, HasSubstr("\n0,1,prio,512,ok,aa,1,"));
  EXPECT_THAT(runs, HasSubstr("\n2,0,peager,512,\"refused: no, really\",,,"));
  EXPECT_THAT(runs, HasSubstr("/sites/Here/carbon_g"));
  const auto summary = table_.summary_csv({{"time_s", 0, 4}}, kTimeAndEnergy);
  EXPECT_THAT(summary, HasSubstr("\n0,prio,512,3,ok,1,1,1,2,"));  // three runs, median 2, spread (3 - 1) / 2
  EXPECT_THAT(summary, HasSubstr("\n1,lws,512,1,ok,1,1,0,1.5,"));
  EXPECT_THAT(summary, HasSubstr("\n2,peager,512,0,\"refused: no, really\",0,0,"));
  EXPECT_THAT(summary, HasSubstr("\n3,prio,1024,1,ok,0,0,0,5,")) << "breaks the constraint";
}

TEST_F(Table, Text) {
  const auto text = table_.text({}, kTimeAndEnergy);
  EXPECT_LT(text.find("lws"), text.find("prio ")) << "the fastest first";
  EXPECT_THAT(text, ContainsRegex("lws +512 +1.500 +0.0% +50.0% +20 +1 +\\*"));
  EXPECT_THAT(text, ContainsRegex("peager +512 +refused: no, really"));
}

TEST(Front, PerProblem) {
  ExperimentTable table({"size", "scheduler"}, {{"1", "a"}, {"1", "b"}, {"2", "a"}, {"2", "b"}}, {0});
  const double seconds[] = {1, 2, 10, 20};
  for (size_t p = 0; p < 4; ++p) table.add({p, 0, "ok", "", metrics(seconds[p], seconds[p])});
  const auto json = table.json({}, kTimeAndEnergy);
  EXPECT_EQ(json["points"][0]["front"], true);
  EXPECT_EQ(json["points"][1]["front"], false);
  EXPECT_EQ(json["points"][2]["front"], true) << "slower than the small problem, and not compared with it";
}

TEST_F(Table, Json) {
  const auto json = table_.json({{"time_s", 0, 4}}, kTimeAndEnergy);
  EXPECT_EQ(json["points"].size(), 4u);
  EXPECT_EQ(json["metrics"][0], "time_s");
  EXPECT_EQ(json["points"][0]["values"][0], nlohmann::json({2., 1., 3.})) << "median, least, most";
  EXPECT_EQ(json["points"][2]["runs"], 0);
  EXPECT_TRUE(json["points"][2]["values"][0][0].is_null());
  EXPECT_EQ(json["points"][3]["holds"], false);
  EXPECT_EQ(json["points"][1]["front"], true);
  EXPECT_EQ(json["constraints"][0]["most"], 4);
}

TEST_F(Table, ABrowserDrawsThePage) {
  const fringeflow::test::TemporaryFolder folder;
  folder.write("page.html",
               experiment_html("a <b>", table_.json({{"time_s", 0, 4}}, kTimeAndEnergy), "axes: {}\n"));
  const auto page = fringeflow::test::drawn(folder, "page.html");
  if (page.empty()) GTEST_SKIP() << "no Chromium here";
  EXPECT_THAT(page, HasSubstr("data-drawn=\"3\"")) << "the script did not come to its end";
  EXPECT_THAT(page, ContainsRegex("<tr class=\"front\"><td>lws</td><td>512</td><td>1</td><td>1.500</td>"));
  EXPECT_THAT(page, HasSubstr("<td>2.000 (100%)</td>")) << "median and spread";
  EXPECT_THAT(page, HasSubstr("refused: no, really"));
  EXPECT_THAT(page, ContainsRegex("<circle[^>]* fill=\"#1f5fbf\""));
  EXPECT_THAT(page.substr(page.find("<body")), ::testing::Not(HasSubstr("NaN")));
}

TEST_F(Table, PixelsMayDependOnTheAlgorithmOnly) {
  EXPECT_EQ(table_.differing_pixels(), "") << "another size is another image";
  table_.add({1, 1, "ok", "cc", metrics(1, 1)});
  EXPECT_THAT(table_.differing_pixels(), HasSubstr("points 0 and 1"));
}

TEST(MetricValue, KeysAndPointers) {
  const auto m = metrics(1, 20);
  EXPECT_EQ(metric_value(m, "time_s"), 1);
  EXPECT_EQ(metric_value(m, "/sites/Here/carbon_g"), 2);
  EXPECT_TRUE(std::isnan(metric_value(m, "sites")));
  EXPECT_TRUE(std::isnan(metric_value(m, "/sites/There/carbon_g")));
}

}  // namespace
}  // namespace fringeflow::traces
