// The manager's state at one moment, as plain values for those who show it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/device_id.h"
#include "core/ledger.h"

namespace greenroom::core {

enum class ModelStatus { kUnloaded, kLoading, kLoaded, kUnloading, kError };

// kLoading covers the wait for its turn; kFreeing is on its way out, its bytes are still claimed.
enum class ComponentState { kLoading, kResident, kFreeing };

// Stable lower-case names, for logs and JSON ("loaded", "resident").
std::string_view model_status_name(ModelStatus status);
std::string_view component_state_name(ComponentState state);

struct ComponentInfo {
  std::string kind;
  std::filesystem::path file;
  std::string variant;
  base::DeviceId device;
  std::uint64_t bytes = 0;  // reserved while loading, real once resident
  ComponentState state = ComponentState::kLoading;
  std::vector<std::string> holders;  // ids of the models that keep or load it; empty: idle, may be evicted
  int leases = 0;
};

struct ModelInfo {
  std::string id;
  std::string type;
  base::DeviceId device;
  ModelStatus status = ModelStatus::kUnloaded;
  int holds = 0;                          // explicit loads not yet taken back; 0 and kLoaded: kept, idle
  int leases = 0;                         // of running inferences
  int waiting = 0;                        // callers of load() that wait for the load under way
  std::uint64_t bytes = 0;                // all its components, shared ones included
  std::vector<ComponentInfo> components;  // by index into Model::components(); empty unless loaded
  std::string error;                      // why the last load failed; empty when it did not
  std::string error_code;                 // that error's kind, as base::error_code_name() has it
  std::string remedy;                     // what to do about that
  std::optional<base::Clock::TimePoint> last_used;  // of a loaded model: when its last use ended, or its load
};

struct DeviceMemory {
  base::DeviceId device;
  LedgerTotals totals;
  std::vector<ComponentInfo> components;  // each once, however many models share it
};

// A component's image in host memory.
struct ImageInfo {
  std::string kind;
  std::filesystem::path file;
  std::uint64_t bytes = 0;
  bool in_use = false;  // a load copies from it
};

// The tier between device and disk.
struct HostMemory {
  LedgerTotals totals;  // resident: images; reserved: images being filled
  std::vector<ImageInfo> images;
};

}  // namespace greenroom::core
