// SPDX-License-Identifier: GPL-3.0-or-later
// Plans of imaging jobs on a small set: everything is covered once, and the memory is what the parts come to.
#include "graphs/imaging/imaging_plan.hpp"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "codelets/registry.hpp"
#include "graphs/imaging/imaging_graph.hpp"
#include "graphs/imaging/memory_plan.hpp"
#include "graphs/recorder.hpp"
#include "io/error.hpp"
#include "tests/data/tiny_set.hpp"

namespace fringeflow::graphs {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;

class ImagingPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // 24 stations: 276 baselines, 300 times, 16 channels: 1.3 M visibilities.
    fringeflow::test::make_tiny_set(folder_ / "s.ms", {.antennas = 24, .times = kTimes, .channels = 16});
    job_.ms = {folder_ / "s.ms"};
    job_.image.nx = job_.image.ny = 256;
    job_.image.cell_rad = 2e-5;
    job_.runtime.memory_bytes = 2048 * kMiB;
  }

  static void expect_rows_covered(const ImagingPlan& plan) {
    std::map<int, std::set<int64_t>> begins;
    int64_t visibilities = 0;
    for (const auto& chunk : plan.chunks) {
      EXPECT_GT(chunk.layout.rows, 0);
      visibilities += chunk.layout.rows * chunk.layout.channels;
      EXPECT_EQ(chunk.parts.size(), plan.channels.size());
    }
    EXPECT_EQ(visibilities, int64_t{276} * kTimes * 16);
    EXPECT_EQ(plan.visibilities, visibilities);
  }
  /// Each slab of every facet is in one wave.
  static void expect_slabs_covered(const ImagingPlan& plan, const std::vector<Wave>& waves) {
    std::set<std::tuple<size_t, size_t, int64_t>> seen;
    size_t wanted = 0;
    for (const auto& wave : waves) {
      EXPECT_FALSE(wave.empty());
      for (const auto& entry : wave) {
        EXPECT_LT(entry.slab_begin, entry.slab_end);
        for (int64_t slab = entry.slab_begin; slab < entry.slab_end; ++slab)
          EXPECT_TRUE(seen.emplace(entry.channel, entry.facet, slab).second) << "twice";
      }
    }
    for (const auto& channel : plan.channels)
      for (const auto& facet : channel.facets) wanted += static_cast<size_t>(facet->facet.slabs());
    EXPECT_EQ(seen.size(), wanted);
  }
  /// The least memory that the planner takes, to a MiB.
  int64_t least_mebibytes() {
    int64_t low = 64, high = 2048;
    while (high - low > 1) {
      const auto middle = (low + high) / 2;
      job_.runtime.memory_bytes = middle * kMiB;
      try {
        plan_imaging_job(job_);
        high = middle;
      } catch (const UserError&) {
        low = middle;
      }
    }
    return high;
  }
  static Recorder record(const ImagingPlan& plan) {
    Recorder recorder;
    ImagingGraph graph(plan, recorder);
    graph.dirty();
    graph.write_dirty(nullptr);
    if (plan.cleans()) {
      graph.clean([](runtime::DataId) { return nullptr; });
      graph.write_cleaned(nullptr);
    }
    return recorder;
  }

  static constexpr int kTimes = 300;
  fringeflow::test::TemporaryFolder folder_;
  ImagingJob job_;
};

TEST_F(ImagingPlanTest, CoversEverythingOnce) {
  for (const int64_t channels_out : {1, 3})
    for (const int facets : {1, 2}) {
      job_.image.weighting = facets == 1 ? WeightingScheme::natural : WeightingScheme::uniform;
      job_.image.channels_out = channels_out;
      job_.image.facets = facets;
      job_.deconvolve.iterations = 100;
      const auto plan = plan_imaging_job(job_);
      expect_rows_covered(plan);
      EXPECT_EQ(plan.channels.size(), static_cast<size_t>(channels_out));
      for (const auto& channel : plan.channels)
        EXPECT_EQ(channel.facets.size(), static_cast<size_t>(facets * facets));
      expect_slabs_covered(plan, plan.sky_waves);
      // With a density all chunks are there before the first is gridded: strips take turns, in one wave.
      EXPECT_EQ(plan.memory.strip_stores > 0, plan.needs_density());
      if (plan.needs_density())
        EXPECT_EQ(plan.sky_waves.size(), 1u);
      else
        expect_slabs_covered(plan, plan.model_waves);
      // Every channel of the data is in one output channel.
      for (const auto& chunk : plan.chunks) {
        int64_t used = 0;
        for (const auto& part : chunk.parts) used += part.channel_end - part.channel_begin;
        EXPECT_EQ(used, chunk.layout.channels);
      }
    }
}

