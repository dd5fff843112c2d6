#include "featurestore/ingest/dead_letters.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <limits>
#include <memory>

#include "featurestore/base/hash.h"
#include "featurestore/base/nearest.h"
#include "featurestore/decode/decoder.h"
#include "featurestore/ingest/ingest.h"
#include "featurestore/ingest/kafka_source.h"
#include "featurestore/ingest/source_plan.h"
#include "featurestore/model/push_headers.h"
#include "featurestore/model/replayed_letter.h"

namespace freshet {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kReplayedHeader = "replayed";
constexpr size_t kKeysAtOnce = 2'000'000;  // that a list looks at
// A replay looks at all there are, within its time: what it had not seen it would send again, or never.
constexpr size_t kAllKeys = std::numeric_limits<size_t>::max();
// Sent, and then marked: after a crash in between so many are known to their partitions still (model/push_headers.h).
constexpr size_t kChunk = 200;
constexpr size_t kLettersAtOnce = 20'000;
constexpr uint64_t kBytesAtOnce = 32ull << 20;
// What a list may hold, so that its answer fits the 4 MiB that a gRPC client takes unless told.
constexpr size_t kMostListed = 10'000;
constexpr uint64_t kListedBytes = 3ull << 20;

std::string KeyOf(const std::string& source, const Coordinates& at) {
  return fmt::format("{}/{}/{}/{}", source, at.incarnation, at.partition, at.offset);
}

template <typename Number>
bool ReadNumber(std::string_view text, Number& number) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && stop == text.data() + text.size();
}

// None: it is no letter of Freshet's.
std::optional<Letter> ReadLetter(const RawRecord& record) {
  Letter letter;
  letter.relayed = true;
  letter.letter.record_time_us = kNoRecordTime.us;
  letter.value_bytes = record.value ? record.value->size() : 0;
  if (record.value) letter.letter.value = std::string(*record.value);
  int numbers = 0;
  uint64_t key_bytes = 0;
  for (const auto& [name, value] : record.headers) {
    if (name == "source") letter.source = value;
    if (name == "reason") letter.letter.reason = value;
    if (name == "detail") letter.letter.detail = value;
    if (name == "key") letter.letter.key = std::string(value);
    if (name == "incarnation") numbers += ReadNumber(value, letter.at.incarnation) ? 1 : 0;
    if (name == "partition") numbers += ReadNumber(value, letter.at.partition) ? 1 : 0;
    if (name == "offset") numbers += ReadNumber(value, letter.at.offset) ? 1 : 0;
    if (name == "value_bytes") ReadNumber(value, letter.value_bytes);
    if (name == "key_bytes") ReadNumber(value, key_bytes);
    if (name == "timestamp_us") ReadNumber(value, letter.letter.record_time_us);
  }
  letter.cut = (letter.letter.value ? letter.letter.value->size() : 0) < letter.value_bytes ||
               (letter.letter.key ? letter.letter.key->size() : 0) < key_bytes;
  if (numbers != 3 || letter.source.empty() || letter.letter.reason.empty()) return std::nullopt;
  return letter;
}

bool Fits(const LetterFilter& filter, const Letter& letter) {
  return (filter.source.empty() || letter.source == filter.source) &&
         (filter.reason.empty() || letter.letter.reason == filter.reason) &&
         (!filter.place || letter.at == *filter.place);
}

Status TimeIsOver(size_t letters) {
  return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                    "the call's time was over after {} letters were looked at; call again with a "
                    "later deadline, or for one source",
                    letters);
}

// In an answer, and about that in memory.
uint64_t SizeOf(const Letter& letter) {
  return letter.source.size() + letter.letter.reason.size() + letter.letter.detail.size() +
         (letter.letter.key ? letter.letter.key->size() : 0) +
         (letter.letter.value ? letter.letter.value->size() : 0) + 64;
}

// The order in which they are sent again.
using Place = std::pair<std::string, Coordinates>;

}  // namespace

