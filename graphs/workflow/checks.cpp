// SPDX-License-Identifier: GPL-3.0-or-later
// What can only be seen when stages are looked at together.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "graphs/lower.hpp"
#include "graphs/workflow/workflow.hpp"
#include "io/effects.hpp"

namespace fringeflow::graphs {
namespace {

/// Depth-first search; a stage that is met again on its own way closes a cycle.
class Sorter {
 public:
  Sorter(Workflow& workflow, Diagnostics& diagnostics) : workflow_(workflow), diagnostics_(diagnostics) {
    state_.resize(workflow.stages.size());
  }
  void run() {
    workflow_.order.clear();
    for (std::size_t i = 0; i < state_.size(); ++i) visit(static_cast<int>(i));
  }

 private:
  enum class State { fresh, open, done };

  void visit(int index) {
    const auto i = static_cast<std::size_t>(index);
    if (state_[i] == State::done) return;
    if (state_[i] == State::open) {
      std::string text;
      const auto begin = std::find(path_.begin(), path_.end(), index);
      for (auto at = begin; at != path_.end(); ++at)
        text += workflow_.stages[static_cast<std::size_t>(*at)].id + " -> ";
      diagnostics_.error(workflow_.stages[i].place,
                         fmt::format("the stages form a cycle: {}{}", text, workflow_.stages[i].id));
      return;
    }
    state_[i] = State::open;
    path_.push_back(index);
    for (const Link& link : workflow_.stages[i].in) {
      for (const Source& source : link.sources) {
        if (source.stage >= 0) visit(source.stage);
      }
    }
    path_.pop_back();
    state_[i] = State::done;
    workflow_.order.push_back(index);
  }

