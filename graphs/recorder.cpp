// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "io/error.hpp"

namespace fringeflow::graphs {

runtime::DataId Recorder::create(runtime::DataSpec spec) {
  data_.push_back(std::move(spec));
  return static_cast<runtime::DataId>(data_.size()) - 1;
}

int64_t Recorder::submit(runtime::Task task) {
  const int64_t id = dependencies_.submit(task.data);
  tasks_.push_back(std::move(task));
  return id;
}

GraphTotals totals(const Recorder& recorder, const runtime::CostModel& costs) {
  GraphTotals result;
  std::map<const runtime::CodeletDef*, size_t> at;
  std::vector<double> finish;
  for (const auto& task : recorder.tasks()) {
    const auto& codelet = *task.codelet;
    const double seconds = costs.seconds(codelet, task.arguments.get(), runtime::Device::cpu);
    const auto [entry, fresh] = at.try_emplace(&codelet, result.codelets.size());
    if (fresh) result.codelets.push_back({&codelet, 0, 0, 0});
    auto& sum = result.codelets[entry->second];
    ++sum.count;
    sum.seconds += seconds;
    sum.work += codelet.work != nullptr ? codelet.work(task.arguments.get()) : 1;
    (codelet.role == runtime::Role::io ? result.io_s : result.compute_s) += seconds;
    double start = 0;
    for (const auto& before : recorder.dependencies().of(static_cast<int64_t>(finish.size())))
      start = std::max(start, finish[static_cast<size_t>(before.task)]);
    finish.push_back(start + seconds);
    result.critical_path_s = std::max(result.critical_path_s, finish.back());
  }
  return result;
}

namespace {

struct Node {
  std::string label;
  uint32_t colour = 0;
  int64_t tasks = 0, bytes = 0;
  double seconds = 0, flops = 0;
  int owner = 0;
};
struct Condensed {
  std::vector<Node> nodes;
  std::set<std::pair<size_t, size_t>> edges;
};

Condensed condense(const Recorder& recorder, const runtime::CostModel& costs, size_t most) {
  Condensed result;
  const bool whole = recorder.tasks().size() <= most;
  std::map<std::string, size_t> groups;
  std::vector<size_t> node_of;
  for (const auto& task : recorder.tasks()) {
    std::string label = task.codelet->name;
    if (task.tag.cycle > 0) label += fmt::format(" cycle {}", task.tag.cycle);
    if (whole) {
      if (task.tag.chunk >= 0) label += fmt::format(" chunk {}", task.tag.chunk);
      if (task.tag.facet >= 0) label += fmt::format(" facet {}", task.tag.facet);
      if (task.tag.slab >= 0) label += fmt::format(" slab {}", task.tag.slab);
      if (task.tag.strip >= 0) label += fmt::format(" strip {}", task.tag.strip);
    }
    const auto key = whole ? std::to_string(node_of.size()) : label;
    const auto [entry, fresh] = groups.try_emplace(key, result.nodes.size());
    if (fresh) result.nodes.push_back({label, task.codelet->colour, 0, 0, 0, 0, 0});
    auto& node = result.nodes[entry->second];
    ++node.tasks;
    for (const auto& [data, access] : task.data)
      node.bytes += recorder.data()[static_cast<size_t>(data)].bytes;
    node.seconds += costs.seconds(*task.codelet, task.arguments.get(), runtime::Device::cpu);
    node.flops += task.codelet->flops_per_work *
                  (task.codelet->work != nullptr ? task.codelet->work(task.arguments.get()) : 1);
    for (const auto& before : recorder.dependencies().of(static_cast<int64_t>(node_of.size())))
      if (node_of[static_cast<size_t>(before.task)] != entry->second)
        result.edges.emplace(node_of[static_cast<size_t>(before.task)], entry->second);
    node_of.push_back(entry->second);
  }
  return result;
}

}  // namespace

std::string dump(const Recorder& recorder, const runtime::CostModel& costs, const std::string& format,
                 size_t most) {
  const auto graph = condense(recorder, costs, most);
  if (format == "json") {
    nlohmann::json json{{"nodes", nlohmann::json::array()}, {"edges", nlohmann::json::array()}};
    for (const auto& node : graph.nodes)
      json["nodes"].push_back({{"label", node.label},
                               {"tasks", node.tasks},
                               {"bytes", node.bytes},
                               {"flops", node.flops},
                               {"seconds", node.seconds},
                               {"owner", node.owner}});
    for (const auto& [from, to] : graph.edges) json["edges"].push_back({from, to});
    return json.dump(1) + "\n";
  }
  auto text = [](const Node& node) {
    return fmt::format("{}{}\\n{:.1f} MB, {:.3g} s", node.label,
                       node.tasks > 1 ? fmt::format(" x {}", node.tasks) : "",
                       static_cast<double>(node.bytes) * 1e-6, node.seconds);
  };
  if (format == "dot") {
    std::string out =
        "digraph tasks {\n  rankdir=LR; node [shape=box, style=filled, fontname=\"sans-serif\"];\n";
    for (size_t i = 0; i < graph.nodes.size(); ++i)
      out += fmt::format("  n{} [label=\"{}\", fillcolor=\"#{:06x}\"];\n", i, text(graph.nodes[i]),
                         graph.nodes[i].colour);
    for (const auto& [from, to] : graph.edges) out += fmt::format("  n{} -> n{};\n", from, to);
    return out + "}\n";
  }
  if (format == "mermaid") {
    std::string out = "flowchart LR\n";
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      auto label = text(graph.nodes[i]);
      label.replace(label.find("\\n"), 2, "<br/>");
      out += fmt::format("  n{}[\"{}\"]\n", i, label);
    }
    for (const auto& [from, to] : graph.edges) out += fmt::format("  n{} --> n{}\n", from, to);
    return out;
  }
  throw UserError("graph: there is no format '" + format + "'; dot, mermaid and json are known");
}

}  // namespace fringeflow::graphs
