#include "devices/nvml_readings.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace greenroom::devices::nvml {
namespace {

constexpr int kMaxPercent = 100;
constexpr int kMaxFanPercent = 300;
constexpr int kMaxCelsius = 200;
constexpr unsigned kMaxMegahertz = 100'000;
constexpr unsigned kMaxMilliwatts = 10'000'000;
constexpr std::uint64_t kKilobyte = 1000;  // NVML's KB/s

// Asks one question after the other, and remembers when the answer was that the GPU is in trouble.
class Questions {
 public:
  // Whether the driver answered.
  template <typename... Parameters, typename... Arguments>
  bool ask(Result (*function)(Parameters...), Arguments... arguments) {
    if (trouble_ != kSuccess) return false;  // the rest would only wait for the same answer
    const Result result = call(function, arguments...);
    // An unknown error to one question of many may be about the question alone.
    if (is_trouble(result) && result != kUnknown) trouble_ = result;
    return result == kSuccess;
  }

  Result trouble() const { return trouble_; }

 private:
  Result trouble_ = kSuccess;
};

// The number, when it is a possible one.
template <typename Number, typename Limit>
std::optional<int> within(Number value, Limit highest) {
  return value <= static_cast<Number>(highest) ? std::optional(static_cast<int>(value)) : std::nullopt;
}

// -1 is how NVML says that it has no figure; no GPU that works is that cold.
std::optional<int> possible_celsius(std::int32_t celsius) {
  return celsius != -1 && std::abs(celsius) <= kMaxCelsius ? std::optional<int>(celsius) : std::nullopt;
}

std::optional<double> thousandths(unsigned value) {
  constexpr double kThousand = 1000;
  return value <= kMaxMilliwatts ? std::optional(value / kThousand) : std::nullopt;
}

void read_utilisation(Questions& questions, const Table& table, Handle handle, Telemetry& telemetry) {
  Utilisation raw{};
  if (!questions.ask(table.utilisation, handle, &raw)) return;
  telemetry.utilisation_percent = within(raw.gpu, kMaxPercent);
  telemetry.memory_utilisation_percent = within(raw.memory, kMaxPercent);
}

std::optional<int> read_celsius(Questions& questions, const Table& table, Handle gpu) {
  Temperature versioned;
  if (questions.ask(table.temperature_v, gpu, &versioned)) return possible_celsius(versioned.celsius);
  unsigned celsius = 0;
  if (questions.ask(table.temperature, gpu, kSensorGpu, &celsius)) return within(celsius, kMaxCelsius);
  return std::nullopt;
}

// Newer GPUs tell the margin itself, older ones the temperature at which they slow down.
std::optional<int> read_headroom(Questions& questions, const Table& table, Handle gpu,
                                 std::optional<int> celsius) {
  MarginTemperature margin;
  if (questions.ask(table.margin_temperature, gpu, &margin)) {
    return std::abs(margin.celsius) <= kMaxCelsius ? std::optional<int>(margin.celsius) : std::nullopt;
  }
  unsigned slowdown = 0;
  if (celsius && questions.ask(table.temperature_threshold, gpu, kThresholdSlowdown, &slowdown) &&
      slowdown <= kMaxCelsius) {
    return static_cast<int>(slowdown) - *celsius;
  }
  return std::nullopt;
}

void read_temperatures(Questions& questions, const Table& table, Handle gpu, Telemetry& telemetry) {
  telemetry.temperature_celsius = read_celsius(questions, table, gpu);
  telemetry.thermal_headroom_celsius = read_headroom(questions, table, gpu, telemetry.temperature_celsius);
  FieldValue field;
  field.field = kFieldMemoryTemperature;
  if (questions.ask(table.fields, gpu, 1, &field) && field.result == kSuccess && field.type == kTypeU32) {
    telemetry.memory_temperature_celsius = within(field.value.u32, kMaxCelsius);
  }
  unsigned fan = 0;
  if (questions.ask(table.fan, gpu, &fan)) telemetry.fan_percent = within(fan, kMaxFanPercent);
}

void read_power(Questions& questions, const Table& table, Handle gpu, Telemetry& telemetry) {
  unsigned milliwatts = 0;
  if (questions.ask(table.power, gpu, &milliwatts)) telemetry.power_watts = thousandths(milliwatts);
  if (questions.ask(table.enforced_power_limit, gpu, &milliwatts) ||
      questions.ask(table.management_power_limit, gpu, &milliwatts)) {
    telemetry.power_limit_watts = thousandths(milliwatts);
  }
  unsigned long long millijoules = 0;
  if (questions.ask(table.energy, gpu, &millijoules) && millijoules != kNotAvailable) {
    constexpr double kThousand = 1000;
    telemetry.energy_joules = static_cast<double>(millijoules) / kThousand;
  }
}

void read_clocks(Questions& questions, const Table& table, Handle gpu, Telemetry& telemetry) {
  unsigned megahertz = 0;
  if (questions.ask(table.clock, gpu, kClockSm, &megahertz)) {
    telemetry.clock_mhz = within(megahertz, kMaxMegahertz);
  }
  if (questions.ask(table.clock, gpu, kClockMemory, &megahertz)) {
    telemetry.memory_clock_mhz = within(megahertz, kMaxMegahertz);
  }
  unsigned long long reasons = 0;
  if (questions.ask(table.throttle_reasons, gpu, &reasons)) telemetry.throttle_reasons = reasons;
}

void read_link_and_errors(Questions& questions, const Table& table, Handle gpu, Telemetry& telemetry) {
  constexpr unsigned kMaxGeneration = 16, kMaxLanes = 64;
  unsigned number = 0;
  if (questions.ask(table.pcie_generation, gpu, &number)) {
    telemetry.pcie_generation = within(number, kMaxGeneration);
  }
  if (questions.ask(table.pcie_width, gpu, &number)) telemetry.pcie_lanes = within(number, kMaxLanes);
  unsigned long long errors = 0;
  if (questions.ask(table.ecc_errors, gpu, kEccCorrected, kEccVolatile, &errors) && errors != kNotAvailable) {
    telemetry.ecc_corrected = errors;
  }
  if (questions.ask(table.ecc_errors, gpu, kEccUncorrected, kEccVolatile, &errors) &&
      errors != kNotAvailable) {
    telemetry.ecc_uncorrected = errors;
  }
}

// The raw list, asked for again with more room for as long as it grows in between.
Result list_processes(const Table::ProcessList& source, Handle handle, std::vector<std::byte>& raw,
                      unsigned& count) {
  constexpr unsigned kFirstRoom = 32, kMoreRoom = 8, kMaxRoom = 65536;
  constexpr int kMaxTries = 5;
  unsigned room = kFirstRoom;
  Result result = kInsufficientSize;
  for (int i = 0; i < kMaxTries && result == kInsufficientSize && room <= kMaxRoom; ++i) {
    raw.assign(std::size_t{room} * kProcessStride535, std::byte());
    count = room;
    result = source.list(handle, &count, raw.data());
    if (result == kSuccess && count > room) return kUnknown;
    if (result == kInsufficientSize) room = std::max(count, room) * 2 + kMoreRoom;
  }
  return result;
}

}  // namespace

