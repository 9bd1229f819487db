// A stand-in for libnvidia-ml.so.1. The file that $GREENROOM_NVML_SCENARIO names says what it answers;
// NVML_ERA says which functions it has: those of drivers 430, 470, 535 (its early releases), 560.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "devices/nvml_abi.h"
#include "scenario.h"

#define EXPORTED __attribute__((visibility("default")))

namespace fake_nvml {
namespace {

namespace nvml = greenroom::devices::nvml;
using nvml::Handle;
using nvml::Result;

// What a thread that hung in the driver still uses while the program ends is never destroyed.
std::mutex mutex;
auto& scenario = *new Scenario;
int starts = 0;                                               // of the library
auto& questions = *new std::map<std::string, std::uint64_t>;  // for the memory of a GPU, by UUID
auto& failed_at = *new std::map<std::string, int>;            // the start in which it failed
auto& errors_told = *new std::map<std::string, std::size_t>;  // XIDs, by UUID
// Who is registered, by number of the set.
auto& event_sets = *new std::map<std::uintptr_t, std::vector<Handle>>;

// Handles are numbers: the start of the library, the GPU, and the instance (0: the GPU itself). One of an
// earlier start is refused, as a real driver may crash on it.
constexpr std::uintptr_t kStart = 1u << 20, kGpu = 1u << 10;

Handle make_handle(std::size_t gpu, std::size_t instance) {
  return reinterpret_cast<Handle>(static_cast<std::uintptr_t>(starts) * kStart + (gpu + 1) * kGpu + instance);
}

const char* scenario_file() {
  const char* file = std::getenv("GREENROOM_NVML_SCENARIO");
  return file != nullptr ? file : "";
}

// A call on its way: where it may be refused, slow, or stuck.
Result arrive(const char* function) {
  std::string fifo;
  unsigned microseconds = 0;
  {
    const std::lock_guard lock(mutex);
    if (scenario.live) scenario = read_scenario(scenario_file());
    if (const auto refused = scenario.refused.find(function); refused != scenario.refused.end()) {
      return refused->second;
    }
    if (const auto found = scenario.hanging.find(function); found != scenario.hanging.end()) {
      fifo = found->second;
    }
    if (const auto found = scenario.slow.find(function); found != scenario.slow.end()) {
      microseconds = found->second;
    }
  }
  if (microseconds > 0) ::usleep(microseconds);
  if (!fifo.empty()) {
    const int file = ::open(fifo.c_str(), O_RDONLY);
    char byte = 0;
    while (file >= 0 && ::read(file, &byte, 1) > 0) {
    }
    if (file >= 0) ::close(file);
  }
  return nvml::kSuccess;
}

struct Subject {
  const Gpu* gpu = nullptr;
  const Instance* instance = nullptr;
};

// REQUIRES: mutex is held.
Result find(Handle handle, Subject& subject) {
  if (starts == 0) return nvml::kUninitialised;
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  const std::size_t gpu = number % kStart / kGpu, instance = number % kGpu;
  if (number / kStart != static_cast<std::uintptr_t>(starts) || gpu == 0 || gpu > scenario.gpus.size()) {
    return nvml::kInvalidArgument;
  }
  subject.gpu = &scenario.gpus[gpu - 1];
  if (instance > subject.gpu->instances.size()) return nvml::kInvalidArgument;
  if (instance > 0) subject.instance = &subject.gpu->instances[instance - 1];
  const Numbers* failure = subject.gpu->find("fails", 2);
  if (failure == nullptr || questions[subject.gpu->uuid] + 1 < (*failure)[0]) return nvml::kSuccess;
  const auto first = failed_at.emplace(subject.gpu->uuid, starts).first->second;
  const bool over = failure->size() > 2 && starts >= first + static_cast<int>((*failure)[2]);
  return over ? nvml::kSuccess : static_cast<Result>((*failure)[1]);
}

// Answers with what `read` makes of the subject.
template <typename Read>
Result answer(const char* function, Handle handle, Read&& read) {
  if (const Result result = arrive(function); result != nvml::kSuccess) return result;
  const std::lock_guard lock(mutex);
  Subject subject;
  if (const Result result = find(handle, subject); result != nvml::kSuccess) return result;
  return read(subject);
}

// Answers with one number of a setting of the GPU; not of an instance unless `of_instance`.
template <typename Number>
Result answer_number(const char* function, Handle handle, const char* setting, std::size_t index,
                     Number* value) {
  return answer(function, handle, [&](const Subject& subject) {
    const Numbers* numbers = subject.gpu->find(setting, index + 1);
    if (subject.instance != nullptr || numbers == nullptr) return nvml::kNotSupported;
    *value = static_cast<Number>((*numbers)[index]);
    return nvml::kSuccess;
  });
}

Result copy_text(const std::string& text, char* to, unsigned size) {
  if (text.empty()) return nvml::kNotSupported;
  if (text.size() + 1 > size) return nvml::kInsufficientSize;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return nvml::kSuccess;
}

struct Figures {
  std::uint64_t total = 0, used = 0, reserved = 0;
};

Result read_figures(const Subject& subject, Figures& figures) {
  if (subject.instance != nullptr) {
    figures = {subject.instance->total, subject.instance->used};
    return nvml::kSuccess;
  }
  const Numbers* memory = subject.gpu->find("memory", 2);
  if (memory == nullptr) return nvml::kNotSupported;
  const std::uint64_t question = ++questions[subject.gpu->uuid];
  figures = {(*memory)[0], (*memory)[1], memory->size() > 2 ? (*memory)[2] : 0};
  const Numbers* frees = subject.gpu->find("frees", 2);
  if (frees != nullptr && question >= (*frees)[0]) figures.used = (*frees)[1];
  return nvml::kSuccess;
}

Result list(const char* function, Handle handle, bool graphics, std::size_t stride, unsigned* count,
            void* to) {
  return answer(function, handle, [&](const Subject& subject) {
    std::vector<Process> processes;
    for (const auto& process : subject.gpu->processes) {
      if (process.graphics == graphics) processes.push_back(process);
    }
    const unsigned room = *count;
    *count = static_cast<unsigned>(processes.size());
    if (processes.empty()) return nvml::kSuccess;
    if (to == nullptr || room < processes.size()) return nvml::kInsufficientSize;
    for (std::size_t i = 0; i < processes.size(); ++i) {
      nvml::ProcessInfo info{processes[i].pid, processes[i].bytes.value_or(nvml::kNotAvailable)};
      std::memset(static_cast<char*>(to) + i * stride, 0xff, stride);
      std::memcpy(static_cast<char*>(to) + i * stride, &info, sizeof(info));
    }
    return nvml::kSuccess;
  });
}

}  // namespace
}  // namespace fake_nvml

