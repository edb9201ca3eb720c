// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <limits>
#include <vector>

#include "codelets/gridder/plan.hpp"
#include "codelets/gridder/walk.hpp"

namespace fringeflow::gridder {

TileMarker::TileMarker(const FacetPlan& plan, double max_uv_lambda)
    : facet_(plan.facet),
      max_uv_lambda_(max_uv_lambda > 0 ? max_uv_lambda : 1 / (2 * plan.facet.cell_x_rad)),
      marks_(static_cast<size_t>(facet_.slabs() * facet_.tiles_u * facet_.tiles_v)) {}

namespace {

// Walks the channels of a row that are on the facet's image grid. Returns the runs that an index makes of
// them.
template <class Emit>
int64_t for_each_run(const Facet& facet, double max_uv_lambda, const double* uvw_m,
                     std::span<const double> freq_hz, Emit&& emit) {
  int64_t begin = 0, end = static_cast<int64_t>(freq_hz.size()), runs = 0;
  RowWalker::clip_to_grid(uvw_m, freq_hz, max_uv_lambda, begin, end);
  const auto all = [](int64_t, int64_t) { return true; };
  RowWalker(facet).walk(uvw_m, freq_hz, begin, end, all,
                        [&](int64_t slab, int64_t tu, int64_t tv, int64_t c0, int64_t c1) {
                          ++runs;
                          emit((slab * facet.tiles_u + tu) * facet.tiles_v + tv, c1 - c0);
                        });
  return runs;
}

}  // namespace

int64_t TileMarker::mark(const double uvw_m[3], std::span<const double> freq_hz) {
  return for_each_run(facet_, max_uv_lambda_, uvw_m, freq_hz, [this](int64_t tile, int64_t count) {
    uint32_t& mark = marks_[static_cast<size_t>(tile)];
    mark += static_cast<uint32_t>(std::min<int64_t>(count, std::numeric_limits<uint32_t>::max() - mark));
  });
}

void TileMarker::finish(FacetPlan& plan, int strips_target) const {
  TileMap& map = plan.tiles;
  map = {};
  map.slabs = facet_.slabs();
  map.tiles_u = facet_.tiles_u, map.tiles_v = facet_.tiles_v;

  // Strips of about equal work: visibilities, and the cells of each column that must be transformed.
  std::vector<double> work(static_cast<size_t>(map.tiles_u));
  for (int64_t slab = 0; slab < map.slabs; ++slab)
    for (int64_t tu = 0; tu < map.tiles_u; ++tu)
      for (int64_t tv = 0; tv < map.tiles_v; ++tv) {
        const uint32_t mark = marks_[static_cast<size_t>((slab * map.tiles_u + tu) * map.tiles_v + tv)];
        work[static_cast<size_t>(tu)] += mark + (mark > 0 ? kTile * kTile : 0.0);
      }
  double total = 0;
  for (double& w : work) total += (w += kTile);
  map.strips = std::clamp<int64_t>(strips_target, 1, map.tiles_u);
  map.strip_begin.assign(1, 0);
  double done = 0;
  for (int64_t tu = 0; tu < map.tiles_u; ++tu) {
    done += work[static_cast<size_t>(tu)];
    const auto strip = static_cast<int64_t>(map.strip_begin.size());
    const int64_t left = map.tiles_u - tu - 1;
    if (strip < map.strips && left > 0 &&
        (left <= map.strips - strip ||
         done >= total * static_cast<double>(strip) / static_cast<double>(map.strips)))
      map.strip_begin.push_back(static_cast<int32_t>(tu + 1));
  }
  map.strips = static_cast<int64_t>(map.strip_begin.size());
  map.strip_begin.push_back(static_cast<int32_t>(map.tiles_u));

  map.slot.assign(marks_.size(), -1);
  for (int64_t slab = 0; slab < map.slabs; ++slab)
    for (int64_t strip = 0; strip < map.strips; ++strip) {
      map.slot_begin.push_back(static_cast<int32_t>(map.slot_tile.size()));
      for (int64_t tu = map.strip_begin[static_cast<size_t>(strip)];
           tu < map.strip_begin[static_cast<size_t>(strip) + 1]; ++tu)
        for (int64_t tv = 0; tv < map.tiles_v; ++tv) {
          const auto at = static_cast<size_t>((slab * map.tiles_u + tu) * map.tiles_v + tv);
          if (marks_[at] == 0) continue;
          map.slot[at] = static_cast<int32_t>(map.slot_tile.size());
          map.slot_tile.push_back(static_cast<int32_t>(tu * map.tiles_v + tv));
        }
    }
  map.slot_begin.push_back(static_cast<int32_t>(map.slot_tile.size()));
}

}  // namespace fringeflow::gridder
