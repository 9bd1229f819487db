#include "models/index_tts/text/segments.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace greenroom::models::index_tts {
namespace {

using Pieces = std::vector<std::string>;
using Marks = std::vector<std::string_view>;

const Marks& sentence_marks() {
  static const Marks marks{".", "!", "?", "▁.", "▁?", "▁..."};
  return marks;
}

const Marks& comma_marks() {
  static const Marks marks{",", "▁,"};
  return marks;
}

const Marks& hyphen_marks() {
  static const Marks marks{"-"};
  return marks;
}

bool contains(const Marks& marks, std::string_view piece) {
  return std::find(marks.begin(), marks.end(), piece) != marks.end();
}

void append(std::vector<Pieces>& to, std::vector<Pieces> from) {
  for (auto& pieces : from) to.push_back(std::move(pieces));
}

class Splitter {
 public:
  Splitter(std::size_t max_pieces, std::size_t quick_pieces) : max_(max_pieces), quick_(quick_pieces) {}

  std::vector<Pieces> split(const Pieces& pieces, const Marks& marks) const {
    return merge(cut(pieces, marks));
  }

 private:
  std::vector<Pieces> cut(const Pieces& pieces, const Marks& marks) const {
    std::vector<Pieces> segments;
    Pieces current;
    const bool cuts_at_commas = contains(marks, ",") || contains(marks, "▁,");
    const bool cuts_at_hyphens = contains(marks, "-");
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      current.push_back(pieces[i]);
      // A mark that is not cut at here never stays in `current`, so that only the newest piece can be one.
      if (!cuts_at_commas && contains(comma_marks(), pieces[i])) {
        append(segments, split(current, comma_marks()));
      } else if (!cuts_at_hyphens && contains(hyphen_marks(), pieces[i])) {
        append(segments, split(current, hyphen_marks()));
      } else if (current.size() <= max_) {
        if (!contains(marks, pieces[i]) || current.size() <= 2) continue;
        // Without a step of `i`, as upstream: the quote comes once more.
        if (i + 1 < pieces.size() && (pieces[i + 1] == "'" || pieces[i + 1] == "▁'")) {
          current.push_back(pieces[i + 1]);
        }
        segments.push_back(current);
      } else {
        for (std::size_t at = 0; at < current.size(); at += max_) {
          const auto first = current.begin() + static_cast<std::ptrdiff_t>(at);
          const auto length = static_cast<std::ptrdiff_t>(std::min(max_, current.size() - at));
          segments.emplace_back(first, first + length);
        }
      }
      current.clear();
    }
    if (!current.empty()) segments.push_back(std::move(current));
    return segments;
  }

  std::vector<Pieces> merge(std::vector<Pieces> segments) const {
    std::vector<Pieces> merged;
    std::size_t total = 0;
    for (auto& segment : segments) {
      if (segment.empty()) continue;
      total += segment.size();
      const std::size_t joined = merged.empty() ? 0 : merged.back().size() + segment.size();
      if (!merged.empty() && ((joined <= max_ && total > quick_) || 2 * joined <= max_)) {
        merged.back().insert(merged.back().end(), segment.begin(), segment.end());
      } else {
        merged.push_back(std::move(segment));
      }
    }
    return merged;
  }

  std::size_t max_;
  std::size_t quick_;
};

}  // namespace

std::vector<std::vector<std::string>> split_segments(const std::vector<std::string>& pieces, int max_pieces,
                                                     int quick_pieces) {
  const Splitter splitter(static_cast<std::size_t>(std::max(1, max_pieces)),
                          static_cast<std::size_t>(std::max(0, quick_pieces)));
  return splitter.split(pieces, sentence_marks());
}

}  // namespace greenroom::models::index_tts
