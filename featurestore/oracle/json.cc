#include "featurestore/oracle/json.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "featurestore/model/packed.h"

namespace freshet::oracle {
namespace {

// A JSON value as it was written: with every member of an object, twice declared ones too.
struct Node {
  enum class Kind { kNull, kBool, kInteger, kReal, kText, kObject, kArray } kind = Kind::kNull;
  bool truth = false;
  int64_t integer = 0;  // kInteger: no fraction, no exponent, fits
  double real = 0;      // of kInteger and kReal
  std::string text;
  std::vector<std::string> names;  // of an object's members, same index
  std::vector<Node> members;       // of arrays too
};

// Deeper nesting is malformed, as it is to the server: a bound keeps hostile text off the stack.
constexpr size_t kMaxDepth = 64;

class Reader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(Node& root) : root_(root) {}

  bool null() override { return Add(Node::Kind::kNull), true; }
  bool boolean(bool v) override { return Add(Node::Kind::kBool).truth = v, true; }
  bool number_integer(int64_t v) override {
    Node& node = Add(Node::Kind::kInteger);
    node.integer = v;
    node.real = static_cast<double>(v);
    return true;
  }
  bool number_unsigned(uint64_t v) override {
    if (v <= uint64_t{std::numeric_limits<int64_t>::max()}) {
      return number_integer(static_cast<int64_t>(v));
    }
    return Add(Node::Kind::kReal).real = static_cast<double>(v), true;
  }
  bool number_float(double v, const std::string&) override {
    return Add(Node::Kind::kReal).real = v, true;
  }
  bool string(std::string& v) override { return Add(Node::Kind::kText).text = v, true; }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(Node::Kind::kObject); }
  bool end_object() override { return open_.pop_back(), true; }
  bool start_array(size_t) override { return Open(Node::Kind::kArray); }
  bool end_array() override { return open_.pop_back(), true; }
  bool key(std::string& v) override { return name_ = v, true; }
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::json::exception& error) override {
    constexpr int kOutOfRange = 406;  // a number beyond every double
    if (error.id == kOutOfRange) too_large_ = {position - token.size(), token.size()};
    return false;
  }

  struct Token {
    size_t begin;
    size_t size;
  };
  std::optional<Token> too_large() const { return too_large_; }

 private:
  Node& Add(Node::Kind kind) {
    // A parent's list does not grow while a child of it is open: the pointers in open_ stay good.
    if (!open_.empty()) open_.back()->names.push_back(name_);
    Node& node = open_.empty() ? root_ : open_.back()->members.emplace_back();
    node.kind = kind;
    return node;
  }
  bool Open(Node::Kind kind) {
    if (open_.size() == kMaxDepth) return false;
    open_.push_back(&Add(kind));
    return true;
  }

  Node& root_;
  std::vector<Node*> open_;
  std::string name_;
  std::optional<Token> too_large_;
};

bool Parse(std::string_view original, Node& root) {
  // The library takes it for the end; nowhere in JSON may it stand.
  if (original.find('\0') != std::string_view::npos) return false;
  std::string text(original);
  while (true) {
    root = {};
    Reader reader(root);
    // Strict: "the text is valid to its end".
    if (nlohmann::json::sax_parse(text, &reader, nlohmann::json::input_format_t::json, true)) {
      return true;
    }
    // 1e999 is JSON, but the library gives up on it. It stands for an infinity, which is "mistyped" where a field
    // is declared and nobody's business elsewhere: so is a list of lists, in its place.
    const auto number = reader.too_large();
    if (!number) return false;
    text.replace(number->begin, number->size, "[[]]");
  }
}

enum class Found { kValue, kAbsent, kNull, kTwice, kNoObject };

// Walks `path` from its `from`th name.
Found Walk(const Node& root, const std::vector<std::string>& path, size_t from,
           const Node*& found) {
  found = &root;
  for (size_t i = from; i < path.size(); ++i) {
    if (found->kind == Node::Kind::kNull) return Found::kNull;
    if (found->kind != Node::Kind::kObject) return Found::kNoObject;
    const Node* next = nullptr;
    for (size_t m = 0; m < found->members.size(); ++m) {
      if (found->names[m] != path[i]) continue;
      if (next != nullptr)
        return Found::kTwice;  // "a declared name that occurs twice is malformed"
      next = &found->members[m];
    }
    if (next == nullptr) return Found::kAbsent;
    found = next;
  }
  return found->kind == Node::Kind::kNull ? Found::kNull : Found::kValue;
}

