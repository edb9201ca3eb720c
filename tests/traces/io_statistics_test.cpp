// SPDX-License-Identifier: GPL-3.0-or-later
// Reads and writes counted by hand.
#include "traces/io_statistics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/traces/chrome_trace_rules.hpp"
#include "tests/traces/run_fixture.hpp"

namespace fringeflow::traces {
namespace {

using runtime::IoCall;

class IoStatistics : public ::testing::Test {
 protected:
  IoStatistics() {
    trace_.files = {"/d/one", "/d/\"two\""};
    add(IoCall::pread, 0, 0, 4096, 0);
    add(IoCall::pread, 0, 4096, 4096, 0);       // consecutive
    add(IoCall::pread, 0, 100'000, 50, 0);      // sequential, misaligned
    add(IoCall::pread, 0, 4096, 2'000'000, 0);  // back
    add(IoCall::fread, 1, -1, 10, -1);          // a stream: no offset
    add(IoCall::write, 1, 0, 1'500'000, 1);
  }
  void add(IoCall call, int32_t file, int64_t offset, int64_t bytes, int64_t task) {
    trace_.events.push_back({static_cast<double>(trace_.events.size()), 0.5f, 0.5f, file, 3, offset, bytes,
                             task, 1, offset > 0 && offset % 4096 != 0 ? 1 : 0, call});
  }
  runtime::IoTrace trace_;
  runtime::Timeline run_ = test::chain();  // task 0 is a read, 1 a grid
  runtime::ProcessIo process_{.read_chars = 2'008'252 + 100'000, .written_chars = 1'500'000};
};

TEST_F(IoStatistics, AsDarshanCounts) {
  const auto json = io_statistics(trace_, run_, process_, 100'000);
  const auto& reads = json["reads"];
  EXPECT_EQ(reads["calls"], 5);
  EXPECT_EQ(reads["bytes"], 4096 + 4096 + 50 + 2'000'000 + 10);
  EXPECT_EQ(reads["sizes"]["0-100"], 2);
  EXPECT_EQ(reads["sizes"]["1K-10K"], 2);
  EXPECT_EQ(reads["sizes"]["1M-4M"], 1);
  EXPECT_EQ(reads["below_1_mb"], 4);
  EXPECT_EQ(reads["misaligned"], 1);
  EXPECT_DOUBLE_EQ(reads["sequential_share"], 2. / 3);
  EXPECT_DOUBLE_EQ(reads["consecutive_share"], 1. / 3);
  EXPECT_DOUBLE_EQ(reads["seconds"], 2.5);
  EXPECT_EQ(json["writes"]["below_1_mb"], 0);
  // Of the first file, bytes 0 to 2 004 096 were read.
  EXPECT_DOUBLE_EQ(json["reread_factor"], (4096. + 4096 + 50 + 2'000'000) / 2'004'096);
  EXPECT_EQ(json["by_codelet"]["read"]["reads"]["calls"], 4);
  EXPECT_EQ(json["by_codelet"]["grid"]["writes"]["bytes"], 1'500'000);
  EXPECT_EQ(json["by_codelet"]["outside tasks"]["reads"]["bytes"], 10);
  EXPECT_EQ(json["files"][0]["file"], "/d/one");
  EXPECT_DOUBLE_EQ(json["counted_read_share"], 1);
  EXPECT_FALSE(json.contains("gap"));
}

TEST_F(IoStatistics, ARunOfCallsCountsAsItsCalls) {
  // The same two consecutive reads, once as two events and once as one.
  auto& events = trace_.events;
  auto one = events[0];
  one.calls = 2;
  one.bytes = 8192;
  one.seconds = 1;
  one.span_s = 1.5f;
  const auto apart = io_statistics(trace_, run_, process_, 100'000);
  events.erase(events.begin());
  events[0] = one;
  EXPECT_EQ(io_statistics(trace_, run_, process_, 100'000), apart);
  const auto text = dftracer_events(trace_, run_);
  EXPECT_THAT(text, ::testing::HasSubstr("\"dur\":1500000"));
  EXPECT_THAT(text, ::testing::HasSubstr("\"calls\":2,\"seconds\":1"));
}

TEST_F(IoStatistics, AGapIsExplained) {
  process_.read_chars *= 2;
  const auto json = io_statistics(trace_, run_, process_);
  EXPECT_LT(json["counted_read_share"], 0.5);
  EXPECT_THAT(json["gap"].get<std::string>(), ::testing::HasSubstr("read 2208252 and wrote 0 bytes"));
}

TEST_F(IoStatistics, EventsForDFTracer) {
  std::istringstream lines(dftracer_events(trace_, run_));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, "[");
  std::vector<nlohmann::json> events;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line)["args"]["timeline_begins"], 0);
  while (std::getline(lines, line)) events.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(events[1]["name"], "pread");
  EXPECT_EQ(events[1]["cat"], "POSIX");
  EXPECT_EQ(events[1]["ph"], "X");
  EXPECT_EQ(events[1]["ts"], 1'000'000);
  EXPECT_EQ(events[1]["dur"], 500'000);
  EXPECT_EQ(events[1]["args"]["fname"], "/d/one");
  EXPECT_EQ(events[1]["args"]["offset"], 4096);
  EXPECT_EQ(events[1]["args"]["task"], "read chunk 0");
  EXPECT_EQ(events[4]["cat"], "STDIO");
  EXPECT_EQ(events[4]["args"]["fname"], "/d/\"two\"");
  EXPECT_FALSE(events[4]["args"].contains("task"));
  // Calls before the runtime's start, and such that touch.
  run_.origin_s = 2.5;
  trace_.events[1].span_s = 1;
  const auto text = dftracer_events(trace_, run_);
  EXPECT_THAT(fringeflow::test::ChromeTraceRules::breaches(text), ::testing::IsEmpty());
  EXPECT_THAT(text, ::testing::HasSubstr("\"timeline_begins\":2500000"));
  EXPECT_THAT(dftracer_events(trace_, run_, 2), ::testing::Not(::testing::HasSubstr("\"id\":2,")));
}

}  // namespace
}  // namespace fringeflow::traces
