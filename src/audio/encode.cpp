#include "audio/encode.h"

#include <sndfile.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "audio/resample_soxr.h"
#include "base/error.h"

namespace greenroom::audio {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::array<Encoding, 5> kAll = {Encoding::kWav, Encoding::kFlac, Encoding::kMp3, Encoding::kOpus,
                                          Encoding::kPcm};
constexpr int kOpusRate = 48000;
constexpr int kMp3Rate = 44100;          // where the rate is none of its own
constexpr double kMp3Compression = 0.5;  // of 0..1, best to smallest; about 80 kbit/s at 22 kHz
constexpr float kFullScale = 32767;

int sound_format(Encoding encoding) {
  switch (encoding) {
    case Encoding::kFlac:
      return SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
    case Encoding::kMp3:
      return SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;
    case Encoding::kOpus:
      return SF_FORMAT_OGG | SF_FORMAT_OPUS;
    default:
      return 0;  // written here
  }
}

// The rate nearest to the wanted one that the format can hold.
int rate_for(Encoding encoding, int rate) {
  constexpr std::array<int, 9> kMp3Rates = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000};
  if (encoding == Encoding::kOpus) return kOpusRate;
  if (encoding != Encoding::kMp3) return rate;
  return std::find(kMp3Rates.begin(), kMp3Rates.end(), rate) != kMp3Rates.end() ? rate : kMp3Rate;
}

std::int16_t to_integer(float sample) {
  if (!std::isfinite(sample)) return 0;
  return static_cast<std::int16_t>(std::lrint(std::clamp(sample, -1.0F, 1.0F) * kFullScale));
}

// Little-endian, whatever the machine.
void put(std::string& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

std::string to_pcm(std::span<const float> samples) {
  std::string bytes;
  bytes.reserve(2 * samples.size());
  for (const float sample : samples) put(bytes, static_cast<std::uint16_t>(to_integer(sample)), 2);
  return bytes;
}

// RIFF WAVE, mono. `data_bytes`: 0xFFFFFFFF where it is not known.
std::string wav_header(int rate, std::uint32_t data_bytes) {
  constexpr std::uint32_t kHeader = 36, kFormat = 16, kPcmTag = 1, kChannels = 1, kSampleBytes = 2,
                          kBits = 16;
  std::string bytes = "RIFF";
  put(bytes, data_bytes > UINT32_MAX - kHeader ? UINT32_MAX : data_bytes + kHeader, 4);
  bytes += "WAVEfmt ";
  put(bytes, kFormat, 4);
  put(bytes, kPcmTag, 2);
  put(bytes, kChannels, 2);
  put(bytes, static_cast<std::uint32_t>(rate), 4);
  put(bytes, static_cast<std::uint32_t>(rate) * kSampleBytes, 4);
  put(bytes, kSampleBytes, 2);
  put(bytes, kBits, 2);
  bytes += "data";
  put(bytes, data_bytes, 4);
  return bytes;
}

// What libsndfile writes to: memory.
struct MemoryFile {
  std::string bytes;
  sf_count_t at = 0;

  static MemoryFile& self(void* user) { return *static_cast<MemoryFile*>(user); }
  static sf_count_t length(void* user) { return static_cast<sf_count_t>(self(user).bytes.size()); }
  static sf_count_t seek(sf_count_t offset, int whence, void* user) {
    auto& file = self(user);
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at : length(user);
    file.at = std::max<sf_count_t>(0, base + offset);
    return file.at;
  }
  static sf_count_t read(void* target, sf_count_t count, void* user) {
    auto& file = self(user);
    const sf_count_t there = std::clamp<sf_count_t>(length(user) - file.at, 0, count);
    std::memcpy(target, file.bytes.data() + file.at, static_cast<std::size_t>(there));
    file.at += there;
    return there;
  }
  static sf_count_t write(const void* source, sf_count_t count, void* user) {
    auto& file = self(user);
    const auto end = static_cast<std::size_t>(file.at + count);
    if (file.bytes.size() < end) file.bytes.resize(end);
    std::memcpy(file.bytes.data() + file.at, source, static_cast<std::size_t>(count));
    file.at += count;
    return count;
  }
  static sf_count_t tell(void* user) { return self(user).at; }
};

// A file of libsndfile's in memory.
class SoundFile {
 public:
  SoundFile(Encoding encoding, int rate) {
    SF_VIRTUAL_IO io{MemoryFile::length, MemoryFile::seek, MemoryFile::read, MemoryFile::write,
                     MemoryFile::tell};
    SF_INFO info{};
    info.format = sound_format(encoding);
    info.channels = 1;
    info.samplerate = rate;
    sound_ = sf_open_virtual(&io, SFM_WRITE, &info, &memory_);
    if (sound_ == nullptr) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("{} cannot be written at {} Hz: {}", encoding_name(encoding), rate,
                              sf_strerror(nullptr)));
    }
    sf_command(sound_, SFC_SET_CLIPPING, nullptr, SF_TRUE);
    // Players tell the length of an MP3 stream by the bit rate of its first frame.
    int mode = SF_BITRATE_MODE_CONSTANT;
    double level = kMp3Compression;
    if (encoding == Encoding::kMp3) {
      sf_command(sound_, SFC_SET_BITRATE_MODE, &mode, sizeof(mode));
      sf_command(sound_, SFC_SET_COMPRESSION_LEVEL, &level, sizeof(level));
    }
  }
  SoundFile(const SoundFile&) = delete;
  SoundFile& operator=(const SoundFile&) = delete;
  ~SoundFile() { close(); }

  void add(std::span<const float> samples) {
    const auto count = static_cast<sf_count_t>(samples.size());
    if (sf_writef_float(sound_, samples.data(), count) != count) {
      throw Error(ErrorCode::kInternal, fmt::format("audio could not be encoded: {}", sf_strerror(sound_)));
    }
  }
  void close() {
    if (sound_ != nullptr) sf_close(sound_);
    sound_ = nullptr;
  }
  std::string& bytes() { return memory_.bytes; }

 private:
  MemoryFile memory_;
  SNDFILE* sound_ = nullptr;
};

