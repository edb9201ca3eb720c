// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "apps/commands.hpp"

namespace fringeflow::apps {
namespace {

constexpr const char* kStarter =
    R"(# A Fringeflow workflow. Check it: fringeflow check {0}.yaml; run it: fringeflow run {0}.yaml
# All options with units and defaults: fringeflow explain image (or read, deconvolve, write, runtime).

inputs: {0}.ms            # or several: [a.ms, b.ms]; or {{ms: {0}.ms, column: DATA, channels: 0..63}}

image:
  size: 2048              # pixels, or [NX, NY]
  cell: 1.5asec           # size of a pixel: a third of the beam or less
  weighting: briggs:0     # natural, uniform or briggs:R
  accuracy: 1e-4          # of the gridder, against the direct Fourier sum

clean:                    # leave this section out for the dirty image alone
  algorithm: clark        # hogbom, clark or multiscale
  threshold: 3sigma       # or a flux: 1mJy
  iterations: 20000       # components at most
  auto_mask: 5            # clean below 5 sigma only where something was found above

output: out/{0}           # the products are out/{0}-image.fits and so on

# runtime: {{cpus: 4, memory: 4GiB}}
)";

/// "x" makes the file only when there is none, without a race.
void write_new(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wx");
  if (file == nullptr) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) throw UserError(fmt::format("init: {} exists already", path));
    throw RunError(fmt::format("init: cannot write {}: {}", path, std::strerror(errno)));
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) == 0 && written) return;
  const int error = errno;
  std::remove(path.c_str());
  throw RunError(fmt::format("init: cannot write {}: {}", path, std::strerror(error)));
}

}  // namespace

void add_init(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>("workflow");
  CLI::App* command =
      add_command(app, context, "init", "write a commented starter workflow NAME.yaml", [name] {
        std::string stem = *name;
        for (const std::string_view ending : {".yaml", ".yml", ".ms"}) {
          if (stem.size() > ending.size() && stem.ends_with(ending)) stem.resize(stem.size() - ending.size());
        }
        const bool plain =
            !stem.empty() &&
            stem.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
                std::string::npos &&
            stem[0] != '-';
        if (!plain)
          throw UserError(
              fmt::format("init: '{}' is no name; letters, digits, '-', '_' and '.' make one", *name));
        write_new(stem + ".yaml", fmt::format(fmt::runtime(kStarter), stem));
        print(fmt::format("wrote {}.yaml\n", stem));
        return 0;
      });
  command->add_option("NAME", *name, "name of the workflow [workflow]")->type_name("");
}

}  // namespace fringeflow::apps
