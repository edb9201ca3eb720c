// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "codelets/fft/batched_fft.hpp"
#include "codelets/gridder/cost.hpp"
#include "codelets/gridder/kernel.hpp"
#include "io/error.hpp"

namespace fringeflow::gridder {
namespace {

constexpr int kMaxFacetsPerSide = 6;
/// Share of the accuracy that interpolation between pixels may take.
constexpr double kResamplingShare = 0.02;
/// Samples per wave of the finest fringe, in units of two: fewer mean longer interpolation.
constexpr double kOversamplings[] = {1.25, 1.5, 2.0};
/// Share of the cost that a division of the baselines must save: the model is not better than that.
constexpr double kLeastGain = 0.05;
constexpr int kMostDivisions = 2;
/// Share of the cost that the short baselines must have to be divided further.
constexpr double kWorthDividingAgain = 0.4;
/// Share of the accuracy that the kernel of divided short baselines may take. Its error is what the dirty image is a period
/// away, of the typical strength; images of short baselines have few waves and vary by more than a factor.
constexpr double kShortShare = 1.0 / 3;

void set_box(double reach, int support, int64_t& begin, int64_t& tiles) {
  const double half = 0.5 * support;
  begin = static_cast<int64_t>(std::ceil(-reach - half)) - 1;
  const auto last = static_cast<int64_t>(std::ceil(reach - half)) + 1;
  tiles = (last - begin) / kTile + 1;
}

void set_grid(Facet& f, const KernelShape& kernel, const UvExtent& extent) {
  f.support = kernel.support;
  f.beta = kernel.beta, f.e0 = kernel.e0;
  const auto size = [&](int64_t n) {
    return fft::good_size(static_cast<int64_t>(std::ceil(kernel.sigma * static_cast<double>(n))), 2);
  };
  f.nu = size(f.nx), f.nv = size(f.ny);

  // Planes over [min_w, max_w]: the first visibility starts at plane 0. Where the range is short of one
  // spacing every visibility shares the same planes, and a closer spacing costs nothing.
  constexpr double kRim = 1e-3;
  const double w_min = std::max(0.0, extent.min_w_lambda),
               w_range = std::max(0.0, extent.max_w_lambda - w_min);
  const double closest = std::max(w_range / (1 - 3 * kRim), 1e-3);
  f.dw = f.r_half > 0 ? std::min(1 / (2 * kernel.sigma * f.r_half), closest) : closest;
  const double half = 0.5 * kernel.support;
  f.w0 = w_min - (half - 1 + kRim) * f.dw;
  f.planes = static_cast<int32_t>(std::max(0.0, std::ceil(w_range / f.dw - 1 + 2 * kRim))) + kernel.support;

  const double reach_u = extent.max_u_lambda + std::abs(f.shear_u) * extent.max_w_lambda;
  const double reach_v = extent.max_v_lambda + std::abs(f.shear_v) * extent.max_w_lambda;
  set_box(reach_u * f.cell_x_rad * static_cast<double>(f.nu), f.support, f.u_begin, f.tiles_u);
  set_box(reach_v * f.cell_y_rad * static_cast<double>(f.nv), f.support, f.v_begin, f.tiles_v);
}

double fit_error(const KernelShape& shape, const std::vector<double>& taps, int degree) {
  constexpr int kSamples = 16;
  double sum = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double d = (i + 0.5) / kSamples, s = 2 * d - 1;
    for (int tap = 0; tap < shape.support; ++tap) {
      const double* c = taps.data() + tap * (degree + 1);
      double value = 0;
      for (int k = degree; k >= 0; --k) value = value * s + c[k];
      const double wanted =
          kernel_value((tap + d - shape.support / 2.0) * 2 / shape.support, shape.beta, shape.e0);
      sum += (value - wanted) * (value - wanted);
    }
  }
  return std::sqrt(sum / kSamples);
}

std::vector<double> corrections(const CorrectionTable& table, int64_t pixels, int64_t cells) {
  std::vector<double> out(static_cast<size_t>(pixels));
  for (int64_t i = 0; i < pixels; ++i)
    out[static_cast<size_t>(i)] = table(static_cast<double>(i - pixels / 2) / static_cast<double>(cells));
  return out;
}

/// The choices for the baselines of a range of shells.
struct Choice {
  double cost = std::numeric_limits<double>::infinity();  ///< core seconds
  double gridding = 0, planes_s = 0;                      ///< of these
  int per_side = 1;
  KernelShape kernel;
  bool double_precision = false;
  std::vector<Candidate> facets;
  UvExtent extent;
  int shell_begin = 0, shell_end = ExtentByLength::kShells;
  int64_t planes() const {
    int64_t sum = 0;
    for (const Candidate& c : facets) sum += c.facet.planes;
    return sum;
  }
};

/// Looks for the cheapest facets, pixels and kernel.
class Search {
 public:
  Search(const ImageGeometry& image, const PlanOptions& options) : image_(image), options_(options) {
    for (const bool double_precision : {false, true}) {
      if (options.precision_bits == (double_precision ? 32 : 64)) continue;
      if (options.support > 0) {
        kernels_.push_back({kernel_shape(options.support, options.sigma), double_precision});
        break;
      }
      for (const KernelShape& kernel : kernel_candidates(options.accuracy, double_precision))
        kernels_.push_back({kernel, double_precision});
    }
    if (kernels_.empty()) throw UserError("no gridding kernel reaches this accuracy in this precision");
    if (options.compress) compression_ = ChannelCompression::with_error(kCompressionShare * options.accuracy);
  }

