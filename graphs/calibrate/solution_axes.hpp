// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What both calibrators ask of data and know of the axes of their solutions.
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "codelets/calibrate/calibrate.hpp"
#include "io/correlations.hpp"
#include "io/h5parm.hpp"

namespace fringeflow::graphs {

/// Throws UserError for data that have no gains of one kind: correlations other than parallel hands or all four in order, or not the same
/// in all windows; a window with two polarisation setups.
/// @param all_four full-Jones gains are asked for
void check_correlations(const io::CorrelationSource& source, std::span<const io::IntervalRows> intervals,
                        bool all_four);

/// Throws UserError, with `because`, where fields have several phase centres.
void check_one_centre(const io::CorrelationSource& source, std::span<const io::IntervalRows> intervals,
                      const std::string& because);

/// Middle of the channels of each block of a window.
std::vector<double> block_frequencies(const calibrate::Shape& shape, std::span<const double> freq_hz);

/// Blocks of all windows on one axis, by frequency.
class FrequencyAxis {
 public:
  void add(int window, std::span<const double> block_hz);
  /// After all have been added: places in the order of frequency, window and block.
  void arrange();
  const std::vector<double>& freq_hz() const { return freq_hz_; }
  int64_t place(int window, int64_t block) const { return place_.at({window, block}); }

 private:
  std::map<std::pair<int, int64_t>, int64_t> place_;
  std::vector<std::tuple<double, int, int64_t>> blocks_;
  std::vector<double> freq_hz_;
};

/// Gains of 1 that are all flagged. @param shape of any interval   @param window of that interval
io::GainTable empty_table(const io::CorrelationSource& source, const FrequencyAxis& axis,
                          const calibrate::Shape& shape, int window, const Direction& centre);

/// Says which antennas have a solution less than half of the time.
void report_antennas(const io::GainTable& table);

}  // namespace fringeflow::graphs