DeadLetters::DeadLetters(const std::shared_ptr<const Catalog>& catalog, const LogAddress& address,
                         Store& store, PushLog* log)
    : catalog_(catalog),
      kafka_(catalog->kafka),
      group_(fmt::format("{}-{}-dlq", catalog->kafka.group, catalog->server.name)),
      address_(address),
      store_(store),
      log_(log) {
  letters_topic_.name = "dead letters";
  letters_topic_.topic = kafka_.dead_letters;
}

Status DeadLetters::CheckFilter(const LetterFilter& filter) const {
  if (filter.place && filter.source.empty()) {
    return InvalidArgument("a place is of a source: say of which");
  }
  return OkStatus();
}

StatusOr<bool> DeadLetters::ForEachOfTopic(SteadyTime deadline, size_t at_most,
                                           const Visit& visit) {
  if (address_.bootstrap.empty()) return true;
  KafkaSourceOptions options;
  options.bootstrap = address_.bootstrap;
  options.topic = kafka_.dead_letters;
  options.group = group_;
  options.options = kafka_.options;
  options.headers = true;
  ASSIGN_OR_RETURN(const auto topic, KafkaSource::Make(std::move(options)));
  const auto partitions = topic->Partitions();
  if (absl::IsNotFound(partitions.status())) {
    return FailedPrecondition(
        "the dead-letter topic {} (kafka.dead_letters) does not exist; make it",
        kafka_.dead_letters);
  }
  RETURN_IF_ERROR(partitions.status());
  Positions starts, ends;
  for (int32_t p = 0; p < *partitions; ++p) {
    ASSIGN_OR_RETURN(const LogBounds bounds, topic->Bounds(p));
    if (bounds.start == bounds.end) continue;
    starts[p] = bounds.start;
    ends[p] = bounds.end;
  }
  RETURN_IF_ERROR(topic->Assign(starts));
  LogBatch batch;
  for (size_t seen = 0; !ends.empty(); seen += batch.records.size()) {
    if (over(deadline)) return TimeIsOver(seen);
    if (seen > at_most) return false;
    RETURN_IF_ERROR(topic->Poll({}, batch));
    for (const SourceRecord& record : batch.records) {
      const auto end = ends.find(record.partition);
      if (end != ends.end() && record.offset + 1 >= end->second) ends.erase(end);
      if (!record.raw.key) continue;
      const bool is_mark =
          std::any_of(record.raw.headers.begin(), record.raw.headers.end(),
                      [](const auto& header) { return header.first == kReplayedHeader; });
      if (is_mark) {
        visit(std::string(*record.raw.key), std::nullopt);
      } else if (auto letter = ReadLetter(record.raw)) {
        const std::string key = KeyOf(letter->source, letter->at);
        visit(key, std::move(letter));
      }
    }
    for (const auto& [partition, end] : batch.ends) {
      const auto wanted = ends.find(partition);
      if (wanted != ends.end() && end >= wanted->second) ends.erase(wanted);
    }
  }
  return true;
}

StatusOr<bool> DeadLetters::ForEach(const LetterFilter& filter, SteadyTime deadline, size_t at_most,
                                    const Visit& visit) {
  const auto fitting = [&](const std::string& key, std::optional<Letter> letter) {
    if (!letter || Fits(filter, *letter)) visit(key, std::move(letter));
  };
  ASSIGN_OR_RETURN(bool whole, ForEachOfTopic(deadline, at_most, fitting));
  ASSIGN_OR_RETURN(const std::vector<std::string> sources, store_.DeadLetterSources());
  size_t looked_at = 0;
  bool late = false;
  for (const std::string& source : sources) {
    if (!filter.source.empty() && source != filter.source) continue;
    RETURN_IF_ERROR(store_.ForEachDeadLetter(source, [&](Store::StoredDeadLetter one) {
      Letter letter{.source = source, .at = one.at, .letter = std::move(one.letter)};
      letter.value_bytes = letter.letter.value ? letter.letter.value->size() : 0;
      fitting(KeyOf(source, one.at), std::move(letter));
      whole = ++looked_at < at_most && whole;
      late = steady_clock::now() >= deadline;
      return !late && looked_at < at_most;
    }));
    if (late) return TimeIsOver(looked_at);
  }
  return whole;
}

