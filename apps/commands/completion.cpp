// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include "apps/commands.hpp"
#include "graphs/schema/suggest.hpp"

namespace fringeflow::apps {
namespace {

/// A sub-command as a shell needs it.
struct Completed {
  std::string name, doc;
  std::vector<std::pair<std::string, std::string>> flags;  ///< "--cell" and its doc
  std::vector<std::string> words;                          ///< instead of files
};

/// Single quotes and brackets would end or confuse the quoting of the shells.
std::string harmless(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'' || c == '"' || c == '\\' || c == '`' || c == '$') continue;
    result += c == '[' ? '(' : c == ']' ? ')' : c == ':' ? ',' : c;
  }
  return result;
}

std::vector<Completed> commands(const CLI::App& app) {
  std::vector<Completed> result;
  for (const CLI::App* command : app.get_subcommands({})) {
    Completed one{command->get_name(), harmless(command->get_description()), {}, {}};
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_group().empty()) continue;  // aliases
      for (const std::string& name : option->get_lnames())
        one.flags.emplace_back("--" + name, harmless(option->get_description()));
    }
    if (one.name == "list") one.words = {"stages", "codelets", "schedulers", "workers"};
    if (one.name == "explain") {
      one.words = graphs::stage_names();
      one.words.push_back("runtime");
    }
    if (one.name == "completion") one.words = {"bash", "zsh", "fish"};
    result.push_back(std::move(one));
  }
  return result;
}

std::string flags_of(const Completed& command) {
  std::string text;
  for (const auto& [flag, doc] : command.flags) text += (text.empty() ? "" : " ") + flag;
  return text;
}

std::string bash(const std::vector<Completed>& all) {
  std::string names, cases;
  for (const Completed& command : all) {
    names += (names.empty() ? "" : " ") + command.name;
    cases += fmt::format("    {}) flags='{}' words='{}' ;;\n", command.name, flags_of(command),
                         graphs::join(command.words, " "));
  }
  return fmt::format(R"(# bash completion of fringeflow: source <(fringeflow completion bash)
_fringeflow() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} flags= words=
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W '{}' -- "$cur"))
    return
  fi
  case ${{COMP_WORDS[1]}} in
{}  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
    *) if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); else COMPREPLY=($(compgen -f -- "$cur")); fi ;;
  esac
}}
complete -o filenames -F _fringeflow fringeflow
)",
                     names, cases);
}

std::string zsh(const std::vector<Completed>& all) {
  std::string names, cases;
  for (const Completed& command : all) {
    names += fmt::format("    '{}:{}'\n", command.name, command.doc);
    cases += fmt::format("    {})\n      _arguments -S", command.name);
    for (const auto& [flag, doc] : command.flags) cases += fmt::format(" \\\n        '{}[{}]'", flag, doc);
    cases += command.words.empty()
                 ? std::string(" \\\n        '*:file:_files' ;;\n")
                 : fmt::format(" \\\n        '*:word:({})' ;;\n", graphs::join(command.words, " "));
  }
  return fmt::format(R"(#compdef fringeflow
# zsh completion of fringeflow: fringeflow completion zsh > "${{fpath[1]}}/_fringeflow"
_fringeflow() {{
  local -a commands=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
{}  esac
}}
if [ "$funcstack[1]" = _fringeflow ]; then _fringeflow "$@"; else compdef _fringeflow fringeflow; fi
)",
                     names, cases);
}

std::string fish(const std::vector<Completed>& all) {
  std::string text = "# fish completion of fringeflow: fringeflow completion fish | source\n";
  for (const Completed& command : all) {
    text += fmt::format("complete -c fringeflow -n __fish_use_subcommand -f -a {} -d '{}'\n", command.name,
                        command.doc);
    const std::string here =
        fmt::format("complete -c fringeflow -n '__fish_seen_subcommand_from {}'", command.name);
    for (const auto& [flag, doc] : command.flags)
      text += fmt::format("{} -l {} -d '{}'\n", here, flag.substr(2), doc);
    if (!command.words.empty())
      text += fmt::format("{} -f -a '{}'\n", here, graphs::join(command.words, " "));
  }
  return text;
}

}  // namespace

void add_completion(CLI::App& app, Context& context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      add_command(app, context, "completion", "completion script for bash, zsh or fish", [&context, shell] {
        const std::vector<Completed> all = commands(*context.app);
        if (*shell == "bash")
          print(bash(all));
        else if (*shell == "zsh")
          print(zsh(all));
        else if (*shell == "fish")
          print(fish(all));
        else
          throw UserError(
              fmt::format("completion: '{}' is no known shell; accepted: bash, zsh, fish", *shell));
        return 0;
      });
  command->add_option("SHELL", *shell, "bash, zsh or fish")->type_name("");
}

}  // namespace fringeflow::apps
