// Every read, write and sync of the state store and of the event history, made to fail in turn: alone, and
// with all that come after it. What was said to be done is there afterwards, what was not is there as a whole
// or not at all, and the file is sound.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/event_history.h"
#include "app/failing_files.h"
#include "app/state_store.h"
#include "base/error.h"
#include "support/temp_dir.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;
using Kind = StateStore::Kind;

RegisteredModel model(const std::string& id, bool held = false) {
  RegisteredModel result;
  result.id = id;
  result.type = "ddsp_svc";
  result.path = "/voices/" + id;
  result.held = held;
  return result;
}

// What of a store a test compares.
struct Content {
  std::vector<RegisteredModel> models;
  std::map<std::string, std::string> settings;

  bool operator==(const Content&) const = default;
};

Content content(const StateStore& store) {
  return {store.models(), store.all(Kind::kSetting)};
}

using Step = std::function<void(StateStore&)>;

const std::vector<Step>& steps() {
  static const std::string large(20'000, 'x');  // some pages
  static const std::vector<Step> steps = {
      [](StateStore& store) { store.put_model(model("tenor")); },
      [](StateStore& store) { store.put(Kind::kSetting, "gpu.idle_timeout_minutes", large); },
      [](StateStore& store) { store.set_held("tenor", true); },
      [](StateStore& store) {
        store.update(Kind::kSetting, "gpu.idle_timeout_minutes",
                     [](const std::optional<std::string>& before) { return before.value_or("") + "!"; });
      },
      [](StateStore& store) { store.remove_model("alto"); },
  };
  return steps;
}

// What is there after so many steps.
std::vector<Content> expected_contents() {
  StateStore store(":memory:");
  store.put_model(model("alto"));
  std::vector<Content> contents = {content(store)};
  for (const Step& step : steps()) {
    step(store);
    contents.push_back(content(store));
  }
  return contents;
}

// act() with the first, the second, ... call that can fail failing, until none is left, and check() after
// each. Returns how many there were.
int fail_each_call(test::FailingFiles& files, bool all_after, const std::function<void()>& act,
                   const std::function<void()>& check) {
  constexpr int kMost = 2000;
  for (int call = 1; call < kMost; ++call) {
    files.fail_at(call, all_after);
    act();
    const bool was_reached = files.has_failed();
    files.fail_at(0, false);
    check();
    if (testing::Test::HasFailure())
      ADD_FAILURE() << "call " << call << (all_after ? " and all after it" : "");
    if (!was_reached || testing::Test::HasFailure()) return call;
  }
  ADD_FAILURE() << "it never ends";
  return kMost;
}

void expect_to_pass(const Error& error, const std::filesystem::path& file) {
  EXPECT_EQ(error.code(), ErrorCode::kUnavailable) << error.what();
  EXPECT_THAT(error.what(), testing::HasSubstr(file.string()));
}

TEST(StoreFaults, WhatWasSaidToBeDoneIsThere) {
  const auto expected = expected_contents();
  test::FailingFiles files;
  for (const bool all_after : {false, true}) {
    std::optional<test::TempDir> dir;
    std::optional<std::size_t> done;  // steps; absent: not even the first model
    const auto act = [&] {
      dir.emplace();
      done.reset();
      try {
        StateStore store(*dir / "state.db");
        store.put_model(model("alto"));
        done = 0;
        for (const Step& step : steps()) {
          step(store);
          ++*done;
        }
      } catch (const Error& error) {
        expect_to_pass(error, *dir / "state.db");
      }
    };
    const auto check = [&] {
      EXPECT_EQ(Database(*dir / "state.db", Durability::kPower).find_damage(), "");
      const Content found = content(StateStore(*dir / "state.db"));
      const std::size_t next = done ? *done + 1 : 0;  // may be there though it was said to have failed
      const Content& before = done ? expected[*done] : Content{};
      EXPECT_TRUE(found == before || (next < expected.size() && found == expected[next]))
          << "after " << next << " changes";
    };
    EXPECT_GT(fail_each_call(files, all_after, act, check), 50);
  }
}

TEST(StoreFaults, AFailureThatPassesIsOver) {
  const auto expected = expected_contents();
  test::FailingFiles files;
  std::optional<test::TempDir> dir;
  std::optional<StateStore> store;
  const auto act = [&] {
    store.reset();
    dir.emplace();
    files.pause([&] {
      store.emplace(*dir / "state.db");
      store->put_model(model("alto"));
    });
    for (const Step& step : steps()) {
      try {
        step(*store);
      } catch (const Error& error) {
        expect_to_pass(error, *dir / "state.db");
        step(*store);
      }
    }
  };
  const auto check = [&] {
    // Adding an exclamation mark twice is no failure of the store's.
    const Content found = content(*store);
    EXPECT_EQ(found.models, expected.back().models);
    EXPECT_EQ(found.settings.size(), 1U);
  };
  EXPECT_GT(fail_each_call(files, false, act, check), 20);
}

TEST(StoreFaults, EventsAreKeptAsAWholeOrNotAtAll) {
  test::FailingFiles files;
  for (const bool all_after : {false, true}) {
    std::optional<test::TempDir> dir;
    std::optional<EventTable> table;
    std::size_t kept = 0;
    const auto act = [&] {
      table.reset();
      dir.emplace();
      kept = 0;
      files.pause([&] { table.emplace(*dir / "events.db", 100); });
      for (int batch = 0; batch < 3; ++batch) {
        try {
          table->append(
              {{.type = "load_started", .model_id = "alto"}, {.type = "load_failed", .message = "no"}});
          ++kept;
        } catch (const Error& error) {
          expect_to_pass(error, *dir / "events.db");
        }
      }
    };
    const auto check = [&] {
      const auto entries = table->query({});
      EXPECT_EQ(entries.size() % 2, 0U);
      EXPECT_GE(entries.size(), 2 * kept);
      table->append({{.type = "evicted"}});
      EXPECT_EQ(table->query({}).back().type, "evicted");
    };
    EXPECT_GT(fail_each_call(files, all_after, act, check), 8);
    table.reset();
  }
}

}  // namespace
}  // namespace greenroom::app
