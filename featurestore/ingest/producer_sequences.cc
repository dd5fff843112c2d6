#include "featurestore/ingest/producer_sequences.h"

namespace freshet {

void ProducerSequences::Put(const std::string& producer, const std::optional<ProducerMark>& mark) {
  std::map<Place, std::string>& by_place = ByPlace(producer);
  if (const auto found = marks_.find(producer); found != marks_.end()) {
    by_place.erase({found->second.incarnation, found->second.offset});
    if (!mark) marks_.erase(found);
  }
  if (!mark) return;
  marks_[producer] = *mark;
  by_place[{mark->incarnation, mark->offset}] = producer;
}

void ProducerSequences::Load(const ProducerMarks& stored) {
  for (const auto& [producer, mark] : stored) {
    const auto known = marks_.find(producer);
    if (known != marks_.end() && Place(known->second.incarnation, known->second.offset) >=
                                     Place(mark.incarnation, mark.offset)) {
      continue;
    }
    Put(producer, mark);
  }
}

void ProducerSequences::Touch(const std::string& producer) {
  if (before_.contains(producer)) return;
  const auto found = marks_.find(producer);
  before_.emplace(producer, found == marks_.end() ? std::nullopt : std::optional(found->second));
}

bool ProducerSequences::Passes(const PushedAs& pushed, const Coordinates& at) {
  const auto known = marks_.find(pushed.producer);
  if (known != marks_.end() && pushed.sequence <= known->second.sequence) return true;
  const std::string producer(pushed.producer);
  Touch(producer);
  Put(producer, ProducerMark{pushed.sequence, at.incarnation, at.offset});
  std::map<Place, std::string>& by_place = ByPlace(producer);
  while (by_place.size() > kProducersRemembered) {
    const std::string oldest = by_place.begin()->second;
    Touch(oldest);
    Put(oldest, std::nullopt);
  }
  return false;
}

void ProducerSequences::PutBack(Before& before) {
  for (const auto& [producer, mark] : before) Put(producer, std::nullopt);
  for (const auto& [producer, mark] : before) {
    if (mark) Put(producer, mark);
  }
  before.clear();
}

void ProducerSequences::Revert() { PutBack(before_); }

void ProducerSequences::RevertKept() {
  PutBack(before_);
  PutBack(kept_);
}

std::vector<ProducerChange> ProducerSequences::Keep() {
  std::vector<ProducerChange> changes;
  for (const auto& [producer, before] : before_) {
    const auto found = marks_.find(producer);
    if (found != marks_.end()) {
      changes.emplace_back(producer, found->second);
    } else if (before) {
      changes.emplace_back(producer, std::nullopt);
    }
  }
  kept_ = std::exchange(before_, {});
  return changes;
}

}  // namespace freshet
