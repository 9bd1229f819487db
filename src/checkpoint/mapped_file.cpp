#include "checkpoint/mapped_file.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

class FileDescriptor {
 public:
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor() {
    if (value_ >= 0) ::close(value_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const std::string name = path.string();
  // A FIFO would block the open.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
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
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) {
    throw Error(ErrorCode::kUnavailable, fmt::format("{}: cannot be mapped: {}", name, std::strerror(errno)));
  }
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace greenroom::checkpoint
