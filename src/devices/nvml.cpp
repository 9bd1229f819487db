#include "devices/nvml.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.h"
#include "devices/xid.h"

namespace greenroom::devices {
namespace {

using nvml::call;
using nvml::kSuccess;

constexpr const char* kLibrary = "libnvidia-ml.so.1";
constexpr const char* kWslLibrary = "/usr/lib/wsl/lib/libnvidia-ml.so.1";
constexpr const char* kVariable = "GREENROOM_NVML_LIBRARY";
constexpr auto kLongestPause = std::chrono::seconds(30);

template <typename Call>
std::string read_text(Call&& ask) {
  std::array<char, 128> text{};
  if (ask(text.data(), static_cast<unsigned>(text.size() - 1)) != kSuccess) return "";
  return text.data();
}

std::string read_uuid(const nvml::Table& table, nvml::Handle handle) {
  return read_text([&](char* text, unsigned size) { return call(table.uuid, handle, text, size); });
}

std::string read_name(const nvml::Table& table, nvml::Handle handle) {
  return read_text([&](char* text, unsigned size) { return call(table.name, handle, text, size); });
}

std::string read_bus_id(const nvml::Table& table, nvml::Handle handle) {
  nvml::PciInfo info{};
  if (call(table.pci, handle, &info) != kSuccess) return "";
  info.bus_id[sizeof(info.bus_id) - 1] = 0;
  return info.bus_id;
}

double read_speed(const nvml::Table& table, nvml::Handle handle) {
  unsigned cores = 0, megahertz = 0;
  if (call(table.cores, handle, &cores) != kSuccess ||
      call(table.max_clock, handle, nvml::kClockSm, &megahertz) != kSuccess) {
    return 0;
  }
  return static_cast<double>(cores) * megahertz;
}

// The libraries to try, in this order.
std::vector<std::string> candidates(const std::string& library) {
  if (!library.empty()) return {library};
  const char* set = std::getenv(kVariable);
  if (set != nullptr && *set != 0) return {set};
  return {kLibrary, kWslLibrary};
}

}  // namespace

// One call of the driver for one GPU; keeps the driver from being started again under it.
class Nvml::Visit {
 public:
  Visit(const Nvml& nvml, const std::string& uuid) : nvml_(nvml), uuid_(uuid), subject_(nvml.enter(uuid)) {}
  ~Visit() { nvml_.leave(uuid_, answered_); }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  const nvml::Subject& subject() const { return subject_; }
  void check(nvml::Result result) {
    if (result != kSuccess) nvml_.fail(uuid_, result);
    answered_ = true;
  }

