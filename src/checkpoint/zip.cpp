#include "checkpoint/zip.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "checkpoint/byte_reader.h"

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
constexpr std::uint64_t kMaxEntries = 1'000'000;

struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct Entry {
  std::string name;
  std::uint64_t local_offset = 0;
  std::uint64_t size = 0;
};

// torch writes no archive comment, so the end record is the last thing in the file; anything else is not a
// whole file.
Directory read_end(std::span<const std::byte> file, const std::string& what) {
  const auto broken = [&](const std::string& problem) {
    return Error(
        ErrorCode::kDataLoss,
        fmt::format("{}: {}; the file is truncated (a broken download?) or has something behind its end",
                    what, problem));
  };
  if (file.size() < kEndSize) throw broken("too short for a zip archive");
  ByteReader end(file, what, file.size() - kEndSize);
  if (end.u32() != kEnd) throw broken("the zip directory's end record is missing");
  const std::uint16_t disk = end.u16();
  const std::uint16_t directory_disk = end.u16();
  const std::uint16_t here = end.u16();
  Directory directory;
  directory.entries = end.u16();
  directory.size = end.u32();
  directory.offset = end.u32();
  if (end.u16() != 0) throw broken("the zip archive has a comment");
  const bool small =
      directory.entries != 0xFFFF && directory.size != kInZip64 && directory.offset != kInZip64;
  if (small) {
    if (disk != 0 || directory_disk != 0 || here != directory.entries) {
      throw Error(ErrorCode::kUnimplemented,
                  fmt::format("{}: zip archives in several parts are not supported", what));
    }
    return directory;
  }
  if (file.size() < kEndSize + kZip64LocatorSize) throw broken("the zip64 locator is missing");
  ByteReader locator(file, what, file.size() - kEndSize - kZip64LocatorSize);
  if (locator.u32() != kZip64Locator) throw broken("the zip64 locator is missing");
  locator.u32();
  const std::uint64_t end64_offset = locator.u64();
  if (end64_offset > file.size()) throw broken("the zip64 end record lies behind the end");
  ByteReader end64(file, what, static_cast<std::size_t>(end64_offset));
  if (end64.u32() != kZip64End) throw broken("the zip64 end record is missing");
  end64.take(8 + 2 + 2 + 4 + 4);
  const std::uint64_t entries_here = end64.u64();
  directory.entries = end64.u64();
  directory.size = end64.u64();
  directory.offset = end64.u64();
  if (entries_here != directory.entries) {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{}: zip archives in several parts are not supported", what));
  }
  return directory;
}

// The zip64 extra field holds each value whose 32-bit field is full of ones, in this order.
void read_zip64_extra(ByteReader extra, std::uint64_t& size, std::uint64_t& compressed,
                      std::uint64_t& offset) {
  while (extra.remaining() >= 4) {
    const std::uint16_t id = extra.u16();
    const std::uint16_t length = extra.u16();
    const auto body = extra.take(length);
    if (id != 1) continue;
    ByteReader values(body, "zip64 extra field");
    if (size == kInZip64) size = values.u64();
    if (compressed == kInZip64) compressed = values.u64();
    if (offset == kInZip64) offset = values.u64();
    return;
  }
}

Entry read_central_entry(ByteReader& directory, const std::string& what) {
  if (directory.u32() != kCentralHeader) directory.fail("a zip directory entry was expected");
  directory.take(4);
  const std::uint16_t flags = directory.u16();
  const std::uint16_t method = directory.u16();
  directory.take(2 + 2 + 4);
  std::uint64_t compressed = directory.u32();
  std::uint64_t size = directory.u32();
  const std::uint16_t name_length = directory.u16();
  const std::uint16_t extra_length = directory.u16();
  const std::uint16_t comment_length = directory.u16();
  directory.take(2 + 2 + 4);
  std::uint64_t offset = directory.u32();
  Entry entry;
  entry.name = directory.text(name_length);
  const auto extra = directory.take(extra_length);
  directory.take(comment_length);
  read_zip64_extra(ByteReader(extra, what), size, compressed, offset);
  const auto refuse = [&](const std::string& problem) {
    return Error(ErrorCode::kDataLoss, fmt::format("{}: the entry \"{}\" {}", what, entry.name, problem));
  };
  if ((flags & kEncrypted) != 0) throw refuse("is encrypted");
  if (method != 0)
    throw refuse(fmt::format("is compressed (method {}); save the model again with torch.save", method));
  if (size != compressed) throw refuse(fmt::format("claims two sizes, {} and {}", size, compressed));
  entry.local_offset = offset;
  entry.size = size;
  return entry;
}

