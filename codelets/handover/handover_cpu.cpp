// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <limits>

#include "codelets/handover/handover.hpp"

namespace fringeflow::handover {

int64_t to_stokes_cpu(const ToStokesArguments& a) {
  const int64_t rows = a.vis.extent(0), channels = a.vis.extent(1), step = a.vis.extent(2);
  const auto none = std::make_unique<bool[]>(static_cast<size_t>(channels * step));  // false throughout
  const auto flags = std::make_unique<bool[]>(static_cast<size_t>(channels * step));
  int64_t flagged = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t to = a.order.place(a.row_begin + row);
    if (a.flag != nullptr)
      for (int64_t i = 0; i < channels * step; ++i)
        flags[static_cast<size_t>(i)] = a.flag[row * channels * step + i] != 0;
    for (size_t s = 0; s < a.terms.size(); ++s) {
      io::StokesCounts counts;
      const auto stokes = static_cast<int64_t>(s);
      io::stokes_row(a.terms[s], channels, step, a.vis.data() + row * channels * step, a.weight.data(), 0,
                     a.flag != nullptr ? flags.get() : none.get(), &a.stokes_vis(stokes, to, 0),
                     &a.stokes_weight(stokes, to, 0), counts);
      if (s == 0) flagged += counts.flagged;
    }
  }
  return flagged;
}

float stokes_weight(const io::StokesTerm& term, std::span<const float> weight) {
  const float least =
      std::min(weight[static_cast<size_t>(term.first)], weight[static_cast<size_t>(term.second)]);
  return std::min(term.weight_factor * least, std::numeric_limits<float>::max());
}

}  // namespace fringeflow::handover
