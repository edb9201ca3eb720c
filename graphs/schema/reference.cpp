// SPDX-License-Identifier: GPL-3.0-or-later
#include "graphs/schema/reference.hpp"

#include <fmt/format.h>

#include "graphs/schema/suggest.hpp"

namespace fringeflow::graphs {
namespace {

std::string aliases_text(const Option& option) {
  std::vector<std::string> texts;
  for (const Alias& alias : option.aliases) {
    if (!alias.fixed.empty())
      texts.push_back(fmt::format("{}: true (for {})", alias.name, alias.fixed));
    else if (!alias.prefix.empty())
      texts.push_back(fmt::format("{}: X (for {}X)", alias.name, alias.prefix));
    else
      texts.push_back(alias.name);
  }
  return join(texts);
}

std::string default_text(const Option& option) {
  if (option.required) return "required";
  return option.fallback ? *option.fallback : "not set";
}

std::string explain_options(const std::vector<Option>& options) {
  std::string text;
  for (const Option& option : options) {
    text += fmt::format("  {:<14} {} [{}]\n", option.key, option.doc, default_text(option));
    std::string facts = type_text(option);
    // The kinds with fixed words already name their range.
    if (const std::string range = range_text(option); !range.empty()) facts += "; " + range;
    text += fmt::format("  {:<14}   {}\n", "", facts);
    if (!option.example.empty()) text += fmt::format("  {:<14}   example: {}\n", "", option.example);
    if (!option.aliases.empty()) text += fmt::format("  {:<14}   also: {}\n", "", aliases_text(option));
  }
  return text;
}

std::string port_text(const Port& port) {
  return fmt::format("  {:<14} {}{}{}: {}\n", port.name, to_string(port.type),
                     port.many ? ", one or a list" : "", port.required ? "" : ", optional", port.doc);
}

/// Cells of a Markdown table cannot hold bars.
std::string cell(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '|' ? std::string("\\|") : std::string(1, c);
  return result;
}

std::string code(const std::string& text) { return text.empty() ? "" : "`" + text + "`"; }

std::string options_table(const std::vector<Option>& options) {
  std::string text =
      "| option | what | type | default | range | example | also |\n|---|---|---|---|---|---|---|\n";
  for (const Option& option : options) {
    const std::string fallback = option.required   ? "**required**"
                                 : option.fallback ? code(*option.fallback)
                                                   : "not set";
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} |\n", option.key, cell(option.doc),
                        cell(type_text(option)), fallback, cell(range_text(option)), code(option.example),
                        cell(aliases_text(option)));
  }
  return text;
}

std::string stage_markdown(const StageSchema& stage) {
  std::string text = fmt::format("### {}\n\n{}{}.\n", stage.name,
                                 static_cast<char>(std::toupper(stage.doc[0])), stage.doc.substr(1));
  if (!stage.details.empty()) text += stage.details + "\n";
  if (!stage.section.empty()) text += fmt::format("\nIn the short form: the section `{}`.\n", stage.section);
  text += "\n| port | direction | type | what |\n|---|---|---|---|\n";
  for (const Port& port : stage.inputs) {
    text += fmt::format("| `{}` | in | {}{} | {} |\n", port.name, to_string(port.type),
                        port.many ? ", one or a list" : "", port.doc);
  }
  for (const Port& port : stage.outputs)
    text += fmt::format("| `{}` | out | {} | {} |\n", port.name, to_string(port.type), port.doc);
  return text + "\n" + options_table(stage.options) + "\n";
}

constexpr const char* kIntroduction = R"(# Workflow reference

<!-- Made by `fringeflow explain --all --markdown` from the tables in graphs/registry_*.cpp: change those, not this file. -->

A workflow is a YAML file. `fringeflow check FILE` reports every mistake in it with file, line and column,
`fringeflow expand FILE` prints the long form that it stands for, `fringeflow plan FILE` says what a run will do and need,
and `fringeflow run FILE` runs it. Relative paths are relative to the folder in which the program is started.

## The short form

```yaml
inputs: obs.ms                      # or a list, or {ms: [a.ms, b.ms], column: DATA, channels: 0..63}
image:  {size: 4096, cell: 1.5asec, weighting: briggs:0, accuracy: 1e-4}
clean:  {algorithm: multiscale, iterations: 20000, threshold: 3sigma, auto_mask: 5}
output: out/field                   # or {prefix: out/field, png: false}
```

