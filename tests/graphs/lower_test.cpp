// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/lower.hpp"

#include <numbers>

#include "tests/graphs/workflow_fixture.hpp"

namespace fringeflow::graphs {
namespace {

using test::build_text;
using test::job_of;
using test::kShort;
using test::mistakes;
using test::with_stages;
using ::testing::HasSubstr;

constexpr double kArcsecond = std::numbers::pi / 180 / 3600;

TEST(Lower, TheUsualFile) {
  const ImagingJob job = job_of(kShort);
  EXPECT_EQ(job.name, "meerkat-field");
  EXPECT_EQ(job.ms, std::vector<std::string>{"obs.ms"});
  EXPECT_EQ(job.image.nx, 4096);
  EXPECT_EQ(job.image.ny, 4096);
  EXPECT_DOUBLE_EQ(job.image.cell_rad, 1.5 * kArcsecond);
  EXPECT_EQ(job.image.weighting, WeightingScheme::briggs);
  EXPECT_EQ(job.deconvolve.algorithm, CleanAlgorithm::multiscale);
  EXPECT_EQ(job.deconvolve.iterations, 20000);
  EXPECT_EQ(job.deconvolve.threshold_kind, ThresholdKind::sigma);
  EXPECT_DOUBLE_EQ(job.deconvolve.threshold, 3);
  EXPECT_DOUBLE_EQ(job.deconvolve.auto_mask_sigma, 5);
  EXPECT_EQ(job.write.prefix, "out/meerkat-field");
  EXPECT_EQ(job.command_line, "test");
  EXPECT_EQ(job.workflow_text, to_yaml(build_text(kShort), true));
}

/// Defaults are written twice, in the structs and in the schema: they must agree.
TEST(Lower, DefaultsAreThoseOfTheStructs) {
  const ImagingJob job =
      job_of("inputs: a.ms\nimage: {size: 64, cell: 1asec}\nclean: {iterations: 0}\noutput: b\n");
  const ImagingJob plain;
  EXPECT_EQ(job.selection.column, plain.selection.column);
  EXPECT_EQ(job.image.weighting, plain.image.weighting);
  EXPECT_EQ(job.image.robust, plain.image.robust);
  EXPECT_EQ(job.image.taper_rad, plain.image.taper_rad);
  EXPECT_EQ(job.image.accuracy, plain.image.accuracy);
  EXPECT_EQ(job.image.stokes, plain.image.stokes);
  EXPECT_EQ(job.image.channels_out, plain.image.channels_out);
  EXPECT_EQ(job.image.centre.has_value(), plain.image.centre.has_value());
  EXPECT_EQ(job.image.facets, plain.image.facets);
  EXPECT_EQ(job.image.divide_by_n, plain.image.divide_by_n);
  EXPECT_EQ(job.image.psf, plain.image.psf);
  EXPECT_EQ(job.deconvolve.algorithm, plain.deconvolve.algorithm);
  EXPECT_EQ(job.deconvolve.iterations, plain.deconvolve.iterations);
  EXPECT_EQ(job.deconvolve.threshold_kind, plain.deconvolve.threshold_kind);
  EXPECT_EQ(job.deconvolve.gain, plain.deconvolve.gain);
  EXPECT_EQ(job.deconvolve.major_gain, plain.deconvolve.major_gain);
  EXPECT_EQ(job.deconvolve.major_cycles, plain.deconvolve.major_cycles);
  EXPECT_EQ(job.deconvolve.auto_mask_sigma, plain.deconvolve.auto_mask_sigma);
  EXPECT_EQ(job.deconvolve.scale_bias, plain.deconvolve.scale_bias);
  EXPECT_EQ(job.write.png, plain.write.png);
  EXPECT_EQ(job.runtime.scheduler, plain.runtime.scheduler);
  EXPECT_EQ(job.runtime.cpus, plain.runtime.cpus);
  EXPECT_EQ(job.runtime.gpus, plain.runtime.gpus);
  EXPECT_EQ(job.runtime.io_workers, plain.runtime.io_workers);
  EXPECT_EQ(job.runtime.memory_bytes, plain.runtime.memory_bytes);
  EXPECT_EQ(job.runtime.strict, plain.runtime.strict);
}

TEST(Lower, EveryOption) {
  const ImagingJob job = job_of(R"(name: all
inputs: {ms: [a.ms, b.ms], column: DATA, field: [0, 2], spw: 1, channels: 3..9, time: 2026-01-01.., uv_range: 1..30klambda}
image: {size: [64, 32], cell: 20uas, robust: -0.5, taper: 10asec, accuracy: 1e-6, stokes: QI, channels_out: 3,
        centre: [02:00:00, -30:00:00], facets: 2, divide_by_n: true, psf: false}
clean: {multiscale: true, niter: 5, threshold: 1mJy, gain: 0.2, mgain: 0.7, major_cycles: 4, auto_mask: 4, mask: m.fits,
        model: x.fits, scales: [0, 4.5], scale_bias: 0.5}
output: {prefix: p, png: false}
runtime: {scheduler: dmda, cpus: 2, gpus: 0, io_workers: 4, memory: 2 GiB, determinism: relaxed}
)");
  EXPECT_EQ(job.name, "all");
  EXPECT_EQ(job.ms.size(), 2u);
  EXPECT_EQ(job.selection.column, "DATA");
  EXPECT_EQ(job.selection.fields, (std::vector<int>{0, 2}));
  EXPECT_EQ(job.selection.spws, std::vector<int>{1});
  EXPECT_EQ(job.selection.channel_begin, 3);
  EXPECT_EQ(job.selection.channel_end, 9);
  EXPECT_EQ(job.selection.time_s.begin, 61041 * 86400.0);
  EXPECT_FALSE(job.selection.time_s.end);
  EXPECT_EQ(job.selection.uv_lambda.begin, 1000);
  EXPECT_EQ(job.selection.uv_lambda.end, 30000);
  EXPECT_FALSE(job.selection.uv_m.begin);
  EXPECT_EQ(job.image.nx, 64);
  EXPECT_EQ(job.image.ny, 32);
  EXPECT_DOUBLE_EQ(job.image.cell_rad, 20e-6 * kArcsecond);
  EXPECT_EQ(job.image.robust, -0.5);
  EXPECT_DOUBLE_EQ(job.image.taper_rad, 10 * kArcsecond);
  EXPECT_EQ(job.image.stokes, "IQ");
  EXPECT_EQ(job.image.channels_out, 3);
  EXPECT_NEAR(job.image.centre.value().ra_rad, std::numbers::pi / 6, 1e-15);
  EXPECT_NEAR(job.image.centre.value().dec_rad, -std::numbers::pi / 6, 1e-15);
  EXPECT_EQ(job.image.facets, 2);
  EXPECT_TRUE(job.image.divide_by_n);
  EXPECT_TRUE(job.image.psf) << "cleaning needs it";
  EXPECT_EQ(job.deconvolve.algorithm, CleanAlgorithm::multiscale);
  EXPECT_EQ(job.deconvolve.iterations, 5);
  EXPECT_EQ(job.deconvolve.threshold_kind, ThresholdKind::jansky);
  EXPECT_EQ(job.deconvolve.threshold, 1e-3);
  EXPECT_EQ(job.deconvolve.major_gain, 0.7);
  EXPECT_EQ(job.deconvolve.mask_file, "m.fits");
  EXPECT_EQ(job.deconvolve.model_file, "x.fits");
  EXPECT_EQ(job.deconvolve.scales_pixels, (std::vector<double>{0, 4.5}));
  EXPECT_FALSE(job.write.png);
  EXPECT_EQ(job.runtime.scheduler, "dmda");
  EXPECT_EQ(job.runtime.cpus, 2);
  EXPECT_EQ(job.runtime.gpus, 0);
  EXPECT_EQ(job.runtime.io_workers, 4);
  EXPECT_EQ(job.runtime.memory_bytes, int64_t{2} << 30);
  EXPECT_FALSE(job.runtime.strict);
}

TEST(Lower, SeveralImagesAreSeveralJobs) {
  const std::vector<Job> jobs =
      lower(build_text(with_stages(R"(  - {id: out, stage: write, in: {image: clean}, prefix: one}
  - {id: clean, stage: deconvolve, in: {image: dirty}, threshold: 3sigma}
  - {id: dirty, stage: image, in: {vis: vis}, size: 64, cell: 1asec}
  - {id: out2, stage: write, in: {image: dirty}, prefix: two}
)")),
            "");
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(std::get<ImagingJob>(jobs[0]).deconvolve.iterations, 1000000) << "only the threshold stops";
  EXPECT_EQ(std::get<ImagingJob>(jobs[1]).deconvolve.iterations, 0);
}

TEST(Lower, SimulatedAndPredictedSetsAreRead) {
  const std::vector<Job> jobs = lower(build_text(R"(stages:
  - {id: vis, stage: read, in: {ms: [fill, b.ms]}, column: MODEL_DATA}
  - {id: fill, stage: predict, in: {ms: sim}, model: sky.csv}
  - {id: sim, stage: simulate, layout: l, position: p, sources: s, start: 2026-01-01, times: 2, frequency: 1GHz, centre: "0deg,1rad",
     output: sim.ms, correlations: [RR, LL], interval: 1min}
  - {id: dirty, stage: image, in: {vis: vis}, size: 64, cell: 1asec}
  - {id: out, stage: write, in: {image: dirty}, prefix: one}
)"),
                                      "");
  ASSERT_EQ(jobs.size(), 3u);
  const auto& simulate = std::get<SimulateJob>(jobs[0]);
  EXPECT_EQ(simulate.output, "sim.ms");
  EXPECT_EQ(simulate.interval_s, 60);
  EXPECT_EQ(simulate.start_s, 61041 * 86400.0);
  EXPECT_EQ(simulate.centre.dec_rad, 1);
  EXPECT_EQ(simulate.correlations, (std::vector<std::string>{"RR", "LL"}));
  EXPECT_EQ(std::get<PredictJob>(jobs[1]).ms, std::vector<std::string>{"sim.ms"});
  EXPECT_EQ(std::get<ImagingJob>(jobs[2]).ms, (std::vector<std::string>{"sim.ms", "b.ms"}));
}

TEST(Lower, OneImageHasOneSelection) {
  const std::string text = with_stages(R"(  - {id: more, stage: read, in: {ms: b.ms}%s}
  - {id: dirty, stage: image, in: {vis: [vis, more]}, size: 64, cell: 1asec}
  - {id: out, stage: write, in: {image: dirty}, prefix: one}
)");
  const auto with = [&](const std::string& option) {
    std::string result = text;
    return result.replace(result.find("%s"), 2, option);
  };
  EXPECT_EQ(job_of(with("")).ms, (std::vector<std::string>{"obs.ms", "b.ms"}));
  EXPECT_THAT(mistakes(with(", column: DATA")),
              HasSubstr("w.yaml:5:47: 'vis' and 'more' select differently"));
}

const std::string kObservation = R"(version: 1
runtime: {pipeline: memory}
stages:
  - {id: obs, stage: simulate, layout: l.txt, sources: s.csv, start: 2026-01-01T00:00:00, times: 4, frequency: 1GHz, centre: '1deg,2deg', output: o.ms}
)";
const std::string kImage = R"(  - {id: dirty, stage: image, in: {vis: vis}, size: 64, cell: 1asec}
  - {id: out, stage: write, in: {image: dirty}, prefix: p}
)";
const std::string kCalibration =
    "  - {id: cal, stage: calibrate, in: {ms: obs}, model: 'point:1Jy', interval: 8s, output: g.h5, apply: "
    "CORRECTED_DATA}\n";

TEST(Lower, APipelineInMemoryIsOneJob) {
  const auto jobs =
      lower(build_text(kObservation + kCalibration + "  - {id: vis, stage: read, in: {ms: cal}}\n" + kImage),
            "test");
  ASSERT_EQ(jobs.size(), 1u);
  const auto& job = std::get<PipelineJob>(jobs[0]);
  EXPECT_EQ(job.simulate.times, 4);
  ASSERT_TRUE(job.calibrate.has_value());
  EXPECT_EQ(job.calibrate->interval_s, 8);
  EXPECT_TRUE(job.corrected);
  EXPECT_EQ(job.imaging.write.prefix, "p");
  EXPECT_EQ(job.command_line, "test");

  const auto plain =
      lower(build_text(kObservation + "  - {id: vis, stage: read, in: {ms: obs}}\n" + kImage), "");
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_FALSE(std::get<PipelineJob>(plain[0]).calibrate.has_value());
}

TEST(Lower, FilesAreTheDefault) {
  std::string text = kObservation + kCalibration + "  - {id: vis, stage: read, in: {ms: cal}}\n" + kImage;
  text.erase(text.find("runtime: {"), 28);
  EXPECT_EQ(lower(build_text(text), "").size(), 3u);
}

TEST(Lower, WhatAPipelineInMemoryCannot) {
  const std::string read = "  - {id: vis, stage: read, in: {ms: obs}}\n";
  EXPECT_THAT(mistakes(kObservation + "  - {id: vis, stage: read, in: {ms: obs}, channels: 0..0}\n" + kImage),
              HasSubstr("'vis' selects by channels"));
  EXPECT_THAT(mistakes(kObservation + read + kImage +
                       "  - {id: other, stage: image, in: {vis: vis}, size: 64, cell: 2asec}\n"
                       "  - {id: out2, stage: write, in: {image: other}, prefix: q}\n"),
              HasSubstr("'obs' is used more than once"));
  EXPECT_THAT(mistakes(kObservation +
                       "  - {id: pre, stage: predict, in: {ms: obs}, model: s.csv}\n"
                       "  - {id: vis, stage: read, in: {ms: pre}}\n" +
                       kImage),
              HasSubstr("'pre' (predict)"));
  EXPECT_THAT(mistakes(kObservation + "  - {id: vis, stage: read, in: {ms: [obs, other.ms]}}\n" + kImage),
              HasSubstr("'dirty' images several sets"));
  EXPECT_THAT(
      mistakes(
          "version: 1\nruntime: {pipeline: memory}\nstages:\n  - {id: vis, stage: read, in: {ms: a.ms}}\n" +
          kImage),
      HasSubstr("nothing to do"));
}

}  // namespace
}  // namespace fringeflow::graphs