bool is_trouble(Result result) {
  return result == kUninitialised || result == kGpuIsLost || result == kResetRequired ||
         result == kOperatingSystem || result == kUnknown;
}

std::string explain(Result result) {
  const char* meaning = "the NVIDIA driver answers with an error";
  switch (result) {
    case kUninitialised:
      meaning = "the NVIDIA driver was shut down";
      break;
    case kNotSupported:
      meaning = "the NVIDIA driver does not support the question on this GPU";
      break;
    case kNoPermission:
      meaning = "no permission to ask the NVIDIA driver; give this user access to /dev/nvidia*";
      break;
    case kDriverNotLoaded:
      meaning = "the NVIDIA driver is not loaded; load it with modprobe nvidia, or install it";
      break;
    case kGpuIsLost:
      meaning = "the GPU is lost: it fell off the bus or was reset; restart the machine if it stays away";
      break;
    case kResetRequired:
      meaning = "the GPU must be reset: stop its programs and run nvidia-smi --gpu-reset, or restart";
      break;
    case kOperatingSystem:
      meaning = "the operating system blocks the NVIDIA driver; in a container, give it the GPU again";
      break;
    case kVersionMismatch:
      meaning = "NVIDIA's library and kernel module are of different versions; restart after the upgrade";
      break;
    case kUnknown:
      meaning = "the NVIDIA driver answers with an unknown error; in a container, restart the container";
      break;
    default:
      break;
  }
  return fmt::format("{} (NVML code {})", meaning, result);
}

