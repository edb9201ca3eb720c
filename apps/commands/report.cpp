// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/report.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>

#include "apps/commands.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "traces/export.hpp"
#include "traces/quality.hpp"

namespace fringeflow::apps {
namespace {

void export_to(const traces::StoredRun& run, const std::string& folder) {
  const auto& timeline = run.timeline().timeline();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  io::write_file(folder + "/paje.trace", traces::paje(timeline));
  io::write_file(folder + "/tasks.rec", traces::tasks_rec(timeline));
  io::write_file(folder + "/dag.dot", traces::dag_dot(timeline));
  if (run.timeline().left_out() > 0)
    spdlog::warn("{}: {} short tasks are missing: the run's own timeline leaves them out", folder,
                 run.timeline().left_out());
  spdlog::info("{}/paje.trace, tasks.rec, dag.dot", folder);
}

/// Results of `experiment`, as it has written them.
void report_experiment(const std::string& folder, const std::string& html, bool json) {
  const auto part = [&](const char* name) {
    if (!std::filesystem::exists(folder + name))
      throw UserError(fmt::format("{}{}: missing: this experiment has not ended yet", folder, name));
    return io::read_file(folder + name);
  };
  if (!html.empty())
    io::write_file(html, part("/report.html"));
  else
    print(part(json ? "/summary.json" : "/report.txt"));
}

}  // namespace

void add_report(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>(), html = std::make_shared<std::string>(),
       exports = std::make_shared<std::string>(), reference = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      add_command(app, context, "report", "what a run says of itself: bounds, workers, codelets, energy",
                  [name, html, exports, reference, json] {
                    if (name->empty()) throw UserError("report: name a run directory (PREFIX-run)");
                    if (std::filesystem::exists(*name + "/experiment.yaml")) {
                      report_experiment(*name, *html, *json);
                      return 0;
                    }
                    traces::StoredRun run(*name);
                    run.add_metrics(traces::image_quality(run.prefix(), *reference));
                    if (!html->empty()) {
                      io::write_file(*html, traces::report_html(run));
                      spdlog::info("{}", *html);
                    }
                    if (!exports->empty()) export_to(run, *exports);
                    if (*json)
                      print(run.metrics().dump(2) + "\n");
                    else if (html->empty() && exports->empty())
                      print(traces::report_text(run));
                    return 0;
                  });
  command
      ->add_option("RUN", *name,
                   "a run directory, the prefix of its products, or the folder of an experiment")
      ->type_name("");
  command->add_option("--html", *html, "write one page that stands alone")->type_name("FILE");
  command->add_option("--export", *exports, "write paje.trace (ViTE), tasks.rec and dag.dot (StarVZ)")
      ->type_name("FOLDER");
  command
      ->add_option("--reference", *reference,
                   "how far the image is from this one: PSNR, SSIM, positions, fluxes")
      ->type_name("FITS");
  command->add_flag("--json", *json, "the metrics as JSON");
}

void add_compare(CLI::App& app, Context& context) {
  auto names = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  CLI::App* command =
      add_command(app, context, "compare", "two runs: what changed, and in which codelet", [names, json] {
        if (names->size() != 2) throw UserError("compare: name two run directories");
        const traces::StoredRun a((*names)[0]), b((*names)[1]);
        print(*json ? traces::compare(a, b).dump(2) + "\n" : traces::compare_text(a, b));
        return 0;
      });
  command->add_option("RUN", *names, "two run directories")->type_name("");
  command->add_flag("--json", *json, "the comparison as JSON");
}

}  // namespace fringeflow::apps
