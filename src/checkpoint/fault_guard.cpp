#include "checkpoint/fault_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <mutex>

#include "base/error.h"

namespace greenroom::checkpoint {
namespace {

// Read by the signal handler, so no locks: a slot is free, being written, or in use.
struct Slot {
  enum State : int { kFree, kChanging, kUsed };
  std::atomic<int> state{kFree};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> faulted{false};
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free);

constexpr std::size_t kSlots = 4096;
std::array<Slot, kSlots> g_slots;
struct sigaction g_previous;
std::uintptr_t g_page_size;

bool recover(void* fault) {
  const auto address = reinterpret_cast<std::uintptr_t>(fault);
  for (Slot& slot : g_slots) {
    if (slot.state.load(std::memory_order_acquire) != Slot::kUsed) continue;
    const std::uintptr_t end = slot.end.load(std::memory_order_relaxed);
    if (address < slot.begin.load(std::memory_order_relaxed) || address >= end) continue;
    const std::uintptr_t into_page = address % g_page_size;
    slot.faulted.store(true);
    void* mapped = ::mmap(static_cast<char*>(fault) - into_page, end - address + into_page, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    return mapped != MAP_FAILED;
  }
  return false;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  if (recover(info->si_addr)) return;
  if ((g_previous.sa_flags & SA_SIGINFO) != 0 && g_previous.sa_sigaction != nullptr) {
    g_previous.sa_sigaction(signal, info, context);
  } else if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    g_previous.sa_handler(signal);
  } else {
    // Returning runs the faulting instruction again, now fatally.
    ::signal(SIGBUS, SIG_DFL);
  }
}

void install_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    g_page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &g_previous);
  });
}

}  // namespace

FaultGuard::FaultGuard(std::span<const std::byte> range) : slot_(0) {
  install_handler();
  for (; slot_ < kSlots; ++slot_) {
    int expected = Slot::kFree;
    if (g_slots[slot_].state.compare_exchange_strong(expected, Slot::kChanging)) break;
  }
  if (slot_ == kSlots) {
    throw base::Error(base::ErrorCode::kUnavailable,
                      "too many model files are open at once (4096); unload models that are not needed");
  }
  Slot& slot = g_slots[slot_];
  slot.begin.store(reinterpret_cast<std::uintptr_t>(range.data()), std::memory_order_relaxed);
  slot.end.store(reinterpret_cast<std::uintptr_t>(range.data()) + range.size(), std::memory_order_relaxed);
  slot.faulted.store(false);
  slot.state.store(Slot::kUsed, std::memory_order_release);
}

FaultGuard::~FaultGuard() {
  g_slots[slot_].state.store(Slot::kFree, std::memory_order_release);
}

bool FaultGuard::faulted() const {
  return g_slots[slot_].faulted.load();
}

}  // namespace greenroom::checkpoint
