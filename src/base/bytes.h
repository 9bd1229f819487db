// Sizes in bytes: overflow-checked arithmetic, and the text form people read and write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace greenroom::base {

// nullopt on overflow. For numbers that come from files.
std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b);
std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b);

// "512 B", "1.5 MiB", "2.0 GiB": binary units, one decimal.
std::string format_bytes(std::uint64_t bytes);

// Reads "2GiB", "1.5 GB", "512MiB", "4096" (bytes). KiB/MiB/GiB/TiB are powers of 1024; KB/MB/GB/TB of 1000;
// a bare K/M/G/T means the binary unit. nullopt when the text is not a size.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace greenroom::base
