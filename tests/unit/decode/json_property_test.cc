// The decoder and nlohmann's parser agree on what is JSON, over valid, mutated and random texts.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "featurestore/decode/decoder.h"

namespace freshet {
namespace {

Source Declared() {
  Source source;
  source.name = "s";
  for (const auto& [name, type] : std::initializer_list<std::pair<const char*, Type>>{
           {"s", Type::kString}, {"i", Type::kInt64}, {"d", Type::kDouble}, {"b", Type::kBool}}) {
    Field field;
    field.name = name;
    field.type = type;
    field.path = {name};
    source.fields.push_back(field);
  }
  return source;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}
  size_t Below(size_t n) { return random_() % n; }

  std::string Text() {
    static const std::vector<std::string> kPieces = {
        "a", "ß", "😀", "\\n", "\\\"", "\\\\", "\\u0041", "\\ud83d\\ude00",
        " ", "{", ",", "é",   "xyz"};
    std::string text = "\"";
    for (size_t i = Below(12); i > 0; --i) text += kPieces[Below(kPieces.size())];
    return text + "\"";
  }
  std::string Number() {
    static const std::vector<std::string> kNumbers = {"0",
                                                      "-0",
                                                      "17",
                                                      "-9223372036854775808",
                                                      "9223372036854775808",
                                                      "1.5",
                                                      "2e3",
                                                      "1E-7",
                                                      "0.001",
                                                      "-1.25e+2",
                                                      "1e308",
                                                      "123456789012345678901234567890"};
    return kNumbers[Below(kNumbers.size())];
  }
  std::string Space() { return std::string(Below(8) == 0 ? Below(3) : 0, " \n\t\r"[Below(4)]); }
  std::string Any(int depth) {
    switch (Below(depth > 5 ? 5 : 7)) {
      case 0:
        return "true";
      case 1:
        return "false";
      case 2:
        return "null";
      case 3:
        return Number();
      case 4:
        return Text();
      case 5: {
        std::string list = "[" + Space();
        for (size_t i = 0, n = Below(4); i < n; ++i)
          list += (i ? "," : "") + Any(depth + 1) + Space();
        return list + "]";
      }
      default:
        return Object(depth + 1);
    }
  }
  // Names are undeclared, so that only the grammar decides.
  std::string Object(int depth) {
    std::string object = "{" + Space();
    for (size_t i = 0, n = Below(5); i < n; ++i) {
      object += (i ? "," : "") + Space() + "\"n" + std::to_string(i) + Text().substr(1) + Space() +
                ":" + Space() + Any(depth) + Space();
    }
    return object + "}";
  }

  std::string Mutate(std::string text) {
    static const std::string kBytes =
        "{}[]:,\"\\ 0123456789.eE+-truefalsnu\x01\xff\xc3\xed\xa0\x80 \n";
    for (size_t i = 1 + Below(3); i > 0 && !text.empty(); --i) {
      const size_t at = Below(text.size());
      switch (Below(4)) {
        case 0:
          text.erase(at, 1 + Below(3));
          break;
        case 1:
          text.insert(at, 1, kBytes[Below(kBytes.size())]);
          break;
        case 2:
          text[at] = kBytes[Below(kBytes.size())];
          break;
        default:
          text.resize(at);
      }
    }
    return text;
  }

 private:
  std::mt19937_64 random_;
};

// nlohmann takes a byte order mark; RFC 8259 allows a parser to refuse it.
bool OutsideComparison(const std::string& text) { return text.starts_with("\xef\xbb\xbf"); }

}  // namespace

TEST_CASE("the decoder accepts exactly the texts that are JSON objects") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  Generator generate(seed);
  const Source source = Declared();
  const auto decoder = MakeJsonDecoder(source);
  std::vector<Value> values(source.fields.size());
  int valid = 0, invalid = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string text = generate.Object(0);
    if (i % 3 != 0) text = generate.Mutate(text);
    if (OutsideComparison(text)) continue;
    TextArena arena;
    Timestamp time;
    RawRecord record;
    // A copy of exactly its size on the heap: a sanitizer sees a read past its end.
    const std::vector<char> exact(text.begin(), text.end());
    record.value = std::string_view(exact.data(), exact.size());
    record.record_time = {1};
    const DecodeOutcome outcome = decoder->Decode(record, arena, values, time);
    nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
    const bool is_object = !parsed.is_discarded() && parsed.is_object();
    const bool accepted = outcome.refusal != Refusal::kMalformed;
    INFO(text << "\n" << outcome.detail);
    // A number that no double holds is JSON all the same, which nlohmann says otherwise.
    if (!is_object && accepted) {
      bool overflow = false;
      try {
        parsed = nlohmann::json::parse(text);
      } catch (const nlohmann::json::out_of_range&) {
        overflow = true;
      } catch (const nlohmann::json::exception&) {
      }
      if (overflow) continue;
    }
    REQUIRE(accepted == is_object);
    (accepted ? valid : invalid) += 1;
  }
  CHECK(valid > 10'000);
  CHECK(invalid > 10'000);
}

TEST_CASE("declared values are what nlohmann reads") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  Generator generate(seed);
  const Source source = Declared();
  const auto decoder = MakeJsonDecoder(source);
  std::vector<Value> values(source.fields.size());
  for (int i = 0; i < 20'000; ++i) {
    const std::string string = generate.Text(), number = generate.Number();
    const std::string text = R"({"x":)" + generate.Any(0) + R"(,"s":)" + string + R"(,"d":)" +
                             number + R"(,"b":)" + (generate.Below(2) ? "true" : "false") + "}";
    INFO(text);
    TextArena arena;
    Timestamp time;
    RawRecord record;
    record.value = text;
    record.record_time = {1};
    REQUIRE_FALSE(decoder->Decode(record, arena, values, time).refusal);
    const auto parsed = nlohmann::json::parse(text);
    REQUIRE(values[0].as_text() == parsed["s"].get<std::string>());
    REQUIRE(values[2].as_double() == parsed["d"].get<double>());
    REQUIRE(values[3].as_bool() == parsed["b"].get<bool>());
  }
}

TEST_CASE("random bytes are refused and never read past") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  Generator generate(seed);
  const Source source = Declared();
  const auto decoder = MakeJsonDecoder(source);
  std::vector<Value> values(source.fields.size());
  for (int i = 0; i < 20'000; ++i) {
    std::vector<char> bytes(generate.Below(200));
    for (char& byte : bytes) byte = static_cast<char>(generate.Below(256));
    TextArena arena;
    Timestamp time;
    RawRecord record;
    record.value = std::string_view(bytes.data(), bytes.size());
    record.key = record.value;
    CHECK(decoder->Decode(record, arena, values, time).refusal == Refusal::kMalformed);
  }
}

}  // namespace freshet
