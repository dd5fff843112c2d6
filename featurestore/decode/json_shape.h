// Producers write the records of one topic alike: the same names in the same order, with the same white space between. A text that
// the walker found valid is remembered as a shape, what stands between its scalars; the next one is compared with that and only its
// scalars are read. What the shape does not decide with certainty it leaves to the walker, which
// is slower and complete: both say the same of every text (tests/property/json_test.cc).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/decode/field_reader.h"

namespace freshet {

// Where a scalar stands in a text, and the fields that have their value there.
struct ScalarPlace {
  uint32_t begin = 0;
  uint32_t end = 0;
  const std::vector<uint32_t>* fields = nullptr;  // null: not declared
};

// Not thread-safe. Borrows `reader`.
class JsonShapes {
 public:
  explicit JsonShapes(FieldReader& reader) : reader_(reader) {}

  // True: `text` is valid to its end and the fields in it are filled, as the walker would have. False: nothing is known of it, and
  // some of `values` and the reader's count of bad ones may have changed. `values` must be as of an event without fields.
  bool Read(std::string_view text, TextArena& arena, std::span<Value> values);
  // A valid text that Read did not know, without lists; `scalars` in their order.
  void Learn(std::string_view text, std::span<const ScalarPlace> scalars);

 private:
  struct Slot {
    std::string before;  // what stands between the scalar before and this one
    std::vector<uint32_t> fields;
    friend bool operator==(const Slot&, const Slot&) = default;
  };
  struct Shape {
    std::vector<Slot> slots;
    std::string after;
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  // Optional fields make several shapes; more than these and the walker is as good.
  static constexpr size_t kShapes = 4;
  // So many unknown texts after one was learned, the next is: a topic of ever new shapes should not pay for learning each.
  static constexpr uint32_t kLearnEvery = 16;

  bool ReadAs(const Shape& shape, std::string_view text, TextArena& arena, std::span<Value> values);
  bool ReadScalar(const std::vector<uint32_t>& fields, const char*& p, const char* end,
                  TextArena& arena, std::span<Value> values);
  bool ReadString(const std::vector<uint32_t>& fields, const char*& p, const char* end,
                  TextArena& arena, std::span<Value> values);
  bool ReadNumber(const std::vector<uint32_t>& fields, const char*& p, const char* end,
                  TextArena& arena, std::span<Value> values);
  // By the field reader: what has no faster way here.
  bool Give(const std::vector<uint32_t>& fields, std::string_view token, TextArena& arena,
            std::span<Value> values);

  FieldReader& reader_;
  std::vector<Shape> shapes_;  // the one that fitted last stands first
  uint32_t unknown_ = 0;       // texts since one was learned
  std::string detail_;
};

}  // namespace freshet
