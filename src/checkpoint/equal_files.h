// Finds files that hold the same bytes under different names, so that they are loaded once: every voice's
// folder may bring its own copy of the encoder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/mutex.h"

namespace greenroom::checkpoint {

// Files are equal when all their bytes are, which is compared only between files of equal size; no checksum
// that somebody could forge is trusted. A comparison is remembered until one of the two changes on disk.
// Thread-safe; reads outside its lock.
class EqualFiles {
 public:
  // The first file asked about that is still there and holds the same bytes as `path`, else `path` itself. A
  // path that cannot be read comes back as it is: whoever opens it says why. Reads both files to the first
  // difference when their sizes are equal, the first time.
  std::filesystem::path representative(const std::filesystem::path& path);

  // What tells a file's state; two names of one inode are one file.
  struct Identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t bytes = 0;
    std::int64_t modified_ns = 0;
    auto operator<=>(const Identity&) const = default;
  };

 private:
  struct Known {
    std::filesystem::path path;
    Identity identity;
  };

  struct Candidate {
    Known file;
    bool is_answer = false;  // found equal before
  };

  // The remembered answer, or a file of that size that was not compared yet; when there is neither, `asked`
  // stands for itself from now on.
  std::optional<Candidate> next_to_try(const Known& asked, const std::set<Identity>& different)
      EXCLUDES_LOCK(mutex_);
  void forget(const Known& gone) EXCLUDES_LOCK(mutex_);

  base::Mutex mutex_;
  std::map<Identity, Known> answers_ GUARDED_BY(mutex_);  // by the file that was asked about
  std::map<std::uint64_t, std::vector<Known>> by_size_ GUARDED_BY(mutex_);  // all different from each other
};

}  // namespace greenroom::checkpoint
