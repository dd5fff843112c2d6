// The declaration language as one table: every object's keys, what may stand behind each, and what is planned but
// not supported yet. The parser's checks, its suggestions and the JSON Schema all come from here.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace freshet {

// What a scalar must look like.
enum class Form : uint8_t {
  kNone,       // no scalar may stand here
  kText,       // anything
  kName,       // [a-z][a-z0-9_]*
  kReference,  // the name of something declared, checked where it is resolved
  kWord,       // one of `words`
  kBool,
  kInteger,   // within [least, most]
  kReal,      // finite; bounds are checked where it is resolved
  kDuration,  // 500ms 10s 5m 1h 7d
  kPositiveDuration,
  kSize,     // 64KiB, within [least, most] bytes
  kMemory,   // kSize, or 70%
  kAddress,  // host:port; port 0 takes a free one
  kBrokers,  // embedded, or host:port,host:port
  kTopic,
  kPath,  // merchant.id, $key, $key.id, $headers.tenant
  kType,
  kSql,
  kDefault,   // a value of the feature's type, checked there
  kAnything,  // a scalar, a list, a map or nothing: checked where it is used
};

struct Word {
  std::string_view name;
  bool supported = true;
};

struct Object;

// What may stand behind a key: a scalar, a list or a map, each with a rule of its own.
struct Shape {
  Form form = Form::kNone;
  std::span<const Word> words = {};  // allowed besides the form (kWord: the only ones)
  int64_t least = 0;
  int64_t most = 0;
  const Shape* list = nullptr;       // of each element
  const Object* object = nullptr;    // a map with these keys
  const Shape* map = nullptr;        // a map from names to this
  bool names_are_free = false;       // of `map`: any text may be a key, not only names
  std::string_view list_later = {};  // not empty: a list is planned, under this title
  std::string_view like = {};        // an example, for messages
};

struct Key {
  std::string_view name;
  std::string_view doc;          // one line, for editors
  const Shape* shape = nullptr;  // none: not supported yet
  bool required = false;
};

struct Object {
  std::string_view title;  // "a source"
  std::span<const Key> keys;
  bool later = false;  // the whole map is planned, not supported yet
  bool for_word =
      false;  // stands where mostly a word does: { view: feature } surely meant "view:feature"
  const Key* Find(std::string_view name) const;
};

// freshet.yaml: everything. Included files hold only the keys of which IsDataKey is true.
const Object& LanguageRoot();
bool IsDataKey(std::string_view top_level_key);

// JSON Schema (draft 2020-12) of a file whose top is `root`.
std::string JsonSchemaOf(const Object& root, std::string_view title);

}  // namespace freshet
