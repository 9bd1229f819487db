// What a multipart upload holds: short fields in memory, files on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace greenroom::server {

// A file of ours in the system's folder for such, removed when this ends. Move-only.
class TempFile {
 public:
  // Throws base::Error(kUnavailable).
  TempFile();
  TempFile(TempFile&& other) noexcept;
  TempFile& operator=(TempFile&& other) noexcept;
  ~TempFile();

  const std::filesystem::path& path() const { return path_; }
  // Throws base::Error(kUnavailable): the disk is full.
  void append(std::string_view bytes);
  // What was appended is in the file, and nothing more will be.
  void close();

 private:
  void remove();

  std::filesystem::path path_;
  int descriptor_ = -1;
};

struct FormFile {
  std::string field;
  std::string name;  // as the client calls it; never used as a path
  std::string content_type;
  std::uint64_t bytes = 0;
  TempFile file;

  // Its name as a message shows it: without folders, one short line; "the upload" when it has none.
  std::string shown_name() const;
};

struct Form {
  std::vector<std::pair<std::string, std::string>> fields;
  std::vector<FormFile> files;

  std::optional<std::string> field(std::string_view name) const;
  const FormFile* file(std::string_view field) const;  // null when there is none
};

}  // namespace greenroom::server
