// How the reference cases of the IndexTTS-2 text front end are run. The names are those of the reference
// files.
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "case.h"
#include "models/index_tts/silence.h"
#include "models/index_tts/text/emotion.h"
#include "models/index_tts/text/normalizer.h"
#include "models/index_tts/text/segments.h"
#include "models/index_tts/text/tokenizer.h"

namespace greenroom::golden {
namespace {

using namespace models::index_tts;  // NOLINT(google-build-using-namespace): the cases speak of nothing else
using Strings = std::vector<std::string>;

base::Json read_json(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return base::parse_json(text.str(), path.string());
}

std::u32string as_it_is(std::u32string_view text) {
  return std::u32string(text);
}

std::string at_index(const char* what, std::size_t index) {
  return fmt::format("{} {}", what, index);
}

void run_front_end(Case& golden, const base::Json& cases, const Tokenizer& tokenizer) {
  const TextNormalizer normalizer({}, as_it_is, as_it_is);
  std::size_t index = 0;
  for (const auto& entry : cases) {
    const auto text = entry.at("text").get<std::string>();
    const auto normalized = normalizer.normalize(text);
    golden.check_equal(at_index("use_chinese", index),
                       uses_chinese(text) == entry.at("use_chinese").get<bool>());
    golden.check_equal(at_index("normalized", index),
                       normalized == entry.at("normalized_identity_tn").get<std::string>());
    golden.check_equal(at_index("cjk", index),
                       separate_cjk(normalized) == entry.at("cjk").get<std::string>());
    const auto pieces = encode_text(tokenizer, normalizer, text);
    golden.check_equal(at_index("pieces", index), pieces == entry.at("pieces").get<Strings>());
    golden.check_equal(at_index("ids", index), tokenizer.ids(pieces),
                       entry.at("ids").get<std::vector<std::int64_t>>());
    ++index;
  }
}

void run_segments(Case& golden, const base::Json& cases, const char* what) {
  std::size_t index = 0;
  for (const auto& entry : cases) {
    const auto segments = split_segments(entry.at("pieces").get<Strings>(), entry.at("max").get<int>(),
                                         entry.at("quick").get<int>());
    golden.check_equal(at_index(what, index++), segments == entry.at("segments").get<std::vector<Strings>>());
  }
}

void run_text(Case& golden) {
  const auto json = read_json(golden.folder() / "text.json");
  const Tokenizer tokenizer(golden.folder() / "bpe.model");
  run_front_end(golden, json.at("cases"), tokenizer);
  run_segments(golden, json.at("segments"), "segments");
  run_segments(golden, json.at("synthetic_segments"), "synthetic_segments");
  const auto& glossary = json.at("glossary");
  std::vector<GlossaryEntry> entries;
  for (const auto& [word, reading] : glossary.at("glossary").items()) {
    const bool one = reading.is_string();
    entries.push_back({word, one ? reading.get<std::string>() : reading.value("zh", ""),
                       one ? reading.get<std::string>() : reading.value("en", "")});
  }
  const TextNormalizer normalizer(entries, as_it_is, as_it_is);
  golden.check_equal("glossary", normalizer.normalize(glossary.at("text").get<std::string>()) ==
                                     glossary.at("normalized_identity_tn").get<std::string>());
}

bool is_close(const EmotionVector& ours, const base::Json& theirs) {
  constexpr double kRounding = 1e-12;
  for (std::size_t i = 0; i < kEmotions; ++i) {
    if (std::abs(ours[i] - theirs.at(i).get<double>()) > kRounding) return false;
  }
  return true;
}

void run_misc(Case& golden) {
  const auto json = read_json(golden.folder() / "misc.json");
  std::size_t index = 0;
  for (const auto& entry : json.at("qwen")) {
    const auto scores =
        parse_emotion_answer(entry.at("content").get<std::string>(), entry.at("text").get<std::string>());
    bool equal = true;
    for (std::size_t i = 0; i < kEmotions; ++i) {
      equal = equal && scores[i] == entry.at("result").at(std::string(emotion_name(i))).get<double>();
    }
    golden.check_equal(at_index("emotion answer", index++), equal);
  }
  index = 0;
  for (const auto& entry : json.at("normalize_emo_vec")) {
    const auto vector = check_emotion_vector(entry.at("v").get<std::vector<double>>());
    golden.check_equal(at_index("normalize_emo_vec", index++),
                       is_close(normalize_emotion(vector, entry.at("bias").get<bool>()), entry.at("out")));
  }
  index = 0;
  for (const auto& entry : json.at("emo_vector_alpha_scale")) {
    const auto vector = check_emotion_vector(entry.at("v").get<std::vector<double>>());
    golden.check_equal(at_index("emo_vector_alpha_scale", index++),
                       is_close(scale_emotion(vector, entry.at("alpha").get<double>()), entry.at("out")));
  }
  for (const auto& [milliseconds, lengths] : json.at("insert_interval_silence").items()) {
    const auto theirs = lengths.size() > 3 ? lengths.at(1).get<std::int64_t>() : 0;
    golden.check_equal(at_index("interval silence", std::stoul(milliseconds)),
                       silence_samples(std::stoi(milliseconds), 22050) == theirs);
  }
}

// What runs a case whose name begins so.
const Kinds& kinds() {
  static const Kinds kKinds = {{"text", run_text}, {"misc", run_misc}};
  return kKinds;
}

}  // namespace

bool run_index_tts_text_case(Case& golden) {
  return run_by_name(golden, kinds());
}

}  // namespace greenroom::golden
