// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/compress/compress.hpp"

#include "codelets/common/simd_targets.hpp"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/compress/compress_cpu.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace fringeflow::gridder {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Channels that are worked on at a time: those of a group of 16 times fit the first-level cache.
constexpr int64_t kBlockChannels = 64;
constexpr int kMostTimes = static_cast<int>(TimeCompression::kTimes);
/// Sums that are held in registers, each of two vectors.
constexpr int kHeld = 4;

using Lanes = hn::CappedTag<float, 16>;

/// Some channels of some rows, real and imaginary parts apart. Rows: times, or nodes.
struct Block {
  alignas(64) float re[kMostTimes][kBlockChannels];
  alignas(64) float im[kMostTimes][kBlockChannels];
};

/// Weighted visibilities of n channels of a row; those of weight zero may be anything and count as zero.
inline void load_weighted(const std::complex<float>* HWY_RESTRICT vis, const float* HWY_RESTRICT weight,
                          int64_t n, float* HWY_RESTRICT re, float* HWY_RESTRICT im) {
  const Lanes d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto* values = reinterpret_cast<const float*>(vis);
  int64_t c = 0;
  for (; c + lanes <= n; c += lanes) {
    const auto w = hn::LoadU(d, weight + c);
    const auto used = hn::Ne(w, hn::Zero(d));
    hn::Vec<Lanes> x, y;
    hn::LoadInterleaved2(d, values + 2 * c, x, y);
    hn::Store(hn::IfThenElseZero(used, hn::Mul(x, w)), d, re + c);
    hn::Store(hn::IfThenElseZero(used, hn::Mul(y, w)), d, im + c);
  }
  for (; c < n; ++c) {
    re[c] = weight[c] != 0 ? values[2 * c] * weight[c] : 0;
    im[c] = weight[c] != 0 ? values[2 * c + 1] * weight[c] : 0;
  }
}

/// out[j] = sum over i of factor[i step_in + j step_out] in[i], i and j below `inputs` and `outputs`, of all channels of the block.
inline void combine(const Block& in, int inputs, const float* factor, int64_t step_in, int64_t step_out,
                    int outputs, Block& out) {
  const Lanes d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int first = 0; first < outputs; first += kHeld) {
    // Past the last output the last one is made again: the same number of sums, so that they stay in registers.
    const float* column[kHeld];
    int row[kHeld];
    for (int j = 0; j < kHeld; ++j) {
      row[j] = std::min(first + j, outputs - 1);
      column[j] = factor + row[j] * step_out;
    }
    for (int64_t c = 0; c < kBlockChannels; c += lanes) {
      auto re0 = hn::Zero(d), im0 = re0, re1 = re0, im1 = re0, re2 = re0, im2 = re0, re3 = re0, im3 = re0;
      for (int i = 0; i < inputs; ++i) {
        const auto x = hn::Load(d, in.re[i] + c), y = hn::Load(d, in.im[i] + c);
        const auto f0 = hn::Set(d, column[0][i * step_in]), f1 = hn::Set(d, column[1][i * step_in]),
                   f2 = hn::Set(d, column[2][i * step_in]), f3 = hn::Set(d, column[3][i * step_in]);
        re0 = hn::MulAdd(f0, x, re0), im0 = hn::MulAdd(f0, y, im0);
        re1 = hn::MulAdd(f1, x, re1), im1 = hn::MulAdd(f1, y, im1);
        re2 = hn::MulAdd(f2, x, re2), im2 = hn::MulAdd(f2, y, im2);
        re3 = hn::MulAdd(f3, x, re3), im3 = hn::MulAdd(f3, y, im3);
      }
      hn::Store(re3, d, out.re[row[3]] + c), hn::Store(im3, d, out.im[row[3]] + c);
      hn::Store(re2, d, out.re[row[2]] + c), hn::Store(im2, d, out.im[row[2]] + c);
      hn::Store(re1, d, out.re[row[1]] + c), hn::Store(im1, d, out.im[row[1]] + c);
      hn::Store(re0, d, out.re[row[0]] + c), hn::Store(im0, d, out.im[row[0]] + c);
    }
  }
}

inline void store_interleaved(const float* HWY_RESTRICT re, const float* HWY_RESTRICT im, int64_t n,
                              std::complex<float>* HWY_RESTRICT out) {
  const Lanes d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= n; c += lanes)
    hn::StoreInterleaved2(hn::Load(d, re + c), hn::Load(d, im + c), d, reinterpret_cast<float*>(out + c));
  for (; c < n; ++c) out[c] = {re[c], im[c]};
}

