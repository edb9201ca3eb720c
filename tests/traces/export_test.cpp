// SPDX-License-Identifier: GPL-3.0-or-later
// Exports, read by the tools they are for where those are installed.
#include "traces/export.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/atomic_file.hpp"
#include "tests/traces/run_fixture.hpp"
#include "tests/traces/tools.hpp"

namespace fringeflow::traces {
namespace {

using fringeflow::test::output_of_tool;

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Export : public ::testing::Test {
 protected:
  Export() { run_.tasks[1].tag.cycle = 2; }
  runtime::Timeline run_ = test::chain();
  fringeflow::test::TemporaryFolder folder_;
};

TEST_F(Export, Paje) {
  const auto text = paje(run_);
  EXPECT_THAT(text, HasSubstr("3 c_read S \"read\" \"1.000 0.000 0.000\"\n"));
  EXPECT_THAT(text, HasSubstr("6 1000.000000 S w0 c_grid\n"));
  EXPECT_LT(text.find("6 3000.000000 S w0 idle"), text.find("6 3000.000000 S w0 c_grid"))
      << "the end comes first";
  const auto dump = output_of_tool("pj_dump", folder_.write("paje.trace", text));
  if (!dump) GTEST_SKIP() << "no pj_dump here (Debian: pajeng)";
  EXPECT_THAT(*dump, ContainsRegex("State, CPU 0, State, 1000.0+, 3000.0+, 2000.0+, 0.0+, grid"));
  EXPECT_THAT(*dump, ContainsRegex("State, CPU 2, State, 0.0+, 1000.0+, 1000.0+, 0.0+, read"));
  EXPECT_THAT(*dump, ContainsRegex("Container, 0, Program, 0, 7000, 7000, run"));
}

TEST_F(Export, TasksOfAGpuOverlapInPaje) {
  auto second = run_.tasks[1];
  second.start_s += 0.5;
  second.end_s += 0.25;
  second.codelet = &test::read_codelet();
  run_.tasks = {run_.tasks[1], second};
  const auto text = paje(run_);
  EXPECT_THAT(text, HasSubstr("6 1500.000000 S w0 c_read\n6 3250.000000 S w0 idle\n"));
}

TEST_F(Export, TasksRec) {
  const auto text = tasks_rec(run_);
  EXPECT_THAT(text,
              HasSubstr("Name: grid chunk 1\nModel: grid_v1_cpu\nJobId: 1\nSubmitOrder: 1\nDependsOn: 0\n"
                        "Handles: 0\nIteration: 2\nWorkerId: 0\n"));
  const auto selected =
      output_of_tool("recsel", "-e 'EndTime > 3000' -P JobId,StartTime " + folder_.write("tasks.rec", text));
  if (!selected) GTEST_SKIP() << "no recsel here (Debian: recutils)";
  EXPECT_EQ(*selected, "2\n3000.000000\n\n3\n5000.000000\n");
  EXPECT_EQ(*output_of_tool("recfix", "--check " + (folder_ / "tasks.rec")), "");
}

TEST_F(Export, PajeInVite) {
  const auto file = folder_.write("paje.trace", paje(run_));
  const auto said =
      output_of_tool("vite", "-e " + (folder_ / "picture.svg") + " " + file, "QT_QPA_PLATFORM=offscreen ");
  if (!said) GTEST_SKIP() << "no vite here (Debian: vite)";
  EXPECT_THAT(*said, HasSubstr("0 errors and 0 warnings"));
  EXPECT_THAT(io::read_file(folder_ / "picture.svg"), HasSubstr("CPU 2"));
}

TEST_F(Export, DagDot) {
  const runtime::Dependency waits[] = {{0, -1}, {3, 0}};
  run_.dependencies.append(waits);
  auto last = run_.tasks.back();
  last.id = 4;
  run_.tasks.push_back(last);
  const auto text = dag_dot(run_);
  EXPECT_THAT(text, HasSubstr("\"task_0\" -> \"task_4\" [style=dotted];"));
  EXPECT_THAT(text, HasSubstr("\"task_3\" -> \"task_4\";"));
  EXPECT_THAT(text, HasSubstr("\"task_1\" [label=\"grid chunk 1\\n2000.000 ms\", fillcolor=\"#0012ab\"];"));
}

TEST_F(Export, NothingRan) {
  EXPECT_THAT(paje({}), HasSubstr("PajeSetState"));
  EXPECT_EQ(tasks_rec({}), "");
  EXPECT_THAT(dag_dot({}), HasSubstr("digraph"));
}

}  // namespace
}  // namespace fringeflow::traces
