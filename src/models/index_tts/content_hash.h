// A name for content, to find what was computed from it again. Not for security.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace greenroom::models::index_tts {

// Two 64-bit hashes side by side: that two recordings get the same name by chance will not happen.
class ContentHash {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      first_ = (first_ ^ static_cast<std::uint64_t>(byte)) * 0x100000001B3ULL;
      second_ = (second_ + static_cast<std::uint64_t>(byte) + 1) * 0x9E3779B97F4A7C15ULL;
      second_ ^= second_ >> 29;
    }
  }
  void add(std::string_view text) {
    add(std::as_bytes(std::span(text.data(), text.size())));
    add_number(text.size());
  }
  void add_number(std::uint64_t number) { add(std::as_bytes(std::span(&number, 1))); }

  std::string hex() const;  // 32 digits

 private:
  std::uint64_t first_ = 0xCBF29CE484222325ULL;
  std::uint64_t second_ = 0x27D4EB2F165667C5ULL;
};

}  // namespace greenroom::models::index_tts
