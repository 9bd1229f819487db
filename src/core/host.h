// The host port: every effect on a device goes through the host of that device, so that a device may be
// driven from this process or from a worker of its own, and simulated in tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/device_id.h"
#include "core/model.h"

namespace greenroom::core {

// What a device says about its memory right now, in bytes.
struct DeviceReading {
  std::uint64_t total = 0;
  std::uint64_t free = 0;  // as the device reports it, other programs considered
  // Of what is not free, what this host's allocator holds: weights, workspace, pools. Absent: unknown; then
  // the weights that the ledger knows are taken for it.
  std::optional<std::uint64_t> ours;
  // `free` and `ours` follow our own loads and frees to the byte (up to allocation granularity), so that an
  // unload can be proven. False for main memory, where the page cache and everybody else are in the figures.
  bool is_exact = false;
  // What using the device costs a program beside all that it allocates (the CUDA context): now, and what it
  // is expected to come to beyond that.
  std::uint64_t overhead = 0;
  std::uint64_t overhead_to_come = 0;
  // Of ours: unused, but in pieces between others, so that nothing large fits there and no cleanup gives it
  // back.
  std::uint64_t stuck = 0;
};

// Thread-safe. Called with no lock of the manager held.
class DeviceHost {
 public:
  virtual ~DeviceHost() = default;

  // Brings component `index` of the model to `device`: from `control.image` when there is one (a promotion),
  // else from disk. Throws base::Error; must leave nothing behind when it does.
  virtual std::shared_ptr<LoadedComponent> load(const Model& model, std::size_t index, base::DeviceId device,
                                                const LoadControl& control) = 0;

  // Frees the weights, the last reference to them. Does not throw.
  virtual void free(std::shared_ptr<LoadedComponent> weights) noexcept = 0;

  // Gives back what allocators and caches hold without need, so that the device can report it as free.
  virtual void drop_caches() noexcept = 0;

  // Nullopt when the device cannot be read: then the budget alone decides.
  virtual std::optional<DeviceReading> read() noexcept = 0;
};

// A device driven from this process: the model reads its components, their destructors free them. Thread-safe
// when its hooks are.
class InProcessHost final : public DeviceHost {
 public:
  struct Hooks {
    std::function<std::optional<DeviceReading>()> read;  // may throw base::Error; empty: nothing is known
    std::function<void()> drop_caches;                   // may be empty
  };
  InProcessHost() = default;
  explicit InProcessHost(Hooks hooks) : hooks_(std::move(hooks)) {}

  std::shared_ptr<LoadedComponent> load(const Model& model, std::size_t index, base::DeviceId device,
                                        const LoadControl& control) override;
  void free(std::shared_ptr<LoadedComponent> weights) noexcept override;
  void drop_caches() noexcept override;
  std::optional<DeviceReading> read() noexcept override;

 private:
  Hooks hooks_;
};

}  // namespace greenroom::core
