// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cmath>
#include <vector>

#include "codelets/deconvolve/convolver.hpp"
#include "codelets/restore/restore.hpp"

namespace fringeflow::restore {
namespace {

using deconvolve::Fft2;
using deconvolve::Plane;
using deconvolve::Spectrum;

/// exp(-x) is below 1e-8 beyond this radius.
int64_t stamp_radius(const Beam& beam) {
  return static_cast<int64_t>(std::ceil(beam.major_pixels * std::sqrt(std::log(1e8) / (4 * std::log(2.0)))));
}

/// The beam, [2 r + 1][2 r + 1], centre 1.
std::vector<float> stamp(const Beam& beam, int64_t r) {
  const Quadratic form = quadratic(beam);
  std::vector<float> out;
  out.reserve(static_cast<size_t>((2 * r + 1) * (2 * r + 1)));
  for (int64_t j = -r; j <= r; ++j)
    for (int64_t i = -r; i <= r; ++i) {
      const auto x = static_cast<double>(i), y = static_cast<double>(j);
      out.push_back(static_cast<float>(std::exp(-(form.a * x * x + form.b * x * y + form.c * y * y))));
    }
  return out;
}

}  // namespace

int64_t restore_workspace_bytes(const Beam& beam, int64_t ny, int64_t nx) {
  const int64_t r = std::min(stamp_radius(beam), std::max(ny, nx)), h = std::min(ny, kTile),
                w = std::min(nx, kTile);
  return (2 * r + 1) * (2 * r + 1) * 4 + h * w * 4 + 4 * deconvolve::fft_plane_bytes(h + 2 * r, w + 2 * r);
}

void restore_tile(View<const float, 2> model, View<const float, 2> residual, const Beam& beam, int64_t y0,
                  int64_t x0, int64_t ny, int64_t nx, View<float, 2> out) {
  const int64_t rows = model.extent(0), columns = model.extent(1);
  const int64_t r = std::min(stamp_radius(beam), std::max(rows, columns)), n = 2 * r + 1;
  // Everything within a stamp's radius of the tile contributes.
  const int64_t ya = std::max<int64_t>(0, y0 - r), yb = std::min(rows, y0 + ny + r);
  const int64_t xa = std::max<int64_t>(0, x0 - r), xb = std::min(columns, x0 + nx + r);
  int64_t components = 0;
  for (int64_t y = ya; y < yb; ++y)
    for (int64_t x = xa; x < xb; ++x) components += model(y, x) != 0 && std::isfinite(model(y, x));
  const std::vector<float> kernel = stamp(beam, r);
  std::vector<float> sum(static_cast<size_t>(ny * nx), 0.0f);
  const int64_t py = deconvolve::good_fft_size(ny + 2 * r), px = deconvolve::good_fft_size(nx + 2 * r);
  if (components * n * n < 100 * py * px) {  // three transforms cost about so much a pixel
    for (int64_t y = ya; y < yb; ++y)
      for (int64_t x = xa; x < xb; ++x) {
        const float flux = model(y, x);
        if (flux == 0 || !std::isfinite(flux)) continue;
        const int64_t first = std::max(x0, x - r), last = std::min(x0 + nx, x + r + 1);
        for (int64_t j = std::max(y0, y - r); j < std::min(y0 + ny, y + r + 1); ++j) {
          const float* from = kernel.data() + (j - y + r) * n - (x - r);
          float* to = sum.data() + (j - y0) * nx - x0;
          for (int64_t i = first; i < last; ++i) to[i] += flux * from[i];
        }
      }
  } else {
    const Fft2 fft(py, px);
    const Plane plane = fft.plane();
    const Spectrum a = fft.spectrum(), b = fft.spectrum();
    deconvolve::put_centred(fft, View<const float, 2>(kernel.data(), {n, n}), r, r, plane);
    fft.forward(plane, a);
    std::fill_n(plane.data(), fft.plane_size(), 0.0f);
    for (int64_t y = ya; y < yb; ++y)
      for (int64_t x = xa; x < xb; ++x) {
        const float flux = model(y, x);
        if (std::isfinite(flux)) plane[(y - y0 + r) * fft.nx() + x - x0 + r] = flux;
      }
    fft.forward(plane, b);
    const float norm = 1.0f / static_cast<float>(fft.plane_size());
    for (int64_t i = 0; i < fft.spectrum_size(); ++i) {
      const float re = a[i].real() * b[i].real() - a[i].imag() * b[i].imag();
      const float im = a[i].real() * b[i].imag() + a[i].imag() * b[i].real();
      a[i] = {re * norm, im * norm};
    }
    fft.inverse(a, plane);
    for (int64_t y = 0; y < ny; ++y)
      std::copy_n(plane.data() + (y + r) * fft.nx() + r, nx, sum.data() + y * nx);
  }
  for (int64_t y = 0; y < ny; ++y)
    for (int64_t x = 0; x < nx; ++x)
      out(y0 + y, x0 + x) = residual(y0 + y, x0 + x) + sum[static_cast<size_t>(y * nx + x)];
}

void restore(View<const float, 2> model, View<const float, 2> residual, const Beam& beam,
             View<float, 2> out) {
  const int64_t ny = out.extent(0), nx = out.extent(1);
  for (int64_t y = 0; y < ny; y += kTile)
    for (int64_t x = 0; x < nx; x += kTile)
      restore_tile(model, residual, beam, y, x, std::min(kTile, ny - y), std::min(kTile, nx - x), out);
}

}  // namespace fringeflow::restore
