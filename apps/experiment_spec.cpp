// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Experiments as they are written down: the file, its points, the workflow of each.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "apps/experiment.hpp"
#include "graphs/schema/suggest.hpp"
#include "graphs/workflow/workflow.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/quantity.hpp"

namespace fringeflow::apps {

namespace fs = std::filesystem;
using graphs::Node;

namespace {

[[noreturn]] void fail(const graphs::Place& place, const std::string& what) {
  throw graphs::WorkflowError({{place, what}});
}

std::string scalar(const Node& node, const std::string& key) {
  if (!node.is_scalar()) fail(node.place, fmt::format("{} must be one value, not {}", key, node.describe()));
  return node.text;
}

constexpr const char* kTogether = " & ";

std::vector<std::string> parts(const std::string& text) {
  std::vector<std::string> list;
  size_t begin = 0;
  for (size_t end = 0; (end = text.find(kTogether, begin)) != std::string::npos; begin = end + 3)
    list.push_back(text.substr(begin, end - begin));
  list.push_back(text.substr(begin));
  return list;
}

std::string one_value(const Node& node) { return node.is_scalar() ? node.text : graphs::flow_text(node); }

std::vector<std::string> scalars(const Node& node, const std::string& key) {
  std::vector<std::string> list;
  if (!node.is_list() || node.items.empty())
    fail(node.place, fmt::format("{} must be a list of values", key));
  const size_t together = parts(key).size();
  for (const auto& item : node.items) {
    if (together > 1) {
      if (!item.is_list() || item.items.size() != together)
        fail(item.place, fmt::format("{}: each value must be a list of {}: [a, b]", key, together));
      std::string all;
      for (const auto& one : item.items) all += (all.empty() ? "" : kTogether) + one_value(one);
      list.push_back(all);
    } else {
      list.push_back(one_value(item));
    }
  }
  return list;
}

/// "a..b"; either end may be missing.
traces::Constraint constraint(const std::string& metric, const Node& node) {
  const std::string text = scalar(node, metric);
  const size_t dots = text.find("..");
  traces::Constraint result{metric};
  try {
    if (dots == std::string::npos) throw UserError("");
    if (dots > 0) result.least = parse_number(text.substr(0, dots));
    if (dots + 2 < text.size()) result.most = parse_number(text.substr(dots + 2));
  } catch (const UserError&) {
    fail(node.place, fmt::format("{}: a range is needed: ..10, 0.5.., 1..2; not '{}'", metric, text));
  }
  return result;
}

/// Where the products of this document go: the settings that say so. Stages that make files of their own get names beside the image's.
std::vector<std::string> product_settings(const Node& document, const std::string& prefix) {
  if (graphs::is_short_form(document)) {
    const auto* output = document.find("output");
    return {(output != nullptr && output->value.is_map() ? "output.prefix=" : "output=") + prefix};
  }
  std::vector<std::string> settings;
  int images = 0;
  for (const auto& stage : document.find("stages")->value.items) {
    const auto *kind = stage.find("stage"), *name = stage.find("id");
    if (kind == nullptr || name == nullptr) continue;
    const std::string& id = name->value.text;
    if (kind->value.text == "write" && ++images > 1)
      fail(stage.place, "an experiment makes one image; this workflow writes several");
    if (kind->value.text == "write") settings.push_back(id + ".prefix=" + prefix);
    if (kind->value.text == "simulate") settings.push_back(fmt::format("{}.output={}.{}.ms", id, prefix, id));
    if (kind->value.text == "calibrate")
      settings.push_back(fmt::format("{}.output={}.{}.h5", id, prefix, id));
  }
  if (images == 0) fail(document.place, "an experiment compares images; this workflow writes none");
  return settings;
}

}  // namespace

Node ExperimentSpec::document(const std::vector<std::string>& point, const std::string& prefix) const {
  Node document = workflow;
  for (size_t a = 0; a < axes.size(); ++a)
    if (axes[a] != "machine") {
      const auto names = parts(axes[a]), values = parts(point[a]);
      for (size_t k = 0; k < names.size(); ++k) graphs::apply_setting(document, names[k] + "=" + values[k]);
    }
  for (const auto& setting : product_settings(document, prefix)) graphs::apply_setting(document, setting);
  return document;
}

std::vector<std::vector<std::string>> ExperimentSpec::points() const {
  std::vector<std::vector<std::string>> result{{}};
  for (const auto& list : values) {
    std::vector<std::vector<std::string>> longer;
    for (const auto& point : result)
      for (const auto& value : list) {
        longer.push_back(point);
        longer.back().push_back(value);
      }
    result = std::move(longer);
  }
  return result;
}

ExperimentSpec read_experiment(const std::string& path) {
  const Node document = graphs::load_yaml(path);
  if (!document.is_map())
    fail(document.place, "an experiment is a map with workflow and axes, not " + document.describe());
  ExperimentSpec spec;
  spec.text = io::read_file(path);
  const std::vector<std::string> known{"workflow",  "mode",        "axes",     "repeats",     "seed",
                                       "pareto",    "constraints", "recorded", "keep_images", "calibrate",
                                       "reference", "per",         "engine",   "only"};
  std::vector<std::pair<std::string, graphs::Place>> per;
  for (const auto& entry : document.entries) {
    const auto& [key, place, value] = entry;
    if (key == "workflow") {
      fs::path file = scalar(value, key);
      if (file.is_relative()) file = fs::path(path).parent_path() / file;
      spec.workflow_name = file.string();
      spec.workflow = graphs::load_yaml(spec.workflow_name);
    } else if (key == "mode") {
      const std::string mode = scalar(value, key);
      if (mode != "run" && mode != "forecast")
        fail(value.place, "mode is run or forecast, not '" + mode + "'");
      spec.forecast = mode == "forecast";
    } else if (key == "engine") {
      const std::string engine = scalar(value, key);
      if (engine != "own" && engine != "simgrid")
        fail(value.place, "engine is own or simgrid, not '" + engine + "'");
      spec.simgrid = engine == "simgrid";
    } else if (key == "only") {
      spec.only = scalar(value, key);
      const std::vector<std::string> kinds{"simulate", "calibrate", "image", "pipeline"};
      if (std::find(kinds.begin(), kinds.end(), spec.only) == kinds.end())
        fail(value.place, fmt::format("only is one of {}, not '{}'", graphs::join(kinds), spec.only));
    } else if (key == "axes") {
      if (!value.is_map() || value.entries.empty())
        fail(value.place, "axes must be a map: runtime.scheduler: [prio, lws]");
      for (const auto& axis : value.entries) {
        spec.axes.push_back(axis.key);
        spec.values.push_back(scalars(axis.value, axis.key));
      }
    } else if (key == "repeats" || key == "seed") {
      int64_t number = 0;
      try {
        number = parse_integer(scalar(value, key));
      } catch (const UserError& error) {
        fail(value.place, fmt::format("{}: {}", key, error.what()));
      }
      if (number < 1) fail(value.place, key + " must be at least 1");
      if (key == "seed") spec.seed = static_cast<uint64_t>(number);
      if (key == "repeats") spec.repeats = static_cast<int>(std::min<int64_t>(number, 1000));
    } else if (key == "pareto") {
      for (const auto& name : scalars(value, key)) {
        const bool maximise = name.starts_with("-");
        spec.pareto.push_back({maximise ? name.substr(1) : name, maximise});
      }
    } else if (key == "per") {
      for (const auto& name : scalars(value, key)) per.push_back({name, value.place});
    } else if (key == "constraints") {
      if (!value.is_map()) fail(value.place, "constraints must be a map: peak_memory_bytes: ..2e9");
      for (const auto& one : value.entries) spec.constraints.push_back(constraint(one.key, one.value));
    } else if (key == "recorded") {
      spec.recorded = scalar(value, key);
    } else if (key == "keep_images" || key == "calibrate") {
      const auto text = scalar(value, key);
      if (text != "true" && text != "false") fail(value.place, key + " is true or false, not '" + text + "'");
      (key == "calibrate" ? spec.calibrate : spec.keep_images) = text == "true";
    } else if (key == "reference") {
      spec.reference = scalar(value, key);
    } else {
      fail(place, fmt::format("unknown key '{}'{}", key, graphs::did_you_mean(key, known)));
    }
  }
  for (const auto& [name, place] : per) {
    const auto axis = std::find(spec.axes.begin(), spec.axes.end(), name);
    if (axis == spec.axes.end()) fail(place, fmt::format("per: '{}' is not one of the axes", name));
    spec.per.push_back(static_cast<size_t>(axis - spec.axes.begin()));
  }
  if (spec.workflow_name.empty()) fail(document.place, "an experiment needs 'workflow': the file to vary");
  if (spec.axes.empty()) fail(document.place, "an experiment needs 'axes': settings and their values");
  if (!spec.forecast && !spec.only.empty())
    fail(document.find("only")->place, "a run runs the whole workflow; 'only' is for mode: forecast");
  if (!spec.forecast && std::find(spec.axes.begin(), spec.axes.end(), "machine") != spec.axes.end())
    fail(document.find("axes")->place, "another machine can only be forecast (mode: forecast)");
  for (const auto& objective : spec.pareto)
    if (objective.metric.empty()) fail(document.find("pareto")->place, "pareto needs names of metrics");
  spec.document(spec.points().front(), "check");  // unknown settings are named before anything runs
  return spec;
}

}  // namespace fringeflow::apps
