// What a topic's own settings mean for the views that are made of it: asked of the broker whenever reading begins, and, since they can
// be changed at any time, while it goes on.
#pragma once

#include <optional>
#include <string>

#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/verify.h"

namespace freshet {

// Aggregations of a compacted topic would never count what compaction has taken: the source stops, unless it says
// allow_compacted. Latest values are what compaction keeps.
LogVerdict CheckCompaction(const LoopContext& context, const TopicSettings& settings);

// How far back a view's features look; none: for ever.
std::optional<Duration> LooksBack(const FeatureView& view);

// A sentence for a view that looks further back than the topic keeps records: whoever builds it anew lacks the rest. None: all is well.
std::optional<std::string> RetentionWarning(const std::string& topic, const TopicSettings& settings,
                                            const FeatureView& view);

// Asks `log` and warns, the first time. UNAVAILABLE where nobody answers, once or twice; a broker that still does not tell, though
// it is there (this comes after its offsets were asked), or does not let this client ask is warned about, and its topic is taken
// as it is. Not thread-safe.
class TopicCheck {
 public:
  explicit TopicCheck(const LoopContext& context) : context_(context) {}
  StatusOr<LogVerdict> Ask(LogSource& log);
  // While it is read: every 30 s, and before a batch with gaps is taken, which are by right or what compaction left. Asks nobody where
  // the last answer is younger than 5 s, and not before the next Ask where that had none. A failure is ignored: until then the topic is
  // what it was.
  LogVerdict AskAgain(LogSource& log);
  // As last heard.
  bool compacted() const { return compacted_; }

 private:
  LogVerdict Take(const TopicSettings& settings);

  const LoopContext& context_;
  bool warned_ = false;
  int in_vain_ = 0;      // asked without an answer, since the last one
  bool answers_ = true;  // Ask had an answer, or was not called yet
  bool compacted_ = false;
  std::optional<Timestamp> next_;  // AskAgain asks then
};

}  // namespace freshet
