#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/contents.h"
#include "checkpoint/pickle.h"
#include "checkpoint/zip.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxDepth = 256;
constexpr std::size_t kMaxVisits = 2'000'000;
constexpr std::size_t kMaxNameLength = 4096;
constexpr std::size_t kMaxDimensions = 16;

// Turns the pickle's tree into names and views. A tree with cycles or with one node in very many places is
// refused.
class Flattener {
 public:
  Flattener(const Pickle& pickle, const ZipArchive& zip, std::string prefix, Checkpoint::Contents& contents)
      : pickle_(pickle),
        zip_(zip),
        prefix_(std::move(prefix)),
        contents_(contents),
        file_(contents.path.string()) {}

  void run();

 private:
  struct Pending {
    Handle handle;
    std::string name;
    std::size_t depth;
  };
  void visit(const Pending& item);
  void visit_children(const Pending& item, const Node& node);
  std::string child_name(const Pending& parent, const Node& key) const;
  TensorView make_view(const Node& node, const std::string& name) const;
  std::vector<std::int64_t> read_sizes(Handle tuple, const std::string& name) const;
  template <typename Map, typename Value>
  void insert(Map& map, const std::string& name, Value value);
  Error bad(const std::string& name, const std::string& problem) const {
    return Error(ErrorCode::kDataLoss, fmt::format("{}: the tensor \"{}\" {}", file_, name, problem));
  }

  const Pickle& pickle_;
  const ZipArchive& zip_;
  std::string prefix_;
  Checkpoint::Contents& contents_;
  std::string file_;
  std::vector<Pending> pending_;
  std::size_t visits_ = 0;
};

void Flattener::run() {
  pending_.push_back({pickle_.root, "", 0});
  while (!pending_.empty()) {
    const Pending item = std::move(pending_.back());
    pending_.pop_back();
    visit(item);
  }
}

template <typename Map, typename Value>
void Flattener::insert(Map& map, const std::string& name, Value value) {
  if (!map.emplace(name, std::move(value)).second) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: the name \"{}\" occurs twice", file_, name));
  }
}

std::string Flattener::child_name(const Pending& parent, const Node& key) const {
  std::string own;
  if (key.kind == NodeKind::kText) {
    own = std::string(key.text);
  } else if (key.kind == NodeKind::kInteger) {
    own = fmt::format("{}", key.integer);
  } else {
    own = "?";
  }
  std::string name = parent.name.empty() ? own : parent.name + "." + own;
  if (name.size() > kMaxNameLength) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: a name of {} characters", file_, name.size()));
  }
  return name;
}

void Flattener::visit_children(const Pending& item, const Node& node) {
  if (item.depth >= kMaxDepth) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: values nested deeper than {} levels, or in a circle, at \"{}\"", file_,
                            kMaxDepth, item.name.substr(0, 80)));
  }
  if (node.kind == NodeKind::kDict) {
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
      pending_.push_back({node.items[i + 1], child_name(item, pickle_.at(node.items[i])), item.depth + 1});
    }
    return;
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    Node key;
    key.kind = NodeKind::kInteger;
    key.integer = static_cast<std::int64_t>(i);
    pending_.push_back({node.items[i], child_name(item, key), item.depth + 1});
  }
}

void Flattener::visit(const Pending& item) {
  if (++visits_ > kMaxVisits || pending_.size() > kMaxVisits) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: more than {} values; no checkpoint has that many", file_, kMaxVisits));
  }
  const Node& node = pickle_.at(item.handle);
  switch (node.kind) {
    case NodeKind::kList:
    case NodeKind::kTuple:
    case NodeKind::kDict:
      return visit_children(item, node);
    case NodeKind::kTensor:
      return insert(contents_.tensors, item.name, make_view(node, item.name));
    case NodeKind::kBool:
      return insert(contents_.scalars, item.name, Scalar(node.integer != 0));
    case NodeKind::kInteger:
      return insert(contents_.scalars, item.name, Scalar(node.integer));
    case NodeKind::kFloat:
      return insert(contents_.scalars, item.name, Scalar(node.real));
    case NodeKind::kText:
      return insert(contents_.scalars, item.name, Scalar(std::string(node.text)));
    case NodeKind::kForeign:
    case NodeKind::kGlobal:
    case NodeKind::kStorage: {
      std::string class_name(node.text);
      std::replace(class_name.begin(), class_name.end(), '\n', '.');
      while (class_name.ends_with('.')) class_name.pop_back();
      contents_.skipped.emplace(item.name, class_name);
      return;
    }
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
    if (size.kind != NodeKind::kInteger || size.integer < 0 || size.integer > kMaxSize) {
      throw bad(name, fmt::format("has a size or stride of {}", size.integer));
    }
    sizes.push_back(size.integer);
  }
  return sizes;
}

