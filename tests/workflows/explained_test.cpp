// SPDX-License-Identifier: GPL-3.0-or-later
// What the program says of its own runs: metrics that add up, reports, comparisons, forecasts, experiments.
#include "io/atomic_file.hpp"
#include "runtime/io_trace.hpp"
#include "tests/traces/chrome_trace_rules.hpp"
#include "tests/traces/tools.hpp"
#include "tests/workflows/program.hpp"

namespace fringeflow {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class Explained : public test::Program {
 protected:
  void SetUp() override {
    simulate("s.ms", catalogue("s.csv", {{.x = 128.3, .y = 120.7}, {.x = 60, .y = 190, .flux_jy = 0.4}}, 256),
             60, 8);
  }
  const std::string image_ =
      "image s.ms --size 256 --cell 5asec --iterations 400 --gain 0.2 --set runtime.cpus=2 ";
};

TEST_F(Explained, MetricsAddUp) {
  expect_ok(image_ + "-o b");
  const auto m = metrics("b");
  const double time = m["time_s"], makespan = m["makespan_s"];
  for (const char* key :
       {"time_s", "energy_j", "throughput_vis_s", "utilisation", "peak_memory_bytes", "critical_path_s",
        "area_bound_s", "energy_efficiency_vis_j", "power_w", "memory_bandwidth_gb_s",
        "memory_efficiency_gb_j", "dynamic_range", "noise_jy_beam", "tasks", "flops"})
    EXPECT_GT(m[key].get<double>(), 0) << key;
  for (const char* key : {"utilisation", "serial_share", "hidden_io", "efficiency", "overhead_share"}) {
    EXPECT_GE(m[key].get<double>(), 0) << key;
    EXPECT_LE(m[key].get<double>(), 1) << key;
  }
  EXPECT_LE(makespan, time);
  EXPECT_LE(m["critical_path_s"].get<double>(), makespan);
  EXPECT_LE(m["area_bound_s"].get<double>(), makespan);
  EXPECT_NEAR(m["throughput_vis_s"].get<double>() * time, 276 * 60 * 8, 1e-3);
  EXPECT_TRUE(m["energy_source"] == "measured" || m["energy_source"] == "modelled");
  double workers = 0;
  for (const auto& worker : m["workers"])
    for (const char* key : {"busy_s", "fetching_s", "overhead_s", "idle_s"})
      workers += worker[key].get<double>();
  EXPECT_NEAR(workers / (makespan * static_cast<double>(m["workers"].size())), 1, 1e-9);
  double phases = 0;
  for (const auto& [name, seconds] : m["phases"].items()) phases += seconds.get<double>();
  EXPECT_NEAR(phases, time, 0.01 + 0.01 * time);
  // The visibilities are read from the file, the images written to files: the kernel has seen no less.
  EXPECT_GE(m["io"]["read_bytes"].get<double>(), m["bytes_read"].get<double>());
  double written = 0;
  for (const auto& name : products("b"))
    written += static_cast<double>(std::filesystem::file_size(folder_ / ("b-" + name)));
  EXPECT_GE(m["io"]["written_bytes"].get<double>(), written);
  for (const auto& [site, one] : m["sites"].items()) {
    EXPECT_GT(one["carbon_g"].get<double>(), 0) << site;
    EXPECT_GT(one["cost_per_job_usd"].get<double>(), 0) << site;
  }
}

/// What must hold of any run's metrics.
void expect_identities(const nlohmann::json& m, const std::string& what, bool ran = true) {
  SCOPED_TRACE(what);
  const double makespan = m["makespan_s"];
  EXPECT_GT(makespan, 0);
  EXPECT_LE(m["critical_path_s"].get<double>(), makespan * (1 + 1e-9));
  EXPECT_LE(m["area_bound_s"].get<double>(), makespan * (1 + 1e-9));
  double workers = 0;
  for (const auto& worker : m["workers"])
    for (const char* key : {"busy_s", "fetching_s", "overhead_s", "idle_s"})
      workers += worker[key].get<double>();
  EXPECT_NEAR(workers / (makespan * static_cast<double>(m["workers"].size())), 1, 0.01);
  if (!ran || !runtime::io_trace_available()) return;
  const auto& io = m["io"];
  EXPECT_GT(io["reads"]["calls"].get<int64_t>() + io["writes"]["calls"].get<int64_t>(), 0);
  if (!io.contains("gap")) {
    EXPECT_NEAR(io["counted_read_share"].get<double>(), 1, 0.02);
  }
  EXPECT_NEAR(io["counted_written_share"].get<double>(), 1, 0.02) << "nothing else writes";
  int64_t sizes = 0;
  for (const auto& [bin, count] : io["reads"]["sizes"].items()) sizes += count.get<int64_t>();
  EXPECT_EQ(sizes, io["reads"]["calls"]);
}

TEST_F(Explained, EveryStageLeavesARun) {
  expect_ok(image_ + "-o b");
  expect_ok("predict s.ms --model s.csv --column MODEL_DATA");
  expect_ok("calibrate s.ms --model s.csv --interval 1h -o gains.h5");
  for (const std::string run : {"s", "b", "s-predict", "gains"}) {
    const auto m = metrics(run);
    expect_identities(m, run);
    EXPECT_NEAR(m["throughput_vis_s"].get<double>() * m["time_s"].get<double>(), 276 * 60 * 8, 1) << run;
    EXPECT_THAT(expect_ok("report " + run + "-run"), HasSubstr("makespan"));
    expect_ok("report " + run + "-run --html page.html --export exports");
    // The tools that the exports are for, where they are installed: they must take whole runs without a word.
    const auto states = test::output_of_tool("pj_dump", folder_ / "exports/paje.trace");
    if (states) {
      size_t ran = 0;
      for (size_t at = 0; (at = states->find("\nState, ", at)) != std::string::npos; ++at)
        ran += states->compare(states->find('\n', at + 1) - 6, 6, ", idle") != 0 ? 1 : 0;
      EXPECT_EQ(ran, m["tasks"].get<size_t>()) << run;
    }
    const auto complaints = test::output_of_tool("recfix", "--check " + (folder_ / "exports/tasks.rec"));
    if (complaints) {
      EXPECT_EQ(*complaints, "") << run;
    }
    ASSERT_GE(m["memory_over_time"].size(), 2u);
    EXPECT_EQ(m["memory_over_time"][0]["name"], "process");
    EXPECT_EQ(m["memory_over_time"][1]["name"], "data in main memory");
    EXPECT_GT(m["memory_over_time"][1]["peak_bytes"].get<int64_t>(), 0) << run;
    EXPECT_LE(m["memory_over_time"][1]["peak_bytes"].get<int64_t>(), m["peak_memory_bytes"].get<int64_t>())
        << run;
    for (const std::string file : {"timeline.json", "io.pfw"})
      if (std::filesystem::exists(folder_ / (run + "-run/" + file))) {
        EXPECT_THAT(test::ChromeTraceRules::breaches(io::read_file(folder_ / (run + "-run/" + file))),
                    ::testing::IsEmpty())
            << run << ' ' << file;
      }
    const auto events = std::filesystem::exists(folder_ / (run + "-run/io.pfw"));
    EXPECT_EQ(events, runtime::io_trace_available()) << run;
  }
  const auto simulated = metrics("s");
  EXPECT_TRUE(simulated["codelets"].contains("simulate"));
  if (runtime::io_trace_available()) {
    EXPECT_GT(simulated["io"]["by_codelet"]["write_rows"]["writes"]["bytes"].get<int64_t>(),
              276 * 60 * 8 * 2 * 8)
        << "the visibilities, by the tasks that write them";
    EXPECT_GE(metrics("b")["io"]["by_codelet"]["read"]["reads"]["bytes"].get<int64_t>(),
              276 * 60 * 8 * 2 * 8);
  }
  // Records of stages other than imaging count too.
  EXPECT_THAT(expect_ok("models calibrate s-run gains-run"), ContainsRegex("simulate_v[0-9]+_cpu"));
}

TEST_F(Explained, ForecastsOfSetsThatAreNotThereYet) {
  const std::string data = FRINGEFLOW_SOURCE_DIR "/apps/workflows/data/demo";
  folder_.write("ahead.yaml", fmt::format(R"(version: 1
stages:
  - {{id: obs, stage: simulate, layout: {0}.layout.txt, position: {0}.position.txt, sources: s.csv, centre: "60deg,-45deg",
     start: 2025-06-01T07:56:00, times: 60, interval: 4min, channels: 8, frequency: 1.3GHz, channel_width: 4MHz, output: later.ms}}
  - {{id: vis, stage: read, in: {{ms: obs}}}}
  - {{id: dirty, stage: image, in: {{vis: vis}}, size: 256, cell: 5asec}}
  - {{id: out, stage: write, in: {{image: dirty}}, prefix: later}}
)",
                                          data));
  const auto ahead = nlohmann::json::parse(expect_ok("forecast ahead.yaml --only image --json"));
  // The same set, there: the same graph but for where its tiles end.
  const auto there = nlohmann::json::parse(expect_ok("forecast s.ms --size 256 --cell 5asec -o x --json"));
  EXPECT_EQ(ahead["visibilities"], there["visibilities"]);
  EXPECT_EQ(ahead["tasks"], there["tasks"]);
  EXPECT_EQ(ahead["peak_memory_bytes"], there["peak_memory_bytes"]);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "later.ms"));
  folder_.write(
      "sweep.yaml",
      "workflow: ahead.yaml\nmode: forecast\naxes:\n  dirty.size & dirty.cell: [[256, 5asec], [128, "
      "10asec]]\n  obs.times: [20, 60]\n  runtime.scheduler: [prio, lws]\nper: [obs.times]\n"
      "pareto: [time_s, energy_j]\n");
  const auto text = expect_ok("experiment sweep.yaml -o sweep");
  EXPECT_THAT(text, ContainsRegex("128 & 10asec +20 +prio +[0-9.]+"));
  folder_.write("bad.yaml", "workflow: ahead.yaml\nmode: forecast\naxes: {dirty.size & dirty.cell: [256]}\n");
  EXPECT_THAT(run("experiment bad.yaml -o bad").text, HasSubstr("must be a list of 2"));
  folder_.write("bad.yaml",
                "workflow: ahead.yaml\nmode: forecast\naxes: {dirty.size: [256]}\nper: [obs.times]\n");
  EXPECT_THAT(run("experiment bad.yaml -o bad").text, HasSubstr("'obs.times' is not one of the axes"));
}

