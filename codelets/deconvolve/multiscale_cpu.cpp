// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <bit>
#include <limits>

#include "codelets/deconvolve/internal.hpp"

namespace fringeflow::deconvolve {
namespace {

constexpr int64_t kCacheBytes = int64_t{256} << 20;  ///< of convolved PSFs kept between steps

struct ScalePeak {
  float value = 0;  ///< of the convolved image, not weighted; 0: nothing there
};

/// Bytes of all channels' PSFs convolved with the largest kernel, for a region of h x w.
int64_t convolved_psf_bytes(const MinorOptions& options, int64_t h, int64_t w, int64_t reach_y,
                            int64_t reach_x, int64_t channels) {
  const int64_t more = kernel_radius(options, options.scales - 1);
  return 4 * channels * (2 * std::min(reach_y + more, h - 1) + 1) * (2 * std::min(reach_x + more, w - 1) + 1);
}

/// Largest |value| (or value) where bit `scale` of allowed is set; 0 if there is none above it.
FF_CLONES float row_peak(const float* __restrict values, const uint16_t* __restrict allowed, int scale,
                         int64_t n, bool negative) {
  // Without negative components a value's sign bit is kept, and negative ones lose against zero.
  const uint32_t sign = negative ? 0x7fffffffu : 0xffffffffu;
  constexpr int64_t kLanes = 16;
  float largest[kLanes] = {};
  for (int64_t x = 0; x < n; x += kLanes)
    for (int64_t k = 0; k < std::min(kLanes, n - x); ++k) {
      const uint32_t mask = 0u - (static_cast<uint32_t>(allowed[x + k]) >> scale & 1u);
      const float size = std::bit_cast<float>(std::bit_cast<uint32_t>(values[x + k]) & sign & mask);
      largest[k] = size > largest[k] ? size : largest[k];
    }
  float best = 0;
  for (const float value : largest) best = value > best ? value : best;
  return best;
}

/// State of one sub-image's multiscale minor loop. Images are regions h x w; spectra are of the padded size.
class Multiscale {
 public:
  Multiscale(const MinorOptions& options, const MinorInput& input, ComponentList out)
      : options_(options),
        input_(input),
        out_(out),
        work_(make_work(options, input, region_margin(options))),
        h_(work_.region.ny),
        w_(work_.region.nx),
        ny_(input.psf[0].extent(0)),
        nx_(input.psf[0].extent(1)),
        reach_y_(std::min(h_ - 1, ny_ / 2)),
        reach_x_(std::min(w_ - 1, nx_ / 2)),
        narrow_(options, h_, w_),
        wide_(options, h_ + reach_y_, w_ + reach_x_),
        sky_plane_(narrow_.fft().plane()),
        sky_(narrow_.fft().spectrum()),
        product_(narrow_.fft().spectrum()),
        plane_(wide_.fft().plane()),
        wide_product_(wide_.fft().spectrum()),
        peaks_(static_cast<size_t>(options.scales)),
        usable_(static_cast<size_t>(options.scales), true),
        slots_(static_cast<size_t>(options.scales)),
        psf_bytes_(
            convolved_psf_bytes(options, h_, w_, reach_y_, reach_x_, static_cast<int64_t>(input.psf.size()))),
        psf_stores_{std::vector<std::vector<float>>(static_cast<size_t>(options.scales)),
                    std::vector<std::vector<float>>(static_cast<size_t>(options.scales))} {
    for (const Image& psf : input.psf) {
      psf_spectra_.push_back(wide_.fft().spectrum());
      put_centred(wide_.fft(), psf, reach_y_, reach_x_, plane_);
      wide_.fft().forward(plane_, psf_spectra_.back());
    }
    gains_.assign(static_cast<size_t>(options.scales), options.gain);
    for (int scale = 1; scale < options.scales; ++scale) {
      // The integrated image's PSF after one convolution: its peak says what a component of unit flux looks
      // like at this scale.
      double peak = 0;
      for (size_t c = 0; c < input.psf.size(); ++c)
        if (work_.weights[c] > 0) peak += work_.weights[c] * once_convolved_peak(input.psf[c], scale);
      if (peak > 1e-6)
        gains_[static_cast<size_t>(scale)] = static_cast<float>(options.gain / peak);
      else
        usable_[static_cast<size_t>(scale)] = false;
    }
  }

