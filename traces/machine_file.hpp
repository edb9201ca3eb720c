// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
/// @file
/// Machines and sites as YAML describes them, and what a run costs there: carbon and money.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "traces/energy.hpp"

namespace fringeflow::traces {

struct MachineDescription {
  std::string name, doc;
  int nodes = 1;               ///< alike; all else is of one of them, but price and carbon, which are of all
  double network_bytes_s = 0;  ///< of each node's link to the others
  int cores = 1;
  int64_t memory_bytes = 0;
  double core_speed = 1;  ///< times the core on which the cost records were made
  int gpus = 0;
  double gpu_speed = 1;                        ///< times the declared rates of the codelets
  double link_bytes_s = 25e9;                  ///< host to device, each GPU
  double read_bytes_s = 0, write_bytes_s = 0;  ///< of the disk, shared by the I/O workers; 0: as recorded
  /// Records of this machine (`fringeflow models export` there); empty: those of the machine at hand, times core_speed.
  std::string models_file;
  /// Work per second that the codelet is declared to do here, by its name; 0: not declared.
  struct Rate {
    double cpu = 0, gpu = 0;
  };
  std::map<std::string, Rate> rates;
  PowerModel power;
  double price_usd = 0, embodied_kgco2 = 0, lifetime_h = 52560;
};

struct Site {
  std::string name;
  double price_usd_kwh = 0, carbon_kg_kwh = 0;
};

/// Names of the machines that ship, `this` first.
std::vector<std::string> shipped_machines();
/// A shipped machine, or one from a file. Throws UserError naming file and line: unknown name, key or unit, missing key.
MachineDescription load_machine(const std::string& name_or_file);

/// The sites that ship, or those of a file. Throws UserError.
std::vector<Site> load_sites(const std::string& file = "");

/// What one run comes to at a site.
struct Footprint {
  double operational_g = 0, embodied_g = 0;  ///< CO2e
  double energy_usd = 0, capex_usd = 0;

  double carbon_g() const { return operational_g + embodied_g; }
  double cost_usd() const { return energy_usd + capex_usd; }
};
/// Energy times the grid's intensity and price; the machine's own carbon and price by the share of its life that the run takes.
Footprint footprint(double energy_j, double seconds, const MachineDescription& machine, const Site& site);

}  // namespace fringeflow::traces
