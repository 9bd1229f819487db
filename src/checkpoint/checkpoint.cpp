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

enum class Container { kZip, kLegacy, kSafetensors, kSafetensorsIndex };

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
  if (head.starts_with(kLegacyMagic)) return Container::kLegacy;
  if (head.starts_with("version https://git-lfs")) {
    throw refuse(ErrorCode::kDataLoss,
                 "a Git LFS pointer, not the model itself; run `git lfs pull` where it came from");
  }
  const auto first = head.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && head[first] == '<') {
    throw refuse(ErrorCode::kDataLoss,
                 "a web page, not a model; the download went to a page instead of the file");
  }
  if (first != std::string_view::npos && head[first] == '{') return Container::kSafetensorsIndex;
  if (head.size() > 1 && static_cast<unsigned char>(head[0]) == 0x80 &&
      static_cast<unsigned char>(head[1]) <= 5) {
    throw refuse(ErrorCode::kUnimplemented, "a bare Python pickle, not a file torch.save wrote");
  }
  if (head.starts_with("PYTORCH1"))
    throw refuse(ErrorCode::kUnimplemented, "written by a preview version of PyTorch");
  if (head.size() > 261 && head.substr(257, 5) == "ustar") {
    throw refuse(ErrorCode::kUnimplemented, "a tar archive; unpack it and name the model inside");
  }
  throw refuse(ErrorCode::kDataLoss, "not a checkpoint: neither a torch.save archive nor safetensors");
}

void read(Container container, Checkpoint::Contents& contents) {
  switch (container) {
    case Container::kZip:
      return FormatReaders::read_torch_archive(contents);
    case Container::kLegacy:
      return FormatReaders::read_torch_legacy(contents);
    case Container::kSafetensors:
      return FormatReaders::read_safetensors(contents);
    case Container::kSafetensorsIndex:
      return FormatReaders::read_safetensors_index(contents);
  }
}

// The file that a folder stands for.
std::filesystem::path model_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) return path;
  for (const char* name : {"model.safetensors.index.json", "model.safetensors"}) {
    if (std::filesystem::exists(path / name, ignored)) return path / name;
  }
  return path;
}

}  // namespace

Checkpoint::Checkpoint(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}

Checkpoint Checkpoint::open(const std::filesystem::path& path, OpenMode mode) {
  auto contents = std::make_shared<Contents>();
  contents->path = model_file(path);
  contents->mode = mode;
  contents->files.push_back(std::make_shared<const MappedFile>(contents->path));
  const MappedFile& file = *contents->files.front();
  if (mode == OpenMode::kHeaders) file.expect_headers();
  try {
    read(sniff(file.bytes(), contents->path.string()), *contents);
  } catch (const Error&) {
    file.check_unchanged();  // the better explanation
    throw;
  }
  for (const auto& each : contents->files) each->check_unchanged();
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
const std::vector<std::shared_ptr<const MappedFile>>& Checkpoint::files() const {
  return contents_->files;
}
std::shared_ptr<const void> Checkpoint::keep_alive() const {
  return contents_;
}
void Checkpoint::check_unchanged() const {
  for (const auto& file : contents_->files) file->check_unchanged();
}

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto found = contents_->tensors.find(name);
  return found == contents_->tensors.end() ? nullptr : &found->second;
}

}  // namespace greenroom::checkpoint
