// Lists, vectors and maps in an answer's columns: from packed values (model/packed.h) to flat elements with offsets, as Arrow
// has them, so that clients take a column of them without a loop.
#pragma once

#include <cstdint>

#include "featurestore/model/value.h"
#include "featurestore/serve/answer.h"

namespace freshet {

// Appends a list or map; of null an empty one. False where the bytes are damaged or of another type: the column then holds nothing
// of use.
bool AppendPacked(Type type, const Value& value, AnswerColumn& column);
// Writes the `size` floats of a vector; of null NaNs. False as above, or where the vector has another length.
bool PutVector(const Value& value, uint32_t size, char* out);

// Of one row's list or map, [begin, end) of the column's elements.
struct ElementRange {
  uint32_t begin = 0;
  uint32_t end = 0;
};
ElementRange ElementsOf(Type type, uint32_t vector_size, const AnswerColumn& column, size_t row);
// One element; of a map a key. And what that key maps to.
Value ElementAt(Type type, const AnswerColumn& column, uint32_t element);
Value MappedAt(Type type, const AnswerColumn& column, uint32_t element);

// Bytes of the first `values` lists or maps, offsets included.
size_t ListBytes(Type type, const AnswerColumn& column, size_t values);

}  // namespace freshet
