// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Splits the channels of a row where its track leaves a tile or a slab. Used by the marker and by the index,
/// so that both agree to the bit. Internal to codelets/gridder.
#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <string>

#include "codelets/gridder/channel_places.hpp"
#include "codelets/gridder/geometry.hpp"
#include "io/error.hpp"

namespace fringeflow::gridder {

/// ceil for values well inside the range of int64 (std::ceil is a library call without SSE4.1).
inline int64_t ceil_to_int(double x) {
  const auto truncated = static_cast<int64_t>(x);
  return truncated + (static_cast<double>(truncated) < x ? 1 : 0);
}

/// Facet constants of the walk.
class RowWalker {
 public:
  explicit RowWalker(const Facet& facet)
      : facet_(facet),
        u_offset_((1 - 0.5 * facet.support - static_cast<double>(facet.u_begin)) / kTile),
        v_offset_((1 - 0.5 * facet.support - static_cast<double>(facet.v_begin)) / kTile) {}

  /// Channels of [begin, end) that are on the grid; they are contiguous because frequencies ascend or
  /// descend. None where the baseline is another facet's.
  void clip_to_grid(const double* uvw_m, std::span<const double> freq_hz, double max_uv_lambda,
                    int64_t& begin, int64_t& end) const {
    if (!facet_.shell.has(uvw_m)) {
      end = begin;
      return;
    }
    const auto inside = [&](int64_t c) {
      return on_grid(uvw_m[0], uvw_m[1], freq_hz[static_cast<size_t>(c)], max_uv_lambda);
    };
    if (begin >= end) return;
    const bool first = inside(begin), last = inside(end - 1);
    if (first && last) return;
    if (!first && !last) {
      end = begin;
      return;
    }
    int64_t in = first ? begin : end - 1, out = first ? end - 1 : begin;
    while (std::abs(in - out) > 1) {
      const int64_t middle = in + (out - in) / 2;
      (inside(middle) ? in : out) = middle;
    }
    (first ? end : begin) = first ? in + 1 : in;
  }

  /// Calls segment(c0, c1) -> bool for each range of channels in one tile; where that is true, emit(slab,
  /// tile_u, tile_v, c0, c1) for each of the slabs that a part of it touches. Throws RunError outside the
  /// box.
  template <class Segment, class Emit>
  void walk(const double* uvw_m, std::span<const double> freq_hz, int64_t begin, int64_t end,
            Segment&& segment, Emit&& emit) const {
    if (begin >= end) return;
    const GridRay ray = grid_ray(facet_, uvw_m[0], uvw_m[1], uvw_m[2]);
    if (end - begin > ChannelPlaces::kMost) return walk_long(ray, freq_hz, begin, end, segment, emit);
    ChannelPlaces places;
    const auto channels = static_cast<int>(end - begin);
    uint32_t changes = place_channels({ray.gu_per_hz / kTile, u_offset_, ray.gv_per_hz / kTile, v_offset_,
                                       ray.gw_per_hz, ray.gw_offset, 0.5 * facet_.support},
                                      freq_hz.data() + begin, channels, places);
    const auto start_plane = [&](int64_t c) {
      return checked_plane(places.plane_of(static_cast<int>(c - begin)));
    };
    for (int first = 0; first < channels;) {
      const int last = changes == 0 ? channels : std::countr_zero(changes);
      changes &= changes - 1;
      const int64_t tu = places.tile_u_of(first), tv = places.tile_v_of(first);
      if (tu < 0 || tv < 0 || tu >= facet_.tiles_u || tv >= facet_.tiles_v) outside("the box");
      if (segment(begin + first, begin + last)) slabs(start_plane, tu, tv, begin + first, begin + last, emit);
      first = last;
    }
  }

