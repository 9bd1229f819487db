// A file mapped read-only.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace greenroom::checkpoint {

// Move-only; unmaps on destruction. Thread-safe once constructed.
class MappedFile {
 public:
  // Throws Error: kNotFound (absent, a folder, a device), kDataLoss (empty), kUnavailable (no permission, too
  // many files).
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace greenroom::checkpoint
