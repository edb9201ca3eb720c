// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <vector>

#include "runtime/codelet.hpp"

namespace fringeflow {

/// Every codelet of the program, in the order of a run. A test holds each to have implementations, a cost function and a doc line.
std::vector<const runtime::CodeletDef*> all_codelets();

}  // namespace fringeflow
