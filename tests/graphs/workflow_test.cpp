// SPDX-License-Identifier: GPL-3.0-or-later
#include <fmt/format.h>

#include <chrono>

#include "tests/graphs/workflow_fixture.hpp"
#include "tests/io/temporary_folder.hpp"

namespace fringeflow::graphs {
namespace {

using test::build_text;
using test::kShort;
using test::mistakes;
using test::with_stages;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kImage = "  - {id: dirty, stage: image, in: {vis: vis}, size: 512, cell: 1asec}\n";
const std::string kWrite = "  - {id: out, stage: write, in: {image: dirty}, prefix: b}\n";

TEST(Workflow, ShortFormStandsForTheLongForm) {
  EXPECT_EQ(to_yaml(build_text(kShort), false), R"(version: 1
name: meerkat-field
inputs: {ms: [obs.ms]}
stages:
  - {id: vis, stage: read, in: {ms: $inputs.ms}}
  - {id: dirty, stage: image, in: {vis: vis}, size: [4096, 4096], cell: 1.5asec, weighting: briggs:0, accuracy: 1e-4}
  - id: clean
    stage: deconvolve
    in: {image: dirty}
    algorithm: multiscale
    iterations: 20000
    threshold: 3sigma
    auto_mask: 5
  - {id: out, stage: write, in: {image: clean}, prefix: out/meerkat-field}
)");
}

TEST(Workflow, TheLongFormStandsForItself) {
  for (const bool defaults : {false, true}) {
    const std::string text = to_yaml(build_text(kShort), defaults);
    EXPECT_EQ(to_yaml(build_text(text), defaults), text);
  }
}

TEST(Workflow, OddPathsSurviveTheLongForm) {
  for (const std::string path :
       {"a b.ms", "a, b.ms", "it's.ms", "x: y.ms", "{z}.ms", "#1.ms", "- .ms", "ü.ms", "a\\\"b.ms",
        "~",      "[",       "a#b",     "a #b",    "null",   "1e5",   "*x",    "&y",   "%z",
        "a:",     ":a",      "?",       "? a",     "!t",     "|",     ">"}) {
    Node document = parse_yaml(kShort, "w.yaml");
    document.find("inputs")->value = Node::scalar(path, {});
    const Workflow workflow = build(document, "w.yaml", {false});
    const std::string text = to_yaml(workflow, true);
    EXPECT_EQ(std::get<ImagingJob>(lower(build_text(text), "").at(0)).ms, std::vector<std::string>{path})
        << text;
  }
}

TEST(Workflow, WithoutCleanTheDirtyImageIsWritten) {
  const Workflow workflow =
      build_text("inputs: [a.ms, b.ms]\nimage: {size: 64, cell: 1asec}\noutput: {prefix: p, png: no}\n");
  ASSERT_EQ(workflow.stages.size(), 3u);
  EXPECT_EQ(workflow.stages[2].in[0].sources[0].text, "dirty");
  EXPECT_EQ(workflow.inputs[0].second.size(), 2u);
}

// ---- mistakes, each with its place
// -------------------------------------------------------------------------

struct Mistake {
  std::string text, place, word;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.place << mistake.word; }

class Mistakes : public ::testing::TestWithParam<Mistake> {};

TEST_P(Mistakes, ArePlacedAndNamed) {
  const std::string message = mistakes(GetParam().text);
  EXPECT_THAT(message, AllOf(HasSubstr(GetParam().place), HasSubstr(GetParam().word))) << GetParam().text;
}

const std::string kHead = "version: 1\nstages:\n";

INSTANTIATE_TEST_SUITE_P(
    Workflow, Mistakes,
    ::testing::Values(
        Mistake{kHead + "  - {id: a, stage: raed, in: {ms: x.ms}}\n",
                "w.yaml:3:20: ", "'raed'; did you mean 'read'"},
        Mistake{kHead + "  - {id: a, stage: read, in: {ms: x.ms}\n", "w.yaml:4:1: ", "YAML syntax"},
        Mistake{kHead + "  - id: a\n    stage: read\n    stage: read\n    in: {ms: x.ms}\n",
                "w.yaml:5:5: ", "duplicate key 'stage'"},
        Mistake{with_stages("  - {id: out, stage: write, in: {image: vis}, prefix: b}\n"),
                "w.yaml:4:41: ", "gives visibilities"},
        Mistake{with_stages("  - {id: a, stage: deconvolve, in: {image: b}}\n  - {id: b, stage: deconvolve, "
                            "in: {image: a}}\n"),
                "w.yaml:4:5: ", "cycle: a -> b -> a"},
        Mistake{with_stages("  - {id: vis, stage: image, in: {vis: vis}, size: 64, cell: 1asec}\n"),
                "w.yaml:4:10: ", "duplicate id 'vis', first used at w.yaml:3:5"},
        Mistake{with_stages("  - {id: d, stage: image, in: {vsi: vis}, size: 64, cell: 1asec}\n"),
                "w.yaml:4:32: ", "no input port 'vsi'; did you mean 'vis'"},
        Mistake{with_stages("  - {id: d, stage: image, in: {vis: vsi}, size: 64, cell: 1asec}\n"),
                "w.yaml:4:37: ", "no stage 'vsi'; did you mean 'vis'"},
        Mistake{with_stages("  - {id: d, stage: image, in: {vis: vis.viz}, size: 64, cell: 1asec}\n"),
                "w.yaml:4:37: ", "no output port 'viz'; did you mean 'vis'"},
        Mistake{with_stages("  - {id: d, stage: image, size: 64, cell: 1asec}\n"),
                "w.yaml:4:5: ", "needs input port 'vis'"},
        Mistake{with_stages("  - {id: d, stage: image, in: vis, size: 64, cell: 1asec}\n"),
                "w.yaml:4:31: ", "map of ports"},
        Mistake{with_stages("  - {id: d, stage: image, in: {vis: []}, size: 64, cell: 1asec}\n"),
                "w.yaml:4:5: ", "needs input port 'vis'"},
        Mistake{with_stages("  - {id: d, stage: image, in: {vis: vis}, cell: 1asec}\n"),
                "w.yaml:4:5: ", "needs 'size'"},
        Mistake{with_stages("  - {id: d, stage: image, in: {vis: vis}, size: 64, cell: 1asec, sise: 3}\n"),
                "w.yaml:4:66: ", "unknown option 'sise' of stage 'd' (image); did you mean 'size'"},
        Mistake{with_stages(kImage + "  - {id: o, stage: write, in: {image: [dirty, dirty]}, prefix: b}\n"),
                "w.yaml:5:39: ", "not a list"},
        Mistake{with_stages(kImage + "  - {id: c, stage: deconvolve, in: {image: dirty}}\n"),
                "w.yaml:5:5: ", "'iterations' or 'threshold'"},
        Mistake{with_stages("  - [a]\n"), "w.yaml:4:5: ", "a stage is a map"},
        Mistake{with_stages("  - {stage: image, in: {vis: vis}, size: 64, cell: 1asec}\n"),
                "w.yaml:4:5: ", "needs 'id'"},
        Mistake{with_stages("  - {id: 'a b', stage: image, in: {vis: vis}, size: 64, cell: 1asec}\n"),
                "w.yaml:4:10: ", "needs 'id'"},
        Mistake{with_stages("  - {id: a, in: {vis: vis}}\n"), "w.yaml:4:5: ", "needs 'stage'"},
        Mistake{with_stages(kImage), "w.yaml:4:5: ", "nothing uses stage 'dirty'"},
        Mistake{with_stages(kImage + kWrite) + "runtime: {schedular: lws}\n",
                "w.yaml:6:11: ", "did you mean 'scheduler'"},
        Mistake{with_stages(kImage + kWrite) + "runtime: {scheduler: peager}\n", "w.yaml:6:22: ", "contexts"},
        Mistake{with_stages(kImage + kWrite) + "runtime: {memory: 2 sacks}\n",
                "w.yaml:6:19: ", "unknown unit 'sacks'"},
        Mistake{with_stages(kImage + kWrite) + "image: {size: 3}\n",
                "w.yaml:6:1: ", "belongs to the short form"},
        Mistake{with_stages(kImage + kWrite) + "extra: 1\n", "w.yaml:6:1: ", "unknown key 'extra'"},
        Mistake{"version: 2\nstages: []\n", "w.yaml:1:10: ", "version '2'"},
        Mistake{"stages: 3\n", "w.yaml:1:9: ", "must be a list"},
        Mistake{"stages: []\n", "w.yaml:1:1: ", "no stages"},
        Mistake{"[a, b]\n", "w.yaml:1:1: ", "a workflow is a map"},
        Mistake{"inputs: {ms: $inputs.ms}\nstages:\n  - {id: vis, stage: read, in: {ms: $inputs.sm}}\n",
                "w.yaml:3:37: ", "did you mean '$inputs.ms'"},
        Mistake{"a: 1\n---\nb: 2\n", "w.yaml:3:1: ", "one YAML document"},
        Mistake{"? [a]\n: b\n", "w.yaml:1:3: ", "a key must be a word"},
        Mistake{"a: [b\n", "w.yaml:", "YAML syntax"}, Mistake{"a:\n\t- b\n", "w.yaml:2:", "YAML syntax"},
        Mistake{with_stages(kImage + kWrite + "  - {id: o, stage: write, in: {image: dirty}, prefix: b}\n"),
                "w.yaml:6:55: ", "already written by stage 'out'"},
        // the short form
        Mistake{"inputs: a.ms\nimage: {size: 64, cell: 1asec}\noutput: out/\n",
                "w.yaml:3:9: ", "a prefix begins"},
        Mistake{"inputs: a.ms\nimgae: {size: 64, cell: 1asec}\noutput: b\n",
                "w.yaml:2:1: ", "did you mean 'image'"},
        Mistake{"inputs: a.ms\noutput: b\n", "w.yaml:1:1: ", "missing 'image'"},
        Mistake{"inputs: {column: DATA}\nimage: {size: 64, cell: 1asec}\noutput: b\n",
                "w.yaml:1:1: ", "'inputs' needs 'ms'"},
        Mistake{"inputs: []\nimage: {size: 64, cell: 1asec}\noutput: b\n", "w.yaml:1:9: ", "empty list"},
        Mistake{"inputs: a.ms\nimage: 64\noutput: b\n", "w.yaml:2:8: ", "must be a map"},
        Mistake{"inputs: a.ms\nimage:\n  size: 63\n  cell: 1asec\noutput: b\n",
                "w.yaml:3:9: ", "size: '63' is odd"},
        Mistake{"inputs: a.ms\nimage:\n  size: 64\n  cell: 1.5parsec\noutput: b\n",
                "w.yaml:4:9: ", "unknown unit 'parsec'"},
        Mistake{"inputs: a.ms\nimage:\n  size: 64\n  cell: 1.5\noutput: b\n", "w.yaml:4:9: ", "no unit"},
        Mistake{"inputs: a.ms\nimage:\n  size: 64\n  cell:\noutput: b\n",
                "w.yaml:4:3: ", "cell: has no value"},
        Mistake{"inputs: a.ms\nimage:\n  size: 64\n  cell: {a: 1}\noutput: b\n",
                "w.yaml:4:9: ", "cannot be a map"},
        Mistake{"inputs: a.ms\nimage:\n  size: 64\n  cell: -1asec\noutput: b\n",
                "w.yaml:4:9: ", "out of range"},
        Mistake{"inputs: a.ms\nimage:\n  size: 65536\n  cell: 2amin\noutput: b\n",
                "w.yaml:3:9: ", "hemisphere"},
        Mistake{"inputs: a.ms\nimage: {size: 64, cell: 1asec, scale: 2asec}\noutput: b\n",
                "w.yaml:2:32: ", "'scale' sets 'cell'"},
        Mistake{"inputs: a.ms\nimage: {size: 64, cell: 1asec, accuracy: 1e-20}\noutput: b\n",
                "w.yaml:2:42: ", "1e-13 .. 0.1"},
        Mistake{"inputs: a.ms\nimage: {size: 64, cell: 1asec, stokes: IX}\noutput: b\n",
                "w.yaml:2:40: ", "Stokes"},
        Mistake{"inputs: a.ms\nimage: {size: 64, cell: 1asec}\nclean: {gain: 0, iterations: 1}\noutput: b\n",
                "w.yaml:3:15: ", "above 0"},
        Mistake{"inputs: a.ms\nimage: {size: 64, cell: 1asec}\nclean: {scales: [0, 4], iterations: "
                "1}\noutput: b\n",
                "w.yaml:3:17: ", "only the algorithm multiscale"},
        Mistake{"inputs: a.ms\nimage: {size: 64, cell: 1asec}\nclean: {algorithm: clrak, iterations: "
                "1}\noutput: b\n",
                "w.yaml:3:20: ", "did you mean 'clark'"}));

TEST(Workflow, AllMistakesAtOnceInOrder) {
  const std::string message = mistakes(
      "inputs: {ms: a.ms, colunm: DATA}\nimage: {size: 63, cell: 1parsec, weighting: brigs:0}\noutput: b\n");
  EXPECT_EQ(std::count(message.begin(), message.end(), '\n'), 3);
  EXPECT_THAT(message, StartsWith("w.yaml:1:20: "));
}

TEST(Workflow, AMissingSectionIsOneMistake) {
  EXPECT_EQ(mistakes("inputs: a.ms\nclean: {iterations: 5}\noutput: b\n"),
            "w.yaml:1:1: missing 'image': " + find_stage("image")->doc);
}

TEST(Workflow, FilesMustExist) {
  const fringeflow::test::TemporaryFolder folder;
  folder.write("file.ms", "");
  std::filesystem::create_directory(folder / "plain.ms");
  const std::string message =
      mistakes("inputs: [" + folder / "none.ms" + ", " + folder / "plain.ms" + ", " + folder / "file.ms" +
                   "]\nimage: {size: 64, cell: 1asec}\nclean: {iterations: 1, mask: none.fits}\noutput: b\n",
               true);
  EXPECT_THAT(message, HasSubstr("no such MeasurementSet: " + folder / "none.ms"));
  EXPECT_THAT(message, HasSubstr(folder / "plain.ms" + " is not a MeasurementSet"));
  EXPECT_THAT(message, HasSubstr(folder / "file.ms" + " is not a MeasurementSet"));
  EXPECT_THAT(message, HasSubstr("w.yaml:3:30: mask: no such file: none.fits"));
}

TEST(Workflow, AnchorsWork) {
  EXPECT_EQ(mistakes("inputs: a.ms\nimage: {size: &n 64, cell: 1asec, channels_out: *n}\noutput: b\n"), "");
}

TEST(Workflow, HostileYamlEndsEarly) {
  // A billion laughs, and nesting without end.
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += fmt::format("a{0}: &a{0} [", i);
    for (int j = 0; j < 10; ++j) bomb += fmt::format("{}*a{}", j > 0 ? ", " : "", i - 1);
    bomb += "]\n";
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(mistakes(bomb), HasSubstr("too large"));
  EXPECT_NE(mistakes(std::string(100000, '[')), "");
  EXPECT_NE(mistakes(std::string(100000, '{')), "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

// ---- --set
// --------------------------------------------------------------------------------------------------

std::string set_and_expand(const std::string& text, const std::vector<std::string>& settings) {
  Node document = parse_yaml(text, "w.yaml");
  for (const std::string& setting : settings) apply_setting(document, setting);
  return to_yaml(build(document, "w.yaml", {false}), false);
}

TEST(Setting, ChangesBothForms) {
  const std::vector<std::string> settings{"image.cell=2asec", "clean.niter=7",   "runtime.cpus=3",
                                          "out.png=no",       "vis.column=DATA", "image.size=[64, 32]"};
  const std::string from_short = set_and_expand(kShort, settings);
  EXPECT_THAT(from_short, AllOf(HasSubstr("cell: 2asec"), HasSubstr("iterations: 7"), Not(HasSubstr("20000")),
                                HasSubstr("cpus: 3"), HasSubstr("png: no"), HasSubstr("column: DATA"),
                                HasSubstr("size: [64, 32]")));
  EXPECT_EQ(set_and_expand(to_yaml(build_text(kShort), false), settings), from_short);
}

TEST(Setting, ReplacesShortInputsAndOutput) {
  EXPECT_THAT(set_and_expand(kShort, {"output=elsewhere/x", "inputs=b.ms"}),
              AllOf(HasSubstr("prefix: elsewhere/x"), HasSubstr("ms: [b.ms]"), HasSubstr("name: x")));
  EXPECT_THAT(set_and_expand(kShort, {"output.prefix=y", "inputs.ms=c.ms"}),
              AllOf(HasSubstr("prefix: y"), HasSubstr("ms: [c.ms]")));
}

TEST(Setting, MistakesAreNamed) {
  const auto message = [](const std::string& setting) {
    return fringeflow::test::message_of<UserError>([&] { set_and_expand(kShort, {setting}); });
  };
  EXPECT_THAT(message("runtime.schedular=lws"),
              AllOf(HasSubstr("--set runtime.schedular=lws"), HasSubstr("did you mean 'scheduler'")));
  EXPECT_THAT(message("imgae.size=3"), HasSubstr("did you mean 'image'"));
  EXPECT_THAT(message("runtime.scheduler=nonesuch"),
              AllOf(HasSubstr("--set runtime.scheduler=nonesuch"), HasSubstr("no scheduler")));
  for (const char* setting : {"", "=", "a", "a=b", ".=", "a.=", "image.=3", "image.size"}) {
    EXPECT_NE(message(setting), "") << setting;
  }
}

}  // namespace
}  // namespace fringeflow::graphs
