#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "featurestore/base/time.h"
#include "featurestore/base/utf8.h"
#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/progress_bar.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownDetail = 100;
constexpr uint32_t kListedByDefault = 10;

struct DlqArguments {
  std::string place;  // source/incarnation/partition/offset
  std::string source;
  std::string reason;
  uint32_t letters = kListedByDefault;
  bool all = false;
  ProjectArguments project;
  std::string address;
  std::string output = "table";
};

// Coordinates as the dead letter's key writes them.
StatusOr<v1::LetterPlace> ParsePlace(const std::string& text) {
  const auto wrong = [&] {
    return InvalidArgument(
        "{} is no dead letter's place; `freshet dlq list` shows them: "
        "source/incarnation/partition/offset, as payments/0/3/1234",
        text);
  };
  v1::LetterPlace place;
  std::string_view rest = text;
  const auto last = [&rest](auto& number) {
    const size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos) return false;
    const std::string_view digits = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc() && stop == digits.data() + digits.size();
  };
  int64_t offset = 0;
  int32_t partition = 0;
  uint32_t incarnation = 0;
  if (!last(offset) || !last(partition) || !last(incarnation) || rest.empty()) return wrong();
  place.set_source(std::string(rest));
  place.set_incarnation(incarnation);
  place.set_partition(partition);
  place.set_offset(offset);
  return place;
}

std::string PlaceText(const v1::LetterPlace& place) {
  return fmt::format("{}/{}/{}/{}", place.source(), place.incarnation(), place.partition(),
                     place.offset());
}

StatusOr<v1::LetterFilter> FilterOf(const DlqArguments& arguments) {
  v1::LetterFilter filter;
  filter.set_source(arguments.source);
  filter.set_reason(arguments.reason);
  if (!arguments.place.empty()) {
    ASSIGN_OR_RETURN(*filter.mutable_place(), ParsePlace(arguments.place));
    filter.set_source(filter.place().source());
  }
  return filter;
}

StatusOr<v1::ListDeadLettersResponse> AskList(const DlqArguments& arguments, bool with_payload) {
  v1::ListDeadLettersRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), FilterOf(arguments));
  request.set_max_letters(with_payload ? 1 : arguments.letters);
  request.set_with_payload(with_payload);
  ASSIGN_OR_RETURN(const std::string address, AddressOf({arguments.project, arguments.address}));
  ClientChannel channel(address);
  v1::ListDeadLettersResponse answer;
  RETURN_IF_ERROR(channel.ListDeadLetters(request, answer).status);
  return answer;
}

// What came from outside, for a terminal: what could move its cursor or forge a line is spelled out.
std::string ForTerminal(std::string_view text, bool keep_lines = false) {
  std::string shown;
  for (size_t pos = 0; pos < text.size();) {
    const size_t length = Utf8Length(text, pos);
    const auto byte = static_cast<uint8_t>(text[pos]);
    const bool is_c1 = length == 2 && byte == 0xc2 && static_cast<uint8_t>(text[pos + 1]) < 0xa0;
    const bool is_kept = text[pos] == '\t' || (keep_lines && text[pos] == '\n');
    if (length == 0 || is_c1 || (!is_kept && (byte < 0x20 || byte == 0x7f))) {
      for (size_t i = 0; i < std::max<size_t>(length, 1); ++i) {
        shown += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[pos + i]));
      }
    } else {
      shown.append(text.substr(pos, length));
    }
    pos += std::max<size_t>(length, 1);
  }
  return shown;
}

std::string TimeText(bool has, int64_t us) { return has ? FormatTimestamp({us}) : "-"; }

bool IsUtf8(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const size_t length = Utf8Length(text, pos);
    if (length == 0) return false;
    pos += length;
  }
  return true;
}

