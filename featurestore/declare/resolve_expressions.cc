// `derive` and `where`: SQL over a source's fields becomes fields of the source, so that each distinct expression of an event is
// evaluated once, whichever views ask for it.
#include <fmt/format.h>

#include <algorithm>

#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_place.h"

namespace freshet {
namespace {

// SQL may stand in several lines of YAML.
std::string OneLine(std::string sql) {
  std::replace(sql.begin(), sql.end(), '\n', ' ');
  sql.erase(sql.find_last_not_of(' ') + 1);
  return sql;
}

}  // namespace

void SqlScope::Add(ExpressionColumn column) {
  names.push_back(column.qualifier.empty() ? column.name : column.qualifier + "." + column.name);
  // `sent_24h` is near to what stands behind a role, too.
  if (!column.qualifier.empty()) names.push_back(column.name);
  columns.push_back(std::move(column));
}

std::optional<Expression> Resolver::Compile(const YamlNode& node, const Source& source,
                                            SourceNotes& notes, Expression::Use use) {
  for (auto i = static_cast<uint32_t>(notes.scope.columns.size()); i < source.named_fields; ++i) {
    notes.scope.Add({"", source.fields[i].name, source.fields[i].type});
  }
  return CompileSql(node, notes.scope, use, [&](const std::string& column) {
    return !notes.fields_known || notes.bad_fields.contains(column);
  });
}

std::optional<Expression> Resolver::CompileSql(
    const YamlNode& node, const SqlScope& scope, Expression::Use use,
    const std::function<bool(const std::string&)>& may_be_there) {
  auto compiled = Expression::Compile(node.text, scope.columns, use);
  if (auto* expression = std::get_if<Expression>(&compiled)) return std::move(*expression);
  const auto& error = std::get<ExpressionError>(compiled);
  if (!error.unknown_column.empty() && may_be_there(error.unknown_column)) return std::nullopt;
  std::string text = error.message;
  if (!error.unknown_column.empty() && text.ends_with(error.unknown_column)) {  // no remedy yet
    text += diagnostics_.Suggest(error.unknown_column, scope.names);
  }
  if (!node.quoted) {
    text += "; write SQL in double quotes, since YAML ends unquoted text at , { } : and #";
  }
  Error(PlaceInScalar(node, error.offset), std::move(text));
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
    source.fields.push_back({.name = entry.key,
                             .type = expression->type(),
                             .expression = expression->normalized(),
                             .written = OneLine(entry.value.text)});
    source.named_fields = static_cast<uint32_t>(source.fields.size());
    notes.expressions.push_back(*std::move(expression));
  }
}

std::optional<uint32_t> Resolver::ResolveWhere(const YamlNode& object, Source* source,
                                               SourceNotes* notes, bool& sound) {
  const YamlEntry* entry = object.FindEntry("where");
  if (entry == nullptr) return std::nullopt;
  std::optional<Expression> expression;
  if (!entry->value.bad && source == nullptr) {
    CompileSql(entry->value, {}, Expression::Use::kCondition,
               [](const std::string&) { return true; });
  } else if (!entry->value.bad) {
    expression = Compile(entry->value, *source, *notes, Expression::Use::kCondition);
  }
  if (!expression) {
    sound = false;
    return std::nullopt;
  }
  for (uint32_t i = source->named_fields; i < source->fields.size(); ++i) {
    if (source->fields[i].expression == expression->normalized()) return i;
  }
  source->fields.push_back({.name = "where " + expression->normalized(),
                            .type = Type::kBool,
                            .expression = expression->normalized(),
                            .written = OneLine(entry->value.text)});
  notes->expressions.push_back(*std::move(expression));
  return static_cast<uint32_t>(source->fields.size() - 1);
}

}  // namespace freshet
