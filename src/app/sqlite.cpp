#include "app/sqlite.h"

#include <spdlog/fmt/fmt.h>
#include <sqlite3.h>

#include <chrono>

#include "base/error.h"

namespace greenroom::app {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kBusyTimeoutMs = 5000;

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {  // the primary code
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
      return ErrorCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

Database::Database(const std::filesystem::path& file, Durability durability) : file_(file) {
  const int code = ::sqlite3_open_v2(
      file.c_str(), &connection_,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  try {
    check(code, "cannot be opened");
    check(::sqlite3_busy_timeout(connection_, kBusyTimeoutMs), "cannot be opened");
    use_wal();
    run(durability == Durability::kPower ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    run("PRAGMA trusted_schema = OFF");
  } catch (...) {
    ::sqlite3_close_v2(connection_);
    throw;
  }
}

// The first to do so needs the file for itself, and there SQLite does not wait for others that are opening
// it.
void Database::use_wal() {
  constexpr int kPauseMs = 5;
  constexpr const char* kSql = "PRAGMA journal_mode = WAL";
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyTimeoutMs);
  int code = SQLITE_OK;
  for (;;) {
    code = ::sqlite3_exec(connection_, kSql, nullptr, nullptr, nullptr);
    if ((code & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() >= end) break;
    ::sqlite3_sleep(kPauseMs);
  }
  check(code, fmt::format("cannot run \"{}\"", kSql));
}

Database::~Database() {
  ::sqlite3_close_v2(connection_);
}

void Database::fail(int code, const std::string& doing) const {
  throw Error(code_of(code),
              fmt::format("{}: {}: {}", file_.string(), doing,
                          connection_ != nullptr ? ::sqlite3_errmsg(connection_) : ::sqlite3_errstr(code)));
}

void Database::check(int code, const std::string& doing) const {
  if (code != SQLITE_OK) fail(code, doing);
}

void Database::run(const std::string& sql) {
  check(::sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr), "cannot run \"" + sql + "\"");
}

std::int64_t Database::number(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.next() ? statement.number(0) : 0;
}

std::string Database::find_damage() {
  Statement statement(*this, "PRAGMA quick_check(1)");
  const std::string answer = statement.next() ? statement.text(0) : "no answer";
  return answer == "ok" ? "" : answer;
}

int Database::changed_rows() const {
  return ::sqlite3_changes(connection_);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  database_.check(::sqlite3_prepare_v2(database_.connection_, sql.data(), static_cast<int>(sql.size()),
                                       &statement_, nullptr),
                  "cannot prepare \"" + std::string(sql) + "\"");
}

Statement::~Statement() {
  ::sqlite3_finalize(statement_);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  database_.check(::sqlite3_bind_int64(statement_, parameter + 1, value), "cannot bind a number");
  return *this;
}

Statement& Statement::bind(int parameter, double value) {
  database_.check(::sqlite3_bind_double(statement_, parameter + 1, value), "cannot bind a number");
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view value) {
  // An empty view may have a null pointer, which would bind NULL instead of an empty text.
  const char* text = value.data() != nullptr ? value.data() : "";
  database_.check(
      ::sqlite3_bind_text64(statement_, parameter + 1, text, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8),
      "cannot bind a text");
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  database_.check(::sqlite3_bind_null(statement_, parameter + 1), "cannot bind nothing");
  return *this;
}

bool Statement::next() {
  const int code = ::sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    try {
      database_.fail(code, fmt::format("\"{}\" failed", ::sqlite3_sql(statement_)));
    } catch (...) {
      reset();
      throw;
    }
  }
  reset();
  return false;
}

void Statement::run() {
  while (next()) {
  }
}

void Statement::reset() {
  ::sqlite3_reset(statement_);  // its result repeats the error of the step
  ::sqlite3_clear_bindings(statement_);
}

std::int64_t Statement::number(int column) const {
  return ::sqlite3_column_int64(statement_, column);
}

double Statement::real(int column) const {
  return ::sqlite3_column_double(statement_, column);
}

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(::sqlite3_column_text(statement_, column));
  return text != nullptr
             ? std::string(text, static_cast<std::size_t>(::sqlite3_column_bytes(statement_, column)))
             : std::string();
}

bool Statement::is_null(int column) const {
  return ::sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Transaction::Transaction(Database& database) : database_(database) {
  database_.run("BEGIN IMMEDIATE");
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {  // SQLite has already rolled back (disk full, I/O error)
  }
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace greenroom::app
