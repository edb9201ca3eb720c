// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// What a stage declares: ports and options. Validation, defaults, command-line flags, `explain`, the
/// reference manual, shell completion and the JSON Schema all come from these tables and from nothing else.
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "io/quantity.hpp"

namespace fringeflow::graphs {

/// How the text of an option is read.
enum class Kind {
  boolean,
  integer,
  number,
  quantity,  ///< a number with a unit of Option::dimension
  text,
  choice,      ///< one of Option::choices
  input_file,  ///< must exist
  output_path,
  size,       ///< nx,ny
  weighting,  ///< natural | uniform | briggs[:R]
  threshold,  ///< flux or multiple of sigma
  integer_list,
  number_list,
  text_list,
  integer_range,
  time_range,
  uv_range,
  time,
  direction,
  stokes,
  count_or_auto,  ///< -1 is auto
  memory,         ///< bytes, 0 is auto
  scheduler,
};

struct Weighting {
  WeightingScheme scheme = WeightingScheme::briggs;
  double robust = 0;
};

/// An option's value in base units. Empty: not set and without a default.
using Value =
    std::variant<std::monostate, bool, int64_t, double, std::string, Weighting, Threshold, Range, UvRange,
                 Direction, std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

/// Another accepted name. `prefix` is put before the value ("robust: 0" is "weighting: briggs:0"); `fixed`
/// replaces it
/// ("multiscale: true" is "algorithm: multiscale").
struct Alias {
  std::string name;
  std::string prefix = {};
  std::string fixed = {};
};

struct Option {
  std::string key;
  Kind kind = Kind::text;
  std::string doc;                           ///< one sentence, without the full stop
  std::optional<std::string> fallback = {};  ///< default as text; without one the option is unset
  bool required = false;
  Dimension dimension = Dimension::angle;                 ///< of Kind::quantity
  double min = -std::numeric_limits<double>::infinity();  ///< in base units, inclusive
  double max = std::numeric_limits<double>::infinity();
  bool above_min = false;  ///< min itself is not allowed
  std::vector<std::string> choices = {};
  std::vector<Alias> aliases = {};
  std::string range_text = {};  ///< the range in the units of the manual, where min and max would be cryptic
  std::string example = {};
  std::string short_flag = {};  ///< "o" for -o
};

enum class PortType { measurement_set, visibilities, image };

struct Port {
  std::string name;
  PortType type;
  std::string doc;
  bool required = true;
  bool many = false;
};

struct StageSchema {
  std::string name;
  std::string doc;      ///< one sentence
  std::string details;  ///< a paragraph for the manual
  std::string section;  ///< the key in the short form, "" when it has none
  std::vector<Port> inputs, outputs;
  std::vector<Option> options;
};

/// A section of the workflow that is no stage: runtime.
struct SectionSchema {
  std::string name, doc;
  std::vector<Option> options;
};

std::string to_string(PortType type);

/// What `explain` and the manual call the kind, with units or choices: "angle (uas, mas, …)".
std::string type_text(const Option& option);
/// "1e-13 .. 0.1", "> 0", or "".
std::string range_text(const Option& option);

/// Reads a value; lists come as text with commas. Throws UserError without the key: the caller knows where it
/// stands. Files are not looked for here.
Value parse_value(const Option& option, std::string_view text);

/// The default, or an empty value.
Value fallback_value(const Option& option);

/// The option called `name` (key or alias, '-' and '_' alike), or null; `alias` is set when it is an alias.
const Option* find_option(const std::vector<Option>& options, std::string_view name,
                          const Alias** alias = nullptr);

/// Keys of options, for suggestions.
std::vector<std::string> option_names(const std::vector<Option>& options, bool with_aliases = true);

/// StarPU's scheduling policies, by name, and "auto".
const std::vector<std::string>& scheduler_names();

}  // namespace fringeflow::graphs
