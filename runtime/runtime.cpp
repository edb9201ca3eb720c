// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/runtime.hpp"

#include <malloc.h>
#include <starpu.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <new>
#include <thread>
#include <unordered_map>

#include "io/error.hpp"
#include "runtime/instance.hpp"
#include "runtime/machine.hpp"
#include "runtime/memory.hpp"
#include "runtime/memory_nodes.hpp"
#include "runtime/scheduler_parameters.hpp"

namespace fringeflow::runtime {
namespace {

std::atomic<bool> runtime_alive{false};

struct Data {
  DataSpec spec;
  Memory memory;
  starpu_data_handle_t handle = nullptr;
  bool fresh = true;  ///< no task has written it
  explicit Data(DataSpec s) : spec(std::move(s)), memory(spec.bytes) {
    starpu_vector_data_register(&handle, STARPU_MAIN_RAM, reinterpret_cast<uintptr_t>(memory.data()),
                                static_cast<uint32_t>(1), static_cast<size_t>(memory.bytes()));
    starpu_data_set_name(handle, spec.name.c_str());
  }
  ~Data() { starpu_data_unregister(handle); }
};

/// The StarPU objects of one definition; must outlive starpu_shutdown.
struct StarpuCodelet {
  starpu_codelet codelet;
  starpu_perfmodel model;
  const CodeletDef* def = nullptr;
  std::string symbol;
};

double now_s() { return starpu_timing_now() * 1e-6; }

struct WorkerRecords {
  std::vector<TaskRecord> tasks;
};

}  // namespace

struct Runtime::Impl {
  RuntimeInfo info;
  ErrorSink errors;
  std::unique_ptr<CostModel> costs;
  std::deque<std::unique_ptr<Data>> data;
  std::unordered_map<const CodeletDef*, std::unique_ptr<StarpuCodelet>> codelets;
  std::vector<WorkerRecords> records;
  std::unordered_map<int64_t, starpu_task*> waitable;
  std::atomic<int64_t> submitted{0}, finished{0};
  Dependencies dependencies;
  std::atomic<double> predicted_done_s{0};
  std::atomic<int64_t> data_bytes{0};
  mutable std::mutex nodes_mutex;
  std::vector<MemoryNode> nodes;
  unsigned io_context = 0, compute_context = 0;
  int io_priority_min = 0, io_priority_max = 0, priority_min = 0, priority_max = 0;
  int64_t transferred_bytes = 0;
  double start_s = 0, origin_s = 0;
  bool started = false;
  [[maybe_unused]] bool strict = true;

  StarpuCodelet& codelet(const CodeletDef& def) {
    auto& entry = codelets[&def];
    if (!entry) {
      entry = std::make_unique<StarpuCodelet>();
      entry->def = &def;
      entry->symbol = CostModel::key(def, Device::cpu);
      starpu_codelet_init(&entry->codelet);
      std::memset(&entry->model, 0, sizeof entry->model);
      entry->model.type = STARPU_PER_ARCH;
      entry->model.arch_cost_function = predicted_us;
      entry->model.symbol = entry->symbol.c_str();
      entry->codelet.name = def.name;
      entry->codelet.color = def.colour;
      entry->codelet.model = &entry->model;
      entry->codelet.nbuffers = STARPU_VARIABLE_NBUFFERS;
      if (def.cpu != nullptr) entry->codelet.cpu_funcs[0] = run_on_core;
#ifdef STARPU_USE_CUDA
      if (def.cuda != nullptr) {
        entry->codelet.cuda_funcs[0] = run_on_gpu;
        entry->codelet.cuda_flags[0] = STARPU_CUDA_ASYNC;
        // Cores and GPUs round differently: strict runs keep each codelet to one kind of device.
        if (strict && info.gpus > 0) entry->codelet.where = STARPU_CUDA;
      }
#endif
    }
    return *entry;
  }

