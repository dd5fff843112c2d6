// Rows against the reference, on random views and random streams: any order, any lateness, ±1 us of panes' edges, any batch
// size, encoded and decoded between any two events. FRESHET_STREAMS=n runs n streams, FRESHET_SEED=s only that one.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "tests/unit/state/reference.h"

namespace freshet {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kOrigin = 1'700'000'000 * kSecond;

class Stream {
 public:
  explicit Stream(uint64_t seed) : random_(seed) {
    source_.name = "s";
    source_.fields = {{.name = "i", .type = Type::kInt64},
                      {.name = "d", .type = Type::kDouble},
                      {.name = "t", .type = Type::kString},
                      {.name = "b", .type = Type::kBool},
                      {.name = "w", .type = Type::kTimestamp}};
    MakeView();
    layout_ = *RowLayout::Compile(view_, source_);
  }

  int64_t Pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  bool Chance(int percent) { return Pick(1, 100) <= percent; }
  template <typename T>
  T OneOf(std::initializer_list<T> of) {
    return *(of.begin() + Pick(0, static_cast<int64_t>(of.size()) - 1));
  }

  // The next event. Its values are valid until the next call.
  Event Next() {
    // Time moves by bits, by hops, and now and then far ahead; some events are late, some by far.
    clock_ += Chance(5) ? Pick(0, 900) * kSecond : Pick(0, 4) * kSecond;
    int64_t t = clock_;
    if (Chance(30)) t -= Pick(0, Chance(20) ? 1200 : 40) * kSecond;
    if (Chance(50)) t += Pick(-1, 1);
    if (Chance(30)) t += Pick(0, kSecond - 1);
    text_ = std::string(static_cast<size_t>(Pick(0, 20)), static_cast<char>('a' + Pick(0, 25)));
    values_ = {Value::Int64(Pick(-1000, 1000)),
               Value::Double(static_cast<double>(Pick(-99999, 99999)) / 100), Value::Text(text_),
               Value::Bool(Chance(50)), Value::Time({t + Pick(-5, 5) * kSecond})};
    for (Value& value : values_) {
      if (Chance(20)) value = Value();
    }
    return {{t}, {0, static_cast<int32_t>(Pick(0, 2)), ++offset_}, values_};
  }

  ReadTime NextRead(Timestamp newest) {
    // `now` is behind the newest event by at most the skew.
    ReadTime read;
    read.now = {newest.us +
                (Chance(30) ? 0 : Pick(0, Chance(20) ? 5000 : 60) * kSecond + Pick(-1, 1))};
    if (Chance(20)) read.now = newest - Duration{Pick(0, view_.max_future_skew.us)};
    read.now = std::max(read.now, newest - view_.max_future_skew);
    if (Chance(60)) {
      read.as_of = read.now - Duration{Pick(0, view_.history.us / kSecond + 5) * kSecond};
      if (Chance(40)) read.as_of = *read.as_of + Duration{Pick(-2 * kSecond, 5 * kSecond)};
    }
    return read;
  }

  const FeatureView& view() const { return view_; }
  const RowLayout& layout() const { return *layout_; }
  bool exact() const { return exact_; }

 private:
  void MakeView() {
    view_.name = "v";
    view_.version = "0123456789abcdef";
    view_.history = Duration::Seconds(OneOf<int64_t>({0, 0, 60, 600}));
    view_.max_future_skew = Duration::Seconds(OneOf<int64_t>({0, 5}));
    view_.lateness = Duration::Seconds(OneOf<int64_t>({0, 30, 600}));
    if (Chance(60)) view_.ttl = Duration::Seconds(OneOf<int64_t>({60, 600, 7200}));
    exact_ = Chance(40);  // only what is exact to the bit
    const int64_t count = Pick(1, 8);
    while (static_cast<int64_t>(view_.features.size()) < count) AddFeature();
  }

