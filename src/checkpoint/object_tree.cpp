#include "checkpoint/object_tree.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/text.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxDepth = 256;
// A value may stand in several places (tied weights, a configuration that all layers share), but the places
// have to bear some relation to the values: by memo, 150 bytes can name a million.
constexpr std::size_t kMaxVisits = 2'000'000;
constexpr std::size_t kFreeVisits = 30'000;
constexpr std::size_t kVisitsPerValue = 16;
constexpr std::size_t kMaxNameLength = 4096;
constexpr std::size_t kMaxTextBytes = 128u << 20;  // over all names and texts, each place counted
constexpr std::size_t kMaxDimensions = 16;

// "torch._utils._rebuild_qtensor" of the two lines that a pickle has.
std::string class_name(const Node& node) {
  std::string name(node.text.substr(0, kMaxNameLength));
  std::replace(name.begin(), name.end(), '\n', '.');
  while (name.ends_with('.')) name.pop_back();
  if (!is_plain_utf8(name)) name = printable(name);
  return name;
}

class Flattener {
 public:
  Flattener(const Pickle& pickle, StorageSource& storages, Checkpoint::Contents& contents)
      : pickle_(pickle),
        storages_(storages),
        contents_(contents),
        file_(contents.path.string()),
        max_visits_(std::min(kMaxVisits, kFreeVisits + kVisitsPerValue * pickle.nodes.size())) {}

  void run();

 private:
  struct Pending {
    Handle handle = 0;
    std::string name;
    std::size_t depth = 0;
    bool is_attribute = false;  // of a foreign object, where the same name may occur as item and as attribute
  };
  void visit(const Pending& item);
  void visit_children(const Pending& item, const Node& node);
  void visit_foreign(const Pending& item, const Node& node);
  void add_pending(const Pending& parent, Handle child, const std::string& key);
  void count_visits(std::size_t visits) const;
  // Every name and text in the result is a copy: what one text in many places costs is counted.
  void count_text(std::size_t bytes, const std::string& name);
  void skip(const Pending& item, const Node& node);
  std::string key_text(const Node& key, std::size_t index) const;
  TensorView make_view(const Node& node, const std::string& name) const;
  std::vector<std::int64_t> read_sizes(Handle tuple, const std::string& name) const;
  template <typename Map, typename Value>
  void insert(Map& map, const Pending& item, Value value);
  Error bad(const std::string& name, const std::string& problem) const {
    return Error(ErrorCode::kDataLoss, fmt::format("{}: the tensor {} {}", file_, printable(name), problem));
  }

  const Pickle& pickle_;
  StorageSource& storages_;
  Checkpoint::Contents& contents_;
  std::string file_;
  const std::size_t max_visits_;
  std::vector<Pending> pending_;
  std::size_t visits_ = 0;
  std::size_t text_bytes_ = 0;
};

void Flattener::run() {
  pending_.push_back({pickle_.root, "", 0, false});
  while (!pending_.empty()) {
    const Pending item = std::move(pending_.back());
    pending_.pop_back();
    visit(item);
  }
}

template <typename Map, typename Value>
void Flattener::insert(Map& map, const Pending& item, Value value) {
  if (!map.emplace(item.name, std::move(value)).second && !item.is_attribute) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: the name {} occurs twice", file_, printable(item.name)));
  }
}

std::string Flattener::key_text(const Node& key, std::size_t index) const {
  if (key.kind == NodeKind::kInteger) return fmt::format("{}", key.integer);
  if (key.kind != NodeKind::kText) return fmt::format("?{}", index);
  if (!is_plain_utf8(key.text)) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: a key that is not readable text: {}", file_, printable(key.text)));
  }
  return std::string(key.text);
}

void Flattener::add_pending(const Pending& parent, Handle child, const std::string& key) {
  Pending item{child, parent.name, parent.depth + 1, parent.is_attribute};
  if (!item.name.empty() && !key.empty()) item.name += '.';
  item.name += key;
  if (item.name.size() > kMaxNameLength) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: names too long for a checkpoint, at {}", file_, printable(item.name)));
  }
  count_text(item.name.size(), item.name);
  pending_.push_back(std::move(item));
}

void Flattener::count_visits(std::size_t visits) const {
  if (visits <= max_visits_) return;
  throw Error(ErrorCode::kDataLoss,
              fmt::format("{}: its {} values stand in more than {} places; no checkpoint is like that", file_,
                          pickle_.nodes.size(), max_visits_));
}

void Flattener::count_text(std::size_t bytes, const std::string& name) {
  text_bytes_ += bytes;
  if (text_bytes_ <= kMaxTextBytes) return;
  throw Error(ErrorCode::kDataLoss, fmt::format("{}: more than {} MiB of names and texts, at {}", file_,
                                                kMaxTextBytes >> 20, printable(name)));
}

void Flattener::visit_children(const Pending& item, const Node& node) {
  if (item.depth >= kMaxDepth) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: values nested deeper than {} levels, or in a circle, at {}", file_,
                            kMaxDepth, printable(item.name)));
  }
  count_visits(visits_ + pending_.size() + (node.kind == NodeKind::kDict ? 1 : 2) * node.items.size() / 2);
  if (node.kind == NodeKind::kDict) {
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
      add_pending(item, node.items[i + 1], key_text(pickle_.at(node.items[i]), i / 2));
    }
    return;
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) add_pending(item, node.items[i], fmt::format("{}", i));
}

void Flattener::skip(const Pending& item, const Node& node) {
  std::string name = class_name(node);
  count_text(name.size(), item.name);
  contents_.skipped.emplace(item.name, std::move(name));
}

