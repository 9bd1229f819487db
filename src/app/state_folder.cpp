#include "app/state_folder.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "base/log.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr const char* kInMemory = ":memory:";

// Keeps other processes from opening (and moving aside) databases of the same folder at the same moment. The
// kernel lets go of it when the process ends, however it ends.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : file_(::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    while (file_ >= 0 && ::flock(file_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FolderLock() {
    if (file_ >= 0) ::close(file_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int file_;  // negative when the folder cannot be written; opening the databases will say so
};

// "state.db" and its companions become "state.db.damaged-1"; returns that path.
fs::path move_aside(const fs::path& file) {
  int number = 1;
  const auto aside = [&] { return fs::path(fmt::format("{}.damaged-{}", file.string(), number)); };
  while (fs::exists(aside())) ++number;
  auto target = aside();
  fs::rename(file, target);
  for (const char* companion : {"-wal", "-shm"}) {
    std::error_code ignored;  // often there are none
    fs::rename(file.string() + companion, target.string() + companion, ignored);
  }
  return target;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return;
  fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
}

}  // namespace

template <typename Opened, typename... Arguments>
std::unique_ptr<Opened> StateFolder::open(const char* name, Arguments... arguments) {
  const auto file = folder_ / name;
  const auto tell = [&](std::string problem) {
    base::log(base::LogLevel::kWarning, "app", problem);
    problems_.push_back(std::move(problem));
  };
  try {
    const FolderLock lock(folder_);
    try {
      return std::make_unique<Opened>(file, arguments...);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kDataLoss) throw;
      tell(fmt::format("{}; it is now {}, and a new one is begun", error.what(), move_aside(file).string()));
    }
    return std::make_unique<Opened>(file, arguments...);
  } catch (const std::exception& error) {
    tell(fmt::format("{}; until that is put right and greenroom started again, {} is kept in memory only",
                     error.what(), name));
  }
  return std::make_unique<Opened>(kInMemory, arguments...);
}

StateFolder::StateFolder(const fs::path& folder, std::size_t max_events) : folder_(folder) {
  if (folder_.empty()) {
    store_ = std::make_unique<StateStore>(kInMemory);
    history_ = std::make_unique<EventHistory>(kInMemory, max_events);
    return;
  }
  make_folder(folder_);
  store_ = open<StateStore>("state.db");
  history_ = open<EventHistory>("events.db", max_events);
}

}  // namespace greenroom::app
