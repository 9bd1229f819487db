#include "core/trace.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <istream>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <sstream>

#include "base/bytes.h"
#include "base/error.h"

namespace greenroom::core {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kMostModels = 100'000;
constexpr std::size_t kMostEvents = 10'000'000;
constexpr double kMostSeconds = 1e9;

nanoseconds from_seconds(double seconds) {
  return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds));
}

double to_seconds(nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

class Reader {
 public:
  explicit Reader(std::istream& input) : input_(input) {}

  Trace read() {
    for (std::string line; std::getline(input_, line);) {
      ++number_;
      const auto comment = line.find('#');
      if (comment != std::string::npos) line.resize(comment);
      std::istringstream fields(line);
      words_.clear();
      for (std::string word; fields >> word;) words_.push_back(word);
      next_ = 0;
      if (!words_.empty()) read_line();
    }
    return std::move(trace_);
  }

 private:
  [[noreturn]] void wrong(const std::string& what) const {
    throw base::Error(base::ErrorCode::kInvalidArgument, fmt::format("line {}: {}", number_, what));
  }
  bool at_end() const { return next_ == words_.size(); }
  std::string word(const char* what) {
    if (at_end()) wrong(fmt::format("{} is missing", what));
    return words_[next_++];
  }
  double number(const char* what) {
    const std::string text = word(what);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !(value >= 0) || value > kMostSeconds) {
      wrong(fmt::format("\"{}\" is no {}: it must be a number from 0 to {:.0f}", text, what, kMostSeconds));
    }
    return value;
  }
  std::uint64_t size(const std::string& text) const {
    const auto bytes = base::parse_bytes(text);
    constexpr std::uint64_t kMost = 1ull << 50;
    if (!bytes || *bytes > kMost) wrong(fmt::format("\"{}\" is no size such as 512MiB", text));
    return *bytes;
  }
  base::DeviceId device() {
    const std::string text = word("a device");
    const auto id = base::parse_device_id(text);
    if (!id) wrong(fmt::format("\"{}\" is no device such as cuda:0", text));
    return *id;
  }
  std::size_t model() {
    const std::string name = word("a model");
    const auto found = names_.find(name);
    if (found == names_.end()) wrong(fmt::format("there is no model \"{}\" above", name));
    return found->second;
  }

  void read_line() {
    const std::string first = word("a word");
    if (first == "model") {
      read_model();
    } else if (first == "at") {
      read_event();
    } else {
      wrong(fmt::format("\"{}\" is neither model nor at", first));
    }
    if (!at_end()) wrong(fmt::format("\"{}\" is one word too many", words_[next_]));
  }

  void read_model() {
    TraceModel model;
    model.name = word("the model's name");
    while (!at_end()) {
      const std::string part = word("a component");
      const auto colon = part.rfind(':');
      if (colon == std::string::npos || colon == 0) {
        wrong(fmt::format("\"{}\" is no component such as encoder:360MiB", part));
      }
      model.components.emplace_back(part.substr(0, colon), size(part.substr(colon + 1)));
    }
    if (model.components.empty()) wrong("the model has no components");
    for (const auto& [name, bytes] : model.components) {
      const auto [known, is_new] = sizes_.emplace(name, bytes);
      if (!is_new && known->second != bytes)
        wrong(fmt::format("the component \"{}\" had another size", name));
    }
    if (trace_.models.size() == kMostModels) wrong("too many models");
    if (!names_.emplace(model.name, trace_.models.size()).second) {
      wrong(fmt::format("the model \"{}\" is there already", model.name));
    }
    trace_.models.push_back(std::move(model));
  }

  void read_event() {
    if (trace_.events.size() == kMostEvents) wrong("too many events");
    TraceEvent event;
    event.at = from_seconds(number("time"));
    if (!trace_.events.empty() && event.at < trace_.events.back().at) wrong("the time goes backwards");
    const std::string what = word("what happens");
    if (what == "request") {
      TraceRequest request{model(), from_seconds(number("duration")), 0};
      if (!at_end()) request.workspace_bytes = size(word("the workspace"));
      event.what = request;
    } else if (what == "foreign") {
      const auto where = device();
      event.what = TraceForeign{where, size(word("a size"))};
    } else if (what == "fragmented") {
      const auto where = device();
      event.what = TraceFragmented{where, size(word("a size"))};
    } else if (what == "leak") {
      const auto where = device();
      event.what = TraceLeak{where, static_cast<int>(number("count"))};
    } else if (what == "fail") {
      event.what = TraceFail{static_cast<int>(number("count"))};
    } else if (what == "unload") {
      event.what = TraceUnload{model()};
    } else if (what == "pin" || what == "unpin") {
      event.what = TracePin{model(), what == "pin"};
    } else {
      wrong(fmt::format("\"{}\" is nothing that happens", what));
    }
    trace_.events.push_back(event);
  }

  std::istream& input_;
  std::size_t number_ = 0;
  std::vector<std::string> words_;
  std::size_t next_ = 0;
  Trace trace_;
  std::map<std::string, std::size_t> names_;
  std::map<std::string, std::uint64_t> sizes_;
};

