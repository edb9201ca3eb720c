// SPDX-License-Identifier: GPL-3.0-or-later
#include "codelets/deconvolve/convolver.hpp"

#include <algorithm>
#include <cmath>
#include <new>
#include <stdexcept>

namespace fringeflow::deconvolve {

std::mutex& fftw_planner_mutex() {
  static std::mutex mutex;
  return mutex;
}

template <class T>
FftBuffer<T>::FftBuffer(int64_t size)
    : data_(static_cast<T*>(fftwf_malloc(static_cast<size_t>(size) * sizeof(T)))), size_(size) {
  if (!data_ && size > 0) throw std::bad_alloc();
}
template class FftBuffer<float>;
template class FftBuffer<std::complex<float>>;

int64_t good_fft_size(int64_t n) {
  for (int64_t size = n + (n & 1);; size += 2) {
    int64_t rest = size;
    for (const int64_t factor : {2, 3, 5, 7})
      while (rest % factor == 0) rest /= factor;
    if (rest == 1) return size;
  }
}

Fft2::Fft2(int64_t least_ny, int64_t least_nx) : ny_(good_fft_size(least_ny)), nx_(good_fft_size(least_nx)) {
  // FFTW_ESTIMATE never measures, so the same plan comes out of every run; the arrays are not touched while
  // planning.
  const Plane plane(plane_size());
  const Spectrum spectrum(spectrum_size());
  auto* complex = reinterpret_cast<fftwf_complex*>(spectrum.data());
  const std::lock_guard lock(fftw_planner_mutex());
  const int ny = static_cast<int>(ny_), nx = static_cast<int>(nx_);
  forward_ = fftwf_plan_dft_r2c_2d(ny, nx, plane.data(), complex, FFTW_ESTIMATE);
  inverse_ = fftwf_plan_dft_c2r_2d(ny, nx, complex, plane.data(), FFTW_ESTIMATE);
  if (!forward_ || !inverse_) throw std::runtime_error("FFTW made no plan");
}

Fft2::~Fft2() {
  const std::lock_guard lock(fftw_planner_mutex());
  fftwf_destroy_plan(forward_);
  fftwf_destroy_plan(inverse_);
}

void Fft2::forward(const Plane& in, const Spectrum& out) const {
  fftwf_execute_dft_r2c(forward_, in.data(), reinterpret_cast<fftwf_complex*>(out.data()));
}
void Fft2::inverse(const Spectrum& in, const Plane& out) const {
  fftwf_execute_dft_c2r(inverse_, reinterpret_cast<fftwf_complex*>(in.data()), out.data());
}

int64_t fft_plane_bytes(int64_t least_ny, int64_t least_nx) {
  return good_fft_size(least_ny) * (good_fft_size(least_nx) + 2) * int64_t{sizeof(float)};
}

void put_corner(const Fft2& fft, View<const float, 2> image, const Plane& plane) {
  const int64_t h = image.extent(0), w = image.extent(1);
  for (int64_t y = 0; y < fft.ny(); ++y) {
    float* row = plane.data() + y * fft.nx();
    if (y < h) std::copy_n(image.data() + y * w, w, row);
    std::fill(row + (y < h ? w : 0), row + fft.nx(), 0.0f);
  }
}

void put_centred(const Fft2& fft, View<const float, 2> image, int64_t reach_y, int64_t reach_x,
                 const Plane& plane) {
  const int64_t ny = image.extent(0), nx = image.extent(1), cy = ny / 2, cx = nx / 2;
  std::fill_n(plane.data(), fft.plane_size(), 0.0f);
  reach_y = std::min(reach_y, (fft.ny() - 1) / 2);
  reach_x = std::min(reach_x, (fft.nx() - 1) / 2);
  for (int64_t y = std::max<int64_t>(0, cy - reach_y); y < std::min(ny, cy + reach_y + 1); ++y) {
    float* row = plane.data() + (y - cy + fft.ny()) % fft.ny() * fft.nx();
    for (int64_t x = std::max<int64_t>(0, cx - reach_x); x < std::min(nx, cx + reach_x + 1); ++x) {
      const float value = image(y, x);
      row[(x - cx + fft.nx()) % fft.nx()] = std::isfinite(value) ? value : 0.0f;
    }
  }
}

}  // namespace fringeflow::deconvolve
