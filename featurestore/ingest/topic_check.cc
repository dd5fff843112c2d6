#include "featurestore/ingest/topic_check.h"

#include <algorithm>
#include <utility>

#include "featurestore/ingest/pause_reasons.h"

namespace freshet {

LogVerdict CheckCompaction(const LoopContext& context, const TopicSettings& settings) {
  if (!settings.compacted.value_or(false) || context.source.allow_compacted) return {};
  std::string views;
  for (const ProcessorView& view : context.views) {
    const FeatureView& declared = view.layout->view();
    if (declared.latest_values) continue;
    views += (views.empty() ? "" : ", ") + declared.name;
  }
  if (views.empty()) return {};
  return {pause_reasons::kCompactedTopic,
          fmt::format("topic {} forgets all but the newest record of each key "
                      "(cleanup.policy=compact), and {} would count only what that left: take "
                      "compact out of the topic's cleanup.policy, or, where just that is meant, "
                      "declare allow_compacted: true for source {}; then start again",
                      context.source.topic, views, context.source.name)};
}

std::optional<Duration> LooksBack(const FeatureView& view) {
  if (view.latest_values) return view.ttl;
  Duration longest;
  for (const Feature& feature : view.features) {
    if (feature.window.needs_ttl()) return std::nullopt;
    longest = std::max(longest, feature.window.reach());
  }
  return longest;
}

std::optional<std::string> RetentionWarning(const std::string& topic, const TopicSettings& settings,
                                            const FeatureView& view) {
  if (!settings.retention) return std::nullopt;
  const std::optional<Duration> looks_back = LooksBack(view);
  if (looks_back && *looks_back <= *settings.retention) return std::nullopt;
  const std::string kept = FormatDuration(*settings.retention);
  const std::string wanted = looks_back ? FormatDuration(*looks_back) : "for ever";
  return fmt::format(
      "topic {} keeps records for {} (retention.ms={}), and view {} looks back {}: what is older "
      "than {} is in this data folder alone; a new replica or a rebuild lacks it, and says "
      "complete_since in its answers. Raise the topic's retention.ms{}",
      topic, kept, settings.retention->us / 1000, view.name, wanted, kept,
      looks_back ? fmt::format(" to {} or more", looks_back->us / 1000) : " (-1 is for ever)");
}

namespace {

// A mock answers such a question never, and must not keep its records from being read.
constexpr int kAskedInVain = 3;
constexpr Duration kAnswerIsGoodFor = Duration::Seconds(5);
// Each vain question may take its whole time, in which nothing is read.
constexpr Duration kFailureIsGoodFor = Duration::Seconds(25);

}  // namespace

StatusOr<LogVerdict> TopicCheck::Ask(LogSource& log) {
  const auto settings = log.Settings();
  in_vain_ = absl::IsUnavailable(settings.status()) ? in_vain_ + 1 : 0;
  if (in_vain_ > 0 && in_vain_ < kAskedInVain) return settings.status();
  const bool first = !std::exchange(warned_, true);
  answers_ = settings.ok();
  if (!settings.ok()) {
    if (first) {
      context_.log.Warn("topic_settings_unknown",
                        fmt::format("whether topic {} is compacted, and how long it keeps records, "
                                    "cannot be asked: {}; let this client describe its "
                                    "configuration",
                                    context_.source.topic, MessageOf(settings.status())),
                        {{"source", context_.source.name}});
    }
    return LogVerdict{};
  }
  LogVerdict verdict = Take(*settings);
  if (!first || !verdict.ok()) return verdict;
  for (const ProcessorView& view : context_.views) {
    const auto warning = RetentionWarning(context_.source.topic, *settings, view.layout->view());
    if (!warning) continue;
    context_.log.Warn("retention_short", *warning,
                      {{"source", context_.source.name}, {"view", view.layout->view().name}});
  }
  return verdict;
}

LogVerdict TopicCheck::AskAgain(LogSource& log) {
  if (!answers_ || (next_ && context_.clock.Now() < *next_)) return {};
  const auto settings = log.Settings();
  if (settings.ok()) return Take(*settings);
  next_ = context_.clock.Now() + kFailureIsGoodFor;
  return {};
}

LogVerdict TopicCheck::Take(const TopicSettings& settings) {
  compacted_ = settings.compacted.value_or(false);
  next_ = context_.clock.Now() + kAnswerIsGoodFor;
  return CheckCompaction(context_, settings);
}

}  // namespace freshet
