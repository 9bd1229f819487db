// A pickle machine that builds plain values only.
//
// A pickle is a program for a stack machine that may call anything. This one calls nothing: names of classes
// and functions are compared with a fixed list of those torch.save writes (tensors, storages, ordered dicts),
// and whatever else is named comes out as an inert foreign node with its name and its attributes. Values are
// nodes of an arena, spoken of by index, so sharing and cycles cost nothing and nothing recurses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checkpoint/tensor_view.h"

namespace greenroom::checkpoint {

enum class NodeKind {
  kNone,
  kBool,
  kInteger,
  kFloat,
  kText,
  kList,
  kTuple,
  kDict,
  kStorage,
  kTensor,
  kForeign,
  kGlobal
};

// Index into Pickle::nodes.
using Handle = std::uint32_t;

struct Node {
  NodeKind kind = NodeKind::kNone;
  DType dtype = DType::kFloat32;  // of a tensor and a storage, and of a global that names a storage class
  bool untyped = false;      // a storage (class) counted in bytes, whose tensors say their dtype themselves
  int global = 0;            // which known global, see pickle.cpp
  std::int64_t integer = 0;  // kBool, kInteger; elements of a kStorage
  double real = 0;           // kFloat
  std::string_view text;     // kText; name of kForeign and kGlobal; key of kStorage. Borrowed from the input.
  std::vector<Handle> items;  // elements; key, value, key, value of a kDict;
                              // storage, offset, sizes, strides of a kTensor;
                              // key, offset, elements of the view that a kStorage of a legacy stream is;
                              // of a kForeign, the dicts and lists that were put into it
};

struct PickleLimits {
  std::size_t max_bytes = 256u << 20;
  std::size_t max_nodes = 2'000'000;
  std::size_t max_stack = 1'000'000;
  std::size_t max_marks = 65'536;
  std::size_t max_items = 16'000'000;  // over all lists, tuples and dicts
};

struct Pickle {
  std::vector<Node> nodes;
  Handle root = 0;
  std::size_t length = 0;  // bytes up to and with STOP

  const Node& at(Handle handle) const { return nodes[handle]; }
};

// Throws Error(kDataLoss) naming the opcode and its offset: an opcode that is not allowed, a stack that
// underflows, a limit exceeded, an end before STOP. Views in the result borrow `bytes`, which may go on
// behind STOP.
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& what,
                   const PickleLimits& limits = {});

}  // namespace greenroom::checkpoint