using namespace fake_nvml;

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

EXPORTED Result nvmlInit_v2() {
  const std::lock_guard lock(mutex);
  static std::string file;
  if (file != scenario_file()) {
    questions.clear();
    failed_at.clear();
    errors_told.clear();
    file = scenario_file();
  }
  scenario = read_scenario(file);
  if (scenario.init != nvml::kSuccess) return scenario.init;
  ++starts;
  return nvml::kSuccess;
}
EXPORTED Result nvmlShutdown() {
  return nvml::kSuccess;
}
EXPORTED Result nvmlSystemGetDriverVersion(char* text, unsigned size) {
  const std::lock_guard lock(mutex);
  return copy_text(scenario.driver, text, size);
}
EXPORTED Result nvmlSystemGetCudaDriverVersion_v2(int* version) {
  const std::lock_guard lock(mutex);
  *version = scenario.cuda;
  return scenario.cuda > 0 ? nvml::kSuccess : nvml::kNotSupported;
}
EXPORTED Result nvmlDeviceGetCount_v2(unsigned* count) {
  if (const Result result = arrive(__func__); result != nvml::kSuccess) return result;
  const std::lock_guard lock(mutex);
  *count = static_cast<unsigned>(scenario.gpus.size());
  return nvml::kSuccess;
}
EXPORTED Result nvmlDeviceGetHandleByIndex_v2(unsigned index, Handle* handle) {
  const std::lock_guard lock(mutex);
  if (index >= scenario.gpus.size()) return nvml::kInvalidArgument;
  if (scenario.gpus[index].settings.contains("gone")) return nvml::kGpuIsLost;
  *handle = make_handle(index, 0);
  return nvml::kSuccess;
}
EXPORTED Result nvmlDeviceGetName(Handle handle, char* text, unsigned size) {
  return answer(__func__, handle, [&](const Subject& subject) {
    return copy_text(subject.instance != nullptr ? subject.instance->name : subject.gpu->name, text, size);
  });
}
EXPORTED Result nvmlDeviceGetUUID(Handle handle, char* text, unsigned size) {
  const std::lock_guard lock(mutex);
  Subject subject;
  const Result result = find(handle, subject);
  if (subject.gpu == nullptr) return result;  // a GPU in trouble still has its number
  return copy_text(subject.instance != nullptr ? subject.instance->uuid : subject.gpu->uuid, text, size);
}
EXPORTED Result nvmlDeviceGetPciInfo_v3(Handle handle, nvml::PciInfo* info) {
  return answer(__func__, handle, [&](const Subject& subject) {
    *info = {};
    return copy_text(subject.gpu->bus_id, info->bus_id, sizeof(info->bus_id));
  });
}
EXPORTED Result nvmlDeviceGetMemoryInfo(Handle handle, nvml::Memory* memory) {
  return answer(__func__, handle, [&](const Subject& subject) {
    Figures figures;
    if (const Result result = read_figures(subject, figures); result != nvml::kSuccess) return result;
    const std::uint64_t used = figures.used + figures.reserved;  // the first version counts both
    *memory = {figures.total, figures.total - used, used};
    return nvml::kSuccess;
  });
}
EXPORTED Result nvmlDeviceGetBAR1MemoryInfo(Handle handle, nvml::Memory* memory) {
  return answer(__func__, handle, [&](const Subject& subject) {
    *memory = {1u << 28, 1u << 27, 1u << 27};
    return subject.gpu->settings.contains("unified") ? nvml::kNotSupported : nvml::kSuccess;
  });
}
EXPORTED Result nvmlDeviceGetUtilizationRates(Handle handle, nvml::Utilisation* utilisation) {
  if (const Result result = answer_number(__func__, handle, "utilisation", 0, &utilisation->gpu))
    return result;
  return answer_number("", handle, "utilisation", 1, &utilisation->memory);
}
EXPORTED Result nvmlDeviceGetTemperature(Handle handle, int, unsigned* celsius) {
  return answer_number(__func__, handle, "celsius", 0, celsius);
}
EXPORTED Result nvmlDeviceGetTemperatureThreshold(Handle handle, int threshold, unsigned* celsius) {
  if (threshold != nvml::kThresholdSlowdown) return nvml::kNotSupported;
  return answer_number(__func__, handle, "slowdown", 0, celsius);
}
EXPORTED Result nvmlDeviceGetPowerUsage(Handle handle, unsigned* milliwatts) {
  return answer_number(__func__, handle, "milliwatts", 0, milliwatts);
}
EXPORTED Result nvmlDeviceGetEnforcedPowerLimit(Handle handle, unsigned* milliwatts) {
  return answer_number(__func__, handle, "milliwatts", 1, milliwatts);
}
EXPORTED Result nvmlDeviceGetTotalEnergyConsumption(Handle handle, unsigned long long* millijoules) {
  return answer_number(__func__, handle, "millijoules", 0, millijoules);
}
EXPORTED Result nvmlDeviceGetFanSpeed(Handle handle, unsigned* percent) {
  return answer_number(__func__, handle, "fan", 0, percent);
}
EXPORTED Result nvmlDeviceGetClockInfo(Handle handle, int clock, unsigned* megahertz) {
  return answer_number(__func__, handle, "megahertz", clock == nvml::kClockSm ? 0 : 1, megahertz);
}
EXPORTED Result nvmlDeviceGetMaxClockInfo(Handle handle, int, unsigned* megahertz) {
  return answer_number(__func__, handle, "cores", 1, megahertz);
}
EXPORTED Result nvmlDeviceGetCurrPcieLinkGeneration(Handle handle, unsigned* generation) {
  return answer_number(__func__, handle, "pcie", 0, generation);
}
EXPORTED Result nvmlDeviceGetCurrPcieLinkWidth(Handle handle, unsigned* lanes) {
  return answer_number(__func__, handle, "pcie", 1, lanes);
}
EXPORTED Result nvmlDeviceGetPcieThroughput(Handle handle, int counter, unsigned* kilobytes) {
  return answer_number(__func__, handle, "pcie", counter == nvml::kPcieSent ? 2 : 3, kilobytes);
}
EXPORTED Result nvmlDeviceGetProcessUtilization(Handle handle, nvml::ProcessUtilisation* samples,
                                                unsigned* count, unsigned long long last_seen) {
  return answer(__func__, handle, [&](const Subject& subject) {
    if (subject.instance != nullptr) return nvml::kNotSupported;
    std::vector<nvml::ProcessUtilisation> known;
    for (const auto& busy : subject.gpu->busy) {
      // The buffer of a real driver holds samples of programs that ended, whatever was seen already.
      if (busy.stamp > last_seen || busy.stale)
        known.push_back({busy.pid, busy.stamp, busy.percent, 0, 0, 0});
    }
    const unsigned room = *count;
    *count = static_cast<unsigned>(known.size());
    if (subject.gpu->busy.empty()) return nvml::kNotSupported;
    if (known.empty()) return nvml::kNotFound;
    if (samples == nullptr || room < known.size()) return nvml::kInsufficientSize;
    std::copy(known.begin(), known.end(), samples);
    return nvml::kSuccess;
  });
}
EXPORTED Result nvmlEventSetCreate(Handle* set) {
  if (const Result result = arrive(__func__); result != nvml::kSuccess) return result;
  const std::lock_guard lock(mutex);
  static std::uintptr_t number = 0;
  event_sets[++number];
  *set = reinterpret_cast<Handle>(number);
  return nvml::kSuccess;
}
EXPORTED Result nvmlEventSetFree(Handle set) {
  const std::lock_guard lock(mutex);
  return event_sets.erase(reinterpret_cast<std::uintptr_t>(set)) > 0 ? nvml::kSuccess
                                                                     : nvml::kInvalidArgument;
}
EXPORTED Result nvmlDeviceRegisterEvents(Handle handle, unsigned long long types, Handle set) {
  return answer(__func__, handle, [&](const Subject& subject) {
    if (subject.instance != nullptr || types != nvml::kEventXid) return nvml::kNotSupported;
    const auto found = event_sets.find(reinterpret_cast<std::uintptr_t>(set));
    if (found == event_sets.end()) return nvml::kInvalidArgument;
    found->second.push_back(handle);
    return nvml::kSuccess;
  });
}
EXPORTED Result nvmlEventSetWait_v2(Handle set, nvml::EventData* data, unsigned) {
  if (const Result result = arrive(__func__); result != nvml::kSuccess) return result;
  const std::lock_guard lock(mutex);
  const auto found = event_sets.find(reinterpret_cast<std::uintptr_t>(set));
  if (found == event_sets.end()) return nvml::kInvalidArgument;
  for (const Handle handle : found->second) {
    const auto gpu = reinterpret_cast<std::uintptr_t>(handle) % kStart / kGpu - 1;
    const Numbers* errors = gpu < scenario.gpus.size() ? scenario.gpus[gpu].find("xid") : nullptr;
    if (errors == nullptr) continue;
    std::size_t& told = errors_told[scenario.gpus[gpu].uuid];
    if (told >= errors->size()) continue;
    *data = {handle, nvml::kEventXid, (*errors)[told++], ~0U, ~0U};
    return nvml::kSuccess;
  }
  return nvml::kTimeout;
}
EXPORTED Result nvmlDeviceGetTotalEccErrors(Handle handle, int type, int, unsigned long long* errors) {
  return answer_number(__func__, handle, "ecc", type == nvml::kEccCorrected ? 0 : 1, errors);
}

