// Brings the weights of a plan to a device: reads, converts and copies at the same time.
//
// Reader threads fill staging memory from the file, convert where the plan says so, and begin the copy to the
// device; while that runs they read on into another part of the staging memory. An image of the block in host
// memory, when there is one, is filled on the way, and is all that the next load needs: the same copies, but
// nothing to read.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "checkpoint/host_memory.h"
#include "checkpoint/read_plan.h"

namespace greenroom::checkpoint {

enum class DirectIo {
  kAuto,    // when most of the file is not in the page cache and the cache has no room for it
  kNever,   // always through the page cache
  kAlways,  // past it, where the file system can
};

struct TransferOptions {
  unsigned threads = 0;                // readers; 0: as many as the machine has cores, at most 4
  std::size_t chunk_bytes = 1u << 20;  // read at once; staging memory is about 2 of these for each thread
  DirectIo direct_io = DirectIo::kAuto;
  std::span<std::byte> image;                    // filled with a copy of the block; empty: none wanted
  const std::atomic<bool>* cancelled = nullptr;  // looked at between chunks
  // In bytes of the source. Called from the reader threads, one at a time.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

// Returns when everything has arrived. Throws Error: kCancelled, kDataLoss (the file changed or could not be
// read), what the target throws. After an error the block's contents are undefined, and no copy is under way.
void transfer(const ReadPlan& plan, CopyTarget& target, const TransferOptions& options);

// The same from an image that an earlier transfer of an equal plan filled.
void transfer_image(std::span<const std::byte> image, CopyTarget& target, const TransferOptions& options);

}  // namespace greenroom::checkpoint
