// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/geometry.hpp"

namespace fringeflow::gridder {
namespace {

int64_t flag_bytes(const FacetPlan& plan, int64_t slab, int64_t strip) {
  return (plan.tiles.slots_of(slab, strip) + kLaneBytes - 1) / kLaneBytes * kLaneBytes;
}

}  // namespace

int64_t tile_store_bytes(const FacetPlan& plan, int64_t slab, int64_t strip) {
  const int64_t scalar = plan.double_precision ? sizeof(double) : sizeof(float);
  return flag_bytes(plan, slab, strip) +
         plan.tiles.slots_of(slab, strip) * plan.facet.tile_scalars() * scalar;
}

template <class T>
TileStore<T> tile_store(const FacetPlan& plan, int64_t slab, int64_t strip, void* buffer) {
  auto* bytes = static_cast<uint8_t*>(buffer);
  return {bytes, reinterpret_cast<T*>(bytes + flag_bytes(plan, slab, strip))};
}

template TileStore<float> tile_store<float>(const FacetPlan&, int64_t, int64_t, void*);
template TileStore<double> tile_store<double>(const FacetPlan&, int64_t, int64_t, void*);

}  // namespace fringeflow::gridder
