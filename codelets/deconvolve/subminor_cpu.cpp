// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include "codelets/deconvolve/internal.hpp"
#include "io/error.hpp"

namespace fringeflow::deconvolve {
namespace {

constexpr int kUnit =
    8;  ///< pixels of a row that are listed together: look-ups are contiguous runs, without gathers
constexpr int kBlock = 64;          ///< units that share a bound, at most
constexpr int64_t kFewBlocks = 32;  ///< so many are kept up to date: their bounds would cost as much
constexpr int64_t kSteps = 4096;    ///< components that a block may lag behind
/// Of bounds, for round-off: more than three operations of 2^-24.
constexpr float kInflate = 1.0f + 0x1p-21f;

/// A component that was found: flux x PSF is to be subtracted from the list.
struct Step {
  int64_t shift;  ///< offset[unit] + shift is where a unit's PSF values begin
  float flux;
};

/// values -= flux x psf over the units of a block, one component after the other.
FF_CLONES void subtract(float* __restrict values, const int32_t* __restrict offset, int64_t units,
                        const float* __restrict psf, const Step* __restrict steps, int64_t count) {
  int64_t i = 0;
  // Four at once: values stay in registers. Each pixel sees them in their order.
  for (; i + 4 <= count; i += 4) {
    const Step a = steps[i], b = steps[i + 1], c = steps[i + 2], d = steps[i + 3];
    for (int64_t u = 0; u < units; ++u) {
      const float* __restrict from = psf + offset[u];
      float* __restrict to = values + u * kUnit;
      for (int k = 0; k < kUnit; ++k) {
        float value = to[k] - a.flux * from[a.shift + k];
        value -= b.flux * from[b.shift + k];
        value -= c.flux * from[c.shift + k];
        to[k] = value - d.flux * from[d.shift + k];
      }
    }
  }
  for (; i < count; ++i) {
    const float* __restrict from = psf + steps[i].shift;
    for (int64_t u = 0; u < units; ++u) {
      float* __restrict to = values + u * kUnit;
      for (int k = 0; k < kUnit; ++k) to[k] -= steps[i].flux * from[offset[u] + k];
    }
  }
}

/// The same of one component, and the largest |value| (or value) where allowed (all bits set).
FF_CLONES float subtract_and_search(float* __restrict values, const int32_t* __restrict offset,
                                    const uint32_t* __restrict allowed, int64_t units,
                                    const float* __restrict psf, float flux, uint32_t sign) {
  // Two maxima in turn: one alone is a chain of dependent operations.
  float largest[kUnit] = {}, other[kUnit] = {};
  const auto unit = [&](int64_t u, float* __restrict most) __attribute__((always_inline)) {
    const float* __restrict from = psf + offset[u];
    float* __restrict to = values + u * kUnit;
    const uint32_t* __restrict mask = allowed + u * kUnit;
    for (int k = 0; k < kUnit; ++k) {
      const float value = to[k] - flux * from[k];
      to[k] = value;
      const float size = std::bit_cast<float>(std::bit_cast<uint32_t>(value) & sign & mask[k]);
      most[k] = size > most[k] ? size : most[k];
    }
  };
  int64_t u = 0;
  for (; u + 1 < units; u += 2) {
    unit(u, largest);
    unit(u + 1, other);
  }
  if (u < units) unit(u, largest);
  float best = 0;
  for (int k = 0; k < kUnit; ++k) {
    best = largest[k] > best ? largest[k] : best;
    best = other[k] > best ? other[k] : best;
  }
  return best;
}

/// to = sum of weight x from.
FF_CLONES void add_weighted(float* __restrict to, const float* __restrict from, float weight, int64_t n,
                            bool first) {
  if (first)
    for (int64_t i = 0; i < n; ++i) to[i] = weight * from[i];
  else
    for (int64_t i = 0; i < n; ++i) to[i] += weight * from[i];
}

FF_CLONES float search(const float* __restrict values, const uint32_t* __restrict allowed, int64_t units,
                       uint32_t sign) {
  float largest[kUnit] = {};
  for (int64_t i = 0; i < units * kUnit; i += kUnit)
    for (int k = 0; k < kUnit; ++k) {
      const float size = std::bit_cast<float>(std::bit_cast<uint32_t>(values[i + k]) & sign & allowed[i + k]);
      largest[k] = size > largest[k] ? size : largest[k];
    }
  float best = 0;
  for (const float value : largest) best = value > best ? value : best;
  return best;
}

/// The PSF around its centre as far as the list reaches, [2 h - 1][2 w - 1], zero where the PSF image ends or
/// is NaN.
std::vector<float> psf_box(Image psf, int64_t h, int64_t w) {
  const int64_t ny = psf.extent(0), nx = psf.extent(1), rows = 2 * h - 1, columns = 2 * w - 1;
  std::vector<float> box(static_cast<size_t>(rows * columns), 0.0f);
  const int64_t first_x = std::max<int64_t>(0, nx / 2 - (w - 1)), last_x = std::min(nx, nx / 2 + w);
  for (int64_t j = 0; j < rows; ++j) {
    const int64_t y = ny / 2 + j - (h - 1);
    if (y < 0 || y >= ny) continue;
    float* to = box.data() + j * columns + (w - 1) - nx / 2;
    const float* from = &psf(y, 0);
    for (int64_t x = first_x; x < last_x; ++x) to[x] = std::isfinite(from[x]) ? from[x] : 0.0f;
  }
  return box;
}

struct Unit {
  int32_t y, x;
};

/// Units with at least one allowed pixel at or above the threshold, row by row.
std::vector<Unit> list_units(const SubMinor& job) {
  std::vector<Unit> units;
  for (int64_t y = 0; y < job.h; ++y) {
    const float* row = job.integrated + y * job.w;
    const uint16_t* allowed = job.allowed + y * job.w;
    for (int64_t x = 0; x < job.w; x += kUnit) {
      const int64_t end = std::min(job.w, x + kUnit);
      for (int64_t i = x; i < end; ++i) {
        const float size = job.allow_negative ? std::fabs(row[i]) : row[i];
        if (size >= job.list_threshold && (allowed[i] & job.bit)) {
          units.push_back({static_cast<int32_t>(y), static_cast<int32_t>(x)});
          break;
        }
      }
    }
  }
  return units;
}

FF_CLONES float largest_size(const float* __restrict values, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float size = std::fabs(values[i]);
    most = size > most ? size : most;
  }
  return most;
}

/// Tiles of the list's box: so large that one has about kBlock units where they are spread evenly.
struct Tiling {
  int64_t ny = 16, nx = 32;
  Tiling(int64_t h, int64_t w, int64_t units) {
    while (ny * nx / kUnit * units < kBlock * (h * w / kUnit) && ny < h) {
      ny *= 2;
      nx *= 2;
    }
  }
};

/// The largest |PSF| that a component somewhere can have over a tile somewhere: maxima of the PSF's box over one and a half tiles in
/// either direction, every half a tile.
class Reach {
 public:
  Reach(const std::vector<float>& box, int64_t rows, int64_t columns, const Tiling& tiling)
      : columns_(2 * columns / tiling.nx + 4) {
    const int64_t half_y = tiling.ny / 2, half_x = tiling.nx / 2, cells_y = 2 * rows / tiling.ny + 4;
    std::vector<float> cells(static_cast<size_t>(cells_y * columns_), 0.0f);
    for (int64_t y = 0; y < rows; ++y) {
      float* cell = cells.data() + y / half_y * columns_;
      for (int64_t x = 0; x < columns; x += half_x, ++cell)
        *cell = std::max(*cell, largest_size(box.data() + y * columns + x, std::min(half_x, columns - x)));
    }
    largest_.assign(cells.size(), 0.0f);
    for (int64_t y = 0; y < cells_y; ++y)
      for (int64_t x = 0; x < columns_; ++x)
        for (int64_t j = y; j < std::min(y + 3, cells_y); ++j)
          for (int64_t i = x; i < std::min(x + 3, columns_); ++i) {
            float& most = largest_[static_cast<size_t>(y * columns_ + x)];
            most = std::max(most, cells[static_cast<size_t>(j * columns_ + i)]);
          }
  }
  /// Of tile (ty, tx), for at(): to be added to the place of the component.
  int32_t tile(int64_t ty, int64_t tx) const { return static_cast<int32_t>(2 * ty * columns_ + 2 * tx); }
  /// Of a component whose PSF begins at row y and column x of its box, for the tile (0, 0).
  const float* at(int64_t y, int64_t x, const Tiling& tiling) const {
    return largest_.data() + y / (tiling.ny / 2) * columns_ + x / (tiling.nx / 2);
  }

