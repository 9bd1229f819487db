#include "checkpoint/atomic_file.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <system_error>

#include "base/error.h"

namespace greenroom::checkpoint {
namespace {

namespace fs = std::filesystem;

// Not every file system can; a file that is complete but not yet on the disk is no reason to fail.
void flush(const fs::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

}  // namespace

void write_atomically(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  const fs::path temporary = fmt::format("{}.{}.part", path.string(), ::getpid());
  try {
    write(temporary);
    flush(temporary);
    fs::rename(temporary, path);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw base::Error(base::ErrorCode::kUnavailable,
                      fmt::format("{}: cannot be written: {}", path.string(), error.code().message()));
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}

}  // namespace greenroom::checkpoint