TEST_F(Explained, ForecastsByStarPUItself) {
  expect_ok(image_ + "-o a");
  const auto answer = run("forecast a-run/workflow.yaml --engine simgrid --json --record g");
  if (answer.code == 2) {
    EXPECT_THAT(answer.text, HasSubstr("scripts/setup --simgrid"));
    GTEST_SKIP() << "no StarPU with SimGrid was there to build with";
  }
  ASSERT_EQ(answer.code, 0) << answer.text;
  const auto starpu = nlohmann::json::parse(answer.text);
  const auto own = nlohmann::json::parse(expect_ok("forecast a-run/workflow.yaml --json"));
  EXPECT_EQ(starpu["tasks"], own["tasks"]);
  EXPECT_EQ(starpu["forecast"]["method"], "StarPU in its SimGrid mode, on the job's task graph");
  // The same tasks of the same lengths on as many workers, by two simulators.
  EXPECT_NEAR(starpu["compute_busy_s"].get<double>() / own["compute_busy_s"].get<double>(), 1, 0.02);
  EXPECT_NEAR(starpu["graph_s"].get<double>() / own["graph_s"].get<double>(), 1, 0.25);
  expect_identities(nlohmann::json::parse(expect_ok("report g-run --json")), "SimGrid", false);
  // Readers share the disk, by both simulators: 2 s for all bytes, whoever reads them.
  const auto& read = own["codelets"]["read"];
  folder_.write(
      "slow.yaml",
      fmt::format(
          "doc: slow disk\ncores: 2\nmemory: 8 GiB\ndisk: {{read: {:.0f} kB, write: 1 GB}}\npower: "
          "{{static_w: 100, core_busy_w: 3}}\nprice_usd: 1000\nembodied_kgco2: 100\nlifetime_h: 50000\n",
          read["bytes"].get<double>() / 2e3));
  std::map<std::string, double> slow;
  for (const std::string engine : {"own", "simgrid"})
    slow[engine] = nlohmann::json::parse(
        expect_ok("forecast a-run/workflow.yaml --machine slow.yaml --json --engine " + engine))["graph_s"];
  EXPECT_GT(slow["own"], 1.5);
  EXPECT_NEAR(slow["simgrid"] / slow["own"], 1, 0.1);
  for (const std::string scheduler : {"dmda", "lws", "modular-heft"})
    expect_ok(
        "forecast a-run/workflow.yaml --engine simgrid --machine node4h100 --set runtime.cpus=8 --set "
        "runtime.scheduler=" +
        scheduler);
  const auto gpus = nlohmann::json::parse(expect_ok(
      "forecast a-run/workflow.yaml --engine simgrid --machine node4h100 --set runtime.cpus=8 --json"));
  EXPECT_EQ(gpus["gpus"], 4);
  EXPECT_LT(gpus["data_locality"].get<double>(), 1 + 1e-9);
  EXPECT_EQ(run("forecast a-run/workflow.yaml --engine starpu").code, 2);
}

