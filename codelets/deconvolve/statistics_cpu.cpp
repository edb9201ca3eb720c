// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <utility>

#include "codelets/deconvolve/internal.hpp"

namespace fringeflow::deconvolve {
namespace {

/// Unsigned order of the keys is the order of the floats.
uint32_t key_of(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
float value_of(uint32_t key) { return std::bit_cast<float>(key & 0x80000000u ? key & 0x7fffffffu : ~key); }

struct Middle {
  float lower, upper;
  int64_t count;
};

/// The two middle values (equal for odd counts) of |value - centre| (folded) or value over the finite pixels,
/// by a two-pass radix histogram: exact, no copy of the image. rows(y, buffer) returns row y of the image.
template <class Rows>
Middle middle(int64_t ny, int64_t nx, const Rows& rows, bool folded, float centre) {
  std::vector<float> buffer(static_cast<size_t>(nx));
  std::vector<uint32_t> keys(static_cast<size_t>(nx));
  constexpr size_t kBins = 65536;
  std::vector<int64_t> high(kBins, 0),
      low[2] = {std::vector<int64_t>(kBins, 0), std::vector<int64_t>(kBins, 0)};
  const auto each = [&](const auto& consume) {
    for (int64_t y = 0; y < ny; ++y) {
      const float* row = rows(y, buffer.data());
      for (int64_t x = 0; x < nx; ++x) {
        const float value = row[x];
        if (!(std::fabs(value) <= std::numeric_limits<float>::max())) continue;
        consume(key_of(folded ? std::fabs(value - centre) : value));
      }
    }
  };
  each([&](uint32_t key) { ++high[key >> 16]; });
  int64_t count = 0;
  for (const int64_t n : high) count += n;
  if (count == 0) return {0, 0, 0};
  uint32_t bin[2];
  int64_t rank[2] = {(count - 1) / 2, count / 2};  // from zero; then within the bin
  for (int i = 0; i < 2; ++i) {
    bin[i] = 0;
    while (rank[i] >= high[bin[i]]) rank[i] -= high[bin[i]++];
  }
  each([&](uint32_t key) {
    if (key >> 16 == bin[0]) ++low[0][key & 0xffffu];
    if (key >> 16 == bin[1]) ++low[1][key & 0xffffu];
  });
  float result[2];
  for (int i = 0; i < 2; ++i) {
    uint32_t at = 0;
    while (rank[i] >= low[i][at]) rank[i] -= low[i][at++];
    result[i] = value_of(bin[i] << 16 | at);
  }
  return {result[0], result[1], count};
}

constexpr int64_t kSample = 1 << 15;  ///< pixels of the sample, about
/// The sample's quantiles 0.5 -+ this have the middle between them, by five standard deviations.
constexpr float kSampleWidth = 0.014f;
constexpr int64_t kCollected = 8;  ///< one pixel in so many may lie there; beyond that the histogram does it
constexpr int64_t kPiece = 512;    ///< pixels of a row that are looked at together
constexpr int64_t kRun = 8;        ///< of which so many are skipped together

/// What one pass over an image finds.
struct Between {
  explicit Between(int64_t most)
      : room(most), values(std::make_unique_for_overwrite<float[]>(static_cast<size_t>(most))) {}
  int64_t finite = 0, below = 0, kept = 0, room;
  bool full = false;
  std::unique_ptr<float[]> values;  ///< [kept]
};

/// Adds n values to the counts; kept[i] is 1 where value i is from low to high. Without branches, for the sake of lanes.
FF_CLONES void count(const float* __restrict values, int64_t n, float low, float high,
                     int32_t* __restrict kept, Between& out) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  int32_t finite = 0, below = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float value = values[i];
    const int32_t is_finite = std::fabs(value) <= kLargest ? 1 : 0, is_below = value < low ? 1 : 0;
    finite += is_finite;
    below += is_finite & is_below;
    kept[i] = (value >= low ? 1 : 0) & (value <= high ? 1 : 0);
  }
  out.finite += finite;
  out.below += below;
}

FF_CLONES void fold(const float* __restrict values, int64_t n, float centre, float* __restrict folded) {
  for (int64_t i = 0; i < n; ++i) folded[i] = std::fabs(values[i] - centre);
}

/// Adds a row: counts what is finite and what is below `low`, keeps what is from there to `high`.
void add_row(const float* row, int64_t n, bool folded, float centre, float low, float high, Between& out) {
  float values[kPiece];
  int32_t kept[kPiece];
  for (int64_t x = 0; x < n; x += kPiece) {
    const int64_t length = std::min(kPiece, n - x);
    const float* piece = row + x;
    if (folded) {
      fold(piece, length, centre, values);
      piece = values;
    }
    std::fill(kept + length / kRun * kRun, kept + kPiece, 0);
    count(piece, length, low, high, kept, out);
    for (int64_t i = 0; i < length; i += kRun) {
      int32_t any = 0;
      for (int64_t k = 0; k < kRun; ++k) any |= kept[i + k];
      if (any == 0) continue;  // nearly always
      if (out.kept + kRun > out.room) {
        out.full = true;
        return;
      }
      for (int64_t k = 0; k < std::min(kRun, length - i); ++k) {
        out.values[static_cast<size_t>(out.kept)] = piece[i + k];
        out.kept += kept[i + k];
      }
    }
  }
}

/// The same as middle() by one pass over the image: a sample of it says nearly where the middle is.
template <class Rows>
Middle middle_by_sample(int64_t ny, int64_t nx, const Rows& rows, bool folded, float centre) {
  std::vector<float> buffer(static_cast<size_t>(nx)), sample;
  // Every row has its share; the step is odd so that no column is looked at again and again.
  const int64_t step = std::max<int64_t>(ny * nx / kSample, 1) | 1;
  int64_t next = 0;
  for (int64_t y = 0; y < ny && next < ny * nx; ++y) {
    if (next >= (y + 1) * nx) continue;
    const float* row = rows(y, buffer.data());
    for (; next < (y + 1) * nx; next += step) {
      const float value = row[next - y * nx];
      if (std::isfinite(value)) sample.push_back(folded ? std::fabs(value - centre) : value);
    }
  }
  if (static_cast<int64_t>(sample.size()) < kSample / 2) return middle(ny, nx, rows, folded, centre);
  const auto quantile = [&](float q) {
    const auto at = sample.begin() + static_cast<int64_t>(q * static_cast<float>(sample.size()));
    std::nth_element(sample.begin(), at, sample.end());
    return *at;
  };
  const float low = quantile(0.5f - kSampleWidth), high = quantile(0.5f + kSampleWidth);
  Between between(ny * nx / kCollected);
  for (int64_t y = 0; y < ny && !between.full; ++y)
    add_row(rows(y, buffer.data()), nx, folded, centre, low, high, between);
  const int64_t first = (between.finite - 1) / 2 - between.below, second = between.finite / 2 - between.below;
  if (between.full || first < 0 || second >= between.kept) return middle(ny, nx, rows, folded, centre);
  float *values = between.values.get(), *end = values + between.kept;
  std::nth_element(values, values + first, end);
  const float lower = values[first],
              upper = second == first ? lower : *std::min_element(values + second, end);
  return {lower, upper, between.finite};
}

}  // namespace

