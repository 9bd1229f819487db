#include "devices/drm_device.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <system_error>

#include "base/bytes.h"
#include "base/error.h"
#include "devices/cpu_device.h"
#include "devices/processes.h"
#include "devices/text_file.h"

namespace greenroom::devices {
namespace {

namespace fs = std::filesystem;

constexpr int kPercent = 100;
constexpr std::uint64_t kThousand = 1000;
constexpr double kMillion = 1e6;

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// "drm-memory-vram:\t512 KiB" as bytes.
std::uint64_t parse_size(std::string_view text) {
  const auto number = parse_number(text);
  if (!number) return 0;
  std::uint64_t unit = 1;
  if (text.find("KiB") != std::string_view::npos) unit = 1u << 10;
  if (text.find("MiB") != std::string_view::npos) unit = 1u << 20;
  return base::checked_mul(*number, unit).value_or(0);
}

// Names of one region differ by driver and kernel: "drm-memory-vram" and later "drm-total-vram" (amdgpu),
// "drm-total-local0" (i915), "drm-total-vram0" (xe). A GPU without memory of its own counts "system".
bool is_own_memory(std::string_view key) {
  return key == "drm-memory-vram" || key.starts_with("drm-total-vram") || key.starts_with("drm-total-local");
}
bool is_host_memory(std::string_view key) {
  return key.starts_with("drm-total-system") || key.starts_with("drm-total-gtt");
}

struct Usage {
  std::string client, bus_id;
  std::uint64_t own = 0, host = 0;
  std::map<std::string, std::uint64_t> engine_ns;
};

Usage parse_usage(const fs::path& path) {
  constexpr std::string_view kEngine = "drm-engine-", kCapacity = "drm-engine-capacity-";
  Usage usage;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with("drm-")) continue;
    const std::string_view key = std::string_view(line).substr(0, colon);
    std::string_view value = std::string_view(line).substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    if (key == "drm-client-id") {
      usage.client = value;
    } else if (key == "drm-pdev") {
      usage.bus_id = value;
    } else if (is_own_memory(key)) {
      usage.own = std::max(usage.own, parse_size(value));  // old and new name of one region
    } else if (is_host_memory(key)) {
      usage.host += parse_size(value);
    } else if (key.starts_with(kEngine) && !key.starts_with(kCapacity)) {
      usage.engine_ns[std::string(key.substr(kEngine.size()))] = parse_number(value).value_or(0);
    }
  }
  return usage;
}

std::optional<int> read_thousandths(const fs::path& path) {
  const auto value = read_number(path);
  constexpr std::uint64_t kMost = 1'000'000;
  return value && *value <= kMost ? std::optional(static_cast<int>(*value / kThousand)) : std::nullopt;
}

// The folder of the sensors that belong to the device; empty when there is none.
fs::path find_sensors(const fs::path& device) {
  std::error_code error;
  const fs::directory_iterator folder(device / "hwmon", error);
  return error || folder == fs::directory_iterator() ? fs::path() : folder->path();
}

std::optional<double> read_watts(const fs::path& sensors) {
  auto microwatts = read_number(sensors / "power1_average");
  if (!microwatts) microwatts = read_number(sensors / "power1_input");
  return microwatts ? std::optional(static_cast<double>(*microwatts) / kMillion) : std::nullopt;
}

}  // namespace

std::vector<std::shared_ptr<const DrmDevice>> DrmDevice::find(const Options& options) {
  std::vector<std::shared_ptr<const DrmDevice>> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(options.root / "sys/class/drm", ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("card") || !is_number(name.substr(4))) continue;  // not "card0-HDMI-A-1"
    const std::string driver = find_line(entry.path() / "device/uevent", "DRIVER=").value_or("");
    if (driver != "amdgpu" && driver != "i915" && driver != "xe") continue;
    found.emplace_back(
        new DrmDevice(options, static_cast<int>(parse_number(name.substr(4)).value_or(0)), driver));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->id() < b->id(); });
  return found;
}

DrmDevice::DrmDevice(const Options& options, int card, const std::string& driver)
    : options_(options),
      card_(card),
      folder_(options.root / "sys/class/drm" / fmt::format("card{}", card) / "device"),
      driver_(driver),
      bus_id_(find_line(folder_ / "uevent", "PCI_SLOT_NAME=").value_or("")) {
  const char* maker = driver == "amdgpu" ? "AMD" : "Intel";
  const std::string product = read_line(folder_ / "product_name").value_or("");
  const std::string number = find_line(folder_ / "uevent", "PCI_ID=").value_or("");
  name_ = product.empty() ? fmt::format("{} GPU {}", maker, number) : fmt::format("{} {}", maker, product);
}

