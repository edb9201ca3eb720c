// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Pages that stand alone: a template with D3, its licence and the data put in.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace fringeflow::traces {

/// @param page HTML that begins with {{HEAD}} (traces/data/head.html), with {{TITLE}}, {{NOTICE}}, {{D3}} and {{DATA}} (inside a script element) where those belong
std::string fill_page(std::string_view page, const std::string& title, const nlohmann::json& data);

}  // namespace fringeflow::traces