  double resampling_error() const { return std::max(kResamplingShare * options_.accuracy, 1e-15); }
  std::shared_ptr<const ChannelCompression> compression() const { return compression_; }

  /// The cheapest choice for these visibilities; cost is infinite when there is none below `bound`.
  /// @param parts  baselines of similar length each
  /// @param share  of the accuracy that a kernel may take
  Choice find(std::span<const UvExtent> parts, double bound = std::numeric_limits<double>::infinity(),
              double share = 1) {
    Choice best;
    best.cost = bound;
    for (const UvExtent& part : parts) best.extent.add(part);
    const UvExtent& extent = best.extent;
    const int first = options_.facets_per_side > 0 ? options_.facets_per_side : 1;
    const int last = options_.facets_per_side > 0 ? options_.facets_per_side : kMaxFacetsPerSide;
    for (int per_side = first; per_side <= last; ++per_side) {
      if (per_side > 1 && options_.facets_per_side == 0 && std::min(image_.nx, image_.ny) / per_side < 64)
        break;
      if (per_side * per_side * least_cost(extent) >= best.cost) break;
      std::vector<Amount> amounts;
      for (const UvExtent& part : parts)
        amounts.push_back({part, gridded_share(image_.cell_rad * static_cast<double>(image_.nx) / per_side,
                                               image_.cell_rad * static_cast<double>(image_.ny) / per_side,
                                               part, compression_.get())});
      for (const auto& way : ways(per_side, extent))
        for (const auto& [kernel, double_precision] : kernels_) {
          if (share < 1 && kernel.error > share * options_.accuracy) continue;
          std::vector<Candidate> gridded = way;
          double cost = 0, gridding = 0, planes = 0;
          for (auto c = gridded.begin(); c != gridded.end() && cost < best.cost; ++c) {
            set_grid(c->facet, kernel, extent);
            const double one_planes = planes_cost(c->facet, double_precision),
                         one_gridding = visibilities_cost(c->facet, amounts, double_precision);
            const int slabs = c->facet.slabs();
            cost += one_planes + one_gridding + pixels_cost(*c, double_precision) +
                    tasks_cost(c->facet, strips_worth(one_gridding / slabs, one_planes / slabs,
                                                      options_.strips_target));
            gridding += one_gridding;
            planes += one_planes;
          }
          if (cost >= best.cost) continue;
          best.cost = cost;
          best.gridding = gridding;
          best.planes_s = planes;
          best.per_side = per_side;
          best.kernel = kernel;
          best.double_precision = double_precision;
          best.facets = std::move(gridded);
        }
    }
    if (best.facets.empty()) best.cost = std::numeric_limits<double>::infinity();
    return best;
  }

