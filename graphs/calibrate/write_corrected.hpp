// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <string>

#include "io/correlations.hpp"

namespace fringeflow::graphs {

/// Corrects rows for the gains of the selection and writes them to a column, with flags where there are none. Throws UserError or RunError.
void write_corrected(const std::string& path, io::CorrelationSelection rows, const std::string& column);

}  // namespace fringeflow::graphs
