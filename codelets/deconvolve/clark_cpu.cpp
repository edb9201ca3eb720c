// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "codelets/deconvolve/internal.hpp"

namespace fringeflow::deconvolve {
namespace {

constexpr float kListFraction =
    0.9f;                       ///< pixels below the threshold that may still rise above it are listed too
constexpr float kDeep = 6.0f;   ///< a last threshold this many times below the peak needs more than one list
constexpr int kDeepPasses = 8;  ///< at most so many
/// Pixels (or one in 128, if that is more) that a list should not exceed: less than that costs little beside a convolution.
constexpr int64_t kShortList = 1 << 13;
constexpr float kLeastStep = 0.8f;  ///< a short list goes down to this share of the peak at least
constexpr int kShortLists = 8;      ///< at most so many in a cycle
constexpr int64_t kMargin = 64;     ///< pixels around a sub-image that are cleaned with it and then dropped

/// to -= flux x from, where that is finite.
FF_CLONES void subtract_row(float* __restrict to, const float* __restrict from, float flux, int64_t n) {
  for (int64_t x = 0; x < n; ++x) {
    const float change = flux * from[x];
    to[x] -= std::fabs(change) <= std::numeric_limits<float>::max() ? change : 0.0f;
  }
}

/// residual -= PSF convolved with the entries.
void subtract_components(Work& work, std::span<const Image> psf, const SubMinorResult& result) {
  const int64_t h = work.region.ny, w = work.region.nx;
  const auto channels = static_cast<size_t>(work.channels);
  const int64_t ny = psf[0].extent(0), nx = psf[0].extent(1);
  // Circular wrap must not bring anything back: offsets in the region go up to h - 1, those of the PSF to ny
  // / 2.
  const int64_t reach_y = std::min(h - 1, ny / 2), reach_x = std::min(w - 1, nx / 2);
  const int64_t py = good_fft_size(h + reach_y), px = good_fft_size(w + reach_x);
  if (direct_is_cheaper(static_cast<int64_t>(result.entries.size()), h * w, py * px)) {
    subtract_directly(work, psf, result);
  } else {
    const Fft2 fft(py, px);
    const Plane plane = fft.plane();
    const Spectrum a = fft.spectrum(), b = fft.spectrum();
    const float norm = 1.0f / static_cast<float>(fft.plane_size());
    for (size_t c = 0; c < channels; ++c) {
      put_centred(fft, psf[c], reach_y, reach_x, plane);
      fft.forward(plane, a);
      std::fill_n(plane.data(), fft.plane_size(), 0.0f);
      for (size_t i = 0; i < result.entries.size(); ++i)
        plane[result.entries[i].y * fft.nx() + result.entries[i].x] += result.flux[i * channels + c];
      fft.forward(plane, b);
      for (int64_t i = 0; i < fft.spectrum_size(); ++i) {
        const float re = a[i].real() * b[i].real() - a[i].imag() * b[i].imag();
        const float im = a[i].real() * b[i].imag() + a[i].imag() * b[i].real();
        a[i] = {re * norm, im * norm};
      }
      fft.inverse(a, plane);
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x)
          work.residual[c][static_cast<size_t>(y * w + x)] -= plane[y * fft.nx() + x];
    }
  }
  work.update_integrated();
}

float allowed_peak(const MinorOptions& options, const Work& work, const Rect& rect) {
  float peak = 0;
  const int64_t w = work.region.nx, x0 = rect.x0 - work.region.x0;
  for (int64_t y = rect.y0 - work.region.y0; y < rect.y0 - work.region.y0 + rect.ny; ++y)
    for (int64_t x = x0; x < x0 + rect.nx; ++x) {
      const float value = work.integrated()[y * w + x],
                  size = options.allow_negative ? std::fabs(value) : value;
      if (size > peak && (work.allowed[static_cast<size_t>(y * w + x)] & 1)) peak = size;
    }
  return peak;
}

/// The threshold of the next list: `threshold`, or so far above it that the list is short. In the noise nearly every pixel is above a
/// low threshold, and each iteration would go over all of them for the few that are bright enough to be found.
float short_list_threshold(const MinorOptions& options, const Work& work, float peak, float threshold) {
  constexpr int kBins = 256;
  const int64_t pixels = work.region.ny * work.region.nx, most = std::max(kShortList, pixels / 128);
  const float lowest = kListFraction * threshold, highest = kLeastStep * peak;
  if (pixels <= most || !(highest > threshold)) return threshold;
  std::array<int64_t, kBins + 1> above{};  // [bin], the last: at highest and beyond
  const float per_bin = (highest * kListFraction - lowest) / kBins;
  for (int64_t i = 0; i < pixels; ++i) {
    const float value = work.integrated()[i], size = options.allow_negative ? std::fabs(value) : value;
    if (!(size >= lowest) || !(work.allowed[static_cast<size_t>(i)] & 1)) continue;
    ++above[static_cast<size_t>(std::min<float>((size - lowest) / per_bin, kBins))];
  }
  int64_t listed = above[kBins];
  for (int bin = kBins; bin > 0; --bin) {
    if (listed + above[static_cast<size_t>(bin - 1)] > most)
      return std::max(threshold, (lowest + static_cast<float>(bin) * per_bin) / kListFraction);
    listed += above[static_cast<size_t>(bin - 1)];
  }
  return threshold;
}

}  // namespace

