// SPDX-License-Identifier: GPL-3.0-or-later
// The life of a Runtime, the order of its tasks, its workers and what it records.
#include <sched.h>
#include <unistd.h>

#include <mutex>
#include <set>

#include "tests/runtime/runtime_fixture.hpp"

namespace fringeflow::runtime::test {
namespace {

using ::fringeflow::test::message_of;
using ::testing::HasSubstr;

TEST(Runtime, OnePerProcess) {
  {
    const Runtime first(workers(1, 1));
    EXPECT_THAT(message_of<RunError>([] { const Runtime second(workers(1, 1)); }),
                HasSubstr("already alive"));
  }
  // The refusal left nothing behind: one after the other is allowed.
  for (int i = 0; i < 2; ++i) {
    Runtime runtime(workers(1, 1));
    const auto x = number(runtime);
    uint64_t expected = 0;
    submit_chain(runtime, x, 10, expected);
    runtime.wait_all();
    EXPECT_EQ(value(runtime, x), expected);
  }
}

TEST(Runtime, SaysWhatWasAskedAndObtained) {
  const Runtime runtime(workers(2, 3, "lws"));
  const auto& info = runtime.info();
  EXPECT_EQ(info.scheduler, "lws");
  EXPECT_EQ(info.cpus_asked, 2);
  EXPECT_EQ(info.cpus, 2);
  EXPECT_EQ(info.io_workers_asked, 3);
  EXPECT_EQ(info.io_workers, 3);
  EXPECT_EQ(info.gpus, 0);
  EXPECT_EQ(info.cores_available, available_cores());
  EXPECT_THAT(info.starpu_version, ::testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST(Runtime, AutoUsesTheCoresOfTheProcess) {
  RuntimeOptions options;
  options.gpus = 0;
  const Runtime runtime(options);
  EXPECT_EQ(runtime.info().cpus, available_cores());
  EXPECT_GE(runtime.info().io_workers, 1);
  EXPECT_NE(runtime.info().scheduler, "auto");
}

TEST(Runtime, RefusesSchedulers) {
  EXPECT_THAT(message_of<UserError>([] { const Runtime runtime(workers(1, 1, "nonesuch")); }),
              ::testing::AllOf(HasSubstr("nonesuch"), HasSubstr("runtime.scheduler")));
  for (const auto& scheduler : schedulers()) {
    if (scheduler.refused.empty()) continue;
    EXPECT_THAT(message_of<UserError>([&] { const Runtime runtime(workers(1, 1, scheduler.name)); }),
                HasSubstr(scheduler.refused));
  }
  EXPECT_THAT(message_of<UserError>([] { const Runtime runtime(workers(100000, 1)); }),
              HasSubstr("runtime.cpus"));
  const Runtime runtime(workers(1, 1));  // and none of them left the process unable to start one
}

TEST(Runtime, ChainsComputeInTheirOrder) {
  Runtime runtime(workers(2, 1));
  std::vector<DataId> ids;
  std::vector<uint64_t> expected(8, 0);
  for (size_t i = 0; i < expected.size(); ++i) {
    ids.push_back(number(runtime));
    submit_chain(runtime, ids.back(), 500, expected[i]);
  }
  runtime.wait_all();
  for (size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(value(runtime, ids[i]), expected[i]);
}

TEST(Runtime, ReadersSeeTheWriterBeforeThem) {
  Runtime runtime(workers(2, 2));
  const auto source = number(runtime, "source");
  std::vector<DataId> sums;
  for (int64_t round = 0; round < 50; ++round) {
    // A write after reads must wait for all of them.
    runtime.submit(make_task(affine_codelet(), Step{0, round}, {{source, Access::read_write}}));
    for (int copy = 0; copy < 4; ++copy) {
      sums.push_back(number(runtime, "sum"));
      runtime.submit(
          make_task(sum_codelet(), Step{}, {{source, Access::read}, {sums.back(), Access::write}}));
    }
  }
  runtime.wait_all();
  for (size_t i = 0; i < sums.size(); ++i) EXPECT_EQ(value(runtime, sums[i]), i / 4);
}

TEST(Runtime, MoreBuffersThanStarpuHasRoomFor) {
  Runtime runtime(workers(2, 1));
  for (const int count : {1, 15, 16, 17, 40, 200}) {
    std::vector<std::pair<DataId, Access>> data;
    for (int i = 0; i < count; ++i) {
      data.emplace_back(number(runtime), Access::read);
      runtime.submit(make_task(affine_codelet(), Step{0, i + 1}, {{data.back().first, Access::write}}));
    }
    const auto sum = number(runtime);
    data.emplace_back(sum, Access::write);
    runtime.submit(make_task(sum_codelet(), Step{}, std::move(data)));
    runtime.wait_all();
    EXPECT_EQ(value(runtime, sum), static_cast<uint64_t>(count * (count + 1) / 2)) << count;
  }
}

TEST(Runtime, WaitsForATicket) {
  Runtime runtime(workers(2, 1));
  const auto x = number(runtime);
  for (uint64_t i = 1; i <= 20; ++i) {
    auto task = make_task(affine_codelet(), Step{0, static_cast<int64_t>(i)}, {{x, Access::read_write}});
    task.waitable = true;
    const auto ticket = runtime.submit(std::move(task));
    EXPECT_TRUE(runtime.wait(ticket));
    EXPECT_EQ(value(runtime, x), i);
    EXPECT_TRUE(runtime.wait(ticket));  // done already: nothing to wait for
  }
  auto forgotten = make_task(affine_codelet(), Step{0, 77}, {{x, Access::read_write}});
  forgotten.waitable = true;
  runtime.submit(std::move(forgotten));
  runtime.wait_all();
  EXPECT_EQ(value(runtime, x), 77u);
}

TEST(Runtime, ScratchIsAlignedAndKept) {
  static std::atomic<int> misaligned{0};
  misaligned = 0;
  static const CodeletDef def{
      .name = "scratch", .doc = "writes its scratch", .cpu = [](const BodyContext& context) {
        const auto bytes = context.arguments<int64_t>();
        std::byte* memory = context.scratch(bytes);
        if (reinterpret_cast<uintptr_t>(memory) % 64 != 0) ++misaligned;
        for (int64_t i = 0; i < bytes; i += 4096) memory[i] = std::byte{1};
        memory[bytes - 1] = std::byte{1};
      }};
  Runtime runtime(workers(2, 1));
  for (const int64_t bytes : {1, 100, 100000, 20 << 20, 10})
    runtime.submit(make_task(def, int64_t{bytes}, {}));
  runtime.wait_all();
  EXPECT_EQ(misaligned, 0);
}

std::mutex threads_mutex;
std::set<std::thread::id> threads[2];
void note_thread(Role role) {
  const std::lock_guard lock(threads_mutex);
  threads[role == Role::io].insert(std::this_thread::get_id());
}

TEST(Runtime, IoRunsOnIoWorkersOnly) {
  static const CodeletDef compute{
      .name = "compute", .doc = "", .cpu = [](const BodyContext&) { note_thread(Role::compute); }};
  static const CodeletDef io{
      .name = "io", .doc = "", .role = Role::io, .cpu = [](const BodyContext&) { note_thread(Role::io); }};
  for (const std::string scheduler : {"prio", "lws", "dmda", "random"}) {
    for (auto& set : threads) set.clear();
    Runtime runtime(workers(2, 2, scheduler));
    for (int i = 0; i < 200; ++i) runtime.submit(make_task(i % 2 == 0 ? compute : io, i, {}));
    runtime.wait_all();
    std::vector<std::thread::id> both;
    std::set_intersection(threads[0].begin(), threads[0].end(), threads[1].begin(), threads[1].end(),
                          std::back_inserter(both));
    EXPECT_TRUE(both.empty()) << scheduler;
    EXPECT_LE(threads[0].size(), 2u);
    EXPECT_LE(threads[1].size(), 2u);
    const auto timeline = runtime.timeline();
    EXPECT_EQ(timeline.tasks.size(), 200u);
    for (const auto& task : timeline.tasks)
      EXPECT_EQ(timeline.workers.at(static_cast<size_t>(task.worker)).role, task.codelet->role) << scheduler;
  }
}

TEST(Runtime, ReadingGoesOnWhileAllCoresCompute) {
  // Each read waits for a computation that is under way: with one pool of workers this would never end.
  static std::atomic<int> computing{0}, reads{0};
  computing = reads = 0;
  static const CodeletDef compute{.name = "busy", .doc = "", .cpu = [](const BodyContext&) {
                                    ++computing;
                                    while (reads.load() < 4) std::this_thread::yield();
                                  }};
  static const CodeletDef io{.name = "io", .doc = "", .role = Role::io, .cpu = [](const BodyContext&) {
                               while (computing.load() < 2) std::this_thread::yield();
                               ++reads;
                             }};
  Runtime runtime(workers(2, 1));
  for (int i = 0; i < 2; ++i) runtime.submit(make_task(compute, i, {}));
  for (int i = 0; i < 4; ++i) runtime.submit(make_task(io, i, {}));
  runtime.wait_all();
  EXPECT_EQ(reads, 4);
}

TEST(Runtime, SleepingIsNotTheTasksOwnTime) {
  Runtime runtime(workers(2, 1));
  const auto a = runtime.create({"a", 1000});
  runtime.submit(make_task(nap_codelet(), Nap{50}, {{a, Access::read_write}}));
  runtime.submit(make_task(read_nap_codelet(), Nap{50}, {{a, Access::read_write}}));
  runtime.wait_all();
  const auto tasks = runtime.timeline().tasks;
  ASSERT_EQ(tasks.size(), 2u);
  for (const auto& task : tasks) {
    EXPECT_GE(task.end_s - task.start_s, 0.05);
    EXPECT_GE(task.cpu_s, 0);
    EXPECT_LT(task.cpu_s, 0.02);
    if (task.codelet->role == Role::compute)
      EXPECT_LT(own_seconds(task), 0.02);
    else
      EXPECT_GE(own_seconds(task), 0.05) << "I/O waits for disks: that is its own time";
  }
}

TEST(Runtime, MemoryOfTheDataOverTime) {
  Runtime runtime(workers(2, 1));
  const auto a = runtime.create({"a", 1 << 20}), b = runtime.create({"b", 3 << 20});
  runtime.look_at_memory();
  runtime.submit(make_task(nap_codelet(), Nap{0}, {{a, Access::write}}));
  runtime.wait_all();
  runtime.look_at_memory();
  runtime.submit(make_task(nap_codelet(), Nap{0}, {{a, Access::write}, {b, Access::write}}));
  runtime.wait_all();
  runtime.look_at_memory();
  const auto nodes = runtime.timeline().nodes;
  ASSERT_GE(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].name, "data in main memory");
  const auto& samples = nodes[0].samples;
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[1].bytes - samples[0].bytes, 1 << 20);
  EXPECT_EQ(samples[2].bytes - samples[1].bytes, 3 << 20) << "a was there";
  EXPECT_LT(samples[0].at_s, samples[2].at_s);
}

TEST(Runtime, RecordsEveryTaskOnce) {
  Runtime runtime(workers(2, 2));
  const auto a = runtime.create({"a", 1000}), b = runtime.create({"b", 24});
  constexpr int kTasks = 300;
  for (int i = 0; i < kTasks; ++i) {
    const Tag tag{.chunk = i, .cycle = i % 3};
    const auto& codelet = i % 3 == 0 ? read_nap_codelet() : nap_codelet();
    runtime.submit(make_task(codelet, Nap{0}, {{a, Access::read_write}, {b, Access::read}}, tag));
  }
  runtime.wait_all();
  EXPECT_EQ(runtime.progress(), std::make_pair(int64_t{kTasks}, int64_t{kTasks}));
  const auto timeline = runtime.timeline();
  ASSERT_EQ(timeline.tasks.size(), static_cast<size_t>(kTasks));
  ASSERT_EQ(timeline.workers.size(), 4u);
  EXPECT_EQ(std::count_if(timeline.workers.begin(), timeline.workers.end(),
                          [](const auto& w) { return w.role == Role::io; }),
            2);
  std::set<int64_t> ids, chunks;
  double last_start = 0, last_end = 0;
  for (const auto& task : timeline.tasks) {
    ids.insert(task.id);
    chunks.insert(task.tag.chunk);
    EXPECT_EQ(task.tag.chunk % 3, task.tag.cycle);
    EXPECT_EQ(task.bytes, 1024);
    EXPECT_EQ(task.device, Device::cpu);
    EXPECT_GT(task.predicted_s, 0);
    EXPECT_GE(task.end_s, task.start_s);
    EXPECT_GE(task.start_s, task.ready_s);
    EXPECT_GE(task.start_s, last_end) << "a chain, so one after the other";
    EXPECT_GE(task.start_s, last_start) << "ordered by start";
    last_start = task.start_s;
    last_end = task.end_s;
  }
  EXPECT_EQ(ids.size(), static_cast<size_t>(kTasks));
  EXPECT_EQ(chunks.size(), static_cast<size_t>(kTasks));
  EXPECT_GE(timeline.makespan_s, last_end - timeline.tasks.front().start_s);
}

TEST(Runtime, RecordsWhatTasksWaitFor) {
  Runtime runtime(workers(2, 1));
  const auto x = number(runtime, "x"), y = number(runtime, "y");
  runtime.submit(make_task(affine_codelet(), Step{}, {{x, Access::write}}));
  auto waited = make_task(affine_codelet(), Step{}, {{y, Access::write}});
  waited.waitable = true;
  ASSERT_TRUE(runtime.wait(runtime.submit(std::move(waited))));
  runtime.submit(make_task(sum_codelet(), 0, {{x, Access::read}, {x, Access::read_write}}));
  runtime.wait_all();
  const auto timeline = runtime.timeline();
  ASSERT_EQ(timeline.dependencies.tasks(), 3);
  EXPECT_TRUE(timeline.dependencies.of(0).empty());
  EXPECT_TRUE(timeline.dependencies.of(1).empty());
  const auto last = timeline.dependencies.of(2);
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[0].task, 0);
  EXPECT_EQ(last[0].data, x);
  EXPECT_EQ(last[1].task, 1) << "the submitter waited for it";
  EXPECT_EQ(last[1].data, -1);
  EXPECT_EQ(timeline.data.at(static_cast<size_t>(y)).name, "y");
  EXPECT_EQ(timeline.transferred_bytes, 0) << "one memory";
  for (const auto& task : timeline.tasks) {
    EXPECT_GE(task.fetch_s, 0);
    EXPECT_GE(task.overhead_s, 0);
    EXPECT_GE(task.start_s, timeline.begin_s);
    EXPECT_LE(task.end_s, timeline.begin_s + timeline.makespan_s);
    for (const auto& before : timeline.dependencies.of(task.id))
      for (const auto& other : timeline.tasks)
        EXPECT_TRUE(other.id != before.task || other.end_s <= task.start_s);
  }
}

TEST(Runtime, EmptyRunsEnd) {
  Runtime runtime(workers(1, 1));
  runtime.create(
      {"untouched", int64_t{1} << 40});  // address space alone: a terabyte costs nothing until it is written
  runtime.wait_all();
  EXPECT_TRUE(runtime.timeline().tasks.empty());
  EXPECT_EQ(runtime.timeline().makespan_s, 0);
}

/// What a process that may run on one core only finds; its exit code is what it returns.
[[noreturn]] void on_one_core() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  int core = 0;
  while (!CPU_ISSET(core, &set)) ++core;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) _exit(3);
  if (available_cores() != 1) _exit(4);
  RuntimeOptions options;
  options.gpus = 0;
  {
    Runtime runtime(options);
    if (runtime.info().cpus != 1) _exit(5);
    static std::atomic<int> core_seen{-1};
    static const CodeletDef where{
        .name = "where", .doc = "", .cpu = [](const BodyContext&) { core_seen = sched_getcpu(); }};
    runtime.submit(make_task(where, 0, {}));
    runtime.wait_all();
    if (core_seen != core) _exit(6);
  }
  _exit(0);
}

