// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/workflow/node.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace fringeflow::graphs {
namespace {

/// The one mistake of a file that is no tree.
WorkflowError mistake(const Place& place, std::string message) {
  std::vector<Diagnostic> one;
  one.push_back({place, std::move(message)});
  return WorkflowError(std::move(one));
}

// Generous for a workflow, small enough that hostile files end early.
constexpr std::size_t kMaxBytes = 4 << 20;
constexpr std::size_t kMaxNodes = 200000;
constexpr std::size_t kMaxDepth = 60;

/// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string file) : file_(std::move(file)) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.place = place(mark);
    finish(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) fail(mark, "an alias inside its own anchor");
    count_ += count_nodes(found->second);
    if (count_ > kMaxNodes) fail(mark, "too large for a workflow");
    finish(Node(found->second), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // A plain empty scalar or ~ is null; a quoted one is an empty text. "~" alone arrives as OnNull from
    // yaml-cpp.
    (void)tag;
    finish(Node::scalar(value, place(mark)), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::list(place(mark)), mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::map(place(mark)), mark, anchor);
  }
  void OnMapEnd() override { close(); }

  Node take() { return std::move(root_); }

 private:
  /// A list or map that is being read. In a map, `key` waits for its value.
  struct Level {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    Node key;
  };

  Place place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& message) const {
    throw mistake(place(mark), message);
  }

  static std::size_t count_nodes(const Node& node) {
    std::size_t count = 1;
    for (const Node& item : node.items) count += count_nodes(item);
    for (const Entry& entry : node.entries) count += count_nodes(entry.value);
    return count;
  }

  void open(Node node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (levels_.size() >= kMaxDepth) fail(mark, "nested too deeply for a workflow");
    levels_.push_back({std::move(node), anchor, false, {}});
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    finish(std::move(level.node), level.anchor);
  }

  void finish(Node node, YAML::anchor_t anchor) {
    if (++count_ > kMaxNodes) throw mistake(node.place, "too large for a workflow");
    if (anchor != 0) anchors_[anchor] = node;
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.is_list()) {
      level.node.items.push_back(std::move(node));
    } else if (!level.has_key) {
      if (!node.is_scalar()) throw mistake(node.place, "a key must be a word, not " + node.describe());
      level.key = std::move(node);
      level.has_key = true;
    } else {
      if (node.kind == Node::Kind::null)
        node.place = level.key.place;  // yaml-cpp puts nothing where the next thing begins
      level.node.entries.push_back({level.key.text, level.key.place, std::move(node)});
      level.has_key = false;
    }
  }

  std::string file_;
  Node root_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t count_ = 0;
};

/// Whether a word can stand without quotes in flow style and reads back as itself. Careful rather than
/// complete.
bool plain(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return false;
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '/';
  };
  const auto is_inner = [&](char c) {
    return is_word(c) || std::string_view("+-~$=:@ ").find(c) != std::string_view::npos;
  };
  const bool sign = text[0] == '-' && text.size() > 1 && is_word(text[1]);
  if (!is_word(text[0]) && text[0] != '$' && !sign) return false;
  if (!is_word(text.back()) && text.back() != '~') return false;
  // A colon before a space begins a value.
  return std::all_of(text.begin(), text.end(), is_inner) && text.find(": ") == std::string::npos &&
         !text.starts_with("...");
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') result += '\\';
    if (byte < 0x20 || byte == 0x7f)
      result += fmt::format("\\x{:02x}", byte);
    else
      result += c;
  }
  return result + "\"";
}

std::string word(const std::string& text) { return plain(text) ? text : quoted(text); }

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

Entry* Node::find(std::string_view key) { return const_cast<Entry*>(std::as_const(*this).find(key)); }

std::string Node::describe() const {
  switch (kind) {
    case Kind::null:
      return "nothing";
    case Kind::scalar:
      return "'" + text + "'";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
  }
  return "?";
}

Node Node::scalar(std::string text, const Place& place) {
  Node node;
  node.kind = Kind::scalar;
  node.text = std::move(text);
  node.place = place;
  return node;
}

Node Node::list(const Place& place) {
  Node node;
  node.kind = Kind::list;
  node.place = place;
  return node;
}

Node Node::map(const Place& place) {
  Node node;
  node.kind = Kind::map;
  node.place = place;
  return node;
}

void Node::add(const std::string& key, Node value) {
  Entry entry{key, value.place, std::move(value)};
  entries.push_back(std::move(entry));
}

Node parse_yaml(const std::string& text, const std::string& file) {
  if (text.size() > kMaxBytes) throw mistake({file, 1, 1}, "too large for a workflow");
  if (const std::size_t zero = text.find('\0'); zero != std::string::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(zero), '\n');
    throw mistake({file, static_cast<int>(line), 1}, "has a zero byte: not a text file");
  }
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    TreeBuilder builder(file);
    if (!parser.HandleNextDocument(builder)) return {};
    Node root = builder.take();
    TreeBuilder second(file);
    if (parser.HandleNextDocument(second)) {
      const Node other = second.take();
      throw mistake(other.place.file.empty() ? Place{file, 1, 1} : other.place,
                    "a workflow is one YAML document");
    }
    return root;
  } catch (const YAML::Exception& e) {
    throw mistake({file, e.mark.line + 1, e.mark.column + 1}, "YAML syntax: " + e.msg);
  }
}

Node load_yaml(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    throw UserError(fmt::format("no such workflow file: {}", path));
  if (std::filesystem::is_directory(path, ignored))
    throw UserError(fmt::format("{} is a folder, not a workflow file", path));
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    if (file && std::filesystem::file_size(path, ignored) == 0)
      throw UserError(fmt::format("{} is empty", path));
    throw UserError(fmt::format("cannot read {}", path));
  }
  return parse_yaml(text.str(), path);
}

std::string flow_text(const Node& node) {
  switch (node.kind) {
    case Node::Kind::null:
      return "~";
    case Node::Kind::scalar:
      return word(node.text);
    case Node::Kind::list: {
      std::string text;
      for (const Node& item : node.items) text += (text.empty() ? "" : ", ") + flow_text(item);
      return "[" + text + "]";
    }
    case Node::Kind::map: {
      std::string text;
      for (const Entry& entry : node.entries) {
        text += (text.empty() ? "" : ", ") + word(entry.key) + ": " + flow_text(entry.value);
      }
      return "{" + text + "}";
    }
  }
  return {};
}

}  // namespace fringeflow::graphs
