// SPDX-License-Identifier: GPL-3.0-or-later
// A timeline as a file: what Perfetto needs, and what comes back.
#include "traces/timeline_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"
#include "tests/traces/chrome_trace_rules.hpp"
#include "traces/metrics.hpp"

namespace fringeflow::traces {
namespace {

using fringeflow::test::ChromeTraceRules;
using fringeflow::test::message_of;
using runtime::Device;
using runtime::Role;
using runtime::TaskRecord;
using runtime::Timeline;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const runtime::CodeletDef kGrid{
    .name = "grid", .version = 3, .doc = "", .colour = 0x12ab, .flops_per_work = 8};
const runtime::CodeletDef kRead{.name = "read", .doc = "", .role = Role::io};

Timeline small() {
  Timeline run;
  run.workers = {{"CPU \"0\"", Role::compute, Device::cpu}, {"CPU 1", Role::io, Device::cpu}};
  run.data = {{"visibilities", 4096, 0}, {"tiles", 100, 0}};
  run.begin_s = 0.25;
  run.makespan_s = 2;
  run.memory = {{0.5, 1 << 20}};
  TaskRecord read;
  read.codelet = &kRead;
  read.worker = 1;
  read.end_s = 1.5;
  read.work = 7;
  run.tasks.push_back(read);
  TaskRecord grid;
  grid.codelet = &kGrid;
  grid.worker = 0;
  grid.id = 2;  // task 1 has not run
  grid.tag = {.chunk = 4, .facet = 1, .cycle = 2, .slab = 3};
  grid.submit_s = 0.25;
  grid.ready_s = 1.5;
  grid.start_s = 1.5;
  grid.end_s = 2.25;
  grid.predicted_s = 0.5;
  grid.work = 10;
  grid.bytes = 100;
  grid.fetch_s = 0.125;
  grid.overhead_s = 0.0625;
  run.tasks.push_back(grid);
  run.dependencies.append({});
  run.dependencies.append({});
  const runtime::Dependency before[] = {{0, 0}, {1, -1}};
  run.dependencies.append(before);
  return run;
}

TEST(TimelineFile, ChromeTraceEvents) {
  const auto json = nlohmann::json::parse(perfetto_json(small()));
  const auto& events = json.at("traceEvents");
  ASSERT_EQ(events.size(),
            6u);  // a name for the process and for each of two workers, two tasks, one sample of memory
  EXPECT_EQ(events[2]["ph"], "M");
  EXPECT_EQ(events[2]["name"], "thread_name");
  EXPECT_EQ(events[2]["args"]["name"], "CPU 1 (I/O)");
  EXPECT_EQ(events[1]["args"]["name"], "CPU \"0\"");
  const auto& task = events[4];
  EXPECT_EQ(task["ph"], "X");
  EXPECT_EQ(task["name"], "grid chunk 4 facet 1");
  EXPECT_EQ(task["tid"], 0);
  EXPECT_NEAR(task["ts"].get<double>(), 1.5e6, 1e-3);
  EXPECT_NEAR(task["dur"].get<double>(), 0.75e6, 1e-3);
  EXPECT_EQ(task["args"]["cycle"], 2);
  EXPECT_EQ(task["args"]["slab"], 3);
  EXPECT_EQ(task["args"]["bytes"], 100);
  EXPECT_EQ(task["args"]["flops"], 80);
  EXPECT_FALSE(task["args"].contains("strip")) << "it does not apply";
  EXPECT_EQ(task["args"]["after"], nlohmann::json::parse("[[0, 0], [1, -1]]"));
  EXPECT_EQ(events[5]["ph"], "C");
  EXPECT_EQ(events[5]["args"]["bytes"], 1 << 20);
  EXPECT_EQ(nlohmann::json::parse(perfetto_json({}))["traceEvents"].size(), 1u) << "the process";
}

TEST(TimelineFile, KeepsTheRulesOfPerfetto) {
  EXPECT_THAT(ChromeTraceRules::breaches(perfetto_json(small())), IsEmpty());
  EXPECT_THAT(ChromeTraceRules::breaches(perfetto_json({})), IsEmpty());
  // A GPU's tasks overlap, and their data arrive meanwhile; memory is looked at before the runtime starts.
  auto run = small();
  run.workers.push_back({"GPU 0", Role::compute, Device::cuda});
  run.memory.insert(run.memory.begin(), {-0.125, 5});
  for (int i = 0; i < 4; ++i) {
    TaskRecord task = run.tasks[1];
    task.id = 3 + i;
    task.worker = 2;
    task.device = Device::cuda;
    task.start_s = 2 + 0.1 * i + 1e-10;
    task.end_s = task.start_s + 0.15;
    task.fetch_s = 0.12;
    run.tasks.push_back(task);
  }
  const auto text = perfetto_json(run);
  EXPECT_THAT(ChromeTraceRules::breaches(text), IsEmpty());
  EXPECT_THAT(text,
              AllOf(HasSubstr("\"GPU 0 (2)\""), HasSubstr("\"GPU 0 transfers\""), HasSubstr("\"for\":4")));
  const fringeflow::test::TemporaryFolder folder;
  folder.write("timeline.json", text);
  const StoredTimeline stored(folder / "timeline.json");
  ASSERT_EQ(stored.timeline().tasks.size(), run.tasks.size());
  ASSERT_EQ(stored.timeline().workers.size(), 3u);
  for (size_t i = 0; i < run.tasks.size(); ++i) {
    EXPECT_EQ(stored.timeline().tasks[i].worker, run.tasks[i].worker);
    EXPECT_NEAR(stored.timeline().tasks[i].start_s, run.tasks[i].start_s, 2e-9);
  }
  EXPECT_NEAR(stored.timeline().memory.front().at_s, -0.125, 1e-6);
}

TEST(TimelineFile, BreachesOfTheRulesAreFound) {
  const auto of = [](const std::string& events) {
    return nlohmann::json(ChromeTraceRules::breaches("{\"traceEvents\":[" + events + "]}")).dump();
  };
  const std::string slice = R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":10,"dur":5})";
  EXPECT_EQ(of(slice), "[]");
  EXPECT_EQ(of(slice + R"(,{"ph":"X","name":"b","pid":1,"tid":1,"ts":11,"dur":2})"), "[]") << "nested";
  EXPECT_EQ(of(slice + R"(,{"ph":"X","name":"b","pid":1,"tid":2,"ts":11,"dur":9})"), "[]") << "elsewhere";
  EXPECT_EQ(of(R"({"ph":"B","name":"a","pid":1,"tid":1,"ts":1},{"ph":"E","pid":1,"tid":1,"ts":2})"), "[]");
  EXPECT_EQ(of(slice + R"(,{"ph":"s","name":"f","id":7,"pid":1,"tid":1,"ts":11},)"
                       R"({"ph":"f","name":"f","id":7,"pid":1,"tid":1,"ts":12})"),
            "[]");
  EXPECT_EQ(ChromeTraceRules::breaches("[\n" + slice + "\n" +
                                       R"({"ph":"X","name":"b","pid":1,"tid":1,"ts":15,"dur":2})" + "\n")
                .size(),
            0u);
  for (
      const auto& [events, what] : std::vector<std::pair<std::string, std::string>>{
          {slice + R"(,{"ph":"X","name":"b","pid":1,"tid":1,"ts":11,"dur":9})", "begins inside 'a'"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":"10","dur":5})", "ts is no number"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":10})", "dur is no number"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":10,"dur":-1})", "dur is negative"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":-10,"dur":1})", "below 0"},
          {R"({"ph":"X","name":"a","pid":1,"ts":10,"dur":5})", "no tid"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1.5,"ts":10,"dur":5})", "tid is 1.5"},
          {R"({"ph":"X","name":"","pid":1,"tid":1,"ts":10,"dur":5})", "name is"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":10,"dur":5,"dur":6})", "twice"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":10,"dur":5,"args":3})", "args is no object"},
          {R"({"ph":"complete","name":"a","pid":1,"tid":1,"ts":10})", "ph is"},
          {R"({"ph":"X","name":"a","pid":1,"tid":1,"ts":NaN,"dur":5})", "parse error"},
          {R"({"ph":"C","name":"c","pid":1,"ts":1,"args":{"bytes":"many"}})", "counter bytes"},
          {R"({"ph":"C","name":"c","pid":1,"ts":2,"args":{"b":1}},{"ph":"C","name":"c","pid":1,"ts":1,"args":{"b":1}})",
           "back in time"},
          {R"({"ph":"M","name":"thread","pid":1,"tid":1,"args":{"name":"x"}})", "metadata 'thread'"},
          {R"({"ph":"M","name":"thread_name","pid":1,"tid":1,"args":{"title":"x"}})", "args.name"},
          {R"({"ph":"B","name":"a","pid":1,"tid":1,"ts":1})", "never ends"},
          {R"({"ph":"E","name":"a","pid":1,"tid":1,"ts":1})", "without a beginning"},
          {slice + R"(,{"ph":"s","name":"f","id":7,"pid":1,"tid":1,"ts":11})", "never ends"},
          {slice + R"(,{"ph":"f","name":"f","id":7,"pid":1,"tid":1,"ts":11})", "before it begins"},
          {R"({"ph":"s","name":"f","id":7,"pid":1,"tid":1,"ts":11},{"ph":"f","name":"f","id":7,"pid":1,"tid":1,"ts":12})",
           "bound to no slice"}})
    EXPECT_THAT(of(events), HasSubstr(what)) << events;
  EXPECT_THAT(ChromeTraceRules::breaches("{}"), ::testing::ElementsAre("no traceEvents"));
}

TEST(TimelineFile, ComesBack) {
  const fringeflow::test::TemporaryFolder folder;
  const auto run = small();
  folder.write("timeline.json", perfetto_json(run));
  const StoredTimeline stored(folder / "timeline.json");
  const auto& back = stored.timeline();
  EXPECT_EQ(stored.left_out(), 0);
  ASSERT_EQ(back.tasks.size(), 2u);
  const auto& grid = back.tasks[1];
  EXPECT_STREQ(grid.codelet->name, "grid");
  EXPECT_EQ(grid.codelet->version, 3);
  EXPECT_EQ(grid.codelet->colour, 0x12abu);
  EXPECT_EQ(grid.codelet->flops_per_work, 8);
  EXPECT_EQ(grid.tag.facet, 1);
  EXPECT_EQ(grid.tag.strip, -1);
  EXPECT_EQ(grid.id, 2);
  EXPECT_EQ(grid.fetch_s, 0.125);
  EXPECT_EQ(grid.overhead_s, 0.0625);
  EXPECT_EQ(grid.submit_s, 0.25);
  EXPECT_EQ(back.tasks[0].codelet->role, Role::io);
  ASSERT_EQ(back.dependencies.tasks(), 3);
  ASSERT_EQ(back.dependencies.of(2).size(), 2u);
  EXPECT_EQ(back.dependencies.of(2)[1].data, -1);
  EXPECT_EQ(back.data[0].name, "visibilities");
  EXPECT_EQ(back.memory.at(0).bytes, 1 << 20);
  EXPECT_EQ(back.workers[1].role, Role::io);
  // Times are kept to a nanosecond.
  EXPECT_NEAR(metrics(back).critical_path_s, metrics(run).critical_path_s, 2e-9);
  EXPECT_NEAR(metrics(back).makespan_s, 2, 1e-9);
}

TEST(TimelineFile, LongTracesAreThinnedAndSaySo) {
  const fringeflow::test::TemporaryFolder folder;
  auto run = small();
  for (int i = 0; i < 100; ++i) {
    auto task = run.tasks[1];
    task.id = 3 + i;
    task.end_s = task.start_s + 1e-3 * (i + 1);
    run.tasks.push_back(task);
  }
  folder.write("timeline.json", perfetto_json(run, 12));
  const auto json = nlohmann::json::parse(perfetto_json(run, 12));
  EXPECT_EQ(json["fringeflow"]["thinned"]["tasks"], 102);
  EXPECT_EQ(json["fringeflow"]["thinned"]["kept"], 11) << "the twelfth longest goes with its equals";
  const StoredTimeline stored(folder / "timeline.json");
  EXPECT_EQ(stored.timeline().tasks.size(), 11u);
  EXPECT_EQ(stored.left_out(), 91);
  for (const auto& task : stored.timeline().tasks) EXPECT_GT(task.end_s - task.start_s, 0.09);
}

TEST(TimelineFile, OtherFilesAreNamed) {
  const fringeflow::test::TemporaryFolder folder;
  for (const char* text : {"", "[]", "{}", "{\"fringeflow\": {\"format\": 2}, \"traceEvents\": 3}",
                           "{\"fringeflow\": {\"format\": 77}}"}) {
    folder.write("other.json", text);
    EXPECT_THAT(message_of<UserError>([&] { StoredTimeline(folder / "other.json"); }),
                HasSubstr("other.json"))
        << text;
  }
  EXPECT_THAT(message_of<UserError>([&] { StoredTimeline(folder / "none.json"); }), HasSubstr("none.json"));
}

}  // namespace
}  // namespace fringeflow::traces
