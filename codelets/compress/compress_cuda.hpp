// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// compress and expand on the device: a thread for a channel of a group. The functors run on the host too.
#include <vector>

#include "codelets/common/cuda_complex.hpp"
#include "codelets/common/cuda_worker.hpp"
#include "codelets/compress/compress.hpp"

namespace fringeflow::gridder {

/// Interpolation between so many times (at most 16) and nodes: [times][nodes][time][node].
struct TimeMatrices {
  static constexpr int64_t kMost = TimeCompression::kTimes;
  const float* weight = nullptr;
  FF_HD const float* of(int64_t times, int64_t nodes) const {
    return weight + (times * (kMost + 1) + nodes) * kMost * kMost;
  }
  FF_HD static float at(const float* matrix, int64_t time, int64_t node) {
    return matrix[time * kMost + node];
  }
};
inline std::vector<float> time_matrices(const ChannelCompression& nodes) {
  constexpr int most = static_cast<int>(TimeMatrices::kMost);
  std::vector<float> out(static_cast<size_t>((most + 1) * (most + 1) * most * most));
  for (int times = 2; times <= most; ++times)
    for (int count = 2; count <= most; ++count) {
      if (nodes.reach(count) <= 0) continue;
      const auto& matrix = nodes.matrix<float>(times, count);
      for (int t = 0; t < times; ++t)
        for (int k = 0; k < count; ++k)
          out[static_cast<size_t>(((times * (most + 1) + count) * most + t) * most + k)] =
              matrix.to_nodes[static_cast<size_t>(t * ChannelCompression::kMaxNodes + k)];
    }
  return out;
}
/// [nodes][node] positions, -1..1.
inline std::vector<double> time_positions(const ChannelCompression& nodes) {
  std::vector<double> out;
  for (int count = 0; count <= TimeMatrices::kMost; ++count)
    out.insert(out.end(), nodes.positions(count), nodes.positions(count) + TimeMatrices::kMost);
  return out;
}

/// What kernels know of a chunk's groups.
struct GroupTables {
  const TimeGroup* groups = nullptr;
  TimeMatrices matrices;
  const double* positions = nullptr;
  int64_t times = 1, count = 0;
};

/// Element i of [group][channel]: the values of its nodes.
struct CompressChannel {
  GroupTables tables;
  int64_t channels;
  const cuda::Visibility* vis;  ///< [row][channel]; null: 1
  const float* weight;
  cuda::Visibility* nodes_vis;  ///< [row of nodes][channel]
  float* nodes_weight;

  FF_HD void operator()(int64_t i) const {
    const TimeGroup group = tables.groups[i / channels];
    const int64_t from = i / channels * tables.times * channels + i % channels,
                  to = group.first_row * channels + i % channels;
    for (int64_t t = 0; t < (group.parts == 0 ? tables.times : 0); ++t) {
      nodes_vis[to + t * channels] = vis ? vis[from + t * channels] : cuda::Visibility{1, 0};
      nodes_weight[to + t * channels] = weight[from + t * channels];
    }
    for (int64_t part = 0; part < group.parts; ++part) {
      const int64_t begin = part_begin(part, group.parts, tables.times),
                    end = part_begin(part + 1, group.parts, tables.times);
      const float* matrix = tables.matrices.of(end - begin, group.nodes);
      for (int64_t k = 0; k < group.nodes; ++k) {
        float re = 0, im = 0, any = 0;
        for (int64_t t = begin; t < end; ++t) {
          const float w = weight[from + t * channels];
          if (w == 0) continue;
          any = 1;
          const cuda::Visibility v = vis ? vis[from + t * channels] : cuda::Visibility{1, 0};
          const float a = TimeMatrices::at(matrix, t - begin, k);
          re = fmaf(a, v.re * w, re);
          im = fmaf(a, v.im * w, im);
        }
        const int64_t at = to + (part * group.nodes + k) * channels;
        nodes_vis[at] = {re, im};
        nodes_weight[at] = any;
      }
    }
  }
};

/// Element i of [group][channel]: its visibilities from the nodes.
struct ExpandChannel {
  GroupTables tables;
  int64_t channels;
  const cuda::Visibility* nodes_vis;
  cuda::Visibility* vis;

  FF_HD void operator()(int64_t i) const {
    const TimeGroup group = tables.groups[i / channels];
    const int64_t to = i / channels * tables.times * channels + i % channels,
                  from = group.first_row * channels + i % channels;
    for (int64_t t = 0; t < (group.parts == 0 ? tables.times : 0); ++t)
      vis[to + t * channels] = nodes_vis[from + t * channels];
    for (int64_t part = 0; part < group.parts; ++part) {
      const int64_t begin = part_begin(part, group.parts, tables.times),
                    end = part_begin(part + 1, group.parts, tables.times);
      const float* matrix = tables.matrices.of(end - begin, group.nodes);
      for (int64_t t = begin; t < end; ++t) {
        float re = 0, im = 0;
        for (int64_t k = 0; k < group.nodes; ++k) {
          const cuda::Visibility v = nodes_vis[from + (part * group.nodes + k) * channels];
          const float a = TimeMatrices::at(matrix, t - begin, k);
          re = fmaf(a, v.re, re);
          im = fmaf(a, v.im, im);
        }
        vis[to + t * channels] = {re, im};
      }
    }
  }
};

/// Group i: UVW of its nodes.
struct PlaceNodes {
  GroupTables tables;
  const double* uvw_m;  ///< [row][3]
  double* nodes_uvw_m;  ///< [row of nodes][3]

  FF_HD void operator()(int64_t i) const {
    const TimeGroup group = tables.groups[i];
    const double* rows = uvw_m + 3 * i * tables.times;
    double* out = nodes_uvw_m + 3 * int64_t{group.first_row};
    for (int64_t j = 0; j < (group.parts == 0 ? 3 * tables.times : 0); ++j) out[j] = rows[j];
    for (int64_t part = 0; part < group.parts; ++part)
      for (int64_t k = 0; k < group.nodes; ++k, out += 3)
        node_uvw(rows, tables.times, group.parts, part,
                 tables.positions[group.nodes * TimeMatrices::kMost + k], out);
  }
};

/// The codelet compress, in device memory, on the stream. @param planes in device memory, as compress_cpu's
void compress_cuda(cuda::Stream stream, const NodesOf& of, const double* uvw_m,
                   std::span<const CompressPlane> planes, void* nodes);
/// The codelet expand. @param nodes_vis, vis [stokes][row][channel]
void expand_cuda(cuda::Stream stream, const NodesOf& of, const cuda::Visibility* nodes_vis,
                 cuda::Visibility* vis);

}  // namespace fringeflow::gridder
