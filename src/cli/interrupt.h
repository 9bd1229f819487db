// Ctrl-C as a wish to stop.
#pragma once

#include <atomic>
#include <memory>

namespace greenroom::cli {

// From now on Ctrl-C sets what is returned; a second one ends the program at once.
std::shared_ptr<const std::atomic<bool>> cancel_on_interrupt();

}  // namespace greenroom::cli