  static void finished_callback(void* argument) {
    std::unique_ptr<Instance> instance(static_cast<Instance*>(argument));
    auto& impl = *instance->runtime->impl_;
    const starpu_task* task = starpu_task_get_current();
    const int worker = starpu_worker_get_id();
    if (task != nullptr && task->profiling_info != nullptr && worker >= 0) {
      const auto* info = task->profiling_info;
      auto seconds = [&](timespec t) { return starpu_timing_timespec_to_us(&t) * 1e-6 - impl.start_s; };
      TaskRecord record;
      record.codelet = instance->codelet;
      record.tag = instance->tag;
      record.worker = info->workerid >= 0 ? info->workerid : worker;
      record.device =
          starpu_worker_get_type(record.worker) == STARPU_CUDA_WORKER ? Device::cuda : Device::cpu;
      record.id = instance->id;
      record.submit_s = instance->submit_s;
      record.ready_s = seconds(info->push_start_time);
      record.start_s = seconds(info->start_time);
      record.end_s = seconds(info->end_time);
      record.cpu_s = instance->cpu_s;
      record.predicted_s = impl.costs->seconds(*instance->codelet, instance->arguments.get(), record.device);
      record.work =
          instance->codelet->work != nullptr ? instance->codelet->work(instance->arguments.get()) : 1;
      for (const auto bytes : instance->buffer_bytes) record.bytes += bytes;
      auto span = [](timespec from, timespec to) {
        return std::max(0.0, starpu_timing_timespec_delay_us(&from, &to) * 1e-6);
      };
      record.fetch_s = span(info->acquire_data_start_time, info->acquire_data_end_time);
      record.overhead_s = span(info->acquire_data_end_time, info->start_time) +
                          span(info->end_time, info->release_data_end_time);
      if (record.codelet->role == Role::compute)
        impl.predicted_done_s.fetch_add(record.predicted_s, std::memory_order_relaxed);
      impl.records[static_cast<size_t>(worker)].tasks.push_back(record);
    }
    impl.finished.fetch_add(1, std::memory_order_release);
  }
};

Runtime::Runtime(const RuntimeOptions& options) : impl_(std::make_unique<Impl>()) {
  auto& info = impl_->info;
  info.cores_available = available_cores();
  impl_->strict = options.strict;
#ifdef STARPU_USE_CUDA
  info.cuda_build = true;
#endif
  int major = 0, minor = 0, release = 0;
  starpu_get_version(&major, &minor, &release);
  info.starpu_version = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);

