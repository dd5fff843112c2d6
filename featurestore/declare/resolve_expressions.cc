// `derive` and `where`: SQL over a source's fields becomes fields of the source, so that each distinct expression of an event is
// evaluated once, whichever views ask for it.
#include <fmt/format.h>

#include <algorithm>

#include "featurestore/declare/resolve.h"

namespace freshet {
namespace {

// Where byte `offset` of a scalar's text stands. Known for texts as they are written nearly always: on one line, without
// escapes; the beginning of the text otherwise.
Place PlaceIn(const YamlNode& node, size_t offset) {
  Place place = node.place;
  const auto plain = [](char c) { return c != '\\' && c != '\n'; };
  if (place.line == 0 || !std::all_of(node.text.begin(), node.text.end(), plain)) return place;
  if (node.quoted) ++place.column;
  for (size_t i = 0; i < offset && i < node.text.size(); ++i) {
    if ((static_cast<unsigned char>(node.text[i]) & 0xC0) != 0x80) ++place.column;
  }
  return place;
}

}  // namespace

std::optional<Expression> Resolver::Compile(const YamlNode& node, const Source& source,
                                            const SourceNotes& notes, Expression::Use use) {
  std::vector<ExpressionColumn> scope;
  for (uint32_t i = 0; i < source.named_fields; ++i) {
    scope.push_back({"", source.fields[i].name, source.fields[i].type});
  }
  // It may be about a field that has a mistake of its own: that one was reported.
  const bool another = std::any_of(
      notes.bad_fields.begin(), notes.bad_fields.end(),
      [&](const std::string& field) { return node.text.find(field) != std::string::npos; });
  return CompileSql(node, scope, use, !another && notes.fields_known);
}

std::optional<Expression> Resolver::CompileSql(const YamlNode& node,
                                               std::span<const ExpressionColumn> scope,
                                               Expression::Use use, bool tell) {
  auto compiled = Expression::Compile(node.text, scope, use);
  if (auto* expression = std::get_if<Expression>(&compiled)) return std::move(*expression);
  const auto& error = std::get<ExpressionError>(compiled);
  if (!tell) return std::nullopt;
  std::string text = error.message;
  if (!node.quoted) {
    text += "; write SQL in double quotes, since YAML ends unquoted text at , { } : and #";
  }
  Error(PlaceIn(node, error.offset), std::move(text));
  return std::nullopt;
}

void Resolver::ResolveDerive(const YamlNode& object, Source& source, SourceNotes& notes) {
  const YamlNode* derive = Sound(object, "derive");
  if (derive == nullptr || derive->kind != YamlNode::Kind::kMap) return;
  for (const YamlEntry& entry : derive->entries) {
    if (source.FieldIndex(entry.key)) {
      Error(entry.key_place,
            fmt::format("source {} has a field {} already; derive it under another name",
                        source.name, entry.key));
      continue;
    }
    auto expression = entry.value.bad
                          ? std::nullopt
                          : Compile(entry.value, source, notes, Expression::Use::kValue);
    if (!expression) {
      notes.bad_fields.insert(entry.key);
      continue;
    }
    source.fields.push_back(
        {.name = entry.key, .type = expression->type(), .expression = expression->normalized()});
    source.named_fields = static_cast<uint32_t>(source.fields.size());
    notes.expressions.push_back(*std::move(expression));
  }
}

std::optional<uint32_t> Resolver::ResolveWhere(const YamlNode& object, Source& source,
                                               SourceNotes& notes, bool& sound) {
  const YamlEntry* entry = object.FindEntry("where");
  if (entry == nullptr) return std::nullopt;
  auto expression = entry->value.bad
                        ? std::nullopt
                        : Compile(entry->value, source, notes, Expression::Use::kCondition);
  if (!expression) {
    sound = false;
    return std::nullopt;
  }
  for (uint32_t i = source.named_fields; i < source.fields.size(); ++i) {
    if (source.fields[i].expression == expression->normalized()) return i;
  }
  source.fields.push_back({.name = "where " + expression->normalized(),
                           .type = Type::kBool,
                           .expression = expression->normalized()});
  notes.expressions.push_back(*std::move(expression));
  return static_cast<uint32_t>(source.fields.size() - 1);
}

}  // namespace freshet
