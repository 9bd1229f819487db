// What makes two components the same one.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/device_id.h"
#include "core/model.h"

namespace greenroom::core {

// Two models whose specs resolve to equal keys share one component. A file that changed (size or modification
// time) gives a new key: its old weights are never mistaken for the new ones.
struct ComponentKey {
  base::DeviceId device;
  std::string kind;
  std::string variant;
  std::filesystem::path file;  // canonical
  std::uint64_t file_bytes = 0;
  std::int64_t modified_ns = 0;  // since the file clock's epoch

  auto operator<=>(const ComponentKey&) const = default;
};

// Looks at the file on disk; a component without one (simulated) is known by kind and variant alone. Throws
// base::Error: kNotFound when it is not there, kInvalidArgument when it is not a regular file.
ComponentKey identify(const ComponentSpec& spec, base::DeviceId device);

// The key with no device: what the same weights have in common wherever they are.
ComponentKey identity_of(ComponentKey key);

// "contentvec (hubert_base.pt)": how messages and logs name a component.
std::string label(const ComponentKey& key);

}  // namespace greenroom::core
