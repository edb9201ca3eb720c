// SPDX-License-Identifier: GPL-3.0-or-later
// From the tree of the long form to typed stages; every mistake is noted and checking goes on.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "graphs/schema/suggest.hpp"
#include "graphs/workflow/workflow.hpp"

namespace fringeflow::graphs {
namespace {

/// Every map of the document, once.
void check_duplicate_keys(const Node& node, Diagnostics& diagnostics) {
  std::map<std::string, Place> seen;
  for (const Entry& entry : node.entries) {
    const auto [first, fresh] = seen.emplace(entry.key, entry.place);
    if (!fresh) {
      diagnostics.error(
          entry.place, fmt::format("duplicate key '{}', first given at {}", entry.key, first->second.text()));
    }
    check_duplicate_keys(entry.value, diagnostics);
  }
  for (const Node& item : node.items) check_duplicate_keys(item, diagnostics);
}

bool takes_list(Kind kind) {
  switch (kind) {
    case Kind::size:
    case Kind::integer_list:
    case Kind::number_list:
    case Kind::text_list:
    case Kind::direction:
    case Kind::stokes:
      return true;
    default:
      return false;
  }
}

/// The text of a value: lists of scalars are joined by commas. False when the shape is wrong.
bool value_text(const Option& option, const Node& node, std::string& text, std::string& why) {
  if (node.is_scalar()) {
    text = node.text;
    return true;
  }
  if (node.is_list() && takes_list(option.kind)) {
    for (const Node& item : node.items) {
      if (!item.is_scalar()) {
        why = "must be a list of plain values";
        return false;
      }
      text += (text.empty() ? "" : ",") + item.text;
    }
    if (!node.items.empty()) return true;
    why = "is an empty list";
    return false;
  }
  why = node.kind == Node::Kind::null ? "has no value" : "cannot be " + node.describe();
  why += "; wanted: " + type_text(option);
  return false;
}

/// Reads one option of a map into `settings`.
void read_option(const Entry& entry, const std::vector<Option>& options,
                 const std::vector<std::string>& known, const std::string& whose, Settings& settings,
                 Diagnostics& diagnostics) {
  const Alias* alias = nullptr;
  const Option* option = find_option(options, entry.key, &alias);
  if (option == nullptr) {
    diagnostics.error(entry.place, fmt::format("unknown option '{}' of {}{}", entry.key, whose,
                                               did_you_mean(entry.key, known)));
    return;
  }
  std::string text, why;
  Option wanted = *option;
  if (alias != nullptr && !alias->fixed.empty()) {
    // "multiscale: false" says nothing.
    wanted.kind = Kind::boolean;
    wanted.choices.clear();
  }
  if (!value_text(wanted, entry.value, text, why)) {
    diagnostics.error(entry.value.place, about(entry.value.place, entry.key, why));
    return;
  }
  try {
    if (wanted.kind != option->kind) {
      if (!std::get<bool>(parse_value(wanted, text))) return;
      text = alias->fixed;
    } else if (alias != nullptr) {
      text = alias->prefix + text;
    }
    Setting setting{option, parse_value(*option, text), text, entry.key, entry.value.place};
    if (const auto other = settings.find(option->key); other != settings.end()) {
      // "weighting: briggs" and "robust: 0" belong together.
      const auto is_half = [](const std::string& half, const std::string& full) {
        return full.starts_with(half + ":") && half.find(':') == std::string::npos;
      };
      if (is_half(text, other->second.text)) return;
      if (!is_half(other->second.text, text)) {
        // The same key twice is reported by check_duplicate_keys.
        if (other->second.given_as != entry.key) {
          diagnostics.error(entry.place,
                            fmt::format("duplicate: '{}' sets '{}', which is already given at {}", entry.key,
                                        option->key, other->second.place.text()));
        }
        return;
      }
    }
    settings.insert_or_assign(option->key, std::move(setting));
  } catch (const UserError& e) {
    diagnostics.error(entry.value.place, about(entry.value.place, entry.key, e.what()));
  }
}

/// Reads `inputs: {name: path | [paths]}`.
void read_inputs(const Node& document, Workflow& workflow, Diagnostics& diagnostics,
                 std::map<std::string, Node>& nodes) {
  const Entry* inputs = document.find("inputs");
  if (inputs == nullptr || inputs->value.kind == Node::Kind::null) return;
  if (!inputs->value.is_map()) {
    diagnostics.error(inputs->value.place, "'inputs' must be a map: {ms: [obs.ms]}");
    return;
  }
  for (const Entry& entry : inputs->value.entries) {
    std::vector<std::string> paths;
    const std::vector<Node> items =
        entry.value.is_list() ? entry.value.items : std::vector<Node>{entry.value};
    for (const Node& item : items) {
      if (item.is_scalar() && !item.text.empty())
        paths.push_back(item.text);
      else
        diagnostics.error(item.place,
                          fmt::format("inputs.{}: a path is wanted, not {}", entry.key, item.describe()));
    }
    if (items.empty())
      diagnostics.error(entry.value.place, fmt::format("inputs.{}: an empty list of paths", entry.key));
    nodes.emplace(entry.key, entry.value);
    workflow.inputs.emplace_back(entry.key, std::move(paths));
  }
}

bool valid_id(const std::string& id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

/// The stage's id, kind and options; ports come later, when all ids are known. `ports` gets its `in`.
bool read_stage(const Node& node, Workflow& workflow, Diagnostics& diagnostics, const Entry** ports) {
  if (!node.is_map()) {
    diagnostics.error(node.place,
                      fmt::format("a stage is a map {{id: …, stage: …, in: …}}, not {}", node.describe()));
    return false;
  }
  Stage stage;
  stage.place = node.place;
  const Entry* id = node.find("id");
  const Entry* kind = node.find("stage");
  if (kind == nullptr || !kind->value.is_scalar()) {
    diagnostics.error(kind == nullptr ? node.place : kind->value.place,
                      "a stage needs 'stage': one of " + join(stage_names()));
  } else {
    stage.schema = find_stage(kind->value.text);
    if (stage.schema == nullptr) {
      diagnostics.error(kind->value.place, fmt::format("unknown stage '{}'{}", kind->value.text,
                                                       did_you_mean(kind->value.text, stage_names())));
    }
  }
  if (id == nullptr || !id->value.is_scalar() || !valid_id(id->value.text)) {
    diagnostics.error(
        id == nullptr ? node.place : id->value.place,
        "a stage needs 'id': a name of letters, digits, '-' and '_' by which other stages refer to it");
    stage.id = fmt::format("stage-{}", workflow.stages.size() + 1);
  } else {
    stage.id = id->value.text;
  }
  for (const Stage& other : workflow.stages) {
    if (other.id == stage.id) {
      diagnostics.error(id == nullptr ? node.place : id->value.place,
                        fmt::format("duplicate id '{}', first used at {}", stage.id, other.place.text()));
    }
  }
  *ports = node.find("in");
  if (stage.schema != nullptr) {
    std::vector<std::string> known = option_names(stage.schema->options, false);
    known.insert(known.end(), {"id", "stage", "in"});
    const std::string whose = fmt::format("stage '{}' ({})", stage.id, stage.schema->name);
    for (const Entry& entry : node.entries) {
      if (entry.key == "id" || entry.key == "stage" || entry.key == "in") continue;
      read_option(entry, stage.schema->options, known, whose, stage.settings, diagnostics);
    }
    for (const Option& option : stage.schema->options) {
      const bool tried = std::any_of(node.entries.begin(), node.entries.end(), [&](const Entry& entry) {
        return find_option(stage.schema->options, entry.key) == &option;
      });
      if (!option.required || tried) continue;
      diagnostics.error(stage.place,
                        fmt::format("{} needs '{}': {}{}", whose, option.key, option.doc,
                                    option.example.empty() ? "" : ", for example " + option.example));
    }
  }
  workflow.stages.push_back(std::move(stage));
  return true;
}

int stage_index(const Workflow& workflow, std::string_view id) {
  for (std::size_t i = 0; i < workflow.stages.size(); ++i) {
    if (workflow.stages[i].id == id) return static_cast<int>(i);
  }
  return -1;
}

/// "vis" or "vis.port": the output that is meant, of type `wanted` when the stage has several.
bool find_output(const Workflow& workflow, const Node& node, const Port& wanted, Source& source,
                 Diagnostics& diagnostics) {
  const std::string& text = node.text;
  const std::size_t dot = text.find('.');
  const std::string id = text.substr(0, dot);
  source.stage = stage_index(workflow, id);
  if (source.stage < 0) return false;
  const StageSchema* schema = workflow.stages[static_cast<std::size_t>(source.stage)].schema;
  if (schema == nullptr) return true;  // unknown stage, already reported
  std::vector<std::string> names;
  for (const Port& output : schema->outputs) {
    names.push_back(output.name);
    if (dot != std::string::npos ? output.name == text.substr(dot + 1)
                                 : source.output == nullptr || output.type == wanted.type) {
      source.output = &output;
    }
  }
  if (source.output == nullptr) {
    diagnostics.error(node.place,
                      dot == std::string::npos
                          ? fmt::format("stage '{}' ({}) has no output", id, schema->name)
                          : fmt::format("stage '{}' ({}) has no output port '{}'{}", id, schema->name,
                                        text.substr(dot + 1), did_you_mean(text.substr(dot + 1), names)));
  } else if (source.output->type != wanted.type) {
    diagnostics.error(
        node.place, fmt::format("port '{}' takes {}, but '{}' ({}) gives {}", wanted.name,
                                to_string(wanted.type), text, schema->name, to_string(source.output->type)));
  }
  return true;
}

void read_source(const Workflow& workflow, const Node& node, const Port& port,
                 const std::map<std::string, Node>& inputs, Link& link, Diagnostics& diagnostics) {
  if (!node.is_scalar() || node.text.empty()) {
    diagnostics.error(
        node.place, fmt::format("port '{}' takes the id of a stage{}, not {}", port.name,
                                port.type == PortType::measurement_set ? " or a path" : "", node.describe()));
    return;
  }
  Source source;
  source.text = node.text;
  source.place = node.place;
  constexpr std::string_view kInputs = "$inputs.";
  if (node.text.starts_with("$")) {
    const std::string name = node.text.starts_with(kInputs) ? node.text.substr(kInputs.size()) : "";
    const auto found = inputs.find(name);
    if (found == inputs.end()) {
      std::vector<std::string> names;
      for (const auto& [key, value] : inputs) names.push_back("$inputs." + key);
      diagnostics.error(node.place,
                        fmt::format("there is no '{}'{}", node.text, did_you_mean(node.text, names)));
      return;
    }
    if (port.type != PortType::measurement_set) {
      diagnostics.error(node.place, fmt::format("port '{}' takes {}, but '{}' is a path", port.name,
                                                to_string(port.type), node.text));
      return;
    }
    for (const Node& path :
         found->second.is_list() ? found->second.items : std::vector<Node>{found->second}) {
      if (!path.is_scalar()) continue;
      source.path = path.text;
      source.place = path.place;
      link.sources.push_back(source);
    }
    return;
  }
  if (find_output(workflow, node, port, source, diagnostics)) {
    link.sources.push_back(std::move(source));
    return;
  }
  if (port.type == PortType::measurement_set) {
    source.path = node.text;
    link.sources.push_back(std::move(source));
    return;
  }
  std::vector<std::string> ids;
  for (const Stage& stage : workflow.stages) ids.push_back(stage.id);
  diagnostics.error(node.place, fmt::format("port '{}': no stage '{}'{}", port.name, node.text,
                                            did_you_mean(node.text, ids)));
}

void read_ports(Workflow& workflow, Stage& stage, const Entry* in, const std::map<std::string, Node>& inputs,
                Diagnostics& diagnostics) {
  if (stage.schema == nullptr) return;
  std::vector<std::string> names;
  for (const Port& port : stage.schema->inputs) names.push_back(port.name);
  if (in != nullptr && !in->value.is_map()) {
    diagnostics.error(in->value.place, fmt::format("'in' must be a map of ports ({}), not {}", join(names),
                                                   in->value.describe()));
    return;
  }
  std::set<std::string> given;
  if (in != nullptr) {
    for (const Entry& entry : in->value.entries) {
      const auto port = std::find_if(stage.schema->inputs.begin(), stage.schema->inputs.end(),
                                     [&](const Port& p) { return p.name == entry.key; });
      if (port == stage.schema->inputs.end()) {
        diagnostics.error(
            entry.place, fmt::format("stage '{}' ({}) has no input port '{}'{}", stage.id, stage.schema->name,
                                     entry.key, did_you_mean(entry.key, names)));
        continue;
      }
      if (!given.insert(entry.key).second) continue;  // reported as a duplicate key
      Link link{&*port, {}, entry.value.is_list()};
      if (entry.value.is_list() && !port->many) {
        diagnostics.error(entry.value.place, fmt::format("port '{}' takes one {}, not a list", port->name,
                                                         to_string(port->type)));
        continue;
      }
      for (const Node& node : entry.value.is_list() ? entry.value.items : std::vector<Node>{entry.value}) {
        read_source(workflow, node, *port, inputs, link, diagnostics);
      }
      if (entry.value.is_list() && entry.value.items.empty()) given.erase(entry.key);
      stage.in.push_back(std::move(link));
    }
  }
  for (const Port& port : stage.schema->inputs) {
    if (!port.required || given.count(port.name) > 0) continue;
    diagnostics.error(stage.place, fmt::format("stage '{}' ({}) needs input port '{}': {}", stage.id,
                                               stage.schema->name, port.name, port.doc));
  }
}

void read_head(const Node& document, Workflow& workflow, Diagnostics& diagnostics) {
  if (const Entry* version = document.find("version"); version != nullptr && version->value.text != "1") {
    diagnostics.error(version->value.place, fmt::format("version {} is not known to this program; known: 1",
                                                        version->value.describe()));
  }
  if (const Entry* name = document.find("name")) {
    if (name->value.is_scalar() && !name->value.text.empty())
      workflow.name = name->value.text;
    else
      diagnostics.error(name->value.place, "'name' must be a text");
  }
  const Entry* runtime = document.find("runtime");
  if (runtime == nullptr || runtime->value.kind == Node::Kind::null) return;
  if (!runtime->value.is_map()) {
    diagnostics.error(runtime->value.place,
                      fmt::format("'runtime' must be a map of options, not {}", runtime->value.describe()));
    return;
  }
  const std::vector<Option>& options = runtime_section().options;
  for (const Entry& entry : runtime->value.entries) {
    read_option(entry, options, option_names(options, false), "runtime", workflow.runtime, diagnostics);
  }
}

}  // namespace

const Link* Stage::link(std::string_view port) const {
  for (const Link& link : in) {
    if (link.port->name == port) return &link;
  }
  return nullptr;
}

std::vector<int> Workflow::users(int stage) const {
  std::vector<int> result;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (const Link& link : stages[i].in) {
      const bool uses = std::any_of(link.sources.begin(), link.sources.end(),
                                    [&](const Source& s) { return s.stage == stage; });
      if (uses && (result.empty() || result.back() != static_cast<int>(i)))
        result.push_back(static_cast<int>(i));
    }
  }
  return result;
}

Value value_of(const Settings& settings, const std::vector<Option>& options, std::string_view key) {
  if (const auto found = settings.find(key); found != settings.end()) return found->second.value;
  const Option* option = find_option(options, key);
  return option == nullptr ? Value{} : fallback_value(*option);
}

Workflow build(const Node& document, const std::string& file, const BuildOptions& build_options) {
  Diagnostics diagnostics;
  Diagnostics sections;
  const Node tree = expand(document, sections);
  // With a section missing, what follows from that is not worth a message of its own.
  const bool sound = sections.empty() || !is_short_form(document);
  diagnostics.add(sections);
  check_duplicate_keys(document, diagnostics);
  Workflow workflow;
  workflow.file = file;
  workflow.name = "workflow";
  read_head(tree, workflow, diagnostics);
  std::map<std::string, Node> inputs;
  read_inputs(tree, workflow, diagnostics, inputs);

  const Entry* stages = tree.find("stages");
  std::vector<const Entry*> ports;
  if (stages == nullptr || !stages->value.is_list()) {
    if (stages != nullptr)
      diagnostics.error(stages->value.place,
                        fmt::format("'stages' must be a list, not {}", stages->value.describe()));
  } else {
    if (stages->value.items.empty() && diagnostics.empty())
      diagnostics.error(stages->place, "there are no stages");
    constexpr std::size_t kMostStages = 1000;
    for (const Node& node : stages->value.items) {
      if (workflow.stages.size() >= kMostStages) {
        diagnostics.error(node.place, fmt::format("more than {} stages", kMostStages));
        break;
      }
      const Entry* in = nullptr;
      if (read_stage(node, workflow, diagnostics, &in)) ports.push_back(in);
    }
  }
  for (std::size_t i = 0; i < workflow.stages.size(); ++i) {
    Stage& stage = workflow.stages[i];
    if (sound || (stage.schema != nullptr && stage.schema->name == "read")) {
      read_ports(workflow, stage, ports[i], inputs, diagnostics);
    }
  }
  if (sound) {
    check_graph(workflow, diagnostics);
    check_stages(workflow, diagnostics);
  }
  if (build_options.files) check_files(workflow, diagnostics);
  diagnostics.raise();
  return workflow;
}

}  // namespace fringeflow::graphs