  void run() {
    ComponentHeader& header = out_.header();
    for (ScalePeak& peak : peaks_) peak.value = std::numeric_limits<float>::max();
    int scale = find_best_scale();
    header.start_peak = header.left_peak = scale < 0 ? 0 : weighted(scale);
    // Near the threshold the loop would hop between scales for ever; a countdown ends that.
    int countdown = std::max(8, static_cast<int>(std::ceil(1.5 * options_.scales)));
    while (scale >= 0 && weighted(scale) > header.threshold && header.iterations < input_.max_iterations &&
           countdown > 0 && header.count < out_.capacity()) {
      const float peak = peaks_[static_cast<size_t>(scale)].value;
      const float wanted = (1 - options_.scale_gain) * peak,
                  floor = header.threshold / scale_weight(options_, scale);
      if (floor > wanted) --countdown;
      const SubMinorResult result = clean_scale(scale, std::max(wanted, floor), wanted);
      if (result.diverged || result.entries.empty()) {
        usable_[static_cast<size_t>(scale)] = false;
        peaks_[static_cast<size_t>(scale)] = {};
        if (result.diverged) header.flags |= kDiverged;
      } else {
        emit(work_, input_, result, scale, slots_[static_cast<size_t>(scale)], out_);
        subtract(result, scale);
      }
      if (result.full) {
        header.flags |= kFull;
        break;
      }
      scale = find_best_scale();
      header.left_peak = scale < 0 ? 0 : weighted(scale);
    }
    if (!(header.left_peak > header.threshold) || countdown == 0) header.flags |= kReached;
  }

 private:
  float weighted(int scale) const {
    return peaks_[static_cast<size_t>(scale)].value * scale_weight(options_, scale);
  }

  /// The scale of the largest weighted peak, -1 without any. Peaks fall as cleaning goes on, so that an old
  /// value bounds the new one (nearly: what is cleaned at one scale may raise another a little): scales are
  /// looked at in the order of their old values until the best of the new ones is ahead of all old ones.
  int find_best_scale() {
    put_corner(narrow_.fft(), Image(work_.integrated(), {h_, w_}), sky_plane_);
    narrow_.fft().forward(sky_plane_, sky_);
    held_ = -1;
    std::vector<bool> fresh(peaks_.size(), false);
    for (;;) {
      int best = -1;
      for (int scale = 0; scale < options_.scales; ++scale)
        if (peaks_[static_cast<size_t>(scale)].value > 0 && (best < 0 || weighted(scale) > weighted(best)))
          best = scale;
      if (best < 0 || fresh[static_cast<size_t>(best)]) return best;
      fresh[static_cast<size_t>(best)] = true;
      find_peak_of(best);
    }
  }

  /// sky_plane_ = integrated residual convolved with the kernel of the scale.
  void hold(int scale) {
    if (held_ == scale) return;
    narrow_.multiply(sky_, scale, 1, product_);
    narrow_.fft().inverse(product_, sky_plane_);
    held_ = scale;
  }

  void find_peak_of(int scale) {
    ScalePeak& peak = peaks_[static_cast<size_t>(scale)];
    peak = {};
    if (!usable_[static_cast<size_t>(scale)]) return;
    const float* image = work_.integrated();
    int64_t stride = w_;
    if (scale > 0) {
      hold(scale);
      image = sky_plane_.data();
      stride = narrow_.fft().nx();
    }
    // Peaks of the margin are the neighbour's; only what stands in the rectangle drives the loop.
    const Rect& rect = input_.rect;
    const int64_t y0 = rect.y0 - work_.region.y0, x0 = rect.x0 - work_.region.x0;
    for (int64_t y = y0; y < y0 + rect.ny; ++y) {
      const float row = row_peak(image + y * stride + x0, work_.allowed.data() + y * w_ + x0, scale, rect.nx,
                                 options_.allow_negative != 0);
      peak.value = std::max(peak.value, row);
    }
  }

  /// Peak of the PSF convolved once: what a component of unit flux looks like at its scale, before it is
  /// smoothed again.
  double once_convolved_peak(const Image& psf, int scale) const {
    const std::vector<float> kernel = scale_kernel(options_, scale);
    const int64_t r = kernel_radius(options_, scale), n = 2 * r + 1;
    double sum = 0;
    for (int64_t y = std::max<int64_t>(0, ny_ / 2 - r); y < std::min(ny_, ny_ / 2 + r + 1); ++y)
      for (int64_t x = std::max<int64_t>(0, nx_ / 2 - r); x < std::min(nx_, nx_ / 2 + r + 1); ++x) {
        const float value = psf(y, x);
        if (std::isfinite(value))
          sum += double{value} * kernel[static_cast<size_t>((y - ny_ / 2 + r) * n + x - nx_ / 2 + r)];
      }
    return sum;
  }

