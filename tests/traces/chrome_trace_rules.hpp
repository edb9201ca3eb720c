// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What Perfetto's trace processor asks of JSON in the Trace Event Format, as a check that names every breach: what it would drop, guess or
/// count as an error in its statistics (json_parser_failure, slice_drop_overlapping_complete_event, flow_duplicate_id, …).
/// After the format's description, "Trace Event Format" (Google, 2016).
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace fringeflow::test {

class ChromeTraceRules {
 public:
  /// The breaches of a whole file: an object with traceEvents, an array, or an array of lines that is left open (DFTracer's).
  static std::vector<std::string> breaches(const std::string& text) {
    ChromeTraceRules rules;
    rules.file(text);
    return rules.found_;
  }

 private:
  using json = nlohmann::json;
  using Track = std::pair<int64_t, int64_t>;  ///< pid, tid
  struct Slice {
    double begin, end;
    std::string name;
  };

  void breach(const std::string& what) {
    if (found_.size() < 50) found_.push_back(what);
  }

  /// Strict JSON: no comments, no NaN, no key twice in one object.
  json parse(const std::string& text) {
    std::vector<std::set<std::string>> keys;
    const auto look = [&](int, json::parse_event_t event, json& value) {
      if (event == json::parse_event_t::object_start) keys.emplace_back();
      if (event == json::parse_event_t::object_end) keys.pop_back();
      if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
        breach("key '" + value.get<std::string>() + "' twice in one object");
      return true;
    };
    try {
      return json::parse(text, look);
    } catch (const json::exception& error) {
      breach(error.what());
      return nullptr;
    }
  }

  void file(const std::string& text) {
    std::string whole = text;
    while (!whole.empty() && std::isspace(static_cast<unsigned char>(whole.back()))) whole.pop_back();
    if (whole.starts_with("[\n") && !whole.ends_with("]")) {  // lines without commas, as DFTracer writes them
      for (auto& c : whole)
        if (c == '\n') c = ',';
      whole[1] = ' ';
      whole.push_back(']');
    }
    const json document = parse(whole);
    if (document.is_null()) return;
    const json* events = &document;
    if (document.is_object()) {
      if (!document.contains("traceEvents")) return breach("no traceEvents");
      events = &document["traceEvents"];
      if (const auto unit = document.value("displayTimeUnit", "ms"); unit != "ms" && unit != "ns")
        breach("displayTimeUnit is '" + unit + "'");
    }
    if (!events->is_array()) return breach("traceEvents is no array");
    for (size_t i = 0; i < events->size(); ++i) event((*events)[i], i);
    end();
  }

  bool number(const json& event, const char* key, size_t i) {
    const auto found = event.find(key);
    if (found == event.end() || !found->is_number() || !std::isfinite(found->get<double>())) {
      breach(fmt::format("event {}: {} is no number", i, key));
      return false;
    }
    return true;
  }
  /// Track identifiers are whole numbers that fit 32 bits.
  int64_t identifier(const json& event, const char* key, size_t i, bool needed) {
    const auto found = event.find(key);
    if (found == event.end()) {
      if (needed) breach(fmt::format("event {}: no {}", i, key));
      return -1;
    }
    if (!found->is_number_integer() || found->get<int64_t>() < 0 ||
        found->get<int64_t>() > std::numeric_limits<uint32_t>::max()) {
      breach(fmt::format("event {}: {} is {}", i, key, found->dump()));
      return -1;
    }
    return found->get<int64_t>();
  }

  void event(const json& event, size_t i) {
    if (!event.is_object()) return breach(fmt::format("event {} is no object", i));
    const auto phase = event.value("ph", json());
    static const std::string kPhases = "BEXiICsftbneMPONDSTpF(v)Rc";
    if (!phase.is_string() || phase.get<std::string>().size() != 1 ||
        kPhases.find(phase.get<std::string>()) == std::string::npos)
      return breach(fmt::format("event {}: ph is {}", i, phase.dump()));
    const char ph = phase.get<std::string>()[0];
    const auto name = event.value("name", json());
    if (ph != 'E' && (!name.is_string() || name.get<std::string>().empty()))
      breach(fmt::format("event {}: name is {}", i, name.dump()));
    if (event.contains("cat") && !event["cat"].is_string())
      breach(fmt::format("event {}: cat is no text", i));
    if (event.contains("args") && !event["args"].is_object())
      return breach(fmt::format("event {}: args is no object", i));
    if (event.contains("cname") && !event["cname"].is_string()) breach(fmt::format("event {}: cname", i));
    const bool on_thread = std::string("BEXiIstf").find(ph) != std::string::npos;
    const Track track{identifier(event, "pid", i, true), identifier(event, "tid", i, on_thread)};
    if (ph == 'M') return metadata(event, track, i);
    if (!number(event, "ts", i)) return;
    const double ts = event["ts"];
    if (ts < 0) breach(fmt::format("event {}: ts is below 0", i));
    switch (ph) {
      case 'X':
        if (!number(event, "dur", i)) return;
        if (event["dur"].get<double>() < 0) return breach(fmt::format("event {}: dur is negative", i));
        slices_[track].push_back({ts, ts + event["dur"].get<double>(), name});
        break;
      case 'B':
        open_[track].push_back({ts, ts, name});
        break;
      case 'E': {
        auto& stack = open_[track];
        if (stack.empty()) return breach(fmt::format("event {}: an end without a beginning", i));
        if (name.is_string() && name != stack.back().name)
          breach(
              fmt::format("event {}: ends '{}' inside '{}'", i, name.get<std::string>(), stack.back().name));
        if (ts < stack.back().begin) breach(fmt::format("event {}: ends before it begins", i));
        slices_[track].push_back({stack.back().begin, ts, stack.back().name});
        stack.pop_back();
        break;
      }
      case 'C':
        counter(event, i);
        break;
      case 's':
      case 't':
      case 'f': {
        if (!event.contains("id")) return breach(fmt::format("event {}: a flow without an id", i));
        flows_.push_back({event["id"].dump(), ph, ts, track});
        break;
      }
      case 'b':
      case 'e':
        if (!event.contains("id") || !event.contains("cat"))
          return breach(fmt::format("event {}: asynchronous without id and cat", i));
        if ((nested_[event["cat"].dump() + event["id"].dump()] += ph == 'b' ? 1 : -1) < 0)
          breach(fmt::format("event {}: an end without a beginning", i));
        break;
      default:
        break;
    }
  }

  void metadata(const json& event, const Track& track, size_t i) {
    static const std::map<std::string, std::string> kArguments{{"process_name", "name"},
                                                               {"thread_name", "name"},
                                                               {"process_labels", "labels"},
                                                               {"process_sort_index", "sort_index"},
                                                               {"thread_sort_index", "sort_index"}};
    const auto known = kArguments.find(event.value("name", ""));
    if (known == kArguments.end())
      return breach(fmt::format("event {}: metadata '{}'", i, event.value("name", "")));
    const auto value = event.value("args", json::object()).value(known->second, json());
    if (known->second == "sort_index" ? !value.is_number_integer() : !value.is_string())
      return breach(fmt::format("event {}: args.{} is {}", i, known->second, value.dump()));
    if (known->first == "thread_name") {
      if (track.second < 0) breach(fmt::format("event {}: no tid", i));
      if (!named_.insert(track).second)
        breach(fmt::format("event {}: thread {} is named twice", i, track.second));
    }
  }

  void counter(const json& event, size_t i) {
    const auto args = event.value("args", json::object());
    if (args.empty()) return breach(fmt::format("event {}: a counter without values", i));
    for (const auto& [key, value] : args.items())
      if (!value.is_number()) breach(fmt::format("event {}: counter {} is {}", i, key, value.dump()));
    auto& last = counted_[event.value("name", "")];
    if (event["ts"].get<double>() < last)
      breach(fmt::format("event {}: counter '{}' goes back in time", i, event.value("name", "")));
    last = event["ts"];
  }

  void end() {
    for (const auto& [track, stack] : open_)
      if (!stack.empty())
        breach(fmt::format("'{}' on thread {} never ends", stack.back().name, track.second));
    for (const auto& [key, depth] : nested_)
      if (depth > 0) breach("asynchronous " + key + " never ends");
    for (auto& [track, list] : slices_) {
      std::stable_sort(list.begin(), list.end(), [](const Slice& a, const Slice& b) {
        return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
      });
      std::vector<Slice> inside;
      for (const auto& slice : list) {
        // Perfetto's clock has nanoseconds.
        constexpr double kNanosecond = 1e-3;
        while (!inside.empty() && inside.back().end <= slice.begin + kNanosecond) inside.pop_back();
        if (!inside.empty() && slice.end > inside.back().end + kNanosecond)
          breach(fmt::format(
              "thread {}: '{}' at {:.3f} begins inside '{}' at {:.3f} and ends {:.3f} us after it",
              track.second, slice.name, slice.begin, inside.back().name, inside.back().begin,
              slice.end - inside.back().end));
        inside.push_back(slice);
      }
    }
    std::stable_sort(flows_.begin(), flows_.end(), [](const Flow& a, const Flow& b) { return a.ts < b.ts; });
    std::map<std::string, int> begun;
    for (const auto& flow : flows_) {
      if (flow.ph == 's' && begun[flow.id]++ > 0) breach("flow " + flow.id + " begins twice");
      if (flow.ph != 's' && begun[flow.id] == 0) breach("flow " + flow.id + " ends before it begins");
      if (flow.ph == 'f') begun[flow.id] = 0;
      const auto& list = slices_[flow.track];
      if (std::none_of(list.begin(), list.end(),
                       [&](const Slice& s) { return s.begin - 1e-3 <= flow.ts && flow.ts <= s.end + 1e-3; }))
        breach("flow " + flow.id + " is bound to no slice");
    }
    for (const auto& [id, open] : begun)
      if (open > 0) breach("flow " + id + " never ends");
  }

  struct Flow {
    std::string id;
    char ph;
    double ts;
    Track track;
  };
  std::vector<std::string> found_;
  std::map<Track, std::vector<Slice>> slices_, open_;
  std::map<std::string, int> nested_;
  std::map<std::string, double> counted_;
  std::vector<Flow> flows_;
  std::set<Track> named_;
};

}  // namespace fringeflow::test