TEST_F(Explained, TracingIsAChoice) {
  expect_ok(image_ + "--set runtime.trace=off -o off");
  expect_ok(image_ + "-o on");
  expect_identical("off", "on");
  EXPECT_THAT(run("report off").text, HasSubstr("runtime.trace was off"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "off-run/timeline.json"));
  const auto fxt = run(image_ + "--set runtime.trace=fxt -o fxt");
  if (fxt.code == 2) {
    EXPECT_THAT(fxt.text, HasSubstr("built without FxT"));
    return;
  }
  ASSERT_EQ(fxt.code, 0) << fxt.text;
  uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "fxt-run"))
    if (entry.path().filename().string().starts_with("fxt")) bytes = entry.file_size();
  EXPECT_GT(bytes, 10000u);
}

TEST_F(Explained, ReportsAndComparisons) {
  expect_ok(image_ + "-o a");
  expect_ok(image_ + "--facets 2 -o b");
  EXPECT_THAT(expect_ok("report a-run"),
              AllOf(HasSubstr("critical path"), HasSubstr("CPU 0"), HasSubstr("minor")));
  const auto said = nlohmann::json::parse(expect_ok("report a-run --json"));
  const auto kept = metrics("a");
  for (const auto& [key, value] : kept.items()) EXPECT_EQ(said[key], value) << key;
  EXPECT_GT(said["dirty_rms_jy_beam"].get<double>(), 0);
  const auto against = nlohmann::json::parse(expect_ok("report a --json --reference a-image.fits"));
  EXPECT_NEAR(against["ssim"].get<double>(), 1, 1e-9);
  EXPECT_EQ(against["astrometric_error_asec"], 0);
  expect_ok("report a --html a.html --export exports");
  std::ifstream page(folder_ / "a.html");
  const std::string text{std::istreambuf_iterator<char>(page), {}};
  EXPECT_THAT(text,
              AllOf(HasSubstr("<canvas"), HasSubstr("data:image/png;base64,"), HasSubstr("a-image.png")));
  for (const char* name : {"paje.trace", "tasks.rec", "dag.dot"})
    EXPECT_GT(std::filesystem::file_size(folder_ / (std::string("exports/") + name)), 1000u) << name;
  EXPECT_THAT(expect_ok("compare a b"), HasSubstr("the largest change is in"));
  EXPECT_EQ(run("report nowhere").code, 2);
  EXPECT_EQ(run("compare a").code, 2);
  // A failed run has no metrics, and says so.
  std::filesystem::remove(folder_ / "b-run/metrics.json");
  EXPECT_THAT(run("report b").text, HasSubstr("b-run/metrics.json: missing"));
}

