// SPDX-License-Identifier: GPL-3.0-or-later
// A look at a set from a child process, before this process opens it. casacore trusts the headers of storage
// managers and lock files: a damaged byte there makes it divide by zero, follow a wild pointer, or clear
// gigabytes one by one.
#include "io/measurement_set_impl.hpp"

#include <casacore/tables/Tables/ColumnDesc.h>
#include <casacore/tables/Tables/TableColumn.h>
#include <casacore/tables/Tables/TableDesc.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <new>
#include <set>
#include <vector>

namespace fringeflow::io::detail {
namespace {

namespace fs = std::filesystem;
using casacore::Table;

// Opening takes milliseconds of a core, however slow the disk is: that may take its time.
constexpr rlim_t kCpuSeconds = 5;
constexpr unsigned kWallSeconds = 300;
constexpr rlim_t kExtraBytes = rlim_t{2} << 30;  ///< of address space beyond what this process has
constexpr int64_t kSampledRows = 64;

constexpr int kOutOfMemory = 12;  ///< exit status

void set_limit(int which, rlim_t value) {
  rlimit limit{};
  if (getrlimit(static_cast<decltype(RLIMIT_CPU)>(which), &limit) != 0) return;
  limit.rlim_cur = std::min(value, limit.rlim_max);
  setrlimit(static_cast<decltype(RLIMIT_CPU)>(which), &limit);
}

void confine() {
  for (const int signal : {SIGINT, SIGTERM, SIGALRM, SIGXCPU, SIGSEGV, SIGBUS, SIGFPE, SIGABRT})
    std::signal(signal, SIG_DFL);
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_CPU, kCpuSeconds);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they reserve terabytes
  rlim_t pages = 0;
  if (std::ifstream("/proc/self/statm") >> pages)
    set_limit(RLIMIT_AS, pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + kExtraBytes);
#endif
  std::set_new_handler([] { _exit(kOutOfMemory); });
  alarm(kWallSeconds);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);  // last words of the libraries
}

std::string death_of(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == kOutOfMemory) return "asks for gigabytes of memory";
  if (WIFEXITED(status)) return "crashes";  // a sanitizer's way to end
  const int signal = WTERMSIG(status);
  if (signal == SIGXCPU || signal == SIGALRM || signal == SIGKILL) return "does not come to an end";
  return fmt::format("crashes with signal {}", signal);
}

std::atomic<int64_t> read_by_probes{0};

/// Of this process and the children that it has waited for.
int64_t bytes_read_so_far() {
  std::ifstream file("/proc/self/io");
  std::string key;
  for (int64_t value = 0; file >> key >> value;)
    if (key == "rchar:") return value;
  return 0;
}

/// Runs `body` in a child. @return how that died; empty: it did not
std::string death_in_child(const std::function<void()>& body) {
  const int64_t before = bytes_read_so_far();
  const pid_t child = fork();
  if (child == 0) {
    confine();
    body();
    _exit(0);
  }
  if (child < 0) return {};  // no process to be had: without the look, then
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return {};
  // The kernel adds a child's bytes to its parent's when it is gone.
  read_by_probes += bytes_read_so_far() - before;
  return status == 0 ? std::string() : death_of(status);
}

template <class T>
void read_cell(const Table& table, const std::string& column, casacore::rownr_t row) {
  const casacore::ArrayColumn<T> cells(table, column);
  if (cells.isDefined(row)) static_cast<void>(cells(row));
}

/// Exceptions are no matter here: this process will meet them when it opens the tables itself.
template <class Body>
void regardless(Body&& body) {
  try {
    body();
  } catch (const std::exception&) {
  }
}

/// Shape of a cell of an array column, or a scalar.
void touch(const casacore::TableColumn& column, casacore::rownr_t row) {
  if (!column.isDefined(row)) return;
  const auto& description = column.columnDesc();
  if (description.isArray())
    static_cast<void>(column.shape(row));
  else if (description.dataType() == casacore::TpInt)
    static_cast<void>(column.asInt(row));
  else if (description.dataType() == casacore::TpDouble)
    static_cast<void>(column.asdouble(row));
}

/// Contents of the first and the last cell of an array column.
void read_ends(const Table& table, const casacore::ColumnDesc& description) {
  const auto rows = static_cast<int64_t>(table.nrow());
  if (!description.isArray() || rows == 0) return;
  const std::string& name = description.name();
  // A cell of a tiled column is read with its tile, which can be megabytes: the last will do.
  const bool tiled = description.dataManagerType().startsWith("Tiled");
  for (int64_t at = tiled ? rows - 1 : 0; at < rows; at += std::max<int64_t>(rows - 1, 1)) {
    const auto row = static_cast<casacore::rownr_t>(at);
    switch (description.dataType()) {
      case casacore::TpComplex:
        read_cell<casacore::Complex>(table, name, row);
        break;
      case casacore::TpFloat:
        read_cell<casacore::Float>(table, name, row);
        break;
      case casacore::TpDouble:
        read_cell<casacore::Double>(table, name, row);
        break;
      case casacore::TpBool:
        read_cell<casacore::Bool>(table, name, row);
        break;
      default:
        break;
    }
  }
}

void look(const std::string& path) {
  const Table table = open_table(path, in_quotes(path));
  const casacore::TableDesc description = table.actualTableDesc();
  std::vector<casacore::TableColumn> columns;
  for (const auto& name : description.columnNames()) regardless([&] { columns.emplace_back(table, name); });
  // Row by row: a storage manager that keeps several columns would read its buckets again for each.
  const auto rows = static_cast<int64_t>(table.nrow());
  for (int64_t i = 0; i < std::min(rows, kSampledRows); ++i) {
    const int64_t row = rows <= kSampledRows ? i : i * (rows - 1) / (kSampledRows - 1);
    for (const auto& column : columns)
      regardless([&] { touch(column, static_cast<casacore::rownr_t>(row)); });
  }
  for (const auto& name : description.columnNames())
    regardless([&] { read_ends(table, description.columnDesc(name)); });
}

/// Name of the table that takes a child down.
std::string culprit(const std::string& set_path) {
  std::vector<std::string> tables;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(set_path, error))
    if (fs::exists(entry.path() / "table.dat", error)) tables.push_back(entry.path().string());
  std::sort(tables.begin(), tables.end());
  for (const auto& table : tables)
    if (!death_in_child([&] { regardless([&] { look(table); }); }).empty())
      return "subtable " + fs::path(table).filename().string();
  return "main table";
}

}  // namespace

void check_survivable(const std::string& set_path) {
  static std::mutex guard;
  static std::set<std::string> looked_at;
  std::error_code error;
  const auto real = fs::weakly_canonical(set_path, error);
  const std::lock_guard lock(guard);
  if (looked_at.contains(error ? set_path : real.string())) return;
  const std::string death = death_in_child([&] {
    regardless([&] { read_subtables(open_table(set_path, in_quotes(set_path)), set_path); });
    regardless([&] { look(set_path); });
  });
  if (!death.empty())
    throw RunError(fmt::format("{}: its {} is damaged (casacore {} when it reads it); copy the set again",
                               in_quotes(set_path), culprit(set_path), death));
  looked_at.insert(error ? set_path : real.string());
}

}  // namespace fringeflow::io::detail

int64_t fringeflow::io::bytes_read_by_probes() { return detail::read_by_probes; }
