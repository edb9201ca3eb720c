// SPDX-License-Identifier: GPL-3.0-or-later
// The command line as a user meets it: the program itself, its exit code and what it says. Nothing here runs
// an imaging job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.hpp"

namespace fringeflow {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Answer {
  int code = -1;
  std::string text;  ///< standard output and error
};

class Command : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder_ / "obs.ms");
    folder_.write("obs.ms/table.dat", "");  // enough for checking a command line
  }

  Answer run(const std::string& arguments) const {
    const std::string command =
        "cd '" + folder_ / "" + "' && timeout 60 '" FRINGEFLOW_BINARY "' " + arguments + " 2>&1 </dev/null";
    Answer answer;
    std::FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return answer;
    char buffer[4096];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
      answer.text.append(buffer, n);
    const int status = pclose(pipe);
    answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    return answer;
  }

  void expect_mistake(const std::string& arguments, const std::string& word) const {
    const Answer answer = run(arguments);
    EXPECT_EQ(answer.code, 2) << arguments << "\n" << answer.text;
    EXPECT_THAT(answer.text, AllOf(StartsWith("fringeflow: error: "), HasSubstr(word))) << arguments;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Command, MistakesOfTheCommandLine) {
  const std::string image = "image obs.ms --size 512 --cell 1.5asec -o b ";
  expect_mistake("imgae obs.ms", "unknown sub-command 'imgae'; did you mean 'image'?");
  expect_mistake("nonsense", "unknown sub-command 'nonsense'");
  expect_mistake("--nonsense", "unknown flag '--nonsense'");
  expect_mistake("image obs.ms --sise 512", "unknown flag '--sise'; did you mean '--size'?");
  expect_mistake("image --size 512 --cell 1.5asec -o b", "at least one MeasurementSet");
  expect_mistake("image obs.ms --cell 1.5asec -o b", "missing --size");
  expect_mistake("image obs.ms --size 512 -o b", "missing --cell");
  expect_mistake("image obs.ms --size 512 --cell 1.5asec", "missing -o");
  expect_mistake("image none.ms --size 512 --cell 1.5asec -o b", "no such MeasurementSet: none.ms");
  expect_mistake("image obs.ms --size 512 --cell 1.5parsec -o b",
                 "--cell: '1.5parsec' has an unknown unit 'parsec'");
  expect_mistake("image obs.ms --size 0 --cell 1.5asec -o b", "--size: '0'");
  expect_mistake("image obs.ms --size -512 --cell 1.5asec -o b", "--size: '-512'");
  expect_mistake("image obs.ms --size 4000000 --cell 1.5asec -o b", "--size: '4000000'");
  expect_mistake("image obs.ms --size 513 --cell 1.5asec -o b", "odd");
  expect_mistake(image + "--size 512", "--size");
  expect_mistake(image + "--accuracy 1e-20", "--accuracy");
  expect_mistake(image + "--accuracy 10", "--accuracy");
  expect_mistake(image + "--weighting brigs:0", "'brigs:0' is no weighting; did you mean 'briggs'?");
  expect_mistake(image + "--weighting", "--weighting");
  expect_mistake(image + "--gain 2", "--gain");
  expect_mistake(image + "--iterations -1", "--iterations");
  expect_mistake(image + "--threshold 5", "--threshold");
  expect_mistake(image + "--stokes X", "--stokes");
  expect_mistake(image + "--channels 5..2", "--channels");
  expect_mistake(image + "--time yesterday..", "--time");
  expect_mistake(image + "--uv-range 1..2", "--uv-range");
  expect_mistake(image + "--centre 30,-30", "--centre");
  expect_mistake(image + "--iterations 5 --mask none.fits", "no such file: none.fits");
  expect_mistake(image + "--set runtime.schedular=lws", "did you mean 'scheduler'");
  expect_mistake(image + "--set runtime.scheduler=nonesuch", "nonesuch");
  expect_mistake(image + "--set runtime.scheduler=peager", "peager");
  expect_mistake(image + "--set runtime.memory=5", "no unit");
  expect_mistake(image + "--set nonsense", "--set SECTION.KEY=VALUE");
  expect_mistake("run none.yaml", "none.yaml");
  expect_mistake("run", "name a workflow file");
  expect_mistake("run obs.ms", "folder");
  expect_mistake("check a.yaml b.yaml", "one workflow file");
  expect_mistake("predict obs.ms --model none.csv", "none.csv");
  expect_mistake("predict --model none.csv", "at least one MeasurementSet");
  expect_mistake("simulate -o x.ms", "missing --layout");
  expect_mistake("explain imge", "did you mean 'image'");
  expect_mistake("list stuff", "'stuff'");
  expect_mistake("completion tcsh", "'tcsh'");
  expect_mistake("graph none.yaml --format png", "--format");
}

