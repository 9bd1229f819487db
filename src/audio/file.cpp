#include "audio/file.h"

#include <fcntl.h>
#include <sndfile.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <system_error>

#include "base/error.h"

namespace greenroom::audio {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr int kMinRate = 1000;
constexpr int kMaxRate = 768000;
constexpr int kMaxChannels = 64;

struct CloseSound {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using Sound = std::unique_ptr<SNDFILE, CloseSound>;

std::string quoted(const fs::path& path) {
  return fmt::format("'{}'", path.string());
}

[[noreturn]] void fail(ErrorCode code, const fs::path& path, const std::string& what) {
  throw Error(code, fmt::format("audio file {}: {}", quoted(path), what));
}

// Refuses what opening would block on or misread: folders, pipes, devices. Errors speak of `name`.
void check_is_file(const fs::path& path, const fs::path& name) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    fail(ErrorCode::kNotFound, name, "does not exist; check the path");
  if (status.type() == fs::file_type::none) {
    fail(ErrorCode::kUnavailable, name, fmt::format("cannot be examined: {}", error.message()));
  }
  if (status.type() != fs::file_type::regular) {
    fail(ErrorCode::kInvalidArgument, name, "is a folder or a device; name an audio file");
  }
  if (access(path.c_str(), R_OK) != 0) {
    fail(ErrorCode::kUnavailable, name, fmt::format("cannot be read: {}", std::strerror(errno)));
  }
}

Sound open_to_read(const fs::path& path, const fs::path& name, SF_INFO& info) {
  check_is_file(path, name);
  Sound sound(sf_open(path.c_str(), SFM_READ, &info));
  if (!sound) {
    fail(ErrorCode::kDataLoss, name,
         fmt::format("is not an audio file that can be read ({}); convert it to WAV or FLAC first",
                     sf_strerror(nullptr)));
  }
  if (info.samplerate < kMinRate || info.samplerate > kMaxRate) {
    fail(ErrorCode::kInvalidArgument, name,
         fmt::format("has a sample rate of {} Hz; supported are {} to {} Hz", info.samplerate, kMinRate,
                     kMaxRate));
  }
  if (info.channels < 1 || info.channels > kMaxChannels) {
    fail(ErrorCode::kInvalidArgument, name,
         fmt::format("has {} channels; supported are 1 to {}", info.channels, kMaxChannels));
  }
  return sound;
}

// The mean of one moment's channels, summed in float as librosa does.
float mix(const float* channels, int n_channels) {
  float sum = 0;
  for (int channel = 0; channel < n_channels; ++channel) sum += channels[channel];
  return sum / static_cast<float>(n_channels);
}

void append_mixed(const fs::path& name, Buffer& audio, const std::vector<float>& block, std::int64_t n_read,
                  int n_channels) {
  for (std::int64_t i = 0; i < n_read; ++i) {
    const float sample = mix(block.data() + i * n_channels, n_channels);
    if (!std::isfinite(sample)) {
      const double seconds = static_cast<double>(audio.samples.size()) / audio.sample_rate;
      fail(ErrorCode::kInvalidArgument, name,
           fmt::format("sample {} (at {:.3f} s) is not a finite number; export the file again, as 16-bit PCM",
                       audio.samples.size(), seconds));
    }
    audio.samples.push_back(sample);
  }
}

// For what the header or the data claims; both are a stranger's.
void check_length(const fs::path& name, std::int64_t n_frames, int sample_rate, double longest_seconds) {
  constexpr double kHour = 3600;
  if (static_cast<double>(n_frames) <= longest_seconds * sample_rate) return;
  const std::string longest = longest_seconds < kHour ? fmt::format("{:.0f} s", longest_seconds)
                                                      : fmt::format("{:.3g} hours", longest_seconds / kHour);
  fail(ErrorCode::kInvalidArgument, name,
       fmt::format("holds more than {} of audio; split it into shorter files", longest));
}

// Room for `more` samples, at most doubling what is there: never by what the header claims alone.
void make_room(Buffer& audio, std::int64_t more, std::int64_t stated, const ReadOptions& options) {
  const auto needed = static_cast<std::int64_t>(audio.samples.size()) + more;
  const auto capacity = static_cast<std::int64_t>(audio.samples.capacity());
  if (needed <= capacity) return;
  auto room = std::max(needed, 2 * capacity);
  if (stated >= needed) room = std::min(room, stated);
  if (stated < needed && options.will_hold) options.will_hold(room, audio.sample_rate);
  audio.samples.reserve(static_cast<std::size_t>(room));
}

// A header's length is a promise that truncated files break. Streams state none, MP3 headers only an
// estimate.
bool states_length(const SF_INFO& info) {
  return info.frames != SF_COUNT_MAX && (info.format & SF_FORMAT_TYPEMASK) != SF_FORMAT_MPEG;
}

int format_for(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".wav") return SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  if (extension == ".flac") return SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
  fail(ErrorCode::kInvalidArgument, path,
       fmt::format("cannot be written with the extension '{}'; use .wav or .flac", extension));
}

