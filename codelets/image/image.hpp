// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// image: small operations on whole images: assembling facets, combining output channels.
#include <memory>
#include <span>
#include <vector>

#include "io/view.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::image {

/// Copies or adds a rectangle of pixels [y][x] into the image at (y_begin, x_begin); parts outside the image are left out.
void paste_cpu(View<const float, 2> pixels, int64_t y_begin, int64_t x_begin, View<float, 2> image,
               bool add = false);

/// out = sum_i weight_i image_i / sum_i weight_i over images of positive weight; NaN where any of them is; all weights zero: NaN.
void combine_cpu(std::span<const View<const float, 2>> images, std::span<const double> weights,
                 View<float, 2> out);

/// Buffers: image [ny][nx] (write for the first facet of all, else read-write), then the strips (read).
struct AssembleArgs {
  int64_t nx = 0, ny = 0;  ///< of the image
  struct Strip {
    int64_t y_begin, x_begin, ny, nx;
  };
  std::vector<Strip> strips;
  bool add = false;  ///< to the image's pixels
};
const runtime::CodeletDef& assemble_codelet();

/// Buffers: out (write), sums of weights double[] (read), then images (read).
struct CombineArgs {
  int64_t nx = 0, ny = 0;
  std::vector<int64_t> sum_index;  ///< of each image
};
const runtime::CodeletDef& combine_codelet();

/// Buffers: image (write). Fills with zero.
struct ZeroArgs {
  int64_t bytes = 0;
};
const runtime::CodeletDef& zero_codelet();

/// Buffers: image (write). Fills with the given pixels (NaN becomes zero), else with zero, or with NaN when `blank`.
struct FillArgs {
  std::shared_ptr<const std::vector<float>> pixels;
  int64_t bytes = 0;
  bool blank = false;
};
const runtime::CodeletDef& fill_codelet();

}  // namespace fringeflow::image
