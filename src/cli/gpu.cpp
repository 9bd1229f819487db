#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/words.h"
#include "devices/discover.h"
#include "devices/xid.h"
#include "monitor/memory_monitor.h"
#include "server/device_json.h"

namespace greenroom::cli {
namespace {

constexpr int kBarColumns = 30;

std::vector<std::shared_ptr<const devices::Device>> all_of(const devices::Discovery& discovery) {
  auto devices = discovery.devices;
  devices.insert(devices.end(), discovery.observed.begin(), discovery.observed.end());
  return devices;
}

base::Json to_json(const devices::Discovery& discovery, const monitor::Sample& sample) {
  base::Json list = base::Json::array();
  for (const auto& reading : sample.readings) {
    base::Json entry = {{"id", base::to_string(reading.device)},
                        {"name", reading.name},
                        {"uuid", reading.uuid},
                        {"bus_id", reading.bus_id}};
    if (reading.memory) entry["memory"] = server::to_json(*reading.memory);
    entry["telemetry"] = server::to_json(reading.telemetry);
    entry["processes"] = server::to_json(reading.processes);
    if (!reading.problem.empty()) entry["problem"] = reading.problem;
    list.push_back(std::move(entry));
  }
  return {{"devices", list},
          {"driver_version", discovery.driver_version},
          {"cuda_version", discovery.cuda_version},
          {"no_gpu_reason", discovery.no_gpu_reason}};
}

std::string memory_line(const devices::DeviceMemory& memory, Language language) {
  constexpr double kPercent = 100;
  const std::uint64_t used = memory.shared_with_host ? memory.gpu_used.value_or(0) : memory.used();
  const double share = memory.total > 0 ? static_cast<double>(used) / static_cast<double>(memory.total) : 0;
  std::string line =
      fmt::format(fmt::runtime(either(language, "memory: {} {} of {} in use ({:.0f} %), {} free of {}",
                                      "内存: {} 已用 {} / {} ({:.0f} %)，空闲 {} / {}")),
                  bar(share, kBarColumns), base::format_bytes(used), base::format_bytes(memory.total),
                  kPercent * share, base::format_bytes(memory.free), base::format_bytes(memory.total));
  if (memory.reserved > 0) {
    line += fmt::format(fmt::runtime(either(language, ", {} reserved by the driver", "，驱动保留 {}")),
                        base::format_bytes(memory.reserved));
  }
  if (memory.shared_with_host) line += either(language, " (shared with the host)", "（与主机共享）");
  return line;
}

std::string state_line(const devices::Telemetry& telemetry, Language language) {
  std::vector<std::string> parts;
  const auto add = [&](const char* english, const char* chinese, const auto& value) {
    if (value) parts.push_back(fmt::format(fmt::runtime(either(language, english, chinese)), *value));
  };
  add("{} % busy", "占用 {} %", telemetry.utilisation_percent);
  add("memory {} % busy", "显存读写 {} %", telemetry.memory_utilisation_percent);
  add("{} °C", "{} °C", telemetry.temperature_celsius);
  add("memory {} °C", "显存 {} °C", telemetry.memory_temperature_celsius);
  add("{} °C below slow-down", "距降频 {} °C", telemetry.thermal_headroom_celsius);
  add("fan {} %", "风扇 {} %", telemetry.fan_percent);
  if (telemetry.power_watts && telemetry.power_limit_watts) {
    parts.push_back(fmt::format("{:.0f} / {:.0f} W", *telemetry.power_watts, *telemetry.power_limit_watts));
  } else if (telemetry.power_watts) {
    parts.push_back(fmt::format("{:.0f} W", *telemetry.power_watts));
  }
  add("{} MHz", "{} MHz", telemetry.clock_mhz);
  if (telemetry.pcie_generation && telemetry.pcie_lanes) {
    parts.push_back(fmt::format("PCIe {} x{}", *telemetry.pcie_generation, *telemetry.pcie_lanes));
  }
  if (telemetry.pcie_throughput) {
    parts.push_back(
        fmt::format(fmt::runtime(either(language, "{}/s sent, {}/s received", "发送 {}/s，接收 {}/s")),
                    base::format_bytes(telemetry.pcie_throughput->sent_bytes_per_second),
                    base::format_bytes(telemetry.pcie_throughput->received_bytes_per_second)));
  }
  add("{:.3g} cores", "{:.3g} 核", telemetry.cores);
  add("memory errors: {}", "显存错误: {}", telemetry.ecc_uncorrected);
  return fmt::format("{}", fmt::join(parts, ", "));
}

void print_device(const monitor::Reading& reading, Language language) {
  fmt::print("{:<8} {}{}{}\n", base::to_string(reading.device), harmless(reading.name),
             reading.uuid.empty() ? "" : "  " + reading.uuid,
             reading.bus_id.empty() ? "" : "  " + reading.bus_id);
  constexpr const char* kIndent = "         ";
  if (reading.memory) fmt::print("{}{}\n", kIndent, memory_line(*reading.memory, language));
  if (!reading.problem.empty()) fmt::print("{}! {}\n", kIndent, reading.problem);
  if (const auto line = state_line(reading.telemetry, language); !line.empty()) {
    fmt::print("{}{}\n", kIndent, line);
  }
  if (reading.telemetry.last_xid) {
    fmt::print("{}! {}\n", kIndent, devices::describe_xid(*reading.telemetry.last_xid));
  }
  const auto reasons = devices::throttle_reason_names(reading.telemetry.throttle_reasons.value_or(0));
  if (!reasons.empty()) {
    fmt::print("{}{}: {}\n", kIndent, either(language, "slowed down by", "降频原因"),
               fmt::join(reasons, ", "));
  }
  for (const auto& process : reading.processes) {
    const std::string name = process.name.empty() ? either(language, "(of another container)", "（其他容器）")
                                                  : harmless(process.name);
    const auto busy = process.utilisation_percent ? fmt::format("{:>3} %", *process.utilisation_percent) : "";
    fmt::print(
        "{}{:>8}  {}  {}{}{}\n", kIndent, process.pid, fit(name, 24),
        fit(process.bytes ? base::format_bytes(*process.bytes) : either(language, "unknown", "未知"), 10),
        fit(busy, 5), process.ours ? "  greenroom" : "");
  }
}

void print_text(const devices::Discovery& discovery, const monitor::Sample& sample, Language language) {
  if (!discovery.driver_version.empty()) {
    fmt::print("{} {}{}\n", either(language, "NVIDIA driver", "NVIDIA 驱动"), discovery.driver_version,
               discovery.cuda_version.empty() ? "" : ", CUDA " + discovery.cuda_version);
  }
  for (const auto& reading : sample.readings) print_device(reading, language);
  if (!discovery.no_gpu_reason.empty()) {
    fmt::print("{}: {}\n", either(language, "no GPU", "没有可用的 GPU"), discovery.no_gpu_reason);
  }
  if (!discovery.warning.empty()) fmt::print("! {}\n", discovery.warning);
}

}  // namespace

int run_gpu(const GpuArguments& arguments) {
  const auto language = pick_language(arguments.language);
  const auto discovery = devices::discover();
  const base::SystemClock clock;
  monitor::MemoryMonitor::Options options;
  options.processes_every = 1;
  options.throughputs_each = static_cast<int>(discovery.devices.size());
  options.throughput_interval = {};
  options.log_alerts = false;
  monitor::MemoryMonitor monitor(all_of(discovery), clock, options);
  const bool on_terminal = ::isatty(STDOUT_FILENO) != 0;
  while (true) {
    monitor.sample();
    const auto sample = monitor.get_current_status();
    if (arguments.watch && on_terminal && !arguments.json) fmt::print("\x1b[H\x1b[J");
    if (arguments.json) {
      // With --watch: one line each time.
      fmt::print("{}\n",
                 to_json(discovery, sample)
                     .dump(arguments.watch ? -1 : 2, ' ', false, base::Json::error_handler_t::replace));
    } else {
      print_text(discovery, sample, language);
    }
    std::fflush(stdout);
    if (!arguments.watch) return 0;
    std::this_thread::sleep_for(std::chrono::duration<double>(arguments.interval_seconds));
  }
}

}  // namespace greenroom::cli
