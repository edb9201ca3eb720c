// SPDX-License-Identifier: GPL-3.0-or-later
// A checked workflow as text: the long form, and the logical graph.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "graphs/workflow/workflow.hpp"

namespace fringeflow::graphs {
namespace {

Node scalar(const std::string& text) { return Node::scalar(text, {}); }

Node list(const std::vector<std::string>& texts) {
  Node node = Node::list({});
  for (const std::string& text : texts) node.items.push_back(scalar(text));
  return node;
}

/// An option's value: lists as YAML lists, all else as it was given.
Node option_node(const Option& option, const std::string& text) {
  switch (option.kind) {
    case Kind::size: {
      const std::vector<int64_t> n = parse_size(text);
      return list({std::to_string(n[0]), std::to_string(n[1])});
    }
    case Kind::integer_list:
    case Kind::number_list:
    case Kind::text_list:
    case Kind::direction:
      return list(split_list(text));
    default:
      return scalar(text);
  }
}

void add_options(Node& node, const std::vector<Option>& options, const Settings& settings, bool defaults) {
  for (const Option& option : options) {
    const auto found = settings.find(option.key);
    if (found != settings.end())
      node.add(option.key, option_node(option, found->second.text));
    else if (defaults && option.fallback)
      node.add(option.key, option_node(option, *option.fallback));
  }
}

Node ports_node(const Stage& stage) {
  Node in = Node::map({});
  for (const Link& link : stage.in) {
    std::vector<std::string> texts;
    for (const Source& source : link.sources) {
      // $inputs.ms stands for several paths.
      if (texts.empty() || texts.back() != source.text || source.text[0] != '$') texts.push_back(source.text);
    }
    if (texts.empty()) continue;
    in.add(link.port->name, link.was_list || texts.size() > 1 ? list(texts) : scalar(texts[0]));
  }
  return in;
}

constexpr std::size_t kWidth = 120;

/// "- {…}" on one line where it fits, else one line per key.
std::string stage_text(const Node& stage) {
  const std::string one_line = "  - " + flow_text(stage) + "\n";
  if (one_line.size() <= kWidth) return one_line;
  std::string text;
  for (const Entry& entry : stage.entries) {
    text += fmt::format("{}{}: {}\n", text.empty() ? "  - " : "    ", entry.key, flow_text(entry.value));
  }
  return text;
}

struct Edge {
  std::string from, to, port, type;
};

/// Edges of the logical graph; paths are sources as well.
std::vector<Edge> edges(const Workflow& workflow) {
  std::vector<Edge> result;
  for (const Stage& stage : workflow.stages) {
    for (const Link& link : stage.in) {
      for (const Source& source : link.sources) {
        const std::string from =
            source.stage < 0 ? source.path : workflow.stages[static_cast<std::size_t>(source.stage)].id;
        result.push_back({from, stage.id, link.port->name, to_string(link.port->type)});
      }
    }
  }
  return result;
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

bool is_stage(const Workflow& workflow, const std::string& id) {
  for (const Stage& stage : workflow.stages) {
    if (stage.id == id) return true;
  }
  return false;
}

std::string dot(const Workflow& workflow) {
  std::string text = fmt::format("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n",
                                 escaped(workflow.name));
  for (const Stage& stage : workflow.stages) {
    text += fmt::format("  \"{}\" [label=\"{}\\n{}\"];\n", stage.id, stage.id, stage.schema->name);
  }
  for (const Edge& edge : edges(workflow)) {
    if (!is_stage(workflow, edge.from))
      text += fmt::format("  \"{}\" [shape=cylinder];\n", escaped(edge.from));
    text += fmt::format("  \"{}\" -> \"{}\" [label=\"{}\"];\n", escaped(edge.from), edge.to, edge.port);
  }
  return text + "}\n";
}

std::string mermaid(const Workflow& workflow) {
  std::string text = "flowchart LR\n";
  for (const Stage& stage : workflow.stages)
    text += fmt::format("  {}[\"{}<br/>{}\"]\n", stage.id, stage.id, stage.schema->name);
  std::size_t count = 0;
  for (const Edge& edge : edges(workflow)) {
    std::string from = edge.from;
    if (!is_stage(workflow, edge.from)) {
      from = fmt::format("file{}", count++);
      std::string label = edge.from;
      for (char& c : label) c = c == '"' ? '\'' : c;
      text += fmt::format("  {}[(\"{}\")]\n", from, label);
    }
    text += fmt::format("  {} -->|{}| {}\n", from, edge.port, edge.to);
  }
  return text;
}

std::string json(const Workflow& workflow) {
  nlohmann::ordered_json document{{"name", workflow.name}, {"level", "stage"}};
  document["stages"] = nlohmann::ordered_json::array();
  for (const Stage& stage : workflow.stages) {
    nlohmann::ordered_json options = nlohmann::ordered_json::object();
    for (const auto& [key, setting] : stage.settings) options[key] = setting.text;
    document["stages"].push_back({{"id", stage.id}, {"stage", stage.schema->name}, {"options", options}});
  }
  document["edges"] = nlohmann::ordered_json::array();
  for (const Edge& edge : edges(workflow)) {
    document["edges"].push_back(
        {{"from", edge.from}, {"to", edge.to}, {"port", edge.port}, {"type", edge.type}});
  }
  return document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string to_yaml(const Workflow& workflow, bool defaults) {
  std::string text = fmt::format("version: 1\nname: {}\n", flow_text(scalar(workflow.name)));
  if (!workflow.inputs.empty()) {
    Node inputs = Node::map({});
    for (const auto& [name, paths] : workflow.inputs) inputs.add(name, list(paths));
    text += "inputs: " + flow_text(inputs) + "\n";
  }
  text += "stages:\n";
  for (const Stage& stage : workflow.stages) {
    Node node = Node::map({});
    node.add("id", scalar(stage.id));
    node.add("stage", scalar(stage.schema->name));
    if (!stage.in.empty()) node.add("in", ports_node(stage));
    add_options(node, stage.schema->options, stage.settings, defaults);
    text += stage_text(node);
  }
  Node runtime = Node::map({});
  add_options(runtime, runtime_section().options, workflow.runtime, defaults);
  if (!runtime.entries.empty()) text += "runtime: " + flow_text(runtime) + "\n";
  return text;
}

std::string logical_graph(const Workflow& workflow, const std::string& format) {
  if (format == "dot") return dot(workflow);
  if (format == "mermaid") return mermaid(workflow);
  if (format == "json") return json(workflow);
  throw UserError(fmt::format("'{}' is no graph format; accepted: dot, mermaid, json", format));
}

}  // namespace fringeflow::graphs
