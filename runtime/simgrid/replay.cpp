// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// fringeflow-simgrid GRAPH RESULT: a task graph under StarPU's SimGrid mode, as traces/simgrid.cpp writes it and reads what comes out.
/// A program of its own, because StarPU's simulated build stands in the place of the real one. Tasks last what the graph
/// says, and those of I/O no less than their bytes take on the disk; StarPU schedules them and moves their data on the platform that STARPU_PERF_MODEL_DIR and STARPU_HOSTNAME describe.
///
/// GRAPH: "cpus io gpus policy", the number of data, their bytes; then a line per task: microseconds that it lasts, those that the policy
/// is told, R or W and the bytes that it reads or writes (-: none) on the disk that all share, C, G or I (core, GPU, I/O context), priority, number of tasks that the submitter waits for and these, number of data and of each its
/// number and R, W or B (both). RESULT: a line per task: worker (cores, those of I/O, GPUs), ready, start, end, fetching, overhead in seconds.
#include <simgrid/host.h>
#include <starpu.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace {

struct Replayed {
  double us = 0, thought_us = 0, disk_bytes = 0;
  char disk = '-', where = 'C';
  int worker = -1;
  double ready_s = 0, start_s = 0, end_s = 0, fetch_s = 0, overhead_s = 0;
};

int cpu_workers = 0;  ///< those of both contexts

double predicted_us(starpu_task* task, starpu_perfmodel_arch* arch, unsigned) {
  const auto* one = static_cast<const Replayed*>(task->cl_arg);
  // A GPU's tasks are simulated by StarPU itself, which takes for their length what the policy is told.
  return arch->devices[0].type == STARPU_CUDA_WORKER ? one->us : one->thought_us;
}

void no_body(void**, void*) {}

/// Runs in simulated time: transfers of tasks at the same time share the disk's link.
void on_a_core(void**, void* argument) {
  const auto* one = static_cast<const Replayed*>(argument);
  const double begin_us = starpu_timing_now();
  if (one->disk != '-') {
    static sg_host_t disk = sg_host_by_name("DISK"), memory = sg_host_by_name("RAM");
    const bool reads = one->disk == 'R';
    sg_host_sendto(reads ? disk : memory, reads ? memory : disk, one->disk_bytes);
  }
  const double left_us = one->us - (starpu_timing_now() - begin_us);
  if (left_us > 0) starpu_sleep(static_cast<float>(left_us * 1e-6));
}

void ended(void* argument) {
  auto* one = static_cast<Replayed*>(argument);
  const auto* info = starpu_task_get_current()->profiling_info;
  if (info == nullptr) return;
  const auto seconds = [](timespec t) { return starpu_timing_timespec_to_us(&t) * 1e-6; };
  const auto span = [](timespec from, timespec to) {
    const double us = starpu_timing_timespec_delay_us(&from, &to);
    return us > 0 ? us * 1e-6 : 0;
  };
  const int device = starpu_worker_get_devid(info->workerid);
  one->worker = starpu_worker_get_type(info->workerid) == STARPU_CPU_WORKER ? device : cpu_workers + device;
  one->ready_s = seconds(info->push_start_time);
  one->start_s = seconds(info->start_time);
  one->end_s = seconds(info->end_time);
  one->fetch_s = span(info->acquire_data_start_time, info->acquire_data_end_time);
  one->overhead_s = span(info->end_time, info->release_data_end_time);
}

struct Codelet {
  starpu_codelet codelet;
  starpu_perfmodel model;
  Codelet(const char* name, bool cpu, bool gpu) {
    starpu_codelet_init(&codelet);
    std::memset(&model, 0, sizeof model);
    model.type = STARPU_PER_ARCH;
    model.arch_cost_function = predicted_us;
    model.symbol = name;
    codelet.name = name;
    codelet.model = &model;
    codelet.nbuffers = STARPU_VARIABLE_NBUFFERS;
    if (cpu) {
      codelet.cpu_funcs[0] = on_a_core;
      codelet.flags |= STARPU_CODELET_SIMGRID_EXECUTE;
    }
    if (gpu) {
      codelet.cuda_funcs[0] = no_body;
      codelet.cuda_flags[0] = STARPU_CUDA_ASYNC;
    }
  }
};