| section | stage | id in the long form |
|---|---|---|
| `inputs` | `read` | `vis` |
| `image` | `image` | `dirty` |
| `clean` (optional) | `deconvolve` | `clean` |
| `selfcal` (optional) | `selfcal` | `selfcal` |
| `output` | `write` | `out` |

`name` (default: the last part of the prefix) and `runtime` may be added. The options of a section are those of its stage below.
On the command line the same words are flags: `uv_range` is `--uv-range`; `fringeflow image obs.ms --size 4096 --cell 1.5asec -o out/field`
makes the short form and runs it.

## The long form

```yaml
version: 1
name: field
inputs: {ms: [obs.ms]}
stages:
  - {id: vis, stage: read, in: {ms: $inputs.ms}}
  - {id: dirty, stage: image, in: {vis: vis}, size: 4096, cell: 1.5asec}
  - {id: clean, stage: deconvolve, in: {image: dirty}, threshold: 3sigma}
  - {id: out, stage: write, in: {image: clean}, prefix: out/field}
runtime: {memory: 2GiB}
```

A stage has an `id`, a kind (`stage`), input ports (`in`) and options. A port takes the id of the stage that feeds it (`vis`, or
`vis.vis` to name the output port too); a port of MeasurementSets also takes a path or `$inputs.NAME`. Ports are typed, the order of
stages does not matter, and cycles are refused.

## Values

)";

std::string values_markdown() {
  std::string text;
  const auto units = [&](const char* what, Dimension dimension, const char* example) {
    text += fmt::format("- {}: {}; for example `{}`\n", what, unit_names(dimension), example);
  };
  units("angles", Dimension::angle, "1.5asec");
  units("frequencies", Dimension::frequency, "1.3GHz");
  units("durations", Dimension::duration, "8s");
  units("fluxes", Dimension::flux, "1mJy");
  units("amounts of memory", Dimension::bytes, "600MiB");
  text += R"(- lengths of baselines: m, km, lambda (wavelengths), klambda; for example `100..30000lambda`
- ranges: `a..b` or `a~b`, both ends included, either end open; a unit at the end applies to both ends
- directions: `30deg,-30deg`, `02h03m04.5s,-30d12m11s` or `02:03:04.5,-30:12:11` (hours and degrees), J2000
- times (UTC): `2026-01-01T00:00:00`, or MJD in days (numbers below a million), or MJD in seconds as in a MeasurementSet's TIME

A space between number and unit is allowed. A quantity without its unit is refused.

`--set SECTION.KEY=VALUE` changes any option for one run: `--set runtime.cpus=4`, `--set image.facets=2`, and in the long form
`--set ID.KEY=VALUE`.

)";
  return text;
}

}  // namespace

std::string explain(const StageSchema& stage) {
  std::string text = fmt::format("{}: {}\n", stage.name, stage.doc);
  if (!stage.details.empty()) text += "\n" + stage.details + "\n";
  if (!stage.section.empty()) text += fmt::format("\nIn the short form: the section '{}'.\n", stage.section);
  if (!stage.inputs.empty()) text += "\nInputs\n";
  for (const Port& port : stage.inputs) text += port_text(port);
  if (!stage.outputs.empty()) text += "\nOutputs\n";
  for (const Port& port : stage.outputs) text += port_text(port);
  return text + "\nOptions [default]\n" + explain_options(stage.options);
}

std::string explain(const SectionSchema& section) {
  return fmt::format("{}: {}\n\nOptions [default]\n", section.name, section.doc) +
         explain_options(section.options);
}

std::string reference_markdown() {
  std::string text = kIntroduction + values_markdown() + "## Stages\n\n";
  for (const StageSchema& stage : stages()) text += stage_markdown(stage);
  const SectionSchema& runtime = runtime_section();
  text += fmt::format("## The section `{}`\n\n{}{}.\n\n", runtime.name,
                      static_cast<char>(std::toupper(runtime.doc[0])), runtime.doc.substr(1));
  return text + options_table(runtime.options);
}

}  // namespace fringeflow::graphs
