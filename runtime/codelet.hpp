// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// How a codelet is described. A definition is constant; the runtime owns the StarPU objects that it makes from it.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fringeflow::runtime {

enum class Access { read, write, read_write };
/// compute: on cores and GPUs under the user's scheduler; io: blocking, on the I/O workers.
enum class Role { compute, io };
enum class Device { cpu, cuda };

/// What the timeline says of a task; -1 where it does not apply.
struct Tag {
  int32_t chunk = -1, facet = -1, cycle = -1, slab = -1, strip = -1, image = -1;
  bool operator==(const Tag&) const = default;
};

struct Buffer {
  void* data = nullptr;
  int64_t bytes = 0;
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// What a body sees: its arguments and the buffers in the order of the task's accesses.
class BodyContext {
 public:
  BodyContext(const void* arguments, std::span<const Buffer> buffers, Device device, void* stream)
      : arguments_(arguments), buffers_(buffers), device_(device), stream_(stream) {}
  template <class Args>
  const Args& arguments() const {
    return *static_cast<const Args*>(arguments_);
  }
  const Buffer& operator[](size_t i) const { return buffers_[i]; }
  size_t size() const { return buffers_.size(); }
  Device device() const { return device_; }
  void* cuda_stream() const { return stream_; }
  /// 64-byte aligned memory of this worker, kept between tasks; contents are undefined. Host memory.
  std::byte* scratch(int64_t bytes) const;

 private:
  const void* arguments_;
  std::span<const Buffer> buffers_;
  Device device_;
  void* stream_;
};

using Body = void (*)(const BodyContext&);

/// One codelet. `work` is the measure that time is proportional to (visibilities x support^2, pixels x log, bytes); the rates are
/// the analytic fallback of the cost model until this machine has its own records.
struct CodeletDef {
  const char* name = "";
  int version = 1;  ///< counted up when the kernel's speed changes: old records no longer apply
  const char* doc = "";
  uint32_t colour = 0x888888;
  Role role = Role::compute;
  Body cpu = nullptr;
  Body cuda = nullptr;
  double (*work)(const void* arguments) = nullptr;
  double cpu_work_per_s = 1e9, cuda_work_per_s = 1e10;
  double flops_per_work = 0;
};

/// Identifies a piece of data inside a TaskSink.
using DataId = int32_t;

struct DataSpec {
  std::string name;
  int64_t bytes = 0;
  int owner = 0;  ///< rank
};

/// One task: a codelet, its arguments and its data, in an order that StarPU's sequential consistency makes a graph of.
struct Task {
  const CodeletDef* codelet = nullptr;
  std::shared_ptr<const void> arguments;
  std::vector<std::pair<DataId, Access>> data;
  Tag tag;
  int priority = 0;
  bool waitable = false;  ///< the submitter will call TaskSink::wait on the ticket
};

template <class Args>
Task make_task(const CodeletDef& codelet, Args arguments, std::vector<std::pair<DataId, Access>> data,
               Tag tag = {}, int priority = 0) {
  return {&codelet, std::make_shared<const Args>(std::move(arguments)), std::move(data), tag, priority,
          false};
}

/// Where a graph builder puts its tasks: the runtime, which runs them, or a recorder, which only looks (plan, graph, forecast).
class TaskSink {
 public:
  virtual ~TaskSink() = default;
  virtual DataId create(DataSpec spec) = 0;
  /// @return a ticket, meaningful for waitable tasks.
  virtual int64_t submit(Task task) = 0;
  /// Blocks until a waitable task is done. @return false where nothing runs: the builder then assumes its fixed count of cycles.
  virtual bool wait(int64_t ticket) = 0;
  /// True once an error was recorded: no use in submitting more.
  virtual bool failed() const = 0;
};

}  // namespace fringeflow::runtime
