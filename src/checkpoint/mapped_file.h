// A file mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace greenroom::checkpoint {

class FaultGuard;

// Unmaps and closes on destruction. A file that is truncated while it is mapped reads as zeros and is
// reported by check_unchanged(); it kills nobody. Thread-safe once constructed.
class MappedFile {
 public:
  // Throws Error: kNotFound (absent, a folder, a device), kDataLoss (empty), kUnavailable (no permission, too
  // many files).
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

  // Of the open file, for positioned reads; valid as long as this object.
  int descriptor() const { return descriptor_; }

  // Throws Error(kDataLoss) when the file was written to, or cut off, since it was opened: what was read from
  // it may be neither the old contents nor the new. A file replaced by renaming another one over it is still
  // the old one here, and unchanged. Costs one system call.
  void check_unchanged() const;

  // Tells the kernel that headers are about to be read here and there: it does not read ahead, so little of
  // a large file is touched. Undone by expect_whole().
  void expect_headers() const;
  void expect_whole() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::int64_t modified_ns_ = 0;
  std::unique_ptr<FaultGuard> guard_;
};

}  // namespace greenroom::checkpoint
