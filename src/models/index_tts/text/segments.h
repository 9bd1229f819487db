// Cuts the pieces of a text into segments that are spoken one after the other.
#pragma once

#include <string>
#include <vector>

namespace greenroom::models::index_tts {

// index-tts indextts/utils/front.py: split_segments_by_token(), its slip with quotes included: a quote that
// follows the end of a sentence ends that segment and begins the next one too. No segment has more than
// `max_pieces` pieces but for such a quote; once more than `quick_pieces` have been seen, segments are filled
// up, before that only up to the half. REQUIRES: max_pieces > 0.
std::vector<std::vector<std::string>> split_segments(const std::vector<std::string>& pieces, int max_pieces,
                                                     int quick_pieces = 0);

}  // namespace greenroom::models::index_tts
