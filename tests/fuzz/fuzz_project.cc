#include "tests/fuzz/fuzz_project.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "featurestore/declare/project.h"
#include "featurestore/model/packed.h"
#include "tests/fuzz/fuzz_target.h"

namespace freshet::fuzz {
namespace {

const std::filesystem::path kFolder = FRESHET_FUZZ_PROJECT;

// Small and deterministic: neighbouring n give other values, some of them null.
uint64_t Mixed(uint64_t n, uint64_t field) {
  uint64_t x = (n + 1) * 0x9E3779B97F4A7C15ULL + field * 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 29;
  x *= 0x94D049BB133111EBULL;
  return x ^ (x >> 32);
}

Value Scalar(Type type, uint64_t drawn, Timestamp time, std::deque<std::string>& texts) {
  switch (type) {
    case Type::kBool:
      return Value::Bool(drawn % 2 == 0);
    case Type::kInt64:
      return Value::Int64(static_cast<int64_t>(drawn % 1000) - 200);
    case Type::kDouble:
    case Type::kFloat:
      return Value::Double(static_cast<double>(drawn % 2000) / 8 - 30);
    case Type::kTimestamp:
      return Value::Time(time);
    default:
      return Value::Text(texts.emplace_back(fmt::format("shop{}", drawn % 7)));
  }
}

}  // namespace

std::string FuzzProjectText() {
  std::ifstream in(kFolder / "freshet.yaml");
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

const Catalog& FuzzCatalog() {
  static const Project& project = *new Project(LoadProject(kFolder));
  if (!project.errors.empty()) Finding(ToString(project.errors.front()));
  return *project.catalog;
}

void SetVersionTag(const RowLayout& layout, std::string& bytes) {
  if (bytes.size() < 3) return;
  bytes[1] = static_cast<char>(layout.version_tag() & 0xff);
  bytes[2] = static_cast<char>(layout.version_tag() >> 8);
}

FuzzEvents::FuzzEvents(const Catalog& catalog, size_t view)
    : source_(catalog.sources[catalog.views[view].source]), fields_(source_.fields.size()) {}

freshet::Event FuzzEvents::Event(uint64_t n, Timestamp time) {
  texts_.clear();
  for (size_t f = 0; f < fields_.size(); ++f) {
    const Field& field = source_.fields[f];
    const uint64_t drawn = Mixed(n, f);
    if (drawn % 11 == 0) {
      fields_[f] = {};
    } else if (IsScalar(field.type)) {
      fields_[f] = Scalar(field.type, drawn, time, texts_);
    } else {
      const auto size =
          field.vector_size != 0 ? field.vector_size : static_cast<uint32_t>(drawn % 3);
      std::string packed;
      PackedWriter writer(field.type, size, packed);
      for (uint32_t i = 0; i < size; ++i) {
        writer.Add(Scalar(ElementOf(field.type), Mixed(n, f + i), time, texts_));
      }
      fields_[f] = Value::Packed(texts_.emplace_back(std::move(packed)));
    }
  }
  if (source_.time_field) fields_[*source_.time_field] = Value::Time(time);
  return {time, {1, 0, static_cast<int64_t>(n)}, fields_};
}

}  // namespace freshet::fuzz
