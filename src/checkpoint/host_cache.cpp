#include "checkpoint/host_cache.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace greenroom::checkpoint {

std::shared_ptr<HostMemory> HostCache::find(const std::string& key) {
  const base::MutexLock lock(mutex_);
  const auto found = std::find_if(images_.begin(), images_.end(),
                                  [&](const Image& image) { return image.key == key && image.memory; });
  if (found == images_.end()) return nullptr;
  images_.splice(images_.begin(), images_, found);
  return found->memory;
}

std::uint64_t HostCache::used() const {
  std::uint64_t bytes = 0;
  for (const Image& image : images_) {
    if (image.memory || !image.being_filled.expired()) bytes += image.bytes;
  }
  return bytes;
}

bool HostCache::make_room(std::uint64_t bytes, Images& dropped) {
  images_.remove_if([](const Image& image) { return !image.memory && image.being_filled.expired(); });
  if (bytes > budget_) return false;
  for (auto here = images_.end(); used() > budget_ - bytes && here != images_.begin();) {
    const auto victim = std::prev(here);
    const bool is_in_use = !victim->memory || victim->memory.use_count() > 1;
    if (is_in_use) {
      here = victim;
    } else {
      dropped.splice(dropped.end(), images_, victim);
    }
  }
  return used() <= budget_ - bytes;
}

std::shared_ptr<HostMemory> HostCache::reserve(const std::string& key, std::uint64_t bytes,
                                               const Allocate& allocate) {
  Images dropped;
  {
    const base::MutexLock lock(mutex_);
    if (!make_room(bytes, dropped)) return nullptr;
  }
  dropped.clear();
  std::shared_ptr<HostMemory> memory;
  try {
    memory = allocate(bytes);
  } catch (const base::Error& error) {
    if (error.code() != base::ErrorCode::kResourceExhausted) throw;
    return nullptr;  // a cache is no reason to fail
  }
  const base::MutexLock lock(mutex_);
  if (!make_room(bytes, dropped)) return nullptr;  // somebody else was quicker
  images_.push_front({key, bytes, nullptr, memory});
  return memory;
}

void HostCache::keep(const std::string& key, const std::shared_ptr<HostMemory>& image) {
  Images replaced;
  const base::MutexLock lock(mutex_);
  for (auto here = images_.begin(); here != images_.end();) {
    const auto next = std::next(here);
    if (here->key == key && here->being_filled.lock() == image) {
      here->memory = image;
    } else if (here->key == key && here->memory) {
      replaced.splice(replaced.end(), images_, here);
    }
    here = next;
  }
}

void HostCache::set_budget(std::uint64_t bytes) {
  Images dropped;
  const base::MutexLock lock(mutex_);
  budget_ = bytes;
  make_room(0, dropped);
}

std::uint64_t HostCache::budget() const {
  const base::MutexLock lock(mutex_);
  return budget_;
}

std::uint64_t HostCache::bytes() const {
  const base::MutexLock lock(mutex_);
  return used();
}

void HostCache::clear() {
  Images dropped;
  const base::MutexLock lock(mutex_);
  dropped.swap(images_);
}

}  // namespace greenroom::checkpoint
