// What a pushed event would become when it is read: asked before it is sent, of the source's own decoder, so that who pushes is told
// what else would be a dead letter.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/decode/decoder.h"
#include "featurestore/ingest/key_text.h"
#include "featurestore/ingest/push_log.h"

namespace freshet {

struct RefusedPush {
  std::string reason;  // RefusalName
  std::string detail;
};

// Of one source of a catalog, which must outlive it. Not thread-safe.
class PushCheck {
 public:
  PushCheck(const Catalog& catalog, uint32_t source);

  const Source& source() const { return source_; }
  // Some view reads it.
  bool is_read() const { return !views_.empty(); }
  // Where the field that the record's key holds stands in the event; else who pushes has to send keys along.
  bool finds_key() const { return finds_key_; }
  // Fields are read from the record's key.
  bool reads_record_key() const { return reads_record_key_; }
  // Some view's rows can be deleted by this source's key; else why not.
  std::optional<std::string> CannotDelete() const;

  // The record's key, if the event holds it.
  std::optional<std::string> KeyOf(std::string_view event) { return key_text_.Of(event); }
  // The key of a tombstone for a value of the source's `key`, as its field's path wants it.
  std::string TombstoneKey(const std::string& value);
  // None: it will be accepted, as far as anybody can tell before it is read.
  std::optional<RefusedPush> Check(const PushRecord& record, Timestamp now);

 private:
  const Source& source_;
  const bool event_time_clock_;
  std::vector<const FeatureView*> views_;
  bool finds_key_ = false;
  bool reads_record_key_ = false;
  KeyText key_text_;
  std::unique_ptr<Decoder> decoder_;
  TextArena arena_;
  std::vector<Value> values_;
  std::vector<std::pair<std::string_view, std::string_view>> headers_;
};

}  // namespace freshet
