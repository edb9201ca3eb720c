// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/stored_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "io/atomic_file.hpp"
#include "io/error.hpp"

namespace fringeflow::traces {

namespace fs = std::filesystem;

StoredRun::StoredRun(const std::string& name) {
  std::error_code ignored;
  for (const auto& candidate : {name, name + "-run"})
    if (fs::is_directory(candidate, ignored) && fs::exists(fs::path(candidate) / "workflow.yaml", ignored))
      path_ = candidate;
  if (path_.empty())
    throw UserError(fmt::format("{}: no run directory (a run leaves PREFIX-run/ beside its products)", name));
  while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
  const std::string file = path_ + "/metrics.json";
  if (!fs::exists(file, ignored))
    throw UserError(fmt::format("{}: missing: this run did not end well, or has not ended yet", file));
  metrics_ = nlohmann::json::parse(io::read_file(file), nullptr, false);
  if (!metrics_.is_object() || !metrics_.contains("time_s") || !metrics_.contains("workers"))
    throw UserError(fmt::format("{}: not the metrics of a run of this version", file));
  if (metrics_.value("trace", "on") == "off")
    throw UserError(fmt::format("{}: this run recorded nothing: runtime.trace was off", path_));
}

std::string StoredRun::name() const {
  const std::string folder = fs::absolute(path_).filename().string();
  return folder.ends_with("-run") ? folder.substr(0, folder.size() - 4) : folder;
}

std::string StoredRun::prefix() const {
  return path_.ends_with("-run") ? path_.substr(0, path_.size() - 4) : path_;
}

const StoredTimeline& StoredRun::timeline() const {
  if (!timeline_) timeline_ = std::make_unique<StoredTimeline>(path_ + "/timeline.json");
  return *timeline_;
}

std::string StoredRun::workflow() const {
  std::error_code ignored;
  const std::string file = path_ + "/workflow.yaml";
  return fs::exists(file, ignored) ? io::read_file(file) : "";
}

std::vector<std::string> StoredRun::previews() const {
  std::vector<std::string> files;
  std::error_code ignored;
  const std::string prefix = name() + "-";
  for (const auto& entry : fs::directory_iterator(fs::absolute(path_).parent_path(), ignored)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with(prefix) && entry.path().extension() == ".png")
      files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace fringeflow::traces