TEST_F(Explained, Forecasts) {
  expect_ok(image_ + "-o a");
  const auto m = metrics("a");
  const auto same = nlohmann::json::parse(expect_ok("forecast a-run/workflow.yaml --json --record f"));
  // The graph is the run's own. The time is held to 10 % by an acceptance check on a quiet machine; here others may be at work.
  EXPECT_EQ(same["tasks"], m["tasks"]);
  EXPECT_EQ(same["major_cycles"], m["clean"][0]["major_cycles"]);
  EXPECT_GT(same["makespan_s"].get<double>(), 0.4 * m["time_s"].get<double>());
  EXPECT_LT(same["makespan_s"].get<double>(), 2.2 * m["time_s"].get<double>());
  const double slowdown = same["forecast"]["slowdown_since_run"];
  EXPECT_NEAR(same["area_bound_s"].get<double>() / slowdown, m["area_bound_s"].get<double>(),
              0.01 * m["area_bound_s"].get<double>())
      << "its tasks took as long, in sum";
  EXPECT_TRUE(same["forecast"]["declared_codelets"].empty());
  EXPECT_THAT(expect_ok("report f"), HasSubstr("energy"));
  EXPECT_THAT(expect_ok("compare a f"), HasSubstr("b/a"));
  // A core of half the speed; a disk that gives a quarter of the visibilities' bytes per second.
  const std::string power = "power: {static_w: 10, core_busy_w: 3}\n";
  folder_.write("slow.yaml", "cores: 2\ncore_speed: 0.5\n" + power);
  folder_.write("disk.yaml", fmt::format("cores: 2\ndisk: {{read: {} kB}}\n{}",
                                         m["bytes_read"].get<int64_t>() / 4000, power));
  const auto slow =
      nlohmann::json::parse(expect_ok("forecast a-run/workflow.yaml --machine slow.yaml --json"));
  // This machine's speed since the run, which other tests change, is not what a described machine is about.
  const auto busy = [](const nlohmann::json& forecast) {
    return forecast["compute_busy_s"].get<double>() / forecast["forecast"].value("slowdown_since_run", 1.0);
  };
  EXPECT_NEAR(busy(slow) / busy(same), 2, 0.05);
  const auto disk =
      nlohmann::json::parse(expect_ok("forecast a-run/workflow.yaml --machine disk.yaml --json"));
  EXPECT_GT(disk["graph_s"].get<double>(), same["graph_s"].get<double>() + 1);
  const auto gpus =
      nlohmann::json::parse(expect_ok("forecast a-run/workflow.yaml --machine node4h100 --json"));
  EXPECT_EQ(gpus["gpus"], 4);
  EXPECT_FALSE(gpus["forecast"]["declared_codelets"].empty()) << "never measured on a GPU, and labelled so";
  EXPECT_THAT(run("forecast a-run/workflow.yaml --machine cray").text, HasSubstr("node64"));
  // Without a recorded run: this machine's records.
  EXPECT_THAT(expect_ok("forecast s.ms --size 256 --cell 5asec -o b"), HasSubstr("this machine's records"));
}

