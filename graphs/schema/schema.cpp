// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/schema/schema.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graphs/schema/suggest.hpp"
#include "io/error.hpp"

namespace fringeflow::graphs {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

void check_range(const Option& option, double value, std::string_view text) {
  const bool low = option.above_min ? value <= option.min : value < option.min;
  if (!low && value <= option.max) return;
  throw UserError(fmt::format("'{}' is out of range; accepted: {}", trim(text), range_text(option)));
}

bool parse_boolean(std::string_view text) {
  const std::string word = lower(trim(text));
  if (word == "true" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "no" || word == "off") return false;
  throw UserError(fmt::format("'{}' is neither true nor false", trim(text)));
}

Weighting parse_weighting(const Option& option, std::string_view text) {
  const std::string whole = lower(trim(text));
  // WSClean's users write "briggs 0".
  const std::size_t separator = whole.find_first_of(": ");
  const std::string scheme = whole.substr(0, separator);
  Weighting weighting;
  if (scheme == "natural")
    weighting.scheme = WeightingScheme::natural;
  else if (scheme == "uniform")
    weighting.scheme = WeightingScheme::uniform;
  else if (scheme != "briggs") {
    throw UserError(fmt::format("'{}' is no weighting{}", trim(text),
                                did_you_mean(scheme, {"natural", "uniform", "briggs"})));
  }
  if (separator == std::string::npos) return weighting;
  if (scheme != "briggs") throw UserError(fmt::format("'{}': only briggs takes a robustness", trim(text)));
  weighting.robust = parse_number(whole.substr(separator + 1));
  check_range(option, weighting.robust, text);
  return weighting;
}

std::string parse_stokes(std::string_view text) {
  std::string given, ordered;
  for (const char c : trim(text)) {
    if (c != ',' && c != ' ') given += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  for (const char c : std::string_view("IQUV")) {
    if (std::count(given.begin(), given.end(), c) == 1) ordered += c;
  }
  if (ordered.empty() || ordered.size() != given.size()) {
    throw UserError(fmt::format(
        "'{}' names no Stokes parameters; accepted: I, Q, U, V or several of them, as IQUV", trim(text)));
  }
  return ordered;
}

std::string parse_scheduler(std::string_view text) {
  const std::string name(trim(text));
  if (name == "peager")
    throw UserError(
        "'peager' cannot run here: it does not support scheduling contexts, which keep reading beside "
        "computing");
  const auto& names = scheduler_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    // There are forty of them: a list would hide where to find it.
    throw UserError(fmt::format("'{}' is no scheduler{}; 'fringeflow list schedulers' names them all", name,
                                closest(name, names).empty() ? "" : did_you_mean(name, names)));
  }
  return name;
}

std::string parse_choice(const Option& option, std::string_view text) {
  const std::string name(trim(text));
  if (std::find(option.choices.begin(), option.choices.end(), name) == option.choices.end()) {
    throw UserError(
        fmt::format("'{}' is not accepted{}; accepted: {}", name,
                    closest(name, option.choices).empty() ? "" : did_you_mean(name, option.choices),
                    join(option.choices)));
  }
  return name;
}

std::string parse_path(std::string_view text) {
  const std::string path(trim(text));
  if (path.empty()) throw UserError("is empty");
  if (path.find('\0') != std::string::npos) throw UserError("has a zero byte");
  return path;
}

}  // namespace

std::string to_string(PortType type) {
  switch (type) {
    case PortType::measurement_set:
      return "MeasurementSet";
    case PortType::visibilities:
      return "visibilities";
    case PortType::image:
      return "image";
  }
  return "?";
}

std::string type_text(const Option& option) {
  switch (option.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return "whole number";
    case Kind::number:
      return "number";
    case Kind::quantity: {
      constexpr const char* kNames[] = {"angle", "frequency", "duration", "flux", "length", "size"};
      return fmt::format("{} ({})", kNames[static_cast<int>(option.dimension)], unit_names(option.dimension));
    }
    case Kind::text:
      return "text";
    case Kind::choice:
      return "one of " + join(option.choices);
    case Kind::input_file:
      return "file";
    case Kind::output_path:
      return "path to write";
    case Kind::size:
      return "pixels: N or NX,NY";
    case Kind::weighting:
      return "natural, uniform or briggs:R";
    case Kind::threshold:
      return "flux (uJy, mJy, Jy) or multiple of the noise (sigma)";
    case Kind::integer_list:
      return "list of whole numbers";
    case Kind::number_list:
      return "list of numbers";
    case Kind::text_list:
      return "list";
    case Kind::integer_range:
      return "range a..b of whole numbers, ends included, either end open";
    case Kind::time_range:
      return "range a..b of times (ISO, MJD in days or in seconds), either end open";
    case Kind::uv_range:
      return "range a..b in lambda, klambda, m or km, either end open";
    case Kind::time:
      return "time (ISO, MJD in days or in seconds; UTC)";
    case Kind::direction:
      return "RA,DEC";
    case Kind::stokes:
      return "one or several of I, Q, U, V";
    case Kind::count_or_auto:
      return "whole number or auto";
    case Kind::memory:
      return "memory (" + unit_names(Dimension::bytes) + ") or auto";
    case Kind::scheduler:
      return "auto or a StarPU policy";
  }
  return "?";
}

