#include "featurestore/observe/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "featurestore/base/clock.h"

namespace freshet {
namespace {

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

nlohmann::ordered_json ToJson(const LogField& field) {
  return std::visit([](const auto& value) { return nlohmann::ordered_json(value); }, field.value);
}

// Names and values may hold hostile bytes (a record's key): what is not UTF-8 is replaced, control characters are escaped.
std::string Dump(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel least)
      : least_(least),
        for_people_(isatty(STDERR_FILENO) != 0),
        logger_("freshet", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%v");
    logger_.set_level(spdlog::level::trace);
    logger_.flush_on(spdlog::level::trace);
  }

  void Write(LogLevel level, std::string_view event, std::string_view message,
             std::initializer_list<LogField> fields) override {
    if (level < least_) return;
    const std::string time = FormatTimestamp(SystemClock().Now());
    const std::string line = for_people_
                                 ? internal::FormatLogText(time, level, event, message, fields)
                                 : internal::FormatLogJson(time, level, event, message, fields);
    logger_.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  const LogLevel least_;
  const bool for_people_;
  spdlog::logger logger_;
};

class NullLog final : public Log {
 public:
  void Write(LogLevel, std::string_view, std::string_view,
             std::initializer_list<LogField>) override {}
};

}  // namespace

namespace internal {

std::string FormatLogJson(std::string_view time, LogLevel level, std::string_view event,
                          std::string_view message, std::initializer_list<LogField> fields) {
  nlohmann::ordered_json line;
  line["time"] = time;
  line["level"] = LevelName(level);
  line["event"] = event;
  for (const LogField& field : fields) line[std::string(field.name)] = ToJson(field);
  line["message"] = message;
  return Dump(line);
}

std::string FormatLogText(std::string_view time, LogLevel level, std::string_view event,
                          std::string_view message, std::initializer_list<LogField> fields) {
  std::string line;
  line.append(time).append(" ").append(LevelName(level)).append(" ").append(event).append(": ");
  // Quoted as JSON would, without the quotes: a newline in a message cannot forge a line.
  const std::string quoted = Dump(nlohmann::ordered_json(message));
  line.append(quoted, 1, quoted.size() - 2);
  for (const LogField& field : fields)
    line.append(" ").append(field.name).append("=").append(Dump(ToJson(field)));
  return line;
}

}  // namespace internal

std::unique_ptr<Log> MakeStderrLog(LogLevel least) { return std::make_unique<StderrLog>(least); }
std::unique_ptr<Log> MakeNullLog() { return std::make_unique<NullLog>(); }

}  // namespace freshet