std::map<std::string, DrmDevice::Client> DrmDevice::clients() const {
  std::map<std::string, Client> clients;
  std::error_code ignored;
  for (const auto& process : fs::directory_iterator(options_.root / "proc", ignored)) {
    const std::string pid = process.path().filename().string();
    if (!is_number(pid)) continue;
    std::error_code forbidden;
    for (const auto& file : fs::directory_iterator(process.path() / "fdinfo", forbidden)) {
      const Usage usage = parse_usage(file.path());
      if (usage.bus_id != bus_id_ || usage.client.empty()) continue;
      // A client that several files or processes have open is there once.
      clients[usage.client] = {parse_number(pid).value_or(0), usage.own + usage.host, usage.engine_ns};
    }
  }
  return clients;
}

DeviceMemory DrmDevice::memory() const {
  auto total = read_number(folder_ / "mem_info_vram_total");
  auto used = read_number(folder_ / "mem_info_vram_used");
  if (!total) {
    total = read_number(folder_ / "lmem_total_bytes");
    const auto available = read_number(folder_ / "lmem_avail_bytes");
    if (total && available) used = *total - std::min(*available, *total);
  }
  if (total && *total > 0 && used) return {*total, *total - std::min(*used, *total)};
  std::error_code ignored;
  if (!fs::exists(folder_ / "uevent", ignored)) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      base::to_string(id()) + ": the GPU is gone from the machine");
  }
  DeviceMemory memory = CpuDevice({.root = options_.root}).memory();
  memory.shared_with_host = true;
  std::uint64_t held = 0;
  for (const auto& [number, client] : clients()) held += client.bytes;
  memory.gpu_used = held;
  return memory;
}

// The busiest engine counts, as it is what a program waits for.
std::optional<int> DrmDevice::engine_percent() const {
  static const base::SystemClock system_clock;
  const base::Clock& clock = options_.clock != nullptr ? *options_.clock : system_clock;
  EngineTimes now{clock.now(), {}};
  for (const auto& [number, client] : clients()) {
    for (const auto& [engine, busy] : client.engine_ns) now.busy_ns[engine] += busy;
  }
  base::MutexLock lock(mutex_);
  std::optional<int> busiest;
  if (before_ && now.at > before_->at) {
    const double passed = std::chrono::duration<double, std::nano>(now.at - before_->at).count();
    for (const auto& [engine, busy] : now.busy_ns) {
      const auto earlier = before_->busy_ns.find(engine);
      const std::uint64_t start = earlier == before_->busy_ns.end() ? 0 : earlier->second;
      const double share = busy > start ? static_cast<double>(busy - start) / passed : 0;
      busiest = std::max(busiest.value_or(0), static_cast<int>(std::lround(std::min(share, 1.0) * kPercent)));
    }
  }
  before_ = std::move(now);
  return busiest;
}

Telemetry DrmDevice::telemetry() const {
  Telemetry telemetry;
  // Reading the sensors of a sleeping GPU would wake it.
  if (read_line(folder_ / "power/runtime_status") == "suspended") return telemetry;
  const auto busy = read_number(folder_ / "gpu_busy_percent");
  telemetry.utilisation_percent =
      busy && *busy <= kPercent ? std::optional(static_cast<int>(*busy)) : engine_percent();
  const auto memory_busy = read_number(folder_ / "mem_busy_percent");
  if (memory_busy && *memory_busy <= kPercent) {
    telemetry.memory_utilisation_percent = static_cast<int>(*memory_busy);
  }
  const fs::path sensors = find_sensors(folder_);
  if (sensors.empty()) return telemetry;
  telemetry.temperature_celsius = read_thousandths(sensors / "temp1_input");
  telemetry.power_watts = read_watts(sensors);
  if (const auto limit = read_number(sensors / "power1_cap")) {
    telemetry.power_limit_watts = static_cast<double>(*limit) / kMillion;
  }
  return telemetry;
}

std::vector<ProcessUse> DrmDevice::processes() const {
  std::map<std::uint64_t, ProcessUse> by_pid;
  for (const auto& [number, client] : clients()) {
    ProcessUse& use = by_pid[client.pid];
    use.pid = client.pid;
    use.bytes = use.bytes.value_or(0) + client.bytes;
  }
  std::vector<ProcessUse> processes;
  processes.reserve(by_pid.size());
  for (auto& [pid, use] : by_pid) processes.push_back(std::move(use));
  identify(processes, options_.root);
  return processes;
}

}  // namespace greenroom::devices
