// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A small canvas that becomes a PNG: dots, lines, rectangles and short texts.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/atomic_file.hpp"

namespace fringeflow::io {

struct Rgba {
  uint8_t r = 0, g = 0, b = 0, a = 0;
};

struct Canvas {
  Canvas(int64_t width, int64_t height, Rgba background)
      : nx(width), ny(height), pixels(static_cast<size_t>(width * height), background) {}

  int64_t nx = 0, ny = 0;
  std::vector<Rgba> pixels;  ///< [ny][nx], row 0 on top

  void set(int64_t x, int64_t y, Rgba colour) {
    if (x >= 0 && x < nx && y >= 0 && y < ny) pixels[static_cast<size_t>(y * nx + x)] = colour;
  }
};

/// Letters of 5 x 7 dots, 6 apart, times `size`; capitals stand for small letters that it has not.
void draw_text(Canvas& canvas, int64_t x, int64_t y, std::string_view text, int64_t size, Rgba colour);

/// Writes the canvas, whole or not at all. Throws RunError naming the path.
void write_png(const std::string& path, const Canvas& canvas, Products* products = nullptr);

}  // namespace fringeflow::io
