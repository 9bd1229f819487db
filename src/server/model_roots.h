// Where models may be taken from.
#pragma once

#include <filesystem>
#include <vector>

#include "app/config.h"

namespace greenroom::server {

// Thread-safe: constant.
class ModelRoots {
 public:
  // `roots`, and the folders that the configuration names: of the models of the default tasks, where files of
  // IndexTTS are looked for, the demo models. Those that are not there are left out.
  ModelRoots(const std::vector<std::filesystem::path>& roots, const app::Config& config);

  // The path with all links followed. Throws HttpError(403) for one that is not below a root, wherever its
  // links lead; base::Error(kNotFound) when nothing is there.
  std::filesystem::path check(const std::filesystem::path& path) const;
  bool contains(const std::filesystem::path& canonical) const;
  const std::vector<std::filesystem::path>& list() const { return roots_; }

 private:
  std::vector<std::filesystem::path> roots_;  // canonical
};

// Where POST /api/v1/demo writes. Empty when nothing is kept on disk.
std::filesystem::path demo_folder(const app::Config& config);

}  // namespace greenroom::server