  /// The same by bisection, for any number of channels.
  template <class Segment, class Emit>
  void walk_long(const GridRay& ray, std::span<const double> freq_hz, int64_t begin, int64_t end,
                 Segment&& segment, Emit&& emit) const {
    const double au = ray.gu_per_hz / kTile, av = ray.gv_per_hz / kTile;
    const double* freq = freq_hz.data();
    const auto start_plane = [&](int64_t c) { return checked_plane(first_plane(ray, freq[c])); };
    // Frequencies are nearly uniform: a straight line says nearly where a tile is left.
    const double df =
        end - begin > 1 ? (freq[end - 1] - freq[begin]) / static_cast<double>(end - 1 - begin) : 0;
    const double per_u = au * df != 0 ? 1 / (au * df) : 0, per_v = av * df != 0 ? 1 / (av * df) : 0;
    while (begin < end) {
      const double yu = au * freq[begin] + u_offset_, yv = av * freq[begin] + v_offset_;
      // A kernel starts at ceil(g - support/2): tile k holds y in (k, k + 1].
      const int64_t tu = ceil_to_int(yu) - 1, tv = ceil_to_int(yv) - 1;
      if (tu < 0 || tv < 0 || tu >= facet_.tiles_u || tv >= facet_.tiles_v) outside("the box");
      const auto same = [&](int64_t c) {
        const double u = au * freq[c] + u_offset_ - static_cast<double>(tu),
                     v = av * freq[c] + v_offset_ - static_cast<double>(tv);
        return u > 0 && u <= 1 && v > 0 && v <= 1;
      };
      int64_t lo = begin, hi = end;  // lo is in the tile, hi is not
      if (same(end - 1)) {
        lo = end - 1;
      } else {
        hi = end - 1;
        const double left_u = leave(yu - static_cast<double>(tu), per_u),
                     left_v = leave(yv - static_cast<double>(tv), per_v);
        const double guess = std::min({left_u, left_v, static_cast<double>(end - 1 - begin)});
        const int64_t g = begin + ceil_to_int(guess);
        for (const int64_t c : {g - 1, g}) {
          if (c <= lo || c >= hi) continue;
          (same(c) ? lo : hi) = c;
        }
        while (hi - lo > 1) {
          const int64_t middle = (lo + hi) / 2;
          (same(middle) ? lo : hi) = middle;
        }
      }
      if (segment(begin, lo + 1)) slabs(start_plane, tu, tv, begin, lo + 1, emit);
      begin = lo + 1;
    }
  }

  /// First plane that a visibility touches.
  int64_t first_plane(const GridRay& ray, double freq_hz) const {
    return ceil_to_int(ray.gw_per_hz * freq_hz + ray.gw_offset - 0.5 * facet_.support);
  }

 private:
  [[noreturn]] static void outside(const char* what) {
    throw RunError(std::string("a visibility lies outside ") + what +
                   " of its facet: the extent given to the planner was too small");
  }

  // Steps until y in (0, 1] leaves when it takes `steps` to move by 1; 0: it does not move.
  static double leave(double y, double steps) {
    if (steps > 0) return (1 - y) * steps;
    if (steps < 0) return -y * steps;
    return 1e18;
  }

  int64_t checked_plane(int64_t plane) const {
    const int64_t last_start = facet_.planes - facet_.support;
    if (plane < -1 || plane > last_start + 1) outside("the w-planes");
    return std::clamp<int64_t>(plane, 0, last_start);  // one plane off can only be rounding at the rim
  }

  /// @param start_plane  of a channel
  template <class StartPlane, class Emit>
  void slabs(const StartPlane& start_plane, int64_t tu, int64_t tv, int64_t begin, int64_t end,
             Emit&& emit) const {
    const int64_t p0 = start_plane(begin), p1 = start_plane(end - 1);
    const int64_t low = std::min(p0, p1), high = std::max(p0, p1);
    const int64_t slab_begin = low / kSlabPlanes, slab_last = (high + facet_.support - 1) / kSlabPlanes;
    for (int64_t slab = slab_begin; slab <= slab_last; ++slab) {
      const int64_t from = slab * kSlabPlanes - facet_.support + 1, to = slab * kSlabPlanes + kSlabPlanes - 1;
      int64_t c0 = begin, c1 = end;
      if (low < from || high > to) {
        // Start planes are monotonic along the row: bisect for the part inside [from, to].
        const bool rising = p1 >= p0;
        const auto lower_bound = [&](auto&& predicate) {  // first channel where the predicate holds
          int64_t a = begin, b = end;
          while (a < b) {
            const int64_t middle = (a + b) / 2;
            if (predicate(start_plane(middle)))
              b = middle;
            else
              a = middle + 1;
          }
          return a;
        };
        c0 = lower_bound([&](int64_t p) { return rising ? p >= from : p <= to; });
        c1 = lower_bound([&](int64_t p) { return rising ? p > to : p < from; });
      }
      if (c0 < c1) emit(slab, tu, tv, c0, c1);
    }
  }

  Facet facet_;
  double u_offset_, v_offset_;
};

}  // namespace fringeflow::gridder