StatusOr<bool> DeadLetters::ReadMarks(SteadyTime deadline, size_t at_most,
                                      std::set<uint64_t>& marked) {
  return ForEachOfTopic(deadline, at_most,
                        [&](const std::string& key, const std::optional<Letter>& letter) {
                          if (!letter) marked.insert(Hash64(key));
                        });
}

StatusOr<ListedLetters> DeadLetters::List(const LetterFilter& filter, size_t max_letters,
                                          bool with_payload, SteadyTime deadline) {
  RETURN_IF_ERROR(CheckFilter(filter));
  if (max_letters > kMostListed) {
    return InvalidArgument("max_letters is {}; a call lists {} at most, the newest", max_letters,
                           kMostListed);
  }
  if (over(deadline)) return TimeIsOver(0);
  std::set<uint64_t> marked;
  ASSIGN_OR_RETURN(const bool all_marks, ReadMarks(deadline, kKeysAtOnce, marked));
  ListedLetters listed;
  std::set<uint64_t> seen;
  std::map<std::pair<int64_t, Place>, Letter> newest;
  uint64_t bytes = 0;
  const Visit visit = [&](const std::string& key, std::optional<Letter> letter) {
    if (!letter || !seen.insert(Hash64(key)).second) return;
    letter->replayed = marked.contains(Hash64(key));
    LetterCount& count = listed.counts[{letter->source, letter->letter.reason}];
    ++count.letters;
    count.replayed += letter->replayed ? 1 : 0;
    const int64_t time = letter->letter.record_time_us;
    if (time != kNoRecordTime.us) {
      if (count.oldest_us == 0 || time < count.oldest_us) count.oldest_us = time;
      if (count.newest_us == 0 || time > count.newest_us) count.newest_us = time;
    }
    if (max_letters == 0) return;
    if (!with_payload) {
      letter->letter.key.reset();
      letter->letter.value.reset();
    }
    const std::pair place(time, Place(letter->source, letter->at));
    bytes += SizeOf(*letter);
    newest.emplace(place, *std::move(letter));
    while (newest.size() > max_letters || (bytes > kListedBytes && newest.size() > 1)) {
      bytes -= SizeOf(newest.begin()->second);
      newest.erase(newest.begin());
    }
  };
  ASSIGN_OR_RETURN(const bool all, ForEach(filter, deadline, kKeysAtOnce, visit));
  listed.incomplete = !all || !all_marks;
  if (filter.place && seen.empty()) {
    return NotFound("there is no dead letter {}", KeyOf(filter.source, *filter.place));
  }
  for (auto& [place, letter] : newest) listed.letters.push_back(std::move(letter));
  std::sort(listed.letters.begin(), listed.letters.end(), [](const Letter& a, const Letter& b) {
    return Place(a.source, a.at) < Place(b.source, b.at);
  });
  return listed;
}

