#include "checkpoint/zip.h"

#include <spdlog/fmt/fmt.h>
#include <zlib.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/byte_reader.h"
#include "checkpoint/text.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kZip64End = 0x06064b50;
constexpr std::uint32_t kZip64Locator = 0x07064b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kZip64LocatorSize = 20;
constexpr std::size_t kLocalHeaderSize = 30;
constexpr std::uint32_t kInZip64 = 0xFFFFFFFF;
constexpr std::uint16_t kEncrypted = 1;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint64_t kZip64EndSize = 56;
// Weights hardly compress; what unpacks to more than this many times its size is a bomb, unless it is small.
constexpr std::uint64_t kMaxRatio = 64;
constexpr std::uint64_t kSmall = 16u << 20;
constexpr std::uint64_t kMaxEntries = 1'000'000;

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t end = 0;  // where the first end record begins
};

Error broken(const std::string& what, const std::string& problem) {
  return Error(
      ErrorCode::kDataLoss,
      fmt::format("{}: {}; the file is truncated (a broken download?) or has something behind its end", what,
                  problem));
}

Error in_parts(const std::string& what) {
  return Error(ErrorCode::kUnimplemented,
               fmt::format("{}: zip archives in several parts are not supported", what));
}

// The values of the zip64 end record, which must agree with those of the plain one that fit there.
Directory read_zip64_end(std::span<const std::byte> file, const std::string& what, const Directory& plain) {
  ByteReader locator(file, what, file.size() - kEndSize - kZip64LocatorSize);
  locator.take(4);
  const std::uint32_t disk = locator.u32();
  const std::uint64_t position = locator.u64();
  if (disk != 0 || locator.u32() > 1) throw in_parts(what);
  if (position > file.size()) throw broken(what, "the zip64 end record lies behind the end");
  ByteReader end(file, what, static_cast<std::size_t>(position));
  if (end.u32() != kZip64End) throw broken(what, "the zip64 end record is missing");
  const std::uint64_t rest = end.u64();
  end.take(2 + 2 + 4 + 4);
  const std::uint64_t entries_here = end.u64();
  Directory directory;
  directory.entries = end.u64();
  directory.size = end.u64();
  directory.offset = end.u64();
  directory.end = position;
  if (entries_here != directory.entries) throw in_parts(what);
  if (rest != kZip64EndSize - 12 || position + kZip64EndSize != file.size() - kEndSize - kZip64LocatorSize) {
    throw broken(what, "the zip64 end record is not where it belongs");
  }
  const auto agrees = [](std::uint64_t small, std::uint64_t unknown, std::uint64_t large) {
    return small == unknown || small == large;
  };
  if (!agrees(plain.entries, 0xFFFF, directory.entries) || !agrees(plain.size, kInZip64, directory.size) ||
      !agrees(plain.offset, kInZip64, directory.offset)) {
    throw broken(what, "the two zip end records contradict each other");
  }
  return directory;
}

// torch writes no archive comment, so the end record is the last thing in the file; anything else is not a
// whole file.
Directory read_end(std::span<const std::byte> file, const std::string& what) {
  if (file.size() < kEndSize) throw broken(what, "too short for a zip archive");
  ByteReader end(file, what, file.size() - kEndSize);
  if (end.u32() != kEnd) throw broken(what, "the zip directory's end record is missing");
  const std::uint16_t disk = end.u16();
  const std::uint16_t directory_disk = end.u16();
  const std::uint16_t here = end.u16();
  Directory directory;
  directory.entries = end.u16();
  directory.size = end.u32();
  directory.offset = end.u32();
  directory.end = file.size() - kEndSize;
  if (end.u16() != 0) throw broken(what, "the zip archive has a comment");
  if (file.size() >= kEndSize + kZip64LocatorSize) {
    ByteReader locator(file, what, file.size() - kEndSize - kZip64LocatorSize);
    if (locator.u32() == kZip64Locator) return read_zip64_end(file, what, directory);
  }
  if (directory.entries == 0xFFFF || directory.size == kInZip64 || directory.offset == kInZip64) {
    throw broken(what, "the zip64 locator is missing");
  }
  if (disk != 0 || directory_disk != 0 || here != directory.entries) throw in_parts(what);
  return directory;
}

