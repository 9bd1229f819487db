// Writes torch.save's zip archive, so that demo models and tests have files of exactly the official layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "checkpoint/tensor_view.h"

namespace greenroom::checkpoint {

// A contiguous tensor to write. `bytes` must stay valid until write_torch_archive returns.
struct TensorToWrite {
  DType dtype = DType::kFloat32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

// What a checkpoint's dict holds: a number, a text, a tensor, or another dict (in the order given).
struct DictToWrite;
using ValueToWrite =
    std::variant<std::int64_t, double, std::string, TensorToWrite, std::shared_ptr<DictToWrite>>;
struct DictToWrite {
  std::vector<std::pair<std::string, ValueToWrite>> items;
};

// Writes to a temporary file beside `path` and renames it, so a reader never sees half a file. Payloads are
// aligned to 64 bytes and carry CRC-32s as torch.save's do. Throws Error(kUnavailable) when the disk is full
// or not writable.
void write_torch_archive(const std::filesystem::path& path, const DictToWrite& root);

}  // namespace greenroom::checkpoint
