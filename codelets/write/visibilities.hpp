// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Rows of MeasurementSets on their way in and out of the simulator and the predictor. Blocking, on an I/O worker, one at a time for
/// each set (the token).
#include <array>
#include <functional>
#include <memory>

#include "io/measurement_set.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow {

/// Buffers: uvw_m [row][3] (write), token (read-write).
struct UvwArgs {
  int64_t rows = 0;
  std::function<void(View<double, 2>)> fill;
};
const runtime::CodeletDef& uvw_codelet();

/// Buffers: vis [stokes][row][channel] or [row][channel][correlation] (read), uvw_m [row][columns] (read), of which the first three are
/// u, v and w, token (read-write).
struct WriteRowsArgs {
  int64_t rows = 0;
  std::array<int64_t, 3> extents{};  ///< of vis
  std::function<void(View<const double, 2>, View<const std::complex<float>, 3>)> write;
  int64_t columns = 3;
};
const runtime::CodeletDef& write_rows_codelet();

}  // namespace fringeflow