  Workflow& workflow_;
  Diagnostics& diagnostics_;
  std::vector<State> state_;
  std::vector<int> path_;
};

const Setting* setting_of(const Stage& stage, std::string_view key) {
  const auto found = stage.settings.find(key);
  return found == stage.settings.end() ? nullptr : &found->second;
}

/// N·cell of the largest field that is imaged, in l and m: its corners reach the horizon.
constexpr double kLargestField = 1.4143;

void check_image(const Stage& stage, Diagnostics& diagnostics) {
  const Setting* size = setting_of(stage, "size");
  const Setting* cell = setting_of(stage, "cell");
  if (size != nullptr && cell != nullptr) {
    const auto& n = std::get<std::vector<int64_t>>(size->value);
    const double field = static_cast<double>(std::max(n[0], n[1])) * std::get<double>(cell->value);
    if (field > kLargestField) {
      diagnostics.error(
          size->place,
          fmt::format("the field, size x cell = {:.3g}rad, is larger than the hemisphere ({}rad in l and m)",
                      field, 1.414));
    }
  }
}

void check_deconvolve(const Workflow& workflow, const Stage& stage, Diagnostics& diagnostics) {
  const bool bounded =
      setting_of(stage, "iterations") != nullptr || setting_of(stage, "threshold") != nullptr;
  if (!bounded) {
    diagnostics.error(
        stage.place,
        fmt::format("stage '{}' (deconvolve) needs 'iterations' or 'threshold' (or both): when to stop, for "
                    "example threshold 3sigma",
                    stage.id));
  }
  if (const Setting* scales = setting_of(stage, "scales"); scales != nullptr) {
    const Value algorithm = value_of(stage.settings, stage.schema->options, "algorithm");
    if (value_or<std::string>(algorithm, "") != "multiscale") {
      diagnostics.error(scales->place, "scales: only the algorithm multiscale has scales");
    }
  }
  const Link* image = stage.link("image");
  if (image == nullptr) return;
  for (const Source& source : image->sources) {
    if (source.stage < 0) continue;
    const Stage& from = workflow.stages[static_cast<std::size_t>(source.stage)];
    if (from.schema != nullptr && (from.schema->name == "deconvolve" || from.schema->name == "selfcal")) {
      diagnostics.error(
          source.place,
          fmt::format("port 'image' takes the output of an image stage; '{}' is already deconvolved",
                      from.id));
    }
  }
}

void check_correlations(const Stage& stage, Diagnostics& diagnostics) {
  const Setting* correlations = setting_of(stage, "correlations");
  if (correlations == nullptr) return;
  const auto& names = std::get<std::vector<std::string>>(correlations->value);
  bool linear = false, circular = false, twice = false;
  for (const std::string& name : names) {
    (name.find_first_of("XY") != std::string::npos ? linear : circular) = true;
    twice = twice || std::count(names.begin(), names.end(), name) > 1;
  }
  if (linear && circular)
    diagnostics.error(correlations->place, "correlations: linear and circular ones cannot be mixed");
  if (twice) diagnostics.error(correlations->place, "correlations: each can be given once");
}

/// Products of two stages under one name would overwrite each other.
void check_outputs(const Workflow& workflow, Diagnostics& diagnostics) {
  std::map<std::string, const Stage*> writers;
  for (const Stage& stage : workflow.stages) {
    for (const auto& [key, setting] : stage.settings) {
      if (setting.option->kind != Kind::output_path) continue;
      const auto& path = std::get<std::string>(setting.value);
      if (key == "prefix" && path.ends_with('/')) {
        diagnostics.error(
            setting.place,
            about(setting.place, key, "'" + path + "' is a folder; a prefix begins the names of files"));
      }
      const auto [first, fresh] = writers.emplace(path, &stage);
      if (!fresh) {
        diagnostics.error(setting.place, about(setting.place, key,
                                               fmt::format("'{}' is already written by stage '{}'", path,
                                                           first->second->id)));
      }
    }
  }
}

/// What is not read by anything, though it could be, was forgotten.
void check_use(const Workflow& workflow, int index, Diagnostics& diagnostics) {
  const Stage& stage = workflow.stages[static_cast<std::size_t>(index)];
  if (stage.schema->outputs.empty() || !workflow.users(index).empty()) return;
  if (stage.schema->name == "simulate" || stage.schema->name == "predict" ||
      stage.schema->name == "calibrate")
    return;  // their MeasurementSets and gains are products
  diagnostics.error(stage.place, fmt::format("nothing uses stage '{}' ({}): {}", stage.id, stage.schema->name,
                                             stage.schema->name == "read" ? "an image stage should take it"
                                                                          : "a write stage should take it"));
}

constexpr std::string_view kPoint = "point:";

/// A model is a file, or a flux in the phase centre.
void check_point_model(const Stage& stage, std::string_view key, Diagnostics& diagnostics) {
  const Setting* model = setting_of(stage, key);
  if (model == nullptr) return;
  const auto& text = std::get<std::string>(model->value);
  if (!text.starts_with(kPoint)) return;
  try {
    if (parse_quantity(std::string_view(text).substr(kPoint.size()), Dimension::flux) > 0) return;
    diagnostics.error(model->place,
                      about(model->place, std::string(key), "the flux of '" + text + "' must be above 0"));
  } catch (const UserError& error) {
    diagnostics.error(model->place, about(model->place, std::string(key), error.what()));
  }
}

void check_selfcal(const Workflow& workflow, const Stage& stage, Diagnostics& diagnostics) {
  check_point_model(stage, "start_model", diagnostics);
  if (const Setting* rounds = setting_of(stage, "rounds"); rounds != nullptr) {
    const auto& all = std::get<std::vector<std::string>>(rounds->value);
    if (all.empty()) diagnostics.error(rounds->place, "rounds: name at least one, for example phase:60s");
    std::string last;  // by direction
    for (const auto& round : all) {
      try {
        if (parse_round(round).by_direction)
          last = round;
        else if (!last.empty())
          throw UserError(fmt::format("'{}' after '{}': gains by direction come last", round, last));
      } catch (const UserError& error) {
        diagnostics.error(rounds->place, about(rounds->place, "rounds", error.what()));
      }
    }
    if (!last.empty() && setting_of(stage, "directions") == nullptr)
      diagnostics.error(rounds->place,
                        fmt::format("rounds: '{}' needs directions: how many, for example 7, or "
                                    "regions",
                                    last));
    if (!last.empty() && setting_of(stage, "apply") != nullptr)
      diagnostics.error(rounds->place,
                        fmt::format("rounds: the gains of '{}' do not correct one column; leave "
                                    "'apply' out",
                                    last));
  }
  const Link* image = stage.link("image");
  if (image == nullptr) return;
  for (const Source& source : image->sources) {
    if (source.stage < 0) continue;
    const Stage& from = workflow.stages[static_cast<std::size_t>(source.stage)];
    if (from.schema != nullptr && from.schema->name != "deconvolve")
      diagnostics.error(
          source.place,
          fmt::format("selfcal needs a model: '{}' ({}) is not cleaned; give iterations or a threshold",
                      from.id, from.schema->name));
  }
}

/// The words for effects have a grammar of their own.
void check_effects(const Stage& stage, Diagnostics& diagnostics) {
  const auto check = [&](std::string_view key, auto parse) {
    const Setting* setting = setting_of(stage, key);
    if (setting == nullptr) return;
    try {
      parse(std::get<std::string>(setting->value));
    } catch (const UserError& error) {
      diagnostics.error(setting->place, about(setting->place, std::string(key), error.what()));
    }
  };
  check("gains", parse_gain_model);
  check("noise", parse_noise);
  check("tec", parse_screen);
  check("beam", parse_beam);
  check("rfi", parse_rfi);
  check("flags", parse_flags);
  check("averaging", parse_averaging);
}

void check_file(const Setting& setting, const std::string& key, const std::string& path,
                Diagnostics& diagnostics) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    diagnostics.error(setting.place, about(setting.place, key, "no such file: " + path));
  else if (fs::is_directory(path, ignored))
    diagnostics.error(setting.place, about(setting.place, key, path + " is a folder"));
}

void check_measurement_set(const Source& source, Diagnostics& diagnostics) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path path = source.path;
  if (!fs::exists(path, ignored)) {
    diagnostics.error(source.place, fmt::format("no such MeasurementSet: {}", source.path));
  } else if (!fs::exists(path / "table.dat", ignored)) {
    diagnostics.error(source.place,
                      fmt::format("{} is not a MeasurementSet (it has no table.dat)", source.path));
  }
}

}  // namespace

