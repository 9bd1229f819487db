// Which device a component lives on: a small value, no CUDA needed to speak of one.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace greenroom::base {

// kDrm: a GPU that is only watched; its index is the number of the kernel's card.
enum class DeviceKind { kCpu, kCuda, kDrm };

struct DeviceId {
  DeviceKind kind = DeviceKind::kCpu;
  int index = 0;

  auto operator<=>(const DeviceId&) const = default;
};

// "cpu", "cuda:0", "drm:1".
std::string to_string(DeviceId device);

// Reads "cpu", "cuda", "cuda:1". nullopt for anything else: "auto" is the caller's business, and
// nothing runs on "drm:0".
std::optional<DeviceId> parse_device_id(std::string_view text);

}  // namespace greenroom::base