// The zip64 extra field holds each value whose 32-bit field is full of ones, in this order.
void read_zip64_extra(ByteReader extra, const std::string& what, std::uint64_t& size,
                      std::uint64_t& compressed, std::uint64_t& offset) {
  while (extra.remaining() >= 4) {
    const std::uint16_t id = extra.u16();
    const std::uint16_t length = extra.u16();
    const auto body = extra.take(length);
    if (id != 1) continue;
    ByteReader values(body, what + ": zip64 extra field");
    if (size == kInZip64) size = values.u64();
    if (compressed == kInZip64) compressed = values.u64();
    if (offset == kInZip64) offset = values.u64();
    return;
  }
}

// Why a name cannot be one that torch.save wrote; empty when it can.
std::string_view name_problem(std::string_view name) {
  if (name.empty()) return "has no name";
  if (!is_plain_utf8(name)) return "has a name that is not readable text";
  if (name.front() == '/' || name.find('\\') != std::string_view::npos) return "is named like a path";
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return "is named like a path that leaves its folder";
    begin = end + 1;
  }
  return "";
}

ZipEntry read_central_entry(ByteReader& directory, const std::string& what) {
  if (directory.u32() != kCentralHeader) directory.fail("a zip directory entry was expected");
  directory.take(4);
  const std::uint16_t flags = directory.u16();
  const std::uint16_t method = directory.u16();
  directory.take(2 + 2);
  ZipEntry entry;
  entry.crc = directory.u32();
  entry.stored_size = directory.u32();
  entry.size = directory.u32();
  const std::uint16_t name_length = directory.u16();
  const std::uint16_t extra_length = directory.u16();
  const std::uint16_t comment_length = directory.u16();
  directory.take(2 + 2 + 4);
  entry.header_offset = directory.u32();
  entry.name = directory.text(name_length);
  const auto extra = directory.take(extra_length);
  directory.take(comment_length);
  read_zip64_extra(ByteReader(extra, what), what, entry.size, entry.stored_size, entry.header_offset);
  const auto refuse = [&](const std::string& problem) {
    return Error(ErrorCode::kDataLoss,
                 fmt::format("{}: the entry {} {}", what, printable(entry.name), problem));
  };
  if (const auto problem = name_problem(entry.name); !problem.empty()) throw refuse(std::string(problem));
  if ((flags & kEncrypted) != 0) throw refuse("is encrypted");
  if (method != kStored && method != kDeflated) {
    throw refuse(fmt::format("is compressed with method {}; save the model again with torch.save", method));
  }
  entry.deflated = method == kDeflated;
  if (!entry.deflated && entry.size != entry.stored_size) {
    throw refuse(fmt::format("claims two sizes, {} and {}", entry.size, entry.stored_size));
  }
  return entry;
}

std::string lower_case(std::string name) {
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> file, std::string what)
    : file_(file), what_(std::move(what)) {
  const Directory directory = read_end(file, what_);
  const auto directory_end = base::checked_add(directory.offset, directory.size);
  if (!directory_end || *directory_end != directory.end) {
    throw broken(what_,
                 fmt::format("the zip directory of {} bytes at {} does not end where the end record begins",
                             directory.size, directory.offset));
  }
  constexpr std::uint64_t kSmallestEntry = 46;
  if (directory.entries > kMaxEntries || directory.entries * kSmallestEntry > directory.size) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: the zip directory claims {} entries in {} bytes",
                                                  what_, directory.entries, directory.size));
  }
  ByteReader reader(file.first(static_cast<std::size_t>(directory.end)), what_,
                    static_cast<std::size_t>(directory.offset));
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    ZipEntry entry = read_central_entry(reader, what_);
    if (i == 0) first_name_ = entry.name;
    if (!names.insert(lower_case(entry.name)).second) {
      throw Error(ErrorCode::kDataLoss,
                  fmt::format("{}: the entry {} occurs twice", what_, printable(entry.name)));
    }
    add(std::move(entry));
  }
  if (!reader.at_end()) reader.fail("the zip directory goes on behind its last entry");
  check_extents(directory.offset);
}

void ZipArchive::add(ZipEntry entry) {
  const auto shortest = base::checked_add(entry.header_offset, kLocalHeaderSize + entry.name.size());
  const auto end = shortest ? base::checked_add(*shortest, entry.stored_size) : std::nullopt;
  if (!end || *end > file_.size()) {
    throw Error(
        ErrorCode::kDataLoss,
        fmt::format("{}: the entry {} of {} bytes at {} reaches behind the end; the file is truncated "
                    "or corrupt",
                    what_, printable(entry.name), entry.stored_size, entry.header_offset));
  }
  next_offset_[entry.header_offset] = *end;  // the least it can be, until check_extents knows better
  std::string name = entry.name;
  entries_.emplace(std::move(name), std::move(entry));
}

