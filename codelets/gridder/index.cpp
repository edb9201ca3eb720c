// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/gridder/index.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "codelets/gridder/walk.hpp"
#include "io/error.hpp"

namespace fringeflow::gridder {
namespace {

int64_t padded_start_bytes(const FacetPlan& plan) {
  const auto bytes = (plan.tiles.slots() + 1) * static_cast<int64_t>(sizeof(int32_t));
  return (bytes + kLaneBytes - 1) / kLaneBytes * kLaneBytes;
}

struct SlotRun {
  int32_t slot;
  Run run;
};

}  // namespace

bool equally_spaced(std::span<const double> freq_hz) {
  if (freq_hz.size() < 2) return false;
  const double step = (freq_hz.back() - freq_hz.front()) / static_cast<double>(freq_hz.size() - 1);
  for (size_t i = 0; i < freq_hz.size(); ++i)
    if (std::abs(freq_hz[i] - (freq_hz.front() + static_cast<double>(i) * step)) > 1e-6 * std::abs(step))
      return false;
  return step != 0;
}

int64_t index_bytes(const FacetPlan& plan, int64_t run_capacity) {
  return padded_start_bytes(plan) + run_capacity * static_cast<int64_t>(sizeof(Run));
}

ChunkIndex chunk_index(const FacetPlan& plan, int64_t run_capacity, void* buffer) {
  auto* bytes = static_cast<unsigned char*>(buffer);
  return {reinterpret_cast<int32_t*>(bytes), reinterpret_cast<Run*>(bytes + padded_start_bytes(plan)),
          run_capacity};
}

void build_index(const FacetPlan& plan, const ChunkGeometry& chunk, View<const float, 2> weight,
                 ChunkIndex& index) {
  const TileMap& tiles = plan.tiles;
  const int64_t slots = tiles.slots(), rows = chunk.uvw_m.extent(0);
  if (chunk.channel_end > std::numeric_limits<uint16_t>::max() + 1 ||
      rows > std::numeric_limits<uint32_t>::max())
    throw RunError("a chunk has more rows or channels than its index can number");
  thread_local std::vector<SlotRun> found;
  found.clear();
  std::fill_n(index.start, slots + 1, 0);

  const RowWalker walker(plan.facet);
  const bool weighted = weight.data() != nullptr;
  for (int64_t row = 0; row < rows; ++row) {
    const double* uvw = &chunk.uvw_m(row, 0);
    int64_t begin = chunk.channel_begin, end = chunk.channel_end;
    walker.clip_to_grid(uvw, chunk.freq_hz, chunk.max_uv_lambda, begin, end);
    const float* row_weight = weighted ? &weight(row, 0) : nullptr;
    const auto wanted = [&](int64_t c0, int64_t c1) {
      return !row_weight || std::any_of(row_weight + c0, row_weight + c1, [](float w) { return w != 0; });
    };
    walker.walk(
        uvw, chunk.freq_hz, begin, end, wanted,
        [&](int64_t slab, int64_t tu, int64_t tv, int64_t c0, int64_t c1) {
          const int32_t slot = tiles.slot_of(slab, tu, tv);
          if (slot < 0) throw RunError("a visibility falls on a tile that the planner did not mark");
          // A count of 65536 does not fit: such a run is written as two.
          for (int64_t c = c0; c < c1;) {
            const int64_t n = std::min<int64_t>(c1 - c, std::numeric_limits<uint16_t>::max());
            found.push_back(
                {slot, {static_cast<uint32_t>(row), static_cast<uint16_t>(c), static_cast<uint16_t>(n)}});
            ++index.start[slot + 1];
            c += n;
          }
        });
  }
  if (static_cast<int64_t>(found.size()) > index.capacity)
    throw RunError("the index of a chunk has no room for its runs");

  for (int64_t s = 0; s < slots; ++s) index.start[s + 1] += index.start[s];
  // start[s] serves as the write position of slot s and ends as the start of slot s + 1: shift back
  // afterwards.
  for (const SlotRun& r : found) index.runs[index.start[r.slot]++] = r.run;
  for (int64_t s = slots; s > 0; --s) index.start[s] = index.start[s - 1];
  index.start[0] = 0;
}

}  // namespace fringeflow::gridder
