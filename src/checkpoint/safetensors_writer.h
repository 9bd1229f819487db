// Writes .safetensors files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "checkpoint/checkpoint.h"

namespace greenroom::checkpoint {

struct SafetensorsOptions {
  std::optional<DType> dtype;     // floating-point tensors are stored as this one; as they are when absent
  bool skip_unsupported = false;  // leave out tensors that have no place in the format, instead of failing
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // in bytes; may be empty
};

struct SafetensorsReport {
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;  // of the file
  std::size_t copies = 0;   // tensors that shared their bytes with another one and no longer do
  std::map<std::string, std::string> skipped;  // names and classes of what was left out
};

// Saves the tensors of an open checkpoint, row-major, largest alignment first, and its plain values as text
// in
// __metadata__. `path` is written whole or not at all. Throws Error: kUnimplemented (a tensor of a kind that
// the format does not know: quantised, sparse, complex128), kDataLoss (the source changed meanwhile),
// kUnavailable (not writable, disk full). REQUIRES: the source was opened with OpenMode::kTensors.
SafetensorsReport write_safetensors(const std::filesystem::path& path, const Checkpoint& source,
                                    const SafetensorsOptions& options = {});

}  // namespace greenroom::checkpoint
