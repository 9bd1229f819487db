#include "devices/cpu_device.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <system_error>

#include "base/error.h"
#include "devices/cgroup.h"
#include "devices/text_file.h"

namespace greenroom::devices {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kKilobyte = 1024;
constexpr int kPercent = 100;

// Narrows `memory` to what one limit leaves.
void apply_limit(DeviceMemory& memory, std::uint64_t limit, std::uint64_t used) {
  memory.total = std::min(memory.total, limit);
  memory.free = std::min(memory.free, limit > used ? limit - used : 0);
}

std::uint64_t resident_set_bytes(const fs::path& root) {
  return read_field(root / "proc/self/status", "VmRSS:", kKilobyte).value_or(0);
}

// "0-3,8" are five; nullopt when there is no such list.
std::optional<double> count_list(const std::optional<std::string>& list) {
  if (!list) return std::nullopt;
  std::istringstream stream(*list);
  double count = 0;
  for (std::string item; std::getline(stream, item, ',');) {
    const auto first = parse_number(item);
    if (!first) return std::nullopt;
    const auto dash = item.find('-');
    const auto last = dash == std::string::npos ? first : parse_number(item.substr(dash + 1));
    if (!last || *last < *first) return std::nullopt;
    count += static_cast<double>(*last - *first + 1);
  }
  return count > 0 ? std::optional(count) : std::nullopt;
}

// The warmest sensor of the processor itself.
std::optional<int> read_celsius(const fs::path& root) {
  constexpr std::uint64_t kThousand = 1000, kMaxCelsius = 200;
  std::optional<int> warmest;
  std::error_code ignored;
  for (const auto& folder : fs::directory_iterator(root / "sys/class/hwmon", ignored)) {
    const auto driver = read_line(folder.path() / "name");
    if (driver != "coretemp" && driver != "k10temp" && driver != "zenpower") continue;
    const auto value = read_number(folder.path() / "temp1_input");
    if (!value || *value / kThousand > kMaxCelsius) continue;
    warmest = std::max(warmest.value_or(0), static_cast<int>(*value / kThousand));
  }
  return warmest;
}

}  // namespace

CpuDevice::CpuDevice(Options options) : options_(std::move(options)) {}

std::string CpuDevice::name() const {
  const auto rest = find_line(options_.root / "proc/cpuinfo", "model name");
  if (!rest) return "CPU";
  const auto start = rest->find_first_not_of(" \t:");
  return start == std::string::npos ? "CPU" : rest->substr(start);
}

DeviceMemory CpuDevice::memory() const {
  const fs::path meminfo = options_.root / "proc/meminfo";
  const auto total = read_field(meminfo, "MemTotal:", kKilobyte);
  auto available = read_field(meminfo, "MemAvailable:", kKilobyte);
  if (!available) available = read_field(meminfo, "MemFree:", kKilobyte);  // kernels before 3.14
  if (!total || !available) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      "cpu: " + meminfo.string() + " does not tell the memory");
  }
  DeviceMemory memory{*total, std::min(*available, *total)};
  for (const auto& limit : cgroup_memory_limits(options_.root)) apply_limit(memory, limit.limit, limit.used);
  if (options_.budget_bytes) apply_limit(memory, *options_.budget_bytes, resident_set_bytes(options_.root));
  return memory;
}

// With a quota: the group's time beside the quota's. Without: the machine's own count, proc(5), /proc/stat.
std::optional<CpuDevice::Times> CpuDevice::read_times(std::optional<double> quota, double cores) const {
  if (quota) {
    static const base::SystemClock system_clock;
    const base::Clock& clock = options_.clock != nullptr ? *options_.clock : system_clock;
    const auto usage = cgroup_cpu_usage_us(options_.root);
    if (!usage) return std::nullopt;
    const auto now = std::chrono::duration<double, std::micro>(clock.now().time_since_epoch());
    return Times{static_cast<double>(*usage), now.count() * std::min(*quota, cores)};
  }
  std::istringstream line(find_line(options_.root / "proc/stat", "cpu ").value_or(""));
  double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft_interrupts = 0,
         stolen = 0;
  if (!(line >> user >> nice >> system >> idle >> waiting >> interrupts >> soft_interrupts >> stolen)) {
    return std::nullopt;
  }
  const double busy = user + nice + system + interrupts + soft_interrupts + stolen;
  return Times{busy, busy + idle + waiting};
}

Telemetry CpuDevice::telemetry() const {
  Telemetry telemetry;
  const auto allowed = count_list(find_line(options_.root / "proc/self/status", "Cpus_allowed_list:"));
  const auto present = count_list(read_line(options_.root / "sys/devices/system/cpu/online"));
  const auto quota = cgroup_cpu_limit(options_.root);
  const double cores = std::min(allowed.value_or(HUGE_VAL), present.value_or(HUGE_VAL));
  const double usable = std::min(cores, quota.value_or(HUGE_VAL));
  if (std::isfinite(usable)) telemetry.cores = usable;
  telemetry.temperature_celsius = read_celsius(options_.root);

  const auto now = read_times(quota, cores);
  base::MutexLock lock(mutex_);
  if (now && before_ && now->possible > before_->possible) {
    const double share = (now->busy - before_->busy) / (now->possible - before_->possible);
    telemetry.utilisation_percent = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kPercent));
  }
  before_ = now;
  return telemetry;
}

}  // namespace greenroom::devices
