// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Real two-dimensional transforms of a padded size, for convolutions with PSFs, scale kernels and beams.
#include <fftw3.h>

#include <complex>
#include <cstdint>
#include <mutex>
#include <utility>

#include "io/view.hpp"

namespace fringeflow::deconvolve {

/// FFTW's planner is not thread-safe: whoever plans with FFTW in this program holds this.
std::mutex& fftw_planner_mutex();

/// Memory with FFTW's alignment, which its choice of code (so the bits) depends on.
template <class T>
class FftBuffer {
 public:
  FftBuffer() = default;
  explicit FftBuffer(int64_t size);
  ~FftBuffer() { fftwf_free(data_); }
  FftBuffer(FftBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  FftBuffer& operator=(FftBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  T* data() const { return data_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};
using Plane = FftBuffer<float>;                   ///< [py][px]
using Spectrum = FftBuffer<std::complex<float>>;  ///< [py][px / 2 + 1]

/// Smallest even 2^a 3^b 5^c 7^d >= n.
int64_t good_fft_size(int64_t n);

/// Immutable after construction.
class Fft2 {
 public:
  Fft2(int64_t least_ny, int64_t least_nx);
  ~Fft2();
  Fft2(const Fft2&) = delete;
  Fft2& operator=(const Fft2&) = delete;
  int64_t ny() const { return ny_; }
  int64_t nx() const { return nx_; }
  int64_t plane_size() const { return ny_ * nx_; }
  int64_t spectrum_size() const { return ny_ * (nx_ / 2 + 1); }
  Plane plane() const { return Plane(plane_size()); }
  Spectrum spectrum() const { return Spectrum(spectrum_size()); }
  void forward(const Plane& in, const Spectrum& out) const;
  void inverse(const Spectrum& in, const Plane& out) const;  ///< unnormalised; destroys in

 private:
  int64_t ny_, nx_;
  fftwf_plan forward_, inverse_;
};

/// Bytes of one plane and of one spectrum for the padded size of ny x nx.
int64_t fft_plane_bytes(int64_t least_ny, int64_t least_nx);

/// plane = image in its corner, zero elsewhere.
void put_corner(const Fft2& fft, View<const float, 2> image, const Plane& plane);
/// plane = image with its pixel (cy, cx) at (0, 0), wrapped; pixels farther than reach_y, reach_x from it and
/// NaN are dropped.
void put_centred(const Fft2& fft, View<const float, 2> image, int64_t reach_y, int64_t reach_x,
                 const Plane& plane);

}  // namespace fringeflow::deconvolve
