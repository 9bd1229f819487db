#include "devices/nvml_table.h"

#include <dlfcn.h>

#include <initializer_list>

namespace greenroom::devices::nvml {
namespace {

// The newest name that the library has.
template <typename Function>
void find(void* library, Function*& function, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    if (function != nullptr) return;
  }
}

void find_processes(void* library, Table::ProcessList& list, const std::string& name) {
  // The third version was larger while the driver could not list processes in detail (GPUs with confidential
  // computing, drivers 535.43 to 535.86).
  const bool large = dlsym(library, "nvmlDeviceGetConfComputeMemSizeInfo") != nullptr &&
                     dlsym(library, "nvmlDeviceGetRunningProcessDetailList") == nullptr;
  const struct {
    const char* suffix;
    std::size_t stride;
  } versions[] = {{"_v3", large ? kProcessStride535 : kProcessStrideV2},
                  {"_v2", kProcessStrideV2},
                  {"", kProcessStrideV1}};
  for (const auto& version : versions) {
    find(library, list.list, {(name + version.suffix).c_str()});
    list.stride = version.stride;
    if (list.list != nullptr) return;
  }
}

void find_system(void* library, Table& table) {
  find(library, table.init, {"nvmlInit_v2", "nvmlInit"});
  find(library, table.shutdown, {"nvmlShutdown"});
  find(library, table.driver_version, {"nvmlSystemGetDriverVersion"});
  find(library, table.nvml_version, {"nvmlSystemGetNVMLVersion"});
  find(library, table.cuda_version, {"nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"});
  find(library, table.count, {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"});
  find(library, table.handle, {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"});
  find(library, table.name, {"nvmlDeviceGetName"});
  find(library, table.uuid, {"nvmlDeviceGetUUID"});
  find(library, table.pci, {"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2"});
  find(library, table.cores, {"nvmlDeviceGetNumGpuCores"});
  find(library, table.max_clock, {"nvmlDeviceGetMaxClockInfo"});
  find(library, table.mig_mode, {"nvmlDeviceGetMigMode"});
  find(library, table.max_mig_count, {"nvmlDeviceGetMaxMigDeviceCount"});
  find(library, table.mig_handle, {"nvmlDeviceGetMigDeviceHandleByIndex"});
}

void find_readings(void* library, Table& table) {
  find(library, table.memory_v2, {"nvmlDeviceGetMemoryInfo_v2"});
  find(library, table.memory, {"nvmlDeviceGetMemoryInfo"});
  find(library, table.bar1, {"nvmlDeviceGetBAR1MemoryInfo"});
  find(library, table.utilisation, {"nvmlDeviceGetUtilizationRates"});
  find(library, table.temperature_v, {"nvmlDeviceGetTemperatureV"});
  find(library, table.temperature, {"nvmlDeviceGetTemperature"});
  find(library, table.margin_temperature, {"nvmlDeviceGetMarginTemperature"});
  find(library, table.temperature_threshold, {"nvmlDeviceGetTemperatureThreshold"});
  find(library, table.fields, {"nvmlDeviceGetFieldValues"});
  find(library, table.power, {"nvmlDeviceGetPowerUsage"});
  find(library, table.enforced_power_limit, {"nvmlDeviceGetEnforcedPowerLimit"});
  find(library, table.management_power_limit, {"nvmlDeviceGetPowerManagementLimit"});
  find(library, table.energy, {"nvmlDeviceGetTotalEnergyConsumption"});
  find(library, table.fan, {"nvmlDeviceGetFanSpeed"});
  find(library, table.clock, {"nvmlDeviceGetClockInfo"});
  find(library, table.throttle_reasons,
       {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"});
  find(library, table.pcie_generation, {"nvmlDeviceGetCurrPcieLinkGeneration"});
  find(library, table.pcie_width, {"nvmlDeviceGetCurrPcieLinkWidth"});
  find(library, table.pcie_throughput, {"nvmlDeviceGetPcieThroughput"});
  find(library, table.ecc_errors, {"nvmlDeviceGetTotalEccErrors"});
  find(library, table.process_utilisation, {"nvmlDeviceGetProcessUtilization"});
  find(library, table.event_set_create, {"nvmlEventSetCreate"});
  find(library, table.event_set_free, {"nvmlEventSetFree"});
  find(library, table.register_events, {"nvmlDeviceRegisterEvents"});
  find(library, table.event_wait, {"nvmlEventSetWait_v2", "nvmlEventSetWait"});
  find_processes(library, table.processes[0], "nvmlDeviceGetComputeRunningProcesses");
  find_processes(library, table.processes[1], "nvmlDeviceGetGraphicsRunningProcesses");
  find_processes(library, table.processes[2], "nvmlDeviceGetMPSComputeRunningProcesses");
}

}  // namespace

std::unique_ptr<const Table> Table::open(const std::string& library, std::string& reason) {
  void* const opened = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) {
    const char* words = dlerror();
    reason = words != nullptr ? words : library + " cannot be opened";
    return nullptr;
  }
  auto table = std::make_unique<Table>();
  find_system(opened, *table);
  find_readings(opened, *table);
  return table;
}

}  // namespace greenroom::devices::nvml
