// The subset of zip that torch.save writes, and archives packed again with deflate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace greenroom::checkpoint {

// One entry as the directory describes it. Sizes are bounded by the file (stored) or by the limit of
// ZipArchive::inflate (deflated).
struct ZipEntry {
  std::string name;
  std::uint64_t header_offset = 0;  // of the local header; tells entries apart
  std::uint64_t size = 0;           // once unpacked
  std::uint64_t stored_size = 0;
  std::uint32_t crc = 0;  // 0: not told
  bool deflated = false;
};

// A view of the archive's bytes, which must outlive it. Immutable; thread-safe.
class ZipArchive {
 public:
  // Reads the directory at the end of the file; local headers only when an entry's payload is asked for.
  // Throws Error(kDataLoss): no or damaged directory, an entry that is encrypted, packed with anything but
  // deflate, duplicate (names that differ in case only count as the same, since PyTorch's own reader takes
  // one for the other), named like a path that leaves the folder, or overlapping another one; anything before
  // the first entry or between the last one and the directory; kUnimplemented for several disks.
  ZipArchive(std::span<const std::byte> file, std::string what);

  // Null when absent. Names are compared exactly.
  const ZipEntry* find(std::string_view name) const;
  const std::map<std::string, ZipEntry, std::less<>>& entries() const { return entries_; }

  // Of the first entry: what comes before "/data.pkl".
  const std::string& first_name() const { return first_name_; }

  // The bytes as they lie in the file: of a stored entry its contents. Throws Error(kDataLoss) when the local
  // header contradicts the directory or the payload reaches into the next entry.
  std::span<const std::byte> payload(const ZipEntry& entry) const;

  // REQUIRES: entry.deflated. Throws Error(kDataLoss): does not unpack to the size and checksum the directory
  // tells; kResourceExhausted: larger than `limit`, or larger than any weights would unpack to.
  std::vector<std::byte> inflate(const ZipEntry& entry, std::uint64_t limit) const;

  // Throws Error(kDataLoss) when the entry's contents do not match its checksum. Reads all of it.
  void verify(const ZipEntry& entry) const;

 private:
  void add(ZipEntry entry);
  void check_extents(std::uint64_t directory_offset);

  std::span<const std::byte> file_;
  std::string what_;
  std::map<std::string, ZipEntry, std::less<>> entries_;
  std::map<std::uint64_t, std::uint64_t> next_offset_;  // where what follows the entry at an offset begins
  std::string first_name_;
};

}  // namespace greenroom::checkpoint
