// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The workflow language: a file (short or long form) becomes a checked graph of stages with typed values.
/// The way of a file:
///   load_yaml -> apply_setting (--set)* -> expand (short form to long form, still a tree) -> build (typed
///   and checked) -> lower()
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "graphs/registry.hpp"
#include "graphs/workflow/node.hpp"

namespace fringeflow::graphs {

/// An option that was given.
struct Setting {
  const Option* option = nullptr;
  Value value;
  std::string text;      ///< as given, aliases resolved
  std::string given_as;  ///< the key or alias
  Place place;           ///< of the value
};

/// Options by key.
using Settings = std::map<std::string, Setting, std::less<>>;

/// What feeds a port: an output of another stage, or a path.
struct Source {
  int stage = -1;  ///< index into Workflow::stages, -1 for a path
  const Port* output = nullptr;
  std::string path;
  std::string text;  ///< as written: "vis", "$inputs.ms", "obs.ms"
  Place place;
};

struct Link {
  const Port* port = nullptr;
  std::vector<Source> sources;
  bool was_list = false;
};

struct Stage {
  std::string id;
  const StageSchema* schema = nullptr;
  std::vector<Link> in;
  Settings settings;
  Place place;

  const Link* link(std::string_view port) const;
};

struct Workflow {
  std::string file;
  std::string name;
  std::vector<std::pair<std::string, std::vector<std::string>>> inputs;
  std::vector<Stage> stages;
  std::vector<int> order;  ///< indices of stages, sources before their users
  Settings runtime;

  /// Stages that use any output of this one.
  std::vector<int> users(int stage) const;
};

/// The value of an option, its default when it was not given; an empty Value when there is neither.
Value value_of(const Settings& settings, const std::vector<Option>& options, std::string_view key);

/// `value` as T, or `otherwise` when it is not set.
template <typename T>
T value_or(const Value& value, T otherwise) {
  const T* held = std::get_if<T>(&value);
  return held != nullptr ? *held : otherwise;
}

/// Whether a document is in the short form (it has no list of stages).
bool is_short_form(const Node& document);

/// Applies "--set a.b=c" to a document of either form: runtime.KEY, SECTION.KEY (inputs, image, clean,
/// output) or STAGE_ID.KEY. Throws UserError for an unknown section or key.
void apply_setting(Node& document, const std::string& assignment);

/// Short form to long form; a long form is returned as it is. Mistakes in the keys of the short form go to
/// `diagnostics`.
Node expand(const Node& document, Diagnostics& diagnostics);

struct BuildOptions {
  bool files = true;  ///< input files must exist
};

/// Reads and checks a document of either form. Throws WorkflowError with everything that is wrong.
Workflow build(const Node& document, const std::string& file, const BuildOptions& options = {});

/// Checks between stages and options: called by build().
void check_graph(Workflow& workflow, Diagnostics& diagnostics);
void check_stages(const Workflow& workflow, Diagnostics& diagnostics);
void check_files(const Workflow& workflow, Diagnostics& diagnostics);

/// The long form as YAML; with `defaults` every option that has a value is written.
std::string to_yaml(const Workflow& workflow, bool defaults);

/// The logical graph: stages and ports. Format is dot, mermaid or json.
std::string logical_graph(const Workflow& workflow, const std::string& format);

}  // namespace fringeflow::graphs
