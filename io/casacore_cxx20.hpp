// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Include before any header of casacore. Its Allocator.h up to version 3.5 uses members of std::allocator
/// that C++20 removed (pointer, construct, destroy, max_size, …); newer ones do not. For that one header the
/// name stands for a class that still has them. It is an empty base class, so that the layout of casacore's
/// types stays what the library was built with.
#include <casacore/casa/Arrays/ArrayFwd.h>
#include <casacore/casa/Utilities/DataType.h>
#include <casacore/casa/aips.h>
#include <casacore/casa/config.h>
#include <casacore/casa/version.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <typeinfo>
#include <utility>

#if __cplusplus > 201703L && CASACORE_MAJOR_VERSION == 3 && CASACORE_MINOR_VERSION <= 5

namespace std {
template <class T>
struct fringeflow_cxx17_allocator : allocator<T> {
  using pointer = T*;
  using const_pointer = const T*;
  using reference = T&;
  using const_reference = const T&;
  template <class U>
  struct rebind {
    using other = fringeflow_cxx17_allocator<U>;
  };
  size_t max_size() const noexcept { return static_cast<size_t>(-1) / sizeof(T); }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }
  template <class U>
  void destroy(U* at) {
    at->~U();
  }
};
}  // namespace std

#define allocator fringeflow_cxx17_allocator
#include <casacore/casa/Containers/Allocator.h>
#undef allocator

#endif
