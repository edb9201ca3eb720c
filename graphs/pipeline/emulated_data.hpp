// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// An emulated observation as a source of data for calibration and imaging: the rows that a MeasurementSet would have, whole times in
/// each piece, without autocorrelations.
#include <memory>
#include <string>
#include <vector>

#include "graphs/simulate/emulator.hpp"
#include "io/correlations.hpp"
#include "io/measurement_set.hpp"

namespace fringeflow::graphs {

class EmulatedData final : public io::VisibilitySource, public io::CorrelationSource {
 public:
  /// Consecutive times.
  struct Block {
    int64_t time = 0, times = 0;
    int64_t interval = 0;   ///< of solutions
    size_t chunk = 0;       ///< that images it, once assigned
    int64_t chunk_row = 0;  ///< where it begins there
  };

  /// @param keep_groups blocks end where groups of times do that gridding compresses, so that chunks of groups have whole blocks
  EmulatedData(std::shared_ptr<const Emulator> emulator, const std::string& name, bool keep_groups = false);

  const io::MeasurementSetInfo& info() const override { return info_; }
  const std::vector<int>& correlations(int window) const override;
  /// Blocks become those of these intervals.
  std::vector<io::IntervalRows> divide(double interval_s, int64_t target_visibilities) override;
  const std::vector<double>& interval_times_s() const override { return interval_times_s_; }
  const std::vector<std::pair<double, double>>& interval_bounds_s() const override { return bounds_s_; }
  void read_uvw(const io::ChunkSpec& chunk, View<double, 2> uvw_m) override;

  /// Chunks of whole blocks; after divide(). No other centre than the data's.
  std::vector<io::ChunkSpec> scan(
      int64_t target_visibilities, const std::optional<Direction>& centre,
      const std::function<void(const io::ChunkSpec&, View<const double, 2>)>& visit) override;
  void read_uvw(const io::ChunkSpec& chunk, const std::optional<Direction>& centre,
                View<double, 2> uvw_m) override;
  std::vector<io::ChunkSpec> group_times(int64_t times, int64_t target_visibilities) override;
  int64_t grouped_target(int64_t times, int64_t target_visibilities) const override;
  /// Tells the blocks which of the chunks images them; a chunk has whole blocks.
  void assign(const std::vector<io::ChunkSpec>& chunks);

  /// UVW of all baselines of times, [time and baseline][3].
  void uvw(int64_t time, int64_t times, View<double, 2> uvw_m) const;
  const std::vector<Block>& blocks() const { return blocks_; }
  /// The block that a piece of divide() is.
  size_t block_of(const io::ChunkSpec& piece) const;
  int64_t longest_block() const;

 private:
  io::ChunkSpec spec(int64_t time, int64_t times) const;
  int64_t chunk_visibilities(int64_t target) const;
  int64_t baselines() const { return emulator_->geometry().baselines(); }
  int64_t channels() const { return static_cast<int64_t>(emulator_->set().freq_hz.size()); }

  std::shared_ptr<const Emulator> emulator_;
  bool keep_groups_;
  io::MeasurementSetInfo info_;
  std::vector<double> antenna_uvw_m_;  ///< [time][antenna][3]
  std::vector<Block> blocks_;
  std::vector<size_t> block_of_time_;
  std::vector<double> interval_times_s_;
  std::vector<std::pair<double, double>> bounds_s_;
};

}  // namespace fringeflow::graphs
