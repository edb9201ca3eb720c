// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "graphs/schema/reference.hpp"
#include "graphs/schema/suggest.hpp"

namespace fringeflow::graphs {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no units: most values are texts, and numbers where the language takes a bare number.
Json value_schema(const Option& option) {
  const Json text{{"type", "string"}};
  const Json number{{"type", Json::array({"number", "string"})}};
  switch (option.kind) {
    case Kind::boolean:
      return {{"type", "boolean"}};
    case Kind::integer:
      return {{"type", "integer"}, {"minimum", option.min}, {"maximum", option.max}};
    case Kind::number: {
      Json schema{{"type", "number"}};
      if (option.min > -1e300) schema[option.above_min ? "exclusiveMinimum" : "minimum"] = option.min;
      if (option.max < 1e300) schema["maximum"] = option.max;
      return schema;
    }
    case Kind::choice:
      return {{"enum", option.choices}};
    case Kind::scheduler:
      return {{"enum", scheduler_names()}};
    case Kind::count_or_auto:
      return {{"anyOf", {{{"type", "integer"}, {"minimum", option.min}}, {{"const", "auto"}}}}};
    case Kind::size:
      return {{"anyOf",
               {{{"type", "integer"}, {"minimum", option.min}, {"maximum", option.max}, {"multipleOf", 2}},
                {{"type", "string"}},
                {{"type", "array"}, {"items", {{"type", "integer"}}}, {"minItems", 2}, {"maxItems", 2}}}}};
    case Kind::integer_list:
      return {{"type", Json::array({"integer", "string", "array"})}, {"items", {{"type", "integer"}}}};
    case Kind::number_list:
      return {{"type", Json::array({"number", "string", "array"})}, {"items", {{"type", "number"}}}};
    case Kind::text_list:
    case Kind::direction:
      return {{"type", Json::array({"string", "array"})}, {"items", {{"type", "string"}}}};
    case Kind::stokes:
      return {{"type", Json::array({"string", "array"})}};
    case Kind::integer_range:
      return {{"type", Json::array({"string", "integer"})}};
    case Kind::time:
      return number;
    default:
      return text;
  }
}

std::string description(const Option& option) {
  std::string text = option.doc + "; " + type_text(option);
  if (const std::string range = range_text(option); !range.empty()) text += "; " + range;
  return text;
}

Json options_schema(const std::vector<Option>& options) {
  Json properties = Json::object();
  for (const Option& option : options) {
    Json schema = value_schema(option);
    schema["description"] = description(option);
    if (option.fallback) schema["default"] = *option.fallback;
    if (!option.example.empty()) schema["examples"] = Json::array({option.example});
    properties[option.key] = schema;
    for (const Alias& alias : option.aliases) {
      Json other = !alias.fixed.empty()    ? Json{{"type", "boolean"}}
                   : !alias.prefix.empty() ? Json{{"type", "number"}}
                                           : value_schema(option);
      other["description"] = "same as " + option.key + (alias.fixed.empty() ? "" : ": " + alias.fixed);
      properties[alias.name] = other;
    }
  }
  return properties;
}

/// Options without which a section is wrong; aliases count, so an option that has some is not listed.
Json required_keys(const std::vector<Option>& options) {
  Json keys = Json::array();
  for (const Option& option : options) {
    if (option.required && option.aliases.empty()) keys.push_back(option.key);
  }
  return keys;
}

Json map_schema(const std::string& doc, Json properties, Json required = Json::array()) {
  return {{"type", "object"},
          {"description", doc},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}

Json path_or_paths(const std::string& doc) {
  return {{"description", doc},
          {"type", Json::array({"string", "array"})},
          {"items", {{"type", "string"}}},
          {"minItems", 1}};
}

Json stage_schema(const StageSchema& stage) {
  Json ports = Json::object(), required_ports = Json::array();
  for (const Port& port : stage.inputs) {
    ports[port.name] =
        port.many ? path_or_paths(port.doc) : Json{{"type", "string"}, {"description", port.doc}};
    if (port.required) required_ports.push_back(port.name);
  }
  Json properties{
      {"id",
       {{"type", "string"}, {"pattern", "^[A-Za-z0-9_-]+$"}, {"description", "the name of this stage"}}},
      {"stage", {{"const", stage.name}}}};
  if (!stage.inputs.empty()) properties["in"] = map_schema("input ports", ports, required_ports);
  properties.update(options_schema(stage.options));
  Json required = Json::array({"id", "stage"});
  if (!required_ports.empty()) required.push_back("in");
  for (const Json& key : required_keys(stage.options)) required.push_back(key);
  return map_schema(stage.doc, properties, required);
}

}  // namespace

std::string json_schema() {
  Json definitions = Json::object(), kinds = Json::array();
  for (const StageSchema& stage : stages()) {
    definitions[stage.name] = stage_schema(stage);
    // With if/then an editor reports the mistakes of the stage that was meant, and not of all.
    kinds.push_back({{"if", {{"properties", {{"stage", {{"const", stage.name}}}}}}},
                     {"then", {{"$ref", "#/$defs/" + stage.name}}}});
  }
  definitions["stage"] = {{"type", "object"},
                          {"required", Json::array({"id", "stage"})},
                          {"properties", {{"stage", {{"enum", stage_names()}}}}},
                          {"allOf", kinds}};
  definitions["runtime"] = map_schema(runtime_section().doc, options_schema(runtime_section().options));

  const StageSchema& read = *find_stage("read");
  const StageSchema& image = *find_stage("image");
  const StageSchema& clean = *find_stage("deconvolve");
  const StageSchema& selfcal = *find_stage("selfcal");
  const StageSchema& write = *find_stage("write");
  Json read_options{{"ms", path_or_paths("MeasurementSets")}};
  read_options.update(options_schema(read.options));
  const Json version{{"const", 1}, {"description", "version of the workflow language"}};
  const Json name{{"type", "string"}, {"description", "name of the run"}};
  const Json runtime{{"$ref", "#/$defs/runtime"}};

  Json short_form = map_schema(
      "short form",
      {{"version", version},
       {"name", name},
       {"inputs",
        {{"anyOf",
          {path_or_paths("MeasurementSets"), map_schema(read.doc, read_options, Json::array({"ms"}))}}}},
       {"image", map_schema(image.doc, options_schema(image.options), required_keys(image.options))},
       {"clean", map_schema(clean.doc, options_schema(clean.options))},
       {"selfcal", map_schema(selfcal.doc, options_schema(selfcal.options), required_keys(selfcal.options))},
       {"output",
        {{"anyOf",
          {Json{{"type", "string"}, {"description", "prefix of the products"}},
           map_schema(write.doc, options_schema(write.options))}}}},
       {"runtime", runtime}},
      Json::array({"inputs", "image", "output"}));
  Json long_form =
      map_schema("long form",
                 {{"version", version},
                  {"name", name},
                  {"inputs", {{"type", "object"}, {"additionalProperties", path_or_paths("paths")}}},
                  {"stages", {{"type", "array"}, {"items", {{"$ref", "#/$defs/stage"}}}, {"minItems", 1}}},
                  {"runtime", runtime}},
                 Json::array({"stages"}));
  const Json schema{
      {"$schema", "https://json-schema.org/draft/2020-12/schema"},
      {"title", "Fringeflow workflow"},
      {"description", "Made by `fringeflow schema`: change graphs/registry_*.cpp, not this file."},
      {"if", {{"required", Json::array({"stages"})}}},
      {"then", long_form},
      {"else", short_form},
      {"$defs", definitions}};
  return schema.dump(2) + "\n";
}

}  // namespace fringeflow::graphs
