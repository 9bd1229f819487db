#include <vector>

#include "fuzz.h"

// The bytes are the header; a length in front and some data behind make it a file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> file(8 + size + 64);
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<std::uint8_t>(std::uint64_t{size} >> (8 * i));
  std::copy(data, data + size, file.begin() + 8);
  if (size > 0 && file[8] == '{') greenroom::checkpoint::open_bytes(file);
  return 0;
}
