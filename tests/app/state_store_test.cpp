#include "app/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <future>
#include <random>
#include <thread>

#include "app/schema.h"
#include "base/error.h"
#include "support/error_of.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = StateStore::Kind;
using test::error_of;

RegisteredModel alto() {
  RegisteredModel model;
  model.id = "alto";
  model.type = "ddsp_svc";
  model.path = "/voices/alto's/mödel_0.pt";
  model.device = "cuda:1";
  model.pinned = true;
  model.keep_alive_seconds = 12.5;
  return model;
}

RegisteredModel tenor() {
  RegisteredModel model;
  model.id = "tenor";
  model.type = "index_tts";
  model.path = "/voices/tenor";
  model.baseline = true;
  model.held = true;
  return model;
}

TEST(StateStore, KeepsModelsAcrossReopening) {
  const test::TempDir dir;
  {
    StateStore store(dir / "state.db");
    store.put_model(tenor());
    store.put_model(alto());
  }
  StateStore store(dir / "state.db");
  EXPECT_THAT(store.models(), ElementsAre(alto(), tenor()));
  EXPECT_EQ(store.model("alto"), alto());
  EXPECT_EQ(store.model("nobody"), std::nullopt);
}

TEST(StateStore, ReplacesMarksAndRemovesModels) {
  StateStore store(":memory:");
  store.put_model(alto());
  auto moved = alto();
  moved.path = "/elsewhere";
  moved.keep_alive_seconds.reset();
  store.put_model(moved);
  EXPECT_TRUE(store.set_held("alto", true));
  moved.held = true;
  EXPECT_THAT(store.models(), ElementsAre(moved));
  EXPECT_TRUE(store.remove_model("alto"));
  EXPECT_FALSE(store.remove_model("alto"));
  EXPECT_FALSE(store.set_held("alto", true));
}

TEST(StateStore, KeepsDocumentsOfEachKindApart) {
  const test::TempDir dir;
  {
    StateStore store(dir / "state.db");
    store.put(Kind::kSetting, "a", "1");
    store.put(Kind::kTaskProfile, "a", "{}");
    store.put(Kind::kSetting, "a", "2");
    store.put(Kind::kSetting, "b", "");
    store.put(Kind::kLearntCost, "gone", "0");
    EXPECT_TRUE(store.remove(Kind::kLearntCost, "gone"));
    EXPECT_FALSE(store.remove(Kind::kLearntCost, "gone"));
  }
  StateStore store(dir / "state.db");
  EXPECT_EQ(store.all(Kind::kSetting), (std::map<std::string, std::string>{{"a", "2"}, {"b", ""}}));
  EXPECT_EQ(store.get(Kind::kTaskProfile, "a"), "{}");
  EXPECT_EQ(store.get(Kind::kLearntCost, "gone"), std::nullopt);
}

TEST(StateStore, TextIsNeverTakenForSql) {
  StateStore store(":memory:");
  const std::string evil = "x'); DROP TABLE documents; --";
  store.put(Kind::kSetting, evil, evil);
  EXPECT_EQ(store.get(Kind::kSetting, evil), evil);
}

TEST(StateStore, SeesWhatAnotherConnectionWrote) {
  const test::TempDir dir;
  StateStore one(dir / "state.db");
  StateStore other(dir / "state.db");
  one.put_model(alto());
  EXPECT_EQ(other.model("alto"), alto());
  other.remove_model("alto");
  EXPECT_TRUE(one.models().empty());
}

TEST(StateStore, ManyWritersLoseNothing) {
  const test::TempDir dir;
  constexpr int kWriters = 4;
  constexpr int kEach = 25;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      StateStore store(dir / "state.db");
      for (int i = 0; i < kEach; ++i) {
        store.put(Kind::kSetting, std::to_string(writer) + "." + std::to_string(i), "x");
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(StateStore(dir / "state.db").all(Kind::kSetting).size(), std::size_t{kWriters * kEach});
}

TEST(StateStore, SaysThatAFileIsNoDatabase) {
  const test::TempDir dir;
  const auto file = dir.write("state.db", std::string(5000, 'x'));
  const auto error = error_of([&] { const StateStore store(file); });
  EXPECT_EQ(error.code(), ErrorCode::kDataLoss);
  EXPECT_THAT(error.what(), HasSubstr(file.string()));
}

TEST(StateStore, FindsADamagedPage) {
  const test::TempDir dir;
  const auto file = dir / "state.db";
  {
    StateStore store(file);
    for (int i = 0; i < 500; ++i) store.put(Kind::kSetting, std::to_string(i), std::string(100, 'x'));
  }
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(4096 * 3);
    bytes << std::string(4096, '\x7f');
  }
  EXPECT_EQ(error_of([&] { const StateStore store(file); }).code(), ErrorCode::kDataLoss);
}

TEST(StateStore, RefusesWhatANewerGreenroomWroteAndLeavesItAlone) {
  const test::TempDir dir;
  {
    StateStore store(dir / "state.db");
    store.put_model(alto());
  }
  { Database(dir / "state.db", Durability::kPower).run("PRAGMA user_version = 999"); }
  const auto error = error_of([&] { const StateStore store(dir / "state.db"); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("newer greenroom"), HasSubstr("999"), HasSubstr("state.db")));
  Database database(dir / "state.db", Durability::kPower);
  EXPECT_EQ(database.number("SELECT count(*) FROM models"), 1);
}

