// What the format readers produce and Checkpoint shows. Private to this folder.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "checkpoint/checkpoint.h"
#include "checkpoint/mapped_file.h"

namespace greenroom::checkpoint {

struct Checkpoint::Contents {
  std::filesystem::path path;
  std::string_view format;
  std::shared_ptr<const MappedFile> mapping;
  std::map<std::string, TensorView, std::less<>> tensors;
  std::map<std::string, Scalar, std::less<>> scalars;
  std::map<std::string, std::string, std::less<>> skipped;
};

// Fill `contents`, whose path and mapping are set. Throw Error.
struct FormatReaders {
  static void read_torch_archive(Checkpoint::Contents& contents);
  static void read_safetensors(Checkpoint::Contents& contents);
};

// Strides of a row-major array. REQUIRES: the product of the shape does not overflow.
std::vector<std::int64_t> contiguous_strides(const std::vector<std::int64_t>& shape);

}  // namespace greenroom::checkpoint