// An object of a class unknown here: an inert record, whose attributes are shown below its name.
void Flattener::visit_foreign(const Pending& item, const Node& node) {
  skip(item, node);
  Pending attributes = item;
  attributes.is_attribute = true;
  ++attributes.depth;
  for (const Handle part : node.items) visit_children(attributes, pickle_.at(part));
}

void Flattener::visit(const Pending& item) {
  count_visits(++visits_ + pending_.size());
  const Node& node = pickle_.at(item.handle);
  switch (node.kind) {
    case NodeKind::kList:
    case NodeKind::kTuple:
    case NodeKind::kDict:
      return visit_children(item, node);
    case NodeKind::kTensor:
      return insert(contents_.tensors, item, make_view(node, item.name));
    case NodeKind::kBool:
      return insert(contents_.scalars, item, Scalar(node.integer != 0));
    case NodeKind::kInteger:
      return insert(contents_.scalars, item, Scalar(node.integer));
    case NodeKind::kFloat:
      return insert(contents_.scalars, item, Scalar(node.real));
    case NodeKind::kText:
      count_text(node.text.size(), item.name);
      // Python 2 wrote bytes the same way.
      if (!is_plain_utf8(node.text)) {
        contents_.skipped.emplace(item.name, "bytes");
        return;
      }
      return insert(contents_.scalars, item, Scalar(std::string(node.text)));
    case NodeKind::kForeign:
      return visit_foreign(item, node);
    case NodeKind::kGlobal:
    case NodeKind::kStorage:
      return skip(item, node);
    case NodeKind::kNone:
      return;
  }
}

std::vector<std::int64_t> Flattener::read_sizes(Handle tuple, const std::string& name) const {
  constexpr std::int64_t kMaxSize = std::int64_t{1} << 48;
  const Node& node = pickle_.at(tuple);
  if (node.items.size() > kMaxDimensions)
    throw bad(name, fmt::format("has {} dimensions", node.items.size()));
  std::vector<std::int64_t> sizes;
  for (const Handle handle : node.items) {
    const Node& size = pickle_.at(handle);
    if (size.kind != NodeKind::kInteger) throw bad(name, "has a size or stride that is no whole number");
    if (size.integer < 0 || size.integer > kMaxSize)
      throw bad(name, fmt::format("has a size or stride of {}", size.integer));
    sizes.push_back(size.integer);
  }
  return sizes;
}

// How far the strides reach: the number of elements, and the index of the last one from the first.
struct Reach {
  std::uint64_t count = 1;
  std::uint64_t last = 0;
};

std::optional<Reach> measure(const TensorView& view) {
  Reach reach;
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    const auto size = static_cast<std::uint64_t>(view.shape[i]);
    const auto count = base::checked_mul(reach.count, size);
    const auto step =
        size == 0 ? 0 : base::checked_mul(size - 1, static_cast<std::uint64_t>(view.strides[i]));
    const auto last = step ? base::checked_add(reach.last, *step) : std::nullopt;
    if (!count || !last) return std::nullopt;
    reach = {*count, *last};
  }
  // Also as bytes and as a signed number.
  if (reach.count > (std::uint64_t{1} << 58)) return std::nullopt;
  return reach;
}

TensorView Flattener::make_view(const Node& node, const std::string& name) const {
  const Node& storage = pickle_.at(node.items[0]);
  const std::int64_t offset = pickle_.at(node.items[1]).integer;
  TensorView view;
  view.dtype = node.dtype;
  view.shape = read_sizes(node.items[2], name);
  view.strides = read_sizes(node.items[3], name);
  if (view.shape.size() != view.strides.size())
    throw bad(name, "has another number of strides than dimensions");

  const std::size_t element = dtype_size(view.dtype);
  const auto declared =
      base::checked_mul(static_cast<std::uint64_t>(storage.integer), dtype_size(storage.dtype));
  if (!declared) throw bad(name, fmt::format("lies in a storage of {} elements", storage.integer));
  const auto found = storages_.find(storage, *declared, name);
  view.storage = found.id;
  const std::uint64_t elements = found.size / element;
  if (offset < 0 || static_cast<std::uint64_t>(offset) > elements)
    throw bad(name, fmt::format("begins at element {} of {}", offset, elements));

  const auto reach = measure(view);
  if (!reach) throw bad(name, "has more elements than can be counted");
  if (reach->count == 0) return view;
  const auto end = base::checked_add(static_cast<std::uint64_t>(offset), reach->last);
  if (!end || *end >= elements) {
    throw bad(name,
              fmt::format("reaches element {} of a storage of {}", end.value_or(reach->last), elements));
  }
  // An expanded view names more elements than are stored; materialising one could cost any amount of memory.
  if (reach->count > reach->last + 1)
    throw bad(name, fmt::format("repeats {} stored elements as {}", reach->last + 1, reach->count));
  if (contents_.with_tensors()) {
    view.bytes = found.bytes.subspan(static_cast<std::size_t>(offset) * element,
                                     static_cast<std::size_t>(reach->last + 1) * element);
  }
  return view;
}

}  // namespace

void flatten(const Pickle& pickle, StorageSource& storages, Checkpoint::Contents& contents) {
  Flattener(pickle, storages, contents).run();
}

void swap_bytes(std::span<std::byte> bytes, DType dtype) {
  const bool is_complex = dtype == DType::kComplex64 || dtype == DType::kComplex128;
  const std::size_t element = is_complex ? dtype_size(dtype) / 2 : dtype_size(dtype);
  for (std::size_t i = 0; i + element <= bytes.size(); i += element) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i),
                 bytes.begin() + static_cast<std::ptrdiff_t>(i + element));
  }
}

}  // namespace greenroom::checkpoint