  /// The cheapest division of a choice's shells in two, short baselines first; empty where none saves enough.
  std::vector<Choice> divide(const Choice& whole, const ExtentByLength& extent) {
    std::vector<Choice> best;
    double cost = (1 - kLeastGain) * whole.cost;
    const auto try_cut = [&](int cut) {
      Choice inner = find(extent.parts(whole.shell_begin, cut), cost, kShortShare);
      if (inner.cost >= cost) return;
      Choice outer = find(extent.parts(cut, whole.shell_end), cost - inner.cost);
      if (inner.cost + outer.cost >= cost) return;
      cost = inner.cost + outer.cost;
      inner.shell_begin = whole.shell_begin;
      inner.shell_end = outer.shell_begin = cut;
      outer.shell_end = whole.shell_end;
      best = {std::move(inner), std::move(outer)};
    };
    std::vector<int> cuts;  // between shells with visibilities
    for (int shell = whole.shell_begin; shell < whole.shell_end; ++shell)
      if (!extent.empty(shell)) cuts.push_back(shell);
    if (cuts.size() < 2) return best;
    cuts.erase(cuts.begin());
    // Every other one, and then the neighbours of the best of those.
    for (size_t i = 0; i < cuts.size(); i += 2) try_cut(cuts[i]);
    if (best.empty()) return best;
    const auto at = std::find(cuts.begin(), cuts.end(), best.front().shell_end);
    if (at != cuts.begin()) try_cut(*(at - 1));
    if (at + 1 != cuts.end()) try_cut(*(at + 1));
    return best;
  }

 private:
  struct Kernel {
    KernelShape shape;
    bool double_precision;
  };

  /// The facets on the image's pixels and on larger ones.
  std::vector<std::vector<Candidate>> ways(int per_side, const UvExtent& extent) {
    auto& facets = facets_[per_side];
    if (facets.empty()) facets = make_facets(image_, per_side);
    std::vector<std::vector<Candidate>> out(1);
    for (const Facet& f : facets) out[0].push_back({f, f.nx, f.ny, 1, 1, 0, 1, 1});
    // Division by n is not band-limited: such pixels are not interpolated.
    if (!options_.resample || options_.divide_by_n) return out;
    for (const double oversampling : kOversamplings) {
      std::vector<Candidate> way;
      bool any = false;
      for (const Facet& f : facets) {
        way.push_back(on_larger_pixels(f, extent, oversampling, resampling_error()));
        any = any || way.back().resampled();
      }
      if (any) out.push_back(std::move(way));
    }
    return out;
  }

