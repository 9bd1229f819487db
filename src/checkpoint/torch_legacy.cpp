// The stream that torch.save wrote before PyTorch 1.6: five pickles (magic number, protocol, system, the
// object, the keys of its storages) and then the storages in the order of the keys.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/byte_reader.h"
#include "checkpoint/contents.h"
#include "checkpoint/object_tree.h"
#include "checkpoint/pickle.h"
#include "checkpoint/text.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::int64_t kProtocol = 1001;

// What is known of each root storage from the persistent ids that name it.
struct Declared {
  DType dtype = DType::kFloat32;
  std::uint64_t bytes = 0;
};

class LegacyReader {
 public:
  explicit LegacyReader(Checkpoint::Contents& contents)
      : contents_(contents), bytes_(contents.files.front()->bytes()), file_(contents.path.string()) {}

  void read();

 private:
  Pickle next(const char* part);
  void check_header();
  void declare(const Pickle& object);
  Error bad(const std::string& problem) const {
    return Error(ErrorCode::kDataLoss, fmt::format("{}: {}", file_, problem));
  }

  Checkpoint::Contents& contents_;
  std::span<const std::byte> bytes_;
  std::string file_;
  std::size_t position_ = 0;
  std::map<std::string, Declared, std::less<>> declared_;
};

// Storages by key, as stretches of the stream.
class StreamStorages final : public StorageSource {
 public:
  struct Stretch {
    std::uint64_t offset = 0;
    Declared declared;
  };

  StreamStorages(std::map<std::string, Stretch, std::less<>> stretches, const Pickle& pickle,
                 Checkpoint::Contents& contents)
      : stretches_(std::move(stretches)), pickle_(pickle), contents_(contents) {}

  Storage find(const Node& storage, std::uint64_t bytes, const std::string& name) override {
    const auto bad = [&](const std::string& problem) {
      return Error(ErrorCode::kDataLoss, fmt::format("{}: the tensor {} lies in {}", contents_.path.string(),
                                                     printable(name), problem));
    };
    const auto found = stretches_.find(storage.text);
    if (found == stretches_.end())
      throw bad(fmt::format("the storage {}, which is not in the file", printable(storage.text)));
    const auto& [offset, declared] = found->second;
    if (declared.dtype != storage.dtype || declared.bytes != bytes)
      throw bad(fmt::format("the storage {}, which is declared in two ways", printable(storage.text)));
    std::uint64_t first = 0;
    std::uint64_t size = bytes;
    if (!storage.items.empty()) {
      const auto [begin, count] = view_of(storage);
      const std::size_t element = dtype_size(storage.dtype);
      const std::uint64_t elements = bytes / element;
      if (begin > elements || count > elements - begin)
        throw bad(
            fmt::format("a view of elements {} to {} of a storage of {}", begin, begin + count, elements));
      first = begin * element;
      size = count * element;
    }
    if (!contents_.with_tensors()) return {offset, size, {}};
    const auto all = contents_.files.front()->bytes();
    return {offset, size,
            all.subspan(static_cast<std::size_t>(offset + first), static_cast<std::size_t>(size))};
  }

 private:
  // First element and number of elements; huge ones for what is negative.
  std::pair<std::uint64_t, std::uint64_t> view_of(const Node& storage) const {
    const auto number = [&](std::size_t i) {
      constexpr std::uint64_t kNone = std::uint64_t{1} << 62;
      const std::int64_t value = pickle_.at(storage.items[i]).integer;
      return value < 0 ? kNone : std::min(static_cast<std::uint64_t>(value), kNone);
    };
    return {number(1), number(2)};
  }

  std::map<std::string, Stretch, std::less<>> stretches_;
  const Pickle& pickle_;
  Checkpoint::Contents& contents_;
};

Pickle LegacyReader::next(const char* part) {
  Pickle pickle = read_pickle(bytes_.subspan(position_), fmt::format("{}: {}", file_, part));
  position_ += pickle.length;
  return pickle;
}

void LegacyReader::check_header() {
  next("magic number");  // known, or the file would not have come here
  const Pickle protocol = next("protocol");
  const Node& version = protocol.at(protocol.root);
  if (version.kind != NodeKind::kInteger || version.integer != kProtocol) {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{}: a legacy PyTorch stream of another protocol than {}", file_, kProtocol));
  }
  const Pickle system = next("system information");
  const Node& facts = system.at(system.root);
  bool is_little = false;
  if (facts.kind == NodeKind::kDict) {
    for (std::size_t i = 0; i + 1 < facts.items.size(); i += 2) {
      const Node& key = system.at(facts.items[i]);
      const Node& value = system.at(facts.items[i + 1]);
      if (key.kind == NodeKind::kText && key.text == "little_endian")
        is_little = value.kind == NodeKind::kBool && value.integer != 0;
    }
  }
  if (!is_little) {
    throw Error(
        ErrorCode::kUnimplemented,
        fmt::format("{}: a legacy PyTorch stream written on a big-endian machine; load it in PyTorch and "
                    "torch.save it again",
                    file_));
  }
}

void LegacyReader::declare(const Pickle& object) {
  for (const Node& node : object.nodes) {
    if (node.kind != NodeKind::kStorage) continue;
    const auto bytes = base::checked_mul(static_cast<std::uint64_t>(node.integer), dtype_size(node.dtype));
    if (!bytes) throw bad(fmt::format("a storage of {} elements", node.integer));
    const auto [found, is_new] = declared_.emplace(std::string(node.text), Declared{node.dtype, *bytes});
    if (!is_new && (found->second.dtype != node.dtype || found->second.bytes != *bytes))
      throw bad(fmt::format("the storage {} is declared in two ways", printable(node.text)));
  }
}

void LegacyReader::read() {
  check_header();
  const Pickle object = next("object");
  declare(object);
  const Pickle keys = next("storage keys");
  const Node& list = keys.at(keys.root);
  if (list.kind != NodeKind::kList) throw bad("the list of storages is missing");
  std::map<std::string, StreamStorages::Stretch, std::less<>> stretches;
  for (const Handle handle : list.items) {
    const Node& key = keys.at(handle);
    const auto known = declared_.find(key.text);
    if (key.kind != NodeKind::kText || known == declared_.end())
      throw bad(fmt::format("the storage {} is stored but belongs to nothing", printable(key.text)));
    constexpr std::uint64_t kCount = 8;
    const std::size_t element = dtype_size(known->second.dtype);
    const std::uint64_t elements = known->second.bytes / element;
    ByteReader reader(bytes_, fmt::format("{}: storage {}", file_, printable(key.text)), position_);
    if (contents_.with_tensors()) {
      const std::uint64_t stored = reader.u64();
      if (stored != elements)
        reader.fail(fmt::format("{} elements are stored, {} were declared", stored, elements));
    } else {
      reader.take(kCount);
    }
    if (!stretches.emplace(key.text, StreamStorages::Stretch{reader.position(), known->second}).second)
      throw bad(fmt::format("the storage {} is stored twice", printable(key.text)));
    reader.take(known->second.bytes);
    position_ = reader.position();
  }
  if (stretches.size() != declared_.size()) throw bad("a storage is declared but not stored");
  if (position_ != bytes_.size())
    throw bad(fmt::format("{} bytes behind the last storage", bytes_.size() - position_));
  StreamStorages storages(std::move(stretches), object, contents_);
  flatten(object, storages, contents_);
}

}  // namespace

void FormatReaders::read_torch_legacy(Checkpoint::Contents& contents) {
  contents.format = "torch.save stream (before PyTorch 1.6)";
  LegacyReader(contents).read();
}

}  // namespace greenroom::checkpoint
