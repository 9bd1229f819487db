// Audio as bytes to send: whole, or piece by piece while it is made.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audio/buffer.h"

namespace greenroom::audio {

enum class Encoding {
  kWav,   // 16-bit PCM
  kFlac,  // 16-bit
  kMp3,
  kOpus,  // in Ogg, at 48 kHz
  kPcm,   // 16-bit little-endian samples without a header
};

// "wav", "flac", "mp3", "opus", "pcm"; nullopt for another name.
std::optional<Encoding> parse_encoding(std::string_view name);
std::string_view encoding_name(Encoding encoding);
// "audio/wav", "audio/flac", "audio/mpeg", "audio/ogg; codecs=opus", "audio/pcm".
std::string_view content_type(Encoding encoding);

// Can the libsndfile that is there write it? MP3 and Opus are optional in it.
bool can_encode(Encoding encoding);
// Those it can, by name: "wav, flac, mp3, opus, pcm".
std::string encodings_here();

// Makes bytes of samples as they come; concatenated they are one file. What a header says of the length is
// left open (WAV: the largest size; FLAC: unknown), as players of streams expect. Not thread-safe.
class StreamEncoder {
 public:
  // Samples come at `sample_rate`; they are resampled where the format cannot hold that rate. Throws
  // base::Error: kUnimplemented (cannot be encoded here; says what can), kInvalidArgument (a rate outside
  // 1000..768000 Hz).
  StreamEncoder(Encoding encoding, int sample_rate);
  ~StreamEncoder();
  StreamEncoder(const StreamEncoder&) = delete;
  StreamEncoder& operator=(const StreamEncoder&) = delete;

  // The bytes that are ready by now; may be none. Samples are clipped to [-1, 1]; what is not finite is
  // silence. Throws base::Error(kInternal).
  std::string add(std::span<const float> samples);
  // The rest. Nothing may be added afterwards.
  std::string finish();

  // Of what is written.
  int sample_rate() const;

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

// The whole file, with its length. Throws as StreamEncoder; kInvalidArgument when there are no samples.
std::string encode(const Buffer& audio, Encoding encoding);

}  // namespace greenroom::audio