void integrate(std::span<const Image> residual, std::span<const float> weights, const Rect& region,
               float* out) {
  double sum = 0;
  for (const float weight : weights) sum += weight > 0 ? weight : 0;
  for (int64_t y = 0; y < region.ny; ++y) {
    float* row = out + y * region.nx;
    std::fill_n(row, region.nx, 0.0f);
    for (size_t c = 0; c < residual.size(); ++c) {
      if (!(weights[c] > 0)) continue;
      const auto weight = static_cast<float>(weights[c] / sum);
      const float* from = &residual[c](region.y0 + y, region.x0);
      for (int64_t x = 0; x < region.nx; ++x) row[x] += weight * from[x];
    }
    for (int64_t x = 0; x < region.nx; ++x)
      if (!std::isfinite(row[x])) row[x] = std::numeric_limits<float>::quiet_NaN();
  }
  if (!(sum > 0)) std::fill_n(out, region.ny * region.nx, std::numeric_limits<float>::quiet_NaN());
}

Robust robust_statistics(std::span<const Image> residual, std::span<const float> weights) {
  const int64_t ny = residual[0].extent(0), nx = residual[0].extent(1);
  const auto rows = [&](int64_t y, float* buffer) -> const float* {
    if (residual.size() == 1 && weights[0] > 0) return &residual[0](y, 0);
    integrate(residual, weights, {y, 0, 1, nx}, buffer);
    return buffer;
  };
  const Middle centre = middle_by_sample(ny, nx, rows, false, 0);
  if (centre.count == 0) return {};
  const double median = 0.5 * (double{centre.lower} + double{centre.upper});
  const Middle spread = middle_by_sample(ny, nx, rows, true, static_cast<float>(median));
  return {median, 1.4826 * 0.5 * (double{spread.lower} + double{spread.upper}), centre.count};
}

Peak larger(const Peak& a, const Peak& b) {
  Peak result = b.value > a.value ? b : a;
  result.masked_value = std::max(a.masked_value, b.masked_value);
  return result;
}

