// Images of weights kept in host memory, ready to be copied back to a device: the tier between device and
// disk.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "checkpoint/host_memory.h"

namespace greenroom::checkpoint {

// Keeps at most `budget` bytes; what was used longest ago goes first. An image handed out stays valid for as
// long as the pointer is held, even when it has gone from here. Thread-safe; allocates and frees outside its
// lock.
class HostCache {
 public:
  using Allocate = std::function<std::unique_ptr<HostMemory>(std::uint64_t bytes)>;

  explicit HostCache(std::uint64_t budget) : budget_(budget) {}

  // The image of that key, which counts as used now. Null when there is none.
  std::shared_ptr<HostMemory> find(const std::string& key);

  // Memory for an image, made room for by dropping older ones. It counts against the budget from now on, but
  // is found only after keep(); when the pointer is given up before that, the bytes are free again. Null when
  // `bytes` exceed the budget, or everything else is in use, or the system has no memory.
  std::shared_ptr<HostMemory> reserve(const std::string& key, std::uint64_t bytes, const Allocate& allocate);

  // The image that was reserved under the key is complete.
  void keep(const std::string& key, const std::shared_ptr<HostMemory>& image);

  void set_budget(std::uint64_t bytes);
  std::uint64_t budget() const;
  std::uint64_t bytes() const;  // of all images, also those being filled
  void clear();

 private:
  struct Image {
    std::string key;
    std::uint64_t bytes = 0;
    std::shared_ptr<HostMemory> memory;  // null while it is filled
    std::weak_ptr<HostMemory> being_filled;
  };
  using Images = std::list<Image>;

  std::uint64_t used() const REQUIRES_LOCK(mutex_);
  // Takes out what has to go so that `bytes` more fit; false when that cannot be.
  bool make_room(std::uint64_t bytes, Images& dropped) REQUIRES_LOCK(mutex_);

  mutable base::Mutex mutex_;
  std::uint64_t budget_ GUARDED_BY(mutex_);
  Images images_ GUARDED_BY(mutex_);  // latest used first
};

}  // namespace greenroom::checkpoint
