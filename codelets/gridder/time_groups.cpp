// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/time_groups.hpp"

#include <algorithm>
#include <cmath>

#include "io/constants.hpp"

namespace fringeflow::gridder {
namespace {

/// Share of the accuracy by which phases may miss the polynomial through UVW, radians.
constexpr double kRoughnessShare = 0.05;
/// Between integrations phases may turn a little faster than from one to the next.
constexpr double kMargin = 1.02;

}  // namespace

TimeCompression::TimeCompression(const ImageGeometry& image, double accuracy, double max_uv_lambda)
    : l_(0.5 * static_cast<double>(image.nx) * image.cell_rad),
      m_(0.5 * static_cast<double>(image.ny) * image.cell_rad),
      n_(1 - std::sqrt(std::max(0.0, 1 - l_ * l_ - m_ * m_))),
      max_uv_lambda_(max_uv_lambda),
      roughness_turns_(kRoughnessShare * accuracy / (2 * kPi)),
      nodes_(ChannelCompression::with_error(kCompressionShare * accuracy)) {}

TimeGroups TimeCompression::choose(View<const double, 2> uvw_m, int64_t times,
                                   std::span<const double> freq_hz) const {
  const double highest_hz = *std::max_element(freq_hz.begin(), freq_hz.end());
  const double per_m = highest_hz / kSpeedOfLight_m_s;
  const double most_m = max_uv_lambda_ / per_m;
  // Turns that the phase of the farthest pixel makes between two baselines.
  const auto turns = [&](const double* a, const double* b) {
    return per_m * (std::abs(a[0] - b[0]) * l_ + std::abs(a[1] - b[1]) * m_ + std::abs(a[2] - b[2]) * n_);
  };
  const auto inside = [&](const double* at) { return std::abs(at[0]) < most_m && std::abs(at[1]) < most_m; };

  const auto one = [&](const double* rows) -> TimeGroup {
    if (times < ChannelCompression::kMinChannels) return {};
    double step = 0;
    for (int64_t t = 0; t < times; ++t) {
      if (!inside(rows + 3 * t)) return {};
      if (t > 0) step = std::max(step, turns(rows + 3 * t, rows + 3 * (t - 1)));
    }
    const auto choice =
        nodes_->choose(static_cast<int>(times), kMargin * kPi * step * static_cast<double>(times - 1));
    if (choice.nodes == 0) return {};
    double at[3];
    for (int64_t t = 0; t < times; ++t) {
      uvw_between(rows, times, static_cast<double>(t), at);
      if (!(turns(rows + 3 * t, at) <= roughness_turns_)) return {};
    }
    const double* positions = nodes_->positions(choice.nodes);
    for (int part = 0; part < choice.parts; ++part)
      for (int k = 0; k < choice.nodes; ++k) {
        node_uvw(rows, times, choice.parts, part, positions[k], at);
        if (!inside(at)) return {};
      }
    return {0, static_cast<int16_t>(choice.parts), static_cast<int16_t>(choice.nodes)};
  };

  TimeGroups out;
  out.times = times;
  std::vector<TimeGroup> groups;
  const int64_t count = uvw_m.extent(0) / times;
  groups.reserve(static_cast<size_t>(count));
  for (int64_t g = 0; g < count; ++g) {
    TimeGroup group = times <= kTimes ? one(&uvw_m(g * times, 0)) : TimeGroup{};
    group.first_row = static_cast<int32_t>(out.rows);
    out.rows += group.rows(times);
    groups.push_back(group);
  }
  out.groups = std::make_shared<const std::vector<TimeGroup>>(std::move(groups));
  return out;
}

void fill_node_uvw(const TimeGroups& groups, const ChannelCompression& nodes, View<const double, 2> uvw_m,
                   View<double, 2> out) {
  const int64_t times = groups.times;
  int64_t first = 0;
  for (const TimeGroup& group : *groups.groups) {
    const double* rows = &uvw_m(first, 0);
    double* at = &out(group.first_row, 0);
    if (group.parts == 0) std::copy_n(rows, 3 * times, at);
    for (int part = 0; part < group.parts; ++part)
      for (int k = 0; k < group.nodes; ++k, at += 3)
        node_uvw(rows, times, group.parts, part, nodes.positions(group.nodes)[k], at);
    first += times;
  }
}

}  // namespace fringeflow::gridder
