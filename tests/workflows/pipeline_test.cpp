// SPDX-License-Identifier: GPL-3.0-or-later
// Simulation, calibration and imaging in memory, as one graph: the same bits as through files.
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Pipeline : public test::Program {
 protected:
  void SetUp() override {
    catalogue("s.csv",
              {{.x = 128.3, .y = 120.7, .q_jy = 0.1, .u_jy = -0.05, .v_jy = 0.02, .spectral_index = -0.7},
               {.x = 60, .y = 190, .flux_jy = 0.4},
               {.x = 201.5, .y = 70, .flux_jy = 0.2}},
              256);
  }
  /// @param simulate, calibrate further options, each "  key: value" in braces' syntax; no calibrate stage without any
  std::string workflow(const std::string& prefix, const std::string& simulate, const std::string& calibrate,
                       const std::string& image = "weighting: briggs:0", const std::string& read = "") const {
    const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
    std::string text = fmt::format(
        "version: 1\nstages:\n"
        "  - {{id: obs, stage: simulate, layout: '{0}.layout.txt', position: '{0}.position.txt', sources: "
        "s.csv, centre: "
        "'60deg,-45deg', start: 2025-06-01T07:56:00, times: 40, interval: 60s, channels: 16, frequency: "
        "1.3GHz, "
        "channel_width: 4MHz, output: {1}.ms{2}}}\n",
        data, prefix, simulate);
    if (!calibrate.empty())
      text += fmt::format(
          "  - {{id: cal, stage: calibrate, in: {{ms: obs}}, model: s.csv, output: {}.h5, apply: "
          "CORRECTED_DATA{}}}\n",
          prefix, calibrate);
    text += fmt::format(
        "  - {{id: vis, stage: read, in: {{ms: {}}}{}}}\n"
        "  - {{id: dirty, stage: image, in: {{vis: vis}}, size: 256, cell: 5asec, {}}}\n"
        "  - {{id: clean, stage: deconvolve, in: {{image: dirty}}, iterations: 200, threshold: 1mJy}}\n"
        "  - {{id: out, stage: write, in: {{image: clean}}, prefix: {}, png: false}}\n",
        calibrate.empty() ? "obs" : "cal", read, image, prefix);
    folder_.write(prefix + ".yaml", text);
    return prefix + ".yaml";
  }
  /// Runs both ways, in memory on one and on two workers.
  void expect_same_bits(const std::string& simulate, const std::string& calibrate,
                        const std::string& image = "weighting: briggs:0") const {
    expect_ok("run " + workflow("files", simulate, calibrate, image));
    EXPECT_TRUE(std::filesystem::exists(folder_ / "files.ms"));
    for (const int cpus : {1, 2}) {
      const std::string prefix = fmt::format("memory{}", cpus);
      expect_ok(fmt::format("run {} --set runtime.pipeline=memory --set runtime.cpus={}",
                            workflow(prefix, simulate, calibrate, image), cpus));
      EXPECT_FALSE(std::filesystem::exists(folder_ / (prefix + ".ms"))) << "nothing asked for a set";
      expect_identical(prefix, "files");
    }
  }
};

TEST_F(Pipeline, SimulatedIsImaged) {
  expect_same_bits("", "");
  const auto files = metrics("files")["pipeline"], memory = metrics("memory2")["pipeline"];
  EXPECT_EQ(files["mode"], "files");
  EXPECT_EQ(memory["mode"], "memory");
  // 40 times x 276 baselines x 16 channels x 2 correlations of 8 bytes are the least that DATA takes.
  EXPECT_GT(memory["bytes_not_written"], 40 * 276 * 16 * 2 * 8);
  EXPECT_GE(files["bytes_written"], 40 * 276 * 16 * 2 * 8);
  EXPECT_GT(memory["simulation_core_s"], 0);
  EXPECT_GT(memory["processing_core_s"], 0);
  EXPECT_GT(memory["makespan_s"], 0);
  EXPECT_GT(files["makespan_s"], files["stages_before_s"]);
  // Two stages write and read one set: no longer than they last, and tasks side by side count once.
  EXPECT_GT(files["io_wall_s"], 0);
  EXPECT_LE(files["io_wall_s"], files["io_s"]);
  EXPECT_LT(files["io_wall_s"], files["makespan_s"]);
}

TEST_F(Pipeline, EveryEffectAndStokes) {
  expect_same_bits(
      ", correlations: [XX, XY, YX, YY], noise: 0.1Jy, tec: '0.05', beam: 'gaussian:30amin', "
      "autocorrelations: true, gains: "
      "'walk:phase=60deg,time=5min+leakage:amplitude=0.05'",
      "", "weighting: uniform, stokes: IQUV, channels_out: 2");
}

