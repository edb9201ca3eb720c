// SPDX-License-Identifier: GPL-3.0-or-later
// What goes wrong in a run ends it with one sentence and exit code 1, and leaves no product behind.
#include <sys/mount.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "io/atomic_file.hpp"
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using namespace std::chrono_literals;
using test::Answer;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Faults : public test::Program {
 protected:
  void SetUp() override { simulate("s.ms", catalogue("s.csv", {{.x = 128, .y = 128}}, 256), 10, 4, "24min"); }

  void expect_failure(const std::string& arguments, const std::string& word, int code = 1) const {
    const auto answer = run(arguments);
    EXPECT_EQ(answer.code, code) << arguments << "\n" << answer.text;
    EXPECT_THAT(answer.text, HasSubstr("fringeflow: error: ")) << arguments;
    EXPECT_THAT(answer.text, HasSubstr(word)) << arguments;
    EXPECT_THAT(products("b"), IsEmpty()) << arguments;
    for (const auto& name : file_names())
      EXPECT_EQ(name.find(".tmp"), std::string::npos) << name << " was left by " << arguments;
  }
  std::string copy(const std::string& name) const {
    std::filesystem::copy(folder_ / "s.ms", folder_ / name, std::filesystem::copy_options::recursive);
    return name;
  }
  /// SIGINT some time after a file appears whose name starts so.
  Answer interrupt(const std::string& arguments, const std::string& file,
                   std::chrono::milliseconds after) const {
    const std::string command =
        "cd '" + folder_ / "" + "' && exec '" FRINGEFLOW_BINARY "' " + arguments + " >log 2>&1 </dev/null";
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGINT, SIG_DFL);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    const auto appeared = [&] {
      for (const auto& name : file_names())
        if (name.starts_with(file)) return true;
      return false;
    };
    for (int i = 0; i < 3000 && !appeared(); ++i) std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(after);
    kill(child, SIGINT);
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), io::read_file(folder_ / "log")};
  }
  const std::string rest_ = " --size 256 --cell 5asec --iterations 20 -o b";
};

TEST_F(Faults, DataThatCannotBeImaged) {
  {
    auto table = test::edit(folder_ / copy("nan.ms"));
    test::put_element(table, "UVW", 700, casacore::IPosition(1, 1), std::nan(""));
    auto infinite = test::edit(folder_ / copy("infinite.ms"));
    test::put_element(infinite, "UVW", 0, casacore::IPosition(1, 2), std::numeric_limits<double>::infinity());
    auto flagged = test::edit(folder_ / copy("flagged.ms"));
    for (int64_t row = 0; row < static_cast<int64_t>(flagged.nrow()); ++row)
      test::put_cell(flagged, "FLAG_ROW", row, true);
    auto weightless = test::edit(folder_ / copy("weightless.ms"));
    for (const std::string column : {"WEIGHT", "WEIGHT_SPECTRUM"}) {
      if (!weightless.tableDesc().isColumn(column)) continue;
      casacore::ArrayColumn<float> cells(weightless, column);
      for (casacore::rownr_t row = 0; row < weightless.nrow(); ++row)
        cells.put(row, casacore::Array<float>(cells(row).shape(), 0.f));
    }
  }
  expect_failure("image nan.ms" + rest_, "UVW");
  expect_failure("image infinite.ms" + rest_, "UVW");
  expect_failure("image flagged.ms" + rest_, "flagged.ms");
  expect_failure("image weightless.ms" + rest_, "weightless.ms");
  expect_failure("image s.ms --time 2001-01-01T00:00:00..2001-01-01T01:00:00" + rest_, "s.ms");
  expect_failure("image s.ms --size 256 --cell 5deg --iterations 20 -o b", "cell", 2);
  expect_failure("image s.ms --size 256 --cell 15arcmin --iterations 0 -o b", "beyond");
}

TEST_F(Faults, StokesParametersThatThereAreNotAreAMistakeOfThePlan) {
  simulate("two.ms", "s.csv", 2, 2, "24min", "2025-06-01T07:56:00", "--correlations XX,YY");
  const auto before = file_names();
  expect_failure("image two.ms --stokes U" + rest_, "Stokes U cannot be formed from the correlations XX, YY",
                 2);
  EXPECT_EQ(file_names(), before);
}

TEST_F(Faults, NanInDataCountsAsFlagged) {
  {
    auto table = test::edit(folder_ / "s.ms");
    test::put_element(table, "DATA", 5, casacore::IPosition(2, 0, 1), casacore::Complex(std::nanf(""), 0));
    test::put_element(table, "DATA", 6, casacore::IPosition(2, 1, 1),
                      casacore::Complex(0, std::numeric_limits<float>::infinity()));
  }
  expect_ok("image s.ms --size 256 --cell 5asec --iterations 0 --weighting natural --accuracy 1e-5 -o b");
  EXPECT_NEAR(at(image("b-dirty.fits"), 128, 128), 1, 1e-4);  // the accuracy, over this source
  EXPECT_EQ(metrics("b")["visibilities_flagged"], 2);
}