// Where the payload starts can only be told from the local header, whose extra field pads it to 64 bytes.
std::uint64_t payload_offset(std::span<const std::byte> file, const Entry& entry, const std::string& what) {
  if (entry.local_offset > file.size()) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: the entry \"{}\" begins behind the end of the file", what, entry.name));
  }
  ByteReader local(file, what, static_cast<std::size_t>(entry.local_offset));
  if (local.u32() != kLocalHeader)
    local.fail(fmt::format("the local header of \"{}\" was expected", entry.name));
  local.take(2);
  const std::uint16_t flags = local.u16();
  const std::uint16_t method = local.u16();
  if ((flags & kEncrypted) != 0 || method != 0) {
    local.fail(fmt::format("the local header of \"{}\" contradicts the directory", entry.name));
  }
  local.take(2 + 2 + 4 + 4 + 4);
  const std::uint16_t name_length = local.u16();
  const std::uint16_t extra_length = local.u16();
  if (local.text(name_length) != entry.name) {
    local.fail(fmt::format("the local header of \"{}\" has another name", entry.name));
  }
  return entry.local_offset + kLocalHeaderSize + name_length + extra_length;
}

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> file, const std::string& what) {
  const Directory directory = read_end(file, what);
  const auto directory_end = base::checked_add(directory.offset, directory.size);
  if (!directory_end || *directory_end > file.size()) {
    throw Error(ErrorCode::kDataLoss,
                fmt::format("{}: the zip directory lies behind the end; the file is truncated", what));
  }
  constexpr std::uint64_t kSmallestEntry = 46;
  if (directory.entries > kMaxEntries || directory.entries * kSmallestEntry > directory.size) {
    throw Error(ErrorCode::kDataLoss, fmt::format("{}: the zip directory claims {} entries in {} bytes", what,
                                                  directory.entries, directory.size));
  }
  ByteReader reader(file.first(static_cast<std::size_t>(*directory_end)), what,
                    static_cast<std::size_t>(directory.offset));
  struct Extent {
    std::uint64_t begin, end;
    std::string name;
  };
  std::vector<Extent> extents;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    Entry entry = read_central_entry(reader, what);
    const std::uint64_t begin = payload_offset(file, entry, what);
    const auto end = base::checked_add(begin, entry.size);
    if (!end || *end > directory.offset) {
      throw Error(ErrorCode::kDataLoss,
                  fmt::format("{}: the entry \"{}\" of {} bytes at {} reaches behind the data; the "
                              "file is truncated or corrupt",
                              what, entry.name, entry.size, begin));
    }
    if (i == 0) first_name_ = entry.name;
    const auto payload = file.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(entry.size));
    if (!entries_.emplace(entry.name, payload).second) {
      throw Error(ErrorCode::kDataLoss, fmt::format("{}: the entry \"{}\" occurs twice", what, entry.name));
    }
    extents.push_back({entry.local_offset, *end, entry.name});
  }
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].begin < extents[i - 1].end) {
      throw Error(ErrorCode::kDataLoss, fmt::format("{}: the entries \"{}\" and \"{}\" overlap", what,
                                                    extents[i - 1].name, extents[i].name));
    }
  }
}

const std::span<const std::byte>* ZipArchive::find(std::string_view name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace greenroom::checkpoint
