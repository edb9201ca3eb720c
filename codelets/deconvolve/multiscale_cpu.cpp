// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <map>

#include "codelets/deconvolve/internal.hpp"

namespace fringeflow::deconvolve {
namespace {

constexpr int64_t kCacheBytes = int64_t{256} << 20;  ///< of twice-convolved PSFs kept between steps

struct ScalePeak {
  float value = 0;  ///< of the convolved image, not weighted
  bool found = false;
};

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
        space_(options, h_ + reach_y_, w_ + reach_x_),
        plane_(fft().plane()),
        product_(fft().spectrum()),
        sky_(fft().spectrum()),
        peaks_(static_cast<size_t>(options.scales)),
        usable_(static_cast<size_t>(options.scales), true),
        slots_(static_cast<size_t>(options.scales)),
        psf_store_(static_cast<size_t>(options.scales)) {
    for (const Image& psf : input.psf) {
      psf_spectra_.push_back(fft().spectrum());
      put_centred(fft(), psf, reach_y_, reach_x_, plane_);
      fft().forward(plane_, psf_spectra_.back());
    }
    gains_.assign(static_cast<size_t>(options.scales), options.gain);
    for (int scale = 1; scale < options.scales; ++scale) {
      // The integrated image's PSF after one convolution: its peak says what a component of unit flux looks
      // like at this scale.
      double peak = 0;
      for (size_t c = 0; c < input.psf.size(); ++c) peak += work_.weights[c] * once_convolved_peak(c, scale);
      if (peak > 1e-6)
        gains_[static_cast<size_t>(scale)] = static_cast<float>(options.gain / peak);
      else
        usable_[static_cast<size_t>(scale)] = false;
    }
  }

