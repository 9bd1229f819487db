#include "worker/shared_memory.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"

namespace greenroom::worker {
namespace {

using base::Error;
using base::ErrorCode;
using base::FileDescriptor;

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

[[noreturn]] void fail(const char* what, std::size_t bytes) {
  throw Error(
      ErrorCode::kResourceExhausted,
      fmt::format("shared memory of {}: {}: {}", base::format_bytes(bytes), what, std::strerror(errno)));
}

}  // namespace

FileDescriptor share(std::span<const std::byte> bytes) {
  FileDescriptor file(::memfd_create("greenroom", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.is_open()) fail("it cannot be made", bytes.size());
  // By writing: a page that does not fit is an error here, and a SIGBUS in memory that is mapped.
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("it cannot be filled", bytes.size());
    done += static_cast<std::size_t>(written);
  }
  if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) fail("it cannot be sealed", bytes.size());
  return file;
}

SharedBytes::SharedBytes(const FileDescriptor& file) {
  struct stat status {};
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(file.get(), &status) != 0) {
    throw Error(ErrorCode::kDataLoss, "what another process handed over is no sealed memory");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) fail("it cannot be mapped", size);
  bytes_ = {static_cast<const std::byte*>(mapped), size};
}

SharedBytes::SharedBytes(SharedBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

SharedBytes::~SharedBytes() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

FileDescriptor share_samples(const audio::Buffer& audio) {
  return share(std::as_bytes(std::span(audio.samples)));
}

audio::Buffer read_samples(const FileDescriptor& file, int sample_rate) {
  const SharedBytes shared(file);
  if (shared.bytes().size() % sizeof(float) != 0) {
    throw Error(ErrorCode::kDataLoss, "audio that another process handed over ends within a sample");
  }
  audio::Buffer audio;
  audio.sample_rate = sample_rate;
  audio.samples.resize(shared.bytes().size() / sizeof(float));
  if (!audio.samples.empty()) {
    std::memcpy(audio.samples.data(), shared.bytes().data(), shared.bytes().size());
  }
  return audio;
}

}  // namespace greenroom::worker
