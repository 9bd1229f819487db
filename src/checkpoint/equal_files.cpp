#include "checkpoint/equal_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "checkpoint/mapped_file.h"

namespace greenroom::checkpoint {
namespace {

namespace fs = std::filesystem;

std::optional<EqualFiles::Identity> identify(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
  return EqualFiles::Identity{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                              status.st_mtim.tv_sec * kNanosecondsPerSecond + status.st_mtim.tv_nsec};
}

// False, too, when one of them cannot be read or changes meanwhile.
bool hold_equal_bytes(const fs::path& a, const fs::path& b) {
  try {
    const MappedFile first(a);
    const MappedFile second(b);
    const auto size = first.bytes().size();
    const bool equal =
        size == second.bytes().size() && std::memcmp(first.bytes().data(), second.bytes().data(), size) == 0;
    first.check_unchanged();
    second.check_unchanged();
    return equal;
  } catch (const base::Error&) {
    return false;
  }
}

}  // namespace

void EqualFiles::forget(const Known& gone) {
  const base::MutexLock lock(mutex_);
  const auto is_it = [&](const Known& known) { return known.identity == gone.identity; };
  std::erase_if(by_size_[gone.identity.bytes], is_it);
  std::erase_if(answers_, [&](const auto& answer) { return is_it(answer.second); });
}

std::optional<EqualFiles::Candidate> EqualFiles::next_to_try(const Known& asked,
                                                             const std::set<Identity>& different) {
  const base::MutexLock lock(mutex_);
  if (const auto found = answers_.find(asked.identity); found != answers_.end())
    return Candidate{found->second, true};
  auto& known = by_size_[asked.identity.bytes];
  const auto next = std::find_if(known.begin(), known.end(),
                                 [&](const Known& other) { return different.count(other.identity) == 0; });
  if (next != known.end()) return Candidate{*next, false};
  known.push_back(asked);
  answers_.emplace(asked.identity, asked);
  return std::nullopt;
}

fs::path EqualFiles::representative(const fs::path& path) {
  const auto identity = identify(path);
  if (!identity || identity->bytes == 0) return path;
  const Known asked{path, *identity};
  std::set<Identity> different;
  while (const auto candidate = next_to_try(asked, different)) {
    const Known& other = candidate->file;
    if (identify(other.path) != other.identity) {
      forget(other);  // its name stands for other bytes now
    } else if (candidate->is_answer) {
      return other.path;
    } else if (hold_equal_bytes(other.path, path)) {
      const base::MutexLock lock(mutex_);
      return answers_.emplace(*identity, other).first->second.path;
    } else {
      different.insert(other.identity);
    }
  }
  return path;
}

}  // namespace greenroom::checkpoint