#if NVML_ERA < 535
EXPORTED Result nvmlDeviceGetCurrentClocksThrottleReasons(Handle handle, unsigned long long* reasons) {
  return answer_number(__func__, handle, "throttle", 0, reasons);
}
#else
EXPORTED Result nvmlDeviceGetCurrentClocksEventReasons(Handle handle, unsigned long long* reasons) {
  return answer_number(__func__, handle, "throttle", 0, reasons);
}
EXPORTED Result nvmlDeviceGetConfComputeMemSizeInfo(Handle, void*) {
  return nvml::kNotSupported;
}
EXPORTED Result nvmlDeviceGetMemoryInfo_v2(Handle handle, nvml::MemoryV2* memory) {
  if (memory->version != nvml::MemoryV2().version) return nvml::kInvalidArgument;
  return answer(__func__, handle, [&](const Subject& subject) {
    Figures figures;
    if (const Result result = read_figures(subject, figures); result != nvml::kSuccess) return result;
    memory->total = figures.total;
    memory->used = figures.used;
    memory->reserved = figures.reserved;
    memory->free = figures.total - figures.used - figures.reserved;
    return nvml::kSuccess;
  });
}
#endif

#if NVML_ERA == 430
EXPORTED Result nvmlDeviceGetComputeRunningProcesses(Handle handle, unsigned* count, void* to) {
  return list(__func__, handle, false, nvml::kProcessStrideV1, count, to);
}
EXPORTED Result nvmlDeviceGetGraphicsRunningProcesses(Handle handle, unsigned* count, void* to) {
  return list(__func__, handle, true, nvml::kProcessStrideV1, count, to);
}
#elif NVML_ERA == 470
EXPORTED Result nvmlDeviceGetComputeRunningProcesses_v2(Handle handle, unsigned* count, void* to) {
  return list(__func__, handle, false, nvml::kProcessStrideV2, count, to);
}
EXPORTED Result nvmlDeviceGetGraphicsRunningProcesses_v2(Handle handle, unsigned* count, void* to) {
  return list(__func__, handle, true, nvml::kProcessStrideV2, count, to);
}
#else
constexpr std::size_t kStride = NVML_ERA == 535 ? nvml::kProcessStride535 : nvml::kProcessStrideV2;
EXPORTED Result nvmlDeviceGetComputeRunningProcesses_v3(Handle handle, unsigned* count, void* to) {
  return list(__func__, handle, false, kStride, count, to);
}
EXPORTED Result nvmlDeviceGetGraphicsRunningProcesses_v3(Handle handle, unsigned* count, void* to) {
  return list(__func__, handle, true, kStride, count, to);
}
#endif