TEST_F(ImagingPlanTest, MemoryIsTheSumOfItsParts) {
  job_.deconvolve.iterations = 100;
  const auto plan = plan_imaging_job(job_);
  const auto& memory = plan.memory;
  EXPECT_TRUE(memory.resident);
  EXPECT_EQ(memory.budget, 2048 * kMiB);
  EXPECT_LE(memory.total(), memory.budget);
  EXPECT_EQ(memory.total(), memory.base + memory.read_buffers + memory.images + memory.grids +
                                memory.transforms + memory.chunks + memory.clean);
  // What the graph registers is in the plan: all data of a graph that keeps everything live at once.
  const auto recorder = record(plan);
  int64_t bytes = 0;
  for (const auto& data : recorder.data()) bytes += data.bytes;
  EXPECT_LE(bytes, memory.total() - memory.base);
}

TEST_F(ImagingPlanTest, ARingWhereMemoryIsSmall) {
  job_.deconvolve.iterations = 100;
  const auto resident = plan_imaging_job(job_);
  const auto least = least_mebibytes();
  job_.runtime.memory_bytes = least * kMiB;
  const auto plan = plan_imaging_job(job_);
  EXPECT_FALSE(plan.memory.resident);
  EXPECT_LE(plan.memory.total(), least * kMiB);
  EXPECT_GT(plan.chunks.size(), resident.chunks.size()) << "smaller chunks";
  EXPECT_LT(plan.memory.ring_slots, static_cast<int64_t>(plan.chunks.size()));
  expect_rows_covered(plan);
  expect_slabs_covered(plan, plan.sky_waves);
  expect_slabs_covered(plan, plan.model_waves);
  int64_t bytes = 0;
  const auto recorder = record(plan);
  for (const auto& data : recorder.data()) bytes += data.bytes;
  EXPECT_LE(bytes, plan.memory.total() - plan.memory.base) << "the ring's data, not those of all chunks";
  // What changes bits does not depend on memory.
  ASSERT_EQ(plan.channels.size(), resident.channels.size());
  EXPECT_EQ(plan.channels[0].summary.text, resident.channels[0].summary.text);
}

TEST_F(ImagingPlanTest, SaysWhatItWouldNeed) {
  job_.deconvolve.iterations = 100;
  job_.image.nx = job_.image.ny = 2048;
  const auto least = least_mebibytes();
  job_.runtime.memory_bytes = 100 * kMiB;
  const auto message = fringeflow::test::message_of<UserError>([&] { plan_imaging_job(job_); });
  EXPECT_THAT(message, HasSubstr("100 MiB are not enough"));
  const auto at = message.find("need ");
  ASSERT_NE(at, std::string::npos);
  const auto named = std::stoll(message.substr(at + 5));
  // The named amount is enough; chunks grow with memory, so it may be a little more than the least.
  job_.runtime.memory_bytes = (named + named / 20) * kMiB;
  EXPECT_NO_THROW(plan_imaging_job(job_)) << message << "; the least is " << least;
}

TEST_F(ImagingPlanTest, Refuses) {
  job_.image.channels_out = 17;
  EXPECT_THAT(fringeflow::test::message_of<UserError>([&] { plan_imaging_job(job_); }),
              HasSubstr("16 distinct channels"));
  // One baseline of hundreds of metres, and a grid of five wavelengths.
  fringeflow::test::make_tiny_set(folder_ / "long.ms", {.antennas = 2, .times = 1});
  job_.ms = {folder_ / "long.ms"};
  job_.image.channels_out = 1;
  job_.image.cell_rad = 0.1;
  job_.image.nx = job_.image.ny = 8;
  EXPECT_THAT(fringeflow::test::message_of<RunError>([&] { plan_imaging_job(job_); }),
              HasSubstr("use smaller cells"));
}

