// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a CUDA worker keeps between tasks: scratch memory, transform plans, and the constants of facet plans
/// on its device. Needs no CUDA header, so that the StarPU side of a codelet can include it.
#ifdef __CUDACC__
#pragma nv_diag_suppress 554  // View's conversion to a view of const, which a view of const has no use for
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "codelets/gridder/geometry.hpp"

struct CUstream_st;

namespace fringeflow::cuda {

using Stream = CUstream_st*;

/// The stream of a task, from BodyContext::cuda_stream().
inline Stream stream_of(void* stream) { return static_cast<Stream>(stream); }

/// Memory on the current device.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  explicit DeviceMemory(int64_t bytes);
  ~DeviceMemory() { reset(); }
  DeviceMemory(DeviceMemory&& other) noexcept { *this = std::move(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  void reset() noexcept;

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

/// A FacetPlan as kernels see it: plain numbers, and pointers to tables on the device.
struct PlanTables {
  gridder::Facet facet;
  int degree = 0;
  int64_t strips = 0;
  const double* taps = nullptr;          ///< [support][degree + 1]
  const int32_t* slot = nullptr;         ///< [slab][tile_u][tile_v]
  const int32_t* slot_tile = nullptr;    ///< [slot]
  const double* correction_x = nullptr;  ///< [nx]
  const double* correction_y = nullptr;  ///< [ny]

  FF_HD int32_t slot_of(int64_t slab, int64_t tu, int64_t tv) const {
    return slot[(slab * facet.tiles_u + tu) * facet.tiles_v + tv];
  }
};
/// The tables in the host's memory: kernels' arithmetic can be run on the CPU with them.
inline PlanTables host_tables(const gridder::FacetPlan& plan) {
  return {plan.facet,
          plan.degree,
          plan.tiles.strips,
          plan.taps.data(),
          plan.tiles.slot.data(),
          plan.tiles.slot_tile.data(),
          plan.correction_x.data(),
          plan.correction_y.data()};
}

/// Uses of scratch. A body may use several at once; the next task on the stream may overwrite them.
enum class Scratch {
  field,
  transform,
  keys,
  sorted_keys,
  values,
  sorted_values,
  sort,
  sums,
  state,
  list,
  psf,
  pointers,
  count
};

/// The cache of one stream of one device. Belongs to the thread that asked for it: StarPU's CUDA workers are
/// threads. Memory is only allocated here, when a size is met that is larger than all before or a plan is met
/// for the first time; freeing what was outgrown waits for the device. After the first tasks nothing is
/// allocated any more.
class Worker {
 public:
  static Worker& of(Stream stream);
  explicit Worker(Stream stream);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  Stream stream() const { return stream_; }

  /// At least so many elements, 256-byte aligned, contents undefined.
  template <class T>
  T* scratch(Scratch use, int64_t count) {
    return static_cast<T*>(scratch_bytes(use, count * static_cast<int64_t>(sizeof(T))));
  }
  /// Tables of a plan on the device, uploaded at the first call and kept with the plan.
  const PlanTables& plan(const std::shared_ptr<const gridder::FacetPlan>& plan);
  /// A vector's elements on the device, uploaded at the first call and kept with the vector.
  template <class T>
  const T* constants(const std::shared_ptr<const std::vector<T>>& values) {
    return static_cast<const T*>(
        constant_bytes(values, values->data(), static_cast<int64_t>(values->size() * sizeof(T))));
  }
  /// A table made from something that is kept with it, at the first call. @param make returns a vector of trivially copyable elements
  template <class Make>
  auto made(const std::shared_ptr<const void>& owner, Make&& make) {
    using Values = decltype(make());
    using T = typename Values::value_type;
    const auto known = constants_.find(owner.get());
    if (known != constants_.end()) return static_cast<const T*>(known->second.memory.data());
    const Values values = make();
    return static_cast<const T*>(
        constant_bytes(owner, values.data(), static_cast<int64_t>(values.size() * sizeof(T))));
  }
  /// Copies a few host values to scratch; the host's memory may change when this returns.
  template <class T>
  const T* stage(Scratch use, const T* values, int64_t count) {
    return static_cast<const T*>(stage_bytes(use, values, count * static_cast<int64_t>(sizeof(T))));
  }

  /// Transforms [batch][n] complex numbers (re, im) in place: sum over j of x[j] exp(sign 2 pi i j k / n),
  /// unnormalised. T: float or double.
  template <class T>
  void transform(T* data, int64_t n, int64_t batch, int sign);

  /// A word of pinned host memory that kernels can write; calls done(value) on a thread of the driver's when
  /// all that is on the stream so far is through. done must not call CUDA. Usage: word = host_word();
  /// launch(word); when_written(word, done).
  int64_t* host_word();
  void when_written(const int64_t* word, std::function<void(int64_t)> done);

 private:
  struct Transforms;
  void* scratch_bytes(Scratch use, int64_t bytes);
  const void* constant_bytes(std::shared_ptr<const void> owner, const void* values, int64_t bytes);
  const void* stage_bytes(Scratch use, const void* values, int64_t bytes);

  struct Plan {
    std::shared_ptr<const gridder::FacetPlan> owner;
    DeviceMemory memory;
    PlanTables tables;
  };
  struct Constant {
    std::shared_ptr<const void> owner;
    DeviceMemory memory;
  };
  Stream stream_;
  std::array<DeviceMemory, static_cast<size_t>(Scratch::count)> scratch_;
  std::map<const void*, Plan> plans_;
  std::map<const void*, Constant> constants_;
  std::unique_ptr<Transforms> transforms_;
  struct PinnedWords;
  std::unique_ptr<PinnedWords> words_;
};

/// Queues the zeroing of device memory.
void zero(Stream stream, void* data, int64_t bytes);

/// Copies between pageable host memory and the device's, in the stream's order.
void copy_to_host(Stream stream, const void* from, void* to, int64_t bytes);
void copy_to_device(Stream stream, const void* from, void* to, int64_t bytes);
void synchronise(Stream stream);

/// Number of CUDA devices that can be used; 0 without a driver.
int device_count();

/// Errors that only the device finds are posted when the stream gets there, too late for the body that
/// launched the kernel to throw. Every body looks here first; whoever waits for the tasks must look once more
/// at the end.
void post_error(std::string message);
/// Throws RunError with the first posted error, and forgets it.
void throw_posted_error();

}  // namespace fringeflow::cuda
