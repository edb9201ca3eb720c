// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Products: names are WSClean's, headers as its images have them.
#include <fmt/format.h>

#include "codelets/image/image.hpp"
#include "codelets/restore/restore_tasks.hpp"
#include "codelets/write/write.hpp"
#include "fringeflow_version.hpp"
#include "graphs/imaging/imaging_graph.hpp"

namespace fringeflow::graphs {
namespace {

std::string weighting_name(const ImageOptions& image) {
  switch (image.weighting) {
    case WeightingScheme::natural:
      return "natural";
    case WeightingScheme::uniform:
      return "uniform";
    default:
      return fmt::format("briggs({:g})", image.robust);
  }
}

}  // namespace

DataId ImagingGraph::combined(const std::vector<DataId>& images, int64_t stokes, const std::string& name) {
  const auto id = create(name, plan_.geometry.nx * plan_.geometry.ny * int64_t{sizeof(float)});
  image::CombineArgs args{plan_.geometry.nx, plan_.geometry.ny, {}};
  std::vector<std::pair<DataId, Access>> data{{id, Access::write}, {sums_, Access::read}};
  for (size_t c = 0; c < images.size(); ++c) {
    if (plan_.channels[c].empty()) continue;
    args.sum_index.push_back(plan_.sum_index(c, stokes));
    data.emplace_back(images[c], Access::read);
  }
  submit(runtime::make_task(image::combine_codelet(), std::move(args), std::move(data), tag(), 9));
  return id;
}

/// @param channel -1: the combined image; `kind` as in WSClean's names.
void ImagingGraph::write_image(const std::shared_ptr<io::Products>& products, const std::string& kind,
                               int channel, int64_t stokes, DataId image, DataId beam) {
  const auto& job = plan_.job;
  const auto& info = plan_.sets.front()->info();
  const bool several = plan_.channels.size() > 1;
  WriteArgs args;
  args.products = products;
  args.path = job.write.prefix;
  if (several) args.path += channel < 0 ? "-MFS" : fmt::format("-{:04}", channel);
  if (plan_.stokes() > 1 && kind != "psf")
    args.path += fmt::format("-{}", job.image.stokes[static_cast<size_t>(stokes)]);
  args.path += "-" + kind;
  if (job.write.png && channel == (several ? -1 : 0) &&
      (kind == "image" || (kind == "dirty" && !plan_.cleans())))
    submit(runtime::make_task(preview_codelet(),
                              PreviewArgs{args.path + ".png", plan_.geometry.nx, plan_.geometry.ny, products},
                              {{image, Access::read}}, tag(channel), 6));
  args.path += ".fits";

  auto& header = args.header;
  header.grid = io::ImageGrid(plan_.centre, plan_.geometry.cell_rad, plan_.geometry.nx, plan_.geometry.ny);
  if (channel >= 0 && several) {
    header.frequency_hz = plan_.channels[static_cast<size_t>(channel)].centre_hz;
    header.bandwidth_hz = plan_.channels[static_cast<size_t>(channel)].width_hz;
  } else {
    const double begin = plan_.channels.front().centre_hz - plan_.channels.front().width_hz / 2;
    const double end = plan_.channels.back().centre_hz + plan_.channels.back().width_hz / 2;
    header.frequency_hz = (begin + end) / 2;
    header.bandwidth_hz = end - begin;
  }
  header.stokes = kind == "psf" ? 'I' : job.image.stokes[static_cast<size_t>(stokes)];
  header.unit = kind == "model" ? "JY/PIXEL" : "JY/BEAM";
  header.telescope = info.telescope;
  header.object = info.field_name;
  header.observer = info.observer;
  header.date_obs = io::format_utc(info.time_begin_s);
  header.origin = std::string("Fringeflow ") + FRINGEFLOW_VERSION;
  header.cards = {{"WSCWEIGH", weighting_name(job.image), "weighting"},
                  {"WSCNVIS", plan_.visibilities, "rows x channels selected"},
                  {"WSCNITER", job.deconvolve.iterations, "most minor iterations"},
                  {"WSCGAIN", job.deconvolve.gain, "minor loop gain"},
                  {"WSCMGAIN", job.deconvolve.major_gain, "major loop gain"}};
  header.history = {std::string("Fringeflow ") + FRINGEFLOW_VERSION + " (" + FRINGEFLOW_GIT + ")",
                    job.command_line, job.workflow_text};

  for (size_t c = 0; c < plan_.channels.size(); ++c)
    if (channel < 0 || static_cast<size_t>(channel) == c)
      args.sum_index.push_back(plan_.sum_index(c, stokes));
  args.with_beam = beam >= 0 && kind != "model";
  std::vector<std::pair<DataId, Access>> data{{image, Access::read}, {sums_, Access::read}};
  if (args.with_beam) data.emplace_back(beam, Access::read);
  submit(runtime::make_task(write_codelet(), std::move(args), std::move(data), tag(channel), 5));
}

void ImagingGraph::fit_beams() {
  auto fit = [&](DataId psf, double longest) {
    beams_.push_back(create("beam", sizeof(restore::BeamBlock)));
    const restore::FitBeamArgs args{plan_.geometry.nx, plan_.geometry.ny,
                                    longest > 0 ? 1 / longest / plan_.geometry.cell_rad : 0};
    submit(runtime::make_task(restore::fit_beam_codelet(), args,
                              {{beams_.back(), Access::write}, {psf, Access::read}}, tag(), 8));
  };
  double longest = 0;
  for (size_t c = 0; c < plan_.channels.size(); ++c) {
    fit(images_.psf[c], plan_.channels[c].extent.longest_lambda);
    longest = std::max(longest, plan_.channels[c].extent.longest_lambda);
  }
  if (plan_.channels.size() > 1) {
    images_.psf.push_back(combined(images_.psf, 0, "combined PSF"));
    fit(images_.psf.back(), longest);
  }
}

void ImagingGraph::write_dirty(const std::shared_ptr<io::Products>& products) {
  const auto n = static_cast<int>(plan_.channels.size());
  if (plan_.job.image.psf) {
    fit_beams();
    for (int c = 0; c < n; ++c)
      write_image(products, "psf", c, 0, images_.psf[static_cast<size_t>(c)], beams_[static_cast<size_t>(c)]);
    if (n > 1) write_image(products, "psf", -1, 0, images_.psf.back(), beams_.back());
  }
  auto beam = [&](size_t c) { return beams_.empty() ? -1 : beams_[c]; };
  for (int64_t p = 0; p < plan_.stokes(); ++p) {
    std::vector<DataId> dirty;
    for (int c = 0; c < n; ++c) {
      dirty.push_back(images_.residual[static_cast<size_t>(c)][static_cast<size_t>(p)]);
      write_image(products, "dirty", c, p, dirty.back(), beam(static_cast<size_t>(c)));
    }
    const auto shown = n > 1 ? combined(dirty, p, "combined dirty image") : dirty.front();
    if (n > 1) write_image(products, "dirty", -1, p, shown, beam(static_cast<size_t>(n)));
    if (p == 0) headline_image_ = headline_residual_ = shown;
  }
}

void ImagingGraph::write_cleaned(const std::shared_ptr<io::Products>& products) {
  const auto n = static_cast<int>(plan_.channels.size());
  const int64_t nx = plan_.geometry.nx, ny = plan_.geometry.ny;
  auto write_one = [&](int channel, int64_t p, DataId residual, DataId model, DataId beam) {
    const auto restored = create("restored image", nx * ny * int64_t{sizeof(float)});
    submit(runtime::make_task(
        restore::restore_codelet(), restore::RestoreArgs{nx, ny},
        {{restored, Access::write}, {model, Access::read}, {residual, Access::read}, {beam, Access::read}},
        tag(channel), 9));
    write_image(products, "residual", channel, p, residual, beam);
    write_image(products, "model", channel, p, model, beam);
    write_image(products, "image", channel, p, restored, beam);
    if (p == 0 && channel == (n > 1 ? -1 : 0)) {
      headline_image_ = restored;
      headline_residual_ = residual;
    }
  };
  for (int64_t p = 0; p < plan_.stokes(); ++p) {
    const auto stokes = static_cast<size_t>(p);
    std::vector<DataId> residuals, models;
    for (int c = 0; c < n; ++c) {
      const auto channel = static_cast<size_t>(c);
      residuals.push_back(images_.residual[channel][stokes]);
      models.push_back(images_.model[channel][stokes]);
      write_one(c, p, residuals.back(), models.back(), beams_[channel]);
    }
    if (n > 1)
      write_one(-1, p, combined(residuals, p, "combined residual"), combined(models, p, "combined model"),
                beams_.back());
  }
}

}  // namespace fringeflow::graphs
