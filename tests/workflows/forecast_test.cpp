// SPDX-License-Identifier: GPL-3.0-or-later
// Forecasts of, and experiments with, workflows of several stages: the graphs are those that runs submit.
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class StagesAhead : public test::Program {
 protected:
  void SetUp() override {
    catalogue("s.csv", {{.x = 128.3, .y = 120.7}, {.x = 60, .y = 190, .flux_jy = 0.4}}, 256);
  }
  void write_workflow(const std::string& name, const std::string& apply = "CORRECTED_DATA") const {
    const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
    folder_.write(
        name + ".yaml",
        fmt::format(
            "version: 1\nruntime: {{cpus: 2}}\nstages:\n"
            "  - {{id: obs, stage: simulate, layout: '{0}.layout.txt', position: '{0}.position.txt', "
            "sources: "
            "s.csv, centre: '60deg,-45deg', start: 2025-06-01T07:56:00, times: 40, interval: 60s, channels: "
            "16, frequency: 1.3GHz, channel_width: 4MHz, gains: 'constant:phase=30deg', output: "
            "{1}-sim.ms}}\n"
            "  - {{id: cal, stage: calibrate, in: {{ms: obs}}, model: s.csv, interval: 10min, output: "
            "{1}-gains.h5{2}}}\n"
            "  - {{id: vis, stage: read, in: {{ms: cal}}}}\n"
            "  - {{id: dirty, stage: image, in: {{vis: vis}}, size: 256, cell: 5asec}}\n"
            "  - {{id: clean, stage: deconvolve, in: {{image: dirty}}, iterations: 200}}\n"
            "  - {{id: out, stage: write, in: {{image: clean}}, prefix: {1}, png: false}}\n",
            data, name, apply.empty() ? "" : ", apply: " + apply));
  }
  nlohmann::json forecast(const std::string& arguments) const {
    return nlohmann::json::parse(expect_ok("forecast " + arguments + " --json"));
  }
};

TEST_F(StagesAhead, TheGraphOfEveryStageIsTheOneThatRuns) {
  write_workflow("w");
  const auto blind = forecast("w.yaml");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "w-sim.ms")) << "nothing is made";
  EXPECT_FALSE(std::filesystem::exists(folder_ / "w-gains.h5"));
  expect_ok("run w.yaml");
  // After the run, with what was recorded of each stage, from whichever run directory; and where the set is there.
  for (const std::string named : {"w-run/workflow.yaml", "w-sim-run/workflow.yaml", "w.yaml"}) {
    const auto ahead = forecast(named);
    const auto& stages = ahead["stages"];
    ASSERT_EQ(stages.size(), 3u);
    const std::string runs[] = {"w-sim", "w-gains", "w"};
    int64_t tasks = 0;
    double time_s = 0;
    for (size_t i = 0; i < 3; ++i) {
      SCOPED_TRACE(named + " " + runs[i]);
      const auto m = metrics(runs[i]);
      if (i < 2 || named != "w.yaml") {  // how many major cycles there are, only the run tells
        EXPECT_EQ(stages[i]["tasks"], m["tasks"]);
      }
      EXPECT_EQ(stages[i]["recorded_run"].is_null(), named == "w.yaml");
      tasks += stages[i]["tasks"].get<int64_t>();
      time_s += stages[i]["time_s"].get<double>();
      if (named == "w.yaml") continue;
      // Others may be at work on this machine; its speed since counts within 15 %.
      EXPECT_GT(stages[i]["time_s"].get<double>(), 0.4 * m["time_s"].get<double>());
      EXPECT_LT(stages[i]["time_s"].get<double>(), 2.2 * m["time_s"].get<double>());
    }
    EXPECT_EQ(ahead["tasks"], tasks);
    EXPECT_NEAR(ahead["makespan_s"].get<double>(), time_s, 1e-9);
    EXPECT_LE(ahead["critical_path_s"].get<double>(), ahead["graph_s"].get<double>() * 1.25);
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(blind["stages"][i]["tasks"], stages[i]["tasks"]);
  }
  const auto only = forecast("w-run/workflow.yaml --only calibrate");
  EXPECT_EQ(only["tasks"], metrics("w-gains")["tasks"]);
  EXPECT_EQ(run("forecast w.yaml --only pipeline").code, 2);
  expect_ok("forecast w-run/workflow.yaml --record ahead");
  EXPECT_THAT(expect_ok("report ahead"), HasSubstr("solve"));
}

TEST_F(StagesAhead, InMemoryToo) {
  write_workflow("w");
  expect_ok("run w.yaml --set runtime.pipeline=memory");
  const auto ahead = forecast("w-run/workflow.yaml");
  EXPECT_EQ(ahead["tasks"], metrics("w")["tasks"]);
  EXPECT_EQ(ahead["visibilities"], metrics("w")["visibilities"]);
  EXPECT_FALSE(ahead.contains("stages"));
}

