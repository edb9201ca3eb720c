// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Compression along time: what compression.hpp does for the channels of a row, for consecutive integrations of a baseline. A few rows
/// of nodes stand for the rows of a group; they are visibilities like others, between the integrations, to index, grid and degrid.
/// Their UVW come from a polynomial through the group's own. Where UVW are not that smooth (a gap in time, another phase centre) or
/// leave the grid, the group's rows are kept as they are.
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "codelets/gridder/compression.hpp"
#include "codelets/gridder/geometry.hpp"
#include "io/view.hpp"

namespace fringeflow::gridder {

/// What stands for the rows of a group.
struct TimeGroup {
  int32_t first_row = 0;  ///< of the chunk's nodes
  int16_t parts = 0,
          nodes = 0;  ///< the group is cut into parts, each with nodes; no parts: the rows themselves
  FF_HD int64_t rows(int64_t times) const { return parts > 0 ? int64_t{parts} * nodes : times; }
};

/// The groups of a chunk with rows [group][time].
struct TimeGroups {
  int64_t times = 1;  ///< rows of a group
  int64_t rows = 0;   ///< of nodes, all groups
  std::shared_ptr<const std::vector<TimeGroup>> groups;
};

/// Integrations [begin, end) of a part.
FF_HD inline int64_t part_begin(int64_t part, int64_t parts, int64_t times) { return part * times / parts; }

/// UVW at the position `at`, in integrations since the group's first, of a polynomial through up to five of its rows.
/// @param uvw_m [time][3]   @param out [3]
FF_HD inline void uvw_between(const double* uvw_m, int64_t times, double at, double* out) {
  constexpr int kMost = 5;
  const int points = times < kMost ? static_cast<int>(times) : kMost;
  out[0] = out[1] = out[2] = 0;
  for (int i = 0; i < points; ++i) {
    const int64_t row = i * (times - 1) / (points - 1);
    double weight = 1;
    for (int j = 0; j < points; ++j) {
      const int64_t other = j * (times - 1) / (points - 1);
      if (j != i) weight *= (at - static_cast<double>(other)) / static_cast<double>(row - other);
    }
    for (int k = 0; k < 3; ++k) out[k] += weight * uvw_m[3 * row + k];
  }
}

/// UVW of the node at `position` (-1..1) of a part. @param out [3]
FF_HD inline void node_uvw(const double* uvw_m, int64_t times, int64_t parts, int64_t part, double position,
                           double* out) {
  const int64_t begin = part_begin(part, parts, times), last = part_begin(part + 1, parts, times) - 1;
  uvw_between(uvw_m, times,
              0.5 * static_cast<double>(begin + last) + 0.5 * static_cast<double>(last - begin) * position,
              out);
}

class TimeCompression {
 public:
  /// Integrations of a group at most.
  static constexpr int64_t kTimes = 16;

  /// @param accuracy of the image; compression takes the share of it that it takes along channels
  TimeCompression(const ImageGeometry& image, double accuracy, double max_uv_lambda);

  /// Chooses what stands for each group: depends on its UVW only.
  /// @param uvw_m [row][3] in groups of `times`; groups of more than kTimes rows are kept   @param freq_hz of the chunk's channels
  TimeGroups choose(View<const double, 2> uvw_m, int64_t times, std::span<const double> freq_hz) const;
  const ChannelCompression& nodes() const { return *nodes_; }
  const std::shared_ptr<const ChannelCompression>& shared_nodes() const { return nodes_; }

 private:
  double l_, m_, n_;  ///< largest |l|, |m| and 1 - n of the image
  double max_uv_lambda_, roughness_turns_;
  std::shared_ptr<const ChannelCompression> nodes_;
};

/// UVW of all rows of nodes. @param uvw_m [row][3]   @param out [groups.rows][3]
void fill_node_uvw(const TimeGroups& groups, const ChannelCompression& nodes, View<const double, 2> uvw_m,
                   View<double, 2> out);

}  // namespace fringeflow::gridder