Peak find_peak(const MinorOptions& options, std::span<const Image> residual, std::span<const float> weights,
               Mask mask, ScaleMask scale_mask, const Rect& rect) {
  const int64_t ny = residual[0].extent(0), nx = residual[0].extent(1);
  Peak peak;
  // The image of one scale, given row by row; region is what the rows are of.
  const auto search = [&](int scale, const Rect& region, const auto& rows) {
    const Limits limits = scale_limits(options, scale, ny, nx);
    const float weight = scale_weight(options, scale);
    const int64_t x_begin = std::max(limits.x_begin, rect.x0),
                  x_end = std::min(limits.x_end, rect.x0 + rect.nx);
    for (int64_t y = std::max(limits.y_begin, rect.y0); y < std::min(limits.y_end, rect.y0 + rect.ny); ++y) {
      const float* row = rows(y - region.y0) - region.x0;
      const uint8_t* user = mask.data() ? &mask(y, 0) : nullptr;
      const uint16_t* scales = scale_mask.data() ? &scale_mask(y, 0) : nullptr;
      for (int64_t x = x_begin; x < x_end; ++x) {
        const float value = weight * (options.allow_negative ? std::fabs(row[x]) : row[x]);
        if (!(value > std::min(peak.value, peak.masked_value)) || value > std::numeric_limits<float>::max())
          continue;
        if (user && !user[x]) continue;
        if (value > peak.value) {
          peak.value = value;
          peak.scale = scale;
          peak.y = static_cast<int32_t>(y);
          peak.x = static_cast<int32_t>(x);
        }
        if (scales && (scales[x] >> scale & 1)) peak.masked_value = std::max(peak.masked_value, value);
        if (!scales) peak.masked_value = peak.value;  // keeps the quick test above sharp; cleared below
      }
    }
  };
  if (options.algorithm != Algorithm::multiscale) {
    std::vector<float> buffer(static_cast<size_t>(rect.nx));
    search(0, rect, [&](int64_t y) -> const float* {
      if (residual.size() == 1 && weights[0] > 0) return &residual[0](rect.y0 + y, rect.x0);
      integrate(residual, weights, {rect.y0 + y, rect.x0, 1, rect.nx}, buffer.data());
      return buffer.data();
    });
  } else {
    const Rect region = expand(rect, kernel_radius(options, options.scales - 1), ny, nx);
    std::vector<float> image(static_cast<size_t>(region.ny * region.nx));
    integrate(residual, weights, region, image.data());
    for (float& value : image) value = std::isfinite(value) ? value : 0.0f;
    // Centres keep a kernel's radius from the image's edge, and the region has it around rect: circular
    // convolution is enough.
    const ScaleSpace space(options, region.ny, region.nx);
    const Plane plane = space.fft().plane();
    const Spectrum spectrum = space.fft().spectrum(), product = space.fft().spectrum();
    put_corner(space.fft(), Image(image.data(), {region.ny, region.nx}), plane);
    space.fft().forward(plane, spectrum);
    for (int scale = 0; scale < options.scales; ++scale) {
      if (kernel_radius(options, scale) == 0) {
        search(scale, region, [&](int64_t y) { return image.data() + y * region.nx; });
        continue;
      }
      space.multiply(spectrum, scale, 1, product);
      space.fft().inverse(product, plane);
      search(scale, region, [&](int64_t y) { return plane.data() + y * space.fft().nx(); });
    }
  }
  if (!scale_mask.data()) peak.masked_value = 0;
  return peak;
}

int64_t find_peak_workspace_bytes(const MinorOptions& options, int64_t ny, int64_t nx, const Rect& rect) {
  if (options.algorithm != Algorithm::multiscale) return rect.nx * int64_t{sizeof(float)};
  const Rect region = expand(rect, kernel_radius(options, options.scales - 1), ny, nx);
  const int64_t plane = fft_plane_bytes(region.ny, region.nx);
  return region.ny * region.nx * int64_t{sizeof(float)} + 3 * plane + (options.scales * plane) / 2;
}

float far_sidelobe(Image psf, int64_t half_ny, int64_t half_nx) {
  const int64_t ny = psf.extent(0), nx = psf.extent(1);
  float level = 0;
  for (int64_t y = 0; y < ny; ++y)
    for (int64_t x = 0; x < nx; ++x) {
      if (std::abs(y - ny / 2) <= half_ny && std::abs(x - nx / 2) <= half_nx) {
        x = nx / 2 + half_nx;
        continue;
      }
      const float value = std::fabs(psf(y, x));
      if (value > level && value <= std::numeric_limits<float>::max()) level = value;
    }
  return level;
}

}  // namespace fringeflow::deconvolve
