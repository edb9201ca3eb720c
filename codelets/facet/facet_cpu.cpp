// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/facet/facet.hpp"

#include <algorithm>

namespace fringeflow::facet {
namespace {

using Complex = std::complex<double>;

Complex seen_through(const ChunkGains& gains, const RowKey& key, size_t channel) {
  const int32_t f = (*gains.channels)[channel];
  const Complex *p = gains.gains->jones(key.time, f, key.antenna1),
                *q = gains.gains->jones(key.time, f, key.antenna2);
  return (p[0] * std::conj(q[0]) + p[3] * std::conj(q[3])) / 2.;
}

}  // namespace

void divide_cpu(const ChunkGains& gains, View<const std::complex<float>, 2> in,
                View<std::complex<float>, 2> out) {
  constexpr double kNone = 1e-6;
  for (int64_t row = 0; row < in.extent(0); ++row)
    for (int64_t channel = 0; channel < in.extent(1); ++channel) {
      const Complex g =
          seen_through(gains, (*gains.rows)[static_cast<size_t>(row)], static_cast<size_t>(channel));
      out(row, channel) = std::norm(g) < kNone * kNone
                              ? std::complex<float>(0)
                              : std::complex<float>(Complex(in(row, channel)) * std::conj(g) / std::norm(g));
    }
}

void multiply_cpu(const ChunkGains& gains, View<const std::complex<float>, 2> in, bool add,
                  View<std::complex<float>, 2> out) {
  for (int64_t row = 0; row < in.extent(0); ++row)
    for (int64_t channel = 0; channel < in.extent(1); ++channel) {
      const auto seen = std::complex<float>(
          seen_through(gains, (*gains.rows)[static_cast<size_t>(row)], static_cast<size_t>(channel)) *
          Complex(in(row, channel)));
      out(row, channel) = add ? out(row, channel) + seen : seen;
    }
}

void stitch_cpu(View<const float, 2> pixels, int64_t y_begin, int64_t x_begin, View<const int32_t, 2> map,
                int32_t direction, View<float, 2> image) {
  for (int64_t y = std::max<int64_t>(0, -y_begin); y < std::min(pixels.extent(0), image.extent(0) - y_begin);
       ++y)
    for (int64_t x = std::max<int64_t>(0, -x_begin);
         x < std::min(pixels.extent(1), image.extent(1) - x_begin); ++x)
      if (map(y_begin + y, x_begin + x) == direction) image(y_begin + y, x_begin + x) = pixels(y, x);
}

}  // namespace fringeflow::facet
