// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace fringeflow::traces {

using runtime::Role;

Metrics metrics(const runtime::Timeline& timeline) {
  Metrics result;
  result.makespan_s = timeline.makespan_s;
  struct Edge {
    double at;
    int compute, io;
  };
  std::vector<Edge> edges;
  for (const auto& task : timeline.tasks) {
    const bool io = timeline.workers[static_cast<size_t>(task.worker)].role == Role::io;
    (io ? result.busy_io_s : result.busy_compute_s) += task.end_s - task.start_s;
    edges.push_back({task.start_s, io ? 0 : 1, io ? 1 : 0});
    edges.push_back({task.end_s, io ? 0 : -1, io ? -1 : 0});
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.at < b.at; });
  double under_io = 0, hidden = 0, at_least_two = 0, last = 0;
  int compute = 0, io = 0;
  for (const auto& edge : edges) {
    const double span = edge.at - last;
    if (io > 0) under_io += span;
    if (io > 0 && compute > 0) hidden += span;
    if (compute > 1) at_least_two += span;
    last = edge.at;
    compute += edge.compute;
    io += edge.io;
  }
  const auto workers = std::count_if(timeline.workers.begin(), timeline.workers.end(),
                                     [](const auto& w) { return w.role == Role::compute; });
  if (workers > 0) result.area_bound_s = result.busy_compute_s / static_cast<double>(workers);
  if (result.makespan_s > 0) {
    result.utilisation = std::min(1.0, result.area_bound_s / result.makespan_s);
    result.serial_share = std::clamp(1 - at_least_two / result.makespan_s, 0.0, 1.0);
  }
  if (under_io > 0) result.hidden_io = hidden / under_io;
  return result;
}

nlohmann::json per_codelet(const runtime::Timeline& timeline) {
  std::map<std::string, std::vector<double>> seconds;
  std::map<std::string, int64_t> bytes;
  for (const auto& task : timeline.tasks) {
    seconds[task.codelet->name].push_back(task.end_s - task.start_s);
    bytes[task.codelet->name] += task.bytes;
  }
  nlohmann::json json = nlohmann::json::object();
  for (auto& [name, times] : seconds) {
    std::sort(times.begin(), times.end());
    double total = 0;
    for (const double one : times) total += one;
    json[name] = {{"count", times.size()},
                  {"total_s", total},
                  {"median_s", times[times.size() / 2]},
                  {"p95_s", times[times.size() * 95 / 100]},
                  {"bytes", bytes[name]}};
  }
  return json;
}

std::string perfetto_json(const runtime::Timeline& timeline) {
  auto events = nlohmann::json::array();
  for (size_t w = 0; w < timeline.workers.size(); ++w)
    events.push_back(
        {{"ph", "M"},
         {"name", "thread_name"},
         {"pid", 1},
         {"tid", w},
         {"args",
          {{"name", timeline.workers[w].name + (timeline.workers[w].role == Role::io ? " (I/O)" : "")}}}});
  for (const auto& task : timeline.tasks) {
    nlohmann::json args{{"id", task.id},
                        {"bytes", task.bytes},
                        {"work", task.work},
                        {"submit_s", task.submit_s},
                        {"ready_s", task.ready_s},
                        {"predicted_s", task.predicted_s},
                        {"flops", task.work * task.codelet->flops_per_work}};
    std::string name = task.codelet->name;
    auto add = [&](const char* what, int32_t value) {
      if (value < 0) return;
      args[what] = value;
      if (std::string_view(what) == "chunk" || std::string_view(what) == "facet")
        name += fmt::format(" {} {}", what, value);
    };
    add("chunk", task.tag.chunk);
    add("facet", task.tag.facet);
    add("cycle", task.tag.cycle);
    add("slab", task.tag.slab);
    add("strip", task.tag.strip);
    events.push_back({{"ph", "X"},
                      {"name", name},
                      {"cat", task.codelet->name},
                      {"pid", 1},
                      {"tid", task.worker},
                      {"ts", task.start_s * 1e6},
                      {"dur", (task.end_s - task.start_s) * 1e6},
                      {"args", args}});
  }
  return nlohmann::json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump() + "\n";
}

}  // namespace fringeflow::traces
