// Where a command writes its audio.
#pragma once

#include <filesystem>

namespace greenroom::cli {

// What can be known to fail is said before minutes of work, not after. Throws base::Error unless `path` ends
// in .wav or .flac and can be written.
void check_output(const std::filesystem::path& path);

}  // namespace greenroom::cli
