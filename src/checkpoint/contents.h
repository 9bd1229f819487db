// What the format readers produce and Checkpoint shows. Private to this folder.
#pragma once

#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/mapped_file.h"

namespace greenroom::checkpoint {

struct Checkpoint::Contents {
  std::filesystem::path path;
  OpenMode mode = OpenMode::kTensors;
  std::string_view format;
  std::vector<std::shared_ptr<const MappedFile>> files;  // the one, or all shards
  std::list<std::vector<std::byte>> unpacked;            // storages that could not be mapped as they lie
  std::map<std::string, TensorView, std::less<>> tensors;
  std::map<std::string, Scalar, std::less<>> scalars;
  std::map<std::string, std::string, std::less<>> skipped;

  bool with_tensors() const { return mode == OpenMode::kTensors; }
};

// Fill `contents`, whose path, mode and first file are set. Throw Error.
struct FormatReaders {
  static void read_torch_archive(Checkpoint::Contents& contents);
  static void read_torch_legacy(Checkpoint::Contents& contents);
  static void read_safetensors(Checkpoint::Contents& contents);
  // The first file is an index: a JSON text that names the shard of each tensor.
  static void read_safetensors_index(Checkpoint::Contents& contents);
};

inline constexpr std::string_view kTorchArchiveFormat = "torch.save archive";

// Largest total of what compressed entries unpack to.
constexpr std::uint64_t kMaxUnpacked = std::uint64_t{1} << 30;

// Reverses the bytes of each element in place. Complex numbers are two elements.
void swap_bytes(std::span<std::byte> bytes, DType dtype);

// Strides of a row-major array. REQUIRES: the product of the shape does not overflow.
std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape);

}  // namespace greenroom::checkpoint
