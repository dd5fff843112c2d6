// A JSON record, or a tombstone's key: decoder and oracle (another library, plain code) say the same of any bytes.
#include <array>
#include <memory>
#include <vector>

#include "featurestore/decode/decoder.h"
#include "featurestore/oracle/json.h"
#include "tests/fuzz/fuzz_target.h"

namespace freshet::fuzz {
namespace {

Source Everything() {
  Source source;
  source.name = "everything";
  source.fields = {{"at", Type::kTimestamp, {}, {}},
                   {"n", Type::kInt64, {}, {}},
                   {"x", Type::kDouble, {}, {}},
                   {"y", Type::kFloat, {}, {}},
                   {"s", Type::kString, {}, {}},
                   {"raw", Type::kBytes, {}, {}},
                   {"b", Type::kBool, {}, {}},
                   {"ms", Type::kTimestamp, {}, TimeUnit::kMillis},
                   {"inner", Type::kInt64, {"o", "i"}, {}},
                   {"other", Type::kString, {"o", "p", "q"}, {}},
                   {"l", ListOf(Type::kInt64), {}, {}},
                   {"t", ListOf(Type::kString), {"o", "t"}, {}},
                   {"v", kFloatVector, {}, {}}};
  source.fields.back().vector_size = 2;
  source.named_fields = static_cast<uint32_t>(source.fields.size());
  source.time_field = 0;
  source.key = 4;
  return source;
}

constexpr size_t kForms = 8;

// By the bits of `form`: fields that are required, fields of which a bad value is null, and a key that is a number.
Source Form(size_t form) {
  Source source = Everything();
  for (size_t f = 1; f < source.fields.size(); ++f) {
    source.fields[f].required = (form & 1) != 0 && f % 4 == 1;
    source.fields[f].bad_is_null = (form & 2) != 0 && f % 2 == 0;
  }
  if ((form & 4) != 0) source.key = 1;
  return source;
}

struct Reader {
  Source source;
  std::unique_ptr<Decoder> decoder;
};

const std::array<Reader, kForms>& Readers() {
  static const auto& all = *[] {
    auto* readers = new std::array<Reader, kForms>;
    for (size_t form = 0; form < kForms; ++form) {
      (*readers)[form].source = Form(form);
      (*readers)[form].decoder = MakeJsonDecoder((*readers)[form].source);
    }
    return readers;
  }();
  return all;
}

// A lone surrogate is JSON to its grammar (RFC 8259, section 8.2) but no text: semantics.md leaves open what becomes of it.
bool MayHoldSurrogate(std::string_view text) {
  for (size_t at = text.find("\\u"); at != std::string_view::npos; at = text.find("\\u", at + 2)) {
    if (at + 3 < text.size() && (text[at + 2] == 'd' || text[at + 2] == 'D')) return true;
  }
  return false;
}

}  // namespace

void Run(std::string_view input) {
  const uint8_t chosen = TakeByte(input);
  const Reader& reader = Readers().at(chosen % kForms);
  const bool tombstone = (chosen & 0x80) != 0;
  RawRecord raw;
  oracle::Record record;
  if (tombstone) {
    raw.key = record.key = input;
  } else {
    raw.value = record.value = input;
  }
  TextArena arena;
  std::vector<Value> got(reader.source.fields.size());
  Timestamp got_time;
  const DecodeOutcome outcome = reader.decoder->Decode(raw, arena, got, got_time);
  if (outcome.refusal && outcome.detail.empty()) Finding("a refusal without words");

  std::vector<oracle::OwnedValue> expected(reader.source.fields.size());
  Timestamp expected_time;
  const auto refusal = tombstone
                           ? oracle::DecodeKey(reader.source, record, expected[*reader.source.key])
                           : oracle::DecodeJson(reader.source, record, expected, expected_time);
  if (MayHoldSurrogate(input)) return;
  const std::string said =
      outcome.refusal ? std::string(RefusalName(*outcome.refusal)) : "accepted";
  const std::string wanted = refusal ? std::string(oracle::RefusalName(*refusal)) : "accepted";
  if (said != wanted) {
    Finding(fmt::format("the decoder says {} ({}), the oracle {}", said, outcome.detail, wanted));
  }
  if (refusal) return;
  if (tombstone != outcome.tombstone)
    Finding("a tombstone, and not said so, or the other way round");
  if (!tombstone && got_time != expected_time) Finding("another event time");
  for (size_t f = 0; f < got.size(); ++f) {
    if (tombstone && f != *reader.source.key) continue;
    const Value wants = expected[f].Borrow();
    if (got[f] == wants && got[f].is_absent() == wants.is_absent()) continue;
    const std::string shown = ToDebugString(got[f]);
    const std::string other = ToDebugString(wants);
    if (shown != other) {  // NaN is no other NaN
      Finding(fmt::format("{}: the decoder reads {}, the oracle {}", reader.source.fields[f].name,
                          shown, other));
    }
  }
}

}  // namespace freshet::fuzz