void check_graph(Workflow& workflow, Diagnostics& diagnostics) { Sorter(workflow, diagnostics).run(); }

void check_stages(const Workflow& workflow, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < workflow.stages.size(); ++i) {
    const Stage& stage = workflow.stages[i];
    if (stage.schema == nullptr) continue;
    if (stage.schema->name == "image") check_image(stage, diagnostics);
    if (stage.schema->name == "deconvolve") check_deconvolve(workflow, stage, diagnostics);
    if (stage.schema->name == "simulate") {
      check_correlations(stage, diagnostics);
      check_effects(stage, diagnostics);
    }
    if (stage.schema->name == "calibrate") check_point_model(stage, "model", diagnostics);
    if (stage.schema->name == "selfcal") check_selfcal(workflow, stage, diagnostics);
  }
  check_outputs(workflow, diagnostics);
  // After other mistakes it is not known what uses what.
  if (!diagnostics.empty()) return;
  for (std::size_t i = 0; i < workflow.stages.size(); ++i)
    check_use(workflow, static_cast<int>(i), diagnostics);
}

void check_files(const Workflow& workflow, Diagnostics& diagnostics) {
  for (const Stage& stage : workflow.stages) {
    for (const Link& link : stage.in) {
      for (const Source& source : link.sources) {
        if (source.stage < 0 && !source.path.empty()) check_measurement_set(source, diagnostics);
      }
    }
    for (const auto& [key, setting] : stage.settings) {
      const bool model =
          stage.schema != nullptr && ((stage.schema->name == "calibrate" && key == "model") ||
                                      (stage.schema->name == "selfcal" && key == "start_model"));
      if (setting.option->kind != Kind::input_file && !model) continue;
      const auto& path = std::get<std::string>(setting.value);
      std::error_code ignored;
      if (key == "layout" && std::filesystem::exists(std::filesystem::path(path) / "table.dat", ignored))
        continue;
      if (!(model && path.starts_with(kPoint))) check_file(setting, key, path, diagnostics);
    }
  }
}

}  // namespace fringeflow::graphs
