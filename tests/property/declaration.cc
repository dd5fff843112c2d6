#include "tests/property/declaration.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "featurestore/aggregate/catalog.h"
#include "featurestore/declare/project.h"
#include "featurestore/model/packed.h"
#include "featurestore/oracle/oracle.h"
#include "tests/property/arguments.h"

namespace freshet::property {
namespace {

constexpr std::array<std::string_view, kShapes> kShapeNames = {
    "sliding", "exact",   "tumbling", "completed", "calendar", "cal. compl.",
    "hopping", "session", "ended",    "rows",      "lifetime"};

constexpr std::string_view kFields =
    "{ card: string, n: int64, k: int64, x: double, y: float, s: string, z: bytes, b: bool, "
    "t: timestamp }";
const std::vector<std::string>& FieldNames() {
  static const auto& names = *new std::vector<std::string>{"n", "k", "x", "y", "s", "z", "b", "t"};
  return names;
}

// Zones with clocks that change at midnight, by half an hour, or not at all; with quarters of an hour; on both sides.
const std::vector<std::string>& Zones() {
  static const auto& zones = *new std::vector<std::string>{
      "UTC",         "Europe/Berlin",  "America/New_York", "America/Sao_Paulo",   "Asia/Kolkata",
      "Asia/Beirut", "Asia/Kathmandu", "Pacific/Chatham",  "Australia/Lord_Howe", "Africa/Cairo"};
  return zones;
}

// A project folder of this process.
class Folder {
 public:
  Folder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "freshet_property_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Project Load(const std::string& text) const {
    std::ofstream(path_ / "freshet.yaml") << text;
    LoadOptions options;
    options.getenv = [](const std::string&) { return std::optional<std::string>(); };
    return LoadProject(path_, options);
  }

