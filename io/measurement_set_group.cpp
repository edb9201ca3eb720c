// SPDX-License-Identifier: GPL-3.0-or-later
// Chunks whose rows are in groups of consecutive integrations of a baseline. Tables are in the order of time, most of them with the
// same rows for every integration; a chunk takes some baselines of a block of integrations.
#include <algorithm>

#include "io/measurement_set_impl.hpp"

namespace fringeflow::io {

using detail::RowRanges;
using detail::translated;

namespace {

/// Rows of a block at most: all of a block's rows are looked at together.
constexpr int64_t kMostBlockRows = int64_t{1} << 20;
/// Fewer integrations are not worth a group.
constexpr int64_t kLeastTimes = 4;

void append(RowRanges& ranges, int64_t begin, int64_t end, int64_t gap = 0) {
  if (!ranges.empty() && begin - ranges.back().second <= gap)
    ranges.back().second = end;
  else
    ranges.emplace_back(begin, end);
}

/// Cuts the rows of a table into chunks, block after block.
class Grouping {
 public:
  /// @param like what all chunks have in common; @param counts true for the rows of the table that are selected
  Grouping(ChunkSpec like, int64_t rows, int64_t integration_rows, int64_t times, int64_t target,
           const std::function<bool(int64_t)>& counts)
      : like_(std::move(like)), target_(target) {
    const int64_t step = integration_rows * times;
    for (int64_t begin = 0; begin < rows; begin += step) {
      const int64_t end = std::min(begin + step, rows), whole = (end - begin) / integration_rows;
      const int64_t grouped = whole >= kLeastTimes ? begin + whole * integration_rows : begin;
      bool regular = grouped > begin;
      std::vector<int64_t> offsets;  // of the selected rows of an integration
      for (int64_t i = 0; i < integration_rows && regular; ++i) {
        const bool first = counts(begin + i);
        if (first) offsets.push_back(i);
        for (int64_t row = begin + i + integration_rows; row < grouped; row += integration_rows)
          regular = regular && counts(row) == first;
      }
      if (regular) add_block(begin, integration_rows, whole, offsets);
      add_rows(regular ? grouped : begin, end, counts);
    }
    flush();
  }
  std::vector<ChunkSpec> take() { return std::move(chunks_); }

 private:
  void add_block(int64_t begin, int64_t integration_rows, int64_t times,
                 const std::vector<int64_t>& offsets) {
    const auto baselines = static_cast<int64_t>(offsets.size());
    if (baselines == 0) return;
    const int64_t most = std::max<int64_t>(target_ / (times * like_.channels), 1);
    for (int64_t first = 0; first < baselines;) {
      // Several whole blocks make a chunk if they are small; of a large one a chunk has some baselines.
      const int64_t count = baselines <= most ? baselines : std::min(most, baselines - first);
      if (open_.rows > 0 && (open_.order.times != times || open_.order.baselines != count ||
                             count < baselines || (open_.rows + count * times) * like_.channels > target_))
        flush();
      open_.order.times = times;
      open_.order.baselines = count;
      for (int64_t t = 0; t < times; ++t) {
        const int64_t at = begin + t * integration_rows;
        const auto from = static_cast<size_t>(first), last = static_cast<size_t>(first + count - 1);
        // A chunk of all baselines takes the unselected rows around them along, so that its ranges are one.
        append(open_.row_ranges, count == baselines ? at : at + offsets[from],
               count == baselines ? at + integration_rows : at + offsets[last] + 1);
      }
      open_.rows += count * times;
      first += count;
    }
  }

  /// Rows in the order of the table.
  void add_rows(int64_t begin, int64_t end, const std::function<bool(int64_t)>& counts) {
    const int64_t most = std::max<int64_t>(target_ / like_.channels, 1);
    if (begin < end) flush();
    for (int64_t row = begin; row < end; ++row) {
      if (!counts(row)) continue;
      append(open_.row_ranges, row, row + 1, detail::kGap);
      if (++open_.rows >= most) flush();
    }
    flush_ungrouped();
  }

  void flush_ungrouped() {
    if (open_.order.times == 1) flush();
  }

  void flush() {
    if (open_.rows > 0) {
      ChunkSpec chunk = like_;
      chunk.rows = open_.rows;
      chunk.order = open_.order;
      chunk.stored_rows = detail::count_rows(open_.row_ranges);
      chunk.row_ranges = std::move(open_.row_ranges);
      chunks_.push_back(std::move(chunk));
    }
    open_ = {};
  }

  ChunkSpec like_, open_;
  int64_t target_;
  std::vector<ChunkSpec> chunks_;
};

}  // namespace

std::vector<ChunkSpec> group_rows(const ChunkSpec& like, int64_t rows, int64_t integration_rows,
                                  int64_t times, int64_t target_visibilities,
                                  const std::function<bool(int64_t)>& counts) {
  times = std::min(times, kMostBlockRows / integration_rows);
  if (times < kLeastTimes) return {};
  return Grouping(like, rows, integration_rows, times, std::max<int64_t>(target_visibilities, 1), counts)
      .take();
}

int64_t MeasurementSet::Impl::integration_rows() const {
  const auto at = [&](int64_t row) {
    return translated(name() + ": column TIME", [&] { return time(static_cast<casacore::rownr_t>(row)); });
  };
  const double first = at(0);
  int64_t same = 0, other = 1;  // rows of the first integration, as far as is known
  while (other < info.rows && at(other) == first) {
    same = other;
    other *= 2;
  }
  other = std::min(other, info.rows);
  while (other - same > 1) {
    const int64_t middle = (same + other) / 2;
    (at(middle) == first ? same : other) = middle;
  }
  return other;
}

std::vector<ChunkSpec> MeasurementSet::group_times(int64_t times, int64_t target_visibilities) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  if (m.declared && !m.declared->averaged.empty()) return {};
  if (!m.declared && (!m.scanned || m.info.windows.size() != 1 || m.sub.data_descriptions.size() != 1))
    return {};
  const int64_t integration = m.declared ? m.declared->baselines() : m.integration_rows();
  const auto& window = m.info.windows.front();
  ChunkSpec like;
  like.data_desc_id = window.data_desc_id;
  like.channels = static_cast<int64_t>(window.freq_hz.size());
  like.phase_centre = m.info.phase_centre;
  const auto counts = [&](int64_t row) { return m.declared || m.row_counts[static_cast<size_t>(row)]; };
  auto chunks = group_rows(like, m.info.rows, integration, times, target_visibilities, counts);
  if (m.declared) return chunks;
  // Chunks of some baselines of the same integrations share a tile for each of these.
  const bool shared = std::any_of(chunks.begin(), chunks.end(), [](const ChunkSpec& c) {
    return c.order.times > 1 && c.row_ranges.size() > 1;
  });
  if (shared) {
    constexpr int64_t kMostCache = 64 << 20;
    m.bound_caches(std::min((times + 4) * m.tiling.tile_bytes, kMostCache));
  }
  return chunks;
}

}  // namespace fringeflow::io
