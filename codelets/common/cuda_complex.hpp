// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Complex numbers in double precision for kernels: std::complex multiplies through a library that devices lack. Laid out alike.
#include <cmath>
#include <complex>

#include "io/view.hpp"

namespace fringeflow::cuda {

struct alignas(16) Complex {
  double re = 0, im = 0;

  Complex() = default;
  FF_HD constexpr Complex(double r, double i = 0) : re(r), im(i) {}  // NOLINT(google-explicit-constructor)
  FF_HD Complex& operator+=(const Complex& b) {
    re += b.re;
    im += b.im;
    return *this;
  }
  FF_HD Complex& operator-=(const Complex& b) {
    re -= b.re;
    im -= b.im;
    return *this;
  }
};
static_assert(sizeof(Complex) == sizeof(std::complex<double>));

FF_HD inline Complex operator+(Complex a, const Complex& b) { return a += b; }
FF_HD inline Complex operator-(Complex a, const Complex& b) { return a -= b; }
FF_HD inline Complex operator*(const Complex& a, const Complex& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
FF_HD inline Complex operator*(double a, const Complex& b) { return {a * b.re, a * b.im}; }
FF_HD inline Complex conj(const Complex& a) { return {a.re, -a.im}; }
FF_HD inline double norm(const Complex& a) { return a.re * a.re + a.im * a.im; }
FF_HD inline Complex operator/(const Complex& a, const Complex& b) {
  const double size = 1 / norm(b);
  return size * (a * conj(b));
}
FF_HD inline bool finite(double x) { return x - x == 0; }
FF_HD inline bool finite(const Complex& a) { return finite(a.re) && finite(a.im); }
/// x / |x|, 0 for 0.
FF_HD inline Complex unit(const Complex& a) {
  const double size = hypot(a.re, a.im);
  return size > 0 ? Complex(a.re / size, a.im / size) : Complex();
}

/// A visibility as it is stored.
struct alignas(8) Visibility {
  float re, im;
  FF_HD Complex wide() const { return {static_cast<double>(re), static_cast<double>(im)}; }
  FF_HD static Visibility of(const Complex& a) {
    return {static_cast<float>(a.re), static_cast<float>(a.im)};
  }
  FF_HD bool finite() const { return re - re == 0 && im - im == 0; }
};
static_assert(sizeof(Visibility) == sizeof(std::complex<float>));

inline const Complex* as_complex(const std::complex<double>* x) {
  return reinterpret_cast<const Complex*>(x);
}
inline Complex* as_complex(std::complex<double>* x) { return reinterpret_cast<Complex*>(x); }
inline const Visibility* as_visibility(const std::complex<float>* x) {
  return reinterpret_cast<const Visibility*>(x);
}
inline Visibility* as_visibility(std::complex<float>* x) { return reinterpret_cast<Visibility*>(x); }

}  // namespace fringeflow::cuda
