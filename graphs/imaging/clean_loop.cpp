// SPDX-License-Identifier: GPL-3.0-or-later
/// @file
/// Major cycles: the loop that stops on data.
#include <algorithm>

#include "codelets/image/image.hpp"
#include "graphs/imaging/imaging_graph.hpp"

namespace fringeflow::graphs {
void ImagingGraph::create_clean() {
  const auto& options = plan_.job.deconvolve;
  const int64_t nx = plan_.geometry.nx, ny = plan_.geometry.ny;
  const int64_t image_bytes = nx * ny * int64_t{sizeof(float)};
  const auto channels = static_cast<int>(plan_.channels.size());

  images_.model.resize(plan_.channels.size());
  for (size_t c = 0; c < plan_.channels.size(); ++c)
    for (int64_t p = 0; p < plan_.stokes(); ++p) {
      const auto id = create("model", image_bytes);
      images_.model[c].push_back(id);
      // Only the first Stokes continues from a model: a file holds one.
      submit(runtime::make_task(image::fill_codelet(),
                                image::FillArgs{p == 0 ? plan_.start_model : nullptr, image_bytes},
                                {{id, Access::write}}));
    }
  for (int64_t p = 0; p < plan_.stokes(); ++p) {
    const auto stokes = static_cast<size_t>(p);
    logs_.push_back(std::make_shared<deconvolve::ComponentLog>());
    loops_.push_back(create("clean loop", sizeof(deconvolve::LoopBlock)));
    robust_.push_back(create("residual noise", sizeof(deconvolve::Robust)));
    scale_masks_.push_back(
        options.auto_mask_sigma > 0 ? create("auto-mask", nx * ny * int64_t{sizeof(uint16_t)}) : -1);
    if (scale_masks_.back() >= 0)
      submit(runtime::make_task(image::zero_codelet(), image::ZeroArgs{nx * ny * int64_t{sizeof(uint16_t)}},
                                {{scale_masks_.back(), Access::write}}));
    peaks_.emplace_back();
    lists_.emplace_back();
    if (plan_.sub_images.size() > 1)
      shares_.push_back(
          create("shares of iterations", static_cast<int64_t>(plan_.sub_images.size() * sizeof(int64_t))));
    for (const auto& rect : plan_.sub_images) {
      peaks_.back().push_back(create("peak", sizeof(deconvolve::Peak)));
      lists_.back().push_back(create(
          "components",
          deconvolve::ComponentList::bytes(deconvolve::list_capacity(options.iterations, rect), channels)));
    }
    auto args = clean_args(stokes);
    args.rect = plan_.sub_images.front();
    submit(runtime::make_task(deconvolve::far_sidelobe_codelet(), std::move(args),
                              {{loops_.back(), Access::write}, {images_.psf.front(), Access::read}}));
  }
}

deconvolve::CleanArgs ImagingGraph::clean_args(size_t stokes) const {
  deconvolve::CleanArgs args;
  args.minor = plan_.minor;
  args.loop = plan_.loop;
  args.ny = plan_.geometry.ny;
  args.nx = plan_.geometry.nx;
  for (size_t c = 0; c < plan_.channels.size(); ++c)
    if (!plan_.channels[c].empty())
      args.sum_index.push_back(plan_.sum_index(c, static_cast<int64_t>(stokes)));
  args.mask = plan_.mask;
  args.auto_mask = plan_.job.deconvolve.auto_mask_sigma > 0;
  args.rect = {0, 0, args.ny, args.nx};
  args.several_sub_images = plan_.sub_images.size() > 1;
  args.log = logs_[stokes];
  return args;
}

std::vector<std::pair<DataId, Access>> ImagingGraph::channel_images(
    const std::vector<std::vector<DataId>>& images, size_t stokes, Access access) const {
  std::vector<std::pair<DataId, Access>> data;
  for (size_t c = 0; c < images.size(); ++c)
    if (!plan_.channels[c].empty()) data.emplace_back(images[c][stokes], access);
  return data;
}

int64_t ImagingGraph::submit_decide(size_t stokes) {
  const auto residuals = channel_images(images_.residual, stokes, Access::read);
  std::vector<std::pair<DataId, Access>> decide{{loops_[stokes], Access::read_write},
                                                {robust_[stokes], Access::read}};
  for (size_t i = 0; i < plan_.sub_images.size(); ++i) {
    auto args = clean_args(stokes);
    args.rect = plan_.sub_images[i];
    std::vector<std::pair<DataId, Access>> data{{peaks_[stokes][i], Access::write}, {sums_, Access::read}};
    if (args.auto_mask) data.emplace_back(scale_masks_[stokes], Access::read);
    data.insert(data.end(), residuals.begin(), residuals.end());
    submit(runtime::make_task(deconvolve::find_peak_codelet(), std::move(args), std::move(data),
                              tag(-1, -1, -1, static_cast<int32_t>(i)), 9));
    decide.emplace_back(peaks_[stokes][i], Access::read);
  }
  std::vector<std::pair<DataId, Access>> statistics{{robust_[stokes], Access::write}, {sums_, Access::read}};
  statistics.insert(statistics.end(), residuals.begin(), residuals.end());
  submit(runtime::make_task(deconvolve::statistics_codelet(), clean_args(stokes), std::move(statistics),
                            tag(), 9));
  auto task =
      runtime::make_task(deconvolve::decide_codelet(), clean_args(stokes), std::move(decide), tag(), 10);
  task.waitable = true;
  return sink_.submit(std::move(task));
}

/// Component lists of all sub-images; `again`: with the shares of the iterations, where they are needed.
void ImagingGraph::submit_lists(size_t stokes, bool again) {
  const auto residuals = channel_images(images_.residual, stokes, Access::read);
  for (size_t i = 0; i < plan_.sub_images.size(); ++i) {
    auto args = clean_args(stokes);
    args.rect = plan_.sub_images[i];
    args.sub_image = static_cast<int64_t>(i);
    std::vector<std::pair<DataId, Access>> data{
        {lists_[stokes][i], again ? Access::read_write : Access::write},
        {loops_[stokes], Access::read},
        {sums_, Access::read}};
    if (args.auto_mask) data.emplace_back(scale_masks_[stokes], Access::read);
    data.insert(data.end(), residuals.begin(), residuals.end());
    for (size_t c = 0; c < plan_.channels.size(); ++c)
      if (!plan_.channels[c].empty()) data.emplace_back(images_.psf[c], Access::read);
    if (again) data.emplace_back(shares_[stokes], Access::read);
    submit(runtime::make_task(again ? deconvolve::minor_again_codelet() : deconvolve::minor_codelet(),
                              std::move(args), std::move(data), tag(-1, -1, -1, static_cast<int32_t>(i)), 9));
  }
}

void ImagingGraph::submit_minor(size_t stokes) {
  submit_lists(stokes, false);
  std::vector<std::pair<DataId, Access>> lists;
  for (const auto id : lists_[stokes]) lists.emplace_back(id, Access::read);
  if (plan_.sub_images.size() > 1) {
    std::vector<std::pair<DataId, Access>> share{{shares_[stokes], Access::write},
                                                 {loops_[stokes], Access::read}};
    share.insert(share.end(), lists.begin(), lists.end());
    submit(runtime::make_task(deconvolve::share_iterations_codelet(), clean_args(stokes), std::move(share),
                              tag(), 9));
    submit_lists(stokes, true);
  }
  std::vector<std::pair<DataId, Access>> apply{{loops_[stokes], Access::read_write}};
  if (scale_masks_[stokes] >= 0) apply.emplace_back(scale_masks_[stokes], Access::read_write);
  const auto models = channel_images(images_.model, stokes, Access::read_write);
  apply.insert(apply.end(), models.begin(), models.end());
  apply.insert(apply.end(), lists.begin(), lists.end());
  submit(runtime::make_task(deconvolve::apply_components_codelet(), clean_args(stokes), std::move(apply),
                            tag(), 9));
}

void ImagingGraph::clean(const std::function<const deconvolve::LoopBlock*(DataId)>& state_of) {
  create_clean();
  std::vector<Instance> instances;
  for (int64_t p = 0; p < plan_.stokes(); ++p) instances.push_back({false, p});
  // A model to continue from comes off the data first.
  if (plan_.start_model) grid_pass(instances, true);

  while (!sink_.failed()) {
    std::vector<int64_t> tickets;
    for (size_t p = 0; p < logs_.size(); ++p) tickets.push_back(submit_decide(p));
    bool another = false;
    for (size_t p = 0; p < tickets.size(); ++p) {
      const bool known = sink_.wait(tickets[p]);
      if (sink_.failed()) return;
      if (known ? state_of(loops_[p])->decision.clean : cycle_ < assumed_cycles_) {
        another = true;
        ++cycle_;
        submit_minor(p);
        --cycle_;
      }
    }
    if (!another) return;
    ++cycle_;
    grid_pass(instances, true);
  }
}

}  // namespace fringeflow::graphs
