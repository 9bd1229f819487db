#include "checkpoint/verify.h"

#include "checkpoint/checkpoint.h"
#include "checkpoint/contents.h"
#include "checkpoint/zip.h"

namespace greenroom::checkpoint {

Verification verify_checksums(const std::filesystem::path& path) {
  const auto file = Checkpoint::open(path, OpenMode::kHeaders);
  Verification result;
  if (file.format() != kTorchArchiveFormat) return result;
  const auto& mapped = *file.files().front();
  mapped.expect_whole();
  const ZipArchive zip(mapped.bytes(), file.path().string());
  for (const auto& [name, entry] : zip.entries()) {
    if (entry.size == 0) continue;
    if (entry.crc == 0) {
      ++result.unchecked;
      continue;
    }
    if (entry.deflated) {
      zip.inflate(entry, kMaxUnpacked);
    } else {
      zip.verify(entry);
    }
    ++result.checked;
    result.bytes += entry.size;
  }
  file.check_unchanged();
  return result;
}

}  // namespace greenroom::checkpoint
