// Files that are there whole or not at all.
#pragma once

#include <filesystem>
#include <functional>

namespace greenroom::checkpoint {

// Calls `write` with the name of a temporary file beside `path`, then flushes it to the disk and renames it
// to `path`, so that a reader never sees half a file and one that has the old file mapped keeps it. When
// `write` or anything else fails, the temporary file is removed and `path` is as it was. Throws what `write`
// throws, and Error(kUnavailable) when the file cannot be put in place.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path&)>& write);

}  // namespace greenroom::checkpoint
