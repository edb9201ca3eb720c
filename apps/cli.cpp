// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/cli.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/engine.hpp"
#include "graphs/schema/suggest.hpp"
#include "io/interrupt.hpp"
#include "runtime/machine.hpp"

namespace fringeflow::apps {
namespace {

using graphs::Kind;
using graphs::Node;
using graphs::Option;
using graphs::Place;
using graphs::StageSchema;

std::string flag_name(const std::string& key) {
  std::string name = "--" + key;
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

/// "--cell 1.5asec": what stands behind the flag in the help.
std::string type_name(const Option& option) {
  switch (option.kind) {
    case Kind::integer:
    case Kind::count_or_auto:
      return "N";
    case Kind::number:
      return "X";
    case Kind::quantity:
      return option.dimension == Dimension::angle       ? "ANGLE"
             : option.dimension == Dimension::frequency ? "FREQUENCY"
                                                        : "DURATION";
    case Kind::choice:
      return graphs::join(option.choices, "|");
    case Kind::input_file:
      return "FILE";
    case Kind::output_path:
      return option.key == "prefix" ? "PREFIX" : "PATH";
    case Kind::size:
      return "N|NX,NY";
    case Kind::weighting:
      return "natural|uniform|briggs:R";
    case Kind::threshold:
      return "FLUX|Ksigma";
    case Kind::integer_list:
      return "N,...";
    case Kind::number_list:
      return "X,...";
    case Kind::text_list:
      return "A,...";
    case Kind::integer_range:
    case Kind::time_range:
      return "a..b";
    case Kind::uv_range:
      return "a..bUNIT";
    case Kind::time:
      return "TIME";
    case Kind::direction:
      return "RA,DEC";
    case Kind::stokes:
      return "I|IQUV|...";
    default:
      return "TEXT";
  }
}

std::string help_text(const Option& option) {
  std::string text = option.doc;
  if (option.fallback) text += fmt::format(" [{}]", *option.fallback);
  return text;
}

}  // namespace

CLI::App* add_command(CLI::App& app, Context& context, const std::string& name, const std::string& doc,
                      std::function<int()> action) {
  CLI::App* command = app.add_subcommand(name, doc);
  command->allow_extras();
  command->add_flag("-v,--verbose", context.verbose, "say more; twice: much more");
  command->add_flag("-q,--quiet", context.quiet, "say only what is wrong");
  command->callback([&context, command, action = std::move(action)] {
    refuse_extras(*command);
    context.action = action;
  });
  return command;
}

void refuse_extras(const CLI::App& command) {
  for (const std::string& extra : command.remaining()) {
    std::vector<std::string> known;
    for (const CLI::App* app = &command; app != nullptr; app = app->get_parent()) {
      for (const CLI::Option* option : app->get_options()) {
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
      }
    }
    if (!extra.starts_with('-') || extra.size() < 2) {
      throw UserError(fmt::format("{}: unexpected argument '{}'", command.get_name(), extra));
    }
    const std::string flag = extra.substr(0, extra.find('='));
    const std::string near = graphs::closest(flag, known);
    const std::string name = command.get_parent() == nullptr ? "" : command.get_name() + " ";
    throw UserError(fmt::format("unknown flag '{}'{} (see: fringeflow {}--help)", flag,
                                near.empty() ? "" : "; did you mean '" + near + "'?", name));
  }
}

void StageFlags::add(CLI::App& command, const StageSchema& stage) {
  for (const Option& option : stage.options) {
    const std::string short_flag = option.short_flag.empty() ? "" : "-" + option.short_flag + ",";
    auto text = std::make_shared<std::string>();
    const CLI::Option* cli = nullptr;
    const std::string name = flag_name(option.key);
    if (option.kind == Kind::boolean) {
      add_switch(command, stage, option);
      continue;
    }
    cli = command.add_option(short_flag + name, *text, help_text(option))
              ->type_name(type_name(option))
              ->group(stage.name);
    flags_.push_back({&stage, &option, option.key, name, text, cli});
    for (const graphs::Alias& alias : option.aliases) {
      auto alias_text = std::make_shared<std::string>();
      const std::string alias_name = flag_name(alias.name);
      CLI::Option* other = nullptr;
      if (!alias.fixed.empty()) {
        *alias_text = "true";
        const std::string doc = fmt::format("same as {} {}", name, alias.fixed);
        other = command.add_flag(alias_name, doc)->group(stage.name);
      } else {
        // Aliases work, but only the one word is shown.
        other = command.add_option(alias_name, *alias_text, fmt::format("same as {}", name))->group("");
      }
      flags_.push_back({&stage, &option, alias.name, alias_name, alias_text, other});
    }
  }
}

void StageFlags::add_switch(CLI::App& command, const StageSchema& stage, const Option& option) {
  const std::string name = flag_name(option.key), negative = "--no-" + name.substr(2);
  // Both work; the help shows the one that changes something.
  const bool on = option.fallback == "true";
  for (const bool value : {true, false}) {
    const std::string& flag = value ? name : negative;
    const std::string doc = value ? option.doc : "not: " + option.doc;
    const CLI::Option* cli = command.add_flag(flag, doc)->group(value == on ? "" : stage.name);
    auto text = std::make_shared<std::string>(value ? "true" : "false");
    flags_.push_back({&stage, &option, option.key, flag, text, cli});
  }
}

bool StageFlags::any() const {
  return std::any_of(flags_.begin(), flags_.end(), [](const Flag& flag) { return flag.cli->count() > 0; });
}

bool StageFlags::given(const StageSchema& stage) const {
  return std::any_of(flags_.begin(), flags_.end(),
                     [&](const Flag& flag) { return flag.stage == &stage && flag.cli->count() > 0; });
}

void StageFlags::collect(const StageSchema& stage, Node& map) const {
  for (const Flag& flag : flags_) {
    if (flag.stage == &stage && flag.cli->count() > 0)
      map.add(flag.key, Node::scalar(*flag.text, Place{flag.name, 0, 0}));
  }
}

void StageFlags::require(const StageSchema& stage, const std::string& command) const {
  for (const Option& option : stage.options) {
    if (!option.required) continue;
    const bool given = std::any_of(flags_.begin(), flags_.end(), [&](const Flag& flag) {
      return flag.option == &option && flag.cli->count() > 0;
    });
    if (given) continue;
    const std::string name = option.short_flag.empty() ? flag_name(option.key) : "-" + option.short_flag;
    throw UserError(fmt::format("{}: missing {}: {}, for example {} {}", command, name, option.doc, name,
                                option.example));
  }
}

void WorkflowSource::add(CLI::App& command, Accept accept, bool selfcal) {
  accept_ = accept;
  selfcal_ = selfcal;
  command_ = command.get_name();
  const char* doc = accept == Accept::file   ? "workflow file"
                    : accept == Accept::sets ? "MeasurementSets"
                                             : "workflow file, or MeasurementSets and the flags of image";
  command.add_option(accept == Accept::sets ? "MS" : "FILE", inputs_, doc)->type_name("");
  if (accept != Accept::file) {
    for (const char* stage : {"read", "image", "deconvolve", "write"})
      flags_.add(command, *graphs::find_stage(stage));
    if (selfcal) flags_.add(command, *graphs::find_stage("selfcal"));
  }
  command.add_option("--set", settings_, "change any option: runtime.cpus=4, image.facets=2, ...")
      ->type_name("SECTION.KEY=VALUE")
      ->allow_extra_args(false);
}

bool WorkflowSource::from_flags() const {
  if (accept_ != Accept::both) return accept_ == Accept::sets;
  std::error_code ignored;
  return flags_.any() || (!inputs_.empty() && std::filesystem::is_directory(inputs_.front(), ignored));
}

std::string WorkflowSource::name() const {
  return from_flags() || inputs_.empty() ? "command line" : inputs_.front();
}

Node WorkflowSource::document_of_flags() const {
  const Place place{"command line", 0, 0};
  if (inputs_.empty()) throw UserError(fmt::format("{}: name at least one MeasurementSet", command_));
  for (const char* stage : {"image", "write"}) flags_.require(*graphs::find_stage(stage), command_);
  if (selfcal_) flags_.require(*graphs::find_stage("selfcal"), command_);
  Node document = Node::map(place);
  for (const char* name : {"read", "image", "deconvolve", "selfcal", "write"}) {
    if (std::string_view(name) == "selfcal" && !selfcal_) continue;
    const StageSchema& stage = *graphs::find_stage(name);
    Node section = Node::map(place);
    if (stage.name == "read") {
      Node paths = Node::list(place);
      // The message names the path anyway.
      for (const std::string& path : inputs_) paths.items.push_back(Node::scalar(path, Place{"", 0, 0}));
      section.add("ms", std::move(paths));
    }
    flags_.collect(stage, section);
    // Without any flag of cleaning, an image is not cleaned.
    if (stage.name != "deconvolve" || flags_.given(stage)) document.add(stage.section, std::move(section));
  }
  return document;
}

Node WorkflowSource::document() const {
  if (inputs_.empty() && accept_ != Accept::sets)
    throw UserError(fmt::format("{}: name a workflow file", command_));
  if (!from_flags() && inputs_.size() > 1)
    throw UserError(fmt::format("{}: one workflow file, not {}", command_, inputs_.size()));
  Node document = from_flags() ? document_of_flags() : graphs::load_yaml(inputs_.front());
  for (const std::string& setting : settings_) graphs::apply_setting(document, setting);
  return document;
}

graphs::Workflow WorkflowSource::build(bool files) const {
  graphs::BuildOptions options;
  options.files = files;
  return graphs::build(document(), name(), options);
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void run_jobs(const std::vector<graphs::Job>& jobs) {
  struct Runner {
    StagesBefore& before;
    void operator()(const SimulateJob& job) const { before.io += run_simulate(job); }
    void operator()(const PredictJob& job) const { before.io += run_predict(job); }
    void operator()(const CalibrateJob& job) const { before.io += run_calibrate(job); }
    void operator()(const SelfcalJob& job) const { run_selfcal(job); }
    void operator()(const ImagingJob& job) const { run_imaging(job, {}, before); }
    void operator()(const PipelineJob& job) const { run_pipeline(job); }
  };
  const io::InterruptScope signals;
  StagesBefore before;
  for (const graphs::Job& job : jobs) {
    if (io::interrupted()) throw RunError("interrupted; later stages have not run");
    const auto begin = std::chrono::steady_clock::now();
    const auto bytes = runtime::process_io();
    std::visit(Runner{before}, job);
    // An image is the end of its chain; what others leave, a later one reads.
    if (std::holds_alternative<ImagingJob>(job) || std::holds_alternative<PipelineJob>(job)) continue;
    before.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    before.bytes_read += runtime::process_io().read_chars - bytes.read_chars;
    before.bytes_written += runtime::process_io().written_chars - bytes.written_chars;
  }
}

std::string plan_jobs(const std::vector<graphs::Job>& jobs, bool json) {
  nlohmann::ordered_json plans = nlohmann::ordered_json::array();
  std::string text;
  for (const graphs::Job& job : jobs) {
    if (const auto* imaging = std::get_if<ImagingJob>(&job)) {
      const std::string plan = plan_imaging(*imaging, json);
      if (json)
        plans.push_back(nlohmann::ordered_json::parse(plan));
      else
        text += plan;
    } else if (const auto* pipeline = std::get_if<PipelineJob>(&job)) {
      const std::string plan = plan_pipeline(*pipeline, json);
      if (json)
        plans.push_back(nlohmann::ordered_json::parse(plan));
      else
        text += plan;
    } else if (const auto* simulate = std::get_if<SimulateJob>(&job)) {
      if (json)
        plans.push_back({{"stage", "simulate"},
                         {"output", simulate->output},
                         {"times", simulate->times},
                         {"channels", simulate->channels}});
      else
        text += fmt::format("simulate: {} times x {} channels -> {}\n", simulate->times, simulate->channels,
                            simulate->output);
    } else if (const auto* predict = std::get_if<PredictJob>(&job)) {
      if (json)
        plans.push_back({{"stage", "predict"}, {"ms", predict->ms}, {"column", predict->column}});
      else
        text += fmt::format("predict: {} -> {} of {}\n", predict->model_file, predict->column,
                            graphs::join(predict->ms));
    } else if (const auto* selfcal = std::get_if<SelfcalJob>(&job)) {
      const std::string plan = plan_imaging(selfcal->imaging, json);
      if (json)
        plans.push_back({{"stage", "selfcal"},
                         {"rounds", selfcal->rounds.size()},
                         {"imaging", nlohmann::ordered_json::parse(plan)}});
      else
        text += fmt::format("selfcal: {} rounds of solving, {} times this image:\n{}", selfcal->rounds.size(),
                            selfcal->rounds.size() + 1, plan);
    } else if (const auto* calibrate = std::get_if<CalibrateJob>(&job)) {
      if (json)
        plans.push_back({{"stage", "calibrate"},
                         {"ms", calibrate->ms},
                         {"output", calibrate->output},
                         {"apply", calibrate->apply_column}});
      else
        text +=
            fmt::format("calibrate: {} on {} -> {}\n", calibrate->ms, calibrate->model, calibrate->output);
    }
  }
  if (!json) return text;
  // One job is the rule; a caller then gets its object and not a list of one.
  return (plans.size() == 1 ? plans[0] : plans).dump(2) + "\n";
}

}  // namespace fringeflow::apps
