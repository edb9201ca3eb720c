// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <exception>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

#include "codelets/gridder/plan.hpp"
#include "codelets/gridder/walk.hpp"

namespace fringeflow::gridder {

TileMarker::TileMarker(const FacetPlan& plan, double max_uv_lambda, int threads)
    : facet_(plan.facet),
      max_uv_lambda_(max_uv_lambda > 0 ? max_uv_lambda : 1 / (2 * plan.facet.cell_x_rad)),
      marks_(static_cast<size_t>(std::max(threads, 1)),
             std::vector<uint32_t>(static_cast<size_t>(facet_.slabs() * facet_.tiles_u * facet_.tiles_v))) {}

namespace {

// Walks the channels of a row that are on the facet's image grid. Returns the runs that an index makes of
// them.
template <class Emit>
int64_t for_each_run(const Facet& facet, const RowWalker& walker, double max_uv_lambda, const double* uvw_m,
                     std::span<const double> freq_hz, Emit&& emit) {
  int64_t begin = 0, end = static_cast<int64_t>(freq_hz.size()), runs = 0;
  walker.clip_to_grid(uvw_m, freq_hz, max_uv_lambda, begin, end);
  const auto all = [](int64_t, int64_t) { return true; };
  walker.walk(uvw_m, freq_hz, begin, end, all,
              [&](int64_t slab, int64_t tu, int64_t tv, int64_t c0, int64_t c1) {
                ++runs;
                emit((slab * facet.tiles_u + tu) * facet.tiles_v + tv, c1 - c0);
              });
  return runs;
}

uint32_t saturated_sum(uint32_t a, uint32_t b) {
  return a + std::min(b, std::numeric_limits<uint32_t>::max() - a);
}

}  // namespace

int64_t TileMarker::mark_rows(View<const double, 2> uvw_m, std::span<const double> freq_hz) {
  if (freq_hz.empty()) return 0;
  // Rows that are worth a thread.
  constexpr int64_t kLeastRows = 2048;
  const int64_t rows = uvw_m.extent(0);
  const auto threads =
      static_cast<size_t>(std::clamp<int64_t>(rows / kLeastRows, 1, static_cast<int64_t>(marks_.size())));
  std::vector<int64_t> runs(threads);
  std::vector<std::exception_ptr> errors(threads);
  const auto part = [&](size_t thread) {
    try {
      auto& marks = marks_[thread];
      const RowWalker walker(facet_);
      const auto at = [&](size_t i) {
        return rows * static_cast<int64_t>(i) / static_cast<int64_t>(threads);
      };
      for (int64_t row = at(thread); row < at(thread + 1); ++row)
        runs[thread] += for_each_run(facet_, walker, max_uv_lambda_, &uvw_m(row, 0), freq_hz,
                                     [&](int64_t tile, int64_t count) {
                                       uint32_t& mark = marks[static_cast<size_t>(tile)];
                                       mark = saturated_sum(mark, static_cast<uint32_t>(count));
                                     });
    } catch (...) {
      errors[thread] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t thread = 1; thread < threads; ++thread) others.emplace_back(part, thread);
    part(0);
  }
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
  return std::accumulate(runs.begin(), runs.end(), int64_t{0});
}

void TileMarker::finish(FacetPlan& plan, int strips_target) const {
  TileMap& map = plan.tiles;
  map = {};
  map.slabs = facet_.slabs();
  map.tiles_u = facet_.tiles_u, map.tiles_v = facet_.tiles_v;
  std::vector<uint32_t> marks = marks_.front();
  for (size_t thread = 1; thread < marks_.size(); ++thread)
    for (size_t i = 0; i < marks.size(); ++i) marks[i] = saturated_sum(marks[i], marks_[thread][i]);

  // Strips of about equal work and memory: visibilities, and the tiles of each column. A tile weighs as much as four
  // visibilities per cell, so that the ring of stores, each as long as the longest strip, is not much longer than it need be.
  std::vector<double> work(static_cast<size_t>(map.tiles_u));
  for (int64_t slab = 0; slab < map.slabs; ++slab)
    for (int64_t tu = 0; tu < map.tiles_u; ++tu)
      for (int64_t tv = 0; tv < map.tiles_v; ++tv) {
        const uint32_t mark = marks[static_cast<size_t>((slab * map.tiles_u + tu) * map.tiles_v + tv)];
        work[static_cast<size_t>(tu)] += mark + (mark > 0 ? 4.0 * kTile * kTile : 0.0);
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

  map.slot.assign(marks.size(), -1);
  for (int64_t slab = 0; slab < map.slabs; ++slab)
    for (int64_t strip = 0; strip < map.strips; ++strip) {
      map.slot_begin.push_back(static_cast<int32_t>(map.slot_tile.size()));
      for (int64_t tu = map.strip_begin[static_cast<size_t>(strip)];
           tu < map.strip_begin[static_cast<size_t>(strip) + 1]; ++tu)
        for (int64_t tv = 0; tv < map.tiles_v; ++tv) {
          const auto at = static_cast<size_t>((slab * map.tiles_u + tu) * map.tiles_v + tv);
          if (marks[at] == 0) continue;
          map.slot[at] = static_cast<int32_t>(map.slot_tile.size());
          map.slot_tile.push_back(static_cast<int32_t>(tu * map.tiles_v + tv));
        }
    }
  map.slot_begin.push_back(static_cast<int32_t>(map.slot_tile.size()));
}

}  // namespace fringeflow::gridder
