// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// A YAML document as a tree in which everything knows where it was written. (yaml-cpp's own nodes lose the
/// places of keys.)
#include <string>
#include <string_view>
#include <vector>

#include "graphs/workflow/diagnostics.hpp"

namespace fringeflow::graphs {

struct Entry;

struct Node {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text;            ///< of a scalar
  std::vector<Node> items;     ///< of a list
  std::vector<Entry> entries;  ///< of a map, in order, duplicates included
  Place place;

  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }
  /// First entry of that key, or null.
  const Entry* find(std::string_view key) const;
  Entry* find(std::string_view key);
  /// "a map", "a list", "nothing", "'text'": for messages.
  std::string describe() const;

  static Node scalar(std::string text, const Place& place);
  static Node list(const Place& place);
  static Node map(const Place& place);
  /// Appends an entry whose key stands where the value stands.
  void add(const std::string& key, Node value);
};

struct Entry {
  std::string key;
  Place place;
  Node value;
};

/// Parses one YAML document. Throws WorkflowError with FILE:LINE:COL on syntax errors, several documents, or
/// absurd size or depth.
Node parse_yaml(const std::string& text, const std::string& file);

/// Reads and parses a file. Throws UserError when it cannot be read.
Node load_yaml(const std::string& path);

/// One line of YAML flow style that parses to the same tree: "{a: 1, b: [x, y]}".
std::string flow_text(const Node& node);

}  // namespace fringeflow::graphs
