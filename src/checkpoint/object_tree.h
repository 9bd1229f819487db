// Turns the tree of values in a pickle into flat names: tensors, plain values, and what was skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "checkpoint/contents.h"
#include "checkpoint/pickle.h"

namespace greenroom::checkpoint {

// Where tensors' storages come from: entries of an archive, or stretches of a stream.
class StorageSource {
 public:
  struct Storage {
    std::uint64_t id = 0;              // tells storages of the file apart
    std::uint64_t size = 0;            // in bytes
    std::span<const std::byte> bytes;  // empty when only headers are read
  };

  virtual ~StorageSource() = default;
  // The storage that the node (a NodeKind::kStorage) names, whose size was declared as `bytes`. Throws Error
  // when there is none or its real size is another one; `name` is the tensor's, for the message.
  virtual Storage find(const Node& storage, std::uint64_t bytes, const std::string& name) = 0;
};

// Fills tensors, scalars and skipped. Throws Error(kDataLoss): a tree with cycles or with one node in very
// many places, a name that occurs twice or is not readable text, a tensor that reaches out of its storage.
void flatten(const Pickle& pickle, StorageSource& storages, Checkpoint::Contents& contents);

}  // namespace greenroom::checkpoint