void check(Encoding encoding, int rate) {
  constexpr int kMinRate = 1000, kMaxRate = 768000;
  if (rate < kMinRate || rate > kMaxRate) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} Hz is no sample rate that can be encoded", rate));
  }
  if (!can_encode(encoding)) {
    throw Error(ErrorCode::kUnimplemented,
                fmt::format("{} cannot be encoded by the libsndfile that is installed ({}); there is {}",
                            encoding_name(encoding), sf_version_string(), encodings_here()));
  }
}

std::vector<float> finite(std::span<const float> samples) {
  std::vector<float> clean(samples.begin(), samples.end());
  std::replace_if(
      clean.begin(), clean.end(), [](float x) { return !std::isfinite(x); }, 0.0F);
  return clean;
}

}  // namespace

std::optional<Encoding> parse_encoding(std::string_view name) {
  for (const Encoding encoding : kAll) {
    if (encoding_name(encoding) == name) return encoding;
  }
  return std::nullopt;
}

std::string_view encoding_name(Encoding encoding) {
  constexpr std::array<std::string_view, 5> kNames = {"wav", "flac", "mp3", "opus", "pcm"};
  return kNames.at(static_cast<std::size_t>(encoding));
}

std::string_view content_type(Encoding encoding) {
  constexpr std::array<std::string_view, 5> kTypes = {"audio/wav", "audio/flac", "audio/mpeg",
                                                      "audio/ogg; codecs=opus", "audio/pcm"};
  return kTypes.at(static_cast<std::size_t>(encoding));
}

bool can_encode(Encoding encoding) {
  if (sound_format(encoding) == 0) return true;
  SF_INFO info{};
  info.format = sound_format(encoding);
  info.channels = 1;
  info.samplerate = kOpusRate;
  return sf_format_check(&info) == SF_TRUE;
}

std::string encodings_here() {
  std::string names;
  for (const Encoding encoding : kAll) {
    if (can_encode(encoding))
      names += fmt::format("{}{}", names.empty() ? "" : ", ", encoding_name(encoding));
  }
  return names;
}

class StreamEncoder::Writer {
 public:
  Writer(Encoding encoding, int rate) : rate_(rate_for(encoding, rate)) {
    if (rate_ != rate) resampler_.emplace(rate, rate_);
    if (sound_format(encoding) != 0) sound_.emplace(encoding, rate_);
    if (encoding == Encoding::kWav) pending_ = wav_header(rate_, UINT32_MAX);
  }

  std::string add(std::span<const float> samples) {
    const auto clean = finite(samples);
    write(resampler_ ? resampler_->add(clean) : clean);
    return take();
  }
  std::string finish() {
    if (resampler_) write(resampler_->finish());
    if (sound_) sound_->close();
    return take();
  }
  int rate() const { return rate_; }

 private:
  void write(std::span<const float> samples) {
    if (samples.empty()) return;
    if (sound_) {
      sound_->add(samples);
    } else {
      pending_ += to_pcm(samples);
    }
  }
  // libsndfile goes back to the beginning once more when a file is closed; what was sent stays as it was.
  std::string take() {
    if (!sound_) return std::exchange(pending_, {});
    std::string ready = sound_->bytes().substr(sent_);
    sent_ += ready.size();
    return ready;
  }

  const int rate_;
  std::optional<SoxrStream> resampler_;
  std::optional<SoundFile> sound_;
  std::string pending_;   // of what is written here
  std::size_t sent_ = 0;  // of the sound's bytes
};

StreamEncoder::StreamEncoder(Encoding encoding, int sample_rate) {
  check(encoding, sample_rate);
  writer_ = std::make_unique<Writer>(encoding, sample_rate);
}
StreamEncoder::~StreamEncoder() = default;
std::string StreamEncoder::add(std::span<const float> samples) {
  return writer_->add(samples);
}
std::string StreamEncoder::finish() {
  return writer_->finish();
}
int StreamEncoder::sample_rate() const {
  return writer_->rate();
}

std::string encode(const Buffer& audio, Encoding encoding) {
  check(encoding, audio.sample_rate);
  if (audio.samples.empty()) throw Error(ErrorCode::kInvalidArgument, "there are no samples to encode");
  if (encoding == Encoding::kPcm) return to_pcm(audio.samples);
  if (encoding == Encoding::kWav) {
    const auto data = to_pcm(audio.samples);
    if (data.size() > UINT32_MAX) {
      throw Error(ErrorCode::kInvalidArgument, "a WAV file cannot hold more than 4 GiB; take flac");
    }
    return wav_header(audio.sample_rate, static_cast<std::uint32_t>(data.size())) + data;
  }
  const int rate = rate_for(encoding, audio.sample_rate);
  const auto clean = finite(audio.samples);
  const auto samples = rate == audio.sample_rate ? clean : resample_soxr_hq(clean, audio.sample_rate, rate);
  SoundFile sound(encoding, rate);
  sound.add(samples);
  sound.close();
  return std::move(sound.bytes());
}

}  // namespace greenroom::audio