  const auto known = schedulers();
  if (options.scheduler != "auto") {
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& s) { return s.name == options.scheduler; });
    if (found == known.end())
      throw UserError("runtime.scheduler: there is no scheduler '" + options.scheduler +
                      "'; `fringeflow list schedulers` shows them");
    if (!found->refused.empty())
      throw UserError("runtime.scheduler: '" + found->name + "' cannot be used: " + found->refused);
  }
  const auto parameters = scheduler_environment(options.scheduler_parameters);
  if (runtime_alive.exchange(true)) throw RunError("a Runtime is already alive in this process");

  // Two runs on one machine must not pin themselves to the same cores; glibc must give freed blocks back.
  setenv("STARPU_WORKERS_NOBIND", "1", 1);
  for (const auto& [name, value] : parameters) setenv(name.c_str(), value.c_str(), 1);
  if (options.fxt) {
#ifdef STARPU_USE_FXT
    std::filesystem::create_directories(options.fxt_folder);
    setenv("STARPU_FXT_TRACE", "1", 1);
    setenv("STARPU_FXT_PREFIX", options.fxt_folder.c_str(), 1);
    setenv("STARPU_FXT_SUFFIX", "fxt", 0);
#else
    runtime_alive = false;
    throw UserError("runtime.trace: this StarPU was built without FxT");
#endif
  }
  if (std::getenv("STARPU_HOME") == nullptr) setenv("STARPU_HOME", cache_directory().c_str(), 0);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);

  impl_->costs = std::make_unique<CostModel>(CostModel::default_file());

  starpu_conf conf;
  starpu_conf_init(&conf);
  conf.nopencl = 0;
  conf.nhip = 0;
  conf.ncuda = options.gpus >= 0 ? options.gpus : -1;
  if (!info.cuda_build) conf.ncuda = 0;
  info.gpus_asked = options.gpus;
  info.cpus_asked = options.cpus >= 0 ? options.cpus : info.cores_available;
  info.io_workers_asked = options.io_workers >= 0 ? options.io_workers : 2;
  const int compute = std::max(info.cpus_asked, 1), io = std::max(info.io_workers_asked, 1);
  if (compute + io > STARPU_MAXCPUS) {
    runtime_alive = false;
    throw UserError("runtime.cpus + runtime.io_workers = " + std::to_string(compute + io) +
                    " is more than this StarPU can have (" + std::to_string(STARPU_MAXCPUS) + ")");
  }
  conf.ncpus = compute + io;
  conf.sched_policy_name = "eager";  // of the initial context, which gets no tasks
  conf.will_use_mpi = 0;
  conf.catch_signals = 0;  // they are errors of the run (io/interrupt.hpp)
  // Looking at every PCI device takes hwloc longer than all the rest; only a GPU's place is of interest.
  if (conf.ncuda == 0 || access("/dev/nvidiactl", F_OK) != 0) setenv("HWLOC_COMPONENTS", "-pci,-linuxio", 0);
  if (const int error = starpu_init(&conf); error != 0) {
    runtime_alive = false;
    throw RunError("StarPU does not start (" + std::string(std::strerror(-error)) + ")");
  }
  impl_->started = true;
  if (options.trace) starpu_profiling_status_set(STARPU_PROFILING_ENABLE);
  impl_->start_s = now_s();
  impl_->origin_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();

  std::vector<int> compute_workers, io_workers;
  for (unsigned worker = 0; worker < starpu_worker_get_count(); ++worker) {
    const bool is_cpu = starpu_worker_get_type(static_cast<int>(worker)) == STARPU_CPU_WORKER;
    const bool is_io = is_cpu && starpu_worker_get_devid(static_cast<int>(worker)) >= compute;
    (is_io ? io_workers : compute_workers).push_back(static_cast<int>(worker));
    if (!is_cpu) ++info.gpus;
  }
  info.cpus = static_cast<int>(compute_workers.size()) - info.gpus;
  info.io_workers = static_cast<int>(io_workers.size());
  info.scheduler = options.scheduler != "auto" ? options.scheduler : info.gpus > 0 ? "dmdas" : "prio";
  impl_->records.resize(starpu_worker_get_count());
  impl_->io_context = starpu_sched_ctx_create(
      io_workers.data(), static_cast<int>(io_workers.size()), "io", STARPU_SCHED_CTX_POLICY_NAME, "prio",
      STARPU_SCHED_CTX_POLICY_MIN_PRIO, -1000, STARPU_SCHED_CTX_POLICY_MAX_PRIO, 1000, 0);
  impl_->compute_context =
      starpu_sched_ctx_create(compute_workers.data(), static_cast<int>(compute_workers.size()), "compute",
                              STARPU_SCHED_CTX_POLICY_NAME, info.scheduler.c_str(), 0);
  impl_->io_priority_min = starpu_sched_ctx_get_min_priority(impl_->io_context);
  impl_->io_priority_max = starpu_sched_ctx_get_max_priority(impl_->io_context);
  impl_->priority_min = starpu_sched_ctx_get_min_priority(impl_->compute_context);
  impl_->priority_max = starpu_sched_ctx_get_max_priority(impl_->compute_context);
}

Runtime::~Runtime() {
  if (impl_->started) {
    starpu_task_wait_for_all();
    while (impl_->finished.load(std::memory_order_acquire) < impl_->submitted.load())
      std::this_thread::yield();
    impl_->data.clear();
    starpu_sched_ctx_delete(impl_->io_context);
    starpu_sched_ctx_delete(impl_->compute_context);
    starpu_shutdown();
  }
  runtime_alive = false;
}

