// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// facet: what a facet of the sky with gains of its own needs. Stokes I of an unpolarised source is seen through
/// G_pq = (g_p,x g_q,x* + g_p,y g_q,y*) / 2 of its direction: visibilities are divided by it before that facet is gridded, and what is
/// degridded from it is multiplied by it.
#include <complex>
#include <memory>
#include <vector>

#include "codelets/read/chunk.hpp"
#include "io/gain_lookup.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::facet {

/// Which gains belong to a row.
struct RowKey {
  int32_t time = 0, antenna1 = 0, antenna2 = 0;
};

/// Gains of one direction as the rows of a chunk need them.
struct ChunkGains {
  std::shared_ptr<const io::GainLookup> gains;
  std::shared_ptr<const std::vector<RowKey>> rows;  ///< [row]
  std::shared_ptr<const std::vector<int32_t>>
      channels;  ///< [channel] index on the axis of frequencies of the gains
};

/// out = in / G; 0 where |G| < 1e-6. @param in,out [row][channel], Jy
void divide_cpu(const ChunkGains& gains, View<const std::complex<float>, 2> in,
                View<std::complex<float>, 2> out);
/// out = G · in, or out += G · in.
void multiply_cpu(const ChunkGains& gains, View<const std::complex<float>, 2> in, bool add,
                  View<std::complex<float>, 2> out);
/// Copies those pixels [y][x] into the image at (y_begin, x_begin) that belong to a direction; parts outside the image are left out.
/// @param map [ny][nx] of the image: the direction of every pixel
void stitch_cpu(View<const float, 2> pixels, int64_t y_begin, int64_t x_begin, View<const int32_t, 2> map,
                int32_t direction, View<float, 2> image);

/// Buffers: out [row][channel] (write), in [row][channel] (read): residual visibilities, or a chunk, whose visibilities are taken.
struct DivideArgs {
  ChunkLayout layout;
  ChunkGains gains;
  bool from_chunk = false;
};
const runtime::CodeletDef& divide_codelet();

/// Buffers: out [row][channel] (write when `first`, else read-write), in (read).
struct MultiplyArgs {
  ChunkLayout layout;
  ChunkGains gains;
  bool first = false;
};
const runtime::CodeletDef& multiply_codelet();

/// Buffers: image [ny][nx] (write when `first`, which makes the rest 0, and NaN where no direction is, else read-write), then the strips (read).
struct StitchArgs {
  int64_t nx = 0, ny = 0;
  struct Strip {
    int64_t y_begin, x_begin, ny, nx;
  };
  std::vector<Strip> strips;
  std::shared_ptr<const std::vector<int32_t>> map;
  int32_t direction = 0;
  bool first = false;
};
const runtime::CodeletDef& stitch_codelet();

/// Buffers: out [ny][nx] (write), image (read). The image where it belongs to a direction, 0 elsewhere.
struct CutArgs {
  std::shared_ptr<const std::vector<int32_t>> map;
  int32_t direction = 0;
};
const runtime::CodeletDef& cut_codelet();

}  // namespace fringeflow::facet