TEST_F(Pipeline, FlagsOfTheEmulator) {
  const std::string simulate =
      ", rfi: 'bursts=30,flux=20Jy,duration=2min,width=8MHz', flags: rfi+0.05, smearing: both, noise: 0.1Jy";
  expect_same_bits(simulate, "");
  const auto flagged = metrics("files")["visibilities_flagged"].get<int64_t>();
  EXPECT_GT(flagged, 40 * 276 * 16 * 0.05);
  EXPECT_EQ(metrics("memory2")["visibilities_flagged"], flagged);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "memory1-rfi.csv"));
}

TEST_F(Pipeline, FlagsOfTheEmulatorAndCalibration) {
  expect_same_bits(", flags: '0.1', gains: 'constant:phase=30deg'", ", interval: 5min");
}

TEST_F(Pipeline, NaturalWeightsOfCircularFeeds) {
  expect_same_bits(", correlations: [RR, LL]", "", "weighting: natural");
}

TEST_F(Pipeline, CalibratedAndImaged) {
  // 7 minutes do not divide 40: the last interval is shorter, and intervals reach from one chunk into the next.
  expect_same_bits(", noise: 0.05Jy, gains: 'walk:phase=60deg,time=20min+constant:amplitude=0.1'",
                   ", interval: 7min, solve: diagonal, channels_per_solution: 5");
}

TEST_F(Pipeline, OneSolutionForAllTimes) {
  expect_same_bits(", correlations: [XX, XY, YX, YY], gains: 'constant:amplitude=0.1,phase=30deg'",
                   ", interval: 0s, solve: full");
}

TEST_F(Pipeline, FlagsOfCalibrationMakeTheDensityAgain) {
  // Antennas without baselines that long have no solution, so that their data are flagged, which the weights must see.
  const std::string calibrate = ", interval: 5min, solve: phase, uv_range: 1200m..";
  expect_same_bits(", gains: 'constant:phase=30deg'", calibrate);
  EXPECT_GT(metrics("files")["visibilities_flagged"], 0);
  EXPECT_EQ(metrics("memory1")["visibilities_flagged"], metrics("files")["visibilities_flagged"]);
  EXPECT_THAT(expect_ok("run " + workflow("again", ", gains: 'constant:phase=30deg'", calibrate) +
                        " --set runtime.pipeline=memory"),
              HasSubstr("density"));
}

TEST_F(Pipeline, GainsAndTruthAreWritten) {
  expect_ok("run " + workflow("gains", ", gains: 'constant:phase=30deg'", ", interval: 5min, plot: true") +
            " --set runtime.pipeline=memory");
  const auto names = file_names();
  EXPECT_TRUE(names.contains("gains.h5"));
  EXPECT_TRUE(names.contains("gains-truth.h5"));
}

TEST_F(Pipeline, RawDataWhereTheyAreAskedFor) {
  const std::string simulate = ", gains: 'constant:phase=30deg'", calibrate = ", interval: 5min";
  expect_ok("run " + workflow("files", simulate, calibrate, "weighting: briggs:0", ", column: DATA"));
  expect_ok("run " + workflow("memory", simulate, calibrate, "weighting: briggs:0", ", column: DATA") +
            " --set runtime.pipeline=memory");
  expect_identical("memory", "files");
}

TEST_F(Pipeline, PlanAndGraphKnowTheWholeOfIt) {
  const auto name = workflow("plan", "", ", interval: 5min");
  EXPECT_THAT(
      expect_ok("plan " + name + " --set runtime.pipeline=memory"),
      AllOf(HasSubstr("simulate"), HasSubstr("solve"), HasSubstr("grid"), HasSubstr("made in memory")));
  EXPECT_THAT(expect_ok("graph " + name + " --level task --set runtime.pipeline=memory"),
              AllOf(HasSubstr("simulate"), HasSubstr("apply_gains"), HasSubstr("to_stokes")));
}

TEST_F(Pipeline, WhatCannotBeInMemoryIsRefused) {
  const auto refused = [&](const std::string& name) {
    const auto answer = run("run " + name + " --set runtime.pipeline=memory");
    EXPECT_EQ(answer.code, 2) << answer.text;
    EXPECT_THAT(answer.text, HasSubstr("files"));
    return answer.text;
  };
  EXPECT_THAT(refused(workflow("a", "", "", "weighting: briggs:0", ", uv_range: 100m..")),
              HasSubstr("uv_range"));
  EXPECT_THAT(refused(workflow("b", "", "", "centre: '60.1deg,-45deg'")), HasSubstr("centre"));
  EXPECT_THAT(refused(workflow("c", "", ", interval: 5min, column: MODEL_DATA")), HasSubstr("MODEL_DATA"));
  EXPECT_THAT(refused(workflow("e", ", averaging: 'field=1deg'", "")), HasSubstr("rows are of several times each"));
  const auto longest = run("run " + workflow("d", "", ", interval: 5h") + " --set runtime.pipeline=memory");
  EXPECT_EQ(longest.code, 2);
  EXPECT_THAT(longest.text, HasSubstr("longer than the data"));
  const auto names = file_names();
  for (const auto& name : names) EXPECT_FALSE(name.ends_with(".fits")) << name;
}

}  // namespace
}  // namespace fringeflow