TEST_F(StagesAhead, WhatOnlyARunTellsIsRefused) {
  simulate("s.ms", "s.csv", 10, 4);
  for (const auto& [arguments, why] : std::vector<std::pair<std::string, std::string>>{
           {"predict.yaml", "predict opens its sets for writing"},
           {"selfcal.yaml", "by each round's image"}}) {
    folder_.write("selfcal.yaml",
                  "inputs: s.ms\nimage: {size: 64, cell: 20asec}\nclean: {iterations: 10}\nselfcal: {rounds: "
                  "[phase:10min]}\noutput: x\n");
    folder_.write("predict.yaml",
                  "version: 1\nstages:\n  - {id: p, stage: predict, in: {ms: s.ms}, model: s.csv}\n");
    const auto answer = run("forecast " + arguments);
    EXPECT_EQ(answer.code, 2) << answer.text;
    EXPECT_THAT(answer.text, HasSubstr(why));
  }
}

TEST_F(StagesAhead, ParametersOfPolicies) {
  simulate("s.ms", "s.csv", 20, 4);
  const std::string image = "image s.ms --size 128 --cell 10asec -o x --set runtime.scheduler=dmda --set ";
  expect_ok(image + "runtime.scheduler_parameters=beta=2,alpha=1.5");
  const auto typo = run(image + "runtime.scheduler_parameters=betta=2");
  EXPECT_EQ(typo.code, 2);
  EXPECT_THAT(typo.text, HasSubstr("NAME=NUMBER with one of alpha, beta"));
  EXPECT_EQ(run(image + "runtime.scheduler_parameters=beta=many").code, 2);
  const auto ahead = forecast("x-run/workflow.yaml");
  EXPECT_THAT(ahead["forecast"]["policy"].get<std::string>(), HasSubstr("parameters not imitated"));
  folder_.write(
      "spec.yaml",
      "workflow: x-run/workflow.yaml\nrepeats: 1\naxes: {runtime.scheduler_parameters: [[beta=1], [beta=1, "
      "alpha=2]]}\n");
  EXPECT_THAT(expect_ok("experiment spec.yaml -o results"), HasSubstr("pixels: the same"));
}

TEST_F(StagesAhead, SeveralNodesAreRefused) {
  write_workflow("w");
  const auto answer = run("forecast w.yaml --machine cluster4");
  EXPECT_EQ(answer.code, 2);
  EXPECT_THAT(answer.text, HasSubstr("has 4 nodes, and the program runs on one"));
}

TEST_F(StagesAhead, ExperimentsRunWholeWorkflows) {
  write_workflow("w");
  folder_.write(
      "spec.yaml",
      "workflow: w.yaml\nrepeats: 2\naxes: {runtime.pipeline: [files, memory], runtime.scheduler: [prio, "
      "dmda]}\n");
  const auto text = expect_ok("experiment spec.yaml -o results");
  EXPECT_THAT(text, HasSubstr("pixels: the same wherever only runtime settings differ"));
  EXPECT_THAT(text, ContainsRegex("memory +dmda +[0-9.]+"));
  const auto summary = nlohmann::json::parse(expect_ok("report results --json"));
  EXPECT_EQ(summary["points"].size(), 4u);
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "results/runs")) {
    const auto name = entry.path().filename().string();
    EXPECT_FALSE(name.ends_with(".ms") || name.ends_with(".h5") || name.ends_with(".fits")) << name;
  }
  // All stages count, and there is nothing left to do the second time.
  const auto whole = nlohmann::json::parse(std::ifstream(folder_ / "results/runs/0-0-run/experiment.json"));
  ASSERT_EQ(whole["stages"].size(), 3u);
  double time_s = 0;
  for (const auto& stage : whole["stages"]) time_s += stage["time_s"].get<double>();
  EXPECT_GE(whole["time_s"].get<double>(), time_s * 0.99) << "and the program's own start";
  EXPECT_THAT(expect_ok("experiment spec.yaml -o results"), HasSubstr(text));

  folder_.write(
      "ahead.yaml",
      "workflow: w.yaml\nmode: forecast\naxes: {runtime.pipeline: [files, memory], obs.times: [20, 40], "
      "machine: [this, node64]}\nper: [obs.times]\npareto: [time_s]\n");
  EXPECT_THAT(expect_ok("experiment ahead.yaml -o ahead"), ContainsRegex("memory +40 +node64 +[0-9.]+"));
  folder_.write("bad.yaml", "workflow: w.yaml\nonly: image\naxes: {runtime.cpus: [1]}\n");
  EXPECT_THAT(run("experiment bad.yaml -o bad").text, HasSubstr("'only' is for mode: forecast"));
  folder_.write("bad.yaml", "workflow: w.yaml\nmode: forecast\nonly: images\naxes: {runtime.cpus: [1]}\n");
  EXPECT_THAT(run("experiment bad.yaml -o bad").text, HasSubstr("only is one of"));
}

TEST_F(StagesAhead, RoundsOfSelfCalibrationCountTogether) {
  simulate("s.ms", "s.csv", 20, 4);
  folder_.write("w.yaml",
                "inputs: s.ms\nimage: {size: 128, cell: 10asec}\nclean: {iterations: 50}\nselfcal: {rounds: "
                "[phase:20min], start_model: s.csv}\noutput: x\n");
  folder_.write("spec.yaml", "workflow: w.yaml\nrepeats: 1\naxes: {runtime.cpus: [1, 2]}\n");
  EXPECT_THAT(expect_ok("experiment spec.yaml -o results"), HasSubstr("pixels: the same"));
  const auto whole = nlohmann::json::parse(std::ifstream(folder_ / "results/runs/0-0-run/experiment.json"));
  EXPECT_EQ(whole["stages"].size(), 2u);
}

}  // namespace
}  // namespace fringeflow
