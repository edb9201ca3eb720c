// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <mutex>

#include "codelets/common/cuda_launch.hpp"
#include "codelets/common/cuda_worker.hpp"
#include "io/error.hpp"

namespace fringeflow::cuda {
namespace {

constexpr int64_t kAlignment = 256;  ///< bytes between tables that share an allocation

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct PostedError {
  std::mutex mutex;
  std::string message;
};
PostedError& posted_error() {
  static PostedError error;
  return error;
}

/// What runs on the driver's thread when a stream gets there.
struct Callback {
  const int64_t* word;
  std::function<void(int64_t)> done;
};
void CUDART_CB call_back(void* data) {
  const std::unique_ptr<Callback> callback(static_cast<Callback*>(data));
  callback->done(*callback->word);
}

}  // namespace

DeviceMemory::DeviceMemory(int64_t bytes) : bytes_(bytes) {
  check(cudaMalloc(&data_, static_cast<size_t>(std::max<int64_t>(bytes, 1))), "no memory on the device");
}

void DeviceMemory::reset() noexcept {
  // At the end of the process the driver may be gone before us: nothing is lost then.
  if (data_ != nullptr) cudaFree(data_);
  data_ = nullptr;
  bytes_ = 0;
}

/// cuFFT plans by (length, batch, double), all with one work area.
struct Worker::Transforms {
  struct Plan {
    cufftHandle handle = 0;
    bool made = false;
    size_t work_bytes = 0;
    Plan() = default;
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    ~Plan() {
      if (made) cufftDestroy(handle);
    }
  };
  std::map<std::tuple<int64_t, int64_t, bool>, Plan> plans;
};

/// Words of pinned memory, handed out in turn. A stream has at most a few tasks under way, far fewer than
/// words.
struct Worker::PinnedWords {
  static constexpr int kWords = 256;
  int64_t* data = nullptr;
  int next = 0;
  PinnedWords() {
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, kWords * sizeof(int64_t), cudaHostAllocMapped | cudaHostAllocPortable),
          "no pinned memory");
    data = static_cast<int64_t*>(memory);
  }
  ~PinnedWords() { cudaFreeHost(data); }
};

Worker::Worker(Stream stream) : stream_(stream) {}
Worker::~Worker() = default;

Worker& Worker::of(Stream stream) {
  thread_local std::map<std::pair<int, Stream>, std::unique_ptr<Worker>> workers;
  int device = 0;
  check(cudaGetDevice(&device), "no current device");
  auto& worker = workers[{device, stream}];
  if (!worker) worker = std::make_unique<Worker>(stream);
  return *worker;
}

void* Worker::scratch_bytes(Scratch use, int64_t bytes) {
  auto& memory = scratch_[static_cast<size_t>(use)];
  if (memory.bytes() < bytes || memory.data() == nullptr) {
    memory.reset();  // waits for the device, so no kernel still uses it
    memory = DeviceMemory(bytes);
  }
  return memory.data();
}

const void* Worker::constant_bytes(std::shared_ptr<const void> owner, const void* values, int64_t bytes) {
  auto& constant = constants_[owner.get()];
  if (!constant.owner) {
    constant.memory = DeviceMemory(bytes);
    check(cudaMemcpyAsync(constant.memory.data(), values, static_cast<size_t>(bytes), cudaMemcpyHostToDevice,
                          stream_),
          "constants");
    constant.owner = std::move(owner);
  }
  return constant.memory.data();
}

const void* Worker::stage_bytes(Scratch use, const void* values, int64_t bytes) {
  void* to = scratch_bytes(use, bytes);
  // From pageable memory: the driver has taken its own copy when this returns.
  check(cudaMemcpyAsync(to, values, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, stream_),
        "arguments");
  return to;
}