const RuntimeInfo& Runtime::info() const { return impl_->info; }
bool Runtime::failed() const { return impl_->errors.poisoned(); }

DataId Runtime::create(DataSpec spec) {
  impl_->data.push_back(std::make_unique<Data>(std::move(spec)));
  return static_cast<DataId>(impl_->data.size()) - 1;
}

int64_t Runtime::submit(Task task) {
  auto& impl = *impl_;
  auto& codelet = impl.codelet(*task.codelet);
  auto instance = std::make_unique<Instance>();
  instance->runtime = this;
  instance->errors = &impl.errors;
  instance->costs = impl.costs.get();
  instance->codelet = task.codelet;
  instance->arguments = std::move(task.arguments);
  instance->tag = task.tag;
  instance->data_bytes = &impl.data_bytes;
  instance->id = impl.dependencies.submit(task.data);

  starpu_task* starpu = starpu_task_create();
  const size_t count = task.data.size();
  starpu->nbuffers = static_cast<int>(count);
  if (count > STARPU_NMAXBUFS) {  // StarPU frees these with the task
    starpu->dyn_handles =
        static_cast<starpu_data_handle_t*>(std::malloc(count * sizeof(starpu_data_handle_t)));
    starpu->dyn_modes =
        static_cast<starpu_data_access_mode*>(std::malloc(count * sizeof(starpu_data_access_mode)));
  }
  for (size_t i = 0; i < count; ++i) {
    auto& data = *impl.data.at(static_cast<size_t>(task.data[i].first));
    const auto access = task.data[i].second;
    if (access == Access::write && std::exchange(data.fresh, false)) instance->fresh.push_back(&data.memory);
    const auto mode = access == Access::read ? STARPU_R : access == Access::write ? STARPU_W : STARPU_RW;
    (starpu->dyn_handles != nullptr ? starpu->dyn_handles : starpu->handles)[i] = data.handle;
    (starpu->dyn_modes != nullptr ? starpu->dyn_modes : starpu->modes)[i] = mode;
    instance->buffer_bytes.push_back(data.spec.bytes);
  }
  const bool io = task.codelet->role == Role::io;
  starpu->cl = &codelet.codelet;
  starpu->sched_ctx = io ? impl.io_context : impl.compute_context;
  starpu->priority = io ? std::clamp(task.priority, impl.io_priority_min, impl.io_priority_max)
                        : std::clamp(task.priority, impl.priority_min, impl.priority_max);
  starpu->name = task.codelet->name;
  instance->submit_s = now_s() - impl.start_s;
  const int64_t id = instance->id;
  starpu->cl_arg = instance.get();
  starpu->cl_arg_size = 0;
  starpu->cl_arg_free = 0;
  starpu->callback_func = Impl::finished_callback;
  starpu->callback_arg = instance.get();
  if (task.waitable) {
    starpu->detach = 0;
    starpu->destroy = 0;
    impl.waitable[id] = starpu;
  }
  impl.submitted.fetch_add(1);
  Instance* released = instance.release();
  if (const int error = starpu_task_submit(starpu); error != 0) {
    impl.submitted.fetch_sub(1);
    delete released;
    impl.waitable.erase(id);  // it will never end
    impl.errors.record(std::make_exception_ptr(
        RunError(std::string("no worker can run the codelet ") + task.codelet->name)));
  }
  return id;
}

bool Runtime::wait(int64_t ticket) {
  const auto found = impl_->waitable.find(ticket);
  if (found == impl_->waitable.end()) return true;
  if (starpu_task_wait(found->second) != 0) throw RunError("waiting for a task failed");
  starpu_task_destroy(found->second);
  impl_->waitable.erase(found);
  impl_->dependencies.wait(ticket);
  return true;
}

