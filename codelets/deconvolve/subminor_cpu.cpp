// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <bit>
#include <limits>

#include "codelets/deconvolve/internal.hpp"
#include "io/error.hpp"

namespace fringeflow::deconvolve {
namespace {

constexpr int kUnit =
    8;  ///< pixels of a row that are listed together: look-ups are contiguous runs, without gathers
constexpr int kBlock = 64;  ///< units between two stored maxima

/// values -= flux x psf over the units of a block. offset[unit] + shift is where a unit's PSF values begin.
FF_CLONES void subtract(float* __restrict values, const int32_t* __restrict offset, int64_t units,
                        const float* __restrict psf, float flux) {
  for (int64_t u = 0; u < units; ++u) {
    const float* __restrict from = psf + offset[u];
    float* __restrict to = values + u * kUnit;
    for (int k = 0; k < kUnit; ++k) to[k] -= flux * from[k];
  }
}

/// The same, and the largest |value| (or value) where allowed (all bits set).
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

}  // namespace

int64_t sub_minor_bytes(int64_t h, int64_t w, int channels) {
  const int64_t columns = (w + kUnit - 1) / kUnit * kUnit, pixels = h * columns;
  const int64_t lists =
      pixels * (4 * (channels + (channels > 1 ? 1 : 0)) + 4 + 4) + 3 * pixels / kUnit * int64_t{sizeof(Unit)};
  const int64_t found = pixels * (int64_t{sizeof(SubMinorResult::Entry)} + 12 * channels);
  return lists + found + 4 * channels * (2 * h - 1) * (2 * columns - 1);
}

SubMinorResult sub_minor(const SubMinor& job) {
  SubMinorResult result;
  const size_t channels = job.values.size();
  const std::vector<Unit> units = list_units(job);
  if (units.empty()) return result;
  const auto n_units = static_cast<int64_t>(units.size()), n = n_units * kUnit;
  int32_t x_min = units[0].x, x_max = units[0].x;
  const int32_t y_min = units.front().y, y_max = units.back().y;
  for (const Unit& unit : units) {
    x_min = std::min(x_min, unit.x);
    x_max = std::max(x_max, unit.x);
  }
  const int64_t h = y_max - y_min + 1, w = x_max - x_min + kUnit, stride = 2 * w - 1;

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
  const int64_t blocks = (n_units + kBlock - 1) / kBlock;
  const auto block_units = [&](int64_t b) { return std::min<int64_t>(kBlock, n_units - b * kBlock); };
  std::vector<float> largest(static_cast<size_t>(blocks));
  for (int64_t b = 0; b < blocks; ++b)
    largest[static_cast<size_t>(b)] =
        search(integrated + b * kBlock * kUnit, allowed.data() + b * kBlock * kUnit, block_units(b), sign);

  std::vector<int32_t> slot(static_cast<size_t>(n), -1);
  std::vector<double> flux;
  int64_t counted_positions = 0, total = 0;
  std::vector<float> step(channels);
  for (;;) {
    const int64_t best = std::max_element(largest.begin(), largest.end()) - largest.begin();
    const float peak = largest[static_cast<size_t>(best)];
    result.left = peak;
    if (total == 0) result.start = peak;
    if (!(peak > job.threshold) || peak == 0) break;
    if (peak > 4 * result.start || !std::isfinite(peak)) {
      result.diverged = true;
      break;
    }
    if (total % 256 == 255 && job.cancelled && job.cancelled()) throw RunError("interrupted");
    if (result.iterations >= job.max_iterations || total >= 16 * job.max_iterations + 1000) break;
    int64_t at = best * kBlock * kUnit;
    for (;; ++at) {
      const auto bits = std::bit_cast<uint32_t>(integrated[at]) & sign & allowed[static_cast<size_t>(at)];
      if (std::bit_cast<float>(bits) == peak) break;
    }
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

    const int64_t shift = (h - 1 - (y - y_min)) * stride + (w - 1 - (x - x_min));
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t first = b * kBlock * kUnit;
      const int32_t* where = offset.data() + b * kBlock;
      if (channels == 1) {
        largest[static_cast<size_t>(b)] =
            subtract_and_search(integrated + first, where, allowed.data() + first, block_units(b),
                                psf[0].data() + shift, step[0], sign);
        continue;
      }
      for (size_t c = 0; c < channels; ++c)
        subtract(values[c].data() + first, where, block_units(b), psf[c].data() + shift, step[c]);
      sum_channels(first, block_units(b) * kUnit);
      largest[static_cast<size_t>(b)] =
          search(integrated + first, allowed.data() + first, block_units(b), sign);
    }
  }
  result.flux.resize(flux.size());
  for (size_t i = 0; i < flux.size(); ++i) result.flux[i] = static_cast<float>(flux[i]);
  return result;
}

}  // namespace fringeflow::deconvolve
