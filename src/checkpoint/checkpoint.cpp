#include "checkpoint/checkpoint.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "checkpoint/contents.h"

namespace greenroom::checkpoint {
namespace {

using base::Error;
using base::ErrorCode;

enum class Container { kZip, kSafetensors };

// Told by the first bytes; a file that is something else is refused with what it looks like.
Container sniff(std::span<const std::byte> bytes, const std::string& file) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 512));
  const auto refuse = [&](ErrorCode code, const char* text) {
    return Error(code, fmt::format("{}: {}", file, text));
  };
  constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15);
  if (head.starts_with("PK\x03\x04")) return Container::kZip;
  constexpr std::size_t kLengthField = 8;
  if (bytes.size() > kLengthField) {
    std::uint64_t length = 0;
    for (std::size_t i = kLengthField; i-- > 0;)
      length = (length << 8) | std::to_integer<std::uint64_t>(bytes[i]);
    const auto json = head.find_first_not_of(" \t\r\n", kLengthField);
    const bool opens = json != std::string_view::npos && head[json] == '{';
    if (opens && length <= bytes.size() - kLengthField) return Container::kSafetensors;
  }
  if (head.starts_with(kLegacyMagic)) {
    throw refuse(ErrorCode::kUnimplemented,
                 "written by a PyTorch before 1.6 (legacy stream format), which is not supported yet; load "
                 "it in PyTorch and "
                 "torch.save it again");
  }
  if (head.starts_with("version https://git-lfs")) {
    throw refuse(ErrorCode::kDataLoss,
                 "a Git LFS pointer, not the model itself; run `git lfs pull` where it came from");
  }
  const auto first = head.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && head[first] == '<') {
    throw refuse(ErrorCode::kDataLoss,
                 "a web page, not a model; the download went to a page instead of the file");
  }
  if (first != std::string_view::npos && (head[first] == '{' || head[first] == '[')) {
    throw refuse(ErrorCode::kDataLoss, "JSON text, not a model; perhaps an error message saved in its place");
  }
  if (head.size() > 1 && static_cast<unsigned char>(head[0]) == 0x80 &&
      static_cast<unsigned char>(head[1]) <= 5) {
    throw refuse(ErrorCode::kUnimplemented, "a bare Python pickle, not a file torch.save wrote");
  }
  if (head.size() > 261 && head.substr(257, 5) == "ustar") {
    throw refuse(ErrorCode::kUnimplemented, "a tar archive; unpack it and name the model inside");
  }
  throw refuse(ErrorCode::kDataLoss, "not a checkpoint: neither a torch.save archive nor safetensors");
}

}  // namespace

Checkpoint::Checkpoint(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}

Checkpoint Checkpoint::open(const std::filesystem::path& path) {
  auto contents = std::make_shared<Contents>();
  contents->path = path;
  contents->mapping = std::make_shared<const MappedFile>(path);
  if (sniff(contents->mapping->bytes(), path.string()) == Container::kZip) {
    FormatReaders::read_torch_archive(*contents);
  } else {
    FormatReaders::read_safetensors(*contents);
  }
  return Checkpoint(std::move(contents));
}

const std::filesystem::path& Checkpoint::path() const {
  return contents_->path;
}
std::string_view Checkpoint::format() const {
  return contents_->format;
}
const std::map<std::string, TensorView, std::less<>>& Checkpoint::tensors() const& {
  return contents_->tensors;
}
const std::map<std::string, Scalar, std::less<>>& Checkpoint::scalars() const& {
  return contents_->scalars;
}
const std::map<std::string, std::string, std::less<>>& Checkpoint::skipped() const {
  return contents_->skipped;
}
std::shared_ptr<const MappedFile> Checkpoint::mapping() const {
  return contents_->mapping;
}

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto found = contents_->tensors.find(name);
  return found == contents_->tensors.end() ? nullptr : &found->second;
}

}  // namespace greenroom::checkpoint
