// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace fringeflow::runtime {

/// In a body: true once the run has failed or was interrupted. Bodies that take many seconds look now and then, and throw.
bool cancelled();

}  // namespace fringeflow::runtime