 private:
  const Nvml& nvml_;
  const std::string& uuid_;
  nvml::Subject subject_;
  bool answered_ = false;
};

std::shared_ptr<const Nvml> Nvml::open(const std::string& library, std::string* reason,
                                       const base::Clock* clock) {
  static const base::SystemClock system_clock;
  const auto absent = [&](const std::string& why) {
    if (reason != nullptr) *reason = why;
    return nullptr;
  };
  const auto names = candidates(library);
  std::unique_ptr<const nvml::Table> table;
  std::string words;
  for (const auto& name : names) {
    std::string ignored;
    table = nvml::Table::open(name, words.empty() ? words : ignored);
    if (table) break;
  }
  if (!table) {
    return absent(words.find("No such file") == std::string::npos
                      ? words
                      : fmt::format("{} is not installed: there is no NVIDIA driver", names.front()));
  }
  if (table->init == nullptr || table->count == nullptr || table->handle == nullptr ||
      table->uuid == nullptr) {
    return absent(names.front() + " lacks the functions that list GPUs: it is too old, or another library");
  }
  if (const nvml::Result result = table->init(); result != kSuccess) return absent(nvml::explain(result));
  return std::shared_ptr<const Nvml>(new Nvml(std::move(table), clock != nullptr ? *clock : system_clock));
}

Nvml::Nvml(std::unique_ptr<const nvml::Table> table, const base::Clock& clock)
    : table_(std::move(table)), clock_(clock) {
  const Found found = enumerate(&gpus_);
  for (const auto& [uuid, subject] : found) entries_[uuid] = Entry{subject, true};
  for (const auto& uuid : listen(found)) entries_[uuid].tells_errors = true;
}

Nvml::~Nvml() {
  stop_listening();
  call(table_->shutdown);
}

Nvml::Found Nvml::enumerate(std::vector<Gpu>* gpus) const {
  Found found;
  unsigned count = 0;
  if (call(table_->count, &count) != kSuccess) return found;
  for (unsigned i = 0; i < count; ++i) {
    nvml::Handle handle = nullptr;
    if (call(table_->handle, i, &handle) != kSuccess) continue;
    Gpu gpu{read_uuid(*table_, handle), read_name(*table_, handle), read_bus_id(*table_, handle)};
    found.emplace_back(gpu.uuid, nvml::Subject{handle, handle});
    unsigned mode = 0, pending = 0, instances = 0;
    gpu.is_mig = call(table_->mig_mode, handle, &mode, &pending) == kSuccess && mode == 1;
    if (gpu.is_mig) call(table_->max_mig_count, handle, &instances);
    for (unsigned k = 0; k < instances; ++k) {
      nvml::Handle instance = nullptr;
      if (call(table_->mig_handle, handle, k, &instance) != kSuccess) continue;  // numbers may have holes
      gpu.instances.push_back({read_uuid(*table_, instance), read_name(*table_, instance)});
      found.emplace_back(gpu.instances.back().uuid, nvml::Subject{instance, handle});
    }
    gpu.speed = read_speed(*table_, handle);
    if (gpus != nullptr) gpus->push_back(std::move(gpu));
  }
  return found;
}

// Returns whose errors the driver will report.
std::vector<std::string> Nvml::listen(const Found& found) const {
  std::vector<std::string> told;
  nvml::Handle events = nullptr;
  if (call(table_->event_set_create, &events) != kSuccess) return told;
  std::vector<nvml::Handle> registered;
  for (const auto& [uuid, subject] : found) {
    const bool known = std::find(registered.begin(), registered.end(), subject.gpu) != registered.end();
    if (!known && call(table_->register_events, subject.gpu, nvml::kEventXid, events) != kSuccess) continue;
    if (!known) registered.push_back(subject.gpu);
    told.push_back(uuid);
  }
  if (told.empty()) {
    call(table_->event_set_free, events);
    return told;
  }
  base::MutexLock lock(mutex_);
  events_ = events;
  return told;
}

void Nvml::stop_listening() const {
  nvml::Handle events = nullptr;
  {
    base::MutexLock lock(mutex_);
    events = std::exchange(events_, nullptr);
  }
  if (events != nullptr) call(table_->event_set_free, events);
}

void Nvml::hear_errors() const {
  constexpr int kMostAtOnce = 64;
  nvml::Handle events = nullptr;
  {
    base::MutexLock lock(mutex_);
    if (events_ == nullptr || hearing_) return;
    hearing_ = true;
    events = events_;
  }
  for (int i = 0; i < kMostAtOnce; ++i) {
    nvml::EventData event;
    if (call(table_->event_wait, events, &event, 0U) != kSuccess) break;
    if ((event.type & nvml::kEventXid) != 0) note_error(event);
  }
  base::MutexLock lock(mutex_);
  hearing_ = false;
}

void Nvml::note_error(const nvml::EventData& event) const {
  base::MutexLock lock(mutex_);
  for (auto& [uuid, entry] : entries_) {
    if (entry.subject.gpu != event.device) continue;  // of an instance: its GPU's errors are its own
    ++entry.xid_errors;
    entry.last_xid = static_cast<int>(event.data);
    entry.last_xid_at = clock_.now();
  }
}

std::string Nvml::driver_version() const {
  return read_text([&](char* text, unsigned size) { return call(table_->driver_version, text, size); });
}

std::string Nvml::cuda_version() const {
  constexpr int kMajor = 1000, kMinor = 10;
  int version = 0;
  if (call(table_->cuda_version, &version) != kSuccess || version <= 0) return "";
  return fmt::format("{}.{}", version / kMajor, version % kMajor / kMinor);
}

DeviceMemory Nvml::memory(const std::string& uuid) const {
  Visit visit(*this, uuid);
  DeviceMemory memory;
  visit.check(nvml::read_memory(*table_, visit.subject(), memory));
  return memory;
}

Telemetry Nvml::telemetry(const std::string& uuid) const {
  Visit visit(*this, uuid);
  Telemetry telemetry;
  visit.check(nvml::read_telemetry(*table_, visit.subject(), telemetry));
  hear_errors();
  base::MutexLock lock(mutex_);
  const Entry& entry = entries_[uuid];
  if (entry.tells_errors) telemetry.xid_errors = entry.xid_errors;
  telemetry.last_xid = entry.last_xid;
  telemetry.last_xid_at = entry.last_xid_at;
  return telemetry;
}

std::vector<ProcessUse> Nvml::processes(const std::string& uuid) const {
  Visit visit(*this, uuid);
  std::vector<ProcessUse> processes;
  visit.check(nvml::read_processes(*table_, visit.subject(), processes));
  std::uint64_t seen_us = 0;
  {
    base::MutexLock lock(mutex_);
    seen_us = entries_[uuid].utilisation_seen_us;
  }
  nvml::read_process_utilisation(*table_, visit.subject(), seen_us, processes);
  base::MutexLock lock(mutex_);
  entries_[uuid].utilisation_seen_us = seen_us;
  return processes;
}

std::optional<PcieThroughput> Nvml::pcie_throughput(const std::string& uuid) const {
  const Visit visit(*this, uuid);
  return nvml::read_pcie_throughput(*table_, visit.subject());
}

// Starting the driver's library again takes the handles from whoever uses them, so nobody may.
bool Nvml::may_restart(const Entry& entry) const {
  return visits_ == 0 && clock_.now() >= entry.retry_at;
}

nvml::Subject Nvml::enter(const std::string& uuid) const {
  bool restarted = false;
  while (true) {
    bool restart_now = false;
    {
      base::MutexLock lock(mutex_);
      const auto found = entries_.find(uuid);
      if (restarting_) {
        throw base::Error(base::ErrorCode::kUnavailable, uuid + ": the NVIDIA driver is being started again");
      }
      if (found == entries_.end()) {
        throw base::Error(base::ErrorCode::kUnavailable, uuid + ": there is no such GPU");
      }
      Entry& entry = found->second;
      if (entry.trouble == kSuccess && entry.present) {
        ++visits_;
        return entry.subject;
      }
      if (restarted || !may_restart(entry)) {
        throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: {}", uuid, why(entry)));
      }
      restarting_ = restart_now = true;
    }
    if (restart_now) restart();
    restarted = true;
  }
}

void Nvml::leave(const std::string& uuid, bool answered) const {
  base::MutexLock lock(mutex_);
  --visits_;
  if (answered) entries_[uuid].failures = 0;
}

void Nvml::postpone(Entry& entry) const {
  constexpr int kLongest = 5;  // doublings
  const std::chrono::seconds pause(1 << std::min(entry.failures, kLongest));
  entry.retry_at = clock_.now() + std::min<std::chrono::seconds>(kLongestPause, pause);
  ++entry.failures;
}

// REQUIRES: restarting_ was set by the caller, so nobody else calls the driver.
void Nvml::restart() const {
  stop_listening();
  call(table_->shutdown);
  const nvml::Result result = table_->init();
  const Found found = result == kSuccess ? enumerate(nullptr) : Found();
  const auto told = listen(found);
  base::MutexLock lock(mutex_);
  for (auto& [uuid, entry] : entries_) {
    const auto same = [&, wanted = std::string_view(uuid)](const auto& pair) { return pair.first == wanted; };
    const auto now = std::find_if(found.begin(), found.end(), same);
    entry.present = now != found.end();
    if (entry.present) entry.subject = now->second;
    entry.tells_errors = std::find(told.begin(), told.end(), uuid) != told.end();
    entry.trouble = entry.present || result == kSuccess ? kSuccess : result;
    if (!entry.present) postpone(entry);
  }
  restarting_ = false;
}

std::string Nvml::why(const Entry& entry) {
  std::string words =
      entry.trouble != kSuccess ? nvml::explain(entry.trouble) : "the GPU is gone from the machine";
  if (entry.last_xid) words += "; " + describe_xid(*entry.last_xid);
  return words;
}

void Nvml::fail(const std::string& uuid, nvml::Result result) const {
  if (!nvml::is_trouble(result)) {
    throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: {}", uuid, nvml::explain(result)));
  }
  hear_errors();  // what went before says more
  base::MutexLock lock(mutex_);
  Entry& entry = entries_[uuid];
  entry.trouble = result;
  postpone(entry);
  throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: {}", uuid, why(entry)));
}

}  // namespace greenroom::devices
