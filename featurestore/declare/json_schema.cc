// The JSON Schema of the language, from the parser's own table.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "featurestore/declare/language.h"
#include "featurestore/declare/project.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

// A value that an environment variable or a file fills in; what it comes to, the parser checks.
constexpr const char* kVariable = R"(\$\{)";
constexpr const char* kNamePattern = "^[a-z][a-z0-9_]{0,99}$";
constexpr const char* kDurationPattern = "^[0-9]+(us|ms|s|m|h|d)$";
constexpr const char* kSizePattern = "^[0-9]+(B|KiB|MiB|GiB|TiB)$";

Json Pattern(const std::string& pattern) {
  return {{"type", "string"}, {"pattern", fmt::format("{}|{}", pattern, kVariable)}};
}

class SchemaWriter {
 public:
  // Nothing is required at the top: an included file has no `project`.
  Json Root(const Object& root, std::string_view title) {
    Json schema;
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
    schema["title"] = title;
    Json object = ObjectSchema(root);
    object.erase("required");
    schema.update(object);
    schema["$defs"] = std::move(definitions_);
    return schema;
  }

 private:
  static void AddForm(const Shape& shape, Json& any) {
    switch (shape.form) {
      case Form::kNone:
        break;
      case Form::kText:
      case Form::kReference:
      case Form::kPath:
      case Form::kDefault:
      case Form::kSql:
        any.push_back({{"type", Json::array({"string", "number", "boolean"})}});
        break;
      case Form::kAnything:
        any.push_back(Json::object());
        break;
      case Form::kName:
        any.push_back(Pattern(kNamePattern));
        break;
      case Form::kType:
        any.push_back(Pattern(
            R"(^list<(bool|int64|double|float|string|bytes|timestamp)>$|^list<float>\[[1-9][0-9]*\]$)"));
        [[fallthrough]];
      case Form::kWord:
        any.push_back(Json{{"type", "string"}, {"pattern", kVariable}});
        break;
      case Form::kBool:
        any.push_back({{"type", "boolean"}});
        any.push_back(Json{{"type", "string"}, {"pattern", kVariable}});
        break;
      case Form::kInteger:
        any.push_back({{"type", "integer"}, {"minimum", shape.least}, {"maximum", shape.most}});
        any.push_back(Json{{"type", "string"}, {"pattern", kVariable}});
        break;
      case Form::kReal:
        any.push_back({{"type", "number"}});
        any.push_back(Json{{"type", "string"}, {"pattern", kVariable}});
        break;
      case Form::kDuration:
      case Form::kPositiveDuration:
        any.push_back(Pattern(kDurationPattern));
        break;
      case Form::kSize:
        any.push_back(Pattern(kSizePattern));
        break;
      case Form::kMemory:
        any.push_back(Pattern(std::string(kSizePattern) + "|^[0-9.]+%$"));
        break;
      case Form::kAddress:
        any.push_back(Pattern("^.+:[0-9]+$"));
        break;
      case Form::kBrokers:
        any.push_back(Pattern("^[^,]+:[0-9]+(,[^,]+:[0-9]+)*$"));
        break;
      case Form::kTopic:
        any.push_back(Pattern("^[A-Za-z0-9._-]{1,249}$"));
        break;
    }
  }

  Json ShapeSchema(const Shape& shape) {
    Json any = Json::array();
    Json words = Json::array();
    for (const Word& word : shape.words) {
      if (word.supported) words.push_back(word.name);
    }
    if (!words.empty()) any.push_back({{"enum", std::move(words)}});
    AddForm(shape, any);
    if (shape.list != nullptr)
      any.push_back({{"type", "array"}, {"items", ShapeSchema(*shape.list)}});
    if (shape.object != nullptr && !shape.object->later) any.push_back(Reference(*shape.object));
    if (shape.map != nullptr) {
      Json map = {{"type", "object"}, {"additionalProperties", ShapeSchema(*shape.map)}};
      if (!shape.names_are_free) map["propertyNames"] = {{"pattern", kNamePattern}};
      any.push_back(std::move(map));
    }
    if (any.size() == 1) return any[0];
    return {{"anyOf", std::move(any)}};
  }

  // Each object once, under its title.
  Json Reference(const Object& object) {
    std::string name(object.title);
    for (char& c : name) {
      if (c == ' ') c = '_';
    }
    if (!definitions_.contains(name)) {
      definitions_[name] = Json::object();
      definitions_[name] = ObjectSchema(object);
    }
    return {{"$ref", "#/$defs/" + name}};
  }

  Json ObjectSchema(const Object& object) {
    Json properties = Json::object();
    Json required = Json::array();
    for (const Key& key : object.keys) {
      if (key.shape == nullptr) continue;  // planned; the parser refuses it
      Json property = ShapeSchema(*key.shape);
      property["description"] = key.doc;
      properties[std::string(key.name)] = std::move(property);
      if (key.required) required.push_back(key.name);
    }
    Json schema = {
        {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
    if (!required.empty()) schema["required"] = std::move(required);
    return schema;
  }

  Json definitions_ = Json::object();
};

}  // namespace

std::string JsonSchemaOf(const Object& root, std::string_view title) {
  return SchemaWriter().Root(root, title).dump(2) + "\n";
}

std::string DeclarationJsonSchema() {
  return JsonSchemaOf(LanguageRoot(), "Freshet: a project, or a file that it includes");
}

}  // namespace freshet
