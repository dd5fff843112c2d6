// What a topic's own settings mean for the views that are made of it: asked of the broker whenever reading begins.
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

 private:
  const LoopContext& context_;
  bool warned_ = false;
  int in_vain_ = 0;  // asked without an answer, since the last one
};

}  // namespace freshet
