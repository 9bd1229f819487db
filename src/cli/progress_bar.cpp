#include "cli/progress_bar.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace greenroom::cli {

ProgressBar::ProgressBar(std::string label)
    : label_(std::move(label)), on_terminal_(::isatty(STDERR_FILENO) != 0) {}

void ProgressBar::show(double fraction) {
  constexpr int kWidth = 32;
  const int percent = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * 100);
  if (!on_terminal_ || percent == last_percent_) return;
  last_percent_ = percent;
  const int filled = percent * kWidth / 100;
  fmt::print(stderr, "\r{} [{:=<{}}{: <{}}] {:3}%", label_, "", filled, "", kWidth - filled, percent);
  std::fflush(stderr);
}

ProgressBar::~ProgressBar() {
  if (last_percent_ >= 0) fmt::print(stderr, "\r\033[K");
}

}  // namespace greenroom::cli
