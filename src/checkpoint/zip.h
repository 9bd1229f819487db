// The stored-only subset of zip that torch.save writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace greenroom::checkpoint {

// The entries of an archive by name; the bytes are views of the archive. Immutable.
class ZipArchive {
 public:
  // Reads the central directory and every local header. Throws Error(kDataLoss): no or damaged directory, an
  // entry that is compressed, encrypted, duplicate, or overlaps another one; kUnimplemented for several
  // disks.
  ZipArchive(std::span<const std::byte> file, const std::string& what);

  // Null data when absent. Names are compared exactly.
  const std::span<const std::byte>* find(std::string_view name) const;
  const std::map<std::string, std::span<const std::byte>, std::less<>>& entries() const { return entries_; }

  // Of the first entry: what comes before "/data.pkl".
  const std::string& first_name() const { return first_name_; }

 private:
  std::map<std::string, std::span<const std::byte>, std::less<>> entries_;
  std::string first_name_;
};

}  // namespace greenroom::checkpoint
