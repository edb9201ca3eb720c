// SPDX-License-Identifier: GPL-3.0-or-later
// Reports of runs: text, the page that stands alone (drawn by a browser where there is one), and comparisons.
#include "traces/report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "io/error.hpp"
#include "tests/traces/browser.hpp"
#include "tests/traces/run_fixture.hpp"

namespace fringeflow::traces {
namespace {

using fringeflow::test::message_of;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Report : public ::testing::Test {
 protected:
  fringeflow::test::TemporaryFolder folder_;
};

TEST_F(Report, Text) {
  test::write_run(folder_, "field", test::chain());
  const StoredRun run(folder_ / "field-run/");
  EXPECT_EQ(run.name(), "field");
  const auto text = report_text(run);
  EXPECT_THAT(text,
              HasSubstr("makespan              7.00 s; critical path 7.00 s, area bound 3.00 s: 100.0 %"));
  EXPECT_THAT(text, HasSubstr("7 J, modelled"));
  EXPECT_THAT(text, ContainsRegex("grid +3 +6.000 +2000.000"));
  EXPECT_THAT(text, ContainsRegex("CPU 2 \\(I/O\\) +1.000"));
  EXPECT_LT(text.find("\ngrid"), text.find("\nread")) << "the longest first";
}

TEST_F(Report, ByThePrefixToo) {
  test::write_run(folder_, "field", test::chain());
  EXPECT_EQ(StoredRun(folder_ / "field").name(), "field");
}

TEST_F(Report, WhatIsMissingIsNamed) {
  EXPECT_THAT(message_of<UserError>([&] { StoredRun(folder_ / "none"); }),
              HasSubstr("none: no run directory"));
  test::write_run(folder_, "field", test::chain());
  std::filesystem::remove(folder_ / "field-run/timeline.json");
  EXPECT_THAT(message_of<UserError>([&] { report_html(StoredRun(folder_ / "field")); }),
              HasSubstr("timeline.json"));
  folder_.write("field-run/metrics.json", "{}");
  EXPECT_THAT(message_of<UserError>([&] { StoredRun(folder_ / "field"); }), HasSubstr("metrics.json"));
  std::filesystem::remove(folder_ / "field-run/metrics.json");
  EXPECT_THAT(message_of<UserError>([&] { StoredRun(folder_ / "field"); }), HasSubstr("did not end well"));
}

TEST_F(Report, PageStandsAlone) {
  test::write_run(folder_, "field", test::chain(), "name: </script><b>&\n");
  folder_.write("field-image.png", std::string("\x89PNG\0\xff", 6));
  folder_.write("fieldset-image.png", "another run's");
  const auto page = report_html(StoredRun(folder_ / "field"));
  EXPECT_FALSE(std::regex_search(page, std::regex("(src|href)\\s*=\\s*[\"']?https?:")));
  EXPECT_THAT(page, Not(HasSubstr("{{")));
  EXPECT_THAT(page, HasSubstr("Michael Bostock"));
  const std::string start = "<script id=\"data\" type=\"application/json\">";
  const size_t from = page.find(start) + start.size();
  const auto data = nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
  EXPECT_EQ(data["workflow"], "name: </script><b>&\n");
  ASSERT_EQ(data["images"].size(), 1u);
  EXPECT_EQ(data["images"][0]["url"], "data:image/png;base64,iVBORwD/");
  ASSERT_EQ(data["tasks"].size(), 4u);
  EXPECT_EQ(data["tasks"][1], nlohmann::json::parse("[0, 1.0, 3.0, 1, 1, 1, -1, -1, 1]"));
  EXPECT_EQ(data["left_out"], 0);
}

TEST_F(Report, ABrowserDrawsThePage) {
  auto run = test::chain(30);
  test::write_run(folder_, "field", run);
  folder_.write("page.html", report_html(StoredRun(folder_ / "field")));
  const auto page = fringeflow::test::drawn(folder_, "page.html");
  if (page.empty()) GTEST_SKIP() << "no Chromium here";
  EXPECT_THAT(page, HasSubstr("data-drawn=\"31\"")) << "the script did not come to its end";
  EXPECT_THAT(page, HasSubstr("<canvas"));
  EXPECT_THAT(page, HasSubstr("data in main memory, at most "));
  EXPECT_THAT(page, ContainsRegex("<th>total s</th>"));
  EXPECT_THAT(page, ContainsRegex("<td>grid</td><td>30</td><td>60</td>"));
  EXPECT_THAT(page.substr(page.find("<body")), Not(HasSubstr("NaN")));
}

TEST_F(Report, MemoryOfTheProcessAndOfTheNodes) {
  test::write_run(folder_, "field", test::chain());
  const StoredRun run(folder_ / "field");
  ASSERT_EQ(run.timeline().timeline().nodes.size(), 1u);
  EXPECT_EQ(run.timeline().timeline().nodes[0].name, "data in main memory");
  EXPECT_EQ(run.timeline().timeline().nodes[0].samples.at(1).bytes, 1500);
  const auto page = report_html(run);
  EXPECT_THAT(
      page,
      HasSubstr(R"("nodes":[{"name":"data in main memory","samples":[[0.0,0],[1.0,1500],[2.0,1200]]}])"));
  const auto over_time = memory_over_time(test::chain(), 2);
  ASSERT_EQ(over_time.size(), 2u);
  EXPECT_EQ(over_time[0]["name"], "process");
  EXPECT_EQ(over_time[1]["peak_bytes"], 1500);
  EXPECT_EQ(over_time[1]["over_time"], nlohmann::json::parse("[[1.0, 1500], [2.0, 1200]]"));
}

TEST_F(Report, ATraceThatIsThinnedSaysSoEverywhere) {
  auto all = test::chain(30);
  for (auto& task : all.tasks)
    task.end_s -= 1e-3 * static_cast<double>(task.id);  // no two alike: equals go together
  test::write_run(folder_, "field", all);
  EXPECT_THAT(report_text(StoredRun(folder_ / "field")), Not(HasSubstr("thinned")));
  folder_.write("field-run/timeline.json", perfetto_json(all, 29));
  EXPECT_EQ(left_out_of_trace(all, 29), 3);
  EXPECT_THAT(report_text(StoredRun(folder_ / "field")), HasSubstr("thinned: the shortest 3 of 31 tasks"));
  const auto page = report_html(StoredRun(folder_ / "field"));
  EXPECT_THAT(page, HasSubstr("\"left_out_of_file\":3"));
  folder_.write("page.html", page);
  const auto drawn = fringeflow::test::drawn(folder_, "page.html");
  if (drawn.empty()) GTEST_SKIP() << "no Chromium here";
  EXPECT_THAT(
      drawn,
      HasSubstr("Thinned: the shortest 3 of 31 tasks are not drawn, 3 of them are not in timeline.json"));
}

TEST_F(Report, OthersOnTheCores) {
  auto run = test::chain(3, 2);
  for (auto& task : run.tasks) task.cpu_s = 0.75 * (task.end_s - task.start_s);
  EXPECT_NEAR(metrics(run).off_core_share, 0.25, 1e-12);
  EXPECT_EQ(runtime::own_seconds(run.tasks[1]), 1.5);
  EXPECT_EQ(runtime::own_seconds(run.tasks[0]), 1) << "reading waits for a disk: that is its own time";
  test::write_run(folder_, "field", run);
  EXPECT_THAT(report_text(StoredRun(folder_ / "field")), HasSubstr("had the cores for 25.0 %"));
  EXPECT_EQ(StoredRun(folder_ / "field").timeline().timeline().tasks[1].cpu_s, 1.5);
}

TEST_F(Report, Compare) {
  test::write_run(folder_, "a", test::chain(3, 2));
  test::write_run(folder_, "b", test::chain(3, 4));
  const StoredRun a(folder_ / "a"), b(folder_ / "b");
  const auto both = compare(a, b);
  EXPECT_NEAR(both["metrics"]["makespan_s"]["ratio"].get<double>(), 13. / 7, 1e-12);
  ASSERT_EQ(both["codelets"].size(), 2u);
  EXPECT_EQ(both["codelets"][0]["codelet"], "grid");
  EXPECT_NEAR(both["codelets"][0]["difference_s"].get<double>(), 6, 1e-12);
  const auto text = compare_text(a, b);
  EXPECT_THAT(text, HasSubstr("b takes +6.00 s; the largest change is in grid: +6.00 s"));
}

}  // namespace
}  // namespace fringeflow::traces
