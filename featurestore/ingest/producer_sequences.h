// Which pushes were passed before: the last sequence of each producer in each partition. What it decides hangs on the log alone,
// whatever the batches: who is forgotten is who sent longest ago, by offset.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/model/event.h"
#include "featurestore/model/push_headers.h"
#include "featurestore/store/progress.h"

namespace freshet {

// None: forgotten.
using ProducerChange = std::pair<std::string, std::optional<ProducerMark>>;

// Of one partition. Not thread-safe.
class ProducerSequences {
 public:
  // What was stored; of two the one that was sent later holds.
  void Load(const ProducerMarks& stored);
  // Takes back what was passed since the last Keep: its batch was thrown away.
  void Revert();
  // What was passed since is stored, or will be. Returns it.
  std::vector<ProducerChange> Keep();
  // Takes back what the last Keep kept, too: that batch was thrown away as well. Not twice without a Keep between.
  void RevertKept();
  // Records in the order of the log. True where this one was passed before: it is to be dropped.
  bool Passes(const PushedAs& pushed, const Coordinates& at);

 private:
  using Place = std::pair<uint32_t, int64_t>;  // incarnation, offset
  using Before = std::map<std::string, std::optional<ProducerMark>, std::less<>>;

  std::map<Place, std::string>& ByPlace(std::string_view producer) {
    return by_place_[producer.starts_with(kReplayedLetterPrefix) ? 1 : 0];
  }
  void Put(const std::string& producer, const std::optional<ProducerMark>& mark);
  void Touch(const std::string& producer);
  void PutBack(Before& before);

  ProducerMarks marks_;
  std::map<Place, std::string> by_place_[2];
  Before before_;  // since the last Keep
  Before kept_;    // of what it kept
};

}  // namespace freshet
