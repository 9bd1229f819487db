#include "app/voice_library.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <span>
#include <utility>

#include "audio/file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "checkpoint/atomic_file.h"
#include "models/index_tts/content_hash.h"

namespace greenroom::app {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr std::size_t kHashDigits = 32;

// The only names of files that are read.
bool is_id(const std::string& id) {
  return id.size() == kHashDigits + 1 && id.front() == 'v' &&
         std::all_of(id.begin() + 1, id.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string id_of(const audio::Buffer& audio) {
  models::index_tts::ContentHash hash;
  hash.add_number(static_cast<std::uint64_t>(audio.sample_rate));
  hash.add(std::as_bytes(std::span(audio.samples)));
  return "v" + hash.hex();
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::optional<Voice> read_entry(const fs::path& file) {
  Voice voice;
  voice.id = file.stem().string();
  if (!is_id(voice.id) || !fs::is_regular_file(fs::path(file).replace_extension(".wav"))) return std::nullopt;
  try {
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const auto json = base::parse_json(text, file.string(), {.max_bytes = 1U << 16, .max_depth = 4});
    voice.name = json.at("name").get<std::string>();
    voice.seconds = json.at("seconds").get<double>();
    voice.sample_rate = json.at("sample_rate").get<int>();
    voice.created_ms = json.at("created_ms").get<std::int64_t>();
    voice.bytes = fs::file_size(fs::path(file).replace_extension(".wav"));
    return voice;
  } catch (const std::exception& error) {
    base::log(base::LogLevel::kWarning, "app",
              fmt::format("{}: no voice, it is passed over: {}", file.string(), error.what()));
    return std::nullopt;
  }
}

}  // namespace

VoiceLibrary::VoiceLibrary(fs::path folder, const VoiceLimits& limits)
    : folder_(std::move(folder)), limits_(limits) {
  std::error_code error;
  if (folder_.empty()) return;
  base::MutexLock lock(mutex_);
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".json") continue;
    if (auto voice = read_entry(it->path())) voices_[voice->id] = *voice;
  }
}

// Unique, so that a voice can be asked for by it.
std::string VoiceLibrary::checked_name(const std::string& name, const std::string& id) {
  const auto is_taken = [&](const std::string& wanted) REQUIRES_LOCK(mutex_) {
    return std::any_of(voices_.begin(), voices_.end(), [&](const auto& entry) {
      return entry.first != id && (entry.second.name == wanted || entry.first == wanted);
    });
  };
  if (name.empty()) {
    for (std::size_t number = voices_.size() + 1;; ++number) {
      auto made = fmt::format("voice {}", number);
      if (!is_taken(made)) return made;
    }
  }
  const bool is_plain = std::none_of(name.begin(), name.end(), [](char c) {
    constexpr unsigned char kFirstPrintable = 0x20, kDelete = 0x7F;
    return static_cast<unsigned char>(c) < kFirstPrintable || static_cast<unsigned char>(c) == kDelete;
  });
  if (!is_plain || name.size() > limits_.longest_name) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the name of a voice is one line of at most {} bytes", limits_.longest_name));
  }
  if (is_taken(name)) {
    throw Error(ErrorCode::kFailedPrecondition,
                fmt::format("there is another voice \"{}\": choose another name, or remove that one", name));
  }
  return name;
}

void VoiceLibrary::write_entry(const Voice& voice) const {
  const base::Json json = {{"name", voice.name},
                           {"seconds", voice.seconds},
                           {"sample_rate", voice.sample_rate},
                           {"created_ms", voice.created_ms}};
  checkpoint::write_atomically(folder_ / (voice.id + ".json"), [&](const fs::path& temporary) {
    std::ofstream stream(temporary);
    stream << json.dump(2, ' ', false, base::Json::error_handler_t::replace) << "\n";
    if (!stream.flush())
      throw Error(ErrorCode::kUnavailable, "a voice could not be written; is the disk full?");
  });
}

