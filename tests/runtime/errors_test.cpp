// SPDX-License-Identifier: GPL-3.0-or-later
// No exception leaves a codelet; the first one ends the run, keeps its type, and what follows does nothing.
#include <new>

#include "tests/runtime/runtime_fixture.hpp"

namespace fringeflow::runtime::test {
namespace {

using ::fringeflow::test::message_of;
using ::testing::HasSubstr;

enum class Kind { user, run, standard, memory, other };

std::atomic<int> bodies{0};

const CodeletDef& throwing_codelet() {
  static const CodeletDef def{.name = "thrower", .doc = "", .cpu = [](const BodyContext& context) {
                                ++bodies;
                                switch (context.arguments<Kind>()) {
                                  case Kind::user:
                                    throw UserError("the user's mistake");
                                  case Kind::run:
                                    throw RunError("the run's mistake");
                                  case Kind::standard:
                                    throw std::logic_error("our mistake");
                                  case Kind::memory:
                                    throw std::bad_alloc();
                                  case Kind::other:
                                    throw 42;  // NOLINT: what a library might do
                                }
                              }};
  return def;
}

const CodeletDef& counting_codelet() {
  static const CodeletDef def{.name = "counter", .doc = "", .cpu = [](const BodyContext&) { ++bodies; }};
  return def;
}

/// Runs one throwing task and, after it in its chain, ten that must not run.
void run_thrower(Kind kind) {
  bodies = 0;
  Runtime runtime(workers(2, 1));
  const auto x = number(runtime);
  runtime.submit(make_task(throwing_codelet(), kind, {{x, Access::write}}, Tag{.chunk = 3, .cycle = 2}));
  for (int i = 0; i < 10; ++i) runtime.submit(make_task(counting_codelet(), i, {{x, Access::read_write}}));
  try {
    runtime.wait_all();
  } catch (...) {
    EXPECT_EQ(bodies, 1);
    EXPECT_TRUE(runtime.failed());
    throw;
  }
}

TEST(RuntimeErrors, KeepTheirType) {
  EXPECT_EQ(message_of<UserError>([] { run_thrower(Kind::user); }), "the user's mistake");
  EXPECT_EQ(message_of<RunError>([] { run_thrower(Kind::run); }), "the run's mistake");
  EXPECT_EQ(message_of<RunError>([] { run_thrower(Kind::standard); }),
            "our mistake [thrower, chunk 3, cycle 2]");
  EXPECT_EQ(message_of<RunError>([] { run_thrower(Kind::memory); }),
            "out of memory [thrower, chunk 3, cycle 2]");
  EXPECT_EQ(message_of<RunError>([] { run_thrower(Kind::other); }),
            "unknown error [thrower, chunk 3, cycle 2]");
}

TEST(RuntimeErrors, OfIoWorkersToo) {
  static const CodeletDef def{.name = "reader", .doc = "", .role = Role::io, .cpu = [](const BodyContext&) {
                                throw RunError("table truncated");
                              }};
  Runtime runtime(workers(1, 2));
  runtime.submit(make_task(def, 0, {}));
  EXPECT_EQ(message_of<RunError>([&] { runtime.wait_all(); }), "table truncated");
}

TEST(RuntimeErrors, TheFirstOneCounts) {
  Runtime runtime(workers(1, 1));
  const auto x = number(runtime);
  runtime.submit(make_task(throwing_codelet(), Kind::user, {{x, Access::write}}));
  runtime.submit(make_task(throwing_codelet(), Kind::run, {{x, Access::read_write}}));
  EXPECT_EQ(message_of<UserError>([&] { runtime.wait_all(); }), "the user's mistake");
  EXPECT_EQ(message_of<UserError>([&] { runtime.wait_all(); }), "the user's mistake") << "and is told again";
}

TEST(RuntimeErrors, WaitingForATicketDoesNotHang) {
  Runtime runtime(workers(1, 1));
  const auto x = number(runtime);
  runtime.submit(make_task(throwing_codelet(), Kind::run, {{x, Access::write}}));
  auto task = make_task(counting_codelet(), 0, {{x, Access::read_write}});
  task.waitable = true;
  runtime.wait(runtime.submit(std::move(task)));
  EXPECT_TRUE(runtime.failed());
  EXPECT_THROW(runtime.wait_all(), RunError);
}

TEST(RuntimeErrors, PoisonedTasksDrain) {
  bodies = 0;
  Runtime runtime(workers(2, 1));
  const auto x = number(runtime);
  runtime.submit(make_task(throwing_codelet(), Kind::run, {{x, Access::write}}));
  for (int i = 0; i < 20000; ++i) runtime.submit(make_task(counting_codelet(), i, {{x, Access::read_write}}));
  EXPECT_THROW(runtime.wait_all(), RunError);
  EXPECT_EQ(bodies, 1);
  EXPECT_EQ(runtime.progress().first, 20001) << "all of them ended";
}

TEST(RuntimeErrors, DestroyedWithoutWaiting) {
  // A builder that throws leaves a runtime with tasks under way.
  Runtime runtime(workers(2, 1));
  const auto x = number(runtime);
  for (int i = 0; i < 50; ++i) runtime.submit(make_task(nap_codelet(), Nap{1}, {{x, Access::read_write}}));
  runtime.submit(make_task(throwing_codelet(), Kind::run, {{x, Access::read_write}}));
}

TEST(RuntimeErrors, NoWorkerForACodelet) {
  static const CodeletDef cuda_only{.name = "cuda_only", .doc = "", .cuda = [](const BodyContext&) {}};
  static const CodeletDef nothing{.name = "nothing", .doc = ""};
  for (const auto* def : {&cuda_only, &nothing}) {
    Runtime runtime(workers(1, 1));  // without GPUs
    runtime.submit(make_task(*def, 0, {}));
    EXPECT_TRUE(runtime.failed());
    EXPECT_THAT(message_of<RunError>([&] { runtime.wait_all(); }),
                ::testing::AllOf(HasSubstr("no worker"), HasSubstr(def->name)));
  }
}

TEST(RuntimeErrors, NoWorkerForATaskThatIsWaitedFor) {
  static const CodeletDef nothing{.name = "nothing", .doc = ""};
  Runtime runtime(workers(1, 1));
  auto task = make_task(nothing, 0, {});
  task.waitable = true;
  runtime.wait(runtime.submit(std::move(task)));  // it never ran: there is nothing to wait for
  EXPECT_THROW(runtime.wait_all(), RunError);
}

TEST(RuntimeErrors, Interrupted) {
  bodies = 0;
  Runtime runtime(workers(1, 1));
  static std::atomic<bool> started{false}, go{false};
  started = go = false;
  static const CodeletDef held{.name = "held", .doc = "", .cpu = [](const BodyContext&) {
                                 started = true;
                                 while (!go) std::this_thread::yield();
                               }};
  const auto x = number(runtime);
  runtime.submit(make_task(held, 0, {{x, Access::write}}));
  for (int i = 0; i < 100; ++i) runtime.submit(make_task(counting_codelet(), i, {{x, Access::read_write}}));
  std::thread other([&] {
    while (!started) std::this_thread::yield();
    runtime.interrupt();
    go = true;
  });
  EXPECT_THAT(message_of<RunError>([&] { runtime.wait_all(); }), HasSubstr("interrupted"));
  other.join();
  EXPECT_EQ(bodies, 0);
  EXPECT_TRUE(runtime.failed());
}

}  // namespace
}  // namespace fringeflow::runtime::test
