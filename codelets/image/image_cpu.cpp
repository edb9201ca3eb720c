// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <functional>
#include <limits>

#include "codelets/image/image.hpp"

namespace fringeflow::image {

void paste_cpu(View<const float, 2> pixels, int64_t y_begin, int64_t x_begin, View<float, 2> image,
               bool add) {
  const int64_t x0 = std::max<int64_t>(0, -x_begin),
                x1 = std::min(pixels.extent(1), image.extent(1) - x_begin);
  for (int64_t y = 0; y < pixels.extent(0); ++y) {
    const int64_t row = y_begin + y;
    if (row < 0 || row >= image.extent(0) || x1 <= x0) continue;
    const float* from = &pixels(y, x0);
    float* to = &image(row, x_begin + x0);
    if (add)
      std::transform(from, from + (x1 - x0), to, to, std::plus<>());
    else
      std::copy_n(from, x1 - x0, to);
  }
}

void combine_cpu(std::span<const View<const float, 2>> images, std::span<const double> weights,
                 View<float, 2> out) {
  double total = 0;
  for (const double weight : weights) total += weight;
  for (int64_t i = 0; i < out.size(); ++i) {
    double sum = 0;
    for (size_t k = 0; k < images.size(); ++k)
      if (weights[k] > 0) sum += weights[k] * static_cast<double>(images[k].data()[i]);
    out.data()[i] = total > 0 ? static_cast<float>(sum / total) : std::numeric_limits<float>::quiet_NaN();
  }
}

}  // namespace fringeflow::image
