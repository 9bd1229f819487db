#include "server/form.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace greenroom::server {

TempFile::TempFile() {
  std::error_code ignored;
  auto folder = std::filesystem::temp_directory_path(ignored);
  if (ignored) folder = "/tmp";
  std::string name = (folder / "greenroom-upload-XXXXXX").string();
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      fmt::format("an upload cannot be stored in {}: {}; make room there or set TMPDIR",
                                  folder.string(), std::strerror(errno)));
  }
  path_ = name;
}

TempFile::TempFile(TempFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), descriptor_(std::exchange(other.descriptor_, -1)) {}

TempFile& TempFile::operator=(TempFile&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

TempFile::~TempFile() {
  remove();
}

void TempFile::remove() {
  close();
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

void TempFile::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void TempFile::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      throw base::Error(base::ErrorCode::kUnavailable,
                        fmt::format("an upload cannot be stored in {}: {}; make room there or set TMPDIR",
                                    path_.parent_path().string(), std::strerror(errno)));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string FormFile::shown_name() const {
  constexpr std::size_t kLongest = 120;
  constexpr unsigned char kFirstPrintable = 0x20, kDelete = 0x7F;
  std::string shown =
      name.substr(name.find_last_of("/\\") + 1);  // all of it when there is none: npos + 1 is 0
  if (shown.size() > kLongest) shown.resize(kLongest);
  std::replace_if(
      shown.begin(), shown.end(),
      [](char c) {
        return static_cast<unsigned char>(c) < kFirstPrintable || static_cast<unsigned char>(c) == kDelete;
      },
      '?');
  return shown.empty() ? "the upload" : shown;
}

std::optional<std::string> Form::field(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (known == name) return value;
  }
  return std::nullopt;
}

const FormFile* Form::file(std::string_view field) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const auto& file) { return file.field == field; });
  return found == files.end() ? nullptr : &*found;
}

}  // namespace greenroom::server