TEST(RuntimeDeathTest, ObeysTheAffinityOfTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // StarPU's threads must not exist before the fork
  EXPECT_EXIT(on_one_core(), ::testing::ExitedWithCode(0), "");
}

TEST(Machine, SaysSensibleThings) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_GT(available_memory_bytes(), int64_t{64} << 20);
  EXPECT_GT(peak_resident_bytes(), 0);
  EXPECT_LT(peak_resident_bytes(), int64_t{1} << 40);
  EXPECT_FALSE(host_name().empty());
}

TEST(Machine, CacheDirectoryFallsBack) {
  const fringeflow::test::TemporaryFolder folder;
  setenv("FRINGEFLOW_CACHE", (folder / "deep/er").c_str(), 1);
  EXPECT_EQ(cache_directory(), folder / "deep/er");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "deep/er"));
  folder.write("file", "");
  setenv("FRINGEFLOW_CACHE", (folder / "file/below").c_str(), 1);
  setenv("XDG_CACHE_HOME", (folder / "xdg").c_str(), 1);
  EXPECT_EQ(cache_directory(), folder / "xdg/fringeflow");
  setenv("XDG_CACHE_HOME", (folder / "file").c_str(), 1);
  setenv("HOME", (folder / "file").c_str(), 1);
  EXPECT_TRUE(std::filesystem::is_directory(cache_directory()));
}

