#include "scenario.h"

#include <fstream>
#include <sstream>

namespace fake_nvml {
namespace {

std::vector<std::string> split_bars(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, '|');) {
    const auto first = part.find_first_not_of(' ');
    const auto last = part.find_last_not_of(' ');
    parts.push_back(first == std::string::npos ? "" : part.substr(first, last - first + 1));
  }
  parts.resize(4);
  return parts;
}

void read_gpu_line(Gpu& gpu, const std::string& key, std::istringstream& line) {
  if (key == "process") {
    std::string pid, bytes, kind;
    line >> pid >> bytes >> kind;
    Process process{static_cast<unsigned>(std::stoul(pid)), std::nullopt, kind == "graphics"};
    if (bytes != "unknown") process.bytes = std::stoull(bytes);
    gpu.processes.push_back(process);
  } else if (key == "busy") {
    Busy busy;
    std::string stale;
    line >> busy.pid >> busy.percent >> busy.stamp >> stale;
    busy.stale = stale == "stale";
    gpu.busy.push_back(busy);
  } else if (key == "mig") {
    std::string rest;
    std::getline(line, rest);
    const auto parts = split_bars(rest);
    gpu.instances.push_back({parts[0], parts[1], std::stoull(parts[2]), std::stoull(parts[3])});
  } else {
    Numbers& numbers = gpu.settings[key];
    for (std::string number; line >> number;) numbers.push_back(std::stoull(number, nullptr, 0));
  }
}

bool read_library_line(Scenario& scenario, const std::string& key, std::istringstream& line) {
  std::string name, value;
  if (key == "driver") {
    line >> scenario.driver;
  } else if (key == "cuda") {
    line >> scenario.cuda;
  } else if (key == "init") {
    line >> scenario.init;
  } else if (key == "live") {
    scenario.live = true;
  } else if (key == "refuse") {
    line >> name >> value;
    scenario.refused[name] = value.empty() ? 3 : std::stoi(value);
  } else if (key == "hang") {
    line >> name >> value;
    scenario.hanging[name] = value;
  } else if (key == "slow") {
    line >> name >> value;
    scenario.slow[name] = static_cast<unsigned>(std::stoul(value));
  } else {
    return false;
  }
  return true;
}

}  // namespace

Scenario read_scenario(const std::string& file) {
  Scenario scenario;
  std::ifstream stream(file);
  for (std::string text; std::getline(stream, text);) {
    std::istringstream line(text);
    std::string key;
    if (!(line >> key) || key[0] == '#') continue;
    if (key == "gpu") {
      std::string rest;
      std::getline(line, rest);
      const auto parts = split_bars(rest);
      scenario.gpus.push_back({parts[0], parts[1], parts[2]});
    } else if (!read_library_line(scenario, key, line) && !scenario.gpus.empty()) {
      read_gpu_line(scenario.gpus.back(), key, line);
    }
  }
  return scenario;
}

}  // namespace fake_nvml
