// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/common/simd_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codelets/gridder/channel_places_cpu.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include <algorithm>
#include <cstddef>

#include "codelets/gridder/channel_places.hpp"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fringeflow::gridder {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

uint32_t PlaceChannels(const PlaceRay& ray, const double* freq_hz, int channels, ChannelPlaces& places) {
  const hn::CappedTag<double, 8> d;
  constexpr int kStep = int(hn::MaxLanes(d));
  // Products and sums are rounded one by one: fused they would differ from the scalar walk's.
  const auto line = [&](auto f, double slope, double offset)
                        HWY_ATTR { return hn::Add(hn::Mul(hn::Set(d, slope), f), hn::Set(d, offset)); };
  alignas(64) double freq[ChannelPlaces::kMost] = {};
  std::copy_n(freq_hz, channels, freq);
  for (int c = 0; c < channels; c += kStep) {
    const auto f = hn::Load(d, freq + c);
    hn::StoreU(hn::Ceil(line(f, ray.u_per_hz, ray.u_offset)), d, places.tile_u + c + 1);
    hn::StoreU(hn::Ceil(line(f, ray.v_per_hz, ray.v_offset)), d, places.tile_v + c + 1);
    hn::StoreU(hn::Ceil(hn::Sub(line(f, ray.plane_per_hz, ray.plane_offset), hn::Set(d, ray.half_support))),
               d, places.plane + c);
  }
  places.tile_u[0] = places.tile_u[1];
  places.tile_v[0] = places.tile_v[1];
  uint32_t changes = 0;
  for (int c = 0; c < channels; c += kStep) {
    const auto stays = hn::And(hn::Eq(hn::LoadU(d, places.tile_u + c), hn::LoadU(d, places.tile_u + c + 1)),
                               hn::Eq(hn::LoadU(d, places.tile_v + c), hn::LoadU(d, places.tile_v + c + 1)));
    alignas(64) uint8_t bits[8] = {};
    hn::StoreMaskBits(d, hn::Not(stays), bits);
    changes |= uint32_t(bits[0]) << c;
  }
  return changes & ((uint32_t{1} << channels) - 1);
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace HWY_NAMESPACE
}  // namespace fringeflow::gridder
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace fringeflow::gridder {

HWY_EXPORT(PlaceChannels);

uint32_t place_channels(const PlaceRay& ray, const double* freq_hz, int channels, ChannelPlaces& places) {
  return HWY_DYNAMIC_DISPATCH(PlaceChannels)(ray, freq_hz, channels, places);
}

}  // namespace fringeflow::gridder
#endif  // HWY_ONCE
