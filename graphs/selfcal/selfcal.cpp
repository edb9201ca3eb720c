// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Rounds of two task graphs that share gains and models in memory and in the products of the rounds: no column of the sets is written
/// on the way.
#include "graphs/selfcal/selfcal.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "codelets/deconvolve/deconvolve.hpp"
#include "graphs/calibrate/calibrate.hpp"
#include "graphs/calibrate/direction_models.hpp"
#include "graphs/calibrate/directions.hpp"
#include "graphs/calibrate/sky.hpp"
#include "graphs/calibrate/write_corrected.hpp"
#include "graphs/imaging/imaging.hpp"
#include "graphs/selfcal/trusted_model.hpp"
#include "io/atomic_file.hpp"
#include "io/catalogue.hpp"
#include "io/correlations.hpp"
#include "io/error.hpp"
#include "io/fits_image.hpp"
#include "io/regions.hpp"

namespace fringeflow {
namespace {

namespace fs = std::filesystem;
using Gains = std::shared_ptr<const io::GainTable>;

constexpr int64_t kChunkVisibilities = int64_t{1} << 17;
/// A dynamic range that wanders by less is not yet a fall: phases of faint sources converge in small steps.
constexpr double kFall = 0.95;
/// Components on pixels fainter than this times the noise of their image may be artefacts of what is to be calibrated; but a fifth of
/// the peak is always believed.
constexpr double kTrustedSigma = 10, kTrustedPeak = 0.2;
/// Models of more are degridded from their image.
constexpr size_t kDirectComponents = 1000;

const char* name_of(SolveKind kind) {
  switch (kind) {
    case SolveKind::scalar_phase:
      return "scalar-phase";
    case SolveKind::phase:
      return "phase";
    case SolveKind::diagonal:
      return "diagonal";
    case SolveKind::tec:
      return "tec";
    default:
      return "full";
  }
}

/// What is told of an image.
struct Quality {
  double peak = 0, noise = 0;
  double dynamic_range() const { return noise > 0 ? peak / noise : 0; }
};

/// Peak and 1.4826 x the median absolute deviation of a restored image.
Quality quality_of(const std::string& path) {
  const auto image = io::read_fits_image<float>(path);
  Quality quality;
  for (const float pixel : image.pixels)
    if (std::isfinite(pixel)) quality.peak = std::max(quality.peak, static_cast<double>(pixel));
  const float one = 1;
  const deconvolve::Image view[] = {
      View<const float, 2>(image.pixels.data(), {image.header.grid.ny, image.header.grid.nx})};
  quality.noise = deconvolve::robust_statistics(view, std::span<const float>(&one, 1)).sigma;
  return quality;
}

/// A set, and the gains found for it so far, the outermost first.
struct Target {
  std::string path, label, column;
  struct Step {
    bool amplitudes;
    Gains gains;
  };
  std::vector<Step> chain;
  std::string facet_gains;  ///< h5parm of gains by direction, on top of the others; empty: none
  std::vector<Gains> gains() const {
    std::vector<Gains> all;
    for (const auto& step : chain) all.push_back(step.gains);
    return all;
  }
};

struct Line {
  std::string what;
  Quality quality;
};

class Selfcal {
 public:
  explicit Selfcal(const SelfcalJob& job);
  void run();

 private:
  std::string prefix(size_t round) const {
    return fmt::format("{}-round{}", job_.imaging.write.prefix, round);
  }
  io::CorrelationSelection rows_of(const Target& target) const;
  Quality image(size_t round) const;
  /// PREFIX-round<n>[-MFS][-I]-KIND.fits
  std::string product(size_t round, const std::string& kind) const;
  std::string trusted_model(size_t round, const Quality& quality) const;
  void check_model(size_t round, const std::vector<io::SkyComponent>& components) const;
  void solve(size_t round, const std::string& model, std::vector<Target>& targets) const;
  void solve_directions(const CalibrateJob& calibrate, size_t round, Target& target) const;
  void check_directions() const;
  void check_start_model(const Direction& centre) const;
  void publish(size_t best) const;
  void apply(const Target& target) const;
  bool correct(size_t round);
  std::string table() const;