 private:
  std::filesystem::path path_;
};

Project Load(const std::string& text) {
  static const Folder folder;
  return folder.Load(text);
}

std::string Millis(int64_t n) { return fmt::format("{}ms", n); }

// Of a view: lines of its features last, one a line.
std::string ProjectText(const std::string& of_source, const std::string& of_view,
                        const std::vector<std::string>& lines) {
  std::string text = fmt::format(
      "project: property\nkafka: {{ brokers: embedded }}\nsources:\n  payments: {{ topic: "
      "payments, "
      "timestamp: kafka{}, fields: {} }}\nentities:\n  card: {{ keys: {{ card: string }} }}\n"
      "feature_views:\n  cards:\n    source: payments\n    entity: card\n{}    features:\n",
      of_source, kFields, of_view);
  for (const std::string& line : lines) text += "      " + line + "\n";
  return text;
}

std::string FeatureText(const std::string& aggregate, const std::string& of,
                        const std::string& arguments, const std::string& window) {
  return fmt::format("{{ aggregate: {}{}{}, windows: [{}] }}",
                     aggregate.substr(0, aggregate.find(' ')), of.empty() ? "" : ", of: " + of,
                     arguments, window);
}

// Any window of that shape.
std::string ExampleOf(Shape shape) {
  switch (shape) {
    case Shape::kSliding:
      return "{ sliding: 1h, hop: 1m }";
    case Shape::kExact:
      return "{ sliding: 1h, exact: true, max_events: 500 }";
    case Shape::kTumbling:
      return "{ tumbling: 1d }";
    case Shape::kCompleted:
      return "{ tumbling: 1d, report: completed }";
    case Shape::kCalendar:
      return "{ tumbling: day, timezone: Europe/Berlin }";
    case Shape::kCalendarCompleted:
      return "{ tumbling: day, timezone: Europe/Berlin, report: completed }";
    case Shape::kHopping:
      return "{ hopping: 1h, hop: 10m }";
    case Shape::kSession:
      return "{ session: 30m }";
    case Shape::kEnded:
      return "{ session: 30m, report: ended }";
    case Shape::kRows:
      return "{ rows: 100 }";
    case Shape::kLifetime:
      return "lifetime";
  }
  return "";
}

std::vector<CellKind> AskForLegalCells(std::vector<std::string>& left_out) {
  std::vector<CellKind> cells;
  std::vector<std::string> forms;
  for (const Aggregation& aggregation : AllAggregations()) {
    const std::string name(aggregation.name);
    if (!oracle::Answers(name)) {
      left_out.push_back(name);
      continue;
    }
    forms.push_back(name);
    if ((aggregation.takes & kArgumentBy) != 0) forms.push_back(name + " by");
    if ((aggregation.takes & kArgumentCounts) != 0) forms.push_back(name + " counts");
    if ((aggregation.takes & kArgumentBounds) != 0) forms.push_back(name + " bounds");
  }
  for (const std::string& name : forms) {
    std::vector<std::string> fields = FieldNames();
    fields.insert(fields.begin(), "");
    std::array<CellKind, kShapes> by_shape;
    for (const std::string& of : fields) {
      std::vector<std::string> lines;
      for (int shape = 0; shape < kShapes; ++shape) {
        lines.push_back(fmt::format(
            "f{}: {}", shape,
            FeatureText(name, of, ArgumentsOf(name, nullptr), ExampleOf(Shape{shape}))));
      }
      const Project project = Load(ProjectText("", "    ttl: 60d\n", lines));
      constexpr int kLinesBefore = 12;
      std::array<bool, kShapes> refused{};
      for (const Diagnostic& error : project.errors) {
        const int shape = error.line - kLinesBefore - 1;
        if (shape < 0 || shape >= kShapes) throw std::runtime_error(ToString(error));
        refused[static_cast<size_t>(shape)] = true;
      }
      for (size_t shape = 0; shape < kShapes; ++shape) {
        if (!refused[shape]) by_shape[shape].of.push_back(of);
      }
    }
    for (size_t shape = 0; shape < kShapes; ++shape) {
      if (by_shape[shape].of.empty()) continue;
      by_shape[shape].aggregate = name;
      by_shape[shape].shape = static_cast<Shape>(shape);
      cells.push_back(by_shape[shape]);
    }
  }
  return cells;
}

// Lengths of one view, in milliseconds: windows of like lengths and hops that divide each other share rings and
// chains.
struct Lengths {
  int64_t scale;  // what windows are about as long as
  int64_t hop;    // what hops are multiples of
  bool calendar;
};

// A hop, and a window of whole hops.
std::pair<int64_t, int64_t> HopAndLength(Random& random, const Lengths& lengths) {
  int64_t hop = lengths.hop * random.OneOf<int64_t>({1, 2, 3, 4, 6, 7, 12, 24});
  hop = std::min(hop, 2 * lengths.scale);
  int64_t panes = random.Between(std::max<int64_t>(1, lengths.scale / 3 / hop),
                                 std::max<int64_t>(1, 2 * lengths.scale / hop));
  if (random.Chance(0.1)) panes = random.Between(1, 200);
  return {hop, hop * panes};
}

std::string RandomWindow(Random& random, const Lengths& lengths, Shape shape,
                         const std::string& name) {
  auto [hop, length] = HopAndLength(random, lengths);
  const bool shifted = random.Chance(0.3);
  const auto offset = [&](int64_t below) {
    if (!shifted || below < 2) return std::string();
    // Equal offsets make rings share a chain.
    const int64_t half = std::max<int64_t>(1, lengths.hop / 2);
    const int64_t by = random.Chance(0.3) ? half : random.Between(1, below - 1);
    return fmt::format(", offset: {}, as: {}_shifted", Millis(std::min(by, below - 1)), name);
  };
  switch (shape) {
    case Shape::kSliding:
      // A window need not be a whole number of hops, and may leave its hop to the default.
      if (random.Chance(0.3)) length += random.Between(0, hop - 1);
      if (length >= 1000 && random.Chance(0.15)) return Millis(length);
      return fmt::format("{{ sliding: {}, hop: {}{} }}", Millis(length), Millis(hop), offset(hop));
    case Shape::kExact:
      return fmt::format("{{ sliding: {}, exact: true, max_events: {} }}",
                         Millis(length + random.Between(0, hop)),
                         random.Chance(0.4) ? random.Between(1, 20) : random.Between(20, 200));
    case Shape::kTumbling:
    case Shape::kCompleted: {
      const std::string report = shape == Shape::kCompleted ? ", report: completed" : "";
      const std::string panes = random.Chance(0.5) ? ", hop: " + Millis(hop) : "";
      return fmt::format("{{ tumbling: {}{}{}{} }}", Millis(length), panes, report, offset(length));
    }
    case Shape::kCalendar:
    case Shape::kCalendarCompleted: {
      const std::string report = shape == Shape::kCalendarCompleted ? ", report: completed" : "";
      const int64_t days = lengths.scale / 86'400'000;
      const std::string unit = random.OneOf<std::string>(
          days < 3    ? std::vector<std::string>{"day"}
          : days < 14 ? std::vector<std::string>{"day", "week", "week"}
                      : std::vector<std::string>{"day", "week", "month", "month"});
      return fmt::format("{{ tumbling: {}, timezone: {}{}{} }}", unit, random.OneOf(Zones()),
                         report, offset(86'400'000));
    }
    case Shape::kHopping:
      return fmt::format("{{ hopping: {}, hop: {}{} }}", Millis(length), Millis(hop), offset(hop));
    case Shape::kSession:
    case Shape::kEnded: {
      const int64_t gap =
          std::max<int64_t>(1, lengths.scale / random.OneOf<int64_t>({1, 2, 5, 10, 20, 50}));
      return fmt::format("{{ session: {}{} }}", Millis(gap),
                         shape == Shape::kEnded ? ", report: ended" : "");
    }
    case Shape::kRows:
      return fmt::format("{{ rows: {} }}", random.OneOf<int>({1, 2, 3, 7, 20, 50, 100}));
    case Shape::kLifetime:
      return "lifetime";
  }
  return "";
}

DefaultValue RandomDefault(Random& random, Type type) {
  if (!IsScalar(type)) return std::string(EmptyPacked(type).as_packed());
  switch (type) {
    case Type::kBool:
      return random.Chance(0.5);
    case Type::kInt64:
      return random.Between(-5, 5);
    case Type::kString:
    case Type::kBytes:
      return std::string("none");
    case Type::kTimestamp:
      return Timestamp{random.Between(0, 1'000'000)};
    default:
      return random.Real(-5, 5);
  }
}

// Now and then producers send twice, by ids that few or most events share.
std::string RandomDedup(Random& random, int64_t within) {
  if (!random.Chance(0.15)) return "";
  const std::string by = random.OneOf<std::string>({"k", "n", "s, n", "t", "z, b"});
  const std::string max_ids = random.OneOf<std::string>({"", ", max_ids: 1", ", max_ids: 5"});
  return fmt::format(", dedup: {{ by: [{}], within: {}{} }}", by, Millis(1 + within), max_ids);
}

// `derive` and `where` of a source, and what they compute.
class Computing {
 public:
  explicit Computing(Random& random) : random_(random) {
    const std::vector<Type> types = {Type::kInt64,  Type::kInt64, Type::kDouble, Type::kFloat,
                                     Type::kString, Type::kBytes, Type::kBool,   Type::kTimestamp};
    for (uint32_t i = 0; i < types.size(); ++i) {
      columns_.push_back({FieldNames()[i], types[i], i + 1});  // behind the card
    }
    for (int64_t derived = random.Chance(0.4) ? random.Between(1, 3) : 0; derived > 0; --derived) {
      const RandomExpression expression = RandomDerivation(random, columns_);
      const std::string name = fmt::format("d{}", derived_.size());
      of_source_ += fmt::format("{}{}: \"{}\"", derived_.empty() ? ", derive: { " : ", ", name,
                                expression.sql);
      columns_.push_back({name, expression.type, static_cast<uint32_t>(columns_.size() + 1)});
      derived_[name] = expression;
    }
    if (!derived_.empty()) of_source_ += " }";
    if (random.Chance(0.12)) of_source_ += Where("source");
    if (random.Chance(0.12)) of_view_ = "    " + Where("view").substr(2) + "\n";
  }

