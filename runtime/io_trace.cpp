// SPDX-License-Identifier: GPL-3.0-or-later
#include "runtime/io_trace.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FRINGEFLOW_NO_IO_TRACE 1
#endif

namespace fringeflow::runtime {
namespace {

constexpr int kMostDescriptors = 4096;
constexpr int32_t kUnknown = -1, kNotAFile = -2;
/// Calls that last less, and follow one another within less, may share an event.
constexpr double kShort_s = 1e-3;

std::atomic<bool> tracing{false};
std::atomic<int64_t> kept{0}, most_kept{0}, not_kept{0}, not_kept_read{0}, not_kept_written{0};
/// Which file a descriptor is of, until it is closed.
std::array<std::atomic<int32_t>, kMostDescriptors> file_of;
/// Where a descriptor stands, plus one, as its calls have left it: asking the kernel before each read costs as much as a small read.
std::array<std::atomic<int64_t>, kMostDescriptors> stands_at;
constexpr int64_t kNotKnown = 0, kAppends = -1;  ///< in stands_at: the kernel is asked, once or each time

struct ThreadEvents {
  std::mutex mutex;  ///< taken by others when a trace starts and stops only
  std::vector<IoEvent> events;
  int32_t number = 0;
};

/// What all threads have kept. Never destroyed: calls come until the very end of the process.
struct Store {
  std::mutex mutex;
  std::map<std::string, int32_t> numbers;
  std::vector<std::string> files;
  std::vector<ThreadEvents*> threads;  ///< never freed: threads end before the trace is read
};
Store& store() {
  static auto* one = new Store;
  return *one;
}

thread_local int64_t current_task = -1;
thread_local ThreadEvents* own = nullptr;
thread_local bool inside =
    false;  ///< our own calls, and those that stdio makes for a call that is counted already

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int32_t look_up(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return kNotAFile;
  if (fd < kMostDescriptors && (fcntl(fd, F_GETFL) & O_APPEND) != 0)
    stands_at[static_cast<size_t>(fd)] = kAppends;
  std::array<char, 4096> name;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), name.data(), name.size());
  if (length <= 0) return kNotAFile;
  std::string path(name.data(), static_cast<size_t>(length));
  if (path.starts_with("/proc/") || path.starts_with("/sys/")) return kNotAFile;
  auto& all = store();
  const std::lock_guard lock(all.mutex);
  const auto [found, fresh] = all.numbers.try_emplace(path, static_cast<int32_t>(all.files.size()));
  if (fresh) all.files.push_back(std::move(path));
  return found->second;
}

int32_t file_number(int fd) {
  if (fd < 0) return kNotAFile;
  if (fd >= kMostDescriptors) return look_up(fd);
  auto& slot = file_of[static_cast<size_t>(fd)];
  int32_t number = slot.load(std::memory_order_relaxed) - 1;  // zero-initialised: not looked up yet
  if (number == kUnknown) slot.store((number = look_up(fd)) + 1, std::memory_order_relaxed);
  return number;
}

void forget(int fd) {
  if (fd < 0 || fd >= kMostDescriptors) return;
  file_of[static_cast<size_t>(fd)].store(0, std::memory_order_relaxed);
  stands_at[static_cast<size_t>(fd)].store(kNotKnown, std::memory_order_relaxed);
}

/// The call has left the descriptor there; a negative offset: somewhere.
void now_stands_at(int fd, int64_t offset) {
  if (fd < 0 || fd >= kMostDescriptors) return;
  auto& slot = stands_at[static_cast<size_t>(fd)];
  if (slot.load(std::memory_order_relaxed) != kAppends)
    slot.store(offset >= 0 ? offset + 1 : kNotKnown, std::memory_order_relaxed);
}

/// Where a call began that moved this many bytes; -1: not known.
int64_t began_at(int fd, int64_t bytes) {
  if (fd >= 0 && fd < kMostDescriptors) {
    const int64_t known = stands_at[static_cast<size_t>(fd)].load(std::memory_order_relaxed);
    if (known > 0) return known - 1;
  }
  const auto after = lseek(fd, 0, SEEK_CUR);
  return after >= 0 ? after - bytes : -1;
}

