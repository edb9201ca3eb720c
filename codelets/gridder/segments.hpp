// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Cuts runs into parts that are gridded channel by channel or through nodes. Internal to the gridder's CPU kernels.
#include <cmath>

#include "codelets/gridder/geometry.hpp"
#include "codelets/gridder/index.hpp"
#include "codelets/gridder/walk.hpp"

namespace fringeflow::gridder {

class Segments {
 public:
  Segments(const FacetPlan& plan, const ChunkGeometry& geometry)
      : plan_(plan),
        walker_(plan.facet),
        freq_(geometry.freq_hz.data()),
        compress_(geometry.equal_spacing ? plan.compression.get() : nullptr) {}

  /// Calls emit(channel, count, nodes) for the parts of a run in order; nodes 0: channel by channel.
  template <class Emit>
  void operator()(const GridRay& ray, int64_t channel, int count, Emit&& emit) const {
    if (!compress_ || count < ChannelCompression::kMinChannels) return emit(channel, count, 0);
    // A visibility on planes of two slabs is in a run of each. Only together are its planes a smooth function of
    // frequency, so both runs must make the same nodes of it: parts end where the set of slabs changes.
    for (int begin = 0; begin < count;) {
      const int end = plan_.facet.slabs() > 1 ? same_slabs(ray, channel, begin, count) : count;
      segment(ray, channel + begin, end - begin, emit);
      begin = end;
    }
  }

 private:
  int64_t slabs_of(const GridRay& ray, int64_t channel) const {
    const int64_t first = walker_.first_plane(ray, freq_[channel]), last = first + plan_.facet.support - 1;
    // Planes are not negative; 16 bits are more slabs than there can be.
    return (first / kSlabPlanes) << 16 | last / kSlabPlanes;
  }

  /// End of the channels from `begin` on whose kernels touch the same slabs.
  int same_slabs(const GridRay& ray, int64_t channel, int begin, int count) const {
    const int64_t slabs = slabs_of(ray, channel + begin);
    if (slabs_of(ray, channel + count - 1) == slabs) return count;
    int low = begin, high = count - 1;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (slabs_of(ray, channel + middle) == slabs ? low : high) = middle;
    }
    return high;
  }

  template <class Emit>
  void segment(const GridRay& ray, int64_t channel, int count, Emit& emit) const {
    const Facet& f = plan_.facet;
    const double df = std::abs(freq_[channel + count - 1] - freq_[channel]);
    // Half the phase that the farthest pixel sees change.
    const double kappa =
        kPi * df *
        (std::abs(ray.gu_per_hz) * static_cast<double>(f.nx) / (2 * static_cast<double>(f.nu)) +
         std::abs(ray.gv_per_hz) * static_cast<double>(f.ny) / (2 * static_cast<double>(f.nv)) +
         std::abs(ray.gw_per_hz) * f.dw * f.r_half);
    const auto choice = compress_->choose(count, kappa);
    if (choice.nodes == 0) return emit(channel, count, 0);
    for (int part = 0; part < choice.parts; ++part) {
      const int begin = part * count / choice.parts, end = (part + 1) * count / choice.parts;
      emit(channel + begin, end - begin, choice.nodes);
    }
  }

  const FacetPlan& plan_;
  RowWalker walker_;
  const double* freq_;
  const ChannelCompression* compress_;
};

}  // namespace fringeflow::gridder
