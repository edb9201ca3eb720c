// SPDX-License-Identifier: GPL-3.0-or-later
// Reading a chunk: raw columns in blocks of whole tiles that fit the processor's caches, then Stokes
// parameters row by row.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "io/constants.hpp"
#include "io/gain_lookup.hpp"
#include "io/measurement_set_impl.hpp"

namespace fringeflow::io {

using detail::RowRanges;
using detail::translated;

namespace {

/// Raw data per block: small enough to stay cached between casacore's copy and ours, large enough to hide
/// casacore's overheads.
constexpr int64_t kBlockBytes = 2 << 20;

/// Splits ranges into blocks of at most `rows` rows, cut at multiples of `align` within a range where
/// possible.
std::vector<RowRanges> blocks_of(const RowRanges& ranges, int64_t rows, int64_t align) {
  std::vector<RowRanges> blocks(1);
  int64_t left = rows;
  for (auto [begin, end] : ranges) {
    while (begin < end) {
      int64_t stop = std::min(end, begin + left);
      if (stop < end && stop / align * align > begin) stop = stop / align * align;
      blocks.back().emplace_back(begin, stop);
      left -= stop - begin;
      begin = stop;
      if (left <= 0 || begin < end) {
        blocks.emplace_back();
        left = rows;
      }
    }
  }
  if (blocks.back().empty()) blocks.pop_back();
  return blocks;
}

/// What a selection by uv distance and another phase centre change in one row of finished Stokes
/// visibilities.
struct RowEdit {
  double uv2_min = 0, uv2_max = INFINITY;  ///< m^2
  double lambda2_min = 0, lambda2_max = INFINITY;
  bool limits = false;
};

RowEdit row_edit(const Selection& s) {
  RowEdit e;
  const auto square = [](double x) { return x > 0 ? x * x : 0; };
  if (s.uv_m.begin) e.uv2_min = square(*s.uv_m.begin);
  if (s.uv_m.end) e.uv2_max = square(*s.uv_m.end);
  if (s.uv_lambda.begin) e.lambda2_min = square(*s.uv_lambda.begin);
  if (s.uv_lambda.end) e.lambda2_max = square(*s.uv_lambda.end);
  e.limits = s.uv_m.begin || s.uv_m.end || s.uv_lambda.begin || s.uv_lambda.end;
  return e;
}

}  // namespace

std::shared_ptr<const GainLookup> MeasurementSet::lookup(const GainTable& table,
                                                         const std::string& what) const {
  const Impl& m = *impl_;
  std::vector<int> codes;
  for (const auto& d : m.sub.data_descriptions)
    if (d.window >= 0) codes = d.correlations;
  return std::make_shared<const GainLookup>(table, m.info.antennas, codes, what, m.info.path);
}

void MeasurementSet::correct_for(std::span<const std::shared_ptr<const GainTable>> gains) {
  impl_->gains.clear();
  for (const auto& table : gains) impl_->gains.push_back(lookup(*table, "the gains"));
}

ReadStatistics MeasurementSet::read(const ChunkSpec& chunk, const std::string& stokes,
                                    const std::optional<Direction>& centre, ChunkBuffers& out) {
  Impl& m = *impl_;
  // One reader at a time is with casacore; another may form Stokes parameters meanwhile.
  std::unique_lock lock(*m.mutex);
  if (m.declared) throw RunError(m.name() + " does not exist yet");
  const auto& window = m.info.windows.at(static_cast<size_t>(chunk.window));
  const auto& description = m.sub.data_descriptions[static_cast<size_t>(window.data_desc_id)];
  const auto rotations = m.rotations(centre);
  std::vector<StokesTerm> terms;
  for (char s : stokes) {
    const auto term = stokes_term(s, description.correlations);
    if (!term) {
      throw UserError(
          fmt::format("{}: Stokes {} cannot be formed from the correlations {} of spectral window {}",
                      m.name(), s, correlation_names(description.correlations), window.id));
    }
    terms.push_back(*term);
  }

  const int64_t correlations = window.correlations, channels = chunk.channels, cell = correlations * channels;
  const int64_t align = m.tiling.rows;
  const int64_t wanted = std::max<int64_t>(kBlockBytes / (cell * 8), 1);
  const int64_t block_rows = std::min(std::max(wanted / align * align, align), chunk.stored_rows);
  const size_t cells = static_cast<size_t>(block_rows * cell);
  std::unique_ptr<detail::RawBlock> block;
  if (m.raw_blocks.empty()) {
    block = std::make_unique<detail::RawBlock>();
  } else {
    block = std::move(m.raw_blocks.back());
    m.raw_blocks.pop_back();
  }
  auto& [rows, raw_data, raw_weight, raw_flag, raw_flag_size] = *block;
  if (raw_data.size() < cells) raw_data.resize(cells);
  const size_t weights = static_cast<size_t>(block_rows * (m.info.weight_spectrum ? cell : correlations));
  if (raw_weight.size() < weights) raw_weight.resize(weights);
  if (raw_flag_size < block_rows * cell) {
    raw_flag = std::make_unique<bool[]>(cells);
    raw_flag_size = block_rows * cell;
  }
  const casacore::IPosition cell_shape(2, correlations, channels);
  const bool all_channels = channels == description.channels;
  const casacore::Slicer channel_slicer(casacore::IPosition(2, 0, window.channel_begin), cell_shape);
  const casacore::Slicer* section = all_channels ? nullptr : &channel_slicer;
  const RowEdit edit = row_edit(m.selection);
  const bool corrects = !m.gains.empty();
  const auto needs =
      m.needs_of_read(corrects || out.antennas.data() != nullptr, corrects || out.time_s.data() != nullptr);
  std::vector<std::vector<int32_t>> gain_frequency;
  for (const auto& gain : m.gains) gain_frequency.push_back(gain->frequencies_of(window.freq_hz));

  ReadStatistics statistics;
  int64_t at = 0;  // row of the output
  for (const RowRanges& ranges : blocks_of(chunk.row_ranges, block_rows, align)) {
    const int64_t stored = detail::count_rows(ranges);
    const auto get = [&](const std::string& column, auto&& body) {
      translated(fmt::format("{}: column {}, rows {} to {}", m.name(), column, ranges.front().first,
                             ranges.back().second - 1),
                 body);
    };
    if (!lock.owns_lock()) lock.lock();
    m.load_rows_of_read(ranges, needs);
    std::swap(m.rows, rows);
    get(m.info.column, [&] { detail::get_arrays(m.data, ranges, cell_shape, section, raw_data.data()); });
    get("FLAG", [&] { detail::get_arrays(m.flag, ranges, cell_shape, section, raw_flag.get()); });
    if (m.info.weight_spectrum) {
      get("WEIGHT_SPECTRUM",
          [&] { detail::get_arrays(m.weight, ranges, cell_shape, section, raw_weight.data()); });
    } else {
      get("WEIGHT", [&] {
        detail::get_arrays(m.weight, ranges, casacore::IPosition(1, correlations), nullptr,
                           raw_weight.data());
      });
    }
    statistics.bytes +=
        stored * (cell * 8 + (cell + 7) / 8 + (m.info.weight_spectrum ? cell : correlations) * 4 + 24);
    lock.unlock();

    auto range = ranges.begin();
    int64_t row = range->first;
    for (int64_t i = 0; i < stored; ++i, ++row) {
      if (row == range->second) row = (++range)->first;
      if (!m.selected(i, row)) continue;
      if (at >= chunk.rows) throw RunError(m.name() + " has changed since it was scanned");
      double uvw[3];
      const double shift = m.image_uvw(rows, i, row, rotations, uvw);
      const int64_t place = chunk.order.place(at);
      std::copy_n(uvw, 3, out.uvw_m.data() + 3 * place);
      if (out.time_s.data()) out.time_s(place) = rows.time[static_cast<size_t>(i)];
      if (out.antennas.data()) {
        out.antennas(place, 0) = rows.antenna1[static_cast<size_t>(i)];
        out.antennas(place, 1) = rows.antenna2[static_cast<size_t>(i)];
      }
      const auto r = static_cast<size_t>(i);
      if (!rows.flag_row[r])
        for (size_t g = 0; g < m.gains.size(); ++g)
          m.gains[g]->correct(rows.time[r], rows.antenna1[r], rows.antenna2[r], gain_frequency[g],
                              description.correlations, raw_data.data() + i * cell,
                              raw_flag.get() + i * cell);
      for (size_t s = 0; s < terms.size(); ++s) {
        const int64_t start = (static_cast<int64_t>(s) * chunk.rows + place) * channels;
        std::complex<float>* vis = out.vis.data() + start;
        float* weight = out.weight.data() + start;
        StokesCounts counts;
        if (rows.flag_row[static_cast<size_t>(i)]) {
          std::fill_n(vis, channels, 0.f);
          std::fill_n(weight, channels, 0.f);
          counts.flagged = channels;
        } else {
          stokes_row(terms[s], channels, correlations, raw_data.data() + i * cell,
                     raw_weight.data() + i * (m.info.weight_spectrum ? cell : correlations),
                     m.info.weight_spectrum ? correlations : 0, raw_flag.get() + i * cell, vis, weight,
                     counts);
        }
        if (edit.limits) {
          const double uv2 = uvw[0] * uvw[0] + uvw[1] * uvw[1];
          const bool outside = uv2 < edit.uv2_min || uv2 > edit.uv2_max;
          for (int64_t c = 0; c < channels; ++c) {
            const double per_m = window.freq_hz[static_cast<size_t>(c)] / kSpeedOfLight_m_s,
                         lambda2 = uv2 * per_m * per_m;
            if (!outside && lambda2 >= edit.lambda2_min && lambda2 <= edit.lambda2_max) continue;
            counts.flagged += weight[c] > 0;
            vis[c] = 0;
            weight[c] = 0;
          }
        }
        if (shift != 0) {
          for (int64_t c = 0; c < channels; ++c) {
            if (weight[c] == 0) continue;
            const double turns = shift * (window.freq_hz[static_cast<size_t>(c)] / kSpeedOfLight_m_s);
            const double angle = 2 * kPi * (turns - std::nearbyint(turns));
            const std::complex<double> turned =
                std::complex<double>(vis[c]) * std::complex<double>(std::cos(angle), std::sin(angle));
            vis[c] = std::complex<float>(turned);
          }
        }
        if (s == 0) {
          statistics.flagged += counts.flagged;
          statistics.not_finite += counts.not_finite;
        }
      }
      ++at;
    }
  }
  if (at != chunk.rows) throw RunError(m.name() + " has changed since it was scanned");
  lock.lock();
  m.raw_blocks.push_back(std::move(block));
  statistics.visibilities = chunk.rows * channels;
  return statistics;
}

void MeasurementSet::read_uvw(const ChunkSpec& chunk, const std::optional<Direction>& centre,
                              View<double, 2> uvw_m) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  if (m.declared) return m.declared->read_uvw(chunk, centre, uvw_m);
  const auto rotations = m.rotations(centre);
  int64_t at = 0;
  for (const RowRanges& ranges : blocks_of(chunk.row_ranges, 65536, 1)) {
    m.load_rows(ranges, m.needs_of_read(false, false));
    int64_t i = 0;
    for (const auto& [begin, end] : ranges) {
      for (int64_t row = begin; row < end; ++row, ++i) {
        if (!m.selected(i, row)) continue;
        if (at >= chunk.rows) throw RunError(m.name() + " has changed since it was scanned");
        m.image_uvw(m.rows, i, row, rotations, uvw_m.data() + 3 * chunk.order.place(at++));
      }
    }
  }
}