TEST(StateStore, RefusesAnotherProgramsDatabase) {
  const test::TempDir dir;
  { Database(dir / "state.db", Durability::kPower).run("CREATE TABLE theirs(x)"); }
  const auto error = error_of([&] { const StateStore store(dir / "state.db"); });
  EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.what(), HasSubstr("another program"));
}

TEST(Schema, LaterStepsKeepWhatEarlierOnesHold) {
  Database database(":memory:", Durability::kProcess);
  Schema schema{"test", 7, {"CREATE TABLE one(x); INSERT INTO one VALUES(42);"}};
  bring_up_to_date(database, schema);
  schema.steps.emplace_back("ALTER TABLE one ADD COLUMN y DEFAULT 5;");
  bring_up_to_date(database, schema);
  bring_up_to_date(database, schema);
  EXPECT_EQ(database.number("SELECT x + y FROM one"), 47);
  EXPECT_EQ(database.number("PRAGMA user_version"), 2);
}

TEST(Schema, AStepThatFailsLeavesTheOldVersion) {
  Database database(":memory:", Durability::kProcess);
  Schema schema{"test", 7, {"CREATE TABLE one(x)"}};
  bring_up_to_date(database, schema);
  schema.steps.emplace_back("CREATE TABLE two(x); CREATE TABLE one(x);");
  EXPECT_THROW(bring_up_to_date(database, schema), Error);
  EXPECT_EQ(database.number("PRAGMA user_version"), 1);
  EXPECT_EQ(database.number("SELECT count(*) FROM sqlite_master WHERE name = 'two'"), 0);
}

// Change number `step` of a sequence that writes, replaces and removes; the same in the child and in the
// ledger of what must be there.
void change(int step, StateStore& store) {
  auto model = step % 2 == 0 ? alto() : tenor();
  model.id += std::to_string(step % 7);
  model.path = std::to_string(step);
  if (step % 5 == 3) {
    store.remove_model(model.id);
  } else if (step % 5 == 4) {
    store.put(Kind::kLearntCost, std::to_string(step % 11), std::to_string(step));
  } else {
    store.put_model(model);
  }
}

bool same(const StateStore& a, const StateStore& b) {
  return a.models() == b.models() && a.all(Kind::kLearntCost) == b.all(Kind::kLearntCost);
}

// Starts a process that makes changes from number `first` on and acknowledges each with one byte.
pid_t start_writer(const std::filesystem::path& file, int first, int acknowledgements) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    StateStore store(file);
    for (int step = first;; ++step) {
      change(step, store);
      if (::write(acknowledgements, "k", 1) != 1) ::_exit(1);
    }
  } catch (const std::exception&) {
  }
  ::_exit(1);
}

TEST(StateStore, KillNineLosesNothingThatWasAcknowledged) {
  const test::TempDir dir;
  constexpr int kKills = 40;
  std::mt19937 random(7);
  StateStore expected(":memory:");
  int done = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t child = start_writer(dir / "state.db", done, pipe[1]);
    ::close(pipe[1]);
    char byte = 0;
    int acknowledged = 0;
    for (auto wanted = random() % 20; wanted > 0 && ::read(pipe[0], &byte, 1) == 1; --wanted) ++acknowledged;
    ::kill(child, SIGKILL);
    while (::read(pipe[0], &byte, 1) == 1) ++acknowledged;
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";

    for (; acknowledged > 0; --acknowledged) change(done++, expected);
    const StateStore found(dir / "state.db");
    if (same(found, expected)) continue;
    change(done++, expected);  // was written, and the process ended before it could say so
    ASSERT_TRUE(same(found, expected)) << "after kill " << kill << ", change " << done;
  }
  EXPECT_GT(done, kKills);
}

// As when a command and the daemon begin at the same time, for the first time.
TEST(StateStore, ManyOpenANewFileAtOnce) {
  for (int turn = 0; turn < 20; ++turn) {
    const test::TempDir dir;
    std::vector<std::future<void>> opened;
    for (int i = 0; i < 8; ++i) {
      opened.push_back(std::async(std::launch::async, [&, i] {
        StateStore(dir / "state.db").put(StateStore::Kind::kSetting, std::to_string(i), "1");
      }));
    }
    for (auto& one : opened) EXPECT_NO_THROW(one.get());
    EXPECT_EQ(StateStore(dir / "state.db").all(StateStore::Kind::kSetting).size(), 8U);
  }
}

TEST(StateStore, TwoThatUpdateOneDocumentLoseNothing) {
  const test::TempDir dir;
  constexpr int kEach = 50;
  const auto count = [&] {
    StateStore store(dir / "state.db");  // a connection of its own, as another process has
    for (int i = 0; i < kEach; ++i) {
      store.update(StateStore::Kind::kLearntCost, "sum",
                   [](const auto& old) { return std::to_string((old ? std::stoi(*old) : 0) + 1); });
    }
  };
  auto other = std::async(std::launch::async, count);
  count();
  other.get();
  StateStore store(dir / "state.db");
  EXPECT_EQ(store.get(StateStore::Kind::kLearntCost, "sum"), std::to_string(2 * kEach));
  EXPECT_THROW(store.update(StateStore::Kind::kLearntCost, "sum",
                            [](const auto&) -> std::string { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(store.get(StateStore::Kind::kLearntCost, "sum"), std::to_string(2 * kEach)) << "as it was";
}

}  // namespace
}  // namespace greenroom::app
