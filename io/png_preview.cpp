// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/png_preview.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "io/constants.hpp"
#include "io/png_canvas.hpp"

namespace fringeflow::io {
namespace {

double to_srgb(double linear) {
  linear = std::clamp(linear, 0.0, 1.0);
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
}

/// OKLab lightness, chroma and hue to linear RGB; the matrices are those of its definition (B. Ottosson,
/// public domain).
std::array<double, 3> oklch_to_linear(double lightness, double chroma, double hue) {
  const double a = chroma * std::cos(hue), b = chroma * std::sin(hue);
  const double l = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double m = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double s = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

/// Mean over factor × factor pixels, blanks left out; turned so that row 0 is the northernmost.
std::vector<float> shrink(View<const float, 2> pixels, int64_t factor, int64_t nx, int64_t ny) {
  std::vector<float> out(static_cast<size_t>(nx * ny));
  for (int64_t j = 0; j < ny; ++j) {
    for (int64_t i = 0; i < nx; ++i) {
      double sum = 0;
      int64_t count = 0;
      const int64_t x_begin = i * factor, x_end = std::min(x_begin + factor, pixels.extent(1));
      for (int64_t y = j * factor; y < std::min((j + 1) * factor, pixels.extent(0)); ++y) {
        const float* row = &pixels(y, 0);
        double part = 0;
        for (int64_t x = x_begin; x < x_end; ++x) part += row[x];
        if (std::isfinite(part)) {
          sum += part;
          count += x_end - x_begin;
          continue;
        }
        for (int64_t x = x_begin; x < x_end; ++x) {
          if (!std::isfinite(row[x])) continue;
          sum += row[x];
          ++count;
        }
      }
      out[static_cast<size_t>((ny - 1 - j) * nx + i)] =
          count > 0 ? static_cast<float>(sum / static_cast<double>(count)) : NAN;
    }
  }
  return out;
}

/// Colours of a preview: with those of the bar's letters few enough for an indexed PNG.
constexpr int kColours = 240;
std::array<uint8_t, 3> colour_number(int i) { return colour_at(static_cast<double>(i) / (kColours - 1)); }

/// A number of two or three digits for the bar, in the unit with the given scale.
std::string label_of(double value) {
  std::string text = fmt::format("{:.3g}", value);
  return text == "-0" ? "0" : text;
}

void draw_bar(Canvas& canvas, int64_t left, const ColourScale& scale, const PreviewOptions& options,
              int64_t size) {
  const Rgba ink{64, 64, 64, 255};
  const int64_t top = 16 * size, bottom = canvas.ny - 5 * size, width = 8 * size;
  if (bottom - top < 20 * size) return;
  // One metric prefix for all labels, from the largest value.
  const double largest = std::max(std::abs(scale.low), std::abs(scale.high));
  double factor = 1;
  std::string prefix;
  if (options.unit.starts_with("Jy") && largest > 0) {
    if (largest < 1e-3) {
      factor = 1e6;
      prefix = "u";
    } else if (largest < 1) {
      factor = 1e3;
      prefix = "m";
    } else if (largest >= 1e3) {
      factor = 1e-3;
      prefix = "k";
    }
  }
  draw_text(canvas, left, 2 * size, prefix + options.unit, size, ink);
  for (int64_t y = top; y <= bottom; ++y) {
    const auto c = colour_number(static_cast<int>((bottom - y) * (kColours - 1) / (bottom - top)));
    for (int64_t x = left; x < left + width; ++x) canvas.set(x, y, {c[0], c[1], c[2], 255});
  }
  const int64_t labels = std::clamp<int64_t>((bottom - top) / (30 * size), 1, 6);
  for (int64_t i = 0; i <= labels; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(labels);
    const auto y = bottom - std::llround(t * static_cast<double>(bottom - top));
    for (int64_t x = left + width; x < left + width + 2 * size; ++x) canvas.set(x, y, ink);
    draw_text(canvas, left + width + 4 * size, y - 3 * size, label_of(scale.value_at(t) * factor), size, ink);
  }
}

}  // namespace

std::array<uint8_t, 3> colour_at(double t) {
  t = std::clamp(t, 0.0, 1.0);
  // Lightness rises evenly; the hue turns from violet through red and orange to yellow; the chroma fades at
  // both ends.
  const double lightness = 0.10 + 0.87 * t;
  const double hue = (-75 + 180 * t) * kPi / 180;
  double chroma = 0.20 * std::pow(std::sin(kPi * std::clamp(0.06 + 0.90 * t, 0.0, 1.0)), 0.6);
  std::array<double, 3> rgb{};
  const auto shown = [&](double with) {
    rgb = oklch_to_linear(lightness, with, hue);
    return *std::min_element(rgb.begin(), rgb.end()) >= 0 && *std::max_element(rgb.begin(), rgb.end()) <= 1;
  };
  // Colours that a screen cannot show are made as pale as need be, which keeps their lightness.
  if (!shown(chroma)) {
    double pale = 0, strong = chroma;
    for (int i = 0; i < 20; ++i) {
      chroma = 0.5 * (pale + strong);
      (shown(chroma) ? pale : strong) = chroma;
    }
    shown(pale);
  }
  std::array<uint8_t, 3> bytes{};
  for (size_t i = 0; i < 3; ++i) bytes[i] = static_cast<uint8_t>(std::lround(255 * to_srgb(rgb[i])));
  return bytes;
}

double ColourScale::position_of(double value) const {
  if (stretch == Stretch::percentile) return (value - low) / (high - low);
  return std::asinh((value - low) / softening) / std::asinh((high - low) / softening);
}

double ColourScale::value_at(double position) const {
  if (stretch == Stretch::percentile) return low + position * (high - low);
  return low + softening * std::sinh(position * std::asinh((high - low) / softening));
}

ColourScale choose_scale(View<const float, 2> pixels, const PreviewOptions& options) {
  ColourScale scale;
  scale.stretch = options.stretch;
  // A million pixels say enough about percentiles; the maximum is taken from all.
  const int64_t step = std::max<int64_t>(1, pixels.size() / 1000003);
  std::vector<float> sample;
  float highest = -INFINITY;
  for (int64_t i = 0; i < pixels.size(); ++i) {
    const float value = pixels.data()[i];
    if (!std::isfinite(value)) continue;
    highest = std::max(highest, value);
    if (i % step == 0) sample.push_back(value);
  }
  if (sample.empty()) return scale;
  const auto percentile = [](std::vector<float>& values, double percent) {
    const double at = percent / 100 * static_cast<double>(values.size() - 1);
    const auto nth = values.begin() + static_cast<std::ptrdiff_t>(std::llround(at));
    std::nth_element(values.begin(), nth, values.end());
    return static_cast<double>(*nth);
  };
  if (options.stretch == Stretch::percentile) {
    scale.low = percentile(sample, options.low_percentile);
    scale.high = percentile(sample, options.high_percentile);
  } else {
    const double median = percentile(sample, 50);
    const double lowest = percentile(sample, 0);
    std::vector<float> deviation(sample.size());
    std::transform(sample.begin(), sample.end(), deviation.begin(),
                   [median](float v) { return static_cast<float>(std::abs(v - median)); });
    const double sigma = 1.4826 * percentile(deviation, 50);
    scale.high = highest;
    scale.low = std::max(lowest, median - 2 * sigma);
    // A model image is zero nearly everywhere and has no noise to scale with.
    scale.softening =
        sigma > 0 ? std::max(3 * sigma, 1e-5 * (scale.high - scale.low)) : 0.01 * (scale.high - scale.low);
  }
  if (!(scale.high > scale.low)) scale.high = scale.low + std::max(1e-30, std::abs(scale.low) * 1e-3);
  if (!(scale.softening > 0)) scale.softening = scale.high - scale.low;
  return scale;
}

void write_png_preview(const std::string& path, View<const float, 2> pixels, const PreviewOptions& options,
                       Products* products) {
  const int64_t largest = std::max(pixels.extent(0), pixels.extent(1));
  const int64_t factor = std::max<int64_t>(1, (largest + options.max_size - 1) / options.max_size);
  const int64_t nx = (pixels.extent(1) + factor - 1) / factor, ny = (pixels.extent(0) + factor - 1) / factor;
  const std::vector<float> small = shrink(pixels, factor, nx, ny);
  const ColourScale scale = choose_scale(View<const float, 2>(small.data(), {ny, nx}), options);

  const int64_t letter = std::clamp<int64_t>(ny / 500, 1, 3);
  const int64_t bar = options.colour_bar ? 70 * letter : 0;
  Canvas canvas(nx + bar, ny, bar > 0 ? Rgba{255, 255, 255, 255} : Rgba{});
  std::vector<std::array<uint8_t, 3>> table;
  std::vector<double> first_value;  // of each colour
  for (int i = 0; i < kColours; ++i) {
    table.push_back(colour_number(i));
    first_value.push_back(scale.value_at((i - 0.5) / (kColours - 1)));
  }
  for (int64_t y = 0; y < ny; ++y) {
    for (int64_t x = 0; x < nx; ++x) {
      const float value = small[static_cast<size_t>(y * nx + x)];
      Rgba colour;
      if (std::isfinite(value)) {
        const auto next = std::upper_bound(first_value.begin() + 1, first_value.end(), value);
        const auto& c = table[static_cast<size_t>(next - first_value.begin()) - 1];
        colour = {c[0], c[1], c[2], 255};
      }
      canvas.set(x, y, colour);
    }
  }
  if (bar > 0) draw_bar(canvas, nx + 6 * letter, scale, options, letter);

  write_png(path, canvas, products);
}

}  // namespace fringeflow::io
