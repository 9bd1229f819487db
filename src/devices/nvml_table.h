// The functions of libnvidia-ml, found at run time. A driver that lacks one lacks one reading, not all.
#pragma once

#include <memory>
#include <string>

#include "devices/nvml_abi.h"

namespace greenroom::devices::nvml {

// A function is null when the library does not have it. Immutable. The library stays open for as long as the
// process lives: a thread may be inside it at any time.
struct Table {
  // Null when there is no such library; `reason` then has the dynamic linker's words.
  static std::unique_ptr<const Table> open(const std::string& library, std::string& reason);

  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  Result (*driver_version)(char*, unsigned) = nullptr;
  Result (*nvml_version)(char*, unsigned) = nullptr;
  Result (*cuda_version)(int*) = nullptr;
  Result (*count)(unsigned*) = nullptr;
  Result (*handle)(unsigned, Handle*) = nullptr;
  Result (*name)(Handle, char*, unsigned) = nullptr;
  Result (*uuid)(Handle, char*, unsigned) = nullptr;
  Result (*pci)(Handle, PciInfo*) = nullptr;
  Result (*cores)(Handle, unsigned*) = nullptr;
  Result (*max_clock)(Handle, int, unsigned*) = nullptr;
  Result (*memory_v2)(Handle, MemoryV2*) = nullptr;
  Result (*memory)(Handle, Memory*) = nullptr;
  Result (*bar1)(Handle, Memory*) = nullptr;
  Result (*utilisation)(Handle, Utilisation*) = nullptr;
  Result (*temperature_v)(Handle, Temperature*) = nullptr;
  Result (*temperature)(Handle, int, unsigned*) = nullptr;
  Result (*margin_temperature)(Handle, MarginTemperature*) = nullptr;
  Result (*temperature_threshold)(Handle, int, unsigned*) = nullptr;
  Result (*fields)(Handle, int, FieldValue*) = nullptr;
  Result (*power)(Handle, unsigned*) = nullptr;                   // mW
  Result (*enforced_power_limit)(Handle, unsigned*) = nullptr;    // mW
  Result (*management_power_limit)(Handle, unsigned*) = nullptr;  // mW
  Result (*energy)(Handle, unsigned long long*) = nullptr;        // mJ
  Result (*fan)(Handle, unsigned*) = nullptr;
  Result (*clock)(Handle, int, unsigned*) = nullptr;
  Result (*throttle_reasons)(Handle, unsigned long long*) = nullptr;
  Result (*pcie_generation)(Handle, unsigned*) = nullptr;
  Result (*pcie_width)(Handle, unsigned*) = nullptr;
  Result (*pcie_throughput)(Handle, int, unsigned*) = nullptr;  // KB/s, blocks 20 ms
  Result (*ecc_errors)(Handle, int, int, unsigned long long*) = nullptr;
  Result (*mig_mode)(Handle, unsigned*, unsigned*) = nullptr;
  Result (*max_mig_count)(Handle, unsigned*) = nullptr;
  Result (*mig_handle)(Handle, unsigned, Handle*) = nullptr;

  Result (*process_utilisation)(Handle, ProcessUtilisation*, unsigned*, unsigned long long) = nullptr;
  Result (*event_set_create)(Handle*) = nullptr;
  Result (*event_set_free)(Handle) = nullptr;
  Result (*register_events)(Handle, unsigned long long, Handle) = nullptr;
  Result (*event_wait)(Handle, EventData*, unsigned) = nullptr;  // ms

  // Lists of processes: compute, graphics, MPS.
  struct ProcessList {
    Result (*list)(Handle, unsigned*, void*) = nullptr;
    std::size_t stride = kProcessStrideV1;
  };
  ProcessList processes[3];
};

// Calls a function that may be missing.
template <typename... Parameters, typename... Arguments>
Result call(Result (*function)(Parameters...), Arguments... arguments) {
  return function == nullptr ? kFunctionNotFound : function(arguments...);
}

}  // namespace greenroom::devices::nvml