TEST_F(Faults, TruncatedTables) {
  // Every file of the set cut in half, one at a time: an error or, where nothing needed was lost, an image.
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "s.ms"))
    if (entry.is_regular_file()) files.push_back(entry.path().filename().string());
  for (const auto& file : files) {
    const auto set = copy("cut.ms");
    const auto path = std::filesystem::path(folder_ / set) / file;
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    const auto answer = run("image cut.ms" + rest_);
    EXPECT_TRUE(answer.code == 0 || answer.code == 1 || answer.code == 2)
        << file << ": " << answer.code << "\n"
        << answer.text;
    if (answer.code != 0) {
      EXPECT_THAT(answer.text, HasSubstr("fringeflow: error: ")) << file;
      EXPECT_THAT(products("b"), IsEmpty()) << file;
    }
    for (const auto& name : products("b")) std::filesystem::remove(folder_ / ("b-" + name));
    std::filesystem::remove_all(folder_ / set);
  }
}

TEST_F(Faults, UnwritableOutput) {
  folder_.write("file", "");
  const auto answer = run("image s.ms --size 256 --cell 5asec --iterations 0 -o file/b");
  EXPECT_EQ(answer.code, 1) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("file"));
}

TEST_F(Faults, FullDisk) {
  const std::string small = folder_ / "small";
  std::filesystem::create_directory(small);
  // Room for the run directory and one of four images.
  if (mount("none", small.c_str(), "tmpfs", 0, "size=400k") != 0)
    GTEST_SKIP() << "no right to mount a small file system";
  const auto answer = run("image s.ms --size 256 --cell 5asec --iterations 20 -o small/b");
  EXPECT_EQ(answer.code, 1) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("fringeflow: error: "));
  EXPECT_THAT(answer.text, HasSubstr("No space left"));
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(small)) {
    if (entry.is_regular_file()) left.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(left, IsEmpty()) << "no partial products";
  umount2(small.c_str(), MNT_DETACH);
}

TEST_F(Faults, Interrupted) {
  // A clean that never reaches its threshold.
  const auto answer = interrupt(
      "image s.ms --size 1024 --cell 2asec --gain 0.001 --iterations 1000000 --major-cycles 1000 --threshold "
      "1e-9Jy -o b",
      "b-run", 700ms);
  EXPECT_EQ(answer.code, 1) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("interrupted"));
  EXPECT_THAT(answer.text, HasSubstr("b-run/failed/"));
  EXPECT_THAT(products("b"), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(folder_ / "b-run/failed/timeline.json")) << "what ran is kept";
  EXPECT_THAT(io::read_file(folder_ / "b-run/failed/log.txt"), HasSubstr("error: interrupted"));
  expect_ok("image s.ms --size 256 --cell 5asec --iterations 0 -o b");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "b-run/failed"))
      << "of a run before the one that ended well";
}

TEST_F(Faults, InterruptedWhileTheSetIsMade) {
  // No task runs yet; the set has a temporary name.
  const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
  const auto before = file_names();
  const auto answer = interrupt(fmt::format("simulate --layout '{0}.layout.txt' --position "
                                            "'{0}.position.txt' --sources s.csv --centre 60deg,-45deg "
                                            "--start 2025-06-01T07:56:00 --times 4000 --interval 5s "
                                            "--channels 64 --frequency 1.3GHz --channel-width "
                                            "1MHz -o large.ms",
                                            data),
                                "large.ms", 0ms);
  EXPECT_EQ(answer.code, 1) << answer.text;
  EXPECT_THAT(answer.text, HasSubstr("interrupted"));
  std::set<std::string> after = file_names();
  after.erase("log");
  EXPECT_EQ(after, before);
}

TEST_F(Faults, ARunThatFailsLeavesTheRecordOfOneThatDidNot) {
  expect_ok("image s.ms --size 256 --cell 5asec --iterations 0 -o b");
  const auto record = io::read_file(folder_ / "b-run/metrics.json") +
                      io::read_file(folder_ / "b-run/workflow.yaml") +
                      io::read_file(folder_ / "b-run/timeline.json");
  const auto answer = interrupt(
      "image s.ms --size 1024 --cell 2asec --gain 0.001 --iterations 1000000 --major-cycles 1000 --threshold "
      "1e-9Jy -o b",
      "s.ms", 1500ms);
  EXPECT_EQ(answer.code, 1) << answer.text;
  EXPECT_EQ(io::read_file(folder_ / "b-run/metrics.json") + io::read_file(folder_ / "b-run/workflow.yaml") +
                io::read_file(folder_ / "b-run/timeline.json"),
            record);
  EXPECT_EQ(products("b").size(), 2u);
}

}  // namespace
}  // namespace fringeflow
