#include "cli/progress_bar.h"

#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace greenroom::cli {
namespace {

// Asked each time, for a window can be resized while there is a bar in it.
int columns_of_terminal() {
  winsize window{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
  return known ? window.ws_col : 80;
}

// A line that is wrapped cannot be overwritten, so one column stays free; "speaking 12%" where there is no
// room for a bar, and the bare figure where there is none for that.
std::string line_of(const std::string& label, int percent, int columns) {
  constexpr int kWidest = 32;
  constexpr int kNarrowest = 4;
  const std::string figure = fmt::format("{}%", percent);
  const int room = columns - 1 - static_cast<int>(label.size());
  const int width = std::min(kWidest, room - static_cast<int>(std::string_view(" [] 100%").size()));
  if (width < kNarrowest) {
    return room > static_cast<int>(figure.size()) ? fmt::format("{} {}", label, figure) : figure;
  }
  const int filled = percent * width / 100;
  return fmt::format("{} [{:=<{}}{: <{}}] {:>4}", label, "", filled, "", width - filled, figure);
}

}  // namespace

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)), on_terminal_(::isatty(STDERR_FILENO) != 0) {}

void ProgressBar::show(double fraction) {
  const int percent = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * 100);
  if (!on_terminal_ || percent == last_percent_) return;
  last_percent_ = percent;
  fmt::print(stderr, "\r{}\033[K", line_of(label_, percent, columns_of_terminal()));
  std::fflush(stderr);
}

ProgressBar::~ProgressBar() {
  if (last_percent_ < 0) return;
  fmt::print(stderr, "\r\033[K");
  std::fflush(stderr);
}

}  // namespace greenroom::cli