TEST_F(Explained, Models) {
  expect_ok(image_ + "-o a");
  EXPECT_THAT(expect_ok("models show"), ContainsRegex("grid_v[0-9]+_cpu"));
  expect_ok("models export records.json");
  EXPECT_THAT(expect_ok("models import records.json"), HasSubstr("codelets"));
  folder_.write("none.json", "{}");
  EXPECT_EQ(run("models import none.json").code, 2);
  EXPECT_EQ(run("models import").code, 2);
  EXPECT_EQ(run("models").code, 2);
}

TEST_F(Explained, ModelsOfRecordedRuns) {
  const std::string empty = "env FRINGEFLOW_CACHE='" + (folder_ / "empty") + "' timeout -s KILL 120";
  expect_ok(image_ + "-o a");
  EXPECT_THAT(run("models show", empty).text, HasSubstr("no records"));
  const auto made = run("models calibrate a-run", empty);
  EXPECT_EQ(made.code, 0) << made.text;
  EXPECT_THAT(made.text, ContainsRegex("grid_v[0-9]+_cpu +[0-9]+ +[0-9]+"));
  EXPECT_THAT(run("models show", empty).text, ContainsRegex("grid_v[0-9]+_cpu"));
  EXPECT_EQ(run("models calibrate", empty).code, 2);
  EXPECT_THAT(run("models calibrate nowhere", empty).text, HasSubstr("no run directory"));
  // Another machine by its own records, and by what its codelets are declared to do.
  run("models export there.json", empty);
  const std::string power = "power: {static_w: 10, core_busy_w: 3}\n";
  folder_.write("there.yaml", "cores: 2\ncore_speed: 7\nmodels: there.json\n" + power);
  const std::string ahead = "forecast s.ms --size 256 --cell 5asec --iterations 200 -o b --machine ";
  EXPECT_THAT(expect_ok(ahead + "there.yaml"), HasSubstr("there.json, then this machine's records"));
  folder_.write("fast.yaml", "cores: 2\nrates: {grid: {cpu: 1}}\n" + power);
  const auto slow = nlohmann::json::parse(expect_ok(ahead + "fast.yaml --json"));
  EXPECT_GT(slow["makespan_s"].get<double>(), 1000) << "one unit of work per second";
  EXPECT_THAT(slow["forecast"]["declared_codelets"].dump(), HasSubstr("\"grid\""));
  folder_.write("bad.yaml", "cores: 2\nrates: {gird: {cpu: 1}}\n" + power);
  EXPECT_THAT(run(ahead + "bad.yaml").text, HasSubstr("no codelet 'gird'"));
  folder_.write("bad.yaml", "cores: 2\nmodels: nothing.json\n" + power);
  EXPECT_THAT(run(ahead + "bad.yaml").text, HasSubstr("bad.yaml:2: models: no such file"));
}