  void AddFeature() {
    Feature f;
    f.aggregate = OneOf<const char*>({"count", "sum", "mean", "min", "max", "variance", "stddev",
                                      "var_pop", "stddev_pop", "first", "last"});
    const bool keeps = f.aggregate == "min" || f.aggregate == "max" || f.aggregate == "first" ||
                       f.aggregate == "last";
    f.type = Type::kDouble;
    if (f.aggregate == "count") {
      if (Chance(50)) f.of = static_cast<uint32_t>(Pick(0, 4));
      f.type = Type::kInt64;
    } else if (keeps) {
      f.of = static_cast<uint32_t>(Pick(0, 4));
      f.type = source_.fields[*f.of].type;
    } else {
      f.of = static_cast<uint32_t>(Pick(0, 1));
      if (f.aggregate == "sum") f.type = source_.fields[*f.of].type;
      if (exact_ && (f.aggregate != "sum" || f.of == 1U)) return;
    }
    if (f.type == Type::kInt64 && Chance(20)) f.default_value = int64_t{-7};
    Window& w = f.window;
    const int64_t kind = Pick(0, 15);
    if (kind == 0) {
      w.kind = WindowKind::kLifetime;
    } else if (kind >= 14) {
      w.kind = WindowKind::kExact;
      w.length = Duration{OneOf<int64_t>({1, 500'001, 10'000'000, 60'000'000})};
      w.events = OneOf<uint32_t>({1, 3, 10, 100});
    } else if (kind == 13) {
      w.kind = WindowKind::kRows;
      w.events = OneOf<uint32_t>({1, 2, 7, 100});
    } else if (kind == 12) {
      w.kind = WindowKind::kSession;
      w.length = Duration{OneOf<int64_t>({1, 1'000'000, 2'000'000, 30'000'000})};
      w.completed = Chance(50);
    } else if (kind == 11) {
      w.kind = WindowKind::kHopping;
      w.hop = Duration::Seconds(OneOf<int64_t>({1, 5, 7}));
      w.length = Duration{w.hop.us * OneOf<int64_t>({1, 2, 12})};
      w.offset = Duration{OneOf<int64_t>({0, 0, 1, 500'000})};
    } else if (kind == 10) {
      w.kind = WindowKind::kTumbling;
      w.calendar = CalendarUnit::kDay;
      w.time_zone = "Europe/Berlin";
      w.hop = Duration::Minutes(15);
      w.length = Duration::Hours(27);
      // Streams begin at 23:13:20 in Berlin.
      w.offset = OneOf({Duration{}, Duration::Minutes(23 * 60 + 15),
                        Duration::Minutes(23 * 60 + 16) + Duration{1}});
      w.completed = Chance(50);
    } else if (kind <= 6) {
      w.kind = WindowKind::kSliding;
      w.hop = Duration::Seconds(OneOf<int64_t>({1, 2, 5, 7, 10, 60}));
      w.length = Duration::Seconds(OneOf<int64_t>({1, 3, 10, 60, 61, 300}));
      w.offset = Duration{OneOf<int64_t>({0, 0, 0, 1, 500'000})};
    } else {  // 7 to 9
      w.kind = WindowKind::kTumbling;
      w.length = Duration::Seconds(OneOf<int64_t>({10, 60, 300}));
      w.hop = Duration{w.length.us / OneOf<int64_t>({1, 2, 5, 10})};
      w.offset = Duration::Seconds(OneOf<int64_t>({0, 0, 3, 5}));
      w.completed = Chance(50);
    }
    f.name = "f" + std::to_string(view_.features.size());
    view_.features.push_back(f);
  }

  std::mt19937_64 random_;
  Source source_;
  FeatureView view_;
  std::shared_ptr<const RowLayout> layout_;
  bool exact_ = false;
  int64_t clock_ = kOrigin;
  int64_t offset_ = 0;
  std::string text_;
  std::vector<Value> values_;
};

Row Recoded(const RowLayout& layout, Row& row) {
  std::string bytes;
  row.Encode(bytes);
  auto decoded = Row::Decode(layout, bytes);
  REQUIRE(decoded.ok());
  REQUIRE(PeekNewest(bytes) == row.newest());
  return *std::move(decoded);
}

std::string Describe(const Feature& f) {
  return f.name + " " + f.aggregate + " of " + (f.of ? std::to_string(*f.of) : "-") + " length " +
         FormatDuration(f.window.length) + " hop " + FormatDuration(f.window.hop) + " offset " +
         FormatDuration(f.window.offset) + " kind " +
         std::to_string(static_cast<int>(f.window.kind)) + " events " +
         std::to_string(f.window.events) + (f.window.completed ? " completed" : "");
}

// How many cells were compared.
size_t CheckRead(const Stream& stream, const Row& row, const ReferenceRow& reference,
                 const ReadTime& read) {
  const FeatureView& view = stream.view();
  std::vector<uint32_t> wanted;
  for (uint32_t f = 0; f < view.features.size(); ++f) wanted.push_back(f);
  std::vector<Cell> cells(wanted.size());
  const auto time = row.Finish(read, wanted, cells);
  INFO("now " << read.now.us - kOrigin << " as_of "
              << (read.as_of ? std::to_string(read.as_of->us - kOrigin) : "none") << " newest "
              << row.newest().us - kOrigin);
  // Without history panes keep no times: an as_of that only a skewed event is after is judged by the panes' starts.
  const bool approximate = view.history == Duration{} && read.as_of && *read.as_of < row.newest();
  for (const uint32_t f : wanted) {
    const Feature& feature = view.features[f];
    INFO(Describe(feature));
    const ReferenceRow::Answer want = reference.Finish(read, feature);
    const Cell& got = cells[f];
    if (approximate && got.status != want.status) {
      CHECK(got.status != CellStatus::kPresent);
      continue;
    }
    REQUIRE(CellStatusName(got.status) == CellStatusName(want.status));
    REQUIRE(got.degraded == want.degraded);
    if (want.text) {
      REQUIRE(got.value.kind() == Value::Kind::kText);
      REQUIRE(std::string(got.value.as_text()) == *want.text);
    } else if (want.number) {
      REQUIRE_FALSE(got.value.is_null());
      const double number = got.value.kind() == Value::Kind::kBool
                                ? (got.value.as_bool() ? 1 : 0)
                                : (got.value.kind() == Value::Kind::kTimestamp
                                       ? static_cast<double>(got.value.as_time().us)
                                       : got.value.number());
      REQUIRE(std::abs(number - *want.number) <= 1e-9 * want.scale);
    } else {
      REQUIRE(got.value.is_null());
    }
  }
  if (!approximate) {
    auto want = reference.Time(read);
    if (want && view.ttl && read.at() - *want > *view.ttl + view.grace()) want.reset();
    if (read.as_of && *read.as_of < read.now - view.history) want.reset();
    REQUIRE(time == want);
  }
  return wanted.size();
}

size_t RunStream(uint64_t seed) {
  INFO("seed " << seed);
  Stream stream(seed);
  const FeatureView& view = stream.view();
  INFO("history " << FormatDuration(view.history) << " skew "
                  << FormatDuration(view.max_future_skew) << " lateness "
                  << FormatDuration(view.lateness) << " ttl "
                  << (view.ttl ? FormatDuration(*view.ttl) : "never"));
  const RowLayout& layout = stream.layout();
  ReferenceRow reference(view);
  Row whole(layout);    // one batch of all
  Row each(layout);     // a batch an event
  Row batched(layout);  // batches of any size
  size_t compared = 0;
  for (int n = 0; n < 80; ++n) {
    const Event event = stream.Next();
    INFO("event " << n << " at " << event.time.us - kOrigin);
    const Applied want = reference.Apply(event);
    REQUIRE(whole.Apply(event) == want);
    REQUIRE(each.Apply(event) == want);
    REQUIRE(batched.Apply(event) == want);
    each = Recoded(layout, each);
    if (stream.Chance(20)) batched = Recoded(layout, batched);
    if (!stream.Chance(40)) continue;
    const ReadTime read = stream.NextRead(reference.newest());
    for (const Row* row : {&whole, &each, &batched}) {
      compared += CheckRead(stream, *row, reference, read);
    }
  }
  if (stream.exact()) {
    std::string a, b, c;
    whole.Encode(a);
    each.Encode(b);
    batched.Encode(c);
    REQUIRE(a == b);
    REQUIRE(a == c);
  }
  return compared;
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE(
    "every answer equals the reference's, in order and out of order, whatever the batch sizes") {
  if (const uint64_t seed = FromEnvironment("FRESHET_SEED", 0)) {
    RunStream(seed);
    return;
  }
  const uint64_t streams = FromEnvironment("FRESHET_STREAMS", 400);
  size_t compared = 0;
  for (uint64_t seed = 1; seed <= streams; ++seed) compared += RunStream(seed);
  CHECK(compared > streams * 50);
}

}  // namespace freshet