const PlanTables& Worker::plan(const std::shared_ptr<const gridder::FacetPlan>& plan) {
  auto& entry = plans_[plan.get()];
  if (entry.owner) return entry.tables;
  struct Table {
    const void* from;
    int64_t bytes;
  };
  const auto table = [](const auto& values) {
    return Table{values.data(), static_cast<int64_t>(values.size() * sizeof(values[0]))};
  };
  const Table tables[] = {table(plan->taps), table(plan->tiles.slot), table(plan->tiles.slot_tile),
                          table(plan->correction_x), table(plan->correction_y)};
  int64_t total = 0;
  for (const Table& one : tables) total += aligned(one.bytes);
  entry.memory = DeviceMemory(total);
  const void* at[std::size(tables)];
  int64_t offset = 0;
  for (size_t i = 0; i < std::size(tables); ++i) {
    auto* to = static_cast<char*>(entry.memory.data()) + offset;
    if (tables[i].bytes > 0)
      check(cudaMemcpyAsync(to, tables[i].from, static_cast<size_t>(tables[i].bytes), cudaMemcpyHostToDevice,
                            stream_),
            "plan");
    at[i] = to;
    offset += aligned(tables[i].bytes);
  }
  entry.tables = host_tables(*plan);
  entry.tables.taps = static_cast<const double*>(at[0]);
  entry.tables.slot = static_cast<const int32_t*>(at[1]);
  entry.tables.slot_tile = static_cast<const int32_t*>(at[2]);
  entry.tables.correction_x = static_cast<const double*>(at[3]);
  entry.tables.correction_y = static_cast<const double*>(at[4]);
  entry.owner = plan;
  return entry.tables;
}

template <class T>
void Worker::transform(T* data, int64_t n, int64_t batch, int sign) {
  constexpr bool kDouble = sizeof(T) == 8;
  if (batch <= 0) return;
  if (!transforms_) transforms_ = std::make_unique<Transforms>();
  auto& plan = transforms_->plans[{n, batch, kDouble}];
  if (!plan.made) {
    check(cufftCreate(&plan.handle), "create");
    plan.made = true;
    check(cufftSetAutoAllocation(plan.handle, 0), "allocation");
    check(cufftSetStream(plan.handle, stream_), "stream");
    long long length = n;  // NOLINT(google-runtime-int): cuFFT's type
    check(cufftMakePlanMany64(plan.handle, 1, &length, nullptr, 1, n, nullptr, 1, n,
                              kDouble ? CUFFT_Z2Z : CUFFT_C2C, batch, &plan.work_bytes),
          "plan");
  }
  void* work = scratch_bytes(Scratch::transform, static_cast<int64_t>(plan.work_bytes));
  check(cufftSetWorkArea(plan.handle, work), "work area");
  const int direction = sign > 0 ? CUFFT_INVERSE : CUFFT_FORWARD;
  if constexpr (kDouble) {
    auto* x = reinterpret_cast<cufftDoubleComplex*>(data);
    check(cufftExecZ2Z(plan.handle, x, x, direction), "transform");
  } else {
    auto* x = reinterpret_cast<cufftComplex*>(data);
    check(cufftExecC2C(plan.handle, x, x, direction), "transform");
  }
}
template void Worker::transform<float>(float*, int64_t, int64_t, int);
template void Worker::transform<double>(double*, int64_t, int64_t, int);

int64_t* Worker::host_word() {
  if (!words_) words_ = std::make_unique<PinnedWords>();
  int64_t* word = words_->data + words_->next;
  words_->next = (words_->next + 1) % PinnedWords::kWords;
  return word;
}

void Worker::when_written(const int64_t* word, std::function<void(int64_t)> done) {
  auto callback = std::make_unique<Callback>(Callback{word, std::move(done)});
  check(cudaLaunchHostFunc(stream_, call_back, callback.get()), "callback");
  callback.release();
}

void zero(Stream stream, void* data, int64_t bytes) {
  check(cudaMemsetAsync(data, 0, static_cast<size_t>(bytes), stream), "zero");
}

void copy_to_host(Stream stream, const void* from, void* to, int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, stream),
        "copy to the host");
}
void copy_to_device(Stream stream, const void* from, void* to, int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, stream),
        "copy to the device");
}
void synchronise(Stream stream) { check(cudaStreamSynchronize(stream), "synchronise"); }

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return count;
}

void post_error(std::string message) {
  auto& error = posted_error();
  const std::lock_guard lock(error.mutex);
  if (error.message.empty()) error.message = std::move(message);
}

void throw_posted_error() {
  auto& error = posted_error();
  std::string message;
  {
    const std::lock_guard lock(error.mutex);
    message.swap(error.message);
  }
  if (!message.empty()) throw RunError(message);
}

}  // namespace fringeflow::cuda