Json LetterAsJson(const v1::DeadLetter& letter) {
  Json json = {
      {"place", PlaceText(letter.place())},
      {"reason", letter.reason()},
      {"detail", letter.detail()},
      {"time", letter.has_record_time_us() ? Json(FormatTimestamp({letter.record_time_us()}))
                                           : Json(nullptr)},
      {"replayed", letter.replayed()},
      {"relayed", letter.relayed()},
      {"value_bytes", letter.value_bytes()}};
  // JSON holds text; what is none is told byte by byte.
  const auto put = [&](const char* name, const std::string& bytes) {
    if (IsUtf8(bytes)) {
      json[name] = bytes;
    } else {
      json[fmt::format("{}_base64", name)] = absl::Base64Escape(bytes);
    }
  };
  if (letter.has_key()) put("key", letter.key());
  if (letter.has_value()) put("value", letter.value());
  return json;
}

int List(const DlqArguments& arguments) {
  const auto answer = AskList(arguments, false);
  if (!answer.ok()) return Fail(answer.status());
  if (arguments.output == "json") {
    Json json = {{"counts", Json::array()}, {"letters", Json::array()}};
    for (const v1::LetterCount& count : answer->counts()) {
      json["counts"].push_back({{"source", count.source()},
                                {"reason", count.reason()},
                                {"letters", count.letters()},
                                {"replayed", count.replayed()}});
    }
    for (const v1::DeadLetter& letter : answer->letters()) {
      json["letters"].push_back(LetterAsJson(letter));
    }
    json["incomplete"] = answer->incomplete();
    fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  if (answer->counts().empty()) {
    fmt::print("no dead letters\n");
    return 0;
  }
  fmt::print("{:<24}{:<12}{:>12}{:>12}  {:<28}{}\n", "source", "reason", "letters", "replayed",
             "oldest", "newest");
  for (const v1::LetterCount& count : answer->counts()) {
    const bool timed = count.oldest_us() != 0;
    fmt::print("{:<24}{:<12}{:>12}{:>12}  {:<28}{}\n", count.source(), count.reason(),
               WithThousands(count.letters()), WithThousands(count.replayed()),
               TimeText(timed, count.oldest_us()), TimeText(timed, count.newest_us()));
  }
  if (answer->incomplete()) fmt::print("there are more: not all were looked at\n");
  if (!answer->letters().empty()) fmt::print("\nthe newest:\n");
  for (const v1::DeadLetter& letter : answer->letters()) {
    fmt::print("  {}  {}{}: {}\n", PlaceText(letter.place()), letter.reason(),
               letter.replayed() ? " (replayed)" : "",
               ForTerminal(Shortened(letter.detail(), kShownDetail)));
  }
  return 0;
}

int Show(const DlqArguments& arguments) {
  const auto answer = AskList(arguments, true);
  if (!answer.ok()) return Fail(answer.status());
  if (answer->letters().empty())
    return Fail(NotFound("there is no dead letter {}", arguments.place));
  const v1::DeadLetter& letter = answer->letters(0);
  if (arguments.output == "json") {
    fmt::print("{}\n", LetterAsJson(letter).dump(2, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  fmt::print("place    {}\nreason   {}\ndetail   {}\ntime     {}\nstate    {}, {}\n",
             PlaceText(letter.place()), letter.reason(), ForTerminal(letter.detail()),
             TimeText(letter.has_record_time_us(), letter.record_time_us()),
             letter.relayed() ? "in the dead-letter topic" : "in the server's outbox",
             letter.replayed() ? "replayed" : "not replayed");
  fmt::print("key      {}\n", letter.has_key() ? ForTerminal(letter.key()) : "(none)");
  if (!letter.has_value()) {
    fmt::print("value    (none: a tombstone)\n");
    return 0;
  }
  fmt::print("value    {} bytes{}:\n{}\n", letter.value_bytes(),
             letter.value().size() < letter.value_bytes()
                 ? fmt::format(", of which the topic holds the first {}", letter.value().size())
                 : "",
             ForTerminal(letter.value(), /*keep_lines=*/true));
  return 0;
}

int Replay(const DlqArguments& arguments) {
  if (arguments.place.empty() && arguments.source.empty() && !arguments.all) {
    return Fail(InvalidArgument(
        "say which: a place, --source NAME (with --reason), or --all; `freshet dlq list` shows "
        "what there is"));
  }
  v1::ReplayDeadLettersRequest request;
  auto filter = FilterOf(arguments);
  if (!filter.ok()) return Fail(filter.status());
  *request.mutable_filter() = *std::move(filter);
  const auto address = AddressOf({arguments.project, arguments.address});
  if (!address.ok()) return Fail(address.status());
  ClientChannel channel(*address);
  uint64_t replayed = 0;
  v1::ReplayDeadLettersResponse answer;
  std::optional<uint64_t> already;
  do {
    answer.Clear();
    const CallResult result = channel.ReplayDeadLetters(request, answer);
    if (!result.status.ok()) {
      if (replayed > 0) fmt::print("{} replayed before this:\n", WithThousands(replayed));
      return Fail(result.status);
    }
    replayed += answer.replayed();
    if (!already) already = answer.already_replayed();
  } while (answer.left() > 0 && answer.replayed() > 0);
  fmt::print("{} replayed, {} had been before{}{}\n", WithThousands(replayed),
             WithThousands(already.value_or(0)),
             answer.cut() > 0
                 ? fmt::format(", {} cannot be: the topic holds a part of them", answer.cut())
                 : "",
             answer.left() > 0 ? fmt::format(", {} are left", answer.left()) : "");
  return answer.left() > 0 ? 1 : 0;
}

void AddCommon(CLI::App& command, DlqArguments& arguments) {
  command
      .add_option("--project", arguments.project.folder,
                  "Project folder, whose server.grpc is asked")
      ->type_name("DIR");
  command
      .add_option("--address", arguments.address,
                  "The server's gRPC address; without it and --project, 127.0.0.1:7570")
      ->type_name("HOST:PORT");
  AddSetOption(command, arguments.project);
}

void AddFilter(CLI::App& command, DlqArguments& arguments) {
  command.add_option("--source", arguments.source, "Of this source alone")->type_name("NAME");
  command
      .add_option("--reason", arguments.reason, "With this reason alone: malformed, mistyped, …")
      ->type_name("REASON");
}

void AddOutput(CLI::App& command, DlqArguments& arguments) {
  command.add_option("--output", arguments.output, "table, or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

}  // namespace

void AddDlqCommand(CLI::App& app, freshet::Run& run) {
  auto* dlq = app.add_subcommand("dlq", "Dead letters: records that were refused, and why");
  dlq->require_subcommand(1);
  dlq->footer(
      "Example:\n  freshet dlq list --source payments\n  freshet dlq show payments/0/3/1234\n"
      "  freshet dlq replay --source payments --reason future   # whose time has come");
  const auto add = [&](const char* name, const char* about, int (*what)(const DlqArguments&)) {
    auto* command = dlq->add_subcommand(name, about);
    auto arguments = std::make_shared<DlqArguments>();
    AddCommon(*command, *arguments);
    command->callback(
        [arguments, what, &run] { run = [arguments, what] { return what(*arguments); }; });
    return std::pair(command, arguments);
  };
  const auto [list, list_arguments] =
      add("list", "How many there are, by source and reason, and the newest", List);
  AddFilter(*list, *list_arguments);
  AddOutput(*list, *list_arguments);
  list->add_option("--letters", list_arguments->letters, "So many of the newest one by one")
      ->capture_default_str();
  const auto [show, show_arguments] = add("show", "One, with its payload", Show);
  show->add_option("PLACE", show_arguments->place, "source/incarnation/partition/offset")
      ->required();
  AddOutput(*show, *show_arguments);
  const auto [replay, replay_arguments] =
      add("replay", "Sends them to their source's log again; each once, however often", Replay);
  replay->add_option("PLACE", replay_arguments->place,
                     "source/incarnation/partition/offset: this one");
  AddFilter(*replay, *replay_arguments);
  replay->add_flag("--all", replay_arguments->all, "All there are");
}

}  // namespace freshet