  const std::string& of_source() const { return of_source_; }
  const std::string& of_view() const { return of_view_; }
  // `, where: "…"`, or nothing.
  std::string OfFeature(const std::string& name) {
    return random_.Chance(0.2) ? Where(name) : std::string();
  }
  // Now and then a derived field of the same type, where `of` may stand for any.
  std::string Of(const std::string& of) {
    std::vector<std::string> same;
    for (const Column& column : columns_) {
      if (column.name != of) continue;
      for (const Column& other : columns_) {
        if (other.type == column.type && derived_.count(other.name) > 0) same.push_back(other.name);
      }
    }
    return !same.empty() && random_.Chance(0.4) ? random_.OneOf(same) : of;
  }

  // By index of the fields that declare has made; equal conditions share one.
  std::map<uint32_t, RandomExpression> Bind(const Source& source, const FeatureView& view) const {
    std::map<uint32_t, RandomExpression> all;
    const auto bind = [&](std::optional<uint32_t> field, const RandomExpression& expression) {
      if (!field) throw std::runtime_error("declare has lost: " + expression.sql);
      const auto [bound, is_new] = all.emplace(*field, expression);
      if (!is_new && bound->second.sql != expression.sql) {
        throw std::runtime_error("one field for two: " + expression.sql + "; " + bound->second.sql);
      }
    };
    for (const auto& [name, expression] : derived_) bind(source.FieldIndex(name), expression);
    for (const auto& [of, expression] : wheres_) {
      if (of == "source") bind(source.where, expression);
      if (of == "view") bind(view.where, expression);
      for (const Feature& feature : view.features) {
        if (feature.declared == of) bind(feature.where, expression);
      }
    }
    return all;
  }