 private:
  int64_t columns_;
  std::vector<float> largest_;
};

/// bounds + flux x reach, rounded up.
FF_CLONES void raise(float* __restrict bounds, const int32_t* __restrict tile, int64_t blocks,
                     const float* __restrict reach, float flux) {
  for (int64_t b = 0; b < blocks; ++b) bounds[b] = (bounds[b] + flux * reach[tile[b]]) * kInflate;
}

FF_CLONES float largest_of(const float* __restrict values, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) most = values[i] > most ? values[i] : most;
  return most;
}

}  // namespace

int64_t sub_minor_bytes(int64_t h, int64_t w, int channels) {
  const int64_t columns = (w + kUnit - 1) / kUnit * kUnit, pixels = h * columns;
  const int64_t lists =
      pixels * (4 * (channels + (channels > 1 ? 1 : 0)) + 4 + 4) + 3 * pixels / kUnit * int64_t{sizeof(Unit)};
  const Tiling least(1, 1, 1);
  const int64_t bounds = 40 * (pixels / (least.ny * least.nx) + 1) +
                         8 * (4 * h / least.ny + 4) * (4 * columns / least.nx + 4) +
                         kSteps * int64_t{sizeof(Step)};
  const int64_t found = pixels * (int64_t{sizeof(SubMinorResult::Entry)} + 12 * channels);
  return lists + bounds + found + 4 * channels * (2 * h - 1) * (2 * columns - 1);
}