TEST_F(Explained, PoliciesThatPredictAreCalibratedOrRefused) {
  folder_.write("field.yaml",
                "inputs: s.ms\nimage: {size: 128, cell: 10asec}\nclean: {iterations: 50}\noutput: field\n");
  const std::string spec = "workflow: field.yaml\nrepeats: 1\naxes: {runtime.scheduler: [prio, dmda]}\n";
  folder_.write("blind.yaml", spec + "calibrate: false\n");
  const std::string empty = "env FRINGEFLOW_CACHE='" + (folder_ / "empty") + "' timeout -s KILL 120";
  const auto answer = run("experiment blind.yaml -o blind", empty);
  EXPECT_EQ(answer.code, 0) << "the warm-up has left records of the same tasks: " << answer.text;
  folder_.write("sizes.yaml",
                "workflow: field.yaml\nrepeats: 1\ncalibrate: false\naxes: {runtime.scheduler: [prio, dmda], "
                "image.size: [128, 1024]}\n");
  std::filesystem::remove_all(folder_ / "empty");
  const auto refused = run("experiment sizes.yaml -o sizes", empty);
  EXPECT_EQ(refused.code, 2) << refused.text;
  EXPECT_THAT(refused.text, HasSubstr("'dmda' decides by predicted times"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "sizes/runs.csv"));
  folder_.write("sizes.yaml",
                "workflow: field.yaml\nrepeats: 1\naxes: {runtime.scheduler: [prio, dmda], "
                "image.size: [128, 1024]}\n");
  const auto calibrated = run("experiment sizes.yaml -o calibrated", empty);
  EXPECT_EQ(calibrated.code, 0) << calibrated.text;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "calibrated/runs/calibration-3-run/metrics.json"));
  EXPECT_THAT(expect_ok("report calibrated"), HasSubstr("dmda"));
  expect_ok("report calibrated --html page.html");
  EXPECT_GT(std::filesystem::file_size(folder_ / "page.html"), 100000u) << "with D3";
  EXPECT_EQ(nlohmann::json::parse(expect_ok("report calibrated --json"))["points"].size(), 4u);
}

