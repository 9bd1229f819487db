// The zip archive that torch.save has written since PyTorch 1.6.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/contents.h"
#include "checkpoint/object_tree.h"
#include "checkpoint/pickle.h"
#include "checkpoint/text.h"
#include "checkpoint/zip.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::uint64_t kMaxPickle = 256u << 20;
constexpr int kNewestVersion = 10;  // of the archive format, that PyTorch 2 reads

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The entries "data/<key>". Those that are compressed or of the other byte order are unpacked once.
class ArchiveStorages final : public StorageSource {
 public:
  ArchiveStorages(const ZipArchive& zip, std::string prefix, bool big_endian, Checkpoint::Contents& contents)
      : zip_(zip), prefix_(std::move(prefix)), big_endian_(big_endian), contents_(contents) {}

  Storage find(const Node& storage, std::uint64_t bytes, const std::string& name) override {
    const auto* entry = zip_.find(fmt::format("{}data/{}", prefix_, storage.text));
    const auto bad = [&](const std::string& problem) {
      return Error(ErrorCode::kDataLoss, fmt::format("{}: the tensor {} lies in {}", contents_.path.string(),
                                                     printable(name), problem));
    };
    if (entry == nullptr) {
      throw bad(fmt::format("the storage {}, which is not in the file", printable(storage.text)));
    }
    if (bytes != entry->size) {
      throw bad(fmt::format("a storage declared as {} elements of {}, but {} bytes are stored",
                            storage.integer, dtype_name(storage.dtype), entry->size));
    }
    if (!contents_.with_tensors()) return {entry->header_offset, bytes, {}};
    const bool as_it_lies = !entry->deflated && (!big_endian_ || dtype_size(storage.dtype) == 1);
    return {entry->header_offset, bytes, as_it_lies ? zip_.payload(*entry) : unpacked(*entry, storage, bad)};
  }

 private:
  template <typename Bad>
  std::span<const std::byte> unpacked(const ZipEntry& entry, const Node& storage, const Bad& bad) {
    const auto known = unpacked_.find(entry.header_offset);
    if (known != unpacked_.end()) {
      if (big_endian_ && known->second.dtype != storage.dtype)
        throw bad("a big-endian storage that is used with two dtypes, which is not supported");
      return known->second.bytes;
    }
    std::vector<std::byte> bytes;
    if (entry.deflated) {
      bytes = zip_.inflate(entry, kMaxUnpacked - total_);
      total_ += bytes.size();
    } else {
      const auto stored = zip_.payload(entry);
      bytes.assign(stored.begin(), stored.end());
    }
    if (big_endian_) swap_bytes(bytes, storage.dtype);
    contents_.unpacked.push_back(std::move(bytes));
    const std::span<const std::byte> kept = contents_.unpacked.back();
    unpacked_.emplace(entry.header_offset, Unpacked{kept, storage.dtype});
    return kept;
  }

  struct Unpacked {
    std::span<const std::byte> bytes;
    DType dtype;
  };

  const ZipArchive& zip_;
  std::string prefix_;
  bool big_endian_;
  Checkpoint::Contents& contents_;
  std::map<std::uint64_t, Unpacked> unpacked_;  // by header offset
  std::uint64_t total_ = 0;
};

// The contents of a small entry; `buffer` holds them when they were compressed.
std::span<const std::byte> read_entry(const ZipArchive& zip, const ZipEntry& entry, std::uint64_t limit,
                                      std::vector<std::byte>& buffer) {
  zip.verify(entry);
  if (!entry.deflated) return zip.payload(entry);
  buffer = zip.inflate(entry, limit);
  return buffer;
}

bool is_big_endian(const ZipArchive& zip, const std::string& prefix, const std::string& file) {
  const auto* entry = zip.find(prefix + "byteorder");
  if (entry == nullptr) return false;
  std::vector<std::byte> buffer;
  const auto order = as_text(read_entry(zip, *entry, 64, buffer));
  if (order == "big") return true;
  if (order == "little") return false;
  throw Error(ErrorCode::kDataLoss,
              fmt::format("{}: the byte order {} is neither little nor big", file, printable(order)));
}

void check_version(const ZipArchive& zip, const std::string& prefix, const std::string& file) {
  const auto* entry = zip.find(prefix + "version");
  if (entry == nullptr) return;
  std::vector<std::byte> buffer;
  const auto text = as_text(read_entry(zip, *entry, 64, buffer));
  int version = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), version);
  if (parsed.ec == std::errc() && version >= 1 && version <= kNewestVersion) return;
  throw Error(ErrorCode::kUnimplemented,
              fmt::format("{}: the archive format {} is not known; known are 1 to {}", file, printable(text),
                          kNewestVersion));
}

const ZipEntry& find_pickle(const ZipArchive& zip, const std::string& prefix, const std::string& file) {
  const auto* entry = zip.find(prefix + "data.pkl");
  const bool is_program = zip.find(prefix + "constants.pkl") != nullptr ||
                          std::any_of(zip.entries().begin(), zip.entries().end(), [&](const auto& item) {
                            return item.first.starts_with(prefix + "code/");
                          });
  if (is_program) {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{}: a TorchScript program (torch.jit.save), which carries code; save the "
                            "state_dict with torch.save instead",
                            file));
  }
  if (entry == nullptr) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: a zip archive without {}: not a file torch.save wrote",
                                                  file, printable(prefix + "data.pkl")));
  }
  for (const auto& [name, other] : zip.entries()) {
    const auto slash = name.find('/');
    if (&other != entry && slash != std::string::npos && name.substr(slash + 1) == "data.pkl") {
      throw Error(ErrorCode::kDataLoss, fmt::format("{}: two pickles, {} and {}: not a file torch.save wrote",
                                                    file, printable(entry->name), printable(name)));
    }
  }
  return *entry;
}

}  // namespace

void FormatReaders::read_torch_archive(Checkpoint::Contents& contents) {
  const std::string file = contents.path.string();
  const ZipArchive zip(contents.files.front()->bytes(), file);
  const auto slash = zip.first_name().find('/');
  const std::string prefix = slash == std::string::npos ? "" : zip.first_name().substr(0, slash + 1);
  const ZipEntry& entry = find_pickle(zip, prefix, file);
  check_version(zip, prefix, file);
  std::vector<std::byte> buffer;
  const auto program = read_entry(zip, entry, kMaxPickle, buffer);
  const Pickle pickle = read_pickle(program, file + ": data.pkl");
  if (pickle.length != program.size()) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: data.pkl goes on for {} bytes behind its end", file,
                                                  program.size() - pickle.length));
  }
  contents.format = kTorchArchiveFormat;
  ArchiveStorages storages(zip, prefix, is_big_endian(zip, prefix, file), contents);
  flatten(pickle, storages, contents);
  if (!contents.with_tensors()) return;
  for (const auto& [name, other] : zip.entries()) {
    if (!other.deflated) zip.payload(other);  // every local header is what the directory says
  }
}

}  // namespace greenroom::checkpoint