// A file of its own next to the target, removed again unless it was moved there.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) : target_(target) {
    std::random_device random;
    do {
      const fs::path name = fmt::format(".{}.{:08x}.tmp", target.filename().string(), random());
      path_ = target.parent_path() / name;
      // The mode is what the user's umask makes of it, unlike mkstemp's.
      descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) {
      fail(ErrorCode::kUnavailable, target,
           fmt::format("cannot be written: {}; check that the folder exists and is writable",
                       std::strerror(errno)));
    }
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (descriptor_ >= 0) close(descriptor_);
    std::error_code ignored;
    if (!moved_) fs::remove(path_, ignored);
  }

  int descriptor() const { return descriptor_; }

  void move_to_target() {
    std::error_code error;
    fs::rename(path_, target_, error);
    if (error) fail(ErrorCode::kUnavailable, target_, fmt::format("cannot be replaced: {}", error.message()));
    moved_ = true;
  }

 private:
  fs::path target_;
  fs::path path_;
  int descriptor_ = -1;
  bool moved_ = false;
};

}  // namespace

Buffer read_file(const fs::path& path, const ReadOptions& options) {
  const fs::path name = options.called.empty() ? path : fs::path(options.called);
  SF_INFO info = {};
  const Sound sound = open_to_read(path, name, info);
  const std::int64_t stated = states_length(info) ? info.frames : 0;
  check_length(name, stated, info.samplerate, options.longest_seconds);
  if (stated > 0 && options.will_hold) options.will_hold(stated, info.samplerate);

  Buffer audio;
  audio.sample_rate = info.samplerate;
  constexpr std::int64_t kBlockSamples = 64L * 1024;
  const std::int64_t block_frames = kBlockSamples / info.channels;
  std::vector<float> block(static_cast<std::size_t>(block_frames * info.channels));
  // The vector grows with what is there, never by what the header claims.
  while (true) {
    const std::int64_t n_read = sf_readf_float(sound.get(), block.data(), block_frames);
    if (n_read <= 0) break;
    make_room(audio, n_read, stated, options);
    append_mixed(name, audio, block, n_read, info.channels);
    check_length(name, static_cast<std::int64_t>(audio.samples.size()), info.samplerate,
                 options.longest_seconds);
  }
  const std::int64_t n_frames = static_cast<std::int64_t>(audio.samples.size());
  if (sf_error(sound.get()) != SF_ERR_NO_ERROR) {
    fail(ErrorCode::kDataLoss, name,
         fmt::format("is damaged after sample {}: {}", n_frames, sf_strerror(sound.get())));
  }
  if (states_length(info) && n_frames < info.frames) {
    fail(ErrorCode::kDataLoss, name,
         fmt::format("is truncated: {} of {} samples are there; copy it again", n_frames, info.frames));
  }
  if (n_frames == 0) fail(ErrorCode::kInvalidArgument, name, "holds no samples");
  return audio;
}

void write_file(const fs::path& path, const Buffer& audio) {
  SF_INFO info = {};
  info.format = format_for(path);
  info.channels = 1;
  info.samplerate = audio.sample_rate;
  // libsndfile would leave a FLAC file of 0 bytes.
  if (audio.samples.empty())
    fail(ErrorCode::kInvalidArgument, path, "cannot be written: there are no samples");
  const auto broken =
      std::find_if(audio.samples.begin(), audio.samples.end(), [](float x) { return !std::isfinite(x); });
  if (broken != audio.samples.end()) {
    fail(ErrorCode::kInvalidArgument, path,
         fmt::format("cannot be written: sample {} is not a finite number", broken - audio.samples.begin()));
  }

  TemporaryFile temporary(path);
  Sound sound(sf_open_fd(temporary.descriptor(), SFM_WRITE, &info, SF_FALSE));
  if (!sound) {
    fail(ErrorCode::kInvalidArgument, path,
         fmt::format("cannot be written at {} Hz: {}", audio.sample_rate, sf_strerror(nullptr)));
  }
  sf_command(sound.get(), SFC_SET_CLIPPING, nullptr, SF_TRUE);
  const sf_count_t n = static_cast<sf_count_t>(audio.samples.size());
  const bool complete = sf_writef_float(sound.get(), audio.samples.data(), n) == n;
  // Closing writes the header and whatever is buffered, so it can fail for a full disk too.
  const int closed = sf_close(sound.release());
  if (!complete || closed != SF_ERR_NO_ERROR) {
    fail(ErrorCode::kUnavailable, path, "cannot be written completely; is the disk full?");
  }
  temporary.move_to_target();
}

}  // namespace greenroom::audio