/// Ends the process at once: SimGrid would take what has not been ended properly for a deadlock.
int complain(const std::string& what) {
  std::fprintf(stderr, "fringeflow-simgrid: %s\n", what.c_str());
  std::_Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return complain("GRAPH and RESULT are needed");
  std::ifstream graph(argv[1]);
  int cpus = 0, io = 0, gpus = 0;
  std::string policy;
  size_t count = 0;
  if (!(graph >> cpus >> io >> gpus >> policy >> count)) return complain("no graph");
  setenv("STARPU_WORKERS_NOBIND", "1", 1);
  starpu_conf conf;
  starpu_conf_init(&conf);
  conf.ncpus = cpu_workers = cpus + io;
  conf.ncuda = gpus;
  conf.nopencl = 0;
  conf.nhip = 0;
  conf.sched_policy_name = "eager";
  if (starpu_init(&conf) != 0) return complain("StarPU does not start");
  starpu_profiling_status_set(STARPU_PROFILING_ENABLE);
  std::vector<int> compute_workers, io_workers;
  for (int worker = 0; worker < static_cast<int>(starpu_worker_get_count()); ++worker) {
    const bool cpu = starpu_worker_get_type(worker) == STARPU_CPU_WORKER;
    (cpu && starpu_worker_get_devid(worker) >= cpus ? io_workers : compute_workers).push_back(worker);
  }
  if (static_cast<int>(compute_workers.size()) != cpus + gpus || static_cast<int>(io_workers.size()) != io)
    return complain("the platform does not have these workers");
  const unsigned io_context = starpu_sched_ctx_create(
      io_workers.data(), static_cast<int>(io_workers.size()), "io", STARPU_SCHED_CTX_POLICY_NAME, "prio",
      STARPU_SCHED_CTX_POLICY_MIN_PRIO, -1000, STARPU_SCHED_CTX_POLICY_MAX_PRIO, 1000, 0);
  const unsigned context =
      starpu_sched_ctx_create(compute_workers.data(), static_cast<int>(compute_workers.size()), "compute",
                              STARPU_SCHED_CTX_POLICY_NAME, policy.c_str(), 0);
  const int least = starpu_sched_ctx_get_min_priority(context),
            most = starpu_sched_ctx_get_max_priority(context);

  std::vector<starpu_data_handle_t> data(count);
  uintptr_t address = 1 << 20;  // nothing is ever stored there
  for (auto& handle : data) {
    size_t bytes = 0;
    graph >> bytes;
    bytes = bytes > 0 ? bytes : 1;
    starpu_vector_data_register(&handle, STARPU_MAIN_RAM, address, 1, bytes);
    address += (bytes + 4095) / 4096 * 4096;
  }
  static Codelet on_cores("on_cores", true, false), on_gpus("on_gpus", false, true);
  graph >> count;
  std::vector<Replayed> tasks(count);
  std::vector<starpu_task*> waitable(count, nullptr);
  const double begin_s = starpu_timing_now() * 1e-6;
  for (size_t i = 0; i < count; ++i) {
    auto& one = tasks[i];
    int priority = 0, is_waitable = 0;
    size_t waits = 0, accesses = 0;
    graph >> one.us >> one.thought_us >> one.disk >> one.disk_bytes >> one.where >> priority >> is_waitable >>
        waits;
    for (size_t k = 0; k < waits; ++k) {
      size_t before = 0;
      graph >> before;
      if (before < i && waitable[before] != nullptr) {
        if (starpu_task_wait(waitable[before]) != 0) return complain("waiting failed");
        starpu_task_destroy(waitable[before]);
        waitable[before] = nullptr;
      }
    }
    graph >> accesses;
    if (!graph) return complain("the graph ends early");
    starpu_task* task = starpu_task_create();
    task->cl = one.where == 'G' ? &on_gpus.codelet : &on_cores.codelet;
    task->nbuffers = static_cast<int>(accesses);
    if (accesses > STARPU_NMAXBUFS) {  // StarPU frees these with the task
      task->dyn_handles =
          static_cast<starpu_data_handle_t*>(std::malloc(accesses * sizeof(starpu_data_handle_t)));
      task->dyn_modes =
          static_cast<starpu_data_access_mode*>(std::malloc(accesses * sizeof(starpu_data_access_mode)));
    }
    for (size_t k = 0; k < accesses; ++k) {
      size_t number = 0;
      char mode = 'B';
      graph >> number >> mode;
      (task->dyn_handles != nullptr ? task->dyn_handles : task->handles)[k] = data.at(number);
      (task->dyn_modes != nullptr ? task->dyn_modes : task->modes)[k] = mode == 'R'   ? STARPU_R
                                                                        : mode == 'W' ? STARPU_W
                                                                                      : STARPU_RW;
    }
    task->cl_arg = &one;
    task->cl_arg_size = 0;
    task->callback_func = ended;
    task->callback_arg = &one;
    const bool is_io = one.where == 'I';
    task->sched_ctx = is_io ? io_context : context;
    task->priority = is_io ? priority : std::min(std::max(priority, least), most);
    if (is_waitable != 0) {
      task->detach = 0;
      task->destroy = 0;
      waitable[i] = task;
    }
    if (starpu_task_submit(task) != 0) return complain("a task cannot be run by any worker");
  }
  for (auto* task : waitable)
    if (task != nullptr) {
      if (starpu_task_wait(task) != 0) return complain("waiting failed");
      starpu_task_destroy(task);
    }
  starpu_task_wait_for_all();
  std::ofstream result(argv[2]);
  result.precision(12);
  for (const auto& one : tasks)
    result << one.worker << ' ' << one.ready_s - begin_s << ' ' << one.start_s - begin_s << ' '
           << one.end_s - begin_s << ' ' << one.fetch_s << ' ' << one.overhead_s << '\n';
  result.close();
  // Ending StarPU would write data back and ask for platforms' details: nothing depends on it.
  std::_Exit(result ? 0 : 1);
}