StatusOr<ReplayedLetters> DeadLetters::Replay(const LetterFilter& filter, SteadyTime deadline) {
  if (log_ == nullptr) {
    return MakeStatus(absl::StatusCode::kUnimplemented,
                      "letters are sent again as pushes are, and those are switched off on this "
                      "server (server.push: false)");
  }
  RETURN_IF_ERROR(CheckFilter(filter));
  if (steady_clock::now() >= deadline) return TimeIsOver(0);
  const std::shared_ptr<const Catalog> catalog = catalog_.load();
  if (!filter.source.empty() && !catalog->SourceIndex(filter.source)) {
    std::vector<std::string> names;
    for (const Source& source : catalog->sources) names.push_back(source.name);
    return NotFound("there is no source {} in project {}{}", filter.source, catalog->project,
                    Suggestion(filter.source, names));
  }
  std::unique_lock lock(replaying_, std::try_to_lock);
  if (!lock.owns_lock()) return Unavailable("another replay of dead letters runs; try again later");

  std::set<uint64_t> marked;
  RETURN_IF_ERROR(ReadMarks(deadline, kAllKeys, marked).status());
  ReplayedLetters done;
  std::set<uint64_t> seen;
  std::map<Place, Letter> first;  // in the order of the log as many as are held at once
  uint64_t bytes = 0;
  const Visit visit = [&](const std::string& key, std::optional<Letter> letter) {
    const uint64_t hash = Hash64(key);
    if (!letter || !seen.insert(hash).second) return;
    if (!catalog->SourceIndex(letter->source)) return;  // no longer declared
    if (marked.contains(hash)) {
      ++done.already_replayed;
      return;
    }
    if (letter->cut) {
      ++done.cut;
      return;
    }
    bytes += letter->value_bytes;
    const Place place(letter->source, letter->at);
    first.emplace(place, *std::move(letter));
    while (first.size() > kLettersAtOnce || (bytes > kBytesAtOnce && first.size() > 1)) {
      const auto last = std::prev(first.end());
      bytes -= last->second.value_bytes;
      first.erase(last);
      ++done.left;
    }
  };
  RETURN_IF_ERROR(ForEach(filter, deadline, kAllKeys, visit).status());
  if (filter.place && seen.empty()) {
    return NotFound("there is no dead letter {}", KeyOf(filter.source, *filter.place));
  }
  std::vector<Letter> letters;
  letters.reserve(first.size());
  for (auto& [place, letter] : first) letters.push_back(std::move(letter));
  RETURN_IF_ERROR(CheckNotInLog(*catalog, letters));
  size_t begin = 0;
  while (begin < letters.size() && !over(deadline)) {
    size_t end = begin;
    while (end < letters.size() && end - begin < kChunk &&
           letters[end].source == letters[begin].source) {
      ++end;
    }
    const std::span<const Letter> chunk(letters.data() + begin, end - begin);
    const Source& source = catalog->sources[*catalog->SourceIndex(chunk.front().source)];
    const Status sent = SendChunk(source, chunk, deadline);
    if (!sent.ok()) {
      return MakeStatus(sent.code(),
                        "{} letters were replayed; those behind them not: {}; replay again, each "
                        "counts once",
                        done.replayed, MessageOf(sent));
    }
    done.replayed += chunk.size();
    begin = end;
  }
  done.left += letters.size() - begin;
  return done;
}

Status DeadLetters::CheckNotInLog(const Catalog& catalog, std::span<const Letter> letters) {
  // By source: its log's incarnation, none where nothing was read of it, and what of each partition is there.
  struct Log {
    std::optional<uint32_t> incarnation;
    std::map<int32_t, LogBounds> bounds;
  };
  std::map<std::string, Log> logs;
  size_t held = 0;
  const Letter* first = nullptr;
  for (const Letter& letter : letters) {
    if (letter.letter.reason == RefusalName(Refusal::kFuture)) continue;
    const Source& source = catalog.sources[*catalog.SourceIndex(letter.source)];
    const auto [known, is_new] = logs.try_emplace(letter.source);
    Log& log = known->second;
    if (is_new) {
      ASSIGN_OR_RETURN(log.incarnation, IncarnationOf(source));
    }
    if (letter.at.incarnation != log.incarnation) continue;
    auto bounds = log.bounds.find(letter.at.partition);
    if (bounds == log.bounds.end()) {
      LogBounds asked;
      if (address_.bootstrap.empty()) {
        ASSIGN_OR_RETURN(const Store::LocalBounds local, store_.ReadLocalBounds(source.name));
        asked = {local.start, local.end};
      } else {
        ASSIGN_OR_RETURN(const auto reader, OpenLog(catalog, source, address_));
        ASSIGN_OR_RETURN(asked, reader->Bounds(letter.at.partition));
      }
      bounds = log.bounds.emplace(letter.at.partition, asked).first;
    }
    if (letter.at.offset < bounds->second.start || letter.at.offset >= bounds->second.end) continue;
    if (first == nullptr) first = &letter;
    ++held;
  }
  if (first == nullptr) return OkStatus();
  return FailedPrecondition(
      "the log of source {} still holds the record of {} of these letters, such as {}: mend the "
      "declaration, and the view that is rebuilt reads them there; a copy would count twice. Sent "
      "again can be letters of reason future and those whose record the log no longer holds: say "
      "which by reason or by place. Nothing was sent",
      first->source, held, KeyOf(first->source, first->at));
}