  /// True if the PSFs convolved once and twice with every kernel may be kept.
  bool room_for_all() const { return 2 * psf_bytes_ * options_.scales <= kCacheBytes; }

  /// The PSFs convolved with the kernel once or twice, centre at extent / 2; kept if there is room.
  std::vector<Image> convolved_psf(int scale, int times) {
    // Subtraction is linear: it takes all that the kernel reaches, as the transforms do.
    const Fft2& fft = wide_.fft();
    const int64_t more = times == 1 ? kernel_radius(options_, scale) : 0;
    const int64_t ny = 2 * std::min({reach_y_ + more, h_ - 1, (fft.ny() - 1) / 2}) + 1,
                  nx = 2 * std::min({reach_x_ + more, w_ - 1, (fft.nx() - 1) / 2}) + 1;
    auto& stores = psf_stores_[static_cast<size_t>(times - 1)];
    auto& store = stores[static_cast<size_t>(scale)];
    if (store.empty()) {
      if (psf_bytes_ * options_.scales > kCacheBytes)
        for (auto& other : stores) std::vector<float>().swap(other);
      store.resize(static_cast<size_t>(ny * nx) * input_.psf.size());
      for (size_t c = 0; c < input_.psf.size(); ++c) {
        wide_.multiply(psf_spectra_[c], scale, times, wide_product_);
        fft.inverse(wide_product_, plane_);
        float* to = store.data() + c * static_cast<size_t>(ny * nx);
        for (int64_t y = 0; y < ny; ++y)
          for (int64_t x = 0; x < nx; ++x)
            to[y * nx + x] =
                plane_[(y - ny / 2 + fft.ny()) % fft.ny() * fft.nx() + (x - nx / 2 + fft.nx()) % fft.nx()];
      }
    }
    std::vector<Image> views;
    for (size_t c = 0; c < input_.psf.size(); ++c)
      views.emplace_back(store.data() + c * static_cast<size_t>(ny * nx), std::array{ny, nx});
    return views;
  }

  SubMinorResult clean_scale(int scale, float threshold, float list_threshold) {
    const size_t channels = work_.residual.size();
    SubMinor job;
    job.h = h_;
    job.w = w_;
    if (scale == 0) {
      for (const auto& residual : work_.residual) job.values.push_back(residual.data());
      job.integrated = work_.integrated();
      job.psf.assign(input_.psf.begin(), input_.psf.end());
    } else {
      convolved_.resize(channels + (channels > 1 ? 1 : 0));
      for (size_t i = 0; i < convolved_.size(); ++i) {
        // With one channel its residual is the integrated image, whose spectrum is there already.
        if (channels > 1 && i < channels) {
          put_corner(narrow_.fft(), Image(work_.residual[i].data(), {h_, w_}), sky_plane_);
          narrow_.fft().forward(sky_plane_, product_);
          narrow_.multiply(product_, scale, 1, product_);
          narrow_.fft().inverse(product_, sky_plane_);
          held_ = -1;
        } else {
          hold(scale);
        }
        convolved_[i].resize(static_cast<size_t>(h_ * w_));
        for (int64_t y = 0; y < h_; ++y)
          std::copy_n(sky_plane_.data() + y * narrow_.fft().nx(), w_, convolved_[i].data() + y * w_);
      }
      for (size_t c = 0; c < channels; ++c) job.values.push_back(convolved_[c].data());
      job.integrated = convolved_.back().data();
      job.psf = convolved_psf(scale, 2);
    }
    job.allowed = work_.allowed.data();
    job.bit = static_cast<uint16_t>(1u << scale);
    job.weights = work_.weights;
    job.gain = gains_[static_cast<size_t>(scale)];
    job.threshold = threshold;
    job.list_threshold = list_threshold;
    job.allow_negative = options_.allow_negative != 0;
    job.max_iterations = input_.max_iterations - out_.header().iterations;
    job.max_positions = out_.capacity() - out_.header().count;
    const Rect& r = work_.region;
    job.counted = {input_.rect.y0 - r.y0, input_.rect.x0 - r.x0, input_.rect.ny, input_.rect.nx};
    job.cancelled = input_.cancelled;
    return sub_minor(job);
  }

