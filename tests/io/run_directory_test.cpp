// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/run_directory.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::io {
namespace {

using test::message_of;
using test::TemporaryFolder;

TEST(RunDirectory, KeepsTheMachineAndWhatIsNotUtf8) {
  const TemporaryFolder folder;
  const RunDirectory run(folder / "out/b");
  run.write_json("metrics.json", {{"time_s", 1.5}, {"scheduler", "lws\xff"}});
  run.write_environment({{"fringeflow", "0.1"}});
  EXPECT_EQ(nlohmann::json::parse(read_file(folder / "out/b-run/metrics.json"))["time_s"], 1.5);
  EXPECT_EQ(nlohmann::json::parse(read_file(run.file("versions.json")))["fringeflow"], "0.1");
  const auto machine = nlohmann::json::parse(read_file(run.file("machine.json")));
  EXPECT_GE(machine["usable_cpus"], 1);
  EXPECT_GT(machine["memory_bytes"], 1000000);
  EXPECT_GT(memory_limit_bytes(), 1000000);
  EXPECT_LE(memory_limit_bytes(), machine["memory_bytes"]);
}

TEST(RunDirectory, ThatCannotBeMadeIsNamed) {
  const TemporaryFolder folder;
  folder.write("c-run", "");
  EXPECT_NE(message_of<RunError>([&] { RunDirectory(folder / "c"); }).find("c-run"), std::string::npos);
  EXPECT_THROW(RunDirectory("/proc/nowhere/b"), RunError);
}

TEST(RunDirectory, GoesWhenNothingWasWritten) {
  const TemporaryFolder folder;
  { const RunDirectory unused(folder / "a"); }
  EXPECT_FALSE(std::filesystem::exists(folder / "a-run"));
  { RunDirectory(folder / "a").write_text("log.txt", "x"); }
  { const RunDirectory again(folder / "a"); }
  EXPECT_TRUE(std::filesystem::exists(folder / "a-run/log.txt"));
}

}  // namespace
}  // namespace fringeflow::io
