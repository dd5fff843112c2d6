// Copies of records that were refused as of the future, on servers that refused them and on those that did not.
#include "featurestore/model/replayed_letter.h"

#include <catch2/catch.hpp>

#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {

TEST_CASE("a replayed letter of the future counts where its record was refused, and nowhere else") {
  const auto log = std::make_shared<FakeLog>(2);
  const auto copy_of = [&](const std::string& place, const Timestamp time, int64_t cents,
                           bool of_this_log = true) {
    std::vector<std::pair<std::string, std::string>> headers = {
        {std::string(kProducerHeader), "freshet-dlq/payments/" + place},
        {std::string(kSequenceHeader), "1"}};
    if (of_this_log) headers.emplace_back(kReplayedReasonHeader, kReplayedFuture);
    log->Push(0, std::move(headers), std::nullopt, Payment(time, "a", cents));
  };
  // Of partition 0, the offsets that are dropped when all is read.
  const auto dropped = [&](Running& running) {
    const auto loop = running.Live();
    running.ReadAll(*loop);
    std::vector<int64_t> offsets;
    for (const FakeRecord& record : log->partitions[0].records) {
      const SourceStatus& status = running.store->source_status("payments");
      if (status.WasRepeated(0, record.offset)) offsets.push_back(record.offset);
    }
    return offsets;
  };
  const TempFolder first_folder, later_folder, last_folder;
  Running first(first_folder.path(), {PaymentsView()}, log, /*event_time_clock=*/false);
  const Timestamp soon = first.clock.Now() + Duration::Minutes(6);
  log->Append(0, Payment(soon, "a", 1));
  log->Append(1, Payment(soon, "a", 2));
  CHECK(dropped(first).empty());
  CHECK(first.DeadLetters().size() == 2);
  first.clock.Set(soon);
  copy_of("0/0/0", soon, 1);
  copy_of("0/1/0", soon, 2);
  copy_of("7/0/0", soon, 4);         // of another log
  copy_of("0/0/1", soon, 8, false);  // as an earlier Freshet sent them
  CHECK(dropped(first).empty());
  CHECK(first.DeadLetters().size() == 2);
  // Its clock is past them when it reads the records themselves.
  Running later(later_folder.path(), {PaymentsView()}, log, false);
  later.clock.Set(soon + Duration::Hours(1));
  CHECK(dropped(later) == std::vector<int64_t>{1, 2});
  // Where the log has lost the record, its copy is all there is.
  log->CutBefore(0, 2);
  copy_of("0/0/0", soon, 1);
  Running last(last_folder.path(), {PaymentsView()}, log, false);
  last.clock.Set(soon + Duration::Hours(1));
  CHECK(dropped(last) == std::vector<int64_t>{2});
}

TEST_CASE("a replayed letter counts where its record's refusal is decoded and not written yet") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Running running(folder.path(), {PaymentsView()}, log, /*event_time_clock=*/false);
  const Timestamp soon = running.clock.Now() + Duration::Minutes(6);
  log->Append(0, Payment(soon, "a", 1));
  log->Push(0,
            {{std::string(kProducerHeader), fmt::format("{}payments/0/0/0", kReplayedLetterPrefix)},
             {std::string(kSequenceHeader), "1"},
             {std::string(kReplayedReasonHeader), std::string(kReplayedFuture)}},
            std::nullopt, Payment(soon, "a", 1));
  FakeLogSource source(log);
  REQUIRE(source.Assign({{0, 0}}).ok());
  LogBatch batch;
  REQUIRE(source.Poll({}, batch).ok());
  REQUIRE(batch.records.size() == 2);
  Processor processor(running.source, {{ViewId{0}, running.layouts[0].get()}}, *running.store,
                      running.clock, {.future = FutureRule::kDecide});
  const auto decode = [&](size_t record) {
    DecodedBatch decoded;
    Commit commit(*running.store);
    BatchOutcome outcome;
    REQUIRE(
        processor.Decode(std::span(batch.records).subspan(record, 1), 0, decoded, commit, outcome)
            .ok());
    return std::pair{outcome, decoded.events.size()};
  };
  CHECK(decode(0).first.refused[static_cast<size_t>(Refusal::kFuture)] == 1);
  running.clock.Set(soon);
  SECTION("while it is being written") {
    const auto [outcome, events] = decode(1);
    CHECK(outcome.partitions.at(0).repeated.empty());
    CHECK(events == 1);
  }
  SECTION("and not where it was thrown away: the record itself counts when it is read again") {
    processor.ForgetDecoded();
    const auto [outcome, events] = decode(1);
    CHECK(outcome.partitions.at(0).repeated == std::vector<int64_t>{1});
    CHECK(events == 0);
  }
}

}  // namespace freshet