bool joins(const IoEvent& run, const IoEvent& one) {
  return run.file == one.file && run.task == one.task && run.call == one.call && run.offset >= 0 &&
         one.offset == run.offset + run.bytes && one.bytes * run.calls == run.bytes &&
         one.span_s < kShort_s && one.start_s - (run.start_s + static_cast<double>(run.span_s)) < kShort_s &&
         run.seconds < kShort_s * run.calls;
}

void keep(IoCall call, int fd, double start_s, int64_t offset, int64_t bytes) {
  const int32_t file = file_number(fd);
  if (file < 0) return;
  if (own == nullptr) {
    auto fresh = std::make_unique<ThreadEvents>();
    auto& all = store();
    const std::lock_guard lock(all.mutex);
    fresh->number = static_cast<int32_t>(all.threads.size());
    all.threads.push_back(own = fresh.release());
  }
  const auto seconds = static_cast<float>(now_s() - start_s);
  const IoEvent event{start_s, seconds, seconds,      file, own->number,
                      offset,  bytes,   current_task, 1,    offset > 0 && offset % kIoAlignment != 0 ? 1 : 0,
                      call};
  const std::lock_guard lock(own->mutex);
  if (!own->events.empty() && joins(own->events.back(), event)) {
    auto& run = own->events.back();
    run.span_s = static_cast<float>(start_s - run.start_s) + seconds;
    run.seconds += seconds;
    run.bytes += bytes;
    run.misaligned += event.misaligned;
    ++run.calls;
    return;
  }
  if (kept.fetch_add(1, std::memory_order_relaxed) >= most_kept.load(std::memory_order_relaxed)) {
    not_kept.fetch_add(1, std::memory_order_relaxed);
    (is_read(call) ? not_kept_read : not_kept_written).fetch_add(bytes, std::memory_order_relaxed);
    return;
  }
  own->events.push_back(event);
}

/// Makes the call and keeps it. @param offset where it begins; -1: where the descriptor stands
template <class Call>
auto counted(IoCall which, int fd, int64_t offset, Call&& call) {
  if (inside || !tracing.load(std::memory_order_relaxed)) return call();
  inside = true;
  const double start_s = now_s();
  const auto result = call();
  const int error = errno;
  if (result >= 0) {
    const bool moves = offset < 0;
    if (moves) offset = began_at(fd, static_cast<int64_t>(result));
    keep(which, fd, start_s, offset, static_cast<int64_t>(result));
    if (moves) now_stands_at(fd, offset >= 0 ? offset + static_cast<int64_t>(result) : -1);
  }
  errno = error;
  inside = false;
  return result;
}

template <class Call>
size_t counted_stream(IoCall which, size_t size, std::FILE* stream, Call&& call) {
  if (inside || !tracing.load(std::memory_order_relaxed)) return call();
  inside = true;
  const double start_s = now_s();
  const size_t result = call();
  const int error = errno;
  // Where a stream stands costs a flush on some systems: its calls have no offset.
  if (result > 0) keep(which, fileno(stream), start_s, -1, static_cast<int64_t>(result * size));
  now_stands_at(fileno(stream), -1);
  errno = error;
  inside = false;
  return result;
}

}  // namespace

const char* name_of(IoCall call) {
  constexpr const char* kNames[] = {"read", "pread", "write", "pwrite", "fread", "fwrite"};
  return kNames[static_cast<size_t>(call)];
}

void start_io_trace(int64_t most) {
  auto& all = store();
  const std::lock_guard lock(all.mutex);
  for (auto* thread : all.threads) {
    const std::lock_guard own_lock(thread->mutex);
    thread->events.clear();
  }
  for (auto& slot : stands_at) slot = kNotKnown;  // nobody has followed them
  for (auto& slot : file_of) slot = 0;
  kept = not_kept = not_kept_read = not_kept_written = 0;
  most_kept = most;
  tracing = true;
}

