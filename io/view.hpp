// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#ifdef __CUDACC__
#define FF_HD __host__ __device__
#else
#define FF_HD
#endif

namespace fringeflow {

/// Non-owning view of a C-contiguous array; shape and indices run from slowest to fastest.
template <class T, int Rank>
class View {
 public:
  View() = default;
  FF_HD View(T* data, std::array<int64_t, Rank> shape) : data_(data), shape_(shape) {}

  template <class... I>
  FF_HD T& operator()(I... index) const {
    static_assert(sizeof...(I) == Rank);
    const int64_t at[] = {static_cast<int64_t>(index)...};
    int64_t offset = at[0];
    for (int i = 1; i < Rank; ++i) offset = offset * shape_[static_cast<size_t>(i)] + at[i];
    return data_[offset];
  }
  FF_HD T* data() const { return data_; }
  FF_HD int64_t extent(int axis) const { return shape_[static_cast<size_t>(axis)]; }
  FF_HD int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < Rank; ++i) n *= shape_[static_cast<size_t>(i)];
    return n;
  }
  std::span<T> span() const { return {data_, static_cast<size_t>(size())}; }
  operator View<const T, Rank>() const  // NOLINT(google-explicit-constructor)
      requires(!std::is_const_v<T>) {
    return {data_, shape_};
  }

 private:
  T* data_ = nullptr;
  std::array<int64_t, Rank> shape_{};
};

}  // namespace fringeflow
