#include "devices/nvml.h"

#include <dlfcn.h>

#include <array>
#include <utility>

namespace greenroom::devices {
namespace {

// From NVIDIA's nvml.h, whose ABI is stable.
using Result = int;
constexpr Result kSuccess = 0;
constexpr int kSensorGpu = 0;

struct RawMemory {
  unsigned long long total, free, used;  // bytes
};
struct RawUtilisation {
  unsigned gpu, memory;  // percent
};

// dlopen's handle, closed on destruction.
class SharedLibrary {
 public:
  explicit SharedLibrary(const char* name) : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {}
  ~SharedLibrary() {
    if (handle_ != nullptr) dlclose(handle_);
  }
  SharedLibrary(const SharedLibrary&) = delete;
  SharedLibrary& operator=(const SharedLibrary&) = delete;

  bool is_open() const { return handle_ != nullptr; }

  // Whether there is such a function; `function` is null if not.
  template <typename Function>
  bool find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(dlsym(handle_, name));
    return function != nullptr;
  }

 private:
  void* handle_;
};

}  // namespace

struct Nvml::Table {
  explicit Table(const char* file) : library(file) {}

  bool fill() {
    // Optional ones first; a driver that lacks the others is not one we can read.
    library.find("nvmlDeviceGetUtilizationRates", utilisation);
    library.find("nvmlDeviceGetTemperature", temperature);
    library.find("nvmlSystemGetDriverVersion", driver_version);
    return library.find("nvmlInit_v2", init) && library.find("nvmlShutdown", shutdown) &&
           library.find("nvmlDeviceGetCount_v2", count) &&
           library.find("nvmlDeviceGetHandleByIndex_v2", handle) && library.find("nvmlDeviceGetName", name) &&
           library.find("nvmlDeviceGetUUID", uuid) && library.find("nvmlDeviceGetMemoryInfo", memory);
  }

  SharedLibrary library;
  Result (*init)() = nullptr;
  Result (*shutdown)() = nullptr;
  Result (*count)(unsigned*) = nullptr;
  Result (*handle)(unsigned, Handle*) = nullptr;
  Result (*name)(Handle, char*, unsigned) = nullptr;
  Result (*uuid)(Handle, char*, unsigned) = nullptr;
  Result (*memory)(Handle, RawMemory*) = nullptr;
  Result (*utilisation)(Handle, RawUtilisation*) = nullptr;
  Result (*temperature)(Handle, int, unsigned*) = nullptr;
  Result (*driver_version)(char*, unsigned) = nullptr;
};

namespace {

template <typename Call>
std::string read_text(Call&& call) {
  std::array<char, 128> text{};
  if (call(text.data(), static_cast<unsigned>(text.size() - 1)) != kSuccess) return "";
  return text.data();
}

}  // namespace

std::shared_ptr<const Nvml> Nvml::open(const std::string& library, std::string* reason) {
  const auto absent = [&](const std::string& why) {
    if (reason != nullptr) *reason = why;
    return nullptr;
  };
  auto table = std::make_unique<Table>(library.c_str());
  if (!table->library.is_open()) return absent(library + " is not installed");
  if (!table->fill()) return absent(library + " lacks a function: the driver is too old");
  const Result result = table->init();
  if (result != kSuccess) return absent("nvmlInit failed with code " + std::to_string(result));
  return std::shared_ptr<const Nvml>(new Nvml(std::move(table)));
}

Nvml::Nvml(std::unique_ptr<const Table> table) : table_(std::move(table)) {}

Nvml::~Nvml() {
  table_->shutdown();
}

unsigned Nvml::device_count() const {
  unsigned count = 0;
  return table_->count(&count) == kSuccess ? count : 0;
}

std::string Nvml::driver_version() const {
  return table_->driver_version == nullptr ? "" : read_text(table_->driver_version);
}

std::optional<Nvml::Handle> Nvml::device(unsigned index) const {
  Handle handle = nullptr;
  if (table_->handle(index, &handle) != kSuccess) return std::nullopt;
  return handle;
}

std::string Nvml::name(Handle device) const {
  return read_text([&](char* text, unsigned size) { return table_->name(device, text, size); });
}

std::string Nvml::uuid(Handle device) const {
  return read_text([&](char* text, unsigned size) { return table_->uuid(device, text, size); });
}

std::optional<DeviceMemory> Nvml::memory(Handle device) const {
  RawMemory raw{};
  if (table_->memory(device, &raw) != kSuccess) return std::nullopt;
  return DeviceMemory{raw.total, raw.free};
}

std::optional<int> Nvml::utilisation_percent(Handle device) const {
  RawUtilisation raw{};
  if (table_->utilisation == nullptr || table_->utilisation(device, &raw) != kSuccess) return std::nullopt;
  return static_cast<int>(raw.gpu);
}

std::optional<int> Nvml::temperature_celsius(Handle device) const {
  unsigned celsius = 0;
  if (table_->temperature == nullptr || table_->temperature(device, kSensorGpu, &celsius) != kSuccess) {
    return std::nullopt;
  }
  return static_cast<int>(celsius);
}

}  // namespace greenroom::devices
