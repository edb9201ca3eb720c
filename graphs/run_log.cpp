// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/run_log.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>

namespace fringeflow::graphs {

class RunLog::Sink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void add(const std::string& text) {
    const std::lock_guard lock(mutex_);
    text_ += text;
    if (!text.ends_with('\n')) text_ += '\n';
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const auto name = spdlog::level::to_string_view(message.level);
    text_ += fmt::format("{}: {}\n", std::string(name.data(), name.size()),
                         std::string(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

 private:
  std::string text_;
};

RunLog::RunLog() : sink_(std::make_shared<Sink>()) {
  sink_->set_level(spdlog::level::warn);
  spdlog::default_logger()->sinks().push_back(sink_);
}

RunLog::~RunLog() {
  auto& sinks = spdlog::default_logger()->sinks();
  sinks.erase(std::remove(sinks.begin(), sinks.end(), sink_), sinks.end());
}

void RunLog::info(const std::string& text) {
  spdlog::info("{}", text);
  sink_->add(text);
}

std::string RunLog::text() const { return sink_->text(); }

}  // namespace fringeflow::graphs