Voice VoiceLibrary::add(const fs::path& file, const std::string& name, audio::ReadOptions reading) {
  if (folder_.empty()) {
    throw Error(ErrorCode::kFailedPrecondition,
                "voices are kept in system.cache_dir, and there is none; set it in the configuration");
  }
  reading.longest_seconds = limits_.longest_seconds;
  const auto audio = audio::read_file(file, reading);
  if (audio.seconds() < limits_.shortest_seconds) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("the recording has {:.2f} s; a voice needs {} to {} s (3 to 15 s are best)",
                            audio.seconds(), limits_.shortest_seconds, limits_.longest_seconds));
  }
  Voice voice;
  voice.id = id_of(audio);
  voice.seconds = audio.seconds();
  voice.sample_rate = audio.sample_rate;
  voice.created_ms = now_ms();
  {
    base::MutexLock lock(mutex_);
    const auto known = voices_.find(voice.id);
    if (known != voices_.end()) voice = known->second;
    if (known == voices_.end() && voices_.size() >= limits_.most_voices) {
      throw Error(ErrorCode::kResourceExhausted,
                  fmt::format("there are {} voices already: remove some", voices_.size()));
    }
    if (known == voices_.end() || !name.empty()) voice.name = checked_name(name, voice.id);
    voices_[voice.id] = voice;  // its name is taken from now on
  }
  try {
    std::error_code error;
    fs::create_directories(folder_, error);
    if (!fs::is_regular_file(audio_file(voice), error)) audio::write_file(audio_file(voice), audio);
    voice.bytes = fs::file_size(audio_file(voice));
    write_entry(voice);
  } catch (const std::exception& error) {
    base::MutexLock lock(mutex_);
    voices_.erase(voice.id);
    throw Error(ErrorCode::kUnavailable, fmt::format("the voice could not be kept: {}", error.what()));
  }
  base::MutexLock lock(mutex_);
  voices_[voice.id] = voice;
  return voice;
}

std::vector<Voice> VoiceLibrary::list() const {
  std::vector<Voice> voices;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, voice] : voices_) voices.push_back(voice);
  }
  std::stable_sort(voices.begin(), voices.end(),
                   [](const auto& a, const auto& b) { return a.created_ms > b.created_ms; });
  return voices;
}

std::optional<Voice> VoiceLibrary::find(const std::string& id_or_name) const {
  base::MutexLock lock(mutex_);
  if (const auto found = voices_.find(id_or_name); found != voices_.end()) return found->second;
  for (const auto& [id, voice] : voices_) {
    if (voice.name == id_or_name) return voice;
  }
  return std::nullopt;
}

Voice VoiceLibrary::get(const std::string& id_or_name) const {
  if (auto voice = find(id_or_name)) return *voice;
  std::string names;
  for (const auto& voice : list()) {
    constexpr std::size_t kMost = 500;
    if (names.size() < kMost) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", voice.name);
  }
  throw Error(ErrorCode::kNotFound,
              fmt::format("there is no voice \"{}\"; there is {}", id_or_name.substr(0, 200),
                          names.empty() ? "none yet: upload a recording" : names));
}

fs::path VoiceLibrary::audio_file(const Voice& voice) const {
  return folder_ / (voice.id + ".wav");
}

audio::Buffer VoiceLibrary::audio(const Voice& voice) const {
  return audio::read_file(audio_file(voice));
}

Voice VoiceLibrary::rename(const std::string& id, const std::string& name) {
  Voice voice = get(id);
  {
    base::MutexLock lock(mutex_);
    voice.name = checked_name(name, voice.id);
    voices_[voice.id] = voice;
  }
  write_entry(voice);
  return voice;
}

void VoiceLibrary::remove(const std::string& id) {
  const Voice voice = get(id);
  {
    base::MutexLock lock(mutex_);
    voices_.erase(voice.id);
  }
  std::error_code ignored;
  fs::remove(folder_ / (voice.id + ".json"), ignored);
  fs::remove(audio_file(voice), ignored);
}

}  // namespace greenroom::app
