// Rules about ingestion and serving.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "server/doctor/rules.h"

namespace freshet {
namespace {

Verdict Paused(const Observed& observed) {
  Verdict verdict;
  for (const MetricSample* sample : observed.last().Of("freshet_ingest_paused")) {
    const std::string& reason = sample->Label("reason");
    if (sample->value == 0 || reason == "disk_full") continue;  // the rule disk_full has that
    verdict.findings.push_back(
        {.severity = Severity::kError,
         .what = fmt::format("source {} stands still: {}", sample->Label("source"), reason),
         .change = fmt::format(
             "what the row `{}` of docs/operations.md, When ingestion stands still, says", reason),
         .why = "what is stored is served all the while, and grows old"});
  }
  return verdict;
}

Verdict Lagging(const Observed& observed) {
  constexpr char kLag[] = "freshet_ingest_lag_seconds";
  constexpr double kTolerable = 60;
  constexpr double kQueueFull = 0.9;
  Verdict verdict;
  for (const MetricSample* sample : observed.last().Of(kLag)) {
    const double before = observed.readings().front().metrics.Sum(kLag, sample->labels).value_or(0);
    if (!observed.Stayed(kLag, sample->labels, kTolerable) || sample->value < before) continue;
    const std::string& source = sample->Label("source");
    const double queued = observed.Now("freshet_ingest_queue_records", {{"queue", source}});
    const bool full = queued > kQueueFull * observed.Now("freshet_ingest_queue_capacity_records",
                                                         {{"queue", source}});
    verdict.findings.push_back(
        {.severity = Severity::kWarning,
         .what = fmt::format(
             "partition {} of source {} is {:.0f} s behind its log, and comes no nearer",
             sample->Label("partition"), source, sample->value),
         .change = full ? "a faster disk, or more storage.memory: see stalls and cache_hit_ratio"
                        : "more cores (two a source), or events of the source in two topics; see "
                          "that the broker is not the slow one",
         .why = full ? "the queue before the store is full, so the store is slower than the log"
                     : "the queue before the store is not full, so fetching or decoding is slower "
                       "than the log"});
  }
  return verdict;
}

Verdict DeadLetters(const Observed& observed) {
  constexpr double kLeast = 1'000;
  constexpr double kTolerable = 0.01;
  const auto sources = observed.last().Of("freshet_ingest_records_total");
  Verdict verdict;
  bool judged = sources.empty();
  for (const MetricSample* sample : sources) {
    double records = observed.Rise(sample->name, sample->labels);
    double letters = observed.Rise("freshet_ingest_dead_letters_total", sample->labels);
    if (records < kLeast) {
      records = sample->value;
      letters = observed.Now("freshet_ingest_dead_letters_total", sample->labels);
    }
    if (records < kLeast) continue;
    judged = true;
    if (letters <= kTolerable * records) continue;
    verdict.findings.push_back(
        {.severity = Severity::kWarning,
         .what = fmt::format("{:.1f} % of {:.0f} records of source {} were refused",
                             letters / records * 100, records, sample->Label("source")),
         .change = "what `freshet dlq list` names: the producer, or the field's declaration "
                   "(`on_bad: \"null\"`)",
         .why = "what they say is in no feature"});
  }
  if (!judged)
    verdict.not_known = fmt::format("no source has passed {:.0f} records since the start", kLeast);
  return verdict;
}

Verdict Shedding(const Observed& observed) {
  const double refused =
      observed.Rise("freshet_serve_rejected_requests_total", {{"reason", "OVERLOADED"}});
  if (refused == 0) return {};
  return {.findings = {{.severity = Severity::kWarning,
                        .what = fmt::format(
                            "{:.0f} requests were refused in {:.0f} s: too many were in hand",
                            refused, observed.seconds()),
                        .change = "a replica more, more cores, or a lower server.max_rows for "
                                  "shorter requests; see cache_hit_ratio",
                        .why = "the server refuses early rather than answer all of them late"}}};
}

constexpr std::array<Rule, 4> kRules = {{{"paused", true, Paused},
                                         {"lagging", true, Lagging},
                                         {"dead_letters", true, DeadLetters},
                                         {"shedding", true, Shedding}}};

}  // namespace

std::span<const Rule> ServerRules() { return kRules; }

}  // namespace freshet
