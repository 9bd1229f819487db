// What of a checkpoint goes where in one block of memory, decided from its headers before anything is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace greenroom::checkpoint {

// A tensor in the block.
struct PlacedTensor {
  DType dtype = DType::kFloat32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements, as in the file
  std::uint64_t offset = 0;           // of the first element, a multiple of 64
  std::uint64_t bytes = 0;            // that the strides reach
};

// One run of elements: from the file's bytes to the block's.
struct Piece {
  std::span<const std::byte> source;  // within a mapped file, or unpacked memory
  DType from = DType::kFloat32;
  DType to = DType::kFloat32;
  std::uint64_t offset = 0;  // in the block
};

// Holds the checkpoint open. Immutable; thread-safe.
class ReadPlan {
 public:
  // The dtype a tensor is wanted in; nullopt when it is not wanted.
  using Choice = std::function<std::optional<DType>(std::string_view name, const TensorView& view)>;

  // Tensors that share their bytes share them in the block too. REQUIRES: the checkpoint was opened with
  // OpenMode::kTensors. Throws Error(kInvalidArgument) for a conversion that does not exist.
  ReadPlan(Checkpoint source, const Choice& choose);

  const Checkpoint& source() const { return source_; }
  const std::map<std::string, PlacedTensor, std::less<>>& tensors() const { return tensors_; }
  const std::vector<Piece>& pieces() const { return pieces_; }  // in the order of the source
  std::uint64_t bytes() const { return bytes_; }                // of the block, gaps for alignment included
  std::uint64_t source_bytes() const { return source_bytes_; }  // to read

 private:
  Checkpoint source_;
  std::map<std::string, PlacedTensor, std::less<>> tensors_;
  std::vector<Piece> pieces_;
  std::uint64_t bytes_ = 0;
  std::uint64_t source_bytes_ = 0;
};

}  // namespace greenroom::checkpoint
