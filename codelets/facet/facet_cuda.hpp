// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// facet on the device: a thread a visibility or a pixel. The functors run on the host too.
#include <limits>

#include "codelets/common/cuda_gains.hpp"
#include "codelets/facet/facet.hpp"

namespace fringeflow::facet {

/// G of sample i of [row][channel].
struct SeenThrough {
  cuda::GainTables gains;
  const RowKey* rows = nullptr;        ///< [row]
  const int32_t* frequency = nullptr;  ///< [channel]
  int64_t channels = 1;

  FF_HD cuda::Complex operator()(int64_t i) const {
    const RowKey key = rows[i / channels];
    const int32_t f = frequency[i % channels];
    const cuda::Complex *p = gains.jones(gains.index(key.time, f, key.antenna1)),
                        *q = gains.jones(gains.index(key.time, f, key.antenna2));
    return 0.5 * (p[0] * cuda::conj(q[0]) + p[3] * cuda::conj(q[3]));
  }
};

/// out = in / G; 0 where |G| < 1e-6.
struct DivideSample {
  SeenThrough seen;
  const cuda::Visibility* in;
  cuda::Visibility* out;
  FF_HD void operator()(int64_t i) const {
    const cuda::Complex g = seen(i);
    const double size = cuda::norm(g);
    if (size < 1e-12) {
      out[i] = {0, 0};
      return;
    }
    const cuda::Complex x = in[i].wide() * cuda::conj(g);
    out[i] = cuda::Visibility::of({x.re / size, x.im / size});
  }
};

/// out = G · in, or out += G · in.
struct MultiplySample {
  SeenThrough seen;
  const cuda::Visibility* in;
  bool add;
  cuda::Visibility* out;
  FF_HD void operator()(int64_t i) const {
    const auto x = cuda::Visibility::of(seen(i) * in[i].wide());
    out[i] = add ? cuda::Visibility{out[i].re + x.re, out[i].im + x.im} : x;
  }
};

/// Pixel i of an image before the first direction: 0, NaN where no direction is.
struct StartPixel {
  const int32_t* map;
  float* image;
  FF_HD void operator()(int64_t i) const { image[i] = map[i] < 0 ? NAN : 0.F; }
};

/// Pixel i of a strip, into the image where it belongs to the direction.
struct StitchPixel {
  StitchArgs::Strip strip;
  const float* pixels;
  const int32_t* map;
  int32_t direction;
  View<float, 2> image;
  FF_HD void operator()(int64_t i) const {
    const int64_t y = strip.y_begin + i / strip.nx, x = strip.x_begin + i % strip.nx;
    if (y < 0 || x < 0 || y >= image.extent(0) || x >= image.extent(1)) return;
    if (map[y * image.extent(1) + x] == direction) image(y, x) = pixels[i];
  }
};

/// Pixel i of a model image, 0 where it belongs to another direction.
struct CutPixel {
  const int32_t* map;
  int32_t direction;
  const float* image;
  float* out;
  FF_HD void operator()(int64_t i) const { out[i] = map[i] == direction ? image[i] : 0.F; }
};

/// divide_cpu in device memory, on the stream. @param in, out [row][channel]
void divide_cuda(cuda::Stream stream, const ChunkGains& gains, const cuda::Visibility* in,
                 cuda::Visibility* out);
/// multiply_cpu in device memory, on the stream.
void multiply_cuda(cuda::Stream stream, const ChunkGains& gains, const cuda::Visibility* in, bool add,
                   cuda::Visibility* out);
/// The codelet stitch. @param strips [strip] pointers into the device's memory
void stitch_cuda(cuda::Stream stream, const StitchArgs& args, std::span<const float* const> strips,
                 float* image);
/// The codelet cut.
void cut_cuda(cuda::Stream stream, const CutArgs& args, const float* image, float* out);

}  // namespace fringeflow::facet
