// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/simgrid.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "runtime/scheduler_parameters.hpp"

extern char** environ;

namespace fringeflow::traces {
namespace {

namespace fs = std::filesystem;
using runtime::Access;
using runtime::Device;
using runtime::Role;
using runtime::Task;

constexpr const char* kHost = "forecast";
constexpr int kMemoryNodes = 32;  // STARPU_MAXNODES: StarPU wants tables of that size
constexpr int kMostGpus = 4;      // STARPU_MAXCUDADEVS of the build
constexpr double kLatencyS = 1e-5;

/// Removed with what is in it.
struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "fringeflow-simgrid-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw RunError(name + ": no temporary folder can be made");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
};

void write(const fs::path& file, const fmt::memory_buffer& text) {
  io::write_file(file.string(), std::string_view(text.data(), text.size()));
}

/// What StarPU measures on a real machine and reads for a simulated one: number of workers, bandwidth (MB/s) and latency (us) between
/// memories, which core is near which GPU, and SimGrid's platform.
void write_platform(const fs::path& folder, const SimulatedMachine& machine, int cores) {
  fs::create_directories(folder / "bus");
  const auto file = [&](const char* extension) {
    return folder / "bus" / (std::string(kHost) + "." + extension);
  };
  fmt::memory_buffer config, bandwidth, latency, affinity, platform;
  fmt::format_to(std::back_inserter(config),
                 "# Current configuration\n{} # Number of CPUs\n{} # Number of CUDA devices\n0 # Number of "
                 "OpenCL devices\n0 # Number of HIP devices\n",
                 cores, machine.gpus);
  write(file("config"), config);
  const auto table = [&](fmt::memory_buffer& out, double there) {
    auto to = std::back_inserter(out);
    fmt::format_to(to, "#");
    for (int b = 0; b < kMemoryNodes; ++b) fmt::format_to(to, " to {}\t", b);
    fmt::format_to(to, "\n");
    for (int a = 0; a < kMemoryNodes; ++a) {
      for (int b = 0; b < kMemoryNodes; ++b) {
        const bool known = std::max(a, b) <= machine.gpus;
        fmt::format_to(to, "{}\t",
                       !known   ? std::string("nan")
                       : a == b ? "0.000000"
                                : fmt::format("{:.6f}", there));
      }
      fmt::format_to(to, "\n");
    }
  };
  table(bandwidth, machine.link_bytes_s * 1e-6);
  table(latency, kLatencyS * 1e6);
  write(file("bandwidth"), bandwidth);
  write(file("latency"), latency);
  auto to = std::back_inserter(affinity);
  fmt::format_to(to, "# GPU");
  for (int core = 0; core < cores; ++core) fmt::format_to(to, "\tCPU{}", core);
  fmt::format_to(to, "\n");
  for (int gpu = 0; gpu < machine.gpus; ++gpu) {
    fmt::format_to(to, "{}", gpu);
    for (int core = 0; core < cores; ++core) fmt::format_to(to, "\t{}", core);
    fmt::format_to(to, "\n");
  }
  write(file("affinity"), affinity);

  auto xml = std::back_inserter(platform);
  fmt::format_to(xml, R"(<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
 <config id="General">
  <prop id="network/TCP-gamma" value="-1"></prop>
  <prop id="network/latency-factor" value="1"></prop>
  <prop id="network/bandwidth-factor" value="1"></prop>
  <prop id="network/weight-S" value="0.0"></prop>
  <prop id="network/crosstraffic" value="0"></prop>
 </config>
 <zone id="AS0" routing="Full">
  <host id="MAIN" speed="1f"/>
)");
  for (int core = 0; core < cores; ++core)
    fmt::format_to(xml, "  <host id=\"CPU{}\" speed=\"2000000000f\"/>\n", core);
  for (int gpu = 0; gpu < machine.gpus; ++gpu)
    fmt::format_to(
        xml,
        "  <host id=\"CUDA{}\" speed=\"2000000000f\"><prop id=\"model\" value=\"GPU\"/><prop id=\"memsize\" "
        "value=\"{}\"/><prop id=\"memcpy_peer\" value=\"0\"/></host>\n",
        gpu, int64_t{94} << 30);
  fmt::format_to(xml, "  <host id=\"RAM\" speed=\"1f\"/>\n  <host id=\"DISK\" speed=\"1f\"/>\n");
  // Transfers on a link share its bandwidth evenly.
  const auto disk = [&](const char* name, double bytes_s) {
    fmt::format_to(xml, "  <link id=\"{}\" bandwidth=\"{:.0f}Bps\" latency=\"0s\"/>\n", name,
                   std::max(bytes_s, 1.0));
  };
  disk("disk-read", machine.read_bytes_s);
  disk("disk-write", machine.write_bytes_s);
  for (int gpu = 0; gpu < machine.gpus; ++gpu)
    for (const auto& [from, to_host] :
         {std::pair<std::string, std::string>{"RAM", fmt::format("CUDA{}", gpu)},
          {fmt::format("CUDA{}", gpu), "RAM"}})
      fmt::format_to(xml, "  <link id=\"{}-{}\" bandwidth=\"{:.0f}Bps\" latency=\"{:.6f}s\"/>\n", from,
                     to_host, machine.link_bytes_s, kLatencyS);
  for (int gpu = 0; gpu < machine.gpus; ++gpu) {
    fmt::format_to(
        xml,
        "  <route src=\"RAM\" dst=\"CUDA{0}\" symmetrical=\"NO\"><link_ctn id=\"RAM-CUDA{0}\"/></route>\n"
        "  <route src=\"CUDA{0}\" dst=\"RAM\" symmetrical=\"NO\"><link_ctn id=\"CUDA{0}-RAM\"/></route>\n",
        gpu);
    for (int other = 0; other < machine.gpus; ++other)
      if (other != gpu)
        fmt::format_to(xml,
                       "  <route src=\"CUDA{0}\" dst=\"CUDA{1}\" symmetrical=\"NO\"><link_ctn "
                       "id=\"CUDA{0}-RAM\"/><link_ctn "
                       "id=\"RAM-CUDA{1}\"/></route>\n",
                       gpu, other);
  }
  fmt::format_to(
      xml,
      "  <route src=\"DISK\" dst=\"RAM\" symmetrical=\"NO\"><link_ctn id=\"disk-read\"/></route>\n"
      "  <route src=\"RAM\" dst=\"DISK\" symmetrical=\"NO\"><link_ctn id=\"disk-write\"/></route>\n"
      " </zone>\n</platform>\n");
  write(file("platform.v4.xml"), platform);
  write(file("platform.xml"), platform);
}

/// @return exit status
int run(const std::string& program, const fs::path& folder, const std::vector<std::string>& parameters) {
  const std::string graph = folder / "graph", result = folder / "result", log = folder / "log";
  std::vector<std::string> variables;
  for (char** one = environ; *one != nullptr; ++one)
    if (std::string_view(*one).substr(0, 7) != "STARPU_") variables.emplace_back(*one);
  variables.push_back("STARPU_PERF_MODEL_DIR=" + folder.string());
  variables.push_back(std::string("STARPU_HOSTNAME=") + kHost);
  variables.push_back("STARPU_HOME=" + folder.string());
  variables.emplace_back("STARPU_SILENT=1");
  for (const auto& [name, value] : runtime::scheduler_environment(parameters))
    variables.push_back(name + "=" + value);
  std::vector<char*> environment;
  for (auto& one : variables) environment.push_back(one.data());
  environment.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  std::string path = program, first = graph, second = result;
  char* arguments[] = {path.data(), first.data(), second.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environment.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw RunError(program + ": cannot be started");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

std::string simgrid_program() {
  std::error_code error;
  const auto here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& candidate : {here / "fringeflow-simgrid", here.parent_path() / "fringeflow-simgrid"})
    if (fs::exists(candidate, error)) return candidate.string();
  return {};
}

runtime::Timeline simulate_with_simgrid(const std::vector<Task>& tasks,
                                        const runtime::Dependencies& dependencies,
                                        const std::vector<runtime::DataSpec>& data,
                                        const SimulatedMachine& machine, const TaskSeconds& seconds,
                                        const TaskSeconds& predicted) {
  const auto program = simgrid_program();
  if (program.empty())
    throw UserError(
        "fringeflow-simgrid is not beside this program: build it with a StarPU from `scripts/setup "
        "--simgrid` (docs/traces.md), or "
        "take Fringeflow's own simulator (--engine own)");
  if (machine.gpus > kMostGpus)
    throw UserError(
        fmt::format("the simulated StarPU has at most {} GPUs, the machine {}", kMostGpus, machine.gpus));
  const int cpus = std::max(machine.cpus, 1), io = std::max(machine.io_workers, 1);
  const Folder folder;
  write_platform(folder.path, machine, cpus + io + machine.gpus);

  fmt::memory_buffer graph;
  auto to = std::back_inserter(graph);
  fmt::format_to(to, "{} {} {} {}\n{}\n", cpus, io, machine.gpus, machine.scheduler, data.size());
  for (const auto& one : data) fmt::format_to(to, "{}\n", one.bytes);
  fmt::format_to(to, "{}\n", tasks.size());
  std::vector<bool> waited(tasks.size(), false);
  for (size_t i = 0; i < tasks.size(); ++i)
    for (const auto& before : dependencies.of(static_cast<int64_t>(i)))
      if (before.data < 0) waited[static_cast<size_t>(before.task)] = true;
  std::vector<double> thought(tasks.size());
  for (size_t i = 0; i < tasks.size(); ++i) {
    const auto& task = tasks[i];
    const bool is_io = task.codelet->role == Role::io;
    const bool gpu = machine.gpus > 0 && !is_io && task.codelet->cuda != nullptr;
    const double one = seconds(task, gpu ? Device::cuda : Device::cpu);
    thought[i] = predicted && !gpu ? predicted(task, Device::cpu) : one;
    char direction = '-';
    double moved = 0;
    if (is_io) {
      double read = 0, written = 0;
      for (const auto& [id, access] : task.data)
        (access == Access::read ? written : read) += static_cast<double>(data[static_cast<size_t>(id)].bytes);
      if ((written > read ? machine.write_bytes_s : machine.read_bytes_s) > 0) {
        direction = written > read ? 'W' : 'R';
        moved = std::max(read, written);
      }
    }
    int waits = 0;
    const auto before = dependencies.of(static_cast<int64_t>(i));
    for (const auto& dependency : before) waits += dependency.data < 0;
    fmt::format_to(to, "{:.3f} {:.3f} {} {:.0f} {} {} {} {}", one * 1e6, thought[i] * 1e6, direction, moved,
                   is_io ? 'I'
                   : gpu ? 'G'
                         : 'C',
                   task.priority, waited[i] ? 1 : 0, waits);
    for (const auto& dependency : before)
      if (dependency.data < 0) fmt::format_to(to, " {}", dependency.task);
    fmt::format_to(to, " {}", task.data.size());
    for (const auto& [id, access] : task.data)
      fmt::format_to(to, " {} {}", id, access == Access::read ? 'R' : access == Access::write ? 'W' : 'B');
    fmt::format_to(to, "\n");
  }
  write(folder.path / "graph", graph);
  auto parameters = machine.scheduler_parameters;
  if (std::none_of(parameters.begin(), parameters.end(),
                   [](const auto& one) { return one.starts_with("rand_seed="); }))
    parameters.push_back(fmt::format("rand_seed={}", machine.seed));
  if (const int status = run(program, folder.path, parameters); status != 0) {
    std::string log = io::read_file((folder.path / "log").string());
    while (!log.empty() && log.back() == '\n') log.pop_back();
    throw RunError(
        fmt::format("fringeflow-simgrid ended with {}: {}", status, log.substr(log.rfind('\n') + 1)));
  }

  runtime::Timeline result;
  std::ifstream lines(folder.path / "result");
  for (int w = 0; w < cpus + io; ++w)
    result.workers.push_back({fmt::format("CPU {}", w), w < cpus ? Role::compute : Role::io, Device::cpu});
  for (int w = 0; w < machine.gpus; ++w)
    result.workers.push_back({fmt::format("GPU {}", w), Role::compute, Device::cuda});
  for (size_t i = 0; i < tasks.size(); ++i) {
    runtime::TaskRecord record;
    if (!(lines >> record.worker >> record.ready_s >> record.start_s >> record.end_s >> record.fetch_s >>
          record.overhead_s) ||
        record.worker < 0 || record.worker >= static_cast<int>(result.workers.size()))
      throw RunError("fringeflow-simgrid left no result for some tasks");
    record.codelet = tasks[i].codelet;
    record.tag = tasks[i].tag;
    record.id = static_cast<int64_t>(i);
    record.device = result.workers[static_cast<size_t>(record.worker)].device;
    record.predicted_s = thought[i];
    record.work = record.codelet->work != nullptr ? record.codelet->work(tasks[i].arguments.get()) : 1;
    for (const auto& [id, access] : tasks[i].data) record.bytes += data[static_cast<size_t>(id)].bytes;
    result.makespan_s = std::max(result.makespan_s, record.end_s);
    result.tasks.push_back(record);
  }
  std::stable_sort(result.tasks.begin(), result.tasks.end(),
                   [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
  result.dependencies = dependencies;
  result.data = data;
  return result;
}

}  // namespace fringeflow::traces