  void run() {
    ComponentHeader& header = out_.header();
    find_peaks();
    int scale = best_scale();
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
        if (result.diverged) header.flags |= kDiverged;
      } else {
        emit(work_, input_, result, scale, slots_[static_cast<size_t>(scale)], out_);
        subtract(result, scale);
      }
      if (result.full) {
        header.flags |= kFull;
        break;
      }
      find_peaks();
      scale = best_scale();
      header.left_peak = scale < 0 ? 0 : weighted(scale);
    }
    if (!(header.left_peak > header.threshold) || countdown == 0) header.flags |= kReached;
  }

 private:
  const Fft2& fft() const { return space_.fft(); }
  float weighted(int scale) const {
    return peaks_[static_cast<size_t>(scale)].value * scale_weight(options_, scale);
  }

  int best_scale() const {
    int best = -1;
    for (int scale = 0; scale < options_.scales; ++scale)
      if (peaks_[static_cast<size_t>(scale)].found && (best < 0 || weighted(scale) > weighted(best)))
        best = scale;
    return best;
  }

  double once_convolved_peak(size_t channel, int scale) {
    space_.multiply(psf_spectra_[channel], scale, 1, product_);
    fft().inverse(product_, plane_);
    return plane_[0];
  }

  /// plane_ = image convolved with the kernel of the scale.
  void convolve(const Spectrum& image, int scale) {
    space_.multiply(image, scale, 1, product_);
    fft().inverse(product_, plane_);
  }

  void find_peaks() {
    put_corner(fft(), Image(work_.integrated(), {h_, w_}), plane_);
    fft().forward(plane_, sky_);
    for (int scale = 0; scale < options_.scales; ++scale) {
      ScalePeak& peak = peaks_[static_cast<size_t>(scale)];
      peak = {};
      if (!usable_[static_cast<size_t>(scale)]) continue;
      const float* image = work_.integrated();
      int64_t stride = w_;
      if (scale > 0) {
        convolve(sky_, scale);
        image = plane_.data();
        stride = fft().nx();
      }
      // Peaks of the margin would be found again by the neighbour; only what stands in the rectangle drives
      // the loop.
      const Rect& rect = input_.rect;
      const int64_t y0 = rect.y0 - work_.region.y0, x0 = rect.x0 - work_.region.x0;
      for (int64_t y = y0; y < y0 + rect.ny; ++y) {
        const uint16_t* allowed = work_.allowed.data() + y * w_;
        for (int64_t x = x0; x < x0 + rect.nx; ++x) {
          const float value = image[y * stride + x],
                      size = options_.allow_negative ? std::fabs(value) : value;
          if (size > peak.value && (allowed[x] >> scale & 1)) {
            peak.value = size;
            peak.found = true;
          }
        }
      }
    }
  }

  /// The PSFs convolved twice with the kernel, centre at extent / 2; kept if there is room.
  std::vector<Image> twice_convolved(int scale) {
    const int64_t ny = 2 * reach_y_ + 1, nx = 2 * reach_x_ + 1;
    auto& store = psf_store_[static_cast<size_t>(scale)];
    if (store.empty()) {
      const int64_t bytes = ny * nx * static_cast<int64_t>(sizeof(float) * input_.psf.size());
      if (bytes * options_.scales > kCacheBytes)
        for (auto& other : psf_store_) std::vector<float>().swap(other);
      store.resize(static_cast<size_t>(ny * nx) * input_.psf.size());
      for (size_t c = 0; c < input_.psf.size(); ++c) {
        space_.multiply(psf_spectra_[c], scale, 2, product_);
        fft().inverse(product_, plane_);
        float* to = store.data() + c * static_cast<size_t>(ny * nx);
        for (int64_t y = 0; y < ny; ++y)
          for (int64_t x = 0; x < nx; ++x)
            to[y * nx + x] = plane_[(y - ny / 2 + fft().ny()) % fft().ny() * fft().nx() +
                                    (x - nx / 2 + fft().nx()) % fft().nx()];
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
    std::vector<std::vector<float>> convolved;
    if (scale == 0) {
      for (const auto& residual : work_.residual) job.values.push_back(residual.data());
      job.integrated = work_.integrated();
      job.psf.assign(input_.psf.begin(), input_.psf.end());
    } else {
      convolved.assign(channels + (channels > 1 ? 1 : 0), std::vector<float>(static_cast<size_t>(h_ * w_)));
      for (size_t i = 0; i < convolved.size(); ++i) {
        // With one channel its residual is the integrated image, whose spectrum is there already.
        if (channels > 1 && i < channels) {
          put_corner(fft(), Image(work_.residual[i].data(), {h_, w_}), plane_);
          fft().forward(plane_, scratch());
          convolve(scratch(), scale);
        } else {
          convolve(sky_, scale);
        }
        for (int64_t y = 0; y < h_; ++y)
          std::copy_n(plane_.data() + y * fft().nx(), w_, convolved[i].data() + y * w_);
      }
      for (size_t c = 0; c < channels; ++c) job.values.push_back(convolved[c].data());
      job.integrated = convolved.back().data();
      job.psf = twice_convolved(scale);
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
    return sub_minor(job);
  }

  const Spectrum& scratch() {
    if (scratch_.size() == 0) scratch_ = fft().spectrum();
    return scratch_;
  }

  /// residual[channel] -= PSF * kernel * components, at full resolution.
  void subtract(const SubMinorResult& result, int scale) {
    const size_t channels = work_.residual.size();
    for (size_t c = 0; c < channels; ++c) {
      std::fill_n(plane_.data(), fft().plane_size(), 0.0f);
      for (size_t i = 0; i < result.entries.size(); ++i)
        plane_[result.entries[i].y * fft().nx() + result.entries[i].x] += result.flux[i * channels + c];
      fft().forward(plane_, scratch());
      const Spectrum& psf = psf_spectra_[c];
      for (int64_t i = 0; i < fft().spectrum_size(); ++i) {
        const auto a = scratch_[i], b = psf[i];
        scratch_[i] = {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
      }
      convolve(scratch_, scale);
      float* residual = work_.residual[c].data();
      for (int64_t y = 0; y < h_; ++y)
        for (int64_t x = 0; x < w_; ++x) residual[y * w_ + x] -= plane_[y * fft().nx() + x];
    }
    work_.update_integrated();
  }

  const MinorOptions& options_;
  const MinorInput& input_;
  ComponentList out_;
  Work work_;
  int64_t h_, w_, ny_, nx_, reach_y_, reach_x_;
  ScaleSpace space_;
  Plane plane_;
  Spectrum product_, sky_, scratch_;
  std::vector<Spectrum> psf_spectra_;  ///< [channel]
  std::vector<float> gains_;           ///< [scale]
  std::vector<ScalePeak> peaks_;       ///< [scale]
  std::vector<bool> usable_;           ///< [scale]; false once cleaning it made things worse
  std::vector<std::vector<int32_t>> slots_;
  std::vector<std::vector<float>> psf_store_;  ///< [scale][channel][2 reach + 1][2 reach + 1]
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
  const int64_t stored = 4 * channels * (2 * r.ny - 1) * (2 * r.nx - 1);
  return work + list + pixels * 4 * (channels + 1) + (4 + channels) * plane + options.scales * plane / 2 +
         std::max(stored, std::min(kCacheBytes, stored * options.scales));
}

}  // namespace fringeflow::deconvolve
