#include "devices/processes.h"

#include <unistd.h>

#include "devices/text_file.h"

namespace greenroom::devices {

void identify(std::vector<ProcessUse>& processes, const std::filesystem::path& root) {
  const auto self = static_cast<std::uint64_t>(::getpid());
  for (auto& process : processes) {
    const auto folder = root / "proc" / std::to_string(process.pid);
    process.name = read_line(folder / "comm").value_or("");
    process.ours = process.pid == self || read_field(folder / "status", "PPid:", 1) == self;
  }
}

}  // namespace greenroom::devices
