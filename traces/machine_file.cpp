// SPDX-License-Identifier: GPL-3.0-or-later
#include "traces/machine_file.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string_view>

#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/quantity.hpp"
#include "runtime/machine.hpp"

namespace fringeflow::embedded {
extern const std::string_view machines_yaml, sites_yaml;
}

namespace fringeflow::traces {
namespace {

constexpr double kJoulePerKwh = 3.6e6;

[[noreturn]] void fail(const std::string& file, const YAML::Node& node, const std::string& what) {
  throw UserError(fmt::format("{}:{}: {}", file, node.Mark().line + 1, what));
}

double number(const std::string& file, const YAML::Node& node, const std::string& key) {
  double value = 0;
  if (!node.IsScalar() || !YAML::convert<double>::decode(node, value) || !(value >= 0))
    fail(file, node, fmt::format("{} must be a number, 0 or more", key));
  return value;
}

double bytes(const std::string& file, const YAML::Node& node, const std::string& key) {
  int64_t value = 0;
  try {
    value = parse_bytes(node.IsScalar() ? node.Scalar() : "");
  } catch (const UserError& error) {
    fail(file, node, fmt::format("{}: {}", key, error.what()));
  }
  if (value <= 0) fail(file, node, key + " must be above 0");
  return static_cast<double>(value);
}

using Readers = std::map<std::string, std::function<void(const YAML::Node&, const std::string&)>>;

void read_map(const std::string& file, const YAML::Node& node, const std::string& what,
              const Readers& readers) {
  if (!node.IsMap()) fail(file, node, fmt::format("{} must be a map", what));
  for (const auto& entry : node) {
    const auto key = entry.first.as<std::string>();
    const auto reader = readers.find(key);
    if (reader == readers.end()) {
      std::string known;
      for (const auto& [name, unused] : readers) known += (known.empty() ? "" : ", ") + name;
      fail(file, entry.first, fmt::format("{}: unknown key '{}'; known are {}", what, key, known));
    }
    reader->second(entry.second, key);
  }
}

MachineDescription read_machine(const std::string& file, const YAML::Node& node, const std::string& name) {
  MachineDescription machine;
  machine.name = name;
  machine.cores = runtime::available_cores();
  machine.memory_bytes = runtime::available_memory_bytes();
  auto into = [&](double& value, double factor = 1) {
    return [&file, &value, factor](const YAML::Node& n, const std::string& key) {
      value = factor * number(file, n, key);
    };
  };
  auto into_count = [&](int& value) {
    return [&file, &value](const YAML::Node& n, const std::string& key) {
      value = static_cast<int>(number(file, n, key));
    };
  };
  auto into_bytes = [&](double& value) {
    return [&file, &value](const YAML::Node& n, const std::string& key) { value = bytes(file, n, key); };
  };
  const auto cores = static_cast<double>(runtime::available_cores());
  read_map(file, node, name,
           {{"doc", [&](const YAML::Node& n, const std::string&) { machine.doc = n.as<std::string>(); }},
            {"name", [&](const YAML::Node& n, const std::string&) { machine.name = n.as<std::string>(); }},
            {"nodes", into_count(machine.nodes)},
            {"network", into_bytes(machine.network_bytes_s)},
            {"cores", into_count(machine.cores)},
            {"memory",
             [&](const YAML::Node& n, const std::string& key) {
               machine.memory_bytes = static_cast<int64_t>(bytes(file, n, key));
             }},
            {"core_speed", into(machine.core_speed)},
            {"gpus",
             [&](const YAML::Node& n, const std::string& key) {
               read_map(file, n, key,
                        {{"count", into_count(machine.gpus)},
                         {"speed", into(machine.gpu_speed)},
                         {"link", into_bytes(machine.link_bytes_s)}});
             }},
            {"disk",
             [&](const YAML::Node& n, const std::string& key) {
               read_map(file, n, key,
                        {{"read", into_bytes(machine.read_bytes_s)},
                         {"write", into_bytes(machine.write_bytes_s)}});
             }},
            {"models",
             [&](const YAML::Node& n, const std::string& key) {
               std::filesystem::path models = n.IsScalar() ? n.Scalar() : "";
               if (models.is_relative()) models = std::filesystem::path(file).parent_path() / models;
               if (!std::filesystem::exists(models))
                 fail(file, n, fmt::format("{}: no such file: {}", key, models.string()));
               machine.models_file = models.string();
             }},
            {"rates",
             [&](const YAML::Node& n, const std::string& key) {
               if (!n.IsMap()) fail(file, n, key + " must be a map: {grid: {cpu: 2e9, gpu: 2e11}}");
               for (const auto& one : n) {
                 const auto codelet = one.first.as<std::string>();
                 auto& rate = machine.rates[codelet];
                 read_map(file, one.second, codelet, {{"cpu", into(rate.cpu)}, {"gpu", into(rate.gpu)}});
               }
             }},
            {"power",
             [&](const YAML::Node& n, const std::string& key) {
               read_map(file, n, key,
                        {{"static_w", into(machine.power.static_w)},
                         {"static_w_per_core", into(machine.power.static_w, cores)},
                         {"core_busy_w", into(machine.power.core_busy_w)},
                         {"gpu_idle_w", into(machine.power.gpu_idle_w)},
                         {"gpu_busy_w", into(machine.power.gpu_busy_w)}});
             }},
            {"price_usd", into(machine.price_usd)},
            {"price_usd_per_core", into(machine.price_usd, cores)},
            {"embodied_kgco2", into(machine.embodied_kgco2)},
            {"embodied_kgco2_per_core", into(machine.embodied_kgco2, cores)},
            {"lifetime_h", into(machine.lifetime_h)}});
  if (machine.nodes < 1) fail(file, node, "nodes must be at least 1");
  if (machine.cores < 1) fail(file, node, "cores must be at least 1");
  if (!(machine.core_speed > 0) || !(machine.gpu_speed > 0)) fail(file, node, "speeds must be above 0");
  if (!(machine.lifetime_h > 0)) fail(file, node, "lifetime_h must be above 0");
  if (!(machine.power.static_w + machine.power.core_busy_w > 0))
    fail(file, node, "power is missing: static_w and core_busy_w");
  return machine;
}

YAML::Node parse(const std::string& file, std::string_view text) {
  try {
    return YAML::Load(std::string(text));
  } catch (const YAML::Exception& error) {
    throw UserError(fmt::format("{}:{}: {}", file, error.mark.line + 1, error.msg));
  }
}

const std::string kShippedMachines = "machines.yaml (shipped)", kShippedSites = "sites.yaml (shipped)";

}  // namespace

std::vector<std::string> shipped_machines() {
  std::vector<std::string> names;
  for (const auto& entry : parse(kShippedMachines, embedded::machines_yaml))
    names.push_back(entry.first.as<std::string>());
  return names;
}

MachineDescription load_machine(const std::string& name_or_file) {
  const auto shipped = parse(kShippedMachines, embedded::machines_yaml);
  if (const auto node = shipped[name_or_file]; node)
    return read_machine(kShippedMachines, node, name_or_file);
  if (!std::filesystem::exists(name_or_file)) {
    std::string names;
    for (const auto& name : shipped_machines()) names += (names.empty() ? "" : ", ") + name;
    throw UserError(
        fmt::format("--machine {}: no such file, and no shipped machine ({})", name_or_file, names));
  }
  const auto node = parse(name_or_file, io::read_file(name_or_file));
  return read_machine(name_or_file, node, std::filesystem::path(name_or_file).stem().string());
}

std::vector<Site> load_sites(const std::string& file) {
  const std::string name = file.empty() ? kShippedSites : file;
  const auto document = file.empty() ? parse(name, embedded::sites_yaml) : parse(name, io::read_file(file));
  if (!document.IsMap()) throw UserError(name + ": a map of sites is needed");
  std::vector<Site> sites;
  for (const auto& entry : document) {
    Site site;
    site.name = entry.first.as<std::string>();
    read_map(name, entry.second, site.name,
             {{"price_usd_kwh",
               [&](const auto& n, const auto& key) { site.price_usd_kwh = number(name, n, key); }},
              {"carbon_kg_kwh",
               [&](const auto& n, const auto& key) { site.carbon_kg_kwh = number(name, n, key); }}});
    sites.push_back(site);
  }
  return sites;
}

Footprint footprint(double energy_j, double seconds, const MachineDescription& machine, const Site& site) {
  const double kwh = energy_j / kJoulePerKwh, life = seconds / 3600 / machine.lifetime_h;
  return {kwh * site.carbon_kg_kwh * 1e3, machine.embodied_kgco2 * 1e3 * life, kwh * site.price_usd_kwh,
          machine.price_usd * life};
}

}  // namespace fringeflow::traces