  const SelfcalJob& job_;
  std::vector<Target> targets_;  ///< with the gains of the image that was made last
  std::vector<Line> lines_;
  std::string failed_;  ///< line of the table for a round without gains
};

Selfcal::Selfcal(const SelfcalJob& job) : job_(job) {
  const auto& imaging = job.imaging;
  if (imaging.deconvolve.iterations == 0)
    throw UserError("selfcal: without cleaning there is no model; give iterations or a threshold");
  if (imaging.image.centre)
    throw UserError("selfcal: the image must be centred on the data's phase centre; leave 'centre' out");
  if (imaging.image.stokes.find('I') == std::string::npos)
    throw UserError("selfcal: the model is Stokes I, which stokes must have");
  io::check_writable_prefix(imaging.write.prefix);
  check_directions();
  for (const auto& path : imaging.ms) {
    Target target;
    target.path = path;
    const io::MeasurementSet set(path, imaging.selection);
    target.column = set.info().column;
    reference_antenna(set.info(), job.reference);
    if (imaging.ms.size() > 1) target.label = fmt::format("-set{}", targets_.size());
    if (target.column == job.apply_column)
      throw UserError(
          fmt::format("apply: '{}': column {} is the one that is calibrated", path, target.column));
    // Intervals that are longer than the data are told before anything is made.
    for (const auto& round : job.rounds)
      io::CorrelationAccess(path, rows_of(target), "").divide(round.interval_s, kChunkVisibilities);
    check_start_model(set.info().phase_centre);
    targets_.push_back(std::move(target));
  }
}

/// What gains by direction ask for besides.
void Selfcal::check_directions() const {
  if (std::none_of(job_.rounds.begin(), job_.rounds.end(), [](const auto& one) { return one.by_direction; }))
    return;
  if (job_.imaging.ms.size() > 1)
    throw UserError("rounds: gains by direction are those of one MeasurementSet");
  if (job_.imaging.image.stokes != "I")
    throw UserError("rounds: with gains by direction stokes must be I: facets correct nothing else");
  if (!job_.imaging.image.facet_gains.empty())
    throw UserError("facet_gains: rounds by direction make their own; leave it out");
  const auto count = graphs::cluster_count(job_.directions);
  if (!count) io::read_facets(job_.directions);
  // A component of these is made by one iteration.
  const auto& clean = job_.imaging.deconvolve;
  const bool image_model = job_.start_model.empty() || !job_.rounds.front().by_direction;
  if (count && image_model && clean.algorithm != CleanAlgorithm::multiscale && clean.model_file.empty() &&
      *count > clean.iterations)
    throw UserError(fmt::format("directions: {} clusters of at most {} components, the iterations of CLEAN",
                                *count, clean.iterations));
}

/// That it can be read, and is enough for the first round.
void Selfcal::check_start_model(const Direction& centre) const {
  if (job_.start_model.empty()) return;
  const auto sky = graphs::load_sky(job_.start_model);
  if (job_.rounds.front().by_direction)
    graphs::direction_models(job_.directions, sky.seen_from(centre), centre);
}

io::CorrelationSelection Selfcal::rows_of(const Target& target) const {
  const auto& selection = job_.imaging.selection;
  io::CorrelationSelection rows;
  rows.column = target.column;
  rows.fields = selection.fields;
  rows.spws = selection.spws;
  rows.time_s = selection.time_s;
  rows.gains = target.gains();
  return rows;
}

Quality Selfcal::image(size_t round) const {
  ImagingJob imaging = job_.imaging;
  imaging.write.prefix = prefix(round);
  imaging.name = fmt::format("{} round {}", job_.imaging.name, round);
  GainsOfSets gains;
  for (const auto& target : targets_) gains.push_back(target.gains());
  if (!targets_.front().facet_gains.empty()) imaging.image.facet_gains = targets_.front().facet_gains;
  run_imaging(imaging, gains);
  return quality_of(product(round, "image"));
}

std::string Selfcal::product(size_t round, const std::string& kind) const {
  const auto& imaging = job_.imaging;
  return fmt::format("{}{}{}-{}.fits", prefix(round), imaging.image.channels_out > 1 ? "-MFS" : "",
                     imaging.image.stokes.size() > 1 ? "-I" : "", kind);
}

/// Throws NoSolution where the next round could not begin with these.
void Selfcal::check_model(size_t round, const std::vector<io::SkyComponent>& components) const {
  if (components.empty()) throw NoSolution(fmt::format("{} is empty", product(round, "model")));
  if (!job_.rounds[round].by_direction) return;
  try {
    graphs::direction_models(job_.directions, components, {});
  } catch (const UserError& error) {
    throw NoSolution(fmt::format("{}: {}", product(round, "model"), error.what()));
  }
}

/// The part of a round's model that gains are solved against, as a file beside it. Throws NoSolution where that is nothing.
std::string Selfcal::trusted_model(size_t round, const Quality& quality) const {
  const auto restored = io::read_fits_image<float>(product(round, "image"));
  auto model = io::read_fits_image<float>(product(round, "model"));
  const double least = std::min(kTrustedSigma * quality.noise, kTrustedPeak * quality.peak);
  const auto components = graphs::trusted_components(model, restored, least, quality.noise);
  spdlog::info("round {} solves against {} components, on {:.3g} Jy/beam and more", round + 1,
               components.size(), least);
  check_model(round, components);
  if (components.size() <= kDirectComponents) {
    const std::string path = fmt::format("{}-trusted-sources.txt", prefix(round));
    io::write_components(path, components, model.header.frequency_hz);
    return path;
  }
  for (size_t i = 0; i < model.pixels.size(); ++i)
    if (!(static_cast<double>(restored.pixels[i]) >= least)) model.pixels[i] = 0;
  const std::string path = product(round, "trusted-model");
  io::write_fits_image(
      path, model.header,
      View<const float, 2>(model.pixels.data(), {model.header.grid.ny, model.header.grid.nx}));
  return path;
}

/// Gains of one kind replace those of the same kind; the others are corrected for first.
void Selfcal::solve(size_t round, const std::string& model, std::vector<Target>& targets) const {
  const SelfcalRound& what = job_.rounds[round - 1];
  const bool amplitudes = what.solve == SolveKind::diagonal || what.solve == SolveKind::full;
  for (auto& target : targets) {
    if (!what.by_direction)
      std::erase_if(target.chain, [&](const auto& step) { return step.amplitudes == amplitudes; });
    CalibrateJob calibrate;
    calibrate.ms = target.path;
    calibrate.model = model;
    calibrate.solve = what.solve;
    calibrate.interval_s = what.interval_s;
    calibrate.channels_per_solution = job_.channels_per_solution;
    calibrate.uv_m = job_.uv_m;
    calibrate.uv_lambda = job_.uv_lambda;
    calibrate.column = target.column;
    calibrate.reference = job_.reference;
    calibrate.output = fmt::format("{}{}-gains.h5", prefix(round), target.label);
    calibrate.plot = job_.plot;
    calibrate.normalise = job_.normalise;
    calibrate.runtime = job_.runtime;
    if (what.by_direction) {
      solve_directions(calibrate, round, target);
      continue;
    }
    target.chain.push_back(
        {amplitudes, std::make_shared<const io::GainTable>(solve_gains(calibrate, rows_of(target)))});
  }
}

/// Gains by direction take the place of those of the round before.
void Selfcal::solve_directions(const CalibrateJob& calibrate, size_t round, Target& target) const {
  CalibrateJob job = calibrate;
  job.directions = job_.directions;
  job.facets = prefix(round) + "-facets.reg";
  graphs::calibrate_directions(job, rows_of(target), nullptr);
  target.facet_gains = job.output;
}

/// Copies the best round's products to the names that a run of `image` would have made.
void Selfcal::publish(size_t best) const {
  const fs::path from = prefix(best), to = job_.imaging.write.prefix;
  const std::string start = from.filename().string() + "-";
  const fs::path folder = from.has_parent_path() ? from.parent_path() : fs::path(".");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const auto name = entry.path().filename().string();
        entry.is_regular_file() && name.starts_with(start) && name.find("-trusted-") == std::string::npos)
      files.push_back(entry.path());
  for (const auto& file : files) {
    const std::string name = to.filename().string() + "-" + file.filename().string().substr(start.size());
    io::write_file((folder / name).string(), io::read_file(file.string()));
  }
}

void Selfcal::apply(const Target& target) const {
  auto rows = rows_of(target);
  rows.fields.clear();
  rows.spws.clear();
  rows.time_s = {};
  graphs::write_corrected(target.path, std::move(rows), job_.apply_column);
}

std::string Selfcal::table() const {
  std::string text = fmt::format("{:>5}  {:<24} {:>12} {:>12} {:>14}\n", "round", "gains", "peak Jy/beam",
                                 "noise", "dynamic range");
  for (size_t i = 0; i < lines_.size(); ++i)
    text += fmt::format("{:>5}  {:<24} {:>12.5g} {:>12.4g} {:>14.4g}\n", i, lines_[i].what,
                        lines_[i].quality.peak, lines_[i].quality.noise, lines_[i].quality.dynamic_range());
  return text + failed_;
}

/// Solves a round and makes its image. @return false when there are no gains, and what there was before is the best
bool Selfcal::correct(size_t round) {
  const auto& what = job_.rounds[round - 1];
  const std::string gains = fmt::format("{}{} {:g} s", what.by_direction ? "directions-" : "",
                                        name_of(what.solve), what.interval_s);
  try {
    const std::string model = round == 1 && !job_.start_model.empty()
                                  ? job_.start_model
                                  : trusted_model(round - 1, lines_[round - 1].quality);
    solve(round, model, targets_);
  } catch (const NoSolution& error) {
    if (round == 1)
      throw RunError(fmt::format("selfcal: the first round ({}) has no gains; {}-* is without any: {}", gains,
                                 prefix(0), error.what()));
    spdlog::warn("round {} ({}) has no gains: stopping with the rounds before it. {}", round, gains,
                 error.what());
    failed_ = fmt::format("{:>5}  {:<24} no gains: {}\n", round, gains, error.what());
    return false;
  }
  lines_.push_back({gains, image(round)});
  return true;
}

void Selfcal::run() {
  const auto start = std::chrono::steady_clock::now();
  size_t best = 0;
  auto targets = targets_;  // with the gains of the best round
  lines_.push_back({"none", image(0)});
  for (size_t round = 1; round <= job_.rounds.size() && correct(round); ++round) {
    const double now = lines_.back().quality.dynamic_range(), before = lines_[best].quality.dynamic_range();
    spdlog::info("round {}: dynamic range {:.4g}, {:.4g} before", round, now, before);
    const bool from_start = round == 1 && !job_.start_model.empty();
    if (now < kFall * before && !from_start) {
      spdlog::warn("round {} lowered the dynamic range: stopping", round);
      break;
    }
    if (now < before && !from_start) continue;
    best = round;
    targets = targets_;
  }
  publish(best);
  io::write_file(job_.imaging.write.prefix + "-selfcal.txt", table());
  if (!job_.apply_column.empty())
    for (const auto& target : targets) apply(target);
  spdlog::info("{}best round {}: {}-*.fits; {:.1f} s", table(), best, job_.imaging.write.prefix,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
}

}  // namespace

void run_selfcal(const SelfcalJob& job) { Selfcal(job).run(); }

}  // namespace fringeflow
