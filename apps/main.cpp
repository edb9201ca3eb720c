// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>

#include "apps/commands.hpp"
#include "fringeflow_version.hpp"
#include "graphs/schema/suggest.hpp"
#include "io/error.hpp"

namespace fringeflow::apps {
namespace {

constexpr int kFailure = 1, kUserMistake = 2;

/// Ordinary messages stand bare, the others say what they are.
class LevelPrefix : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    if (message.level == spdlog::level::info) return;
    const auto name = spdlog::level::to_string_view(message.level);
    out.append(name.data(), name.data() + name.size());
    const std::string_view separator = ": ";
    out.append(separator.data(), separator.data() + separator.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelPrefix>(); }
};

/// Logs go to standard error; standard output is for answers.
void set_up_log() {
  auto logger = spdlog::stderr_color_mt("fringeflow");
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelPrefix>('*').set_pattern("%^%*%$%v");
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
}

void report(const std::string& message) {
  spdlog::default_logger()->flush();
  fmt::print(stderr, "fringeflow: error: {}\n", message);
}

std::string typed(int argc, char** argv) {
  std::string text = "fringeflow";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\$&|;<>()*?[]#`!") == std::string::npos;
    std::string quoted = "'";
    for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += " " + (plain ? word : quoted + "'");
  }
  return text;
}

/// A misspelt sub-command, before CLI11 takes it for something else.
void check_command_name(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.starts_with('-')) continue;
    if (std::find(names.begin(), names.end(), word) != names.end()) return;
    throw UserError(fmt::format("unknown sub-command '{}'{}", word, graphs::did_you_mean(word, names)));
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Fringeflow: radio interferometry as task graphs", "fringeflow"};
  app.set_version_flag("--version", "fringeflow " FRINGEFLOW_VERSION " (" FRINGEFLOW_GIT ")");
  app.allow_extras();
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(44);

  Context context;
  context.command_line = typed(argc, argv);
  app.add_flag("-v,--verbose", context.verbose, "say more; twice: much more");
  app.add_flag("-q,--quiet", context.quiet, "say only what is wrong");
  context.app = &app;
  for (auto* add :
       {add_image,      add_run,    add_simulate, add_predict, add_calibrate, add_selfcal, add_init,
        add_check,      add_expand, add_plan,     add_graph,   add_report,    add_compare, add_forecast,
        add_experiment, add_models, add_explain,  add_list,    add_doctor,    add_schema,  add_completion}) {
    add(app, context);
  }
  try {
    check_command_name(app, argc, argv);
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    report(e.what());
    return kUserMistake;
  }
  if (context.verbose > 0)
    spdlog::set_level(context.verbose > 1 ? spdlog::level::trace : spdlog::level::debug);
  if (context.quiet) spdlog::set_level(spdlog::level::warn);
  if (!context.action) {
    refuse_extras(app);
    print(app.help());
    return kUserMistake;
  }
  return context.action();
}

}  // namespace
}  // namespace fringeflow::apps

int main(int argc, char** argv) {
  using namespace fringeflow;
  std::signal(SIGXFSZ, SIG_IGN);  // a file too large is an error of the write like a full disk
  try {
    apps::set_up_log();
    return apps::run(argc, argv);
  } catch (const graphs::WorkflowError& e) {
    for (const graphs::Diagnostic& diagnostic : e.diagnostics()) apps::report(diagnostic.text());
    return apps::kUserMistake;
  } catch (const UserError& e) {
    apps::report(e.what());
    return apps::kUserMistake;
  } catch (const std::exception& e) {  // RunError among them
    apps::report(e.what());
    return apps::kFailure;
  }
}