TensorView Flattener::make_view(const Node& node, const std::string& name) const {
  const Node& storage = pickle_.at(node.items[0]);
  const std::int64_t offset = pickle_.at(node.items[1]).integer;
  TensorView view;
  view.dtype = storage.dtype;
  view.shape = read_sizes(node.items[2], name);
  view.strides = read_sizes(node.items[3], name);
  if (view.shape.size() != view.strides.size())
    throw bad(name, "has another number of strides than dimensions");

  const std::size_t element = dtype_size(storage.dtype);
  const auto* record = zip_.find(fmt::format("{}data/{}", prefix_, storage.text));
  if (record == nullptr)
    throw bad(name, fmt::format("lies in the storage \"{}\", which is not in the file", storage.text));
  const auto declared = base::checked_mul(static_cast<std::uint64_t>(storage.integer), element);
  if (!declared || *declared != record->size()) {
    throw bad(name, fmt::format("lies in a storage declared as {} elements of {}, but {} bytes are stored",
                                storage.integer, dtype_name(storage.dtype), record->size()));
  }
  view.storage = static_cast<std::uint64_t>(record->data() - contents_.mapping->bytes().data());
  if (offset < 0 || offset > storage.integer)
    throw bad(name, fmt::format("begins at element {} of {}", offset, storage.integer));

  std::uint64_t count = 1;
  std::uint64_t last = 0;  // index of the last element the strides reach
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    const auto size = static_cast<std::uint64_t>(view.shape[i]);
    const auto product = base::checked_mul(count, size);
    if (!product) throw bad(name, "has more elements than can be counted");
    count = *product;
    const auto reach =
        size == 0 ? 0 : base::checked_mul(size - 1, static_cast<std::uint64_t>(view.strides[i]));
    const auto sum = reach ? base::checked_add(last, *reach) : std::nullopt;
    if (!sum) throw bad(name, "has strides that overflow");
    last = *sum;
  }
  if (count == 0) return view;
  const auto end = base::checked_add(static_cast<std::uint64_t>(offset), last);
  if (!end || *end >= static_cast<std::uint64_t>(storage.integer)) {
    throw bad(name,
              fmt::format("reaches element {} of a storage of {}", end.value_or(last), storage.integer));
  }
  // An expanded view names more elements than are stored; materialising one could cost any amount of memory.
  if (count > last + 1) throw bad(name, fmt::format("repeats {} stored elements as {}", last + 1, count));
  view.bytes = record->subspan(static_cast<std::size_t>(offset) * element,
                               static_cast<std::size_t>(last + 1) * element);
  return view;
}

std::string to_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 64)};
}

}  // namespace

void FormatReaders::read_torch_archive(Checkpoint::Contents& contents) {
  const std::string file = contents.path.string();
  const ZipArchive zip(contents.mapping->bytes(), file);
  const auto slash = zip.first_name().find('/');
  const std::string prefix = slash == std::string::npos ? "" : zip.first_name().substr(0, slash + 1);
  if (zip.find(prefix + "constants.pkl") != nullptr) {
    throw Error(
        ErrorCode::kUnimplemented,
        fmt::format(
            "{}: a TorchScript program (torch.jit.save), which carries code; save the state_dict with "
            "torch.save instead",
            file));
  }
  const auto* pickle_bytes = zip.find(prefix + "data.pkl");
  if (pickle_bytes == nullptr) {
    throw Error(
        ErrorCode::kDataLoss,
        fmt::format("{}: a zip archive without \"{}data.pkl\": not a file torch.save wrote", file, prefix));
  }
  if (const auto* order = zip.find(prefix + "byteorder"); order != nullptr && to_text(*order) != "little") {
    throw Error(ErrorCode::kUnimplemented, fmt::format("{}: written on a big-endian machine", file));
  }
  contents.format = "torch.save archive";
  const Pickle pickle = read_pickle(*pickle_bytes, file + ": data.pkl");
  if (pickle.length != pickle_bytes->size()) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: data.pkl goes on for {} bytes behind its end", file,
                                                  pickle_bytes->size() - pickle.length));
  }
  Flattener(pickle, zip, prefix, contents).run();
}

}  // namespace greenroom::checkpoint
