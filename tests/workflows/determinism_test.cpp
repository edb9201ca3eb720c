// SPDX-License-Identifier: GPL-3.0-or-later
// Strict determinism: the same bits whatever the scheduler, the workers, the I/O workers and the memory.
#include "runtime/runtime.hpp"
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

class Determinism : public test::Program {
 protected:
  void observe(int times, int channels) const {
    simulate("s.ms",
             catalogue("s.csv",
                       {{.x = 128.3, .y = 120.7},
                        {.x = 60, .y = 190, .flux_jy = 0.4},
                        {.x = 201.5, .y = 70, .flux_jy = 0.2}},
                       256),
             times, channels, fmt::format("{}s", 14400 / times));
  }
  const std::string image_ = "image s.ms --size 256 --cell 5asec --no-png ";
};

TEST_F(Determinism, SchedulersAndWorkers) {
  observe(30, 8);
  const std::string clean = image_ + "--iterations 400 --threshold 1mJy --gain 0.2 ";
  expect_ok(clean + "--set runtime.scheduler=prio --set runtime.cpus=1 --set runtime.io_workers=1 -o one");
  for (const std::string scheduler : {"lws", "dmda", "dmdas", "eager", "prio", "random"})
    for (const auto& [cpus, io_workers] : {std::pair{1, 4}, {2, 1}, {4, 4}}) {
      if (scheduler != "prio" && cpus == 1)
        continue;  // one worker has no order to choose but the scheduler's
      expect_ok(
          fmt::format("{} --set runtime.scheduler={} --set runtime.cpus={} --set runtime.io_workers={} -o b",
                      clean, scheduler, cpus, io_workers));
      expect_identical("b", "one");
      const auto metrics = Program::metrics("b");
      EXPECT_EQ(metrics["scheduler"], scheduler);
      EXPECT_EQ(metrics["cpus"], cpus);
      EXPECT_EQ(metrics["io_workers"], io_workers);
    }
}

TEST_F(Determinism, MemoryLimits) {
  // 3.5 M visibilities: a few chunks, which less memory cuts into dozens and reads again for every cycle.
  observe(800, 16);
  const std::string clean = image_ + "--iterations 200 --gain 0.2 --weighting briggs:0 ";
  EXPECT_THAT(expect_ok(clean + "-o one"), testing::HasSubstr("along time stand for")) << "in all of these";
  EXPECT_NEAR(metrics("one")["reread_factor"].get<double>(), 1, 1e-9) << "kept in memory";
  // The smallest limit that the planner accepts.
  int mebibytes = 160;
  while (mebibytes < 400 &&
         run(fmt::format("plan s.ms --size 256 --cell 5asec --iterations 200 --set runtime.memory={}MiB -o b",
                         mebibytes))
                 .code != 0)
    mebibytes += 8;
  for (const std::string cpus : {"1", "2"}) {
    SCOPED_TRACE(mebibytes);
    expect_ok(clean + fmt::format("--set runtime.memory={}MiB --set runtime.cpus={} -o b", mebibytes, cpus));
    expect_identical("b", "one");
    const auto metrics = Program::metrics("b");
    EXPECT_EQ(metrics["bytes_read"], Program::metrics("one")["bytes_read"]) << "the set is read once";
    EXPECT_GT(metrics["cache_bytes_read"].get<int64_t>(), 0) << "a ring: its copy is read in every pass";
    EXPECT_GT(metrics["reread_factor"].get<double>(), 1.5);
    EXPECT_LE(metrics["planned_memory_bytes"].get<int64_t>(), int64_t{mebibytes} << 20);
#ifndef __SANITIZE_ADDRESS__  // the sanitizer's own memory is not in the plan
    EXPECT_LE(metrics["peak_memory_bytes"].get<int64_t>(), metrics["planned_memory_bytes"].get<int64_t>());
#endif
  }
  expect_ok(clean + fmt::format("--set runtime.memory={}MiB -o b", mebibytes + 40));
  expect_identical("b", "one");
  const std::string small = clean + fmt::format("--set runtime.memory={}MiB -o b ", mebibytes);
  expect_ok(fmt::format("{}--set runtime.cache=none", small));
  expect_identical("b", "one");
  EXPECT_EQ(metrics("b")["cache_bytes_read"], 0);
  EXPECT_GT(metrics("b")["reread_factor"].get<double>(), 1.5) << "the set is read in every pass";
  const auto refused = run(fmt::format("{}--set runtime.cache=nowhere", small));
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, testing::HasSubstr("nowhere"));
}

TEST_F(Determinism, ChannelsStokesFacetsMultiscale) {
  simulate(
      "s.ms",
      catalogue("s.csv",
                {{.x = 128, .y = 120, .q_jy = 0.2, .v_jy = 0.1}, {.x = 60, .y = 190, .flux_jy = 0.4}}, 256),
      15, 4, "16min", "2025-06-01T07:56:00", "--correlations XX,XY,YX,YY");
  const std::string image = "image s.ms --size 128 --cell 10asec --no-png ";
  for (const std::string what :
       {"--channels-out 2 --stokes IV --facets 2", "--multiscale --auto-mask 5 --threshold 3sigma"}) {
    SCOPED_TRACE(what);
    const std::string clean = image + "--iterations 60 " + what;
    expect_ok(clean + " --set runtime.scheduler=prio --set runtime.cpus=1 -o one");
    expect_ok(clean + " --set runtime.scheduler=random --set runtime.cpus=3 -o b");
    expect_identical("b", "one");
    for (const auto& name : products("one")) std::filesystem::remove(folder_ / ("one-" + name));
    for (const auto& name : products("b")) std::filesystem::remove(folder_ / ("b-" + name));
  }
}

TEST_F(Determinism, EveryScheduler) {
  observe(4, 4);
  const std::string clean =
      "image s.ms --size 128 --cell 10asec --no-png --iterations 50 --set runtime.cpus=2 --set "
      "runtime.io_workers=2 ";
  expect_ok(clean + "-o one");
  int tried = 0;
  for (const auto& scheduler : runtime::schedulers()) {
    if (!scheduler.refused.empty()) continue;
    ++tried;
    expect_ok(clean + "--set runtime.scheduler=" + scheduler.name + " -o b");
    expect_identical("b", "one");
  }
  EXPECT_GE(tried, 30);
}

}  // namespace
}  // namespace fringeflow
