#include "checkpoint/byte_reader.h"

#include <spdlog/fmt/fmt.h>

#include <cstring>

#include "base/error.h"

namespace greenroom::checkpoint {

ByteReader::ByteReader(std::span<const std::byte> bytes, std::string what, std::size_t position)
    : bytes_(bytes), what_(std::move(what)), position_(position) {
  if (position > bytes.size()) {
    position_ = bytes.size();
    fail(fmt::format("the offset {} lies behind the end", position));
  }
}

void ByteReader::fail(const std::string& problem) const {
  throw base::Error(base::ErrorCode::kDataLoss, fmt::format("{}: at byte {}: {}", what_, position_, problem));
}

std::span<const std::byte> ByteReader::take(std::uint64_t count) {
  if (count > remaining()) {
    fail(fmt::format("{} more bytes were expected, {} are left; the file is truncated or corrupt", count,
                     remaining()));
  }
  const auto taken = bytes_.subspan(position_, static_cast<std::size_t>(count));
  position_ += static_cast<std::size_t>(count);
  return taken;
}

std::string_view ByteReader::text(std::uint64_t count) {
  const auto taken = take(count);
  return {reinterpret_cast<const char*>(taken.data()), taken.size()};
}

std::string_view ByteReader::line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, remaining());
  const auto end = rest.find('\n');
  if (end == std::string_view::npos) fail("a line does not end");
  position_ += end + 1;
  return rest.substr(0, end);
}

template <typename Number>
Number ByteReader::little_endian() {
  const auto taken = take(sizeof(Number));
  Number value = 0;
  for (std::size_t i = sizeof(Number); i-- > 0;) {
    value = static_cast<Number>((static_cast<std::uint64_t>(value) << 8) |
                                std::to_integer<std::uint64_t>(taken[i]));
  }
  return value;
}

std::uint8_t ByteReader::u8() {
  return little_endian<std::uint8_t>();
}
std::uint16_t ByteReader::u16() {
  return little_endian<std::uint16_t>();
}
std::uint32_t ByteReader::u32() {
  return little_endian<std::uint32_t>();
}
std::uint64_t ByteReader::u64() {
  return little_endian<std::uint64_t>();
}

}  // namespace greenroom::checkpoint
