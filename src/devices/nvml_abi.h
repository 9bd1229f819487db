// The binary interface of NVIDIA's management library, as far as it is used here: the layouts, codes and
// numbers of nvml.h, which are stable from driver 430 on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace greenroom::devices::nvml {

using Handle = void*;
using Result = int;

constexpr Result kSuccess = 0;
constexpr Result kUninitialised = 1;
constexpr Result kInvalidArgument = 2;
constexpr Result kNotSupported = 3;
constexpr Result kNoPermission = 4;
constexpr Result kNotFound = 6;
constexpr Result kInsufficientSize = 7;
constexpr Result kDriverNotLoaded = 9;
constexpr Result kTimeout = 10;
constexpr Result kFunctionNotFound = 13;
constexpr Result kGpuIsLost = 15;
constexpr Result kResetRequired = 16;
constexpr Result kOperatingSystem = 17;
constexpr Result kVersionMismatch = 18;
constexpr Result kUnknown = 999;

constexpr std::uint64_t kNotAvailable = ~0ULL;  // in the place of a number of 64 bits

struct Memory {
  std::uint64_t total, free, used;
};
static_assert(sizeof(Memory) == 24);

struct MemoryV2 {
  std::uint32_t version = 0x02000028;  // 2 << 24 | size
  std::uint64_t total = 0, reserved = 0, free = 0, used = 0;
};
static_assert(sizeof(MemoryV2) == 40 && offsetof(MemoryV2, free) == 24);

struct Utilisation {
  std::uint32_t gpu, memory;  // percent
};

struct Temperature {
  std::uint32_t version = 0x0100000c;
  std::uint32_t sensor = 0;
  std::int32_t celsius = 0;
};
static_assert(sizeof(Temperature) == 12);

struct MarginTemperature {
  std::uint32_t version = 0x01000008;
  std::int32_t celsius = 0;
};
static_assert(sizeof(MarginTemperature) == 8);

struct FieldValue {
  std::uint32_t field = 0;
  std::uint32_t scope = 0;
  std::int64_t timestamp = 0;
  std::int64_t latency_us = 0;
  std::uint32_t type = 0;  // of the value, see the constants below
  Result result = 0;
  union {
    double real;
    std::uint32_t u32;
    std::uint64_t u64;
    std::int64_t i64;
  } value = {};
};
static_assert(sizeof(FieldValue) == 40 && offsetof(FieldValue, result) == 28);
constexpr std::uint32_t kFieldMemoryTemperature = 82;
constexpr std::uint32_t kTypeU32 = 1;

struct PciInfo {
  char legacy_bus_id[16];
  std::uint32_t domain, bus, device, device_id, subsystem_id;
  char bus_id[32];
};
static_assert(sizeof(PciInfo) == 68 && offsetof(PciInfo, bus_id) == 36);

// The head of every version of the structure; how far apart they are depends on it.
struct ProcessInfo {
  std::uint32_t pid;
  std::uint64_t bytes;
};
static_assert(sizeof(ProcessInfo) == 16);
constexpr std::size_t kProcessStrideV1 = 16;
constexpr std::size_t kProcessStrideV2 = 24;   // + two instance numbers
constexpr std::size_t kProcessStride535 = 32;  // drivers 535.43 to 535.86 only, with the name of v3

// How busy one program kept the GPU over a while that ended at `timestamp_us`.
struct ProcessUtilisation {
  std::uint32_t pid = 0;
  std::uint64_t timestamp_us = 0;
  std::uint32_t sm = 0, memory = 0, encoder = 0, decoder = 0;  // percent
};
static_assert(sizeof(ProcessUtilisation) == 32 && offsetof(ProcessUtilisation, sm) == 16);

struct EventData {
  Handle device = nullptr;
  std::uint64_t type = 0;
  std::uint64_t data = 0;  // of an XID: its number
  std::uint32_t gpu_instance = 0, compute_instance = 0;
};
static_assert(sizeof(EventData) == 32);
constexpr unsigned long long kEventXid = 0x8;

constexpr int kSensorGpu = 0;
constexpr int kThresholdSlowdown = 1;
constexpr int kClockSm = 1;
constexpr int kClockMemory = 2;
constexpr int kPcieSent = 0;
constexpr int kPcieReceived = 1;
constexpr int kEccCorrected = 0;
constexpr int kEccUncorrected = 1;
constexpr int kEccVolatile = 0;

}  // namespace greenroom::devices::nvml
