// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/plan.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "codelets/fft/batched_fft.hpp"
#include "codelets/gridder/kernel.hpp"
#include "io/constants.hpp"
#include "io/error.hpp"

namespace fringeflow::gridder {
namespace {

constexpr int kMaxFacetsPerSide = 6;
/// Share of the accuracy that interpolation between pixels may take.
constexpr double kResamplingShare = 0.02;
/// Share of the accuracy that compressed channels may take.
constexpr double kCompressionShare = 0.1;
/// Samples per wave of the finest fringe, in units of two: fewer mean longer interpolation.
constexpr double kOversamplings[] = {1.25, 1.5, 2.0};

// ---------------------------------------------------------------- facets without a grid

// n0 - 1 of a direction; a centre below the horizon counts as lying on it.
double n_minus_1(double l, double m) {
  const double rho2 = l * l + m * m;
  return rho2 >= 1 ? -1.0 : -rho2 / (1 + std::sqrt(1 - rho2));
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double x) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
};

// Exact range of r over the pixels above the horizon. Along a row r is concave: its minimum is at an end of
// the part above the horizon and its maximum where the slope vanishes, or at an end.
Range remainder_range(const Facet& facet) {
  Range range;
  Facet f = facet;
  f.r_centre = 0;
  for (int64_t y = 0; y < f.ny; ++y) {
    const double m = f.m0 + static_cast<double>(y - f.ny / 2) * f.cell_y_rad;
    if (m * m > 1) continue;
    const double reach = std::sqrt(1 - m * m);
    const auto x_of = [&](double l) { return static_cast<double>(f.nx / 2) - (l - f.l0) / f.cell_x_rad; };
    const double first = std::max(0.0, x_of(reach)),
                 last = std::min(static_cast<double>(f.nx - 1), x_of(-reach));
    const double best = x_of(-f.shear_u * reach / std::sqrt(1 + f.shear_u * f.shear_u));
    for (const double x : {first, last, std::clamp(best, first, std::max(first, last))})
      for (const double nearest : {std::floor(x), std::ceil(x)}) {
        const auto column = static_cast<int64_t>(std::clamp(nearest, 0.0, static_cast<double>(f.nx - 1)));
        const PixelDirection p = pixel_direction(f, column, y);
        if (p.above_horizon) range.add(p.r);
      }
  }
  if (range.low > range.high) range = {0, 0};  // wholly below the horizon
  return range;
}

void set_remainder(Facet& facet) {
  const Range range = remainder_range(facet);
  facet.r_centre = 0.5 * (range.low + range.high);
  facet.r_half = 0.5 * (range.high - range.low) * (1 + 1e-9);
}

// Slopes of the least-squares plane through n over the facet's pixels above the horizon: finite even at the
// horizon.
void fit_shear(Facet& facet) {
  constexpr int kSamples = 33;
  double s_ll = 0, s_lm = 0, s_mm = 0, s_l = 0, s_m = 0, s_1 = 0, t_l = 0, t_m = 0, t_1 = 0;
  for (int j = 0; j < kSamples; ++j)
    for (int i = 0; i < kSamples; ++i) {
      const double dl =
          (static_cast<double>(i) / (kSamples - 1) - 0.5) * static_cast<double>(facet.nx) * facet.cell_x_rad;
      const double dm =
          (static_cast<double>(j) / (kSamples - 1) - 0.5) * static_cast<double>(facet.ny) * facet.cell_y_rad;
      const double l = facet.l0 + dl, m = facet.m0 + dm, n2 = 1 - l * l - m * m;
      if (n2 < 0) continue;
      const double n = std::sqrt(n2);
      s_ll += dl * dl, s_lm += dl * dm, s_mm += dm * dm, s_l += dl, s_m += dm, s_1 += 1;
      t_l += n * dl, t_m += n * dm, t_1 += n;
    }
  facet.shear_u = facet.shear_v = 0;
  if (s_1 < 3) return;
  s_ll -= s_l * s_l / s_1, s_lm -= s_l * s_m / s_1, s_mm -= s_m * s_m / s_1;
  t_l -= s_l * t_1 / s_1, t_m -= s_m * t_1 / s_1;
  const double determinant = s_ll * s_mm - s_lm * s_lm;
  if (!(determinant > 1e-12 * s_ll * s_mm)) return;
  facet.shear_u = (t_l * s_mm - t_m * s_lm) / determinant;
  facet.shear_v = (t_m * s_ll - t_l * s_lm) / determinant;
}

/// A facet and how its pixels relate to the image's.
struct Candidate {
  Facet facet;
  int64_t image_nx = 0, image_ny = 0;  ///< in the image's pixels
  double ratio_x = 1, ratio_y = 1, oversampling = 0;
  int taps_x = 1, taps_y = 1;
  bool resampled() const { return ratio_x > 1 || ratio_y > 1; }
};

/// The facet on the largest pixels that sample its finest fringe; as it is where that does not pay.
Candidate on_larger_pixels(const Facet& facet, const UvExtent& extent, double oversampling, double error) {
  Candidate out{facet, facet.nx, facet.ny, 1, 1, oversampling, 1, 1};
  const int taps = resample::taps_for(oversampling, error);
  // Local wave numbers: (u + a w, v + b w) and what the slope of the remainder adds, largest at a corner.
  double slope_x = 0, slope_y = 0;
  const auto corners_above_horizon = [&](const Facet& f) {
    for (const int64_t y : {int64_t{0}, f.ny})
      for (const int64_t x : {int64_t{0}, f.nx}) {
        const double l = f.l0 - static_cast<double>(x - f.nx / 2) * f.cell_x_rad,
                     m = f.m0 + static_cast<double>(y - f.ny / 2) * f.cell_y_rad, n2 = 1 - l * l - m * m;
        if (n2 < 0.01) return false;
        slope_x = std::max(slope_x, std::abs(l / std::sqrt(n2) + f.shear_u));
        slope_y = std::max(slope_y, std::abs(m / std::sqrt(n2) + f.shear_v));
      }
    return true;
  };
  // Twice: the margin that interpolation needs enlarges the field a little.
  for (int round = 0; round < 2; ++round) {
    if (!corners_above_horizon(out.facet)) return {facet, facet.nx, facet.ny, 1, 1, oversampling, 1, 1};
    const auto ratio = [&](double wave_number, double cell_rad, int64_t pixels) {
      const double most = static_cast<double>(pixels) / 16;
      const double r = std::min(most, 1 / (2 * oversampling * wave_number * cell_rad));
      return r >= 1.1 ? r : 1.0;
    };
    const double w = extent.max_w_lambda;
    out.ratio_x =
        ratio(extent.max_u_lambda + (std::abs(facet.shear_u) + slope_x) * w, facet.cell_x_rad, facet.nx);
    out.ratio_y =
        ratio(extent.max_v_lambda + (std::abs(facet.shear_v) + slope_y) * w, facet.cell_y_rad, facet.ny);
    out.taps_x = out.ratio_x > 1 ? taps : 1;
    out.taps_y = out.ratio_y > 1 ? taps : 1;
    out.facet.cell_x_rad = facet.cell_x_rad * out.ratio_x;
    out.facet.cell_y_rad = facet.cell_y_rad * out.ratio_y;
    out.facet.nx = resample::coarse_pixels(facet.nx, out.ratio_x, taps);
    out.facet.ny = resample::coarse_pixels(facet.ny, out.ratio_y, taps);
  }
  if (!corners_above_horizon(out.facet) || !out.resampled())
    return {facet, facet.nx, facet.ny, 1, 1, oversampling, 1, 1};
  set_remainder(out.facet);
  return out;
}

std::vector<Facet> make_facets(const ImageGeometry& image, int per_side) {
  // Equal even sizes; the last column and row of facets may be smaller.
  const auto part = [per_side](int64_t n) { return 2 * ((n / 2 + per_side - 1) / per_side); };
  const int64_t step_x = part(image.nx), step_y = part(image.ny);
  std::vector<Facet> out;
  for (int64_t y = 0; y < image.ny; y += step_y)
    for (int64_t x = 0; x < image.nx; x += step_x) {
      Facet f;
      f.x_begin = x, f.y_begin = y;
      f.nx = std::min(step_x, image.nx - x), f.ny = std::min(step_y, image.ny - y);
      f.cell_x_rad = f.cell_y_rad = image.cell_rad;
      f.l0 = -static_cast<double>(x + f.nx / 2 - image.nx / 2) * image.cell_rad;
      f.m0 = static_cast<double>(y + f.ny / 2 - image.ny / 2) * image.cell_rad;
      f.n0_minus_1 = n_minus_1(f.l0, f.m0);
      Facet fitted = f;
      const double n0 = 1 + f.n0_minus_1;
      fit_shear(fitted);
      set_remainder(fitted);
      if (n0 > 0.05) {
        f.shear_u = -f.l0 / n0, f.shear_v = -f.m0 / n0;
        set_remainder(f);
      }
      // The tangent plane is exact for small fields, the fitted one better near the horizon.
      out.push_back(n0 > 0.05 && f.r_half <= 1.05 * fitted.r_half ? f : fitted);
    }
  return out;
}

// ---------------------------------------------------------------- grid of a facet for a kernel

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

// ---------------------------------------------------------------- cost

// Core seconds, from measurements on one x86 core with AVX-512 (bench/compare, 2026-11); only ratios matter.

/// To transform the planes once.
double planes_cost(const Facet& f, bool double_precision) {
  const double nu = static_cast<double>(f.nu), nv = static_cast<double>(f.nv);
  // Columns of the grid without tiles are not transformed; the image is whole. The last slab is transformed as if it were full.
  const double share = std::min(1.0, static_cast<double>(f.tiles_u * kTile) / nu);
  return f.slabs() * kSlabPlanes * (double_precision ? 2.0 : 1.0) * (2e-11 + 5.2e-11 * share) * nu * nv *
         (std::log2(nu) + std::log2(nv));
}

struct Amount {
  int64_t visibilities = 1, rows = 1;
  double gridded = 1;  ///< share of the visibilities that are gridded, where nodes stand for channels
};

/// Nodes per channel for the mean baseline.
double gridded_share(const Facet& f, const UvExtent& extent, const ChannelCompression* compression) {
  if (!compression || extent.rows < 1 || extent.sum_u_lambda + extent.sum_v_lambda <= 0) return 1;
  const auto rows = static_cast<double>(extent.rows);
  const double kappa = kPi * extent.band_share / 2 *
                       (extent.sum_u_lambda / rows * f.cell_x_rad * static_cast<double>(f.nx) +
                        extent.sum_v_lambda / rows * f.cell_y_rad * static_cast<double>(f.ny));
  const auto channels = static_cast<int>(extent.visibilities / extent.rows);
  const auto choice = compression->choose(channels, kappa);
  return choice.nodes > 0 ? static_cast<double>(choice.parts * choice.nodes) / channels : 1.0;
}

/// To mark, index and grid.
double visibilities_cost(const Facet& f, const Amount& amount, bool double_precision) {
  const double w2 = static_cast<double>(f.support * f.support);
  // A kernel that straddles slabs is added to each: the mean over the planes where it may start.
  double slabs = 0;
  const int starts = std::max(1, f.planes - f.support + 1);
  for (int start = 0; start < starts; ++start)
    slabs += (start + f.support - 1) / kSlabPlanes - start / kSlabPlanes + 1;
  slabs /= starts;
  // Cells that many visibilities share stay in the nearest cache.
  const double density = static_cast<double>(amount.visibilities) /
                         static_cast<double>(f.tiles_u * f.tiles_v * kTile * kTile * f.slabs());
  const double cell = 0.15e-9 + 0.45e-9 / (1 + 4 * density);
  const double row = 170e-9 + slabs * 200e-9;
  const double visibility = slabs * (8e-9 + cell * w2 * amount.gridded) * (double_precision ? 2.5 : 1.0);
  return row * static_cast<double>(amount.rows) + visibility * static_cast<double>(amount.visibilities);
}

/// At least what gridding onto one facet costs, whatever its kernel.
double least_cost(const Amount& amount) {
  Facet f;
  f.support = f.planes = kMinSupport;
  f.tiles_u = f.tiles_v = 1;
  return visibilities_cost(f, {amount.visibilities, amount.rows, 0}, false);
}

int strips_worth(const Facet& f, const Amount& amount, bool double_precision, int most) {
  constexpr double kTaskSeconds = 4e-3;
  const double work = std::max(planes_cost(f, double_precision) / 2 / f.slabs(),
                               visibilities_cost(f, amount, double_precision) / f.slabs());
  return static_cast<int>(std::clamp(work / kTaskSeconds, 1.0, static_cast<double>(most)));
}

/// Core seconds of a facet: gridding, transforms, pixels, and the tasks themselves.
double facet_cost(const Candidate& c, const Amount& amount, const PlanOptions& options,
                  bool double_precision) {
  constexpr double kTask = 40e-6, kCorrection = 7e-9, kTap = 6e-11, kPixel = 1.5e-9;
  const Facet& f = c.facet;
  double cost =
      visibilities_cost(f, amount, double_precision) + planes_cost(f, double_precision) +
      kCorrection * static_cast<double>(f.nx * f.ny) +
      kTask * strips_worth(f, amount, double_precision, options.strips_target) * (2 + 3 * f.slabs());
  const auto pixels = static_cast<double>(c.image_nx * c.image_ny);
  cost += kPixel * pixels;
  if (c.resampled())
    cost += pixels * (double_precision ? 2 : 1) * (kPixel + kTap * (c.taps_x + c.taps_y / c.ratio_x));
  return cost;
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

std::string describe(const PlanSummary& s, const std::vector<Candidate>& facets) {
  char text[400];
  const Candidate& first = facets.front();
  const Facet& f = first.facet;
  char pixels[80] = "";
  if (first.resampled())
    std::snprintf(pixels, sizeof pixels, " computed on %lld x %lld", static_cast<long long>(f.nx),
                  static_cast<long long>(f.ny));
  std::snprintf(text, sizeof text,
                "%zu facet%s of %lld x %lld pixels%s, kernel of %d cells (oversampling %.2f, expected error "
                "%.1e), grid %lld x %lld, "
                "%lld w-planes in all, %s precision, %.3g core seconds",
                facets.size(), facets.size() == 1 ? "" : "s", static_cast<long long>(first.image_nx),
                static_cast<long long>(first.image_ny), pixels, s.kernel.support, s.kernel.sigma,
                s.kernel.error, static_cast<long long>(f.nu), static_cast<long long>(f.nv),
                static_cast<long long>(s.planes), s.double_precision ? "double" : "single", s.cost);
  return text;
}

}  // namespace

std::vector<std::shared_ptr<FacetPlan>> plan_facets(const ImageGeometry& image, const UvExtent& extent,
                                                    const PlanOptions& options, PlanSummary& summary) {
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
  struct Choice {
    KernelShape kernel;
    bool double_precision;
  };
  std::vector<Choice> choices;
  for (const bool double_precision : {false, true}) {
    if (options.precision_bits == (double_precision ? 32 : 64)) continue;
    if (options.support > 0) {
      choices.push_back({kernel_shape(options.support, options.sigma), double_precision});
      break;
    }
    for (const KernelShape& kernel : kernel_candidates(options.accuracy, double_precision))
      choices.push_back({kernel, double_precision});
  }
  if (choices.empty()) throw UserError("no gridding kernel reaches this accuracy in this precision");

  Amount amount{std::max<int64_t>(1, extent.visibilities), std::max<int64_t>(1, extent.rows)};
  const auto compression =
      options.compress ? ChannelCompression::with_error(kCompressionShare * options.accuracy) : nullptr;
  const double resampling_error = std::max(kResamplingShare * options.accuracy, 1e-15);
  std::vector<Candidate> best;
  summary = {};
  summary.cost = std::numeric_limits<double>::infinity();
  const int first = options.facets_per_side > 0 ? options.facets_per_side : 1;
  const int last = options.facets_per_side > 0 ? options.facets_per_side : kMaxFacetsPerSide;
  for (int per_side = first; per_side <= last; ++per_side) {
    if (per_side > 1 && options.facets_per_side == 0 && std::min(image.nx, image.ny) / per_side < 64) break;
    if (per_side * per_side * least_cost(amount) >= summary.cost) break;
    std::vector<std::vector<Candidate>> ways(1);
    for (const Facet& f : make_facets(image, per_side)) ways[0].push_back({f, f.nx, f.ny, 1, 1, 0, 1, 1});
    // Division by n is not band-limited: such pixels are not interpolated.
    if (options.resample && !options.divide_by_n)
      for (const double oversampling : kOversamplings) {
        std::vector<Candidate> way;
        bool any = false;
        for (const Candidate& c : ways[0]) {
          way.push_back(on_larger_pixels(c.facet, extent, oversampling, resampling_error));
          any = any || way.back().resampled();
        }
        if (any) ways.push_back(std::move(way));
      }
    for (const auto& way : ways)
      for (const auto& [kernel, double_precision] : choices) {
        std::vector<Candidate> gridded = way;
        double cost = 0;
        int64_t planes = 0;
        for (Candidate& c : gridded) {
          set_grid(c.facet, kernel, extent);
          amount.gridded = gridded_share(c.facet, extent, compression.get());
          cost += facet_cost(c, amount, options, double_precision);
          planes += c.facet.planes;
        }
        if (cost >= summary.cost) continue;
        summary.facets_per_side = per_side;
        summary.kernel = kernel;
        summary.double_precision = double_precision;
        summary.planes = planes;
        summary.cost = cost;
        best = std::move(gridded);
      }
  }
  summary.resampled = std::any_of(best.begin(), best.end(), [](const Candidate& c) { return c.resampled(); });
  summary.text = describe(summary, best);

  // Polynomials just good enough: their error is noise over the period of the image, which the correction
  // magnifies most at the edge, and stays well below the kernel's own.
  const KernelShape& kernel = summary.kernel;
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
    if (known.fine == 0) known = resample::make_axis(pixels, ratio, oversampling, resampling_error);
    return known;
  };
  for (const Candidate& c : best) {
    const Facet& f = c.facet;
    auto plan = std::make_shared<FacetPlan>();
    if (c.resampled())
      plan->resampling = std::make_shared<const resample::Resampling>(resample::Resampling{
          axis(c.image_ny, c.ratio_y, c.oversampling), axis(c.image_nx, c.ratio_x, c.oversampling)});
    plan->screen = screen_correction(f);
    plan->compression = compression;
    plan->facet = f;
    plan->double_precision = summary.double_precision;
    plan->degree = degree;
    plan->taps = taps;
    plan->correction_x = corrections(correction, f.nx, f.nu);
    plan->correction_y = corrections(correction, f.ny, f.nv);
    out.push_back(std::move(plan));
  }
  return out;
}

int strips_of(const FacetPlan& plan, int64_t visibilities, int most) {
  // The rows are not known here: as if they had sixteen channels each.
  return strips_worth(plan.facet, {visibilities, visibilities / 16}, plan.double_precision, most);
}

}  // namespace fringeflow::gridder
