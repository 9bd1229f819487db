#include "models/index_tts/demo_tokenizers.h"

#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <string_view>

#include "base/json.h"
#include "models/index_tts/text/unicode.h"

namespace greenroom::models::index_tts {
namespace {

// The protocol buffer format, as far as a sentencepiece model needs it.
void put_varint(std::string& out, std::uint64_t value) {
  constexpr std::uint64_t kLow = 0x7F;
  while (value > kLow) {
    out += static_cast<char>(static_cast<unsigned char>(value | 0x80));
    value >>= 7;
  }
  out += static_cast<char>(static_cast<unsigned char>(value));
}

void put_integer(std::string& out, unsigned field, std::uint64_t value) {
  put_varint(out, field << 3);
  put_varint(out, value);
}

void put_text(std::string& out, unsigned field, std::string_view text) {
  put_varint(out, field << 3 | 2U);
  put_varint(out, text.size());
  out += text;
}

void put_float(std::string& out, unsigned field, float value) {
  put_varint(out, field << 3 | 5U);
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out.append(bytes, sizeof(value));
}

enum PieceType : std::uint64_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

void put_piece(std::string& model, std::string_view text, PieceType type, float score) {
  std::string piece;
  put_text(piece, 1, text);
  put_float(piece, 2, score);
  put_integer(piece, 3, type);
  put_text(model, 1, piece);
}

}  // namespace

std::string demo_bpe_model() {
  constexpr int kBytes = 256;
  constexpr std::uint64_t kBpe = 2;
  std::string model;
  put_piece(model, "<s>", kControl, 0);
  put_piece(model, "</s>", kControl, 0);
  put_piece(model, "<unk>", kUnknown, 0);
  int count = 3;
  float score = 0;
  const auto add = [&](std::string_view text) {
    put_piece(model, text, kNormal, score);
    score -= 1;
    ++count;
  };
  add("▁");
  for (char c = '!'; c < 'a'; ++c) add({&c, 1});
  add("…");
  for (const std::string_view mark : {"▁.", "▁,", "▁?", "▁!", "▁'", "▁A", "▁I"}) add(mark);
  for (int byte = 0; byte < kBytes; ++byte) {
    put_piece(model, fmt::format("<0x{:02X}>", byte), kByte, 0);
    ++count;
  }
  std::string trainer;
  put_integer(trainer, 3, kBpe);                               // model_type
  put_integer(trainer, 4, static_cast<std::uint64_t>(count));  // vocab_size
  put_integer(trainer, 35, 1);                                 // byte_fallback
  put_integer(trainer, 40, 2);                                 // unk_id
  put_integer(trainer, 41, 0);                                 // bos_id
  put_integer(trainer, 42, 1);                                 // eos_id
  put_text(model, 2, trainer);
  std::string normalizer;
  put_text(normalizer, 1, "identity");
  put_integer(normalizer, 3, 1);  // add_dummy_prefix
  put_integer(normalizer, 4, 1);  // remove_extra_whitespaces
  put_integer(normalizer, 5, 1);  // escape_whitespaces
  put_text(model, 3, normalizer);
  return model;
}

std::string demo_byte_bpe() {
  base::Json vocabulary;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool own = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    const char32_t printable = own ? byte : next++;
    vocabulary[to_utf8(std::u32string_view(&printable, 1))] = byte;
  }
  base::Json special = base::Json::array();
  std::int64_t id = 256;
  for (const char* token : {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"}) {
    special.push_back({{"id", id++}, {"content", token}, {"special", true}});
  }
  const base::Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens", special},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", base::Json::array()}}}};
  return tokenizer.dump() + "\n";
}

}  // namespace greenroom::models::index_tts
