#include "checkpoint/host_memory.h"

#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/error.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace greenroom::checkpoint {
namespace {

class MappedMemory final : public HostMemory {
 public:
  explicit MappedMemory(std::uint64_t bytes)
      : size_(static_cast<std::size_t>(std::max<std::uint64_t>(bytes, 1))) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
      throw base::Error(base::ErrorCode::kResourceExhausted,
                        fmt::format("the system has no {} of memory left for weights; unload models or close "
                                    "other programs",
                                    base::format_bytes(bytes)));
    }
    data_ = static_cast<std::byte*>(mapped);
    ::madvise(mapped, size_, MADV_HUGEPAGE);
  }
  ~MappedMemory() override { ::munmap(data_, size_); }
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;

  std::span<std::byte> bytes() override { return {data_, size_}; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_;
};

}  // namespace

std::unique_ptr<HostMemory> allocate_host_memory(std::uint64_t bytes) {
  return std::make_unique<MappedMemory>(bytes);
}

void stream_copy(std::span<const std::byte> from, std::span<std::byte> to) {
#if defined(__x86_64__)
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kLane = sizeof(__m128i);
  const std::size_t misaligned = reinterpret_cast<std::uintptr_t>(to.data()) % kLane;
  const std::size_t head = std::min(from.size(), misaligned == 0 ? 0 : kLane - misaligned);
  std::memcpy(to.data(), from.data(), head);
  std::size_t done = head;
  for (; done + kLine <= from.size(); done += kLine) {
    const auto* source = reinterpret_cast<const __m128i*>(from.data() + done);
    auto* target = reinterpret_cast<__m128i*>(to.data() + done);
    for (std::size_t i = 0; i < kLine / kLane; ++i) _mm_stream_si128(target + i, _mm_loadu_si128(source + i));
  }
  _mm_sfence();
  std::memcpy(to.data() + done, from.data() + done, from.size() - done);
#else
  std::memcpy(to.data(), from.data(), from.size());
#endif
}

std::unique_ptr<HostMemory> HostTarget::allocate_staging(std::uint64_t bytes) {
  return allocate_host_memory(bytes);
}

void HostTarget::copy(unsigned, std::span<const std::byte> from, std::uint64_t offset) {
  stream_copy(from, block_.subspan(static_cast<std::size_t>(offset), from.size()));
}

}  // namespace greenroom::checkpoint
