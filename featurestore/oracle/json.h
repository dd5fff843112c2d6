// The oracle's own reading of a JSON record (semantics.md, "What is an event").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {

// A value that owns its text or packed bytes.
struct OwnedValue {
  Value value;  // of text: null until Borrow
  std::optional<std::string> text;
  bool packed = false;  // `text` is that of a list or vector (model/packed.h)
  Value Borrow() const {
    if (!text) return value;
    return packed ? Value::Packed(*text) : Value::Text(*text);
  }
};

// Of a tombstone the field that the source's `key` names, from the record's key. None: the record has no such key.
std::optional<Refusal> DecodeKey(const Source& source, const Record& record, OwnedValue& key);

// Fills one value a field and the event's time.
std::optional<Refusal> DecodeJson(const Source& source, const Record& record,
                                  std::vector<OwnedValue>& fields, Timestamp& time);

}  // namespace freshet::oracle
