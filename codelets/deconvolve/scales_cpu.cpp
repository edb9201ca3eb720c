// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "codelets/deconvolve/internal.hpp"
#include "io/constants.hpp"

namespace fringeflow::deconvolve {

void automatic_scales(MinorOptions& options, int64_t ny, int64_t nx, int max_scales) {
  const double beam = std::max(1.0, static_cast<double>(options.beam_pixels));
  const double limit = 0.5 * static_cast<double>(std::min(ny, nx));
  options.scale_pixels[0] = 0;
  options.scales = 1;
  for (double scale = 4 * beam; scale < limit && options.scales < std::min(max_scales, kMaxScales);
       scale *= 2)
    options.scale_pixels[static_cast<size_t>(options.scales++)] = static_cast<float>(scale);
}

float scale_weight(const MinorOptions& options, int scale) {
  const double size = options.scale_pixels[static_cast<size_t>(scale)];
  if (size <= 0) return 1;
  // A kernel of unit sum smooths peaks away, so that large scales need a weight above one.
  return static_cast<float>(
      std::pow(double{options.scale_bias}, -std::log2(size / (2.0 * options.beam_pixels))));
}

int64_t kernel_radius(const MinorOptions& options, int scale) {
  return static_cast<int64_t>(std::ceil(0.5 * options.scale_pixels[static_cast<size_t>(scale)]));
}

std::vector<float> scale_kernel(const MinorOptions& options, int scale) {
  const double size = options.scale_pixels[static_cast<size_t>(scale)];
  if (size <= 0) return {1.0f};
  const int64_t radius = kernel_radius(options, scale), n = 2 * radius + 1;
  // Both shapes are (1 - (r / size)^2) or a Gaussian of sigma = 3/16 size under a Hann window that reaches
  // zero just outside.
  std::vector<double> kernel(static_cast<size_t>(n * n));
  double sum = 0;
  for (int64_t y = 0; y < n; ++y)
    for (int64_t x = 0; x < n; ++x) {
      double& out = kernel[static_cast<size_t>(y * n + x)];
      if (y > radius || x > radius) {  // the first quarter, mirrored
        out = kernel[static_cast<size_t>(std::min(y, n - 1 - y) * n + std::min(x, n - 1 - x))];
        sum += out;
        continue;
      }
      const double r = std::hypot(static_cast<double>(y - radius), static_cast<double>(x - radius));
      double value = 0;
      if (options.shape == Shape::gaussian) {
        const double sigma = 3.0 / 16.0 * size;
        value = std::exp(-r * r / (2 * sigma * sigma));
      } else if (r < size) {
        value = 1 - r * r / (size * size);
      }
      const double width = static_cast<double>(n + 1);
      value *= 2 * r <= width ? 0.5 * (1 + std::cos(2 * kPi * r / width)) : 0.0;
      out = value;
      sum += value;
    }
  std::vector<float> normalised(kernel.size());
  for (size_t i = 0; i < kernel.size(); ++i) normalised[i] = static_cast<float>(kernel[i] / sum);
  return normalised;
}

std::vector<Rect> sub_images(const MinorOptions& options, int64_t ny, int64_t nx) {
  int64_t least = 1024;
  if (options.algorithm == Algorithm::multiscale)
    least = std::max(least, 8 * kernel_radius(options, std::max(0, options.scales - 1)));
  const auto parts = [least](int64_t n) { return n <= 2048 ? int64_t{1} : std::max<int64_t>(1, n / least); };
  const int64_t py = parts(ny), px = parts(nx);
  std::vector<Rect> rects;
  for (int64_t j = 0; j < py; ++j)
    for (int64_t i = 0; i < px; ++i) {
      const int64_t y0 = ny * j / py, x0 = nx * i / px;
      rects.push_back({y0, x0, ny * (j + 1) / py - y0, nx * (i + 1) / px - x0});
    }
  return rects;
}

Rect expand(const Rect& rect, int64_t margin, int64_t ny, int64_t nx) {
  const int64_t y0 = std::max<int64_t>(0, rect.y0 - margin), x0 = std::max<int64_t>(0, rect.x0 - margin);
  return {y0, x0, std::min(ny, rect.y0 + rect.ny + margin) - y0,
          std::min(nx, rect.x0 + rect.nx + margin) - x0};
}

Limits scale_limits(const MinorOptions& options, int scale, int64_t ny, int64_t nx) {
  const auto edge = [&](int64_t n) {
    return std::max(static_cast<int64_t>(std::llround(static_cast<double>(n) * options.border)),
                    kernel_radius(options, scale));
  };
  return {edge(ny), ny - edge(ny), edge(nx), nx - edge(nx)};
}

std::vector<uint16_t> allowed_scales(const MinorOptions& options, Mask mask, ScaleMask scale_mask,
                                     const Rect& region, int64_t ny, int64_t nx) {
  std::vector<uint16_t> allowed(static_cast<size_t>(region.ny * region.nx), 0);
  for (int scale = 0; scale < options.scales; ++scale) {
    const Limits limits = scale_limits(options, scale, ny, nx);
    const auto bit = static_cast<uint16_t>(1u << scale);
    const int64_t x_begin = std::max(limits.x_begin, region.x0),
                  x_end = std::min(limits.x_end, region.x0 + region.nx);
    for (int64_t y = std::max(limits.y_begin, region.y0); y < std::min(limits.y_end, region.y0 + region.ny);
         ++y) {
      uint16_t* row = allowed.data() + (y - region.y0) * region.nx - region.x0;
      for (int64_t x = x_begin; x < x_end; ++x) row[x] = static_cast<uint16_t>(row[x] | bit);
    }
  }
  for (int64_t y = 0; y < region.ny; ++y) {
    uint16_t* row = allowed.data() + y * region.nx;
    if (mask.data()) {
      const uint8_t* user = &mask(region.y0 + y, region.x0);
      for (int64_t x = 0; x < region.nx; ++x) row[x] = user[x] ? row[x] : uint16_t{0};
    }
    if (scale_mask.data()) {
      const uint16_t* scales = &scale_mask(region.y0 + y, region.x0);
      for (int64_t x = 0; x < region.nx; ++x) row[x] = static_cast<uint16_t>(row[x] & scales[x]);
    }
  }
  return allowed;
}

namespace {
/// to = from x kernel (squared) x norm; from may be to.
FF_CLONES void multiply_spectrum(const float* from, const float* kernel, bool squared, float norm, int64_t n,
                                 float* to) {
  for (int64_t i = 0; i < n; ++i) {
    const float k = kernel[i], factor = (squared ? k * k : k) * norm;
    to[2 * i] = from[2 * i] * factor;
    to[2 * i + 1] = from[2 * i + 1] * factor;
  }
}
}  // namespace

ScaleSpace::ScaleSpace(const MinorOptions& options, int64_t least_ny, int64_t least_nx)
    : fft_(least_ny, least_nx) {
  const Plane plane = fft_.plane();
  const Spectrum spectrum = fft_.spectrum();
  for (int scale = 0; scale < options.scales; ++scale) {
    kernels_.emplace_back();
    if (kernel_radius(options, scale) == 0) continue;
    const std::vector<float> kernel = scale_kernel(options, scale);
    const int64_t r = kernel_radius(options, scale), n = 2 * r + 1;
    put_centred(fft_, View<const float, 2>(kernel.data(), {n, n}), r, r, plane);
    fft_.forward(plane, spectrum);
    kernels_.back().resize(static_cast<size_t>(fft_.spectrum_size()));
    for (size_t i = 0; i < kernels_.back().size(); ++i)
      kernels_.back()[i] = spectrum[static_cast<int64_t>(i)].real();
  }
}

void ScaleSpace::multiply(const Spectrum& in, int scale, int power, const Spectrum& out) const {
  const std::vector<float>& kernel = kernels_[static_cast<size_t>(scale)];
  const float norm = 1.0f / static_cast<float>(fft_.plane_size());
  const auto* from = reinterpret_cast<const float*>(in.data());
  auto* to = reinterpret_cast<float*>(out.data());
  const int64_t n = fft_.spectrum_size();
  if (kernel.empty()) {
    for (int64_t i = 0; i < 2 * n; ++i) to[i] = from[i] * norm;
    return;
  }
  multiply_spectrum(from, kernel.data(), power == 2, norm, n, to);
}

}  // namespace fringeflow::deconvolve
