#include "worker/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <limits>
#include <string>
#include <thread>

#include "base/error.h"
#include "support/error_of.h"
#include "worker/shared_memory.h"
#include "worker/wire.h"

namespace greenroom::worker {
namespace {

using base::ErrorCode;
using base::FileDescriptor;
using base::Json;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

audio::Buffer tone() {
  return {{0.25F, -1, std::numeric_limits<float>::infinity()}, 44100};
}

TEST(Channel, MessagesArriveOneByOneWithTheirFiles) {
  auto [a, b] = make_socket_pair();
  Channel here(std::move(a));
  Channel there(std::move(b));
  std::vector<FileDescriptor> files;
  files.push_back(share_samples(tone()));
  files.push_back(share_samples({{1}, 1}));
  EXPECT_TRUE(here.send({{{"n", 1}, {"text", "not UTF-8: \xff"}}, std::move(files)}));
  EXPECT_TRUE(here.send({{{"n", 2}, {"big", UINT64_MAX}, {"nan", std::nan("")}}, {}}));
  const auto first = there.receive();
  ASSERT_TRUE(first);
  EXPECT_EQ(get<std::string>(first->body, "text"), "not UTF-8: \xff");
  ASSERT_EQ(first->files.size(), 2U);
  EXPECT_EQ(read_samples(first->files[0], 44100).samples, tone().samples);
  EXPECT_THAT(read_samples(first->files[1], 1).samples, ElementsAre(1));
  const auto second = there.receive();
  ASSERT_TRUE(second);
  EXPECT_EQ(get<std::uint64_t>(second->body, "big"), UINT64_MAX);
  EXPECT_TRUE(std::isnan(get<double>(second->body, "nan")));
  EXPECT_TRUE(second->files.empty());
}

TEST(Channel, ALongMessageGoesByWayOfSharedMemory) {
  auto [a, b] = make_socket_pair();
  Channel here(std::move(a));
  Channel there(std::move(b));
  const std::string text(5'000'000, 'x');
  std::vector<FileDescriptor> files;
  files.push_back(share_samples(tone()));
  EXPECT_TRUE(here.send({{{"text", text}}, std::move(files)}));
  const auto message = there.receive();
  ASSERT_TRUE(message);
  EXPECT_EQ(get<std::string>(message->body, "text"), text);
  ASSERT_EQ(message->files.size(), 1U);
  EXPECT_EQ(read_samples(message->files[0], 44100).samples, tone().samples);
}

TEST(Channel, TheEndIsSeenAtBothEnds) {
  auto [a, b] = make_socket_pair();
  Channel here(std::move(a));
  { const Channel gone(std::move(b)); }
  EXPECT_FALSE(here.receive());
  EXPECT_FALSE(here.send({{{"n", 1}}, {}}));
}

TEST(Channel, ClosingWakesWhoWaits) {
  auto [a, b] = make_socket_pair();
  Channel here(std::move(a));
  Channel there(std::move(b));
  std::thread waiting([&] { EXPECT_FALSE(here.receive()); });
  here.close();
  waiting.join();
}

TEST(Channel, RefusesWhatIsNoMessage) {
  auto [a, b] = make_socket_pair();
  Channel there(std::move(b));
  for (const std::string_view packet :
       {std::string_view("\0\xc1", 2), std::string_view("\1", 1), std::string_view("\0", 1)}) {
    ASSERT_GT(::send(a.get(), packet.data(), packet.size(), 0), 0);
    EXPECT_EQ(error_of([&] { there.receive(); }).code(), ErrorCode::kDataLoss);
  }
}

TEST(SharedMemory, NothingButSealedMemoryIsMapped) {
  const FileDescriptor open_memory(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_THAT(error_of([&] { const SharedBytes bytes(open_memory); }).what(), HasSubstr("sealed"));
  const FileDescriptor nothing;
  EXPECT_EQ(error_of([&] { const SharedBytes bytes(nothing); }).code(), ErrorCode::kDataLoss);
  EXPECT_TRUE(SharedBytes(share({})).bytes().empty());
  const std::byte three[3] = {};
  EXPECT_EQ(error_of([&] { read_samples(share(three), 1); }).code(), ErrorCode::kDataLoss);
}

TEST(Wire, OptionsAndResultsComeBackAsTheyWere) {
  models::ConvertOptions convert;
  convert.speaker_mix = {{1, 0.25}, {2, 0.75}};
  convert.method = models::OdeMethod::kRk4;
  convert.steps = 7;
  convert.seed = UINT64_MAX;
  const auto convert_back = convert_options_from(to_tree(convert));
  EXPECT_EQ(convert_back.speaker_mix, convert.speaker_mix);
  EXPECT_EQ(convert_back.method, convert.method);
  EXPECT_EQ(convert_back.steps, convert.steps);
  EXPECT_EQ(convert_back.t_start, std::nullopt);
  EXPECT_EQ(convert_back.seed, convert.seed);
  EXPECT_EQ(to_tree(convert_back), to_tree(convert));

  models::SpeakOptions speak;
  speak.top_p = 0.1;
  speak.use_random = true;
  EXPECT_EQ(to_tree(speak_options_from(to_tree(speak))), to_tree(speak));

  models::SpeakResult result;
  result.audio.sample_rate = 22050;
  result.stage_times = {{"flow", 1.5}};
  result.notices = {"one", "two"};
  result.speech_tokens = 12;
  EXPECT_EQ(to_tree(speak_result_from(to_tree(result))), to_tree(result));

  const core::WorkspaceNeed need(123, {.audio_seconds = 1.5, .beams = 3});
  EXPECT_EQ(need_from(to_tree(need)).bytes, need.bytes);
  EXPECT_EQ(need_from(to_tree(need)).features, need.features);
}

TEST(Wire, ErrorsComeBackAsTheyWere) {
  const base::Error error(ErrorCode::kUnavailable, "busy", std::chrono::milliseconds(250));
  const auto back = error_from(to_tree(error));
  EXPECT_EQ(back.code(), error.code());
  EXPECT_STREQ(back.what(), error.what());
  EXPECT_EQ(back.retry_after(), error.retry_after());
  EXPECT_EQ(error_of([] { error_from(Json::object()); }).code(), ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace greenroom::worker