TEST_F(Command, ChecksAFile) {
  folder_.write("w.yaml", "inputs: obs.ms\nimage: {size: 64, cell: 1asec}\noutput: b\n");
  EXPECT_EQ(run("check w.yaml").code, 0);
  folder_.write("w.yaml", "inputs: obs.ms\nimage: {size: 63, cell: 1asex}\noutput: b\n");
  const Answer answer = run("check w.yaml");
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.text, AllOf(HasSubstr("w.yaml:2:15: "), HasSubstr("w.yaml:2:25: ")));
  const Answer json = run("check --json w.yaml");
  EXPECT_EQ(json.code, 2);
  EXPECT_EQ(nlohmann::json::parse(json.text)["errors"].size(), 2u);
  EXPECT_EQ(nlohmann::json::parse(json.text)["errors"][0]["line"], 2);
}

TEST_F(Command, FlagsMakeTheWorkflow) {
  const Answer answer =
      run("expand obs.ms --size 64,32 --scale 1asec --niter 5 --mgain 0.7 --weight natural --center "
          "1deg,2deg --multiscale --no-png "
          "--uv-range 1..2klambda --set runtime.cpus=2 --set image.facets=3 -o x/b");
  EXPECT_EQ(answer.code, 0);
  EXPECT_THAT(
      answer.text,
      AllOf(HasSubstr("size: [64, 32]"), HasSubstr("cell: 1asec"), HasSubstr("iterations: 5"),
            HasSubstr("major_gain: 0.7"), HasSubstr("weighting: natural"), HasSubstr("centre: [1deg, 2deg]"),
            HasSubstr("algorithm: multiscale"), HasSubstr("png: false"), HasSubstr("uv_range: 1..2klambda"),
            HasSubstr("cpus: 2"), HasSubstr("facets: 3"), HasSubstr("prefix: x/b"), HasSubstr("name: b")));
  EXPECT_THAT(run("expand obs.ms --size 64 --cell 1asec -o b").text, Not(HasSubstr("deconvolve")));
  EXPECT_THAT(run("expand obs.ms --size 64 --cell 1asec -o b --weight briggs --robust 1").text,
              HasSubstr("weighting: briggs:1"));
}

TEST_F(Command, InitDoesNotOverwrite) {
  EXPECT_EQ(run("init obs").code, 0);
  EXPECT_EQ(run("check obs.yaml").code, 0);
  expect_mistake("init obs", "exists already");
  expect_mistake("init ../obs", "is no name");
}

TEST_F(Command, Answers) {
  EXPECT_EQ(run("--help").code, 0);
  EXPECT_EQ(run("image --help").code, 0);
  EXPECT_THAT(run("--version").text, StartsWith("fringeflow "));
  EXPECT_EQ(run("").code, 2);
  EXPECT_THAT(run("list stages").text, HasSubstr("deconvolve"));
  EXPECT_THAT(run("explain clean").text, HasSubstr("auto_mask"));
  EXPECT_THAT(run("explain runtime").text, HasSubstr("io_workers"));
  EXPECT_THAT(run("completion bash").text, HasSubstr("--uv-range"));
  EXPECT_THAT(run("completion zsh").text, HasSubstr("--uv-range"));
  EXPECT_THAT(run("completion fish").text, HasSubstr("uv-range"));
  EXPECT_EQ(nlohmann::json::parse(run("schema").text)["title"], "Fringeflow workflow");
  folder_.write("w.yaml", "inputs: obs.ms\nimage: {size: 64, cell: 1asec}\noutput: b\n");
  EXPECT_THAT(run("graph w.yaml").text, StartsWith("digraph"));
  EXPECT_THAT(run("graph w.yaml --format mermaid").text, StartsWith("flowchart"));
}

}  // namespace
}  // namespace fringeflow
