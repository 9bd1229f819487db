// A cursor over bytes that strangers wrote. Every read is checked; this and mapped_file hold the layer's only
// pointer arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace greenroom::checkpoint {

// Not thread-safe; used by one parse only. Borrows the bytes.
class ByteReader {
 public:
  // `what` begins every message ("model.pt: data.pkl").
  ByteReader(std::span<const std::byte> bytes, std::string what, std::size_t position = 0);

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  bool at_end() const { return position_ == bytes_.size(); }

  // Each throws Error(kDataLoss) naming the offset when fewer bytes are left. Numbers are little-endian.
  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  std::span<const std::byte> take(std::uint64_t count);
  std::string_view text(std::uint64_t count);
  std::string_view line();  // up to a newline, which is consumed and not returned

  [[noreturn]] void fail(const std::string& problem) const;

 private:
  template <typename Number>
  Number little_endian();

  std::span<const std::byte> bytes_;
  std::string what_;
  std::size_t position_;
};

}  // namespace greenroom::checkpoint