TEST_F(ImagingPlanTest, GraphsOfPlans) {
  for (const int64_t iterations : {0, 100})
    for (const auto weighting : {WeightingScheme::natural, WeightingScheme::briggs}) {
      job_.deconvolve.iterations = iterations;
      job_.image.weighting = weighting;
      const auto plan = plan_imaging_job(job_);
      const auto recorder = record(plan);
      const runtime::CostModel costs(folder_ / "none.json");
      std::map<std::string, int64_t> count;
      for (const auto& task : recorder.tasks()) {
        const auto& codelet = *task.codelet;
        ++count[codelet.name];
        EXPECT_GT(costs.seconds(codelet, task.arguments.get(), runtime::Device::cpu), 0) << codelet.name;
        EXPECT_LT(costs.seconds(codelet, task.arguments.get(), runtime::Device::cpu), 100) << codelet.name;
      }
      EXPECT_EQ(count["read"], static_cast<int64_t>(plan.chunks.size())) << "kept in memory: read once";
      EXPECT_EQ(count.contains("density"), weighting == WeightingScheme::briggs);
      EXPECT_EQ(count.contains("minor"), iterations > 0);
      // Only the first task of all data waits for nothing: nothing reads what nothing wrote.
      std::set<runtime::DataId> written;
      for (const auto& task : recorder.tasks()) {
        for (const auto& [data, access] : task.data) {
          if (access == runtime::Access::read) {
            EXPECT_TRUE(written.contains(data))
                << task.codelet->name << " reads " << recorder.data()[static_cast<size_t>(data)].name;
          }
        }
        for (const auto& [data, access] : task.data)
          if (access != runtime::Access::read) written.insert(data);
      }
    }
}

TEST(Registry, EveryCodeletIsWhole) {
  std::set<std::string> names;
  // These take what they take: one block of state, a patch around the PSF's peak.
  const std::set<std::string> constant_work{"decide", "share_iterations", "fit_beam"};
  for (const auto* codelet : all_codelets()) {
    SCOPED_TRACE(codelet->name);
    EXPECT_TRUE(names.insert(codelet->name).second) << "twice";
    EXPECT_THAT(codelet->doc, ::testing::Not(::testing::StrEq("")));
    EXPECT_NE(codelet->cpu, nullptr);
    EXPECT_GE(codelet->version, 1);
    EXPECT_GT(codelet->cpu_work_per_s, 0);
    EXPECT_GT(codelet->cuda_work_per_s, 0);
    EXPECT_TRUE(codelet->work != nullptr || constant_work.contains(codelet->name))
        << "its time must follow from its arguments";
    if (codelet->role == runtime::Role::io) {
      EXPECT_EQ(codelet->cuda, nullptr) << "blocking work belongs on cores";
    }
  }
}

TEST(Registry, CodeletsOfAGraphAreRegistered) {
  // The recorder of a clean with everything in it: all that runs is listed.
  const fringeflow::test::TemporaryFolder folder;
  fringeflow::test::make_tiny_set(folder / "s.ms");
  ImagingJob job;
  job.ms = {folder / "s.ms"};
  job.image.nx = job.image.ny = 64;
  job.image.cell_rad = 2e-5;
  job.image.channels_out = 2;
  job.image.stokes = "IQUV";
  job.deconvolve.iterations = 10;
  const auto plan = plan_imaging_job(job);
  Recorder recorder;
  ImagingGraph graph(plan, recorder);
  graph.dirty();
  graph.write_dirty(nullptr);
  graph.clean([](runtime::DataId) { return nullptr; });
  graph.write_cleaned(nullptr);
  const auto list = all_codelets();
  const std::set<const runtime::CodeletDef*> registered(list.begin(), list.end());
  std::set<std::string> missing;
  for (const auto& task : recorder.tasks())
    if (!registered.contains(task.codelet)) missing.insert(task.codelet->name);
  EXPECT_THAT(missing, ::testing::IsEmpty());
}

TEST(Registry, ComputingIsDoneOnGpusToo) {
  // Those that stay on cores, with the reason; everything else that computes has a CUDA body.
  const std::map<std::string, std::string> on_cores{
      {"index", "once per chunk and pass, sorting; runs while the GPU grids the chunk before"},
      {"far_sidelobe", "once per run"},
      {"decide", "a few numbers that the host waits for"},
      {"share_iterations", "a few numbers"},
      {"apply_components", "a list of components, far shorter than the image"},
      {"fit_beam", "once per run, a patch around the peak"},
      {"screen", "a few cosines per antenna and source, whose truth is written on the host"},
      {"calibration_rows", "its flags are the host's"},
      {"geometry", "its UVW and flags are the host's"},
      {"to_stokes", "counts flags, and ends the run where the density of weights was wrong"},
      {"average", "follows simulate on its way to the disk"},
  };
  std::set<std::string> without;
  bool any = false;
  for (const auto* codelet : all_codelets()) {
    if (codelet->role != runtime::Role::compute) continue;
    if (codelet->cuda != nullptr)
      any = true;
    else
      without.insert(codelet->name);
  }
  if (!any) GTEST_SKIP() << "built without CUDA";
  std::set<std::string> expected;
  for (const auto& [name, reason] : on_cores) expected.insert(name);
  EXPECT_EQ(without, expected);
}

}  // namespace
}  // namespace fringeflow::graphs