StatusOr<std::optional<uint32_t>> DeadLetters::IncarnationOf(const Source& source) const {
  ASSIGN_OR_RETURN(const auto stored, store_.ReadLogs());
  const auto read = stored.find(source.name);
  const Store::SourceLog* const found =
      read == stored.end() ? nullptr : FindSourceLog(read->second, source.topic, address_.log_id);
  if (found == nullptr) return std::nullopt;
  return found->incarnation;
}

Status DeadLetters::SendChunk(const Source& source, std::span<const Letter> letters,
                              SteadyTime deadline) {
  std::vector<PushRecord> records;
  ASSIGN_OR_RETURN(const auto incarnation, IncarnationOf(source));
  for (const Letter& letter : letters) {
    PushRecord& record = records.emplace_back();
    record.key = letter.letter.key;
    record.value = letter.letter.value;
    if (letter.letter.record_time_us != kNoRecordTime.us) {
      record.time = Timestamp{letter.letter.record_time_us};
    }
    const std::string producer(std::string(kReplayedLetterPrefix) +
                               KeyOf(letter.source, letter.at));
    record.spread_by = producer;
    record.headers = {{std::string(kProducerHeader), producer},
                      {std::string(kSequenceHeader), "1"}};
    // Another server may read the record itself later than its time, and accept it.
    if (letter.letter.reason == kReplayedFuture && letter.at.incarnation == incarnation) {
      record.headers.emplace_back(kReplayedReasonHeader, kReplayedFuture);
    }
  }
  RETURN_IF_ERROR(AppendAndWait(source, std::move(records), deadline));
  if (!address_.bootstrap.empty()) return Mark(letters, deadline);
  std::vector<Coordinates> places;
  for (const Letter& letter : letters) places.push_back(letter.at);
  return store_.RemoveDeadLetters(source.name, places);
}

// A tombstone of the letter's key: where the topic is compacted, it removes the letter in time.
Status DeadLetters::Mark(std::span<const Letter> letters, SteadyTime deadline) {
  std::vector<PushRecord> marks;
  for (const Letter& letter : letters) {
    PushRecord& mark = marks.emplace_back();
    mark.key = KeyOf(letter.source, letter.at);
    mark.headers = {{std::string(kReplayedHeader), "true"}};
  }
  return AppendAndWait(letters_topic_, std::move(marks), deadline);
}

Status DeadLetters::AppendAndWait(const Source& source, std::vector<PushRecord> records,
                                  SteadyTime deadline) {
  const Status ready = log_->Ready(source);
  if (absl::IsNotFound(ready)) return FailedPrecondition("{}", MessageOf(ready));
  RETURN_IF_ERROR(ready);
  struct Told {
    std::mutex mutex;
    std::condition_variable changed;
    size_t left = 0;
    Status failed;
  };
  const auto told = std::make_shared<Told>();
  told->left = records.size();
  log_->Append(source, std::move(records), [told](size_t, const PushedTo& to) {
    const std::lock_guard lock(told->mutex);
    if (told->failed.ok()) told->failed = to.status;
    --told->left;
    told->changed.notify_all();
  });
  std::unique_lock lock(told->mutex);
  // The producer ends before its server does: all are told of then.
  if (!told->changed.wait_until(lock, deadline, [&] { return told->left == 0; })) {
    return MakeStatus(absl::StatusCode::kDeadlineExceeded,
                      "{} was not known to have taken them when the call's time was over",
                      source.topic.empty() ? source.name : source.topic);
  }
  return told->failed;
}

}  // namespace freshet
