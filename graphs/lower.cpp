// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/lower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "graphs/calibrate/directions.hpp"
#include "io/effects.hpp"
#include "runtime/scheduler_parameters.hpp"

namespace fringeflow::graphs {
namespace {

/// Reads the options of one stage or section by name, defaults included.
class Values {
 public:
  Values(const Settings& settings, const std::vector<Option>& options)
      : settings_(settings), options_(options) {}
  explicit Values(const Stage& stage) : Values(stage.settings, stage.schema->options) {}

  Value at(std::string_view key) const { return value_of(settings_, options_, key); }
  double number(std::string_view key) const { return value_or<double>(at(key), 0); }
  int64_t integer(std::string_view key) const { return value_or<int64_t>(at(key), 0); }
  bool boolean(std::string_view key) const { return value_or<bool>(at(key), false); }
  std::string text(std::string_view key) const { return value_or<std::string>(at(key), {}); }

 private:
  const Settings& settings_;
  const std::vector<Option>& options_;
};

RuntimeOptions runtime_options(const Workflow& workflow) {
  const Values values(workflow.runtime, runtime_section().options);
  RuntimeOptions runtime;
  runtime.scheduler = values.text("scheduler");
  runtime.scheduler_parameters = value_or<std::vector<std::string>>(values.at("scheduler_parameters"), {});
  runtime::scheduler_environment(runtime.scheduler_parameters);  // mistakes are found before anything runs
  runtime.cpus = static_cast<int>(values.integer("cpus"));
  runtime.gpus = static_cast<int>(values.integer("gpus"));
  runtime.io_workers = static_cast<int>(values.integer("io_workers"));
  runtime.memory_bytes = values.integer("memory");
  runtime.cache = values.text("cache");
  runtime.strict = values.text("determinism") == "strict";
  runtime.trace = values.text("trace") != "off";
  runtime.fxt = values.text("trace") == "fxt";
  return runtime;
}

Selection selection(const Stage& read) {
  const Values values(read);
  Selection result;
  result.column = values.text("column");
  for (const int64_t field : value_or<std::vector<int64_t>>(values.at("field"), {}))
    result.fields.push_back(static_cast<int>(field));
  for (const int64_t spw : value_or<std::vector<int64_t>>(values.at("spw"), {}))
    result.spws.push_back(static_cast<int>(spw));
  const Range channels = value_or<Range>(values.at("channels"), {});
  if (channels.begin) result.channel_begin = static_cast<int64_t>(*channels.begin);
  if (channels.end) result.channel_end = static_cast<int64_t>(*channels.end);
  result.time_s = value_or<Range>(values.at("time"), {});
  const UvRange uv = value_or<UvRange>(values.at("uv_range"), {});
  (uv.wavelengths ? result.uv_lambda : result.uv_m) = uv.range;
  return result;
}

ImageOptions image_options(const Stage& stage) {
  const Values values(stage);
  ImageOptions image;
  const auto size = value_or<std::vector<int64_t>>(values.at("size"), {0, 0});
  image.nx = size[0];
  image.ny = size[1];
  image.cell_rad = values.number("cell");
  const Weighting weighting = value_or<Weighting>(values.at("weighting"), {});
  image.weighting = weighting.scheme;
  image.robust = weighting.robust;
  image.taper_rad = values.number("taper");
  image.accuracy = values.number("accuracy");
  image.stokes = values.text("stokes");
  image.channels_out = values.integer("channels_out");
  const Value centre = values.at("centre");
  if (const auto* direction = std::get_if<Direction>(&centre)) image.centre = *direction;
  image.facets = static_cast<int>(values.integer("facets"));
  image.facet_gains = values.text("facet_gains");
  image.facet_regions = values.text("facet_regions");
  image.divide_by_n = values.boolean("divide_by_n");
  image.psf = values.boolean("psf");
  return image;
}

DeconvolveOptions deconvolve_options(const Stage& stage) {
  constexpr int64_t kUnlimited = 1000000;  // "without it only the threshold stops"
  const Values values(stage);
  DeconvolveOptions clean;
  const std::string algorithm = values.text("algorithm");
  clean.algorithm = algorithm == "hogbom"       ? CleanAlgorithm::hogbom
                    : algorithm == "multiscale" ? CleanAlgorithm::multiscale
                                                : CleanAlgorithm::clark;
  clean.iterations = value_or<int64_t>(values.at("iterations"), kUnlimited);
  const Threshold threshold = value_or<Threshold>(values.at("threshold"), {});
  clean.threshold_kind = threshold.kind;
  clean.threshold = threshold.value;
  clean.gain = values.number("gain");
  clean.major_gain = values.number("major_gain");
  clean.major_cycles = values.integer("major_cycles");
  clean.auto_mask_sigma = values.number("auto_mask");
  clean.mask_file = values.text("mask");
  clean.model_file = values.text("model");
  clean.scales_pixels = value_or<std::vector<double>>(values.at("scales"), {});
  clean.scale_bias = values.number("scale_bias");
  return clean;
}

/// The paths of a port of MeasurementSets; for a stage that makes or fills them, its sets.
std::vector<std::string> measurement_sets(const Workflow& workflow, const Stage& stage) {
  std::vector<std::string> paths;
  const Link* link = stage.link("ms");
  if (link == nullptr) return paths;
  for (const Source& source : link->sources) {
    if (source.stage < 0) {
      paths.push_back(source.path);
      continue;
    }
    const Stage& from = workflow.stages[static_cast<std::size_t>(source.stage)];
    if (from.schema->name == "simulate") {
      paths.push_back(Values(from).text("output"));
    } else {
      const std::vector<std::string> more = measurement_sets(workflow, from);
      paths.insert(paths.end(), more.begin(), more.end());
    }
  }
  return paths;
}

/// Two read stages select alike when their options are written alike.
bool same_selection(const Stage& a, const Stage& b) {
  return std::equal(
      a.settings.begin(), a.settings.end(), b.settings.begin(), b.settings.end(),
      [](const auto& x, const auto& y) { return x.first == y.first && x.second.text == y.second.text; });
}

const Stage& only_source(const Workflow& workflow, const Stage& stage, std::string_view port) {
  return workflow.stages[static_cast<std::size_t>(stage.link(port)->sources.front().stage)];
}

ImagingJob imaging_job(const Workflow& workflow, const Stage& write) {
  ImagingJob job;
  const Values values(write);
  job.write.prefix = values.text("prefix");
  job.write.png = values.boolean("png");
  const Stage* image = &only_source(workflow, write, "image");
  if (image->schema->name == "selfcal") image = &only_source(workflow, *image, "image");
  if (image->schema->name == "deconvolve") {
    job.deconvolve = deconvolve_options(*image);
    image = &only_source(workflow, *image, "image");
  }
  job.image = image_options(*image);
  if (job.deconvolve.iterations > 0) job.image.psf = true;  // cleaning needs it
  const Stage* first = nullptr;
  for (const Source& source : image->link("vis")->sources) {
    const Stage& read = workflow.stages[static_cast<std::size_t>(source.stage)];
    if (first == nullptr) {
      first = &read;
      job.selection = selection(read);
    } else if (!same_selection(*first, read)) {
      throw WorkflowError(
          {{source.place,
            fmt::format("'{}' and '{}' select differently; the read stages of one image must have the same "
                        "options",
                        first->id, read.id)}});
    }
    const std::vector<std::string> paths = measurement_sets(workflow, read);
    job.ms.insert(job.ms.end(), paths.begin(), paths.end());
  }
  return job;
}

SimulateJob simulate_job(const Stage& stage) {
  const Values values(stage);
  SimulateJob job;
  job.layout_file = values.text("layout");
  job.position_file = values.text("position");
  job.sources_file = values.text("sources");
  job.columns = values.text("columns");
  job.start_s = values.number("start");
  job.times = values.integer("times");
  job.interval_s = values.number("interval");
  job.channels = values.integer("channels");
  job.frequency_hz = values.number("frequency");
  job.channel_width_hz = values.number("channel_width");
  job.centre = value_or<Direction>(values.at("centre"), {});
  job.correlations = value_or<std::vector<std::string>>(values.at("correlations"), {});
  job.autocorrelations = values.boolean("autocorrelations");
  job.seed = static_cast<uint64_t>(values.integer("seed"));
  if (const auto text = values.text("gains"); !text.empty()) job.gains = parse_gain_model(text);
  if (const auto text = values.text("noise"); !text.empty()) job.noise = parse_noise(text);
  if (const auto text = values.text("tec"); !text.empty()) job.screen = parse_screen(text);
  if (const auto text = values.text("beam"); !text.empty()) job.beam = parse_beam(text);
  if (const auto text = values.text("rfi"); !text.empty()) job.rfi = parse_rfi(text);
  if (const auto text = values.text("flags"); !text.empty()) job.flags = parse_flags(text);
  if (const auto text = values.text("averaging"); !text.empty()) job.averaging = parse_averaging(text);
  const auto smearing = values.text("smearing");
  job.bandwidth_smearing = smearing == "bandwidth" || smearing == "both";
  job.time_smearing = smearing == "time" || smearing == "both";
  job.screen.seed = job.seed;
  job.output = values.text("output");
  return job;
}

PredictJob predict_job(const Workflow& workflow, const Stage& stage) {
  const Values values(stage);
  PredictJob job;
  job.ms = measurement_sets(workflow, stage);
  job.model_file = values.text("model");
  job.column = values.text("column");
  job.accuracy = values.number("accuracy");
  job.gains_file = values.text("gains");
  return job;
}

CalibrateJob calibrate_job(const Workflow& workflow, const Stage& stage) {
  const Values values(stage);
  CalibrateJob job;
  const std::vector<std::string> sets = measurement_sets(workflow, stage);
  if (sets.size() != 1) {
    throw WorkflowError(
        {{stage.place, fmt::format("'{}' ({}) takes one MeasurementSet, not {}: a gains file belongs to one",
                                   stage.id, stage.schema->name, sets.size())}});
  }
  job.ms = sets.front();
  job.model = values.text("model");
  job.solve = solve_kind(values.text("solve")).value_or(SolveKind::diagonal);
  job.interval_s = values.number("interval");
  job.channels_per_solution = values.integer("channels_per_solution");
  const UvRange uv = value_or<UvRange>(values.at("uv_range"), {});
  (uv.wavelengths ? job.uv_lambda : job.uv_m) = uv.range;
  job.column = values.text("column");
  job.reference = values.text("reference");
  job.plot = values.boolean("plot");
  job.output = values.text("output");
  job.apply_column = values.text("apply");
  job.directions = values.text("directions");
  if (values.text("solver") == "levenberg-marquardt") job.solver = DirectionSolver::levenberg_marquardt;
  job.smooth_hz = values.number("smooth");
  job.robust = values.number("robust");
  job.facets = values.text("facets");
  return job;
}

/// Everything of the images but the stage selfcal between deconvolve and write.
SelfcalJob selfcal_job(const Stage& selfcal) {
  const Values values(selfcal);
  SelfcalJob job;
  for (const auto& text : value_or<std::vector<std::string>>(values.at("rounds"), {}))
    job.rounds.push_back(parse_round(text));
  job.start_model = values.text("start_model");
  job.channels_per_solution = values.integer("channels_per_solution");
  const UvRange uv = value_or<UvRange>(values.at("solve_uv_range"), {});
  (uv.wavelengths ? job.uv_lambda : job.uv_m) = uv.range;
  job.reference = values.text("reference");
  // A start model sets the flux scale; the model of an image is a little too faint, round after round.
  job.normalise = value_or<bool>(values.at("normalise"), job.start_model.empty());
  job.directions = values.text("directions");
  job.apply_column = values.text("apply");
  job.plot = values.boolean("plot");
  return job;
}

/// Stages that hand each other data in memory, from the write stage back to simulate.
class InMemory {
 public:
  explicit InMemory(const Workflow& workflow) : workflow_(workflow) {}