void MeasurementSet::read_rows(const ChunkSpec& chunk, View<double, 1> time_s, View<int32_t, 2> antennas) {
  Impl& m = *impl_;
  const std::lock_guard lock(*m.mutex);
  int64_t at = 0;
  for (const RowRanges& ranges : blocks_of(chunk.row_ranges, 65536, 1)) {
    m.load_rows_of_read(ranges, m.needs_of_read(true, true));
    int64_t i = 0;
    for (const auto& [begin, end] : ranges)
      for (int64_t row = begin; row < end; ++row, ++i) {
        if (!m.selected(i, row)) continue;
        if (at >= chunk.rows) throw RunError(m.name() + " has changed since it was scanned");
        const int64_t place = chunk.order.place(at++);
        time_s(place) = m.rows.time[static_cast<size_t>(i)];
        antennas(place, 0) = m.rows.antenna1[static_cast<size_t>(i)];
        antennas(place, 1) = m.rows.antenna2[static_cast<size_t>(i)];
      }
  }
  if (at != chunk.rows) throw RunError(m.name() + " has changed since it was scanned");
}

int64_t MeasurementSet::buffer_bytes() const {
  const Impl& m = *impl_;
  int64_t cell = 1, correlations = 1;
  for (const auto& window : m.info.windows) {
    cell = std::max(cell, window.correlations * static_cast<int64_t>(window.freq_hz.size()));
    correlations = std::max(correlations, window.correlations);
  }
  const int64_t align = m.tiling.rows,
                rows =
                    std::min(std::max(std::max<int64_t>(kBlockBytes / (cell * 8), 1) / align * align, align),
                             m.info.rows);
  constexpr int64_t kReaders = 2;  // at a time
  return m.cache_bytes + m.bucket_cache_bytes +
         kReaders * rows * (cell * (8 + 1) + (m.info.weight_spectrum ? cell : correlations) * 4) +
         std::max<int64_t>(rows, 65536) * 49 + m.info.rows * 3 / 8;
}

}  // namespace fringeflow::io