void compress_plane(const TimeGroups& groups, const ChannelCompression& nodes, const CompressPlane& plane,
                    View<std::complex<float>, 2> vis, View<float, 2> weight) {
  const int64_t times = groups.times, channels = plane.weight.extent(1);
  const bool psf = plane.vis.size() == 0;
  Block in, out;
  std::memset(&in, 0, sizeof in);  // channels past the last are combined too
  alignas(64) float any[kBlockChannels];
  int64_t row = 0;
  for (const TimeGroup& group : *groups.groups) {
    const auto count = static_cast<size_t>(times * channels);
    if (group.parts == 0) {
      std::copy_n(&plane.weight(row, 0), count, &weight(group.first_row, 0));
      if (psf)
        std::fill_n(&vis(group.first_row, 0), count, 1.0f);
      else
        std::copy_n(&plane.vis(row, 0), count, &vis(group.first_row, 0));
    }
    for (int64_t part = 0; part < group.parts; ++part) {
      const int64_t begin = part_begin(part, group.parts, times),
                    inputs = part_begin(part + 1, group.parts, times) - begin;
      const auto& matrix = nodes.matrix<float>(static_cast<int>(inputs), group.nodes);
      const int64_t to = group.first_row + part * group.nodes;
      for (int64_t c = 0; c < channels; c += kBlockChannels) {
        const int64_t n = std::min(kBlockChannels, channels - c);
        std::fill_n(any, n, 0.0f);
        for (int64_t t = 0; t < inputs; ++t) {
          const float* w = &plane.weight(row + begin + t, c);
          for (int64_t i = 0; i < n; ++i) any[i] = w[i] != 0 ? 1.0f : any[i];
          if (psf)
            std::copy_n(w, n, in.re[t]);
          else
            load_weighted(&plane.vis(row + begin + t, c), w, n, in.re[t], in.im[t]);
        }
        combine(in, static_cast<int>(inputs), matrix.to_nodes.data(), ChannelCompression::kMaxNodes, 1,
                group.nodes, out);
        for (int64_t k = 0; k < group.nodes; ++k) {
          store_interleaved(out.re[k], out.im[k], n, &vis(to + k, c));
          std::copy_n(any, n, &weight(to + k, c));
        }
      }
    }
    row += times;
  }
}

void expand_plane(const TimeGroups& groups, const ChannelCompression& nodes,
                  View<const std::complex<float>, 2> from, View<std::complex<float>, 2> vis) {
  const int64_t times = groups.times, channels = vis.extent(1);
  Block in, out;
  std::memset(&in, 0, sizeof in);
  alignas(64) float one[kBlockChannels];
  std::fill_n(one, kBlockChannels, 1.0f);
  int64_t row = 0;
  for (const TimeGroup& group : *groups.groups) {
    if (group.parts == 0)
      std::copy_n(&from(group.first_row, 0), static_cast<size_t>(times * channels), &vis(row, 0));
    for (int64_t part = 0; part < group.parts; ++part) {
      const int64_t begin = part_begin(part, group.parts, times),
                    outputs = part_begin(part + 1, group.parts, times) - begin;
      const auto& matrix = nodes.matrix<float>(static_cast<int>(outputs), group.nodes);
      for (int64_t c = 0; c < channels; c += kBlockChannels) {
        const int64_t n = std::min(kBlockChannels, channels - c);
        for (int64_t k = 0; k < group.nodes; ++k)
          load_weighted(&from(group.first_row + part * group.nodes + k, c), one, n, in.re[k], in.im[k]);
        combine(in, group.nodes, matrix.to_channels.data(), matrix.padded, 1, static_cast<int>(outputs), out);
        for (int64_t t = 0; t < outputs; ++t)
          store_interleaved(out.re[t], out.im[t], n, &vis(row + begin + t, c));
      }
    }
    row += times;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::gridder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringeflow::gridder {

HWY_EXPORT(compress_plane);
HWY_EXPORT(expand_plane);

void compress_cpu(const TimeGroups& groups, const ChannelCompression& nodes,
                  std::span<const CompressPlane> planes, View<std::complex<float>, 3> vis,
                  View<float, 3> weight) {
  for (size_t p = 0; p < planes.size(); ++p) HWY_DYNAMIC_DISPATCH(compress_plane)
  (groups, nodes, planes[p], plane(vis, static_cast<int64_t>(p)), plane(weight, static_cast<int64_t>(p)));
}

void expand_cpu(const TimeGroups& groups, const ChannelCompression& nodes,
                View<const std::complex<float>, 2> nodes_vis, View<std::complex<float>, 2> vis) {
  HWY_DYNAMIC_DISPATCH(expand_plane)(groups, nodes, nodes_vis, vis);
}

}  // namespace fringeflow::gridder
#endif  // HWY_ONCE