  const ImageGeometry& image_;
  const PlanOptions& options_;
  std::vector<Kernel> kernels_;
  std::shared_ptr<const ChannelCompression> compression_;
  std::map<int, std::vector<Facet>> facets_;  ///< by number per side
};

std::string describe(const Choice& choice) {
  char text[400];
  const Candidate& first = choice.facets.front();
  const Facet& f = first.facet;
  char pixels[80] = "";
  if (first.resampled())
    std::snprintf(pixels, sizeof pixels, " computed on %lld x %lld", static_cast<long long>(f.nx),
                  static_cast<long long>(f.ny));
  std::snprintf(text, sizeof text,
                "%zu facet%s of %lld x %lld pixels%s, kernel of %d cells (oversampling %.2f, expected error "
                "%.1e), grid %lld x %lld, %lld w-planes in all, %s precision, %.3g core seconds (%.2g "
                "gridding, %.2g planes)",
                choice.facets.size(), choice.facets.size() == 1 ? "" : "s",
                static_cast<long long>(first.image_nx), static_cast<long long>(first.image_ny), pixels,
                choice.kernel.support, choice.kernel.sigma, choice.kernel.error, static_cast<long long>(f.nu),
                static_cast<long long>(f.nv), static_cast<long long>(choice.planes()),
                choice.double_precision ? "double" : "single", choice.cost, choice.gridding, choice.planes_s);
  return text;
}

/// "12 % of the rows, on baselines below 3.4e+02 m: ", nothing for all of them.
std::string describe_shell(const Choice& choice, const UvExtent& total) {
  const BaselineShell shell = ExtentByLength::shell(choice.shell_begin, choice.shell_end);
  if (shell.all()) return {};
  char range[80];
  const double low = std::sqrt(shell.min_length2_m2), high = std::sqrt(shell.max_length2_m2);
  if (shell.min_length2_m2 <= 0)
    std::snprintf(range, sizeof range, "below %.0f m", high);
  else if (choice.shell_end >= ExtentByLength::kShells)
    std::snprintf(range, sizeof range, "from %.0f m", low);
  else
    std::snprintf(range, sizeof range, "of %.0f to %.0f m", low, high);
  char text[160];
  std::snprintf(text, sizeof text, "baselines %s (%.0f %% of the rows): ", range,
                100.0 * static_cast<double>(choice.extent.rows) / static_cast<double>(total.rows));
  return text;
}

/// Facet plans of a choice, with their tables.
std::vector<std::shared_ptr<FacetPlan>> make_plans(Choice& choice, const Search& search) {
  // Polynomials just good enough: their error is noise over the period of the image, which the correction
  // magnifies most at the edge, and stays well below the kernel's own.
  const KernelShape& kernel = choice.kernel;
  const double magnified = kernel_transform(kernel, 0) / kernel_transform(kernel, 0.5 / kernel.sigma);
  const double wanted = std::max(0.1 * kernel.error / magnified, 1e-16);
  int degree = 4;
  std::vector<double> taps = tap_polynomials(kernel, degree);
  while (degree < kMaxTapDegree && fit_error(kernel, taps, degree) > wanted)
    taps = tap_polynomials(kernel, ++degree);

  const CorrectionTable correction(kernel, 0.5 / kernel.sigma, 40);
  std::vector<std::shared_ptr<FacetPlan>> out;
  std::map<std::pair<int64_t, double>, resample::Axis> axes;
  const auto axis = [&](int64_t pixels, double ratio, double oversampling) {
    auto& known = axes[{pixels, ratio}];
    if (known.fine == 0) known = resample::make_axis(pixels, ratio, oversampling, search.resampling_error());
    return known;
  };
  for (Candidate& c : choice.facets) {
    Facet& f = c.facet;
    set_remainder(f);
    set_grid(f, kernel, choice.extent);
    f.shell = ExtentByLength::shell(choice.shell_begin, choice.shell_end);
    auto plan = std::make_shared<FacetPlan>();
    if (c.resampled())
      plan->resampling = std::make_shared<const resample::Resampling>(resample::Resampling{
          axis(c.image_ny, c.ratio_y, c.oversampling), axis(c.image_nx, c.ratio_x, c.oversampling)});
    plan->screen = screen_correction(f);
    plan->compression = search.compression();
    plan->facet = f;
    plan->double_precision = choice.double_precision;
    plan->degree = degree;
    plan->taps = taps;
    plan->correction_x = corrections(correction, f.nx, f.nu);
    plan->correction_y = corrections(correction, f.ny, f.nv);
    plan->visibilities = choice.extent.visibilities;
    out.push_back(std::move(plan));
  }
  return out;
}

double total_cost(std::span<const Choice> choices) {
  double sum = 0;
  for (const Choice& choice : choices) sum += choice.cost;
  return sum;
}

void check(const ImageGeometry& image, const PlanOptions& options) {
  if (image.nx < 2 || image.ny < 2 || image.nx % 2 != 0 || image.ny % 2 != 0)
    throw UserError("image sizes must be even and at least 2 pixels");
  if (!(image.cell_rad > 0) || static_cast<double>(std::max(image.nx, image.ny)) * image.cell_rad > 2)
    throw UserError("the image reaches beyond the celestial sphere: reduce its size or its cell");
  if (!(options.accuracy >= 1e-13 && options.accuracy <= 0.1))
    throw UserError("accuracy must lie between 1e-13 and 0.1");
  if (options.facets_per_side < 0 || options.facets_per_side > kMaxFacetsPerSide)
    throw UserError("facets per side must be 1 to 6, or 0 for a choice by cost");
  if (options.precision_bits != 0 && options.precision_bits != 32 && options.precision_bits != 64)
    throw UserError("precision must be 32 or 64 bits, or 0 for a choice by accuracy");
}

std::vector<std::shared_ptr<FacetPlan>> finish(std::vector<Choice>& choices, const Search& search,
                                               const UvExtent& total, PlanSummary& summary) {
  const Choice& longest = choices.back();
  summary = {.facets_per_side = longest.per_side,
             .kernel = longest.kernel,
             .double_precision = longest.double_precision,
             .planes = 0,
             .cost = 0,
             .resampled = false,
             .text = {}};
  std::vector<std::shared_ptr<FacetPlan>> plans;
  for (Choice& choice : choices) {
    for (auto& plan : make_plans(choice, search)) {
      plan->adds_to_image = &choice != &choices.front();
      summary.resampled = summary.resampled || plan->resampling != nullptr;
      plans.push_back(std::move(plan));
    }
    summary.planes += choice.planes();
    summary.cost += choice.cost;
    summary.text += (summary.text.empty() ? "" : "; ") + describe_shell(choice, total) + describe(choice);
  }
  return plans;
}

}  // namespace