bool direct_is_cheaper(int64_t components, int64_t pixels, int64_t padded) {
  return components * pixels < 3 * 40 * padded;
}

void subtract_directly(Work& work, std::span<const Image> psf, const SubMinorResult& result) {
  const int64_t h = work.region.ny, w = work.region.nx, ny = psf[0].extent(0), nx = psf[0].extent(1);
  const auto channels = static_cast<size_t>(work.channels);
  for (size_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < h; ++y) {
      float* to = work.residual[c].data() + y * w;
      for (size_t i = 0; i < result.entries.size(); ++i) {
        const int64_t j = y - result.entries[i].y + ny / 2, left = result.entries[i].x - nx / 2;
        if (j < 0 || j >= ny) continue;
        const float flux = result.flux[i * channels + c];
        const float* from = &psf[c](j, 0);
        const int64_t begin = std::max<int64_t>(0, left), end = std::min(w, left + nx);
        subtract_row(to + begin, from + (begin - left), flux, end - begin);
      }
    }
}

int64_t region_margin(const MinorOptions& options) {
  return options.algorithm == Algorithm::multiscale ? kMargin + 2 * kernel_radius(options, options.scales - 1)
                                                    : kMargin;
}

void Work::update_integrated() {
  if (channels == 1) return;
  const size_t n = residual[0].size();
  integrated_store.assign(n, 0.0f);
  for (size_t c = 0; c < residual.size(); ++c)
    for (size_t i = 0; i < n; ++i) integrated_store[i] += weights[c] * residual[c][i];
}

Work make_work(const MinorOptions& options, const MinorInput& input, int64_t margin) {
  const int64_t ny = input.residual[0].extent(0), nx = input.residual[0].extent(1);
  Work work;
  work.region = expand(input.rect, margin, ny, nx);
  work.channels = static_cast<int>(input.residual.size());
  double sum = 0;
  for (const float weight : input.weights) sum += weight > 0 ? weight : 0;
  for (const float weight : input.weights)
    work.weights.push_back(weight > 0 ? static_cast<float>(weight / sum) : 0.0f);
  work.allowed =
      allowed_scales(options, input.mask, input.masked ? input.scale_mask : ScaleMask{}, work.region, ny, nx);
  const Rect& r = work.region;
  for (size_t c = 0; c < input.residual.size(); ++c) {
    std::vector<float> copy(static_cast<size_t>(r.ny * r.nx), 0.0f);
    if (work.weights[c] > 0)
      for (int64_t y = 0; y < r.ny; ++y)
        for (int64_t x = 0; x < r.nx; ++x) {
          const auto at = static_cast<size_t>(y * r.nx + x);
          const float value = input.residual[c](r.y0 + y, r.x0 + x);
          if (std::isfinite(value))
            copy[at] = value;
          else
            work.allowed[at] = 0;
        }
    work.residual.push_back(std::move(copy));
  }
  work.update_integrated();
  return work;
}

