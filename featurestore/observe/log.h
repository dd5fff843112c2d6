// One structured line for each thing that matters, JSON on standard error (text where it is a terminal):
//   {"time":"2026-…Z","level":"warn","event":"ingest_paused","source":"flights","reason":"records_lost","message":"…"}
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace freshet {

struct LogField {
  std::string_view name;
  std::variant<std::string, int64_t, double, bool> value;
};

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };

// Thread-safe.
class Log {
 public:
  virtual ~Log() = default;
  // `event` is a stable snake_case name; `message` a sentence for people.
  virtual void Write(LogLevel level, std::string_view event, std::string_view message,
                     std::initializer_list<LogField> fields = {}) = 0;
  void Info(std::string_view event, std::string_view message,
            std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kInfo, event, message, fields);
  }
  void Warn(std::string_view event, std::string_view message,
            std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kWarn, event, message, fields);
  }
  void Error(std::string_view event, std::string_view message,
             std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kError, event, message, fields);
  }
};

std::unique_ptr<Log> MakeStderrLog(LogLevel least = LogLevel::kInfo);
std::unique_ptr<Log> MakeNullLog();  // tests

namespace internal {  // for tests

std::string FormatLogJson(std::string_view time, LogLevel level, std::string_view event,
                          std::string_view message, std::initializer_list<LogField> fields);
std::string FormatLogText(std::string_view time, LogLevel level, std::string_view event,
                          std::string_view message, std::initializer_list<LogField> fields);

}  // namespace internal

}  // namespace freshet
