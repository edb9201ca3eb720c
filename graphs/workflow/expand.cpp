// SPDX-License-Identifier: GPL-3.0-or-later
// The short form and --set, both on the tree, so that every later message still knows where things were
// written.
#include <fmt/format.h>

#include <algorithm>

#include "graphs/schema/suggest.hpp"
#include "graphs/workflow/workflow.hpp"

namespace fringeflow::graphs {
namespace {

const std::vector<std::string> kShortKeys{"version", "name",    "inputs", "image",
                                          "clean",   "selfcal", "output", "runtime"};
const std::vector<std::string> kLongKeys{"version", "name", "inputs", "stages", "runtime"};

/// Ids that the stages of an expanded short form get.
std::string stage_id(const std::string& section) {
  if (section == "inputs") return "vis";
  if (section == "image") return "dirty";
  if (section == "output") return "out";
  return section;
}

/// The map of a section; null stands for an empty one.
Node section_map(const Entry& entry, Diagnostics& diagnostics) {
  if (entry.value.is_map()) return entry.value;
  if (entry.value.kind != Node::Kind::null) {
    diagnostics.error(entry.value.place, fmt::format("'{}' must be a map of options, not {}", entry.key,
                                                     entry.value.describe()));
  }
  return Node::map(entry.place);
}

/// "- {id: …, stage: …, in: {port: source}}"
Node stage_node(const std::string& section, const std::string& stage, const Place& place, const char* port,
                Node source) {
  Node node = Node::map(place);
  node.add("id", Node::scalar(stage_id(section), place));
  node.add("stage", Node::scalar(stage, place));
  Node in = Node::map(place);
  in.add(port, std::move(source));
  node.add("in", std::move(in));
  return node;
}

void append_options(Node& stage, const Node& options) {
  stage.entries.insert(stage.entries.end(), options.entries.begin(), options.entries.end());
}

/// The section `inputs` of the short form: paths, and what the read stage selects.
void expand_inputs(const Entry& entry, Node& inputs, Node& read, Diagnostics& diagnostics) {
  Node paths = entry.value;
  if (entry.value.is_map()) {
    const Entry* ms = entry.value.find("ms");
    if (ms == nullptr) {
      diagnostics.error(entry.place, "'inputs' needs 'ms': the MeasurementSets to image");
      paths = Node::list(entry.place);
    } else {
      paths = ms->value;
    }
    for (const Entry& option : entry.value.entries) {
      if (option.key != "ms") read.entries.push_back(option);
    }
  }
  if (paths.is_scalar()) {
    Node list = Node::list(paths.place);
    list.items.push_back(std::move(paths));
    paths = std::move(list);
  } else if (!paths.is_list()) {
    diagnostics.error(paths.place, "'inputs' must be a path, a list of paths, or {ms: …, column: …}");
    paths = Node::list(entry.place);
  }
  inputs.add("ms", std::move(paths));
}

Node expand_output(const Entry& entry, Diagnostics& diagnostics) {
  if (!entry.value.is_scalar()) return section_map(entry, diagnostics);
  Node options = Node::map(entry.place);
  options.entries.push_back({"prefix", entry.place, entry.value});
  return options;
}

std::string base_name(const std::string& prefix) {
  const std::size_t slash = prefix.find_last_of('/');
  return slash == std::string::npos ? prefix : prefix.substr(slash + 1);
}

/// Parses the right side of a.b=c as YAML, so that lists can be given; anything that is no YAML is a text.
Node setting_value(const std::string& text, const Place& place) {
  Node value;
  try {
    value = parse_yaml(text, "");
  } catch (const UserError&) {
    value = Node::scalar(text, place);
  }
  if (value.is_map() || value.kind == Node::Kind::null) value = Node::scalar(text, place);
  value.place = place;
  for (Node& item : value.items) item.place = place;
  return value;
}

/// Replaces the option in a map, under whichever of its names it stands, or adds it.
void assign(Node& map, const std::vector<Option>& options, const std::string& key, const std::string& whole,
            Node value) {
  const Option* option = find_option(options, key);
  if (option == nullptr) {
    throw UserError(fmt::format("{}: unknown option '{}'{}", whole, key,
                                did_you_mean(key, option_names(options, false))));
  }
  if (!map.is_map()) map = Node::map(value.place);
  std::erase_if(map.entries, [&](const Entry& entry) { return find_option(options, entry.key) == option; });
  map.add(key, std::move(value));
}

/// The section of a short form as a map, made when it is not there.
Node& section_for_writing(Node& document, const std::string& section, const Place& place) {
  Entry* entry = document.find(section);
  if (entry == nullptr) {
    document.add(section, Node::map(place));
    return document.entries.back().value;
  }
  if (!entry->value.is_map() && entry->value.kind != Node::Kind::null) {
    Node map = Node::map(entry->value.place);
    // `inputs: obs.ms` and `output: prefix` are short for maps.
    map.add(section == "output" ? "prefix" : "ms", std::move(entry->value));
    entry->value = std::move(map);
  }
  return entry->value;
}

void set_in_short_form(Node& document, const std::string& head, const std::string& key,
                       const std::string& whole, Node value) {
  for (const std::string section : {"inputs", "image", "clean", "selfcal", "output"}) {
    const StageSchema& schema = *find_section(section);
    if (head != section && head != stage_id(section) && head != schema.name) continue;
    if (section == "inputs" && key == "ms") {
      Node& map = section_for_writing(document, section, value.place);
      std::erase_if(map.entries, [](const Entry& entry) { return entry.key == "ms"; });
      map.add("ms", std::move(value));
    } else {
      assign(section_for_writing(document, section, value.place), schema.options, key, whole,
             std::move(value));
    }
    return;
  }
  throw UserError(
      fmt::format("{}: unknown section '{}'{}", whole, head,
                  did_you_mean(head, {"inputs", "image", "clean", "selfcal", "output", "runtime", "name"})));
}

void set_in_long_form(Node& document, const std::string& head, const std::string& key,
                      const std::string& whole, Node value) {
  Entry* stages = document.find("stages");
  Node* found = nullptr;
  std::vector<std::string> ids;
  int by_kind = 0;
  for (const bool by_id : {true, false}) {
    for (Node& stage : stages->value.items) {
      const Entry* id = stage.find("id");
      const Entry* kind = stage.find("stage");
      if (by_id && id != nullptr) ids.push_back(id->value.text);
      const StageSchema* schema = kind != nullptr ? find_stage(kind->value.text) : nullptr;
      const bool named = by_id ? id != nullptr && id->value.text == head
                               : schema != nullptr && (schema->name == head || schema->section == head);
      if (!named) continue;
      found = &stage;
      by_kind += by_id ? 0 : 1;
    }
    if (found != nullptr) break;
  }
  if (by_kind > 1)
    throw UserError(
        fmt::format("{}: several stages are '{}'; name one by its id: {}", whole, head, join(ids)));
  ids.push_back("runtime");
  if (found == nullptr)
    throw UserError(fmt::format("{}: no stage '{}'{}", whole, head, did_you_mean(head, ids)));
  const Entry* kind = found->find("stage");
  const StageSchema* schema = kind != nullptr ? find_stage(kind->value.text) : nullptr;
  if (schema == nullptr) throw UserError(fmt::format("{}: stage '{}' is of no known kind", whole, head));
  assign(*found, schema->options, key, whole, std::move(value));
}

}  // namespace

bool is_short_form(const Node& document) { return document.is_map() && document.find("stages") == nullptr; }

void apply_setting(Node& document, const std::string& assignment) {
  const std::string whole = "--set " + assignment;
  const std::size_t equals = assignment.find('=');
  const std::size_t dot = assignment.find('.');
  if (equals == std::string::npos || equals == 0)
    throw UserError(fmt::format("{}: write --set SECTION.KEY=VALUE", whole));
  Node value = setting_value(assignment.substr(equals + 1), Place{whole, 0, 0});
  if (!document.is_map()) document = Node::map(value.place);
  if (dot == std::string::npos || dot > equals) {
    const std::string key = assignment.substr(0, equals);
    const bool short_form = is_short_form(document);
    if (key != "name" && !(short_form && (key == "output" || key == "inputs"))) {
      throw UserError(
          fmt::format("{}: write --set SECTION.KEY=VALUE, for example --set runtime.cpus=4", whole));
    }
    std::erase_if(document.entries, [&](const Entry& entry) { return entry.key == key; });
    document.add(key, std::move(value));
    return;
  }
  const std::string head = assignment.substr(0, dot), key = assignment.substr(dot + 1, equals - dot - 1);
  if (head == "runtime") {
    assign(section_for_writing(document, "runtime", value.place), runtime_section().options, key, whole,
           std::move(value));
  } else if (is_short_form(document)) {
    set_in_short_form(document, head, key, whole, std::move(value));
  } else {
    set_in_long_form(document, head, key, whole, std::move(value));
  }
}

Node expand(const Node& document, Diagnostics& diagnostics) {
  if (!document.is_map()) {
    diagnostics.error(
        document.place,
        "a workflow is a map with inputs, image, clean, output (short form) or stages (long form), not " +
            document.describe());
    return Node::map(document.place);
  }
  const bool short_form = is_short_form(document);
  const std::vector<std::string>& known = short_form ? kShortKeys : kLongKeys;
  for (const Entry& entry : document.entries) {
    if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
    const bool other = std::find(kShortKeys.begin(), kShortKeys.end(), entry.key) != kShortKeys.end();
    diagnostics.error(entry.place,
                      other ? fmt::format("'{}' belongs to the short form, which has no 'stages'", entry.key)
                            : fmt::format("unknown key '{}'{}", entry.key, did_you_mean(entry.key, known)));
  }
  if (!short_form) return document;

  Node result = Node::map(document.place);
  if (const Entry* version = document.find("version"))
    result.entries.push_back(*version);
  else
    result.add("version", Node::scalar("1", document.place));
  const Entry* output = document.find("output");
  if (const Entry* name = document.find("name")) {
    result.entries.push_back(*name);
  } else if (output != nullptr) {
    const Node options = expand_output(*output, diagnostics);
    const Entry* prefix = options.find("prefix");
    if (prefix != nullptr && !base_name(prefix->value.text).empty()) {
      result.add("name", Node::scalar(base_name(prefix->value.text), prefix->value.place));
    }
  }

  Node inputs = Node::map(document.place), stages = Node::list(document.place);
  for (const char* section : {"inputs", "image", "output"}) {
    if (document.find(section) == nullptr) {
      diagnostics.error(document.place, fmt::format("missing '{}': {}", section, find_section(section)->doc));
    }
  }
  if (const Entry* entry = document.find("inputs")) {
    Node read = stage_node("inputs", "read", entry->place, "ms", Node::scalar("$inputs.ms", entry->place));
    expand_inputs(*entry, inputs, read, diagnostics);
    stages.items.push_back(std::move(read));
  }
  if (const Entry* entry = document.find("image")) {
    Node image = stage_node("image", "image", entry->place, "vis", Node::scalar("vis", entry->place));
    append_options(image, section_map(*entry, diagnostics));
    stages.items.push_back(std::move(image));
  }
  const Entry* clean = document.find("clean");
  if (clean != nullptr) {
    Node deconvolve =
        stage_node("clean", "deconvolve", clean->place, "image", Node::scalar("dirty", clean->place));
    append_options(deconvolve, section_map(*clean, diagnostics));
    stages.items.push_back(std::move(deconvolve));
  }
  const Entry* selfcal = document.find("selfcal");
  if (selfcal != nullptr) {
    Node rounds = stage_node("selfcal", "selfcal", selfcal->place, "image",
                             Node::scalar(clean != nullptr ? "clean" : "dirty", selfcal->place));
    append_options(rounds, section_map(*selfcal, diagnostics));
    stages.items.push_back(std::move(rounds));
  }
  if (output != nullptr) {
    const char* last = selfcal != nullptr ? "selfcal" : clean != nullptr ? "clean" : "dirty";
    Node write = stage_node("output", "write", output->place, "image", Node::scalar(last, output->place));
    append_options(write, expand_output(*output, diagnostics));
    stages.items.push_back(std::move(write));
  }
  result.add("inputs", std::move(inputs));
  result.add("stages", std::move(stages));
  if (const Entry* runtime = document.find("runtime")) result.entries.push_back(*runtime);
  return result;
}

}  // namespace fringeflow::graphs