TEST_F(Explained, Experiments) {
  folder_.write("field.yaml",
                "inputs: s.ms\nimage: {size: 128, cell: 10asec}\nclean: {iterations: 50}\noutput: field\n");
  folder_.write("spec.yaml",
                "workflow: field.yaml\nrepeats: 2\naxes:\n  runtime.scheduler: [prio, lws, peager]\n"
                "  image.accuracy: [1e-3, 1e-5]\nconstraints: {peak_memory_bytes: ..1e12}\npareto: [time_s, "
                "energy_j]\n");
  const auto text = expect_ok("experiment spec.yaml -o results");
  EXPECT_THAT(text, ContainsRegex("prio +1e-3 +[0-9.]+ +[0-9.]+%"));
  EXPECT_THAT(text, ContainsRegex("peager +1e-3 +.*cannot run here"));
  EXPECT_THAT(text, HasSubstr("pixels: the same wherever only runtime settings differ"));
  EXPECT_THAT(text, ContainsRegex("\\*\n"));
  const auto runs = [&](const std::string& name) {
    std::ifstream file(folder_ / name);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const auto csv = runs("results/runs.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 6 * 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "results/runs/0-0-image.fits")) << "not asked to keep them";
  // Again: nothing is left to run, so that nothing changes.
  const auto again = expect_ok("experiment spec.yaml -o results");
  EXPECT_EQ(runs("results/runs.csv"), csv);
  folder_.write("other.yaml", "workflow: field.yaml\naxes: {runtime.cpus: [1]}\n");
  EXPECT_THAT(run("experiment other.yaml -o results").text, HasSubstr("holds another experiment"));

  folder_.write("ahead.yaml",
                "workflow: field.yaml\nmode: forecast\naxes:\n  machine: [this, node64, node4h100]\n"
                "  image.size: [128, 256]\npareto: [time_s, /sites/South Africa/cost_per_job_usd]\n");
  EXPECT_THAT(expect_ok("experiment ahead.yaml -o ahead"), ContainsRegex("node4h100 +256 "));
  for (const auto& [spec, message] : std::vector<std::pair<std::string, std::string>>{
           {"axes: {runtime.cpus: [1]}\n", "needs 'workflow'"},
           {"workflow: field.yaml\n", "needs 'axes'"},
           {"workflow: field.yaml\naxes: {runtime.cpsu: [1]}\n", "cpsu"},
           {"workflow: field.yaml\naxes: {runtime.cpus: 1}\n", "bad.yaml:2"},
           {"workflow: field.yaml\naxes: {machine: [node64]}\n", "can only be forecast"},
           {"workflow: field.yaml\nrepeat: 3\naxes: {runtime.cpus: [1]}\n", "did you mean 'repeats'"},
           {"workflow: field.yaml\naxes: {runtime.cpus: [1]}\nconstraints: {time_s: 4}\n",
            "a range is needed"}}) {
    folder_.write("bad.yaml", spec);
    const auto answer = run("experiment bad.yaml -o bad");
    EXPECT_EQ(answer.code, 2) << spec;
    EXPECT_THAT(answer.text, HasSubstr(message)) << spec;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "bad")) << spec;
  }
}

}  // namespace
}  // namespace fringeflow
