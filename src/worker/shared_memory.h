// Bytes that cross between processes without being copied through a pipe: anonymous memory whose file
// descriptor is handed over, sealed so that nobody can change or shorten it afterwards.
#pragma once

#include <cstddef>
#include <span>

#include "audio/buffer.h"
#include "base/file_descriptor.h"

namespace greenroom::worker {

// Throws base::Error(kResourceExhausted) when the system has no memory for it.
base::FileDescriptor share(std::span<const std::byte> bytes);

// The bytes behind such a descriptor, mapped. Move-only.
class SharedBytes {
 public:
  // Throws base::Error: kDataLoss for a descriptor that is not sealed memory, kResourceExhausted.
  explicit SharedBytes(const base::FileDescriptor& file);
  SharedBytes(SharedBytes&& other) noexcept;
  SharedBytes& operator=(SharedBytes&&) = delete;
  ~SharedBytes();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// Samples alone; the rate travels beside them.
base::FileDescriptor share_samples(const audio::Buffer& audio);
// Throws as SharedBytes; kDataLoss for bytes that are no whole number of samples.
audio::Buffer read_samples(const base::FileDescriptor& file, int sample_rate);

}  // namespace greenroom::worker
