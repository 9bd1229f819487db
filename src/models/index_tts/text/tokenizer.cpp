#include "models/index_tts/text/tokenizer.h"

#include <spdlog/fmt/fmt.h>

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "models/index_tts/text/bpe_model.h"
#include "models/index_tts/text/normalizer.h"
#include "models/index_tts/text/unicode.h"

namespace greenroom::models::index_tts {
namespace {

constexpr std::uintmax_t kMostBytes = 64 << 20;

std::string read_model(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw base::Error(base::ErrorCode::kNotFound, fmt::format("{}: no such file", path.string()));
  }
  if (std::filesystem::file_size(path, error) > kMostBytes) {
    throw base::Error(base::ErrorCode::kDataLoss,
                      fmt::format("{}: larger than 64 MiB, that is no text tokenizer", path.string()));
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file)
    throw base::Error(base::ErrorCode::kUnavailable, fmt::format("{}: cannot be read", path.string()));
  return bytes.str();
}

}  // namespace

std::string separate_cjk(std::string_view text) {
  const std::u32string all = to_code_points(text);
  std::u32string result;
  std::u32string run;
  const auto put = [&](std::u32string_view part) {
    part = strip(part);
    if (part.empty()) return;
    if (!result.empty()) result += U' ';
    result += to_upper(part);
  };
  for (const char32_t c : strip(all)) {
    if (!is_cjk(c)) {
      run += c;
      continue;
    }
    put(run);
    run.clear();
    put(std::u32string_view(&c, 1));
  }
  put(run);
  return to_utf8(result);
}

Tokenizer::Tokenizer(const std::filesystem::path& model) : model_(read_model(model), model.string()) {}

std::vector<std::string> Tokenizer::pieces(std::string_view text) const {
  return model_.encode(text);
}

std::vector<std::int64_t> Tokenizer::ids(const std::vector<std::string>& pieces) const {
  std::vector<std::int64_t> ids;
  ids.reserve(pieces.size());
  for (const auto& piece : pieces) ids.push_back(model_.id(piece));
  return ids;
}

bool Tokenizer::is_known(const std::string& piece) const {
  return model_.id(piece) != model_.unknown_id();
}

int Tokenizer::size() const {
  return static_cast<int>(model_.size());
}

std::vector<std::string> encode_text(const Tokenizer& tokenizer, const TextNormalizer& normalizer,
                                     std::string_view text) {
  if (text.empty()) return {};
  const std::u32string all = to_code_points(text);
  if (strip(all).size() == 1) return tokenizer.pieces(text);
  return tokenizer.pieces(separate_cjk(normalizer.normalize(text)));
}

}  // namespace greenroom::models::index_tts
