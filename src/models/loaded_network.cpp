#include "models/loaded_network.h"

#include <spdlog/fmt/fmt.h>

#include <filesystem>
#include <system_error>

#include "checkpoint/mapped_file.h"

namespace greenroom::models {

std::string image_key(const core::ComponentSpec& spec, const checkpoint::Checkpoint& file) {
  std::error_code ignored;
  const auto modified = std::filesystem::last_write_time(spec.file, ignored).time_since_epoch().count();
  return fmt::format("{}|{}|{}|{}|{}", spec.kind, spec.variant, spec.file.string(),
                     file.files().front()->bytes().size(), modified);
}

}  // namespace greenroom::models
