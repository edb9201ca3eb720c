// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/export.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "runtime/cost_model.hpp"
#include "traces/timeline_file.hpp"

namespace fringeflow::traces {

using runtime::Timeline;

namespace {

constexpr const char* kPajeHeader = R"(%EventDef PajeDefineContainerType 1
%  Alias string
%  Type string
%  Name string
%EndEventDef
%EventDef PajeDefineStateType 2
%  Alias string
%  Type string
%  Name string
%EndEventDef
%EventDef PajeDefineEntityValue 3
%  Alias string
%  Type string
%  Name string
%  Color color
%EndEventDef
%EventDef PajeCreateContainer 4
%  Time date
%  Alias string
%  Type string
%  Container string
%  Name string
%EndEventDef
%EventDef PajeDestroyContainer 5
%  Time date
%  Type string
%  Name string
%EndEventDef
%EventDef PajeSetState 6
%  Time date
%  Type string
%  Container string
%  Value string
%EndEventDef
1 P 0 "Program"
1 W P "Worker"
2 S W "State"
3 idle S "idle" "0.9 0.9 0.9"
)";

std::string quoted(std::string text) {
  std::replace(text.begin(), text.end(), '"', '\'');
  return '"' + text + '"';
}

}  // namespace

std::string paje(const Timeline& timeline) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{}", kPajeHeader);
  std::map<std::string, uint32_t> colours;
  for (const auto& task : timeline.tasks) colours[task.codelet->name] = task.codelet->colour;
  for (const auto& [name, colour] : colours)
    fmt::format_to(to, "3 c_{} S \"{}\" \"{:.3f} {:.3f} {:.3f}\"\n", name, name, (colour >> 16 & 255) / 255.,
                   (colour >> 8 & 255) / 255., (colour & 255) / 255.);
  fmt::format_to(to, "4 0.000000 run P 0 \"run\"\n");
  for (size_t w = 0; w < timeline.workers.size(); ++w)
    fmt::format_to(to, "4 0.000000 w{} W run {}\n6 0.000000 S w{} idle\n", w,
                   quoted(timeline.workers[w].name), w);
  struct Change {
    double ms;
    int worker;
    const char* codelet;  ///< null: the worker falls idle
  };
  std::vector<Change> changes;
  auto ms = [&](double s) { return std::max(0.0, (s - timeline.begin_s) * 1e3); };
  for (const auto& task : timeline.tasks) {
    changes.push_back({ms(task.start_s), task.worker, task.codelet->name});
    changes.push_back({ms(task.end_s), task.worker, nullptr});
  }
  // By time; where one task ends as another starts, the end comes first.
  std::stable_sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) {
    return a.ms != b.ms ? a.ms < b.ms : a.codelet == nullptr && b.codelet != nullptr;
  });
  std::map<int, int> running;  // tasks of a GPU overlap
  for (const auto& change : changes) {
    auto& tasks = running[change.worker];
    tasks += change.codelet != nullptr ? 1 : -1;
    if (change.codelet == nullptr && tasks > 0) continue;
    fmt::format_to(to, "6 {:.6f} S w{} {}{}\n", change.ms, change.worker, change.codelet ? "c_" : "",
                   change.codelet ? change.codelet : "idle");
  }
  const double end = std::max(changes.empty() ? 0 : changes.back().ms, timeline.makespan_s * 1e3);
  for (size_t w = 0; w < timeline.workers.size(); ++w) fmt::format_to(to, "5 {:.6f} W w{}\n", end, w);
  fmt::format_to(to, "5 {:.6f} P run\n", end);
  return fmt::to_string(out);
}

std::string tasks_rec(const Timeline& timeline) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  auto ms = [&](double s) { return (s - timeline.begin_s) * 1e3; };
  for (const auto& task : timeline.tasks) {
    fmt::format_to(to, "Name: {}\nModel: {}\nJobId: {}\nSubmitOrder: {}\n", task_name(task),
                   runtime::CostModel::key(*task.codelet, task.device), task.id, task.id);
    const auto before = timeline.dependencies.of(task.id);
    if (!before.empty()) {
      fmt::format_to(to, "DependsOn:");
      for (const auto& one : before) fmt::format_to(to, " {}", one.task);
      fmt::format_to(to, "\nHandles:");
      for (const auto& one : before)
        if (one.data >= 0) fmt::format_to(to, " {}", one.data);
      fmt::format_to(to, "\n");
    }
    if (task.tag.cycle >= 0) fmt::format_to(to, "Iteration: {}\n", task.tag.cycle);
    fmt::format_to(to,
                   "WorkerId: {}\nMemoryNode: {}\nSubmitTime: {:.6f}\nReadyTime: {:.6f}\nStartTime: "
                   "{:.6f}\nEndTime: {:.6f}\nGFlop: {:.9g}\nBytes: {}\n\n",
                   task.worker, task.device == runtime::Device::cuda ? 1 : 0, ms(task.submit_s),
                   ms(task.ready_s), ms(task.start_s), ms(task.end_s),
                   task.work * task.codelet->flops_per_work * 1e-9, task.bytes);
  }
  return fmt::to_string(out);
}

std::string dag_dot(const Timeline& timeline) {
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "digraph G {{\n  node [style=filled, shape=box];\n");
  for (const auto& task : timeline.tasks)
    fmt::format_to(to, "  \"task_{}\" [label=\"{}\\n{:.3f} ms\", fillcolor=\"#{:06x}\"];\n", task.id,
                   task_name(task), (task.end_s - task.start_s) * 1e3, task.codelet->colour);
  for (const auto& task : timeline.tasks)
    for (const auto& one : timeline.dependencies.of(task.id))
      fmt::format_to(to, "  \"task_{}\" -> \"task_{}\"{};\n", one.task, task.id,
                     one.data < 0 ? " [style=dotted]" : "");
  fmt::format_to(to, "}}\n");
  return fmt::to_string(out);
}

}  // namespace fringeflow::traces
