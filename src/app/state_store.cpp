#include "app/state_store.h"

#include "app/schema.h"

namespace greenroom::app {
namespace {

constexpr std::int32_t kApplicationId = 0x47525354;  // "GRST"

const Schema& schema() {
  static const Schema schema{"state",
                             kApplicationId,
                             {
                                 R"(
    CREATE TABLE models(
      id TEXT PRIMARY KEY NOT NULL,
      type TEXT NOT NULL,
      path TEXT NOT NULL,
      device TEXT NOT NULL,
      pinned INTEGER NOT NULL,
      baseline INTEGER NOT NULL,
      keep_alive_seconds REAL,
      held INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE documents(
      kind INTEGER NOT NULL,
      key TEXT NOT NULL,
      document TEXT NOT NULL,
      PRIMARY KEY(kind, key)) STRICT, WITHOUT ROWID;
                                 )",
                             }};
  return schema;
}

// In the file, so never renumbered.
std::int64_t number_of(StateStore::Kind kind) {
  switch (kind) {
    case StateStore::Kind::kTaskProfile:
      return 1;
    case StateStore::Kind::kSetting:
      return 2;
    case StateStore::Kind::kLearntCost:
      return 3;
  }
  return 0;
}

constexpr const char* kSelectModels =
    "SELECT id, type, path, device, pinned, baseline, keep_alive_seconds, held FROM models";

RegisteredModel read_model(const Statement& row) {
  RegisteredModel model;
  model.id = row.text(0);
  model.type = row.text(1);
  model.path = row.text(2);
  model.device = row.text(3);
  model.pinned = row.number(4) != 0;
  model.baseline = row.number(5) != 0;
  if (!row.is_null(6)) model.keep_alive_seconds = row.real(6);
  model.held = row.number(7) != 0;
  return model;
}

void write_document(Database& database, StateStore::Kind kind, const std::string& key,
                    const std::string& document) {
  Statement(database, "INSERT OR REPLACE INTO documents VALUES(?, ?, ?)")
      .bind(0, number_of(kind))
      .bind(1, key)
      .bind(2, document)
      .run();
}

std::optional<std::string> read_document(Database& database, StateStore::Kind kind, const std::string& key) {
  Statement statement(database, "SELECT document FROM documents WHERE kind = ? AND key = ?");
  if (!statement.bind(0, number_of(kind)).bind(1, key).next()) return std::nullopt;
  return statement.text(0);
}

}  // namespace

StateStore::StateStore(const std::filesystem::path& file) : database_(file, Durability::kPower) {
  bring_up_to_date(database_, schema());
}

void StateStore::put_model(const RegisteredModel& model) {
  base::MutexLock lock(mutex_);
  Statement statement(database_, "INSERT OR REPLACE INTO models VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  statement.bind(0, model.id).bind(1, model.type).bind(2, model.path.string()).bind(3, model.device);
  statement.bind(4, std::int64_t{model.pinned}).bind(5, std::int64_t{model.baseline});
  if (model.keep_alive_seconds) {
    statement.bind(6, *model.keep_alive_seconds);
  } else {
    statement.bind_null(6);
  }
  statement.bind(7, std::int64_t{model.held}).run();
}

bool StateStore::set_held(const std::string& id, bool held) {
  base::MutexLock lock(mutex_);
  Statement(database_, "UPDATE models SET held = ? WHERE id = ?")
      .bind(0, std::int64_t{held})
      .bind(1, id)
      .run();
  return database_.changed_rows() > 0;
}

bool StateStore::remove_model(const std::string& id) {
  base::MutexLock lock(mutex_);
  Statement(database_, "DELETE FROM models WHERE id = ?").bind(0, id).run();
  return database_.changed_rows() > 0;
}

std::optional<RegisteredModel> StateStore::model(const std::string& id) const {
  base::MutexLock lock(mutex_);
  Statement statement(database_, std::string(kSelectModels) + " WHERE id = ?");
  if (!statement.bind(0, id).next()) return std::nullopt;
  return read_model(statement);
}

std::vector<RegisteredModel> StateStore::models() const {
  base::MutexLock lock(mutex_);
  Statement statement(database_, std::string(kSelectModels) + " ORDER BY id");
  std::vector<RegisteredModel> models;
  while (statement.next()) models.push_back(read_model(statement));
  return models;
}

void StateStore::put(Kind kind, const std::string& key, const std::string& document) {
  base::MutexLock lock(mutex_);
  write_document(database_, kind, key, document);
}

void StateStore::update(Kind kind, const std::string& key, const Change& change) {
  base::MutexLock lock(mutex_);
  Transaction transaction(database_);
  write_document(database_, kind, key, change(read_document(database_, kind, key)));
  transaction.commit();
}

bool StateStore::remove(Kind kind, const std::string& key) {
  base::MutexLock lock(mutex_);
  Statement(database_, "DELETE FROM documents WHERE kind = ? AND key = ?")
      .bind(0, number_of(kind))
      .bind(1, key)
      .run();
  return database_.changed_rows() > 0;
}

std::optional<std::string> StateStore::get(Kind kind, const std::string& key) const {
  base::MutexLock lock(mutex_);
  return read_document(database_, kind, key);
}

std::map<std::string, std::string> StateStore::all(Kind kind) const {
  base::MutexLock lock(mutex_);
  Statement statement(database_, "SELECT key, document FROM documents WHERE kind = ?");
  statement.bind(0, number_of(kind));
  std::map<std::string, std::string> documents;
  while (statement.next()) documents[statement.text(0)] = statement.text(1);
  return documents;
}

}  // namespace greenroom::app
