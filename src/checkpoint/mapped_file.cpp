#include "checkpoint/mapped_file.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "checkpoint/fault_guard.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;
using base::FileDescriptor;

std::int64_t modified_ns(const struct stat& status) {
  constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
  return status.st_mtim.tv_sec * kNanosecondsPerSecond + status.st_mtim.tv_nsec;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const std::string name = path.string();
  // A FIFO would block the open.
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) {
    const int error = errno;
    const bool absent = error == ENOENT || error == ENOTDIR;
    throw Error(absent ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                absent ? fmt::format("{}: no such file", name)
                       : fmt::format("{}: cannot be opened: {}", name, std::strerror(error)));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw Error(ErrorCode::kUnavailable,
                fmt::format("{}: cannot be examined: {}", name, std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kNotFound,
                fmt::format("{}: not a file{}", name, S_ISDIR(status.st_mode) ? " but a folder" : ""));
  }
  if (status.st_size == 0) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: the file is empty; the download or copy failed", name));
  }
  size_ = static_cast<std::size_t>(status.st_size);
  modified_ns_ = modified_ns(status);
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) {
    throw Error(ErrorCode::kUnavailable, fmt::format("{}: cannot be mapped: {}", name, std::strerror(errno)));
  }
  data_ = static_cast<const std::byte*>(mapped);
  try {
    guard_ = std::make_unique<FaultGuard>(bytes());
  } catch (...) {
    ::munmap(mapped, size_);
    throw;
  }
  descriptor_ = file.release();
}

MappedFile::~MappedFile() {
  guard_.reset();
  ::munmap(const_cast<std::byte*>(data_), size_);
  ::close(descriptor_);
}

void MappedFile::check_unchanged() const {
  struct stat status {};
  const bool is_same = ::fstat(descriptor_, &status) == 0 &&
                       static_cast<std::size_t>(status.st_size) == size_ &&
                       modified_ns(status) == modified_ns_ && !guard_->faulted();
  if (is_same) return;
  throw Error(
      ErrorCode::kDataLoss,
      fmt::format("{}: the file changed while it was in use; load the model again, and replace files by "
                  "renaming a finished copy over them",
                  path_.string()));
}

void MappedFile::expect_headers() const {
  ::madvise(const_cast<std::byte*>(data_), size_, MADV_RANDOM);
}

void MappedFile::expect_whole() const {
  ::madvise(const_cast<std::byte*>(data_), size_, MADV_NORMAL);
}

}  // namespace greenroom::checkpoint