  /// Nothing when no stage simulates what is imaged here.
  std::optional<PipelineJob> job(const Stage& write) {
    const Stage* image = &only_source(workflow_, write, "image");
    const bool selfcal = image->schema->name == "selfcal";
    const std::string name = image->id;
    while (image->link("vis") == nullptr) image = &only_source(workflow_, *image, "image");
    std::vector<const Stage*> chain;
    for (const Source& source : image->link("vis")->sources) {
      const Stage& read = stage(source);
      for (const Source& set : read.link("ms")->sources) collect(set, chain);
      if (chain.empty()) continue;
      if (selfcal) refuse(write, fmt::format("'{}' (selfcal) reads its data again in every round", name));
      if (image->link("vis")->sources.size() > 1 || read.link("ms")->sources.size() > 1)
        refuse(write, fmt::format("'{}' images several sets", image->id));
      check_selection(read);
    }
    if (chain.empty()) return std::nullopt;
    for (const Stage* one : chain)
      if (!used_.insert(one).second) refuse(*one, fmt::format("'{}' is used more than once", one->id));
    PipelineJob job;
    job.simulate = simulate_job(*chain.back());
    if (job.simulate.averaging.any())
      refuse(*chain.back(),
             fmt::format(
                 "'{}' (simulate) has averaging, whose rows are of several times each: what is handed on "
                 "in memory are all baselines of whole times, with weights that are known before them",
                 chain.back()->id));
    job.simulate.autocorrelations = false;  // nothing in memory takes them
    job.imaging = imaging_job(workflow_, write);
    if (!job.imaging.image.facet_gains.empty()) refuse(write, "facet_gains correct what is read from files");
    if (chain.size() == 1) return job;
    job.calibrate = calibrate_job(workflow_, *chain.front());
    const std::string& column = job.imaging.selection.column;
    if (needs_directions(*job.calibrate))
      refuse(*chain.front(),
             "gains by direction, of electron contents, smoothed or reweighed are solved from files");
    if (job.calibrate->column != "DATA")
      refuse(*chain.front(), fmt::format("column: there is only DATA, no {}", job.calibrate->column));
    if (column != "auto" && column != "DATA" && column != job.calibrate->apply_column)
      refuse(*chain.front(), fmt::format("column {} is not made", column));
    job.corrected = !job.calibrate->apply_column.empty() && column != "DATA";
    if (!job.corrected) job.calibrate->apply_column.clear();
    return job;
  }
  /// After all write stages.
  bool in_a_pipeline(const Stage& stage) const { return used_.contains(&stage); }

