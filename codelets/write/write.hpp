// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// write: an image as FITS; preview: as PNG. Blocking, on I/O workers. The files appear with all others of the run.
#include <memory>

#include "io/fits_image.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow {

/// Buffers: image [ny][nx] (read), sums of weights (read), [beam block (read)].
struct WriteArgs {
  std::string path;
  io::FitsHeader header;
  std::vector<int64_t> sum_index;  ///< sums that make up WSCIMGWG
  bool with_beam = false;
  std::shared_ptr<io::Products> products;
};
const runtime::CodeletDef& write_codelet();

/// Buffers: image [ny][nx] (read).
struct PreviewArgs {
  std::string path;
  int64_t nx = 0, ny = 0;
  std::shared_ptr<io::Products> products;
};
const runtime::CodeletDef& preview_codelet();

}  // namespace fringeflow
