// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/io_statistics.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <unordered_map>

#include "traces/timeline_file.hpp"

namespace fringeflow::traces {
namespace {

using runtime::IoEvent;
using runtime::is_read;

constexpr std::array<std::pair<const char*, int64_t>, 10> kBins{{{"0-100", 100},
                                                                 {"100-1K", 1000},
                                                                 {"1K-10K", 10'000},
                                                                 {"10K-100K", 100'000},
                                                                 {"100K-1M", 1'000'000},
                                                                 {"1M-4M", 4'000'000},
                                                                 {"4M-10M", 10'000'000},
                                                                 {"10M-100M", 100'000'000},
                                                                 {"100M-1G", 1'000'000'000},
                                                                 {"1G+", INT64_MAX}}};
constexpr int64_t kSmall = 1'000'000;
constexpr size_t kMostFiles = 40;

struct Sums {
  int64_t calls = 0, bytes = 0;
  double seconds = 0;
  void add(const IoEvent& event) {
    calls += event.calls;
    bytes += event.bytes;
    seconds += static_cast<double>(event.seconds);
  }
  nlohmann::json json() const { return {{"calls", calls}, {"bytes", bytes}, {"seconds", seconds}}; }
};

struct Direction {
  Sums sums;
  std::array<int64_t, kBins.size()> sizes{};
  int64_t small = 0, misaligned = 0, sequential = 0, consecutive = 0, followers = 0;
  std::unordered_map<int32_t, int64_t> end_of;  ///< of the last call in a file

  void add(const IoEvent& event) {
    sums.add(event);
    const int64_t size = event.bytes / event.calls;
    size_t bin = 0;
    while (size >= kBins[bin].second) ++bin;
    sizes[bin] += event.calls;
    if (size < kSmall) small += event.calls;
    if (event.offset < 0) return;
    misaligned += event.misaligned;
    const auto [last, first] = end_of.try_emplace(event.file, 0);
    if (!first) {
      ++followers;
      sequential += event.offset >= last->second;
      consecutive += event.offset == last->second;
    }
    // Those of a run follow each other.
    followers += event.calls - 1;
    sequential += event.calls - 1;
    consecutive += event.calls - 1;
    last->second = event.offset + event.bytes;
  }
  nlohmann::json json() const {
    auto json = sums.json();
    for (size_t i = 0; i < kBins.size(); ++i) json["sizes"][kBins[i].first] = sizes[i];
    json["below_1_mb"] = small;
    json["misaligned"] = misaligned;
    auto share = [&](int64_t count) {
      return followers > 0 ? static_cast<double>(count) / static_cast<double>(followers) : 1.0;
    };
    json["sequential_share"] = share(sequential);
    json["consecutive_share"] = share(consecutive);
    return json;
  }
};

/// Bytes of a file that were read at all.
int64_t covered(std::vector<std::pair<int64_t, int64_t>>& pieces) {
  std::sort(pieces.begin(), pieces.end());
  int64_t bytes = 0, end = 0;
  for (const auto& [from, to] : pieces) {
    bytes += std::max<int64_t>(0, to - std::max(from, end));
    end = std::max(end, to);
  }
  return bytes;
}

double share_of(int64_t counted, int64_t process) {
  return process > 0 ? static_cast<double>(counted) / static_cast<double>(process) : 1.0;
}

}  // namespace

nlohmann::json io_statistics(const runtime::IoTrace& trace, const runtime::Timeline& timeline,
                             const runtime::ProcessIo& process, int64_t probes) {
  std::unordered_map<int64_t, const char*> codelet_of;
  for (const auto& task : timeline.tasks) codelet_of[task.id] = task.codelet->name;
  Direction reads, writes;
  struct File {
    Sums reads, writes;
  };
  std::map<int32_t, File> files;
  std::map<std::string, File> codelets;
  std::map<int32_t, std::vector<std::pair<int64_t, int64_t>>> pieces;
  int64_t placed_bytes = 0;
  for (const auto& event : trace.events) {
    const bool reading = is_read(event.call);
    (reading ? reads : writes).add(event);
    auto& file = files[event.file];
    (reading ? file.reads : file.writes).add(event);
    const auto codelet = codelet_of.find(event.task);
    auto& sums = codelets[codelet != codelet_of.end() ? codelet->second : "outside tasks"];
    (reading ? sums.reads : sums.writes).add(event);
    if (reading && event.offset >= 0 && event.bytes > 0) {
      pieces[event.file].emplace_back(event.offset, event.offset + event.bytes);
      placed_bytes += event.bytes;
    }
  }
  int64_t different = 0;
  for (auto& [unused, one] : pieces) different += covered(one);
  nlohmann::json json{{"reads", reads.json()}, {"writes", writes.json()}};
  json["reread_factor"] =
      different > 0 ? static_cast<double>(placed_bytes) / static_cast<double>(different) : 1.0;
  std::vector<std::pair<int64_t, int32_t>> largest;
  for (const auto& [number, file] : files)
    largest.emplace_back(-(file.reads.bytes + file.writes.bytes), number);
  std::sort(largest.begin(), largest.end());
  json["files"] = nlohmann::json::array();
  for (size_t i = 0; i < std::min(largest.size(), kMostFiles); ++i) {
    const auto& file = files[largest[i].second];
    json["files"].push_back({{"file", trace.files[static_cast<size_t>(largest[i].second)]},
                             {"reads", file.reads.json()},
                             {"writes", file.writes.json()}});
  }
  json["files_in_all"] = files.size();
  for (const auto& [name, sums] : codelets)
    json["by_codelet"][name] = {{"reads", sums.reads.json()}, {"writes", sums.writes.json()}};
  // Held against what the kernel counts.
  const int64_t read_bytes = reads.sums.bytes + trace.not_kept_read_bytes,
                written_bytes = writes.sums.bytes + trace.not_kept_written_bytes;
  json["calls_not_kept"] = trace.not_kept;
  json["counted_read_bytes"] = read_bytes;
  json["counted_written_bytes"] = written_bytes;
  json["probe_read_bytes"] = probes;
  json["counted_read_share"] = share_of(read_bytes + probes, process.read_chars);
  json["counted_written_share"] = share_of(written_bytes, process.written_chars);
  const double gap = std::max(std::abs(1 - share_of(read_bytes + probes, process.read_chars)),
                              std::abs(1 - share_of(written_bytes, process.written_chars)));
  if (gap > 0.02)
    json["gap"] = fmt::format(
        "beyond the calls that are counted the process read {} and wrote {} bytes: libraries being loaded, "
        "/proc, terminals, pipes, "
        "and what stdio reads ahead or writes by line",
        process.read_chars - read_bytes - probes, process.written_chars - written_bytes);
  return json;
}

std::string dftracer_events(const runtime::IoTrace& trace, const runtime::Timeline& timeline, size_t most) {
  std::unordered_map<int64_t, const runtime::TaskRecord*> task_of;
  for (const auto& task : timeline.tasks) task_of[task.id] = &task;
  float shortest = -1;
  if (trace.events.size() > most) {
    std::vector<float> seconds;
    for (const auto& event : trace.events) seconds.push_back(event.span_s);
    const auto at = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() - most);
    std::nth_element(seconds.begin(), at, seconds.end());
    shortest = *at;
  }
  const auto process = getpid();
  std::vector<std::string> names;
  for (const auto& file : trace.files)
    names.push_back(nlohmann::json(file).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  fmt::memory_buffer out;
  auto to = std::back_inserter(out);
  // No time below 0: sets are looked at before the runtime is there, whose start is the timeline's 0.
  const double zero_s =
      trace.events.empty() ? timeline.origin_s : std::min(timeline.origin_s, trace.events.front().start_s);
  const auto microseconds = [&](double at_s) { return static_cast<int64_t>((at_s - zero_s) * 1e6); };
  fmt::format_to(to,
                 "[\n{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":{},\"args\":{{\"name\":\"fringeflow\","
                 "\"timeline_begins\":{}}}}}\n",
                 process, microseconds(timeline.origin_s));
  size_t number = 0;
  for (const auto& event : trace.events) {
    if (event.span_s < shortest || number >= most) continue;
    const bool stream = event.call == runtime::IoCall::fread || event.call == runtime::IoCall::fwrite;
    fmt::format_to(
        to,
        "{{\"id\":{},\"name\":\"{}\",\"cat\":\"{}\",\"pid\":{},\"tid\":{},\"ts\":{},\"dur\":{},\"ph\":\"X\","
        "\"args\":{{\"fname\":{},\"ret\":{}",
        number++, runtime::name_of(event.call), stream ? "STDIO" : "POSIX", process, event.thread,
        microseconds(event.start_s),
        microseconds(event.start_s + static_cast<double>(event.span_s)) - microseconds(event.start_s),
        names[static_cast<size_t>(event.file)], event.bytes);
    if (event.offset >= 0) fmt::format_to(to, ",\"offset\":{}", event.offset);
    if (event.calls > 1)
      fmt::format_to(to, ",\"calls\":{},\"seconds\":{:.6g}", event.calls, static_cast<double>(event.seconds));
    if (const auto task = task_of.find(event.task); task != task_of.end())
      fmt::format_to(to, ",\"task\":\"{}\",\"task_id\":{}", task_name(*task->second), event.task);
    fmt::format_to(to, "}}}}\n");
  }
  return fmt::to_string(out);
}

}  // namespace fringeflow::traces