 private:
  const Stage& stage(const Source& source) const {
    return workflow_.stages[static_cast<std::size_t>(source.stage)];
  }
  [[noreturn]] static void refuse(const Stage& stage, const std::string& why) {
    throw WorkflowError(
        {{stage.place,
          fmt::format("runtime.pipeline: memory takes simulate, calibrate and image one after the other: {}; "
                      "choose runtime.pipeline: files",
                      why)}});
  }
  /// From a source of MeasurementSets back to simulate; nothing for those that exist.
  void collect(const Source& source, std::vector<const Stage*>& chain) const {
    if (source.stage < 0) return;
    std::vector<const Stage*> way{&stage(source)};
    while (way.back()->link("ms") != nullptr) {
      const auto& sources = way.back()->link("ms")->sources;
      if (sources.size() != 1 || sources.front().stage < 0) return;
      way.push_back(&stage(sources.front()));
    }
    for (const Stage* one : way)
      if (one->schema->name == "predict")
        refuse(*one, fmt::format("'{}' (predict) fills a column of a file", one->id));
    if (way.size() > 2) refuse(*way.front(), "there is more than one calibrate stage");
    chain.insert(chain.end(), way.begin(), way.end());
  }
  static void check_selection(const Stage& read) {
    for (const auto& [key, setting] : read.settings)
      if (key != "column") refuse(read, fmt::format("'{}' selects by {}", read.id, key));
  }

