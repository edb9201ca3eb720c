// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/page.hpp"

#include <map>

#include "traces/experiment_table.hpp"

namespace fringeflow::embedded {
extern const std::string_view d3, d3_notice, experiment_html, page_head;
}

namespace fringeflow::traces {
namespace {

using nlohmann::json;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

/// JSON inside a script element: no end tag may appear in it.
std::string inside_script(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace), out;
  for (const char c : text) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string fill_page(std::string_view body, const std::string& title, const json& data) {
  constexpr std::string_view kHead = "{{HEAD}}";
  std::string whole(body);
  if (whole.starts_with(kHead)) whole.replace(0, kHead.size(), embedded::page_head);
  std::string_view rest = whole;
  const std::map<std::string_view, std::string> parts{{"TITLE", escaped(title)},
                                                      {"NOTICE", std::string(embedded::d3_notice)},
                                                      {"D3", std::string(embedded::d3)},
                                                      {"DATA", inside_script(data)}};
  std::string page;
  for (size_t at = 0; (at = rest.find("{{")) != std::string_view::npos;) {
    const size_t end = rest.find("}}", at);
    const auto part =
        end == std::string_view::npos ? parts.end() : parts.find(rest.substr(at + 2, end - at - 2));
    if (part == parts.end()) {
      page += rest.substr(0, at + 2);
      rest.remove_prefix(at + 2);
      continue;
    }
    page += rest.substr(0, at);
    page += part->second;
    rest.remove_prefix(end + 2);
  }
  return page + std::string(rest);
}

std::string experiment_html(const std::string& name, const json& data, const std::string& spec) {
  auto all = data;
  all["spec"] = spec;
  return fill_page(embedded::experiment_html, "Fringeflow experiment: " + name, all);
}

}  // namespace fringeflow::traces