#if NVML_ERA >= 470
EXPORTED Result nvmlDeviceGetNumGpuCores(Handle handle, unsigned* cores) {
  return answer_number(__func__, handle, "cores", 0, cores);
}
EXPORTED Result nvmlDeviceGetMigMode(Handle handle, unsigned* mode, unsigned* pending) {
  return answer(__func__, handle, [&](const Subject& subject) {
    *mode = *pending = subject.gpu->instances.empty() && !subject.gpu->settings.contains("mig_mode") ? 0 : 1;
    return nvml::kSuccess;
  });
}
EXPORTED Result nvmlDeviceGetMaxMigDeviceCount(Handle, unsigned* count) {
  *count = 7;
  return nvml::kSuccess;
}
EXPORTED Result nvmlDeviceGetMigDeviceHandleByIndex(Handle handle, unsigned index, Handle* instance) {
  return answer(__func__, handle, [&](const Subject& subject) {
    // Every second number is a hole, as after an instance was taken away.
    if (index % 2 != 0 || index / 2 >= subject.gpu->instances.size()) return nvml::kNotFound;
    const auto gpu = static_cast<std::size_t>(subject.gpu - scenario.gpus.data());
    *instance = make_handle(gpu, index / 2 + 1);
    return nvml::kSuccess;
  });
}
#endif