// RFC 4648, section 4; padded, nothing else between.
std::optional<std::string> FromBase64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  // RFC 4648, 3.5: what is left over is zero, so that equal bytes have one spelling.
  if ((bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

std::optional<OwnedValue> Convert(const Field& field, const Node& node);

// "A list of another length, or with an element of another type, is mistyped."
std::optional<OwnedValue> ConvertList(const Field& field, const Node& node) {
  const bool vector = field.type == kFloatVector;
  if (node.kind != Node::Kind::kArray) return std::nullopt;
  if (vector && node.members.size() != field.vector_size) return std::nullopt;
  std::string packed;
  PackedWriter out(field.type, static_cast<uint32_t>(node.members.size()), packed);
  for (const Node& member : node.members) {
    std::optional<OwnedValue> element = OwnedValue{};
    if (member.kind != Node::Kind::kNull || vector) {
      element = Convert({.name = field.name, .type = ElementOf(field.type)}, member);
    }
    if (!element) return std::nullopt;
    out.Add(element->Borrow());
  }
  return OwnedValue{{}, std::move(packed), true};
}

// nullopt: another type than the declared one.
std::optional<OwnedValue> Convert(const Field& field, const Node& node) {
  using Kind = Node::Kind;
  if (!IsScalar(field.type)) return ConvertList(field, node);
  const bool number = node.kind == Kind::kInteger || node.kind == Kind::kReal;
  switch (field.type) {
    case Type::kBool:
      if (node.kind != Kind::kBool) return std::nullopt;
      return OwnedValue{Value::Bool(node.truth), {}};
    case Type::kInt64:  // "an int64 takes only numbers without fraction or exponent"
      if (node.kind != Kind::kInteger) return std::nullopt;
      return OwnedValue{Value::Int64(node.integer), {}};
    case Type::kDouble:  // "NaN and infinities are mistyped"
      if (!number || !std::isfinite(node.real)) return std::nullopt;
      return OwnedValue{Value::Double(node.real), {}};
    case Type::kFloat: {
      const auto rounded = static_cast<float>(node.real);
      if (!number || !std::isfinite(rounded)) return std::nullopt;
      return OwnedValue{Value::Double(rounded), {}};
    }
    case Type::kString:
      if (node.kind != Kind::kText) return std::nullopt;
      return OwnedValue{{}, node.text};
    case Type::kBytes: {
      if (node.kind != Kind::kText) return std::nullopt;
      auto bytes = FromBase64(node.text);
      if (!bytes) return std::nullopt;
      return OwnedValue{{}, *std::move(bytes)};
    }
    case Type::kTimestamp: {
      std::optional<Timestamp> time;
      if (!field.unit && node.kind == Kind::kText) time = ParseTimestamp(node.text);
      if (field.unit && node.kind == Kind::kInteger)
        time = TimeFromNumber(node.integer, *field.unit);
      if (field.unit && node.kind == Kind::kReal) time = TimeFromNumber(node.real, *field.unit);
      if (!time) return std::nullopt;
      return OwnedValue{Value::Time(*time), {}};
    }
  }
  return std::nullopt;
}

// The text of the record's key or of a header as a value: text as it is, anything else as JSON would spell it.
// "A key or a header of a string field that is not UTF-8" is mistyped.
bool IsText(std::string_view text) {
  try {
    (void)nlohmann::json(std::string(text)).dump();
  } catch (const nlohmann::json::type_error&) {  // what it throws of bytes that are not UTF-8
    return false;
  }
  return true;
}

std::optional<OwnedValue> ConvertText(const Field& field, std::string_view text) {
  if (field.type == Type::kString && !IsText(text)) return std::nullopt;
  if (field.type == Type::kString || field.type == Type::kBytes) {
    return OwnedValue{{}, std::string(text)};
  }
  Node node;
  if (field.type == Type::kTimestamp && !field.unit) {
    node.kind = Node::Kind::kText;
    node.text = text;
  } else {
    // The text is the number, without the spaces that JSON would allow around it.
    constexpr std::string_view kSpaces = " \t\n\r";
    if (text.empty() || kSpaces.find(text.front()) != std::string_view::npos ||
        kSpaces.find(text.back()) != std::string_view::npos || !Parse(text, node)) {
      return std::nullopt;
    }
  }
  return Convert(field, node);
}

// One field of the record; `out` is null where it is absent (which Value::Absent tells) or null.
std::optional<Refusal> ReadField(const Field& field, const Record& record, const Node& body,
                                 OwnedValue& out) {
  out = {.value = Value::Absent()};
  const std::vector<std::string> path =
      field.path.empty() ? std::vector<std::string>{field.name} : field.path;
  const Node* node = &body;
  Node key;
  size_t from = 0;
  if (path[0] == "$headers") {
    std::optional<std::string_view> found;
    for (const auto& [name, text] : record.headers) {
      if (path.size() < 2 || name != path[1]) continue;
      if (found) return Refusal::kMalformed;  // "a declared name that occurs twice is malformed"
      found = text;
    }
    if (!found) return std::nullopt;
    const auto value = ConvertText(field, *found);
    if (!value) return Refusal::kMistyped;
    out = *value;
    return std::nullopt;
  }
  if (path[0] == "$key") {
    if (!record.key) return std::nullopt;
    if (path.size() == 1) {
      const auto value = ConvertText(field, *record.key);
      if (!value) return Refusal::kMistyped;
      out = *value;
      return std::nullopt;
    }
    if (!Parse(*record.key, key)) return Refusal::kMalformed;
    node = &key;
    from = 1;
  }
  const Node* found = nullptr;
  switch (Walk(*node, path, from, found)) {
    case Found::kTwice:
      return Refusal::kMalformed;
    case Found::kNoObject:
      return Refusal::kMistyped;
    case Found::kAbsent:  // "A field that is absent or null is null."
      return std::nullopt;
    case Found::kNull:
      out = {};
      return std::nullopt;
    case Found::kValue:
      break;
  }
  const auto value = Convert(field, *found);
  if (!value) return Refusal::kMistyped;
  out = *value;
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> DecodeJson(const Source& source, const Record& record,
                                  std::vector<OwnedValue>& fields, Timestamp& time) {
  Node body;
  if (!Parse(record.value.value_or(""), body)) return Refusal::kMalformed;
  if (body.kind != Node::Kind::kObject) return Refusal::kMalformed;

  // "all declared fields are decoded": what is malformed anywhere is told before what is mistyped, and that before
  // a missing time.
  fields.assign(source.fields.size(), {});
  std::optional<Refusal> refusal;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (!source.fields[i].expression.empty()) continue;  // not of the record
    auto of_field = ReadField(source.fields[i], record, body, fields[i]);
    // "with `on_bad: "null"` a counted null"
    if (of_field == Refusal::kMistyped && source.fields[i].bad_is_null) {
      of_field.reset();
      fields[i] = {};
    }
    if (of_field) refusal = std::min(refusal.value_or(*of_field), *of_field);
  }
  if (refusal) return refusal;
  // "An absent timestamp or `required` field is `incomplete`".
  for (size_t i = 0; i < fields.size(); ++i) {
    if (source.fields[i].required && fields[i].value.is_null() && !fields[i].text) {
      return Refusal::kIncomplete;
    }
  }

  time = record.record_time;
  if (!source.time_field) {
    const bool none = time < kMinEventTime || time > kMaxEventTime;
    return none ? std::optional(Refusal::kIncomplete) : std::nullopt;
  }
  const Value value = fields[*source.time_field].value;
  std::optional<Timestamp> declared;
  switch (value.kind()) {
    case Value::Kind::kTimestamp:
      declared = value.as_time();
      break;
    case Value::Kind::kInt64:
      declared = TimeFromNumber(value.as_int64(), source.time_unit.value_or(TimeUnit::kMillis));
      break;
    case Value::Kind::kDouble:
      declared = TimeFromNumber(value.as_double(), source.time_unit.value_or(TimeUnit::kMillis));
      break;
    default:
      // "An absent timestamp ... is incomplete".
      return Refusal::kIncomplete;
  }
  if (!declared) return Refusal::kMistyped;
  time = *declared;
  return std::nullopt;
}

// "The record key, as a field": its text is the field's, or where the field is found in the record key's JSON, that.
std::optional<Refusal> DecodeKey(const Source& source, const Record& record, OwnedValue& key) {
  Field field = source.fields[*source.key];
  if (field.path.empty() || field.path[0] != "$key") field.path = {"$key"};
  const Node no_body;
  std::optional<Refusal> refusal = ReadField(field, record, no_body, key);
  if (refusal == Refusal::kMistyped && field.bad_is_null) {
    key = {};
    refusal.reset();
  }
  if (!refusal && key.Borrow().is_null()) refusal = Refusal::kNoKey;
  return refusal;
}

}  // namespace freshet::oracle