Result read_memory(const Table& table, const Subject& subject, DeviceMemory& memory) {
  MemoryV2 second;
  const Result second_result = call(table.memory_v2, subject.handle, &second);
  if (second_result == kSuccess && second.total > 0) {
    memory = {second.total, std::min(second.free, second.total), second.reserved};
    return kSuccess;
  }
  Memory first{};
  const Result first_result = call(table.memory, subject.handle, &first);
  if (first_result == kSuccess && first.total > 0) {
    memory = {first.total, std::min(first.free, first.total)};
    return kSuccess;
  }
  // A GPU that has no memory of its own has no window to it on the bus either.
  Memory window{};
  if ((first_result == kSuccess || first_result == kNotSupported) &&
      call(table.bar1, subject.gpu, &window) != kSuccess) {
    memory = {};
    memory.shared_with_host = true;
    return kSuccess;
  }
  return first_result == kSuccess ? kNotSupported : first_result;
}

Result read_telemetry(const Table& table, const Subject& subject, Telemetry& telemetry) {
  Questions questions;
  read_utilisation(questions, table, subject.handle, telemetry);
  read_temperatures(questions, table, subject.gpu, telemetry);
  read_power(questions, table, subject.gpu, telemetry);
  read_clocks(questions, table, subject.gpu, telemetry);
  read_link_and_errors(questions, table, subject.gpu, telemetry);
  return questions.trouble();
}

Result read_processes(const Table& table, const Subject& subject, std::vector<ProcessUse>& processes) {
  std::map<std::uint64_t, ProcessUse> by_pid;
  for (const auto& source : table.processes) {
    if (source.list == nullptr) continue;
    std::vector<std::byte> raw;
    unsigned count = 0;
    const Result result = list_processes(source, subject.handle, raw, count);
    if (is_trouble(result)) return result;
    if (result != kSuccess) continue;
    for (unsigned i = 0; i < count; ++i) {
      ProcessInfo info{};
      std::memcpy(&info, raw.data() + i * source.stride, sizeof(info));
      ProcessUse& use = by_pid[info.pid];
      use.pid = info.pid;
      if (info.bytes != kNotAvailable) use.bytes = std::max(use.bytes.value_or(0), info.bytes);
    }
  }
  processes.clear();
  for (auto& [pid, use] : by_pid) processes.push_back(std::move(use));
  return kSuccess;
}

void read_process_utilisation(const Table& table, const Subject& subject, std::uint64_t& last_seen_us,
                              std::vector<ProcessUse>& processes) {
  constexpr unsigned kFirstRoom = 128, kMoreRoom = 32, kMaxRoom = 65536;
  if (subject.handle != subject.gpu || processes.empty()) return;
  std::vector<ProcessUtilisation> samples(kFirstRoom);
  unsigned count = kFirstRoom;
  Result result = kInsufficientSize;
  for (int i = 0; i < 3 && result == kInsufficientSize && samples.size() <= kMaxRoom; ++i) {
    if (i > 0) samples.assign(std::max<std::size_t>(count, samples.size()) + kMoreRoom, {});
    count = static_cast<unsigned>(samples.size());
    result = call(table.process_utilisation, subject.gpu, samples.data(), &count, last_seen_us);
  }
  if (result != kSuccess) return;
  samples.resize(std::min<std::size_t>(count, samples.size()));
  std::map<std::uint64_t, std::uint64_t> newest;  // stamp by process
  for (const auto& sample : samples) {
    // Drivers repeat old figures and invent impossible ones for programs that have ended.
    if (sample.timestamp_us <= last_seen_us || sample.sm > kMaxPercent) continue;
    std::uint64_t& stamp = newest[sample.pid];
    if (sample.timestamp_us <= stamp) continue;
    stamp = sample.timestamp_us;
    for (auto& process : processes) {
      if (process.pid == sample.pid) process.utilisation_percent = static_cast<int>(sample.sm);
    }
  }
  for (const auto& [pid, stamp] : newest) last_seen_us = std::max(last_seen_us, stamp);
}

std::optional<PcieThroughput> read_pcie_throughput(const Table& table, const Subject& subject) {
  unsigned sent = 0, received = 0;
  if (call(table.pcie_throughput, subject.gpu, kPcieSent, &sent) != kSuccess ||
      call(table.pcie_throughput, subject.gpu, kPcieReceived, &received) != kSuccess) {
    return std::nullopt;
  }
  return PcieThroughput{sent * kKilobyte, received * kKilobyte};
}

}  // namespace greenroom::devices::nvml
