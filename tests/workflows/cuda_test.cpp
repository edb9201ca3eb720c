// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// The program on a GPU and on cores alone: emulated, calibrated and imaged alike. Skipped where there is no device.
#include "fringeflow_version.hpp"
#include "io/h5parm.hpp"
#include "tests/workflows/program.hpp"
#if FRINGEFLOW_HAVE_CUDA
#include "codelets/common/cuda_worker.hpp"
#endif

namespace fringeflow {
namespace {

class CudaProgram : public test::Program {
 protected:
  void SetUp() override {
#if FRINGEFLOW_HAVE_CUDA
    if (cuda::device_count() > 0) return;
#endif
    GTEST_SKIP() << "no CUDA device on this machine, or a build without CUDA: nothing was run";
  }
  /// The command with GPUs, its products' names beginning with "gpu", and without, with "cpu". `@` stands for that word.
  void both(const std::string& command) const {
    for (const auto* where : {"gpu", "cpu"}) {
      std::string one = command;
      for (size_t at = one.find('@'); at != std::string::npos; at = one.find('@')) one.replace(at, 1, where);
      expect_ok(one + (std::string(where) == "gpu" ? "" : " --set runtime.gpus=0"));
    }
  }
  /// All runs whose products begin with "gpu" have computed on one.
  void expect_gpus_busy() const {
    int runs = 0;
    for (const auto& name : file_names()) {
      if (!name.starts_with("gpu") || !name.ends_with("-run")) continue;
      ++runs;
      double busy_s = 0;
      const auto of_run = metrics(name.substr(0, name.size() - 4));
      for (const auto& worker : of_run.at("workers"))
        if (worker.at("role") == "gpu") busy_s += worker.at("busy_s").get<double>();
      EXPECT_GT(busy_s, 0) << name;
    }
    EXPECT_GT(runs, 4);
  }
  static void expect_alike(const io::GainTable& a, const io::GainTable& b, double tolerance) {
    EXPECT_EQ(a.valid, b.valid);
    ASSERT_EQ(a.gains.size(), b.gains.size());
    double worst = 0;
    for (size_t i = 0; i < a.gains.size(); ++i) worst = std::max(worst, std::abs(a.gains[i] - b.gains[i]));
    EXPECT_LT(worst, tolerance);
  }
};

TEST_F(CudaProgram, GpusAndCoresEmulateCalibrateAndImageAlike) {
  catalogue("s.csv",
            {{.x = 128, .y = 128, .flux_jy = 5},
             {.x = 150, .y = 100, .flux_jy = 2, .q_jy = 0.1},
             {.x = 60, .y = 190}},
            256);
  const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
  both(
      fmt::format("simulate --layout '{0}.layout.txt' --position '{0}.position.txt' --sources s.csv --start "
                  "2025-06-01T07:56:00 --times 12 --interval 30s --channels 8 --frequency 1.3GHz "
                  "--channel-width 4MHz --centre 60deg,-45deg --correlations XX,XY,YX,YY "
                  "--gains walk+leakage --noise 50mJy --tec rms=0.05,scale=2km --seed 4 -o @.ms",
                  data));
  const std::string calibrate = "calibrate @.ms --model s.csv --interval 1min -o @-";
  for (const std::string kind : {"scalar-phase", "phase", "diagonal", "full"}) {
    both(calibrate + kind + ".h5 --channels-per-solution 4 --solve " + kind +
         (kind == "full" ? " --apply CORRECTED_DATA" : ""));
    expect_alike(io::read_h5parm(folder_ / ("gpu-" + kind + ".h5")),
                 io::read_h5parm(folder_ / ("cpu-" + kind + ".h5")), 1e-4);
  }
  // Of many iterations by two machines, each stops near the same minimum.
  for (const std::string solver : {"iterative", "levenberg-marquardt"}) {
    both(calibrate + solver + ".h5 --solve scalar-phase --directions 3 --solver " + solver);
    const auto gpu = io::read_directional_h5parm(folder_ / ("gpu-" + solver + ".h5")),
               cpu = io::read_directional_h5parm(folder_ / ("cpu-" + solver + ".h5"));
    ASSERT_EQ(gpu.tables.size(), cpu.tables.size());
    for (size_t d = 0; d < gpu.tables.size(); ++d) expect_alike(gpu.tables[d], cpu.tables[d], 1e-3);
  }
  both(
      "calibrate @.ms --model s.csv --interval 1min -o @-tec.h5 --channels-per-solution 2 --solve tec "
      "--directions 3");
  both("image @.ms --column CORRECTED_DATA --size 256 --cell 5asec --iterations 500 --no-png -o @");
  EXPECT_LT(largest_difference(image("gpu-dirty.fits"), image("cpu-dirty.fits")), 1e-4);
  both(
      "image @.ms --size 256 --cell 5asec --iterations 500 --no-png --facet-gains @-iterative.h5 -o "
      "@-facets");
  EXPECT_LT(largest_difference(image("gpu-facets-dirty.fits"), image("cpu-facets-dirty.fits")), 1e-3);
  expect_gpus_busy();
}

}  // namespace
}  // namespace fringeflow
