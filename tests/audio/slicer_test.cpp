#include "audio/slicer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <utility>

#include "audio/frames.h"

namespace greenroom::audio {

void PrintTo(const Segment& segment, std::ostream* out) {
  *out << "{" << segment.start_frame << ", " << segment.first_sample << ", " << segment.end_sample << "}";
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// At 2 kHz an analysis frame is 40 samples, centred on multiples of 40 and 160 wide; a silence counts from 15
// frames, a segment from 250, and 250 frames of silence are kept. The tests use 40 samples as the model's
// hop, too.
constexpr int kRate = 2000;
constexpr double kHop = 40;

// Stretches of constant level, one after the other: {samples, level}.
std::vector<float> stretches(std::initializer_list<std::pair<std::size_t, float>> parts) {
  std::vector<float> samples;
  for (const auto& [n, level] : parts) samples.insert(samples.end(), n, level);
  return samples;
}

TEST(Slicer, KeepsLoudAudioInOnePiece) {
  EXPECT_THAT(slice(stretches({{30000, 0.5f}}), kRate, kHop), ElementsAre(Segment{0, 0, 30000}));
}

TEST(Slicer, CutsAShortSilenceAtItsQuietestFrame) {
  // Frames 302 to 323 see no loud sample; 312 is the first that sees nothing but zeros.
  const auto samples = stretches({{12000, 0.5f}, {400, 0.005f}, {240, 0}, {360, 0.005f}, {8000, 0.5f}});
  EXPECT_THAT(slice(samples, kRate, kHop), ElementsAre(Segment{0, 0, 12480}, Segment{312, 12480, 21000}));
}

TEST(Slicer, IgnoresASilenceShorterThanTheInterval) {
  // 700 samples of silence leave 14 silent frames; 740 leave 15.
  EXPECT_THAT(slice(stretches({{12000, 0.5f}, {700, 0}, {8000, 0.5f}}), kRate, kHop),
              ElementsAre(Segment{0, 0, 20680}));
  EXPECT_THAT(slice(stretches({{12000, 0.5f}, {740, 0}, {8000, 0.5f}}), kRate, kHop),
              ElementsAre(Segment{0, 0, 12080}, Segment{302, 12080, 20720}));
}

TEST(Slicer, DoesNotCutBeforeTheMinimumLength) {
  EXPECT_THAT(slice(stretches({{8000, 0.5f}, {1000, 0}, {8000, 0.5f}}), kRate, kHop),
              ElementsAre(Segment{0, 0, 17000}));
}

TEST(Slicer, KeepsTheMiddleOfALongerSilenceAsASegment) {
  // Silent frames 302 to 598: longer than what is kept on one side, not than both.
  EXPECT_THAT(slice(stretches({{12000, 0.5f}, {12000, 0}, {12000, 0.5f}}), kRate, kHop),
              ElementsAre(Segment{0, 0, 12080}, Segment{302, 12080, 13960}, Segment{349, 13960, 36000}));
}

TEST(Slicer, CutsAVeryLongSilenceNearBothEnds) {
  // Silent frames 302 to 898: cut in the first 250 and in the last 250.
  EXPECT_THAT(slice(stretches({{12000, 0.5f}, {24000, 0}, {12000, 0.5f}}), kRate, kHop),
              ElementsAre(Segment{0, 0, 12080}, Segment{302, 12080, 25960}, Segment{649, 25960, 48000}));
}

TEST(Slicer, CutsALongSilenceAtTheStart) {
  // Silent frames 0 to 273; the last 250 and frame 274 are searched.
  EXPECT_THAT(slice(stretches({{11000, 0}, {12000, 0.5f}}), kRate, kHop),
              ElementsAre(Segment{0, 0, 960}, Segment{24, 960, 23000}));
}

TEST(Slicer, CutsASilenceAtTheEnd) {
  EXPECT_THAT(slice(stretches({{12000, 0.5f}, {1000, 0}}), kRate, kHop),
              ElementsAre(Segment{0, 0, 12080}, Segment{302, 12080, 13000}));
}

TEST(Slicer, KeepsASilentRecordingInOnePiece) {
  EXPECT_THAT(slice(stretches({{20000, 0}}), kRate, kHop), ElementsAre(Segment{0, 0, 20000}));
}

TEST(Slicer, DropsTheRestOfAnUnfinishedFrame) {
  EXPECT_THAT(slice(stretches({{239, 0.5f}}), kRate, kHop), ElementsAre(Segment{0, 0, 200}));
}

TEST(Slicer, GivesNothingForLessThanAFrame) {
  EXPECT_THAT(slice(stretches({{39, 0.5f}}), kRate, kHop), IsEmpty());
  EXPECT_THAT(slice(stretches({{1, 0.5f}}), kRate, kHop), IsEmpty());
  EXPECT_THAT(slice({}, kRate, kHop), IsEmpty());
}

TEST(Slicer, DividesByAFractionalHopAsPythonDoes) {
  // 59976 // 88.2 is 679.0, and int(679 * 88.2) is 59887.
  EXPECT_THAT(slice(stretches({{59976, 0.5f}}), 11025, 88.2), ElementsAre(Segment{0, 0, 59887}));
}

TEST(Slicer, ComparesWithTheThresholdOfTheOptions) {
  const auto samples = stretches({{12000, 0.5f}, {1000, 0.05f}, {8000, 0.5f}});
  EXPECT_THAT(slice(samples, kRate, kHop), ElementsAre(Segment{0, 0, 21000}));
  SlicerOptions options;
  options.threshold_db = -20;
  EXPECT_EQ(slice(samples, kRate, kHop, options).size(), 2u);
}

TEST(Slicer, SurvivesRatesFarFromAudio) {
  const auto samples = stretches({{3000, 0.5f}, {3000, 0}, {3000, 0.5f}});
  for (const int rate : {1, 10, 37, 768000}) {
    for (const Segment& segment : slice(samples, rate, kHop)) {
      EXPECT_LT(segment.first_sample, segment.end_sample);
      EXPECT_LE(segment.end_sample, 9000);
    }
  }
}

TEST(CutLongSegments, LeavesShortOnesAlone) {
  const std::vector<Segment> segments = {{0, 0, 1000}, {10, 1000, 2000}};
  EXPECT_EQ(cut_long_segments(segments, 100, 20, 2), segments);
}

TEST(CutLongSegments, CutsLongOnesIntoOverlappingPieces) {
  const auto pieces = cut_long_segments({{5, 500, 3000}}, 100, 10, 2);
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[0], (Segment{5, 500, 1500}));
  EXPECT_EQ(pieces[1], (Segment{13, 1300, 2300}));
  EXPECT_EQ(pieces[2], (Segment{21, 2100, 3000}));
}

TEST(CutLongSegments, CoversEverythingForAnyHop) {
  for (const double hop : {512.0, 557.28, 93.7}) {
    for (std::int64_t samples = 10000; samples < 200000; samples += 7777) {
      const auto pieces = cut_long_segments({{0, 0, samples}}, hop, 30, 4);
      EXPECT_EQ(pieces.front().first_sample, 0);
      EXPECT_EQ(pieces.back().end_sample, samples);
      for (std::size_t i = 1; i < pieces.size(); ++i) {
        EXPECT_LT(pieces[i].first_sample, pieces[i - 1].end_sample);
        EXPECT_GT(pieces[i].end_sample, pieces[i - 1].end_sample);
      }
      for (const auto& piece : pieces) EXPECT_LE(frame_count(piece.end_sample - piece.first_sample, hop), 31);
    }
  }
}

}  // namespace
}  // namespace greenroom::audio
