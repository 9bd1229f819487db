#include "app/device_metrics.h"

#include <unistd.h>

#include <array>
#include <functional>
#include <optional>
#include <string>

namespace greenroom::app {
namespace {

using devices::Telemetry;
using monitor::Labels;
using monitor::MetricWriter;
using monitor::Reading;
using monitor::Sample;
using Value = std::optional<double>;

constexpr double kPercent = 100;
constexpr double kMegahertz = 1e6;
constexpr double kKilobyte = 1000;
constexpr double kMebibyte = 1 << 20;

// One family: what to write for each reading.
struct Family {
  const char* name;
  MetricWriter::Type type;
  const char* help;
  Value (*value)(const Reading&);
};

template <typename Number>
Value scaled(const std::optional<Number>& number, double factor = 1) {
  return number ? Value(static_cast<double>(*number) * factor) : std::nullopt;
}

Value bytes(const Reading& reading, std::uint64_t devices::DeviceMemory::*field) {
  return reading.memory ? Value(static_cast<double>((*reading.memory).*field)) : std::nullopt;
}

Value throughput(const Reading& reading, std::uint64_t devices::PcieThroughput::*field, double factor = 1) {
  const auto& measured = reading.telemetry.pcie_throughput;
  return measured ? Value(static_cast<double>((*measured).*field) * factor) : std::nullopt;
}

constexpr auto kGauge = MetricWriter::Type::kGauge;
constexpr auto kCounter = MetricWriter::Type::kCounter;

constexpr Family kFamilies[] = {
    {"greenroom_device_up", kGauge,
     "Whether the device answers: 1, or 0 when it is lost or its driver hangs.",
     [](const Reading& r) { return Value(r.memory && r.answers ? 1 : 0); }},
    {"greenroom_device_memory_total_bytes", kGauge,
     "Memory of the device, as far as this process may use it.",
     [](const Reading& r) { return bytes(r, &devices::DeviceMemory::total); }},
    {"greenroom_device_memory_free_bytes", kGauge, "Memory that the system says is free.",
     [](const Reading& r) { return bytes(r, &devices::DeviceMemory::free); }},
    {"greenroom_device_memory_used_bytes", kGauge, "Memory in use by anybody, the driver included.",
     [](const Reading& r) {
       if (!r.memory) return Value();
       return r.memory->shared_with_host ? scaled(r.memory->gpu_used)
                                         : Value(static_cast<double>(r.memory->used()));
     }},
    {"greenroom_device_memory_reserved_bytes", kGauge, "Memory the driver keeps for itself; part of used.",
     [](const Reading& r) { return bytes(r, &devices::DeviceMemory::reserved); }},
    {"greenroom_device_utilization_ratio", kGauge, "Share of the time with work to do, 0 to 1.",
     [](const Reading& r) { return scaled(r.telemetry.utilisation_percent, 1 / kPercent); }},
    {"greenroom_device_memory_utilization_ratio", kGauge, "Share of the time its memory was read or written.",
     [](const Reading& r) { return scaled(r.telemetry.memory_utilisation_percent, 1 / kPercent); }},
    {"greenroom_device_temperature_celsius", kGauge, "Temperature of the device.",
     [](const Reading& r) { return scaled(r.telemetry.temperature_celsius); }},
    {"greenroom_device_memory_temperature_celsius", kGauge, "Temperature of its memory.",
     [](const Reading& r) { return scaled(r.telemetry.memory_temperature_celsius); }},
    {"greenroom_device_thermal_headroom_celsius", kGauge, "Degrees left until the device slows itself down.",
     [](const Reading& r) { return scaled(r.telemetry.thermal_headroom_celsius); }},
    {"greenroom_device_power_watts", kGauge, "Power it draws.",
     [](const Reading& r) { return scaled(r.telemetry.power_watts); }},
    {"greenroom_device_power_limit_watts", kGauge, "Power it may draw.",
     [](const Reading& r) { return scaled(r.telemetry.power_limit_watts); }},
    {"greenroom_device_energy_joules_total", kCounter, "Energy since the driver was loaded.",
     [](const Reading& r) { return scaled(r.telemetry.energy_joules); }},
    {"greenroom_device_fan_ratio", kGauge, "Speed of its fan; may exceed 1.",
     [](const Reading& r) { return scaled(r.telemetry.fan_percent, 1 / kPercent); }},
    {"greenroom_device_clock_hertz", kGauge, "Clock of its processors.",
     [](const Reading& r) { return scaled(r.telemetry.clock_mhz, kMegahertz); }},
    {"greenroom_device_memory_clock_hertz", kGauge, "Clock of its memory.",
     [](const Reading& r) { return scaled(r.telemetry.memory_clock_mhz, kMegahertz); }},
    {"greenroom_device_pcie_generation", kGauge, "Generation of the PCIe link at this moment.",
     [](const Reading& r) { return scaled(r.telemetry.pcie_generation); }},
    {"greenroom_device_pcie_lanes", kGauge, "Lanes of the PCIe link at this moment.",
     [](const Reading& r) { return scaled(r.telemetry.pcie_lanes); }},
    {"greenroom_device_pcie_sent_bytes_per_second", kGauge, "What the device sent over PCIe.",
     [](const Reading& r) { return throughput(r, &devices::PcieThroughput::sent_bytes_per_second); }},
    {"greenroom_device_pcie_received_bytes_per_second", kGauge, "What the device received over PCIe.",
     [](const Reading& r) { return throughput(r, &devices::PcieThroughput::received_bytes_per_second); }},
    {"greenroom_device_xid_errors_total", kCounter,
     "Errors (XID) that the driver reported since this process began.",
     [](const Reading& r) { return scaled(r.telemetry.xid_errors); }},
    {"greenroom_device_ecc_corrected_errors_total", kCounter, "Memory errors that were corrected.",
     [](const Reading& r) { return scaled(r.telemetry.ecc_corrected); }},
    {"greenroom_device_ecc_uncorrected_errors_total", kCounter, "Memory errors that were not corrected.",
     [](const Reading& r) { return scaled(r.telemetry.ecc_uncorrected); }},
    {"greenroom_device_cores", kGauge, "Processor cores this process may keep busy.",
     [](const Reading& r) { return scaled(r.telemetry.cores); }},
};

constexpr Family kDcgmFamilies[] = {
    {"DCGM_FI_DEV_SM_CLOCK", kGauge, "SM clock frequency (in MHz).",
     [](const Reading& r) { return scaled(r.telemetry.clock_mhz); }},
    {"DCGM_FI_DEV_MEM_CLOCK", kGauge, "Memory clock frequency (in MHz).",
     [](const Reading& r) { return scaled(r.telemetry.memory_clock_mhz); }},
    {"DCGM_FI_DEV_MEMORY_TEMP", kGauge, "Memory temperature (in C).",
     [](const Reading& r) { return scaled(r.telemetry.memory_temperature_celsius); }},
    {"DCGM_FI_DEV_GPU_TEMP", kGauge, "GPU temperature (in C).",
     [](const Reading& r) { return scaled(r.telemetry.temperature_celsius); }},
    {"DCGM_FI_DEV_POWER_USAGE", kGauge, "Power draw (in W).",
     [](const Reading& r) { return scaled(r.telemetry.power_watts); }},
    {"DCGM_FI_DEV_GPU_UTIL", kGauge, "GPU utilization (in %).",
     [](const Reading& r) { return scaled(r.telemetry.utilisation_percent); }},
    {"DCGM_FI_DEV_MEM_COPY_UTIL", kGauge, "Memory utilization (in %).",
     [](const Reading& r) { return scaled(r.telemetry.memory_utilisation_percent); }},
    {"DCGM_FI_DEV_PCIE_TX_THROUGHPUT", kGauge, "PCIe transmit throughput (in KB/s).",
     [](const Reading& r) {
       return throughput(r, &devices::PcieThroughput::sent_bytes_per_second, 1 / kKilobyte);
     }},
    {"DCGM_FI_DEV_PCIE_RX_THROUGHPUT", kGauge, "PCIe receive throughput (in KB/s).",
     [](const Reading& r) {
       return throughput(r, &devices::PcieThroughput::received_bytes_per_second, 1 / kKilobyte);
     }},
    {"DCGM_FI_DEV_XID_ERRORS", kGauge, "Value of the last XID error encountered; 0: none.",
     [](const Reading& r) {
       return r.telemetry.xid_errors ? Value(r.telemetry.last_xid.value_or(0)) : std::nullopt;
     }},
    {"DCGM_FI_DEV_FB_FREE", kGauge, "Framebuffer memory free (in MiB).",
     [](const Reading& r) {
       return r.memory && !r.memory->shared_with_host ? Value(static_cast<double>(r.memory->free) / kMebibyte)
                                                      : std::nullopt;
     }},
    {"DCGM_FI_DEV_FB_USED", kGauge, "Framebuffer memory used (in MiB).",
     [](const Reading& r) {
       return r.memory && !r.memory->shared_with_host
                  ? Value(static_cast<double>(r.memory->used() - r.memory->reserved) / kMebibyte)
                  : std::nullopt;
     }},
    {"DCGM_FI_DEV_FB_RESERVED", kGauge, "Framebuffer memory reserved (in MiB).",
     [](const Reading& r) {
       return r.memory && !r.memory->shared_with_host
                  ? Value(static_cast<double>(r.memory->reserved) / kMebibyte)
                  : std::nullopt;
     }},
};

template <std::size_t size>
void write_families(MetricWriter& writer, const Family (&families)[size], const Sample& sample,
                    const std::function<std::optional<Labels>(const Reading&)>& labels_of) {
  for (const Family& family : families) {
    bool begun = false;
    for (const auto& reading : sample.readings) {
      const auto labels = labels_of(reading);
      const Value value = labels ? family.value(reading) : std::nullopt;
      if (!value) continue;
      if (!begun) writer.family(family.name, family.type, family.help);
      begun = true;
      writer.value(*labels, *value);
    }
  }
}

Labels label_of(const Reading& reading) {
  return {{"device", base::to_string(reading.device)}};
}

void write_throttling(MetricWriter& writer, const Sample& sample) {
  bool begun = false;
  for (const auto& reading : sample.readings) {
    if (!reading.telemetry.throttle_reasons) continue;
    if (!begun)
      writer.family("greenroom_device_throttled", kGauge,
                    "Why the device runs slower than it could: 1 for each reason at work.");
    begun = true;
    for (const auto reason : devices::throttle_reason_names(~std::uint64_t{0})) {
      bool now = false;
      for (const auto one : devices::throttle_reason_names(*reading.telemetry.throttle_reasons)) {
        now = now || one == reason;
      }
      auto labels = label_of(reading);
      labels.emplace_back("reason", reason);
      writer.value(labels, now ? 1 : 0);
    }
  }
}

void write_processes(MetricWriter& writer, const Sample& sample) {
  bool begun = false;
  for (const auto& reading : sample.readings) {
    if (reading.processes.empty()) continue;
    if (!begun) {
      writer.family("greenroom_device_process_memory_bytes", kGauge,
                    "Memory that programs hold, greenroom's own and all others, as the driver counts it.");
    }
    begun = true;
    double ours = 0, others = 0;
    for (const auto& process : reading.processes) {
      (process.ours ? ours : others) += static_cast<double>(process.bytes.value_or(0));
    }
    for (const auto& [owner, held] : {std::pair("greenroom", ours), std::pair("others", others)}) {
      auto labels = label_of(reading);
      labels.emplace_back("owner", owner);
      writer.value(labels, held);
    }
  }
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

void write_devices(MetricWriter& writer, const Sample& sample) {
  writer.family("greenroom_device_info", kGauge, "A device by its names; always 1.");
  for (const auto& reading : sample.readings) {
    auto labels = label_of(reading);
    labels.emplace_back("uuid", reading.uuid);
    labels.emplace_back("bus_id", reading.bus_id);
    labels.emplace_back("name", reading.name);
    writer.value(labels, 1);
  }
  write_families(writer, kFamilies, sample, [](const Reading& reading) { return label_of(reading); });
  write_throttling(writer, sample);
  write_processes(writer, sample);
}

void write_dcgm(MetricWriter& writer, const Sample& sample) {
  const std::string host = host_name();
  write_families(writer, kDcgmFamilies, sample, [&](const Reading& reading) -> std::optional<Labels> {
    if (reading.device.kind != base::DeviceKind::kCuda || !reading.answers) return std::nullopt;
    const std::string index = std::to_string(reading.device.index);
    return Labels{{"gpu", index},
                  {"UUID", reading.uuid},
                  {"pci_bus_id", reading.bus_id},
                  {"device", "nvidia" + index},
                  {"Hostname", host}};
  });
}

}  // namespace greenroom::app