std::vector<std::shared_ptr<FacetPlan>> plan_facets(const ImageGeometry& image, const UvExtent& extent,
                                                    const PlanOptions& options, PlanSummary& summary) {
  check(image, options);
  Search search(image, options);
  std::vector<Choice> choices{search.find({&extent, 1})};
  return finish(choices, search, extent, summary);
}

std::vector<std::shared_ptr<FacetPlan>> plan_facets(const ImageGeometry& image, const ExtentByLength& extent,
                                                    const PlanOptions& options, PlanSummary& summary) {
  check(image, options);
  Search search(image, options);
  const UvExtent total = extent.total();
  std::vector<Choice> choices{search.find(extent.parts(0, ExtentByLength::kShells))};
  const bool may_divide = options.divide && options.facets_per_side == 0 && options.support == 0;
  for (int divisions = 0; may_divide && divisions < kMostDivisions; ++divisions) {
    // The short baselines are divided further: most of the visibilities are theirs.
    const double cost = choices.front().cost;
    if (cost < options.divide_above_s || (divisions > 0 && cost < kWorthDividingAgain * total_cost(choices)))
      break;
    auto parts = search.divide(choices.front(), extent);
    if (parts.empty()) break;
    choices.front() = std::move(parts[1]);
    choices.insert(choices.begin(), std::move(parts[0]));
  }
  return finish(choices, search, total, summary);
}

int strips_of(const FacetPlan& plan, int64_t visibilities, int most) {
  // The rows are not known here: as if they had sixteen channels each, anywhere on the grid.
  const Facet& f = plan.facet;
  Amount amount;
  amount.extent.visibilities = visibilities;
  amount.extent.rows = visibilities / 16;
  amount.extent.max_u_lambda =
      static_cast<double>(f.tiles_u * kTile) / (2 * f.cell_x_rad * static_cast<double>(f.nu));
  amount.extent.max_v_lambda =
      static_cast<double>(f.tiles_v * kTile) / (2 * f.cell_y_rad * static_cast<double>(f.nv));
  amount.extent.min_w_lambda = std::max(0.0, f.w0);
  amount.extent.max_w_lambda = f.w0 + f.planes * f.dw;
  return strips_worth(visibilities_cost(f, {&amount, 1}, plan.double_precision) / f.slabs(),
                      planes_cost(f, plan.double_precision) / f.slabs(), most);
}

}  // namespace fringeflow::gridder