IoTrace stop_io_trace() {
  tracing = false;
  auto& all = store();
  const std::lock_guard lock(all.mutex);
  IoTrace trace;
  trace.files = all.files;
  for (auto* thread : all.threads) {
    const std::lock_guard own_lock(thread->mutex);
    trace.events.insert(trace.events.end(), thread->events.begin(), thread->events.end());
    std::vector<IoEvent>().swap(thread->events);
  }
  std::stable_sort(trace.events.begin(), trace.events.end(),
                   [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
  trace.not_kept = not_kept;
  trace.not_kept_read_bytes = not_kept_read;
  trace.not_kept_written_bytes = not_kept_written;
  return trace;
}

bool io_trace_available() {
#ifdef FRINGEFLOW_NO_IO_TRACE
  return false;
#else
  return true;
#endif
}

IoTask::IoTask(int64_t id) : before_(current_task) { current_task = id; }
IoTask::~IoTask() { current_task = before_; }

#ifndef FRINGEFLOW_NO_IO_TRACE

namespace {

/// The definition that would have been called without ours.
template <class Function>
Function next_in_line(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

// NOLINTBEGIN: names and types are the C library's.
#define FF_NEXT(name) static const auto next = next_in_line<decltype(&::name)>(#name)

[[gnu::visibility("default")]] ssize_t read(int fd, void* buffer, size_t bytes) {
  FF_NEXT(read);
  return counted(IoCall::read, fd, -1, [&] { return next(fd, buffer, bytes); });
}
[[gnu::visibility("default")]] ssize_t write(int fd, const void* buffer, size_t bytes) {
  FF_NEXT(write);
  return counted(IoCall::write, fd, -1, [&] { return next(fd, buffer, bytes); });
}
[[gnu::visibility("default")]] ssize_t pread(int fd, void* buffer, size_t bytes, off_t offset) {
  FF_NEXT(pread);
  return counted(IoCall::pread, fd, offset, [&] { return next(fd, buffer, bytes, offset); });
}
[[gnu::visibility("default")]] ssize_t pwrite(int fd, const void* buffer, size_t bytes, off_t offset) {
  FF_NEXT(pwrite);
  return counted(IoCall::pwrite, fd, offset, [&] { return next(fd, buffer, bytes, offset); });
}
[[gnu::visibility("default")]] ssize_t pread64(int fd, void* buffer, size_t bytes, off64_t offset) {
  FF_NEXT(pread64);
  return counted(IoCall::pread, fd, offset, [&] { return next(fd, buffer, bytes, offset); });
}
[[gnu::visibility("default")]] ssize_t pwrite64(int fd, const void* buffer, size_t bytes, off64_t offset) {
  FF_NEXT(pwrite64);
  return counted(IoCall::pwrite, fd, offset, [&] { return next(fd, buffer, bytes, offset); });
}
[[gnu::visibility("default")]] ssize_t writev(int fd, const iovec* pieces, int count) {
  FF_NEXT(writev);
  return counted(IoCall::write, fd, -1, [&] { return next(fd, pieces, count); });
}
[[gnu::visibility("default")]] ssize_t readv(int fd, const iovec* pieces, int count) {
  FF_NEXT(readv);
  return counted(IoCall::read, fd, -1, [&] { return next(fd, pieces, count); });
}
[[gnu::visibility("default")]] off_t lseek(int fd, off_t offset, int whence) noexcept {
  FF_NEXT(lseek);
  const off_t result = next(fd, offset, whence);
  if (tracing.load(std::memory_order_relaxed)) now_stands_at(fd, result);
  return result;
}
[[gnu::visibility("default")]] off64_t lseek64(int fd, off64_t offset, int whence) noexcept {
  FF_NEXT(lseek64);
  const off64_t result = next(fd, offset, whence);
  if (tracing.load(std::memory_order_relaxed)) now_stands_at(fd, result);
  return result;
}
[[gnu::visibility("default")]] size_t fread(void* buffer, size_t size, size_t count, std::FILE* stream) {
  FF_NEXT(fread);
  return counted_stream(IoCall::fread, size, stream, [&] { return next(buffer, size, count, stream); });
}
[[gnu::visibility("default")]] size_t fwrite(const void* buffer, size_t size, size_t count,
                                             std::FILE* stream) {
  FF_NEXT(fwrite);
  return counted_stream(IoCall::fwrite, size, stream, [&] { return next(buffer, size, count, stream); });
}
// A number may be of another file when it is used again.
[[gnu::visibility("default")]] int close(int fd) {
  FF_NEXT(close);
  forget(fd);
  return next(fd);
}
[[gnu::visibility("default")]] int fclose(std::FILE* stream) {
  FF_NEXT(fclose);
  if (stream != nullptr) forget(fileno(stream));
  return next(stream);
}

#undef FF_NEXT
// NOLINTEND
}

#endif

}  // namespace fringeflow::runtime
