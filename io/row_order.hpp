// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Where the rows of a table lie in the arrays of a chunk.
#include <cstdint>

#include "io/view.hpp"

namespace fringeflow::io {

/// Tables are in the order of time, [block][time][baseline]; a chunk of grouped rows has [block][baseline][time], so many of each in a
/// block. One of each: as in the table.
struct RowOrder {
  int64_t baselines = 1, times = 1;
  /// Of the `at`-th row of the table.
  FF_HD int64_t place(int64_t at) const {
    const int64_t in_block = at % (baselines * times);
    return at - in_block + in_block % baselines * times + in_block / baselines;
  }
};

}  // namespace fringeflow::io
