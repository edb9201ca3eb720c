// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Previews of images as PNG: north up, east to the left, a colour map of even steps in lightness, and a
/// labelled bar.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "io/atomic_file.hpp"
#include "io/view.hpp"

namespace fringeflow::io {

enum class Stretch {
  asinh,       ///< linear in the noise, logarithmic above: sources and noise are both seen
  percentile,  ///< linear between two percentiles
};

struct PreviewOptions {
  Stretch stretch = Stretch::asinh;
  double low_percentile = 0.1, high_percentile = 99.9;  ///< for Stretch::percentile
  int64_t max_size = 1024;                              ///< larger images are averaged down by a whole factor
  bool colour_bar = true;
  std::string unit = "Jy/beam";  ///< in the label above the bar
};

/// Red, green, blue of the colour map at t in [0, 1] (clamped): from near black over violet and orange to
/// pale yellow.
std::array<uint8_t, 3> colour_at(double t);

/// How values become positions in the colour map.
struct ColourScale {
  Stretch stretch = Stretch::asinh;
  double low = 0, high = 1, softening = 1;

  double position_of(double value) const;  ///< 0 at low, 1 at high
  double value_at(double position) const;  ///< the inverse
};

/// Chooses the scale from the finite pixels (a blank image gets 0 to 1).
ColourScale choose_scale(View<const float, 2> pixels, const PreviewOptions& options = {});

/// Writes a preview, whole or not at all. Blank pixels (NaN) are transparent.
/// @param pixels  [ny][nx], row 0 is the southernmost
/// Throws RunError naming the path.
void write_png_preview(const std::string& path, View<const float, 2> pixels,
                       const PreviewOptions& options = {}, Products* products = nullptr);

}  // namespace fringeflow::io