 private:
  std::string Where(const std::string& of) {
    const RandomExpression& where = wheres_[of] = RandomCondition(random_, columns_);
    return fmt::format(", where: \"{}\"", where.sql);
  }

  Random& random_;
  std::vector<Column> columns_;
  std::map<std::string, RandomExpression> derived_;
  std::map<std::string, RandomExpression> wheres_;  // by what it is of
  std::string of_source_;
  std::string of_view_;
};

// None: declare refuses it, for the reason given.
std::optional<Declaration> Draw(Random& random, std::string& refusal) {
  constexpr int64_t kDay = 86'400'000;
  const std::vector<CellKind>& cells = LegalCells();
  std::vector<CellKind> chosen;
  const int64_t count = random.Between(1, 6);
  for (int64_t i = 0; i < count; ++i) chosen.push_back(random.OneOf(cells));
  const auto by_calendar = [](const CellKind& cell) {
    return cell.shape == Shape::kCalendar || cell.shape == Shape::kCalendarCompleted;
  };
  Lengths lengths{};
  lengths.calendar = std::any_of(chosen.begin(), chosen.end(), by_calendar);
  if (lengths.calendar) {
    lengths.scale = kDay * random.OneOf<int64_t>({1, 2, 7, 10, 30});
    lengths.hop = std::max<int64_t>(1, lengths.scale / random.OneOf<int64_t>({24, 96}));
  } else {
    lengths.hop = random.OneOf<int64_t>({1, 20, 1000, 7000, 60'000, 3'600'000});
    lengths.scale = lengths.hop * random.Between(4, 48);
  }
  const auto about = [&](double times) {
    return static_cast<int64_t>(static_cast<double>(lengths.scale) * random.Real(0, times));
  };
  Computing computing(random);
  const std::string of_source = fmt::format(", lateness: {}, max_future_skew: {}{}{}",
                                            random.Chance(0.5) ? Millis(about(0.7)) : "10m",
                                            random.Chance(0.6) ? "0ms" : Millis(about(0.5)),
                                            RandomDedup(random, about(1.5)), computing.of_source());
  const std::string of_view = fmt::format(
      "    ttl: {}\n    history: {}\n{}", random.Chance(0.4) ? "never" : Millis(1 + about(4)),
      random.Chance(0.5) ? "0ms" : Millis(about(3)), computing.of_view());
  std::vector<std::string> lines;
  std::map<std::string, std::string> written;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const std::string name = fmt::format("f{}", i);
    const std::string& aggregate = chosen[i].aggregate;
    std::string of = computing.Of(random.OneOf(chosen[i].of));
    // Lists side by side.
    if (FindAggregation(aggregate) != nullptr && FindAggregation(aggregate)->of_list &&
        random.Chance(0.5)) {
      std::string all = of;
      for (const std::string& other : chosen[i].of) {
        if (other != of && random.Chance(0.25)) all += ", " + other;
      }
      of = "[" + all + "]";
    }
    const std::string line =
        FeatureText(aggregate, of, ArgumentsOf(aggregate, &random) + computing.OfFeature(name),
                    RandomWindow(random, lengths, chosen[i].shape, name));
    lines.push_back(name + ": " + line);
    written[name] = line;
  }
  const std::string text = ProjectText(of_source, of_view, lines);
  const Project project = Load(text);
  if (!project.errors.empty()) {
    refusal = ToString(project.errors[0]) + "\n" + text;
    return std::nullopt;
  }
  Declaration declaration;
  declaration.source = project.catalog->sources[0];
  declaration.entity = project.catalog->entities[0];
  declaration.view = project.catalog->views[0];
  declaration.written = std::move(written);
  declaration.text = text;
  declaration.derived = project.catalog->derived[0];
  declaration.computed = std::make_shared<const std::map<uint32_t, RandomExpression>>(
      computing.Bind(declaration.source, declaration.view));
  declaration.scale = Duration::Millis(lengths.scale);
  for (Feature& feature : declaration.view.features) {
    if (random.Chance(0.15)) feature.default_value = RandomDefault(random, feature.type);
  }
  return declaration;
}

}  // namespace

std::string FormName(const Feature& feature) {
  if (feature.arguments.by) return feature.aggregate + " by";
  if (feature.arguments.counts) return feature.aggregate + " counts";
  if (!feature.arguments.bounds.empty()) return feature.aggregate + " bounds";
  return feature.aggregate;
}

std::string_view ShapeName(Shape shape) { return kShapeNames[static_cast<size_t>(shape)]; }

Shape ShapeOf(const Window& window) {
  switch (window.kind) {
    case WindowKind::kSliding:
      return Shape::kSliding;
    case WindowKind::kExact:
      return Shape::kExact;
    case WindowKind::kTumbling:
      if (window.calendar != CalendarUnit::kNone) {
        return window.completed ? Shape::kCalendarCompleted : Shape::kCalendar;
      }
      return window.completed ? Shape::kCompleted : Shape::kTumbling;
    case WindowKind::kHopping:
      return Shape::kHopping;
    case WindowKind::kSession:
      return window.completed ? Shape::kEnded : Shape::kSession;
    case WindowKind::kRows:
      return Shape::kRows;
    case WindowKind::kLifetime:
      return Shape::kLifetime;
  }
  return Shape::kLifetime;
}

const std::vector<CellKind>& LegalCells(std::vector<std::string>* left_out) {
  static auto& names = *new std::vector<std::string>();
  static const auto& cells = *new std::vector<CellKind>(AskForLegalCells(names));
  if (left_out != nullptr) *left_out = names;
  return cells;
}

Declaration RandomDeclaration(uint64_t seed) {
  Random random(seed);
  int refused = 0;
  std::string refusal;
  while (true) {
    if (auto declaration = Draw(random, refusal)) {
      declaration->refused = refused;
      declaration->last_refusal = refusal;
      return *std::move(declaration);
    }
    // Chance alone does not draw so many bad ones: a key is spelled otherwise than declare does.
    if (++refused == 100) throw std::runtime_error("declare refuses every declaration: " + refusal);
  }
}

}  // namespace freshet::property
