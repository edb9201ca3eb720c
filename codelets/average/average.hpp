// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// average: rows of consecutive integrations become one. A value is the mean of its unflagged samples, and of all where all are
/// flagged; a row's UVW and time are the means over the integrations of which any sample is unflagged (all where none is). Rows of
/// averages are [bin][kRowColumns + channel]: u, v, w in metres, the time in integrations since the first, the number of integrations
/// that count, and the unflagged samples of every channel.
#include <complex>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "io/averaging.hpp"
#include "io/view.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::average {

inline constexpr int64_t kRowColumns = 5;

struct AverageArguments {
  std::span<const io::AveragedRow> bins;
  int64_t first_time = 0;  ///< of `vis`
  int64_t baselines = 0, channels = 0;
  View<const std::complex<float>, 3> vis;  ///< [plane][time and baseline][channel x correlation], Jy
  View<const double, 2> uvw_m;             ///< [time and baseline][3]
  const uint8_t* flag = nullptr;           ///< [time and baseline][channel], 0 or 1; null: nothing is flagged
  View<std::complex<float>, 3> mean_vis;   ///< out: [plane][bin][channel x correlation]
  View<double, 2> rows;                    ///< out: [bin][kRowColumns + channel]
};
void average_cpu(const AverageArguments& arguments);

/// Buffers: mean_vis (write), rows (write), vis (read), uvw_m (read), as above.
struct AverageArgs {
  std::shared_ptr<const std::vector<io::AveragedRow>> bins;
  int64_t first_time = 0, times = 0;
  int64_t baselines = 0, channels = 0, planes = 1, correlations = 1;  ///< correlations of a plane
  /// Flags of some times, [time and baseline][channel][repeat], alike for all of the last; none: nothing is flagged.
  std::function<void(int64_t time, int64_t times, uint8_t* flag)> flags;
  int64_t flag_repeat = 1;
};
const runtime::CodeletDef& average_codelet();

}  // namespace fringeflow::average
