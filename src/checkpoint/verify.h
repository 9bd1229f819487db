// Checks a checkpoint's payload against the checksums it carries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace greenroom::checkpoint {

struct Verification {
  std::size_t checked = 0;    // entries whose checksum was right
  std::size_t unchecked = 0;  // entries that have none
  std::uint64_t bytes = 0;    // read
};

// Reads all of a torch.save archive; other formats carry no checksums, and nothing is read. Throws
// Error(kDataLoss) naming the first entry that does not match.
Verification verify_checksums(const std::filesystem::path& path);

}  // namespace greenroom::checkpoint