  /// residual[channel] -= PSF * kernel * components, at full resolution.
  void subtract(const SubMinorResult& result, int scale) {
    const size_t channels = work_.residual.size();
    const Fft2& fft = wide_.fft();
    if (room_for_all() &&
        direct_is_cheaper(static_cast<int64_t>(result.entries.size()), h_ * w_, fft.plane_size())) {
      subtract_directly(work_, convolved_psf(scale, 1), result);
      work_.update_integrated();
      return;
    }
    for (size_t c = 0; c < channels; ++c) {
      std::fill_n(plane_.data(), fft.plane_size(), 0.0f);
      for (size_t i = 0; i < result.entries.size(); ++i)
        plane_[result.entries[i].y * fft.nx() + result.entries[i].x] += result.flux[i * channels + c];
      fft.forward(plane_, wide_product_);
      const Spectrum& psf = psf_spectra_[c];
      for (int64_t i = 0; i < fft.spectrum_size(); ++i) {
        const auto a = wide_product_[i], b = psf[i];
        wide_product_[i] = {a.real() * b.real() - a.imag() * b.imag(),
                            a.real() * b.imag() + a.imag() * b.real()};
      }
      wide_.multiply(wide_product_, scale, 1, wide_product_);
      fft.inverse(wide_product_, plane_);
      float* residual = work_.residual[c].data();
      for (int64_t y = 0; y < h_; ++y)
        for (int64_t x = 0; x < w_; ++x) residual[y * w_ + x] -= plane_[y * fft.nx() + x];
    }
    work_.update_integrated();
  }

  const MinorOptions& options_;
  const MinorInput& input_;
  ComponentList out_;
  Work work_;
  int64_t h_, w_, ny_, nx_, reach_y_, reach_x_;
  ScaleSpace narrow_;  ///< of the region's size: centres keep a kernel's radius from its edges, so nothing
                       ///< wraps into them
  ScaleSpace wide_;    ///< with room for the PSF
  Plane sky_plane_;    ///< integrated residual at scale held_, if that is not negative
  Spectrum sky_;       ///< of the integrated residual
  Spectrum product_;
  Plane plane_;
  Spectrum wide_product_;
  int held_ = -1;
  std::vector<std::vector<float>>
      convolved_;                      ///< [channel, integrated if there are several][h][w], of a step
  std::vector<Spectrum> psf_spectra_;  ///< [channel]
  std::vector<float> gains_;           ///< [scale]
  std::vector<ScalePeak> peaks_;       ///< [scale]
  std::vector<bool> usable_;           ///< [scale]; false once cleaning it made things worse
  std::vector<std::vector<int32_t>> slots_;
  int64_t psf_bytes_;  ///< of one entry of psf_stores_, at most
  /// [once, twice][scale][channel][2 reach + 1][2 reach + 1]
  std::array<std::vector<std::vector<float>>, 2> psf_stores_;
};

}  // namespace

void multiscale(const MinorOptions& options, const MinorInput& input, ComponentList out) {
  Multiscale(options, input, out).run();
}

int64_t minor_workspace_bytes(const MinorOptions& options, int64_t ny, int64_t nx, const Rect& rect,
                              int channels) {
  const Rect r = expand(rect, region_margin(options), ny, nx);
  const int64_t pixels = r.ny * r.nx,
                plane = fft_plane_bytes(r.ny + std::min(r.ny - 1, ny / 2), r.nx + std::min(r.nx - 1, nx / 2));
  const int64_t work = pixels * (4 * (channels + (channels > 1 ? 1 : 0)) + 2 + 4 * int64_t{options.scales});
  const int64_t list = sub_minor_bytes(r.ny, r.nx, channels);
  if (options.algorithm != Algorithm::multiscale) return work + std::max(list, 3 * plane);
  const int64_t narrow = fft_plane_bytes(r.ny, r.nx);
  const int64_t stored = convolved_psf_bytes(options, r.ny, r.nx, std::min(r.ny - 1, ny / 2),
                                             std::min(r.nx - 1, nx / 2), channels);
  return work + list + pixels * 4 * (channels + 1) + (2 + channels) * plane + 3 * narrow +
         options.scales * (plane + narrow) / 2 +
         std::max(stored, std::min(kCacheBytes, 2 * stored * options.scales));
}

}  // namespace fringeflow::deconvolve
