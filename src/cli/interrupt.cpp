#include "cli/interrupt.h"

#include <csignal>

namespace greenroom::cli {
namespace {

const std::shared_ptr<std::atomic<bool>> g_cancelled = std::make_shared<std::atomic<bool>>(false);

void on_interrupt(int) {
  g_cancelled->store(true);
  std::signal(SIGINT, SIG_DFL);
}

}  // namespace

std::shared_ptr<const std::atomic<bool>> cancel_on_interrupt() {
  std::signal(SIGINT, on_interrupt);
  return g_cancelled;
}

}  // namespace greenroom::cli