SubMinorResult sub_minor(const SubMinor& job) {
  SubMinorResult result;
  const size_t channels = job.values.size();
  std::vector<Unit> units = list_units(job);
  if (units.empty()) return result;
  const auto n_units = static_cast<int64_t>(units.size()), n = n_units * kUnit;
  int32_t x_min = units[0].x, x_max = units[0].x;
  const int32_t y_min = units.front().y, y_max = units.back().y;
  for (const Unit& unit : units) {
    x_min = std::min(x_min, unit.x);
    x_max = std::max(x_max, unit.x);
  }
  const int64_t h = y_max - y_min + 1, w = x_max - x_min + kUnit, stride = 2 * w - 1;

  // Blocks of a tile each, so that a component is far from most of them.
  const Tiling tiling(h, w, n_units);
  const int64_t tiles_x = (w + tiling.nx - 1) / tiling.nx, tiles_y = (h + tiling.ny - 1) / tiling.ny;
  const auto tile_of = [&](const Unit& unit) {
    return static_cast<size_t>((unit.y - y_min) / tiling.ny * tiles_x + (unit.x - x_min) / tiling.nx);
  };
  std::vector<int64_t> begins;
  {
    std::vector<int64_t> end(static_cast<size_t>(tiles_y * tiles_x), 0);
    for (const Unit& unit : units) ++end[tile_of(unit)];
    int64_t sum = 0;
    for (int64_t& count : end) {
      for (int64_t u = 0; u < count; u += kBlock) begins.push_back(sum + u);
      count = sum += count;
    }
    std::vector<Unit> sorted(units.size());
    for (auto unit = units.rbegin(); unit != units.rend(); ++unit)
      sorted[static_cast<size_t>(--end[tile_of(*unit)])] = *unit;
    units = std::move(sorted);
  }
  const auto blocks = static_cast<int64_t>(begins.size());
  begins.push_back(n_units);

  // Flat lists; pixels of a unit that are outside the region or not allowed take part in the subtraction
  // only.
  std::vector<std::vector<float>> values(channels, std::vector<float>(static_cast<size_t>(n), 0.0f));
  std::vector<float> store(channels > 1 ? static_cast<size_t>(n) : 0, 0.0f);
  std::vector<uint32_t> allowed(static_cast<size_t>(n), 0);
  std::vector<int32_t> offset(static_cast<size_t>(n_units));
  for (int64_t u = 0; u < n_units; ++u) {
    const Unit unit = units[static_cast<size_t>(u)];
    offset[static_cast<size_t>(u)] = static_cast<int32_t>((unit.y - y_min) * stride + unit.x - x_min);
    const int64_t from = unit.y * job.w + unit.x, length = std::min<int64_t>(kUnit, job.w - unit.x);
    for (int64_t k = 0; k < length; ++k) {
      const auto at = static_cast<size_t>(u * kUnit + k);
      for (size_t c = 0; c < channels; ++c) values[c][at] = job.values[c][from + k];
      allowed[at] = job.allowed[from + k] & job.bit ? 0xffffffffu : 0u;
    }
  }
  std::vector<std::vector<float>> psf;
  for (const Image& image : job.psf) psf.push_back(psf_box(image, h, w));

  float* integrated = channels == 1 ? values[0].data() : store.data();
  const auto sum_channels = [&](int64_t first, int64_t count) {
    for (size_t c = 0; c < channels; ++c)
      add_weighted(integrated + first, values[c].data() + first, job.weights[c], count, c == 0);
  };
  if (channels > 1) sum_channels(0, n);

  // Without negative components a value's sign bit is kept, and negative ones lose against the zero that the
  // maximum starts from.
  const uint32_t sign = job.allow_negative ? 0x7fffffffu : 0xffffffffu;
  const auto block_units = [&](int64_t b) {
    return begins[static_cast<size_t>(b) + 1] - begins[static_cast<size_t>(b)];
  };
  const auto first_pixel = [&](int64_t b) { return begins[static_cast<size_t>(b)] * kUnit; };

  // A bound per block that none of its values exceeds. Components wait for a block until its bound says that it may have the peak: most
  // blocks are not touched by most components, and several at once cost little more than one.
  const bool waits = channels == 1 && blocks > kFewBlocks;
  std::vector<float> bound(static_cast<size_t>(blocks));
  std::vector<Step> steps;
  std::vector<int32_t> seen(static_cast<size_t>(blocks), 0), tile;  // [block] steps that it has
  std::optional<Reach> reach;
  if (waits) {
    reach.emplace(psf[0], 2 * h - 1, stride, tiling);
    for (int64_t b = 0; b < blocks; ++b) {
      const auto at =
          static_cast<int64_t>(tile_of(units[static_cast<size_t>(begins[static_cast<size_t>(b)])]));
      tile.push_back(reach->tile(at / tiles_x, at % tiles_x));
    }
  }
  for (int64_t b = 0; b < blocks; ++b)
    bound[static_cast<size_t>(b)] =
        search(integrated + first_pixel(b), allowed.data() + first_pixel(b), block_units(b), sign);
  const auto catch_up = [&](int64_t b) {
    const auto at = static_cast<size_t>(b);
    const auto count = static_cast<int64_t>(steps.size()) - seen[at];
    if (count == 0) return;
    float* block = integrated + first_pixel(b);
    const int32_t* where = offset.data() + begins[at];
    const uint32_t* mask = allowed.data() + first_pixel(b);
    if (count == 1) {
      bound[at] = subtract_and_search(block, where, mask, block_units(b), psf[0].data() + steps.back().shift,
                                      steps.back().flux, sign);
    } else {
      subtract(block, where, block_units(b), psf[0].data(), steps.data() + seen[at], count);
      bound[at] = search(block, mask, block_units(b), sign);
    }
    seen[at] = static_cast<int32_t>(steps.size());
  };
  /// The largest value: no block whose bound reaches it lags behind.
  const auto find_peak = [&] {
    float peak = 0;
    if (waits) {
      const float highest = largest_of(bound.data(), blocks);
      catch_up(std::find(bound.begin(), bound.end(), highest) - bound.begin());
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const float& most = bound[static_cast<size_t>(b)];
      if (!(most >= peak)) continue;
      catch_up(b);
      peak = std::max(peak, most);
    }
    return peak;
  };
  /// Where it is: of equal ones the first, row by row.
  const auto place_of = [&](float peak) {
    int64_t best = -1;
    for (int64_t b = 0; b < blocks; ++b) {
      if (bound[static_cast<size_t>(b)] != peak) continue;
      int64_t at = first_pixel(b);
      while (std::bit_cast<float>(std::bit_cast<uint32_t>(integrated[at]) & sign &
                                  allowed[static_cast<size_t>(at)]) != peak)
        ++at;
      const Unit &one = units[static_cast<size_t>(at / kUnit)],
                 &other = units[static_cast<size_t>(std::max<int64_t>(best, 0) / kUnit)];
      if (best < 0 || std::pair(one.y, one.x) < std::pair(other.y, other.x)) best = at;
    }
    return best;
  };

  std::vector<int32_t> slot(static_cast<size_t>(n), -1);
  std::vector<double> flux;
  int64_t counted_positions = 0, total = 0;
  std::vector<float> step(channels);
  for (;;) {
    const float peak = find_peak();
    result.left = peak;
    if (total == 0) result.start = peak;
    if (!(peak > job.threshold) || peak == 0) break;
    if (peak > 4 * result.start || !std::isfinite(peak)) {
      result.diverged = true;
      break;
    }
    if (total % 256 == 255 && job.cancelled && job.cancelled()) throw RunError("interrupted");
    if (result.iterations >= job.max_iterations || total >= 16 * job.max_iterations + 1000) break;
    const int64_t at = place_of(peak);
    const Unit unit = units[static_cast<size_t>(at / kUnit)];
    const auto y = unit.y, x = static_cast<int32_t>(unit.x + at % kUnit);
    int32_t& index = slot[static_cast<size_t>(at)];
    if (index < 0) {
      const bool counted = job.counted.contains(y, x);
      if (counted && counted_positions >= job.max_positions) {
        result.full = true;
        break;
      }
      counted_positions += counted;
      index = static_cast<int32_t>(result.entries.size());
      result.entries.push_back({y, x, counted});
      flux.resize(flux.size() + channels, 0.0);
    }
    for (size_t c = 0; c < channels; ++c) {
      step[c] = job.gain * values[c][static_cast<size_t>(at)];
      flux[static_cast<size_t>(index) * channels + c] += step[c];
    }
    result.iterations += result.entries[static_cast<size_t>(index)].counted;
    ++total;

    const int64_t row = h - 1 - (y - y_min), column = w - 1 - (x - x_min), shift = row * stride + column;
    if (channels == 1) {
      if (steps.size() == static_cast<size_t>(kSteps)) {
        for (int64_t b = 0; b < blocks; ++b) catch_up(b);
        std::fill(seen.begin(), seen.end(), 0);
        steps.clear();
      }
      steps.push_back({shift, step[0]});
      if (waits)
        raise(bound.data(), tile.data(), blocks, reach->at(row, column, tiling), std::fabs(step[0]));
      else
        for (int64_t b = 0; b < blocks; ++b) catch_up(b);
      continue;
    }
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = first_pixel(b);
      const int32_t* where = offset.data() + begins[static_cast<size_t>(b)];
      for (size_t c = 0; c < channels; ++c) {
        const Step one{shift, step[c]};
        subtract(values[c].data() + first, where, block_units(b), psf[c].data(), &one, 1);
      }
      sum_channels(first, block_units(b) * kUnit);
      bound[static_cast<size_t>(b)] =
          search(integrated + first, allowed.data() + first, block_units(b), sign);
    }
  }
  result.flux.resize(flux.size());
  for (size_t i = 0; i < flux.size(); ++i) result.flux[i] = static_cast<float>(flux[i]);
  return result;
}

}  // namespace fringeflow::deconvolve