void ZipArchive::check_extents(std::uint64_t directory_offset) {
  if (next_offset_.size() != entries_.size())
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: several entries share one place in the file", what_));
  if (!next_offset_.empty() && next_offset_.begin()->first != 0)
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: there is something before the first entry", what_));
  for (auto here = next_offset_.begin(); here != next_offset_.end(); ++here) {
    const auto next = std::next(here);
    const std::uint64_t limit = next == next_offset_.end() ? directory_offset : next->first;
    if (here->second > limit) {
      throw Error(ErrorCode::kDataLoss,
                  fmt::format("{}: the entries at {} and {} overlap", what_, here->first, limit));
    }
    here->second = limit;
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

// Where the payload starts can only be told from the local header, whose extra field pads it to 64 bytes.
std::span<const std::byte> ZipArchive::payload(const ZipEntry& entry) const {
  ByteReader local(file_, what_, static_cast<std::size_t>(entry.header_offset));
  if (local.u32() != kLocalHeader)
    local.fail(fmt::format("the local header of {} was expected", printable(entry.name)));
  local.take(2);
  const std::uint16_t flags = local.u16();
  const std::uint16_t method = local.u16();
  if ((flags & kEncrypted) != 0 || method != (entry.deflated ? kDeflated : kStored)) {
    local.fail(fmt::format("the local header of {} contradicts the directory", printable(entry.name)));
  }
  local.take(2 + 2 + 4 + 4 + 4);
  const std::uint16_t name_length = local.u16();
  const std::uint16_t extra_length = local.u16();
  if (local.text(name_length) != entry.name) {
    local.fail(fmt::format("the local header of {} has another name", printable(entry.name)));
  }
  local.take(extra_length);
  const std::uint64_t limit = next_offset_.at(entry.header_offset);
  if (local.position() > limit || entry.stored_size > limit - local.position()) {
    local.fail(fmt::format("the entry {} of {} bytes reaches into the next one", printable(entry.name),
                           entry.stored_size));
  }
  return local.take(entry.stored_size);
}

std::vector<std::byte> ZipArchive::inflate(const ZipEntry& entry, std::uint64_t limit) const {
  const bool is_bomb = entry.size > kSmall && entry.size / kMaxRatio > entry.stored_size;
  if (is_bomb || entry.size > limit) {
    throw Error(
        ErrorCode::kResourceExhausted,
        fmt::format("{}: the compressed entry {} would unpack from {} to {}{}; save the model again with "
                    "torch.save, which does not compress",
                    what_, printable(entry.name), base::format_bytes(entry.stored_size),
                    base::format_bytes(entry.size),
                    is_bomb ? ", as zip bombs do" : ", more than is allowed"));
  }
  const auto corrupt = [&](const char* problem) {
    return Error(ErrorCode::kDataLoss,
                 fmt::format("{}: the compressed entry {} {}", what_, printable(entry.name), problem));
  };
  const auto packed = payload(entry);
  std::vector<std::byte> unpacked(static_cast<std::size_t>(entry.size));
  z_stream stream{};
  constexpr int kRawDeflate = -15;
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) throw std::bad_alloc();
  constexpr std::size_t kMostAtOnce = 1u << 30;
  std::size_t taken = 0;
  std::size_t made = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const std::size_t in = std::min(packed.size() - taken, kMostAtOnce);
    const std::size_t out = std::min(unpacked.size() - made, kMostAtOnce);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + taken));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(unpacked.data() + made);
    stream.avail_out = static_cast<uInt>(out);
    status = ::inflate(&stream, Z_NO_FLUSH);
    taken += in - stream.avail_in;
    made += out - stream.avail_out;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || made != unpacked.size() || taken != packed.size())
    throw corrupt("does not unpack to what the directory tells");
  if (entry.crc != 0 && ::crc32_z(0, reinterpret_cast<const Bytef*>(unpacked.data()), made) != entry.crc)
    throw corrupt("has another checksum than the directory tells");
  return unpacked;
}

void ZipArchive::verify(const ZipEntry& entry) const {
  if (entry.deflated || entry.crc == 0) return;  // checked when it is unpacked; not told
  const auto bytes = payload(entry);
  if (::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) == entry.crc) return;
  throw Error(ErrorCode::kDataLoss,
              fmt::format("{}: the entry {} does not match its checksum; the file is corrupt, get it again",
                          what_, printable(entry.name)));
}

}  // namespace greenroom::checkpoint
