#include "core/component.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <system_error>

#include "base/error.h"

namespace greenroom::core {

namespace fs = std::filesystem;

ComponentKey identify(const ComponentSpec& spec, base::DeviceId device) {
  const auto fail = [&](base::ErrorCode code, const std::string& reason) {
    throw base::Error(code, fmt::format("{}: {}: {}", spec.kind, spec.file.string(), reason));
  };
  if (spec.file.empty()) return {device, spec.kind, spec.variant};
  std::error_code error;
  ComponentKey key{device, spec.kind, spec.variant, fs::canonical(spec.file, error)};
  if (error) fail(base::ErrorCode::kNotFound, error.message());
  if (!fs::is_regular_file(key.file, error)) fail(base::ErrorCode::kInvalidArgument, "not a regular file");
  key.file_bytes = fs::file_size(key.file, error);
  if (error) fail(base::ErrorCode::kNotFound, error.message());
  const auto modified = fs::last_write_time(key.file, error);
  if (error) fail(base::ErrorCode::kNotFound, error.message());
  key.modified_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(modified.time_since_epoch()).count();
  return key;
}

ComponentKey identity_of(ComponentKey key) {
  key.device = {};
  return key;
}

std::string label(const ComponentKey& key) {
  if (key.file.empty()) return key.kind;
  return fmt::format("{} ({})", key.kind, key.file.filename().string());
}

}  // namespace greenroom::core