void Runtime::wait_all() {
  while (!impl_->waitable.empty()) wait(impl_->waitable.begin()->first);
  starpu_task_wait_for_all();
  // The last callbacks may still be running when StarPU says that all tasks are done.
  while (impl_->finished.load(std::memory_order_acquire) < impl_->submitted.load()) std::this_thread::yield();
  for (auto& data : impl_->data) {
    starpu_data_acquire(data->handle, STARPU_R);
    starpu_data_release(data->handle);
  }
  impl_->errors.rethrow();
}

void Runtime::interrupt() { impl_->errors.record(std::make_exception_ptr(RunError("interrupted"))); }
const CostModel& Runtime::costs() const { return *impl_->costs; }

Buffer Runtime::host(DataId id) const {
  const auto& data = *impl_->data.at(static_cast<size_t>(id));
  return {data.memory.data(), data.spec.bytes};
}

std::pair<int64_t, int64_t> Runtime::progress() const {
  return {impl_->finished.load(), impl_->submitted.load()};
}

void Runtime::look_at_memory() {
  const double at_s = now_s() - impl_->start_s;
  const auto now = memory_nodes_in_use(impl_->data_bytes.load(std::memory_order_relaxed));
  const std::lock_guard lock(impl_->nodes_mutex);
  impl_->nodes.resize(now.size());
  for (size_t i = 0; i < now.size(); ++i) {
    auto& [name, samples] = impl_->nodes[i];
    name = now[i].first;
    samples.push_back({at_s, now[i].second});
    thin(samples);
  }
}

double Runtime::predicted_done_s() const { return impl_->predicted_done_s.load(std::memory_order_relaxed); }

Timeline Runtime::timeline() const {
  Timeline timeline;
  for (unsigned worker = 0; worker < impl_->records.size(); ++worker) {
    char name[64];
    starpu_worker_get_name(static_cast<int>(worker), name, sizeof name);
    const bool is_cpu = starpu_worker_get_type(static_cast<int>(worker)) == STARPU_CPU_WORKER;
    const bool is_io = is_cpu && starpu_worker_get_devid(static_cast<int>(worker)) >= impl_->info.cpus;
    timeline.workers.push_back({name, is_io ? Role::io : Role::compute, is_cpu ? Device::cpu : Device::cuda});
    const auto& tasks = impl_->records[worker].tasks;
    timeline.tasks.insert(timeline.tasks.end(), tasks.begin(), tasks.end());
  }
  std::sort(timeline.tasks.begin(), timeline.tasks.end(),
            [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
  double first = 1e300, last = 0;
  for (const auto& task : timeline.tasks) {
    first = std::min(first, task.submit_s);
    last = std::max(last, task.end_s);
  }
  if (!timeline.tasks.empty()) {
    timeline.begin_s = first;
    timeline.makespan_s = last - first;
  }
  for (int bus = 0; bus < starpu_bus_get_count(); ++bus) {
    starpu_profiling_bus_info info{};
    // Reading sets StarPU's counter back to zero.
    if (starpu_bus_get_profiling_info(bus, &info) == 0)
      impl_->transferred_bytes += static_cast<int64_t>(info.transferred_bytes);
  }
  timeline.transferred_bytes = impl_->transferred_bytes;
  timeline.origin_s = impl_->origin_s;
  timeline.dependencies = impl_->dependencies;
  {
    const std::lock_guard lock(impl_->nodes_mutex);
    timeline.nodes = impl_->nodes;
  }
  for (const auto& data : impl_->data) timeline.data.push_back(data->spec);
  return timeline;
}

void Runtime::learn() {
  CostSamples samples;
  for (const auto& worker : impl_->records)
    for (const auto& task : worker.tasks)
      samples[CostModel::key(*task.codelet, task.device)].push_back({task.work, own_seconds(task)});
  impl_->costs->learn(samples);
}

}  // namespace fringeflow::runtime
