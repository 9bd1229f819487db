#include "models/index_tts/content_hash.h"

#include <spdlog/fmt/fmt.h>

namespace greenroom::models::index_tts {

std::string ContentHash::hex() const {
  return fmt::format("{:016x}{:016x}", first_, second_);
}

}  // namespace greenroom::models::index_tts
