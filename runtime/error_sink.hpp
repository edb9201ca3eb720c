// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <atomic>
#include <exception>
#include <mutex>

namespace fringeflow::runtime {

/// Keeps the first error of a run and poisons the rest: later bodies return at once.
class ErrorSink {
 public:
  bool poisoned() const noexcept { return poisoned_.load(std::memory_order_acquire); }
  void record(std::exception_ptr error) noexcept {
    const std::lock_guard lock(mutex_);
    if (!first_) first_ = std::move(error);
    poisoned_.store(true, std::memory_order_release);
  }
  void rethrow() const {
    if (!poisoned()) return;
    const std::lock_guard lock(mutex_);
    std::rethrow_exception(first_);
  }

 private:
  std::atomic<bool> poisoned_{false};
  mutable std::mutex mutex_;
  std::exception_ptr first_;
};

}  // namespace fringeflow::runtime