std::string range_text(const Option& option) {
  if (!option.range_text.empty()) return option.range_text;
  const bool low = option.min > -std::numeric_limits<double>::infinity();
  const bool high = option.max < std::numeric_limits<double>::infinity();
  if (low && high) return fmt::format("{}{} .. {}", option.above_min ? "above " : "", option.min, option.max);
  if (low) return fmt::format("{} {}", option.above_min ? "above" : "at least", option.min);
  if (high) return fmt::format("at most {}", option.max);
  return {};
}

Value parse_value(const Option& option, std::string_view text) {
  switch (option.kind) {
    case Kind::boolean:
      return parse_boolean(text);
    case Kind::integer: {
      const int64_t value = parse_integer(text);
      check_range(option, static_cast<double>(value), text);
      return value;
    }
    case Kind::number: {
      const double value = parse_number(text);
      check_range(option, value, text);
      return value;
    }
    case Kind::quantity: {
      const double value = parse_quantity(text, option.dimension);
      check_range(option, value, text);
      return value;
    }
    case Kind::text: {
      if (trim(text).empty()) throw UserError("is empty");
      return std::string(trim(text));
    }
    case Kind::choice:
      return parse_choice(option, text);
    case Kind::input_file:
    case Kind::output_path:
      return parse_path(text);
    case Kind::size: {
      std::vector<int64_t> size = parse_size(text);
      for (const int64_t n : size) {
        check_range(option, static_cast<double>(n), text);
        if (n % 2 != 0)
          throw UserError(
              fmt::format("'{}' is odd; an image has an even number of pixels each way", trim(text)));
      }
      return size;
    }
    case Kind::weighting:
      return parse_weighting(option, text);
    case Kind::threshold:
      return parse_threshold(text);
    case Kind::integer_list: {
      std::vector<int64_t> values;
      for (const std::string& piece : split_list(text)) {
        values.push_back(parse_integer(piece));
        check_range(option, static_cast<double>(values.back()), piece);
      }
      return values;
    }
    case Kind::number_list: {
      std::vector<double> values;
      for (const std::string& piece : split_list(text)) {
        values.push_back(parse_number(piece));
        check_range(option, values.back(), piece);
      }
      return values;
    }
    case Kind::text_list: {
      std::vector<std::string> pieces = split_list(text);
      if (!option.choices.empty()) {
        for (const std::string& piece : pieces) parse_choice(option, piece);
      }
      return pieces;
    }
    case Kind::integer_range:
      return parse_integer_range(text);
    case Kind::time_range:
      return parse_time_range(text);
    case Kind::uv_range:
      return parse_uv_range(text);
    case Kind::time:
      return parse_time(text);
    case Kind::direction:
      return parse_direction(text);
    case Kind::stokes:
      return parse_stokes(text);
    case Kind::count_or_auto: {
      if (trim(text) == "auto") return int64_t{-1};
      const int64_t value = parse_integer(text);
      check_range(option, static_cast<double>(value), text);
      return value;
    }
    case Kind::memory: {
      if (trim(text) == "auto") return int64_t{0};
      const int64_t value = parse_bytes(text);
      check_range(option, static_cast<double>(value), text);
      return value;
    }
    case Kind::scheduler:
      return parse_scheduler(text);
  }
  return {};
}

Value fallback_value(const Option& option) {
  return option.fallback ? parse_value(option, *option.fallback) : Value{};
}

const Option* find_option(const std::vector<Option>& options, std::string_view name, const Alias** alias) {
  std::string key(name);
  std::replace(key.begin(), key.end(), '-', '_');
  if (alias != nullptr) *alias = nullptr;
  for (const Option& option : options) {
    if (option.key == key) return &option;
    for (const Alias& other : option.aliases) {
      if (other.name != key) continue;
      if (alias != nullptr) *alias = &other;
      return &option;
    }
  }
  return nullptr;
}

std::vector<std::string> option_names(const std::vector<Option>& options, bool with_aliases) {
  std::vector<std::string> names;
  for (const Option& option : options) {
    names.push_back(option.key);
    if (!with_aliases) continue;
    for (const Alias& alias : option.aliases) names.push_back(alias.name);
  }
  return names;
}

const std::vector<std::string>& scheduler_names() {
  static const std::vector<std::string> kNames{"auto",
                                               "eager",
                                               "prio",
                                               "random",
                                               "lws",
                                               "ws",
                                               "dm",
                                               "dmda",
                                               "dmdap",
                                               "dmdar",
                                               "dmdas",
                                               "dmdasd",
                                               "pheft",
                                               "heteroprio",
                                               "graph_test",
                                               "modular-eager",
                                               "modular-eager-prio",
                                               "modular-eager-prefetching",
                                               "modular-prio",
                                               "modular-prio-prefetching",
                                               "modular-random",
                                               "modular-random-prio",
                                               "modular-random-prefetching",
                                               "modular-random-prio-prefetching",
                                               "modular-ws",
                                               "modular-dmda",
                                               "modular-dmdap",
                                               "modular-dmdar",
                                               "modular-dmdas",
                                               "modular-gemm",
                                               "modular-heft",
                                               "modular-heft-prio",
                                               "modular-heft-hierarchical",
                                               "modular-heft2",
                                               "modular-heteroprio",
                                               "modular-heteroprio-heft",
                                               "modular-pheft",
                                               "modular-prandom",
                                               "modular-prandom-prio"};
  return kNames;
}

}  // namespace fringeflow::graphs
