// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// assemble, combine, zero and fill on the device.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "codelets/common/cuda_worker.hpp"

namespace fringeflow::image {

/// Pixel i of paste: the part of a strip that lies inside the image, row by row.
struct PastePixel {
  View<const float, 2> pixels;
  View<float, 2> image;
  int64_t y_begin, x_begin;  ///< of the strip in the image
  int64_t y0, x0;            ///< first row and column of the strip inside the image
  int64_t ny, nx;            ///< extent of what lies inside
  bool add;                  ///< to the image's pixels

  PastePixel(View<const float, 2> strip, int64_t y, int64_t x, View<float, 2> to, bool adding)
      : pixels(strip),
        image(to),
        y_begin(y),
        x_begin(x),
        y0(std::max<int64_t>(0, -y)),
        x0(std::max<int64_t>(0, -x)),
        ny(std::max<int64_t>(0, std::min(strip.extent(0), to.extent(0) - y) - y0)),
        nx(std::max<int64_t>(0, std::min(strip.extent(1), to.extent(1) - x) - x0)),
        add(adding) {}
  int64_t count() const { return ny * nx; }
  FF_HD void operator()(int64_t i) const {
    const int64_t y = y0 + i / nx, x = x0 + i % nx;
    float& to = image(y_begin + y, x_begin + x);
    to = add ? to + pixels(y, x) : pixels(y, x);
  }
};

/// Pixel i of combine. Sums of weights stay on the device.
struct CombinePixel {
  const float* const* images;  ///< [channels]
  const int64_t* sum_index;    ///< [channels]
  const double* sums;
  float* out;
  int channels;

  FF_HD void operator()(int64_t i) const {
    double total = 0, sum = 0;
    for (int c = 0; c < channels; ++c) {
      const double weight = sums[sum_index[c]];
      total += weight;
      if (weight > 0) sum += weight * static_cast<double>(images[c][i]);
    }
    out[i] = total > 0 ? static_cast<float>(sum / total) : nanf("");
  }
};

/// Pixel i of what fill starts from: NaN and infinity become zero.
struct FinitePixel {
  float* pixels;
  FF_HD void operator()(int64_t i) const {
    if (!(fabsf(pixels[i]) <= 3.402823466e38f)) pixels[i] = 0;
  }
};

struct BlankPixel {
  float* pixels;
  FF_HD void operator()(int64_t i) const { pixels[i] = nanf(""); }
};

/// Pointers are to device memory unless they say host. All of these only queue work on the stream.
void paste_cuda(cuda::Stream stream, View<const float, 2> pixels, int64_t y_begin, int64_t x_begin,
                View<float, 2> image, bool add = false);
/// @param host_images, host_sum_index [channels] device pointers and indices in the host's memory
void combine_cuda(cuda::Stream stream, std::span<const float* const> host_images,
                  std::span<const int64_t> host_sum_index, const double* sums, float* out, int64_t pixels);
void blank_cuda(cuda::Stream stream, float* pixels, int64_t count);
/// Copies pixels from the host; not finite ones become zero. The copy from pageable memory is not
/// asynchronous.
void fill_cuda(cuda::Stream stream, const float* host_pixels, float* pixels, int64_t count);

}  // namespace fringeflow::image
