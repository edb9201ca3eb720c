// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/selfcal/trusted_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace fringeflow::graphs {
namespace {

/// In units of the beam's.
constexpr double kLeastMoment = 0.06, kMomentOfNoise = 20, kMostMoment = 0.4;
/// In pixels^2: that of a point half-way between two pixels.
constexpr double kPixelMoment = 0.25;
/// Of the flux in the beam: sidelobes that were cleaned.
constexpr double kMostAround = 0.1;
/// Of the peak: hills that are joined higher up are parts of something extended.
constexpr double kDeepestSaddle = 0.5;

struct Pixel {
  double x = 0, y = 0, flux = 0;
};

/// Components of one hill, its brightest restored pixel, and the highest pixel of its border to another hill.
struct Hill {
  std::vector<Pixel> pixels;
  double peak = 0, saddle = 0;
};

/// Components by the summit that the steepest ascent from their pixel ends at, in the order of the summits' pixels.
std::map<int64_t, Hill> hills_of(const io::FitsImage<float>& model, const io::FitsImage<float>& restored,
                                 double least) {
  const int64_t nx = model.header.grid.nx, ny = model.header.grid.ny;
  const auto height = [&](int64_t i) { return static_cast<double>(restored.pixels[static_cast<size_t>(i)]); };
  const auto neighbours = [&](int64_t at, auto&& visit) {
    for (int64_t j = std::max<int64_t>(at / nx - 1, 0); j <= std::min(at / nx + 1, ny - 1); ++j)
      for (int64_t i = std::max<int64_t>(at % nx - 1, 0); i <= std::min(at % nx + 1, nx - 1); ++i)
        visit(j * nx + i);
  };
  std::vector<int64_t> summit(static_cast<size_t>(nx * ny), -1), path;
  std::map<int64_t, Hill> hills;
  for (int64_t start = 0; start < nx * ny; ++start) {
    if (!(height(start) >= least)) continue;
    path.clear();
    int64_t at = start;
    while (summit[static_cast<size_t>(at)] < 0) {
      path.push_back(at);
      int64_t best = at;
      neighbours(at, [&](int64_t next) {
        if (height(next) > height(best)) best = next;
      });
      if (best == at) {
        hills[at].peak = height(at);
        summit[static_cast<size_t>(at)] = at;
      }
      at = best;
    }
    for (const int64_t pixel : path) summit[static_cast<size_t>(pixel)] = summit[static_cast<size_t>(at)];
  }
  for (int64_t i = 0; i < nx * ny; ++i) {
    const int64_t top = summit[static_cast<size_t>(i)];
    if (top < 0) continue;
    Hill& hill = hills[top];
    neighbours(i, [&](int64_t next) {
      const int64_t other = summit[static_cast<size_t>(next)];
      if (other >= 0 && other != top) hill.saddle = std::max(hill.saddle, std::min(height(i), height(next)));
    });
    const auto flux = static_cast<double>(model.pixels[static_cast<size_t>(i)]);
    if (std::isfinite(flux) && flux != 0)
      hill.pixels.push_back({static_cast<double>(i % nx), static_cast<double>(i / nx), flux});
  }
  return hills;
}

/// Largest second moment of components in pixels^2 about their centroid, which is set; infinite without a positive flux.
double extent_of(const std::vector<Pixel>& pixels, Pixel& centroid) {
  centroid = {};
  for (const auto& p : pixels) {
    centroid.x += p.flux * p.x;
    centroid.y += p.flux * p.y;
    centroid.flux += p.flux;
  }
  if (!(centroid.flux > 0)) return INFINITY;
  centroid.x /= centroid.flux;
  centroid.y /= centroid.flux;
  double xx = 0, xy = 0, yy = 0;
  for (const auto& p : pixels) {
    const double dx = p.x - centroid.x, dy = p.y - centroid.y;
    xx += p.flux * dx * dx / centroid.flux;
    xy += p.flux * dx * dy / centroid.flux;
    yy += p.flux * dy * dy / centroid.flux;
  }
  return (xx + yy) / 2 + std::hypot((xx - yy) / 2, xy);
}

/// One point in place of a hill's components within a beam of its summit, when they are not told from it and what lies farther out is
/// little.
bool is_point(const Hill& hill, double x, double y, double beam_pixels, double noise, Pixel& point) {
  if (hill.saddle > kDeepestSaddle * hill.peak) return false;
  std::vector<Pixel> near;
  double far = 0;
  for (const auto& pixel : hill.pixels)
    if (std::hypot(pixel.x - x, pixel.y - y) <= beam_pixels)
      near.push_back(pixel);
    else
      far += std::abs(pixel.flux);
  const double sigma = beam_pixels / std::sqrt(8 * std::log(2.));
  const double most =
      std::max(kPixelMoment,
               std::clamp(kMomentOfNoise * noise / hill.peak, kLeastMoment, kMostMoment) * sigma * sigma);
  return extent_of(near, point) < most && far < kMostAround * point.flux;
}

}  // namespace

std::vector<io::SkyComponent> trusted_components(const io::FitsImage<float>& model,
                                                 const io::FitsImage<float>& restored, double least,
                                                 double noise) {
  const auto& grid = model.header.grid;
  const double beam = restored.header.beam ? restored.header.beam->minor_rad / grid.cell_rad : 0;
  std::vector<io::SkyComponent> list;
  const auto add = [&](const Pixel& pixel) {
    const auto direction = grid.direction_at(pixel.x, pixel.y);
    if (!direction) return;
    io::SkyComponent one;
    one.name = fmt::format("s{}", list.size());
    one.ra_rad = direction->ra_rad;
    one.dec_rad = direction->dec_rad;
    one.stokes_jy[0] = pixel.flux;
    list.push_back(std::move(one));
  };
  for (const auto& [top, hill] : hills_of(model, restored, least)) {
    Pixel point;
    if (is_point(hill, static_cast<double>(top % grid.nx), static_cast<double>(top / grid.nx), beam, noise,
                 point))
      add(point);
    else
      for (const auto& pixel : hill.pixels) add(pixel);
  }
  return list;
}

}  // namespace fringeflow::graphs
