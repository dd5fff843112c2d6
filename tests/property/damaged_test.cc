// Rows of every kind of view whose bytes were damaged: a row that decodes, whatever it says, can be read, explained, added to and
// written, and what is written decodes. Otherwise one bad block on a disk would stop a view at its next event.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <numeric>
#include <random>

#include "featurestore/state/explain.h"
#include "featurestore/state/row.h"
#include "tests/property/random_case.h"

namespace freshet::property {
namespace {

constexpr size_t kHeader = 3;  // format and version of the view: what another would be refused for

// A row in its course, at every tenth event as it was stored.
class Lived {
 public:
  Lived(const Case& c, const RowLayout& layout) : case_(c), layout_(layout) {
    Random random(c.steps.size());
    Row row(layout);
    for (const Step& step : c.steps) {
      if (step.kind == Step::Kind::kDelete) row.Delete(step.time);
      if (step.kind == Step::Kind::kApply) {
        Apply(row, step, 0);
        applied_.push_back(&step);
      }
      if (step.kind == Step::Kind::kRead) reads_.push_back({step.now, step.as_of});
      if (!applied_.empty() && random.Chance(0.1)) stored_.push_back(Bytes(row));
    }
    reads_.push_back({Timestamp::Max(), std::nullopt});
    reads_.push_back({Timestamp::Min(), std::nullopt});
  }

  const std::vector<std::string>& stored() const { return stored_; }

  // What goes wrong; nothing: the row is sound enough, or was refused (`decoded` says which).
  std::string Survives(const std::string& bytes, Random& random, bool& decoded) {
    auto row = Row::Decode(layout_, bytes);
    decoded = row.ok();
    if (!decoded) return "";
    std::vector<uint32_t> features(case_.view().features.size());
    std::iota(features.begin(), features.end(), 0);
    std::vector<Cell> cells(features.size());
    for (const ReadTime& read : reads_) {
      row->Finish(read, features, cells);
      if (!row->empty()) ExplainRow(*row, read, features);
    }
    std::string before = Bytes(*row);
    auto reread = Row::Decode(layout_, before);
    if (!reread.ok()) return "as it was decoded it is written so that it does not decode";
    if (Bytes(*reread) != before) return "written again it has other bytes";
    for (int64_t events = random.Between(1, 4); events > 0; --events) {
      Apply(*row, *random.OneOf(applied_), 1'000'000 * events);
      if (!Row::Decode(layout_, Bytes(*row)).ok()) {
        return "with an event more it is written so that it does not decode";
      }
    }
    return "";
  }

 private:
  void Apply(Row& row, const Step& step, int64_t offset_by) {
    texts_.Clear();
    std::vector<Value> fields(step.fields.begin(), step.fields.end());
    fields.resize(case_.declared.source.fields.size());
    case_.declared.derived->Compute(fields, texts_);
    Coordinates at = step.at;
    at.offset += offset_by;
    row.Apply({step.time, at, fields});
  }
  static std::string Bytes(Row& row) {
    std::string bytes;
    row.Encode(bytes);
    return bytes;
  }

  const Case& case_;
  const RowLayout& layout_;
  Scratch texts_;
  std::vector<const Step*> applied_;
  std::vector<ReadTime> reads_;
  std::vector<std::string> stored_;
};

void Damage(std::string& bytes, Random& random) {
  // The greatest varints: counts and distances at the ends of 64 bits.
  static const auto& greatest = *new std::vector<std::string>{std::string(9, '\xff') + '\x01',
                                                              std::string(8, '\xff') + '\x7f',
                                                              std::string(18, '\xff') + '\x03'};
  for (int64_t changes = random.Between(1, 3); changes > 0 && bytes.size() > kHeader; --changes) {
    const auto at =
        static_cast<size_t>(random.Between(kHeader, static_cast<int64_t>(bytes.size()) - 1));
    switch (random.Between(0, 4)) {
      case 0:
        bytes[at] = static_cast<char>(random.Between(0, 255));
        break;
      case 1:
        bytes[at] = '\xff';
        break;
      case 2:
        bytes.insert(at, 1, static_cast<char>(random.Between(0, 255)));
        break;
      case 3:
        bytes.replace(at, 1, random.OneOf(greatest));
        break;
      default:
        bytes.erase(at, 1);
    }
  }
}

}  // namespace

// FRESHET_PROPERTY_SCALE: so many times the rows.
TEST_CASE("a row that decodes, however damaged, stays one that decodes") {
  const char* scale = std::getenv("FRESHET_PROPERTY_SCALE");
  const auto wanted = static_cast<uint64_t>(3'000 * (scale == nullptr ? 1 : std::atof(scale)));
  const char* fixed = std::getenv("FRESHET_PROPERTY_SEED");
  uint64_t seed = fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  fmt::print("FRESHET_PROPERTY_SEED={}\n", seed);
  uint64_t read = 0;
  uint64_t refused = 0;
  for (; read < wanted; ++seed) {
    const Case c = RandomCase(seed);
    const auto layout = RowLayout::Compile(c.view(), c.declared.source);
    REQUIRE(layout.ok());
    Lived lived(c, **layout);
    Random random(seed);
    for (int i = 0; i < 60 && !lived.stored().empty(); ++i) {
      std::string bytes = random.OneOf(lived.stored());
      Damage(bytes, random);
      bool decoded = false;
      const std::string wrong = lived.Survives(bytes, random, decoded);
      if (!wrong.empty()) {
        FAIL("with FRESHET_PROPERTY_SEED=" << seed << ", row " << i << ": " << wrong << "\n"
                                           << Describe(c));
      }
      ++(decoded ? read : refused);
    }
  }
  fmt::print("{} damaged rows were read, {} refused\n", read, refused);
  CHECK(refused > 0);
}

}  // namespace freshet::property