// Every policy that a user may choose runs chains, fans and I/O beside each other to the same end.
class EveryScheduler : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryScheduler, RunsAGraph) {
  Runtime runtime(workers(2, 2, GetParam()));
  EXPECT_EQ(runtime.info().scheduler, GetParam());
  uint64_t expected = 0, all = 0;
  std::vector<std::pair<DataId, Access>> data;
  for (int i = 0; i < 20; ++i) {
    data.emplace_back(number(runtime), Access::read);
    expected = 0;
    submit_chain(runtime, data.back().first, 20 + i, expected);
    runtime.submit(
        make_task(read_nap_codelet(), Nap{0}, {{data.back().first, Access::read_write}}, {}, i - 10));
    all += expected;
  }
  const auto sum = number(runtime);
  data.emplace_back(sum, Access::write);
  auto task = make_task(sum_codelet(), Step{}, std::move(data));
  task.waitable = true;
  task.priority = 5;
  runtime.wait(runtime.submit(std::move(task)));
  EXPECT_EQ(value(runtime, sum), all);
  runtime.wait_all();
}

std::vector<std::string> usable_schedulers() {
  std::vector<std::string> names;
  for (const auto& scheduler : schedulers())
    if (scheduler.refused.empty()) names.push_back(scheduler.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Policies, EveryScheduler, ::testing::ValuesIn(usable_schedulers()),
                         [](const auto& policy) {
                           std::string name = policy.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace fringeflow::runtime::test