  const Workflow& workflow_;
  std::set<const Stage*> used_;
};

}  // namespace

std::optional<SolveKind> solve_kind(std::string_view name) {
  if (name == "scalar-phase") return SolveKind::scalar_phase;
  if (name == "phase") return SolveKind::phase;
  if (name == "diagonal") return SolveKind::diagonal;
  if (name == "full") return SolveKind::full;
  if (name == "tec") return SolveKind::tec;
  return std::nullopt;
}

SelfcalRound parse_round(std::string_view text) {
  constexpr std::string_view kByDirection = "directions-";
  const size_t colon = text.find(':');
  std::string_view name = trim(text.substr(0, colon));
  const bool by_direction = name.starts_with(kByDirection);
  if (by_direction) name.remove_prefix(kByDirection.size());
  const auto kind = solve_kind(name);
  if (!kind || colon == std::string_view::npos)
    throw UserError(
        fmt::format("'{}' is no round: KIND:INTERVAL, for example phase:60s, with KIND scalar-phase, phase, "
                    "diagonal or full, or directions-scalar-phase, -phase, -diagonal or -tec",
                    text));
  if (by_direction && *kind == SolveKind::full)
    throw UserError(fmt::format("'{}': full has no directions; directions-diagonal has", text));
  const double interval_s = parse_quantity(text.substr(colon + 1), Dimension::duration);
  if (interval_s < 0) throw UserError(fmt::format("'{}': an interval below 0", text));
  return {*kind, interval_s, by_direction};
}

std::vector<Job> lower(const Workflow& workflow, const std::string& command_line) {
  std::vector<Job> jobs;
  std::map<const Stage*, PipelineJob> pipelines;  // by write stage
  InMemory in_memory(workflow);
  if (Values(workflow.runtime, runtime_section().options).text("pipeline") == "memory") {
    for (const Stage& stage : workflow.stages)
      if (stage.schema->name == "write")
        if (auto job = in_memory.job(stage)) pipelines.emplace(&stage, std::move(*job));
    if (pipelines.empty())
      throw WorkflowError(
          {{Place{"runtime", 0, 0},
            "pipeline: memory has nothing to do: no image is made of what a simulate stage makes"}});
  }
  for (const int index : workflow.order) {
    const Stage& stage = workflow.stages[static_cast<std::size_t>(index)];
    if (in_memory.in_a_pipeline(stage)) continue;
    if (const auto found = pipelines.find(&stage); found != pipelines.end()) {
      found->second.imaging.name = workflow.name;
      jobs.emplace_back(std::move(found->second));
      continue;
    }
    if (stage.schema->name == "simulate") jobs.emplace_back(simulate_job(stage));
    if (stage.schema->name == "predict") jobs.emplace_back(predict_job(workflow, stage));
    if (stage.schema->name == "calibrate") jobs.emplace_back(calibrate_job(workflow, stage));
    if (stage.schema->name == "write") {
      ImagingJob job = imaging_job(workflow, stage);
      job.name = workflow.name;
      if (const Stage& from = only_source(workflow, stage, "image"); from.schema->name == "selfcal") {
        SelfcalJob selfcal = selfcal_job(from);
        selfcal.imaging = std::move(job);
        jobs.emplace_back(std::move(selfcal));
      } else {
        jobs.emplace_back(std::move(job));
      }
    }
  }
  std::vector<std::shared_ptr<const SimulateJob>> made_by;
  for (const Job& job : jobs)
    if (const auto* simulate = std::get_if<SimulateJob>(&job))
      made_by.push_back(std::make_shared<const SimulateJob>(*simulate));
  for (Job& job : jobs)
    if (auto* imaging = std::get_if<ImagingJob>(&job)) imaging->made_by = made_by;
  const RuntimeOptions runtime = runtime_options(workflow);
  const std::string text = to_yaml(workflow, true);
  for (Job& job : jobs) {
    std::visit(
        [&](auto& one) {
          one.runtime = runtime;
          one.workflow_text = text;
          one.command_line = command_line;
        },
        job);
    if (auto* selfcal = std::get_if<SelfcalJob>(&job)) {
      selfcal->imaging.runtime = runtime;
      selfcal->imaging.workflow_text = text;
      selfcal->imaging.command_line = command_line;
    }
  }
  return jobs;
}

}  // namespace fringeflow::graphs
