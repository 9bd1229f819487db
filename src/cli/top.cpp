#include <poll.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <deque>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/words.h"
#include "devices/discover.h"
#include "monitor/memory_monitor.h"
#include "server/device_json.h"
#include "server/http_client.h"

namespace greenroom::cli {
namespace {

constexpr std::size_t kMostPoints = 512;

struct Size {
  std::size_t columns = 80, rows = 24;
};

// What is shown at one moment, from wherever it came.
struct View {
  std::string source;
  std::vector<monitor::Reading> readings;
  std::vector<base::Json> models;  // as the daemon's status has them; none without a daemon
  std::vector<base::Json> queues;  // the same; of devices where something waits or runs
};

// Where views come from: the daemon on the configured port when there is one, else this machine's devices.
class Source {
 public:
  Source(const app::Config& config, Language language)
      : config_(config), language_(language), monitor_(devices(), clock_, quiet()) {}

  View look() {
    View view;
    if (read_daemon(view)) return view;
    monitor_.sample();
    view.readings = monitor_.get_current_status().readings;
    view.source = either(language_, "local devices (no daemon)", "本机设备（没有守护进程）");
    return view;
  }

 private:
  static std::vector<std::shared_ptr<const devices::Device>> devices() {
    auto discovery = devices::discover();
    auto all = std::move(discovery.devices);
    all.insert(all.end(), discovery.observed.begin(), discovery.observed.end());
    return all;
  }

  static monitor::MemoryMonitor::Options quiet() {
    monitor::MemoryMonitor::Options options;
    options.log_alerts = false;
    return options;
  }

  bool read_daemon(View& view) const {
    const auto body = server::http_get(config_.host, config_.port, "/api/v1/status", config_.api_key);
    if (!body) return false;
    try {
      const auto status = base::parse_json(*body, "status");
      for (const auto& device : status.at("devices")) view.readings.push_back(server::reading_from(device));
      for (const auto& model : status.at("models")) view.models.push_back(model);
      for (const auto& queue : status.at("queue")) {
        if (queue.at("waiting") != 0 || queue.at("running") != 0) view.queues.push_back(queue);
      }
      view.source =
          fmt::format(fmt::runtime(either(language_, "{}:{}, up {:.0f} s", "{}:{}，已运行 {:.0f} 秒")),
                      config_.host, config_.port, status.at("uptime_seconds").get<double>());
      return true;
    } catch (const std::exception&) {  // another program's answer, or of another version
      view = {};
      return false;
    }
  }