void emit(const Work& work, const MinorInput& input, const SubMinorResult& result, int scale,
          std::vector<int32_t>& slots, ComponentList out) {
  ComponentHeader& header = out.header();
  const auto channels = static_cast<size_t>(work.channels);
  if (slots.empty()) slots.assign(static_cast<size_t>(work.region.ny * work.region.nx), -1);
  for (size_t i = 0; i < result.entries.size(); ++i) {
    const auto& entry = result.entries[i];
    const int64_t y = entry.y + work.region.y0, x = entry.x + work.region.x0;
    if (!input.rect.contains(y, x)) continue;
    int32_t& slot = slots[static_cast<size_t>(entry.y * work.region.nx + entry.x)];
    if (slot < 0) {
      if (header.count >= out.capacity())
        continue;  // cannot happen: loops ask for no more positions than are free
      slot = static_cast<int32_t>(header.count++);
      int32_t* position = out.position(slot);
      position[0] = static_cast<int32_t>(y);
      position[1] = static_cast<int32_t>(x);
      position[2] = scale;
      std::fill_n(out.flux(slot), channels, 0.0f);
    }
    for (size_t c = 0; c < channels; ++c) out.flux(slot)[c] += result.flux[i * channels + c];
  }
  header.iterations += result.iterations;
}

void clark(const MinorOptions& options, const MinorInput& input, ComponentList out) {
  ComponentHeader& header = out.header();
  Work work = make_work(options, input, kMargin);
  const Rect& r = work.region;
  header.start_peak = header.left_peak = allowed_peak(options, work, input.rect);
  const bool hogbom = options.algorithm == Algorithm::hogbom;
  // Pixels that were not listed rise as sidelobes of others go away. Between cycles that does not matter, the
  // exact residual comes next; nor after a small step. One long step to the end (major gain 1) needs fresh
  // lists from the subtracted residual.
  const int passes =
      input.is_final && !hogbom && header.start_peak > kDeep * header.threshold ? kDeepPasses : 1;
  std::vector<int32_t> slots;
  for (int pass = 0, short_lists = 0;
       header.left_peak > header.threshold && header.iterations < input.max_iterations;) {
    if (pass == passes) break;
    const float until = hogbom || short_lists == kShortLists
                            ? header.threshold
                            : short_list_threshold(options, work, header.left_peak, header.threshold);
    const bool is_short = until > header.threshold;
    ++(is_short ? short_lists : pass);
    SubMinor job;
    job.h = r.ny;
    job.w = r.nx;
    for (const auto& residual : work.residual) job.values.push_back(residual.data());
    job.integrated = work.integrated();
    job.allowed = work.allowed.data();
    job.psf.assign(input.psf.begin(), input.psf.end());
    job.weights = work.weights;
    job.gain = options.gain;
    job.threshold = until;
    job.list_threshold = hogbom ? -std::numeric_limits<float>::infinity() : kListFraction * until;
    job.allow_negative = options.allow_negative != 0;
    job.max_iterations = input.max_iterations - header.iterations;
    job.max_positions = out.capacity() - header.count;
    job.counted = {input.rect.y0 - r.y0, input.rect.x0 - r.x0, input.rect.ny, input.rect.nx};
    job.cancelled = input.cancelled;
    const SubMinorResult result = sub_minor(job);
    if (result.diverged) {
      header.flags |= kDiverged;
      break;
    }
    emit(work, input, result, 0, slots, out);
    header.left_peak = result.left;
    if (result.full) {
      header.flags |= kFull;
      break;
    }
    if (result.left > until || (!is_short && passes == 1)) break;
    subtract_components(work, input.psf, result);
    header.left_peak = allowed_peak(options, work, input.rect);
  }
  if (!(header.left_peak > header.threshold)) header.flags |= kReached;
}

void minor_cycle(const MinorOptions& options, const MinorInput& input, ComponentList out) {
  out.clear();
  ComponentHeader& header = out.header();
  // A sub-image does not know what the sources of the others look like from afar: nothing that they can fake
  // is cleaned.
  const float fake = 1.5f * input.far_sidelobe * input.global_peak;
  header.threshold = std::max(input.threshold, fake);
  if (fake > input.threshold) header.flags |= kRaised;
  header.channels = static_cast<int32_t>(input.residual.size());
  bool any = false;
  for (const float weight : input.weights) any = any || weight > 0;
  if (!any || input.max_iterations <= 0) {
    header.flags |= any ? 0 : kReached;
    return;
  }
  if (options.algorithm == Algorithm::multiscale)
    multiscale(options, input, out);
  else
    clark(options, input, out);
}

}  // namespace fringeflow::deconvolve