#if NVML_ERA == 560
EXPORTED Result nvmlDeviceGetRunningProcessDetailList(Handle, void*) {
  return nvml::kNotSupported;
}
EXPORTED Result nvmlDeviceGetTemperatureV(Handle handle, nvml::Temperature* temperature) {
  if (temperature->version != nvml::Temperature().version) return nvml::kInvalidArgument;
  return answer_number(__func__, handle, "celsius", 0, &temperature->celsius);
}
EXPORTED Result nvmlDeviceGetMarginTemperature(Handle handle, nvml::MarginTemperature* margin) {
  if (margin->version != nvml::MarginTemperature().version) return nvml::kInvalidArgument;
  return answer_number(__func__, handle, "margin", 0, &margin->celsius);
}
EXPORTED Result nvmlDeviceGetFieldValues(Handle handle, int count, nvml::FieldValue* values) {
  for (int i = 0; i < count; ++i) {
    values[i].type = nvml::kTypeU32;
    values[i].result = values[i].field == nvml::kFieldMemoryTemperature
                           ? answer_number(__func__, handle, "memory_celsius", 0, &values[i].value.u32)
                           : nvml::kNotSupported;
  }
  return nvml::kSuccess;
}
#endif
}
// NOLINTEND(readability-identifier-naming)
