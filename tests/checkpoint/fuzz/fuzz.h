// Gives a fuzzer's bytes to the whole reader, through a real file.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "base/error.h"
#include "checkpoint/checkpoint.h"

namespace greenroom::checkpoint {

// Reads the first and last byte of every tensor; a reader that lets a view out of its file crashes here.
inline void touch(const Checkpoint& file) {
  static volatile unsigned sum = 0;
  for (const auto& [name, view] : file.tensors()) {
    if (view.bytes.empty()) continue;
    sum = sum + std::to_integer<unsigned>(view.bytes.front()) + std::to_integer<unsigned>(view.bytes.back());
    if (view.is_contiguous() && view.nbytes() > view.bytes.size()) std::abort();
  }
}

inline void open_bytes(std::span<const std::uint8_t> bytes) {
  static const int file = ::memfd_create("fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes.data(), bytes.size(), 0) < 0) std::abort();
  try {
    touch(Checkpoint::open(path));
  } catch (const base::Error& error) {
    if (error.code() == base::ErrorCode::kInternal) std::abort();
  }
}

}  // namespace greenroom::checkpoint
