#include "base/device_id.h"

#include <charconv>

namespace greenroom::base {

std::string to_string(DeviceId device) {
  if (device.kind == DeviceKind::kCpu) return "cpu";
  std::string text = device.kind == DeviceKind::kCuda ? "cuda:" : "drm:";
  text += std::to_string(device.index);
  return text;
}

std::optional<DeviceId> parse_device_id(std::string_view text) {
  if (text == "cpu") return DeviceId{DeviceKind::kCpu, 0};
  if (text == "cuda") return DeviceId{DeviceKind::kCuda, 0};
  constexpr std::string_view kPrefix = "cuda:";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  int index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || index < 0 || index > 255)
    return std::nullopt;
  return DeviceId{DeviceKind::kCuda, index};
}

}  // namespace greenroom::base
