#include "featurestore/declare/check.h"

#include <fmt/format.h>

#include <vector>

#include "featurestore/declare/scalar_forms.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

class Checker {
 public:
  explicit Checker(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void CheckKeys(YamlNode& node, const Object& object, const Place& owner) {
    for (YamlEntry& entry : node.entries) CheckEntry(node, entry, object);
    // { user_views: life } was told what to write instead.
    if (object.for_word && node.entries.size() == 1 &&
        object.Find(node.entries[0].key) == nullptr) {
      return;
    }
    bool has_later = false;
    for (const YamlEntry& entry : node.entries) {
      const Key* key = object.Find(entry.key);
      has_later |= key == nullptr || key->shape == nullptr;
    }
    for (const Key& key : object.keys) {
      if (!key.required || node.FindEntry(key.name) != nullptr) continue;
      // An unknown key may be this one misspelt, a later one may stand in its place: said once is enough.
      if (has_later && MayStandFor(node, object, key)) continue;
      diagnostics_.Error(owner, fmt::format("{} needs {}: {}", object.title, key.name, key.doc));
    }
  }

 private:
  bool MayStandFor(const YamlNode& node, const Object& object, const Key& missing) {
    const std::vector<std::string> only = {std::string(missing.name)};
    for (const YamlEntry& entry : node.entries) {
      if (object.Find(entry.key) != nullptr) continue;
      if (diagnostics_.Suggest(entry.key, only).find("did you mean") != std::string::npos)
        return true;
    }
    return false;
  }

  void CheckEntry(const YamlNode& parent, YamlEntry& entry, const Object& object) {
    const Key* key = object.Find(entry.key);
    if (key == nullptr) {
      entry.value.bad = true;
      Error(entry.key_place, UnknownKey(parent, entry, object));
      return;
    }
    if (key->shape == nullptr) {
      entry.value.bad = true;
      Error(entry.key_place, fmt::format("`{}` is not supported yet; remove it", key->name));
      return;
    }
    CheckValue(entry.value, *key->shape, key->name, entry.key_place);
  }

  std::string UnknownKey(const YamlNode& parent, const YamlEntry& entry, const Object& object) {
    std::vector<std::string> valid;
    for (const Key& key : object.keys) {
      if (key.shape != nullptr) valid.emplace_back(key.name);
    }
    // { brokers: a:9092,b:9092 }: YAML cuts at the comma.
    if (object.title == "kafka" && entry.value.kind == YamlNode::Kind::kNull &&
        entry.key.find(':') != std::string::npos) {
      return fmt::format(
          "unknown key {}; put a list of brokers in double quotes: \"host:port,host:port\"",
          entry.key);
    }
    if (object.for_word && parent.entries.size() == 1 && !entry.value.secret &&
        entry.value.kind == YamlNode::Kind::kScalar) {
      return fmt::format("{}: {} is a map; write one word: \"{}:{}\"", entry.key, entry.value.text,
                         entry.key, entry.value.text);
    }
    return fmt::format("unknown key {}{}", entry.key, diagnostics_.Suggest(entry.key, valid));
  }

  void CheckValue(YamlNode& node, const Shape& shape, std::string_view what, const Place& owner) {
    if (node.bad || shape.form == Form::kAnything) return;
    switch (node.kind) {
      case YamlNode::Kind::kNull:
        Bad(node, fmt::format("{} has no value; {}", what, Wanted(shape)));
        return;
      case YamlNode::Kind::kScalar:
        CheckScalar(node, shape, what);
        return;
      case YamlNode::Kind::kList:
        if (shape.list == nullptr) {
          Bad(node, shape.list_later.empty() ? fmt::format("{} is a list; {}", what, Wanted(shape))
                                             : fmt::format("`{}` is not supported yet; {}",
                                                           shape.list_later, Wanted(shape)));
          return;
        }
        for (YamlNode& item : node.items) CheckValue(item, *shape.list, ItemName(what), item.place);
        return;
      case YamlNode::Kind::kMap:
        if (shape.object != nullptr) {
          if (shape.object->later && IsPlanned(node, *shape.object)) {
            Bad(node, fmt::format("{} is not supported yet; name views and \"view:feature\"",
                                  shape.object->title));
            return;
          }
          CheckKeys(node, *shape.object, owner);
        } else if (shape.map != nullptr) {
          for (YamlEntry& entry : node.entries) CheckNamed(entry, shape);
        } else {
          Bad(node, fmt::format("{} is a map; {}", what, Wanted(shape)));
        }
        return;
    }
  }

  static bool IsPlanned(const YamlNode& node, const Object& object) {
    for (const YamlEntry& entry : node.entries) {
      if (object.Find(entry.key) != nullptr) return true;
    }
    return false;
  }

  void CheckNamed(YamlEntry& entry, const Shape& shape) {
    if (!shape.names_are_free && !IsName(entry.key)) {
      std::string text = fmt::format("{} cannot be a name: a name {}", entry.key, kNameRule);
      if (shape.map->form == Form::kType && shape.map->object != nullptr) {
        text += fmt::format("; write name: {{ type: …, path: {} }}", entry.key);
      }
      Error(entry.key_place, std::move(text));
    }
    CheckValue(entry.value, *shape.map, entry.key, entry.key_place);
  }

  void CheckScalar(YamlNode& node, const Shape& shape, std::string_view what) {
    for (const Word& word : shape.words) {
      if (node.text != word.name) continue;
      if (!word.supported) {
        Bad(node, fmt::format("`{}: {}` is not supported yet; {}", what, word.name, Wanted(shape)));
      }
      return;
    }
    std::string wrong;
    switch (shape.form) {
      case Form::kNone:
        wrong = fmt::format("{} is {}; {}", what, node.Shown(), Wanted(shape));
        break;
      case Form::kText:
      case Form::kDefault:
      case Form::kAnything:
        break;
      case Form::kSql:
        if (node.secret) wrong = fmt::format("{} is SQL, which cannot come from ${{file:…}}", what);
        break;
      case Form::kName:
        if (!IsName(node.text))
          wrong = fmt::format("{} {} is not a name: a name {}", what, node.Shown(), kNameRule);
        break;
      case Form::kReference:
        // Names are printed everywhere; what comes from a file is taken for a secret.
        if (node.secret)
          wrong = fmt::format(
              "{} names something, which cannot come from ${{file:…}}; write the name", what);
        if (node.text.empty()) wrong = fmt::format("{} is empty", what);
        break;
      case Form::kWord:
        wrong = fmt::format("unknown {} {}{}", what, node.Shown(), SuggestWord(node, shape));
        break;
      case Form::kType:
        wrong = TypeMistake(node, shape);
        break;
      case Form::kBool:
        if (node.text != "true" && node.text != "false") {
          wrong = fmt::format("{} is {}; write true or false", what, node.Shown());
        }
        break;
      case Form::kInteger:
        wrong = IntegerMistake(node, shape, what);
        break;
      case Form::kReal:
        if (!ReadReal(node.text)) {
          wrong =
              fmt::format("{} is {}; write a number such as {}", what, node.Shown(), shape.like);
        }
        break;
      case Form::kDuration:
      case Form::kPositiveDuration:
        wrong = DurationMistake(node, shape, what);
        break;
      case Form::kMemory:
        if (ReadPercent(node.text)) return;
        if (node.text.find('%') != std::string::npos) {
          wrong = fmt::format("{} {} is not a share; write 1% to 100%", what, node.Shown());
          break;
        }
        [[fallthrough]];
      case Form::kSize:
        wrong = SizeMistake(node, shape, what);
        break;
      case Form::kAddress:
        wrong = Mistake(node, what, ReadHostPort(node.text, 0).status());
        break;
      case Form::kBrokers:
        wrong =
            node.text.empty()
                ? fmt::format("{} is empty; write embedded, or host:port,host:port", what)
                : Mistake(node, what, ReadBrokers(node.text).status()) + SuggestBroker(node, shape);
        if (ReadBrokers(node.text).ok()) wrong.clear();
        break;
      case Form::kTopic:
        wrong = Mistake(node, what, CheckTopic(node.text));
        break;
      case Form::kPath:
        wrong = Mistake(node, what, ReadPath(node.text).status());
        break;
    }
    if (!wrong.empty()) Bad(node, std::move(wrong));
  }

  static std::string Mistake(const YamlNode& node, std::string_view what, const Status& status) {
    if (status.ok()) return {};
    return fmt::format("{} {} {}", what, node.Shown(),
                       node.secret ? "is not valid" : MessageOf(status));
  }

  // Of what is none of the words: lists and vectors are fine.
  std::string TypeMistake(const YamlNode& node, const Shape& shape) {
    const auto type = ParseTypeText(node.text);
    if (type && (IsList(type->type) || type->type == kFloatVector)) return {};
    if (node.secret || !node.text.starts_with("list<")) {
      if (!node.secret && node.text.starts_with("map<")) {
        return fmt::format("`map` is not supported yet; {}", Wanted(shape));
      }
      return fmt::format("unknown type {}{}", node.Shown(), SuggestWord(node, shape));
    }
    if (node.text.find('[') != std::string::npos) {
      return fmt::format(
          "unknown type {}; a list of fixed length is a list<float>[N], N being 1 to {}",
          node.Shown(), kMaxVectorSize);
    }
    std::vector<std::string> lists;
    for (const Word& word : shape.words) {
      if (word.supported) lists.push_back(fmt::format("list<{}>", word.name));
    }
    return fmt::format("unknown type {}{}", node.Shown(), diagnostics_.Suggest(node.text, lists));
  }

  static std::string IntegerMistake(const YamlNode& node, const Shape& shape,
                                    std::string_view what) {
    const auto value = ReadInteger(node.text);
    if (!value.ok()) return Mistake(node, what, value.status());
    if (*value >= shape.least && *value <= shape.most) return {};
    return fmt::format("{} is {}; it may be {} to {}", what, node.Shown(), shape.least, shape.most);
  }

  std::string DurationMistake(const YamlNode& node, const Shape& shape, std::string_view what) {
    const auto duration = ReadDuration(node.text, shape.like);
    if (duration.ok()) {
      if (shape.form == Form::kDuration || duration->us > 0) return {};
      return fmt::format("{} is {}; it must be more than that, such as {}", what, node.Shown(),
                         shape.like);
    }
    std::vector<std::string> words;
    for (const Word& word : shape.words) {
      if (word.supported) words.emplace_back(word.name);
    }
    std::string suggestion = words.empty() ? "" : diagnostics_.Suggest(node.text, words);
    if (suggestion.find("did you mean") != std::string::npos) {
      return fmt::format("unknown {} {}{}", what, node.Shown(), suggestion);
    }
    return Mistake(node, what, duration.status());
  }

  static std::string SizeMistake(const YamlNode& node, const Shape& shape, std::string_view what) {
    const auto size = ReadSize(node.text);
    if (!size.ok()) return Mistake(node, what, size.status());
    if (*size < static_cast<uint64_t>(shape.least)) {
      return fmt::format("{} is {}; it needs at least {}", what, node.Shown(),
                         FormatSize(static_cast<uint64_t>(shape.least)));
    }
    if (*size > static_cast<uint64_t>(shape.most)) {
      return fmt::format("{} is {}; at most {} will do", what, node.Shown(),
                         FormatSize(static_cast<uint64_t>(shape.most)));
    }
    return {};
  }

  std::string SuggestWord(const YamlNode& node, const Shape& shape) {
    std::vector<std::string> valid;
    for (const Word& word : shape.words) {
      if (word.supported) valid.emplace_back(word.name);
    }
    return node.secret ? "" : diagnostics_.Suggest(node.text, valid);
  }

  // "embeded" is not an address either; what was meant says more.
  std::string SuggestBroker(const YamlNode& node, const Shape& shape) {
    const std::string text = SuggestWord(node, shape);
    return text.find("did you mean") != std::string::npos ? text : "";
  }

  static std::string ItemName(std::string_view list) {
    if (list == "windows") return "window";
    if (list == "features") return "feature";
    return std::string(list);
  }

  static std::string Wanted(const Shape& shape) {
    std::string words;
    for (const Word& word : shape.words) {
      if (word.supported) words += fmt::format("{}{}", words.empty() ? "" : ", ", word.name);
    }
    std::string text;
    const auto add = [&](std::string_view more) {
      if (!text.empty()) text += " or ";
      text += more;
    };
    if (!words.empty()) add("one of " + words);
    if (!shape.like.empty())
      add(fmt::format("a value such as {}", shape.like));
    else if (shape.form != Form::kNone && shape.form != Form::kWord && shape.form != Form::kType)
      add("one value");
    if (shape.list != nullptr) {
      add(shape.list->like.empty() ? "a list"
                                   : fmt::format("a list such as [{}]", shape.list->like));
    }
    if (shape.object != nullptr && !shape.object->later) add("a map");
    if (shape.map != nullptr) add("a map of names");
    return "write " + text;
  }

  void Bad(YamlNode& node, std::string text) {
    node.bad = true;
    Error(node.place, std::move(text));
  }
  void Error(const Place& place, std::string text) { diagnostics_.Error(place, std::move(text)); }

  Diagnostics& diagnostics_;
};

}  // namespace

void CheckObject(YamlNode& node, const Object& object, const Place& owner,
                 Diagnostics& diagnostics) {
  Checker(diagnostics).CheckKeys(node, object, owner);
}

}  // namespace freshet
