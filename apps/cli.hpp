// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The frame of the command line: every sub-command is one file in commands/ with one function, listed in
/// commands.hpp.
#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

#include "graphs/lower.hpp"
#include "graphs/workflow/workflow.hpp"

namespace fringeflow::apps {

/// What the sub-commands share. A command's action runs after the whole command line has been read.
struct Context {
  std::string command_line;  ///< as typed, for provenance
  std::function<int()> action;
  const CLI::App* app = nullptr;  ///< the whole command line, for completion
  int verbose = 0;
  bool quiet = false;
};

/// Makes a sub-command whose unknown flags are reported with a suggestion.
CLI::App* add_command(CLI::App& app, Context& context, const std::string& name, const std::string& doc,
                      std::function<int()> action);

/// Throws UserError for flags that were not understood: "unknown flag '--siez'; did you mean '--size'?".
void refuse_extras(const CLI::App& command);

/// Flags generated from the options of stages: "--uv-range" for uv_range, aliases included.
class StageFlags {
 public:
  /// Adds the flags of these stages; `section` is the map of the short form into which a stage's flags are
  /// collected.
  void add(CLI::App& command, const graphs::StageSchema& stage);
  bool any() const;
  /// Appends what was given to `map` (a section of the short form, or a stage); places name the flags.
  void collect(const graphs::StageSchema& stage, graphs::Node& map) const;
  bool given(const graphs::StageSchema& stage) const;
  /// Throws UserError naming the first required flag of the stage that was not given.
  void require(const graphs::StageSchema& stage, const std::string& command) const;

 private:
  /// "--png" and "--no-png".
  void add_switch(CLI::App& command, const graphs::StageSchema& stage, const graphs::Option& option);

  struct Flag {
    const graphs::StageSchema* stage;
    const graphs::Option* option;
    std::string key;   ///< key or alias
    std::string name;  ///< "--uv-range"
    std::shared_ptr<std::string> text;
    const CLI::Option* cli;
  };
  std::vector<Flag> flags_;
};

/// A workflow named on the command line: a file, or MeasurementSets with the flags of `image`; --set for
/// both.
class WorkflowSource {
 public:
  enum class Accept { file, sets, both };
  /// With `selfcal`, flags of that stage too, which is then in the workflow.
  void add(CLI::App& command, Accept accept, bool selfcal = false);
  /// The tree, settings applied. Throws UserError.
  graphs::Node document() const;
  /// The name for messages: the file, or "command line".
  std::string name() const;
  graphs::Workflow build(bool files = true) const;

 private:
  Accept accept_ = Accept::both;
  bool selfcal_ = false;
  std::string command_;
  std::vector<std::string> inputs_, settings_;
  StageFlags flags_;
  bool from_flags() const;
  graphs::Node document_of_flags() const;
};

/// Writes text to standard output.
void print(const std::string& text);

/// Runs jobs in order.
void run_jobs(const std::vector<graphs::Job>& jobs);
/// Text (or one JSON array) of the plans of jobs.
std::string plan_jobs(const std::vector<graphs::Job>& jobs, bool json);

}  // namespace fringeflow::apps
