// Lists, vectors and maps as one run of bytes that describes itself: what a Value of kind kPacked borrows. One writing a value: equal
// values are equal bytes (a map's writer adds its keys in order).
//
//   the Type's number (1 byte), the number of elements (varint), then the elements:
//   text       varint of length + 1 and the bytes; 0 is null
//   bool       1 byte: 0, 1, or 2 for null
//   others     1 byte, 0 for null, or 1 and 8 bytes little-endian (an int64, a double, microseconds)
//   map        key and mapped value in turn, neither ever null
//   vector     4 bytes little-endian each, a float, never null
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "featurestore/base/coding.h"
#include "featurestore/model/value.h"

namespace freshet {

// Appends one packed value to a string that it borrows. Exactly `size` calls of Add (list, vector) or AddEntry (map) follow.
class PackedWriter {
 public:
  PackedWriter(Type type, uint32_t size, std::string& out);
  // Of the element's type, or null (a vector's: a number).
  void Add(const Value& element);
  void AddEntry(const Value& key, const Value& mapped);

 private:
  Type type_;
  ByteWriter out_;
};

// Reads it again, in order. Bytes that cannot be give nulls and ok() false. Texts are borrowed from the bytes.
class PackedReader {
 public:
  explicit PackedReader(std::string_view packed);
  bool ok() const { return in_.ok(); }
  Type type() const { return type_; }
  uint32_t size() const { return size_; }  // elements, or entries
  // The next element; of a map the next key, then its mapped value, in turn.
  Value Next();

 private:
  ByteReader in_;
  Type type_;
  uint32_t size_;
  bool mapped_next_ = false;
};

// Of that type without elements; its bytes live for ever.
Value EmptyPacked(Type type);

std::string PackedToDebugString(std::string_view packed);  // [1, 2], {"a": 1}

}  // namespace freshet
