// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/quality.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <numbers>
#include <vector>

#include "io/error.hpp"
#include "io/fits_image.hpp"

namespace fringeflow::traces {
namespace {

using Image = View<const float, 2>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double at(const Image& image, int64_t y, int64_t x) { return static_cast<double>(image(y, x)); }

/// Top of the parabola through three values at -1, 0, 1: its place and height.
std::pair<double, double> parabola(double left, double middle, double right) {
  const double bend = left - 2 * middle + right;
  if (!(bend < 0)) return {0, middle};
  const double place = std::clamp(0.5 * (left - right) / bend, -1.0, 1.0);
  return {place, middle - 0.25 * (left - right) * place};
}

struct Peak {
  double y = 0, x = 0, height = 0;
};
Peak peak_at(const Image& image, int64_t y, int64_t x) {
  const auto [dy, up] = parabola(at(image, y - 1, x), at(image, y, x), at(image, y + 1, x));
  const auto [dx, across] = parabola(at(image, y, x - 1), at(image, y, x), at(image, y, x + 1));
  return {static_cast<double>(y) + dy, static_cast<double>(x) + dx, up + across - at(image, y, x)};
}

bool is_top(const Image& image, int64_t y, int64_t x) {
  for (int64_t j = y - 1; j <= y + 1; ++j)
    for (int64_t i = x - 1; i <= x + 1; ++i)
      if (!(at(image, j, i) <= at(image, y, x))) return false;
  return true;
}

}  // namespace

double background_rms(Image image) {
  std::vector<double> kept;
  for (int64_t y = 0; y < image.extent(0); ++y)
    for (int64_t x = 0; x < image.extent(1); ++x)
      if (std::isfinite(image(y, x))) kept.push_back(at(image, y, x));
  double rms = kNaN;
  for (int round = 0; round < 50 && !kept.empty(); ++round) {
    double mean = 0, square = 0;
    for (const double v : kept) mean += v / static_cast<double>(kept.size());
    for (const double v : kept) square += (v - mean) * (v - mean) / static_cast<double>(kept.size());
    rms = std::sqrt(square);
    if (std::erase_if(kept, [&](double v) { return std::abs(v - mean) > 3 * rms; }) == 0) break;
  }
  return rms;
}

double psnr_db(Image image, Image reference) {
  double most = 0, square = 0;
  int64_t count = 0;
  for (int64_t y = 0; y < reference.extent(0); ++y)
    for (int64_t x = 0; x < reference.extent(1); ++x) {
      const double a = at(image, y, x), b = at(reference, y, x);
      if (!std::isfinite(a) || !std::isfinite(b)) continue;
      most = std::max(most, std::abs(b));
      square += (a - b) * (a - b);
      ++count;
    }
  return 10 * std::log10(most * most * static_cast<double>(count) / square);
}

double ssim(Image image, Image reference) {
  constexpr int64_t kWindow = 7;
  constexpr double kCount = kWindow * kWindow;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (int64_t y = 0; y < reference.extent(0); ++y)
    for (int64_t x = 0; x < reference.extent(1); ++x)
      if (std::isfinite(reference(y, x))) {
        low = std::min(low, at(reference, y, x));
        high = std::max(high, at(reference, y, x));
      }
  const double c1 = std::pow(0.01 * (high - low), 2), c2 = std::pow(0.03 * (high - low), 2);
  double sum = 0;
  int64_t windows = 0;
  for (int64_t y = 0; y + kWindow <= reference.extent(0); ++y)
    for (int64_t x = 0; x + kWindow <= reference.extent(1); ++x) {
      double a = 0, b = 0, aa = 0, bb = 0, ab = 0;
      for (int64_t j = y; j < y + kWindow; ++j)
        for (int64_t i = x; i < x + kWindow; ++i) {
          const double p = at(image, j, i), q = at(reference, j, i);
          a += p;
          b += q;
          aa += p * p;
          bb += q * q;
          ab += p * q;
        }
      if (!std::isfinite(a) || !std::isfinite(b)) continue;
      a /= kCount;
      b /= kCount;
      const double unbiased = kCount / (kCount - 1);
      const double va = unbiased * (aa / kCount - a * a), vb = unbiased * (bb / kCount - b * b),
                   cov = unbiased * (ab / kCount - a * b);
      sum += (2 * a * b + c1) * (2 * cov + c2) / ((a * a + b * b + c1) * (va + vb + c2));
      ++windows;
    }
  return windows > 0 ? sum / static_cast<double>(windows) : kNaN;
}

SourceErrors source_errors(Image image, Image reference, double sigmas) {
  constexpr int64_t kReach = 2;
  SourceErrors errors;
  std::vector<double> ratios;
  const double threshold = sigmas * background_rms(reference);
  for (int64_t y = kReach + 1; y + kReach + 1 < reference.extent(0); ++y)
    for (int64_t x = kReach + 1; x + kReach + 1 < reference.extent(1); ++x) {
      if (!(at(reference, y, x) > threshold) || !is_top(reference, y, x)) continue;
      int64_t py = y, px = x;
      for (int64_t j = y - kReach; j <= y + kReach; ++j)
        for (int64_t i = x - kReach; i <= x + kReach; ++i)
          if (at(image, j, i) > at(image, py, px)) py = j, px = i;
      const Peak expected = peak_at(reference, y, x), found = peak_at(image, py, px);
      ++errors.sources;
      errors.mean_offset_px += std::hypot(found.y - expected.y, found.x - expected.x);
      errors.mean_flux_error += std::abs(found.height - expected.height);
      ratios.push_back(std::abs(found.height - expected.height) / expected.height);
    }
  if (errors.sources == 0) return errors;
  errors.mean_offset_px /= static_cast<double>(errors.sources);
  errors.mean_flux_error /= static_cast<double>(errors.sources);
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  errors.median_flux_ratio = *middle;
  return errors;
}

nlohmann::json image_quality(const std::string& prefix, const std::string& reference) {
  nlohmann::json json = nlohmann::json::object();
  std::error_code ignored;
  std::string product;
  for (const char* kind :
       {"-MFS-I-image.fits", "-MFS-image.fits", "-I-image.fits", "-image.fits", "-dirty.fits"})
    if (product.empty() && std::filesystem::exists(prefix + kind, ignored)) product = prefix + kind;
  if (std::filesystem::exists(prefix + "-dirty.fits", ignored)) {
    const auto dirty = io::read_fits_image<float>(prefix + "-dirty.fits");
    json["dirty_rms_jy_beam"] =
        background_rms({dirty.pixels.data(), {dirty.header.grid.ny, dirty.header.grid.nx}});
  }
  if (reference.empty()) return json;
  if (product.empty())
    throw UserError(fmt::format("{}-image.fits: missing; nothing to compare with {}", prefix, reference));
  const auto image = io::read_fits_image<float>(product);
  const auto other = io::read_fits_matching<float>(reference, image.header.grid, "reference");
  const Image a(image.pixels.data(), {image.header.grid.ny, image.header.grid.nx});
  const Image b(other.pixels.data(), {image.header.grid.ny, image.header.grid.nx});
  const auto errors = source_errors(a, b);
  const double cell_asec = image.header.grid.cell_rad * 180 / std::numbers::pi * 3600;
  json["image"] = product;
  json["reference"] = reference;
  json["psnr_db"] = psnr_db(a, b);
  json["ssim"] = ssim(a, b);
  json["reference_sources"] = errors.sources;
  json["astrometric_error_px"] = errors.mean_offset_px;
  json["astrometric_error_asec"] = errors.mean_offset_px * cell_asec;
  json["photometric_error_jy_beam"] = errors.mean_flux_error;
  json["photometric_error_relative"] = errors.median_flux_ratio;
  return json;
}

}  // namespace fringeflow::traces
