// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// The codelets of one major cycle of CLEAN: find_peak and statistics look at the residual, decide sets this
/// cycle's threshold, minor makes component lists per sub-image, apply_components adds them to the model.
/// With several sub-images share_iterations and minor_again see to it that the lists together do not take more
/// iterations than are left; in all cycles but the last minor_again has nothing to do.
#include <memory>
#include <mutex>
#include <vector>

#include "codelets/deconvolve/deconvolve.hpp"
#include "runtime/codelet.hpp"

namespace fringeflow::deconvolve {

/// What the tasks of a loop share: it lives in one buffer of this size.
struct LoopBlock {
  LoopState state;
  Decision decision;
  Peak peak;
  float far_sidelobe = 0;
};

/// Components of a whole run, for the list that is written at the end.
class ComponentLog {
 public:
  void append(std::vector<Component>&& components) {
    const std::lock_guard lock(mutex_);
    components_.insert(components_.end(), std::make_move_iterator(components.begin()),
                       std::make_move_iterator(components.end()));
  }
  std::vector<Component> merged() const {
    const std::lock_guard lock(mutex_);
    return merge_components(components_);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Component> components_;
};

/// Arguments of all codelets of the loop. Buffers (n: output channels; "residuals" stands for n images):
///   find_peak         peak (write), sums of weights (read), [scale mask (read)], residuals (read)
///   statistics        robust (write), sums (read), residuals (read)
///   decide            loop block (read-write), robust (read), peaks (read)
///   minor             list (write), loop block (read), sums (read), [scale mask (read)], residuals (read),
///                     PSFs (read)
///   share_iterations  shares int64 [sub-image] (write), loop block (read), lists (read)
///   minor_again       as minor, but list (read-write), and shares (read) at the end
///   apply_components  loop block (read-write), [scale mask (read-write)], models (read-write), lists (read)
///   far_sidelobe      loop block (write), PSF (read)
struct CleanArgs {
  MinorOptions minor;
  LoopOptions loop;
  int64_t ny = 0, nx = 0;
  std::vector<int64_t> sum_index;                    ///< [channel] into the sums of weights
  std::shared_ptr<const std::vector<uint8_t>> mask;  ///< the user's, [ny][nx]; null: none
  bool auto_mask = false;                            ///< there is a scale mask
  Rect rect;                                         ///< sub-image
  int64_t sub_image = 0;                             ///< its number
  bool several_sub_images = false;
  std::shared_ptr<ComponentLog> log;
  int channels() const { return static_cast<int>(sum_index.size()); }
};
const runtime::CodeletDef& find_peak_codelet();
const runtime::CodeletDef& statistics_codelet();
const runtime::CodeletDef& decide_codelet();
const runtime::CodeletDef& minor_codelet();
const runtime::CodeletDef& share_iterations_codelet();
const runtime::CodeletDef& minor_again_codelet();
const runtime::CodeletDef& apply_components_codelet();
const runtime::CodeletDef& far_sidelobe_codelet();

/// Entries that a sub-image's list has room for.
int64_t list_capacity(int64_t max_iterations, const Rect& rect);

}  // namespace fringeflow::deconvolve