  const app::Config& config_;
  Language language_;
  base::SystemClock clock_;
  monitor::MemoryMonitor monitor_;
};

double share_of(const monitor::Reading& reading) {
  constexpr double kPercent = 100;
  return reading.memory_percent().value_or(0) / kPercent;
}

// Eight heights of blocks, the newest on the right.
std::string chart(const std::deque<double>& points, std::size_t columns) {
  constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string line;
  const std::size_t shown = std::min(points.size(), columns);
  for (std::size_t i = points.size() - shown; i < points.size(); ++i) {
    line += kBlocks[static_cast<std::size_t>(std::lround(std::clamp(points[i], 0.0, 1.0) * 7))];
  }
  return line;
}

std::string numbers_of(const devices::Telemetry& telemetry, const Size& size) {
  constexpr std::size_t kWide = 100;  // columns that leave room for more
  std::string text;
  if (telemetry.pcie_throughput && size.columns >= kWide) {
    text += fmt::format(" ↑{}/s ↓{}/s", base::format_bytes(telemetry.pcie_throughput->sent_bytes_per_second),
                        base::format_bytes(telemetry.pcie_throughput->received_bytes_per_second));
  }
  if (telemetry.utilisation_percent) text += fmt::format(" {:>3} %", *telemetry.utilisation_percent);
  if (telemetry.temperature_celsius) text += fmt::format(" {:>3} °C", *telemetry.temperature_celsius);
  if (telemetry.power_watts) text += fmt::format(" {:.0f}", *telemetry.power_watts);
  if (telemetry.power_watts && telemetry.power_limit_watts)
    text += fmt::format("/{:.0f}", *telemetry.power_limit_watts);
  if (telemetry.power_watts) text += " W";
  return text;
}

std::string text_of(const base::Json& json, const char* name) {
  if (!json.is_object() || !json.contains(name)) return "";
  return json[name].is_string() ? harmless(json[name].get<std::string>()) : json[name].dump();
}

std::string state_of(const base::Json& model, Language language) {
  constexpr std::pair<const char*, const char*> kStates[] = {{"unloaded", "未加载"},
                                                             {"loading", "加载中"},
                                                             {"loaded", "已加载"},
                                                             {"unloading", "卸载中"},
                                                             {"error", "出错"}};
  std::string state = text_of(model, "status");
  if (language != Language::kChinese) return state;
  for (const auto& [english, chinese] : kStates) {
    if (state == english) return chinese;
  }
  return state;
}

// The end of a path says more than its beginning.
std::string shortened(const std::string& text, std::size_t columns) {
  if (display_width(text) <= columns) return fit(text, columns);
  std::size_t cut = text.size() - std::min(text.size(), columns - 1);
  while (cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) ++cut;
  return fit("…" + text.substr(cut), columns);
}

using Charts = std::map<base::DeviceId, std::deque<double>>;

// Two lines, or one where there are many devices.
void add_device(std::vector<std::string>& lines, const monitor::Reading& reading,
                const std::deque<double>& points, const Size& size, bool is_tight) {
  const std::string right = numbers_of(reading.telemetry, size);
  const std::size_t left = size.columns - std::min(size.columns, display_width(right));
  if (is_tight) {
    constexpr std::size_t kBar = 14;
    const std::string state = reading.memory ? bar(share_of(reading), kBar) + " " +
                                                   base::format_bytes(reading.memory->used()) + " / " +
                                                   base::format_bytes(reading.memory->total)
                                             : "! " + harmless(reading.problem);
    lines.push_back(fit(fmt::format("{:<7} {}", base::to_string(reading.device), state), left) + right);
    return;
  }
  lines.push_back(
      fit(fmt::format("{:<7} {}", base::to_string(reading.device), harmless(reading.name)), left) + right);
  if (!reading.memory) {
    lines.push_back("  ! " + harmless(reading.problem));
    return;
  }
  const std::string figures = fmt::format(" {} / {}", base::format_bytes(reading.memory->used()),
                                          base::format_bytes(reading.memory->total));
  const std::size_t room = size.columns - std::min(size.columns, display_width(figures) + 2);
  lines.push_back("  " + bar(share_of(reading), room / 2) + figures + "  " +
                  chart(points, room > room / 2 + 2 ? room - room / 2 - 2 : 0));
}

std::vector<std::string> draw(const View& view, const Charts& charts, const Size& size, Language language) {
  std::vector<std::string> lines;
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  const std::string time = fmt::format("{:%H:%M:%S}", fmt::localtime(now));
  lines.push_back(fit("greenroom top — " + view.source, size.columns - time.size()) + time);
  lines.emplace_back();
  // At least a third of the screen is for the models.
  const bool is_tight = view.readings.size() * 2 > size.rows * 2 / 3;
  for (const auto& reading : view.readings) {
    add_device(lines, reading, charts.at(reading.device), size, is_tight);
  }
  lines.emplace_back();
  constexpr std::size_t kFigures = 46;
  const std::size_t name = size.columns > kFigures ? size.columns - kFigures : 10;
  const auto row = [&](const std::string& id, std::string_view state, std::string_view device,
                       std::string_view bytes, std::string_view holds, std::string_view leases,
                       std::string_view queue) {
    return shortened(id, name) + " " + fit(state, 9) + " " + fit(device, 7) + " " + fit(bytes, 10) + " " +
           fit(holds, 4) + " " + fit(leases, 4) + " " + fit(queue, 5);
  };
  if (language == Language::kChinese) {
    lines.push_back(row("模型", "状态", "设备", "大小", "持有", "租用", "排队"));
  } else {
    lines.push_back(row("model", "state", "device", "size", "hold", "run", "queue"));
  }
  for (const auto& model : view.models) {
    const auto bytes = model.is_object() && model.contains("bytes") && model["bytes"].is_number_unsigned()
                           ? base::format_bytes(model["bytes"].get<std::uint64_t>())
                           : "";
    const bool is_placed = model.is_object() && model.contains("placed");
    lines.push_back(row(text_of(model, "id"), state_of(model, language),
                        text_of(model, is_placed ? "placed" : "device"), bytes, text_of(model, "holds"),
                        text_of(model, "leases"), text_of(model, "waiting")));
  }
  if (view.models.empty()) lines.emplace_back(either(language, "no model is loaded", "没有已加载的模型"));
  if (!view.queues.empty()) lines.emplace_back();
  for (const auto& queue : view.queues) {
    lines.push_back(
        fmt::format(fmt::runtime(either(language, "requests on {}: {} running, {} of at most {} waiting",
                                        "{} 上的请求：{} 个运行中，{} 个等待（最多 {} 个）")),
                    text_of(queue, "device"), text_of(queue, "running"), text_of(queue, "waiting"),
                    text_of(queue, "limit")));
  }
  return lines;
}

// The terminal as one full screen that is read key by key; put back on destruction.
class Screen {
 public:
  Screen() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fmt::print("\x1b[?1049h\x1b[?25l");
    std::fflush(stdout);
  }
  ~Screen() {
    fmt::print("\x1b[?25h\x1b[?1049l");
    std::fflush(stdout);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  static Size size() {
    winsize window{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col < 40 || window.ws_row < 6)
      return {};
    return {window.ws_col, window.ws_row};
  }

  static void show(std::vector<std::string> lines, const std::string& foot, const Size& size) {
    if (const std::size_t room = size.rows - 1; lines.size() > room) {
      const std::size_t hidden = lines.size() - (room - 1);
      lines.resize(room - 1);
      lines.push_back(fmt::format("  … +{}", hidden));
    }
    lines.resize(size.rows - 1);
    std::string text = "\x1b[H";
    for (const auto& line : lines) text += fit(line, size.columns) + "\x1b[K\r\n";
    text += "\x1b[7m" + fit(foot, size.columns) + "\x1b[0m";
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

 private:
  termios before_{};
};

// Waits for a key; 0 when the time is over, or a signal came.
char wait_for_key(double seconds) {
  constexpr double kMilliseconds = 1000;
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (::poll(&input, 1, static_cast<int>(seconds * kMilliseconds)) <= 0) return 0;
  char key = 0;
  return ::read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';  // the terminal is gone
}

volatile std::sig_atomic_t interrupted = 0;

void keep_points(Charts& charts, const View& view) {
  for (const auto& reading : view.readings) {
    auto& points = charts[reading.device];
    points.push_back(share_of(reading));
    if (points.size() > kMostPoints) points.pop_front();
  }
}

void run_screen(Source& source, const TopArguments& arguments, Language language) {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  const Screen screen;
  Charts charts;
  for (int shown = 1; interrupted == 0; ++shown) {
    const View view = source.look();
    keep_points(charts, view);
    const Size size = Screen::size();
    Screen::show(draw(view, charts, size, language), either(language, " q quit", " q 退出"), size);
    if (shown == arguments.count) return;
    const char key = wait_for_key(arguments.interval_seconds);
    if (key == 'q' || key == 'Q') return;
  }
}

}  // namespace

int run_top(const app::Config& config, const TopArguments& arguments) {
  const auto language = pick_language(arguments.language);
  Source source(config, language);
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) {
    run_screen(source, arguments, language);
    return 0;
  }
  Charts charts;
  for (int shown = 1;; ++shown) {
    const View view = source.look();
    keep_points(charts, view);
    for (const auto& line : draw(view, charts, {}, language)) fmt::print("{}\n", line);
    std::fflush(stdout);
    if (shown == arguments.count) return 0;
    static_cast<void>(::poll(nullptr, 0, static_cast<int>(arguments.interval_seconds * 1000)));
  }
}

}  // namespace greenroom::cli
