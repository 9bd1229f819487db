#include "nn/guard.h"

#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <torch/torch.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#include "base/mutex.h"
#include "nn/failure.h"

namespace greenroom::nn {
namespace {

std::atomic<std::uint64_t> g_current_bytes{0};
std::atomic<std::uint64_t> g_peak_bytes{0};

void count_allocation(std::uint64_t bytes) {
  const std::uint64_t now = g_current_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::uint64_t peak = g_peak_bytes.load(std::memory_order_relaxed);
  while (now > peak && !g_peak_bytes.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

// Large blocks that were freed, by size, to be handed out again: a network asks for the same sizes over and
// over, and each time the system would map and clear fresh pages (a third of the time of a flow at real
// dimensions).
class BlockCache {
 public:
  static constexpr std::size_t kSmallest = 256 << 10;
  static constexpr std::size_t kMostBytes = 128 << 20;

  void* take(std::size_t bytes) {
    const base::MutexLock lock(mutex_);
    const auto found = blocks_.lower_bound(bytes);
    if (found == blocks_.end() || found->first > bytes + bytes / 8) return nullptr;
    void* block = found->second;
    bytes_ -= found->first;
    blocks_.erase(found);
    return block;
  }

  // False when the cache is full: the caller frees the block.
  bool put(void* block, std::size_t bytes) {
    const base::MutexLock lock(mutex_);
    if (bytes_ + bytes > kMostBytes) return false;
    blocks_.emplace(bytes, block);
    bytes_ += bytes;
    return true;
  }

  void clear() {
    const base::MutexLock lock(mutex_);
    for (const auto& [bytes, block] : blocks_) std::free(block);
    blocks_.clear();
    bytes_ = 0;
  }

 private:
  base::Mutex mutex_;
  std::multimap<std::size_t, void*> blocks_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

BlockCache& cache() {
  static auto* const kCache = new BlockCache;  // never destroyed: tensors of static lifetime are freed late
  return *kCache;
}

void free_counted(void* data) {
  if (data == nullptr) return;
  const std::size_t bytes = malloc_usable_size(data);
  g_current_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  if (bytes >= BlockCache::kSmallest && cache().put(data, bytes)) return;
  std::free(data);
}

// libtorch's own CPU allocator with a counter. 64-byte alignment is what its kernels assume.
//
// `allocate` lost its const and `copy_data` appeared along the way from libtorch 1.13 to 2.x: both spellings
// are here, and those the base class knows are the ones that override.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) const { return make(bytes); }
  c10::DataPtr allocate(std::size_t bytes) { return make(bytes); }
  void copy_data(void* to, const void* from, std::size_t bytes) const { std::memcpy(to, from, bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &free_counted; }

 private:
  static c10::DataPtr make(std::size_t bytes) {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &free_counted, cpu};
    void* data = nullptr;
    if (bytes >= BlockCache::kSmallest) data = cache().take(bytes);
    if (data == nullptr && posix_memalign(&data, 64, bytes) != 0) throw std::bad_alloc();
    count_allocation(malloc_usable_size(data));
    return {data, data, &free_counted, cpu};
  }
};

}  // namespace

void WorkspaceMeter::install() {
  static std::once_flag once;
  std::call_once(once, [] {
    static CountingAllocator allocator;
    c10::SetCPUAllocator(&allocator, /*priority=*/100);
  });
}

std::uint64_t WorkspaceMeter::current_bytes() {
  return g_current_bytes.load();
}
std::uint64_t WorkspaceMeter::peak_bytes() {
  return g_peak_bytes.load();
}
void WorkspaceMeter::trim() {
  cache().clear();
}
void WorkspaceMeter::reset_peak() {
  g_peak_bytes.store(g_current_bytes.load());
}

void run_guarded(const char* what, base::DeviceId device, const std::function<void()>& body) {
  check_device_kept(device);
  const c10::InferenceMode guard;
  try {
    body();
  } catch (const std::bad_alloc&) {
    throw failure_of(what, device, std::current_exception());
  } catch (const c10::Error&) {
    throw failure_of(what, device, std::current_exception());
  }
}

}  // namespace greenroom::nn
