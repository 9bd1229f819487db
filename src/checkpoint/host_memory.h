// Memory of the host that weights are kept in or pass through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace greenroom::checkpoint {

// A block, aligned to 4096 bytes. The destructor gives it back.
class HostMemory {
 public:
  virtual ~HostMemory() = default;
  virtual std::span<std::byte> bytes() = 0;
};

// Ordinary memory, in large pages where the system has them. Throws base::Error(kResourceExhausted).
std::unique_ptr<HostMemory> allocate_host_memory(std::uint64_t bytes);

// Copies past the caches: for blocks much larger than they are, that nobody reads soon. REQUIRES: no overlap,
// equal sizes.
void stream_copy(std::span<const std::byte> from, std::span<std::byte> to);

// Where the bytes of a load go: a block of memory of some device, reached by copies that may run while more
// is read. A lane is an order of copies; each is used by one thread at a time, different ones side by side.
class CopyTarget {
 public:
  virtual ~CopyTarget() = default;

  // The block itself where this process may write to it: what is read right into it needs no copy. Else
  // empty.
  virtual std::span<std::byte> memory() { return {}; }

  // Memory that copies are fast from: page-locked where the device asks for it.
  virtual std::unique_ptr<HostMemory> allocate_staging(std::uint64_t bytes) = 0;

  // Begins a copy to `offset` of the block; `from` must stay as it is until wait(lane) has returned. Throws
  // base::Error when the device refuses.
  virtual void copy(unsigned lane, std::span<const std::byte> from, std::uint64_t offset) = 0;

  // Returns when all copies of the lane have ended; throws what one of them failed with.
  virtual void wait(unsigned lane) = 0;
};

// The block is memory of this process: copies are done when copy() returns.
class HostTarget final : public CopyTarget {
 public:
  // The block must outlive this.
  explicit HostTarget(std::span<std::byte> block) : block_(block) {}
  std::span<std::byte> memory() override { return block_; }
  std::unique_ptr<HostMemory> allocate_staging(std::uint64_t bytes) override;
  void copy(unsigned lane, std::span<const std::byte> from, std::uint64_t offset) override;
  void wait(unsigned) override {}

 private:
  std::span<std::byte> block_;
};

}  // namespace greenroom::checkpoint