struct Writer {
  const Trace& trace;

  std::string operator()(const TraceRequest& request) const {
    return fmt::format("request {} {:.3f} {}", trace.models[request.model].name, to_seconds(request.run),
                       request.workspace_bytes);
  }
  std::string operator()(const TraceForeign& foreign) const {
    return fmt::format("foreign {} {}", base::to_string(foreign.device), foreign.bytes);
  }
  std::string operator()(const TraceFragmented& fragmented) const {
    return fmt::format("fragmented {} {}", base::to_string(fragmented.device), fragmented.bytes);
  }
  std::string operator()(const TraceLeak& leak) const {
    return fmt::format("leak {} {}", base::to_string(leak.device), leak.frees);
  }
  std::string operator()(const TraceFail& fail) const { return fmt::format("fail {}", fail.loads); }
  std::string operator()(const TraceUnload& unload) const {
    return "unload " + trace.models[unload.model].name;
  }
  std::string operator()(const TracePin& pin) const {
    return (pin.pin ? "pin " : "unpin ") + trace.models[pin.model].name;
  }
};

// Random numbers that are the same with every standard library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  std::size_t below(std::size_t count) {
    return std::min(count - 1, static_cast<std::size_t>(uniform() * static_cast<double>(count)));
  }
  double exponential(double mean) { return -mean * std::log(1 - uniform()); }

 private:
  std::mt19937_64 engine_;
};

// Rank r is wanted with a weight of 1 / (r + 1).
class Zipf {
 public:
  explicit Zipf(std::size_t count) {
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sums_.push_back(sum += 1 / static_cast<double>(i + 1));
  }
  std::size_t draw(Dice& dice) const {
    const double at = dice.uniform() * sums_.back();
    return static_cast<std::size_t>(std::upper_bound(sums_.begin(), sums_.end() - 1, at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

// Which voice the n-th request wants.
class Wishes {
 public:
  explicit Wishes(const TraceRecipe& recipe)
      : recipe_(recipe), popular_(recipe.voices), half_(std::max<std::size_t>(1, recipe.voices / 2)) {}

  std::size_t next(std::size_t n, Dice& dice) {
    constexpr std::size_t kShifts = 6;  // days and nights in all
    switch (recipe_.shape) {
      case TraceShape::kZipf:
        break;
      case TraceShape::kDayNight: {
        const bool night = n * kShifts / recipe_.requests % 2 == 1;
        const std::size_t voice = half_.draw(dice);
        return night ? recipe_.voices - 1 - voice : voice;
      }
      case TraceShape::kScan: {
        constexpr double kScanning = 0.3;  // of the requests
        if (dice.uniform() < kScanning) return scanned_++ % recipe_.voices;
        return few_.draw(dice) % recipe_.voices;
      }
    }
    return popular_.draw(dice);
  }

 private:
  const TraceRecipe& recipe_;
  Zipf popular_;
  Zipf half_;
  Zipf few_{8};
  std::size_t scanned_ = 0;
};

}  // namespace

Trace read_trace(std::istream& input) {
  return Reader(input).read();
}

void write_trace(const Trace& trace, std::ostream& output) {
  for (const TraceModel& model : trace.models) {
    output << "model " << model.name;
    for (const auto& [name, bytes] : model.components) output << ' ' << name << ':' << bytes;
    output << '\n';
  }
  for (const TraceEvent& event : trace.events) {
    output << fmt::format("at {:.3f} {}\n", to_seconds(event.at), std::visit(Writer{trace}, event.what));
  }
}

std::string_view trace_shape_name(TraceShape shape) {
  switch (shape) {
    case TraceShape::kZipf:
      return "zipf";
    case TraceShape::kDayNight:
      return "day-night";
    case TraceShape::kScan:
      break;
  }
  return "scan";
}

Trace make_trace(const TraceRecipe& recipe) {
  Trace trace;
  Dice dice(recipe.seed);
  const std::vector<std::pair<std::string, std::uint64_t>> shared{{"encoder", recipe.shared_bytes / 2},
                                                                  {"pitch", recipe.shared_bytes / 4},
                                                                  {"vocoder", recipe.shared_bytes / 4}};
  for (std::size_t i = 0; i < recipe.voices; ++i) {
    TraceModel model{fmt::format("voice{:03}", i), shared};
    const double factor = std::exp2(2 * dice.uniform() - 1);
    model.components.emplace_back(
        model.name, static_cast<std::uint64_t>(static_cast<double>(recipe.voice_bytes) * factor));
    trace.models.push_back(std::move(model));
  }
  Wishes wishes(recipe);
  double at = 0;
  for (std::size_t n = 0; n < recipe.requests; ++n) {
    at += dice.exponential(recipe.seconds_between);
    const double run = recipe.run_seconds * (0.5 + dice.uniform());
    trace.events.push_back(
        {from_seconds(at), TraceRequest{wishes.next(n, dice), from_seconds(run), recipe.workspace_bytes}});
  }
  return trace;
}

}  // namespace greenroom::core
