#include "tests/support/payments.h"

#include <stdexcept>

namespace freshet {
namespace {

Feature MakeFeature(const std::string& name, const std::string& aggregate,
                    std::optional<uint32_t> of, Window window, Type type) {
  Feature feature;
  feature.name = feature.declared = name;
  feature.aggregate = aggregate;
  feature.of = of;
  feature.window = window;
  feature.type = type;
  return feature;
}

template <typename T>
T Must(StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(std::string(MessageOf(result.status())));
  return *std::move(result);
}

}  // namespace

Source PaymentsSource() {
  Source source;
  source.name = "payments";
  source.topic = "payments";
  for (const auto& [name, type] : {std::pair<const char*, Type>{"at", Type::kTimestamp},
                                   {"card", Type::kString},
                                   {"cents", Type::kInt64}}) {
    Field field;
    field.name = name;
    field.type = type;
    field.path = {name};
    source.fields.push_back(field);
  }
  source.time_field = 0;
  source.key = 1;
  return source;
}

FeatureView PaymentsView(const std::string& name, const std::string& version) {
  FeatureView view;
  view.name = name;
  view.key_fields = {1};
  view.lateness = Duration::Minutes(10);
  view.version = version;
  Window lifetime;
  Window daily;
  daily.kind = WindowKind::kTumbling;
  daily.length = daily.hop = Duration::Days(1);
  view.features = {MakeFeature("n_lifetime", "count", std::nullopt, lifetime, Type::kInt64),
                   MakeFeature("cents_lifetime", "sum", 2, lifetime, Type::kInt64),
                   MakeFeature("last_lifetime", "last", 2, lifetime, Type::kInt64),
                   MakeFeature("cents_tumbling_1d", "sum", 2, daily, Type::kInt64)};
  return view;
}

std::string Payment(Timestamp at, const std::string& card, int64_t cents) {
  return fmt::format(R"({{"at":"{}","card":"{}","cents":{}}})", FormatTimestamp(at), card, cents);
}

Running::Running(const std::filesystem::path& folder, std::vector<FeatureView> declared,
                 std::shared_ptr<FakeLog> log_to_read, bool event_time_clock, std::string log_id,
                 Source read)
    : source(std::move(read)), declared_views(std::move(declared)), fake(std::move(log_to_read)) {
  StoreOptions options;
  options.path = folder;
  options.project = "test";
  options.memory_bytes = 32 << 20;
  store = Must(Store::Open(options));
  std::vector<ProcessorView> views;
  std::vector<std::string> names;
  for (const FeatureView& view : declared_views) {
    layouts.push_back(Must(RowLayout::Compile(view, source)));
    views.push_back({Must(store->OpenView(StoreView::Of(view))), layouts.back().get()});
    names.push_back(view.name);
  }
  static constexpr std::string_view kReasons[] = {"malformed", "mistyped", "incomplete", "future",
                                                  "no_key"};
  SourceMetrics& source_metrics = metrics.Source(source.name, names, kReasons);
  context.reset(new LoopContext{.source = source,
                                .views = std::move(views),
                                .log_id = std::move(log_id),
                                .event_time_clock = event_time_clock,
                                .store = *store,
                                .clock = clock,
                                .metrics = source_metrics,
                                .all_metrics = metrics,
                                .log = *log});
}

std::unique_ptr<LiveLoop> Running::Live(PollLimits limits, bool overlap) {
  return std::make_unique<LiveLoop>(*context, std::make_unique<FakeLogSource>(fake), limits,
                                    overlap);
}

void Running::ReadAll(IngestLoop& loop) {
  if (const StepResult begun = loop.Begin(); !begun.ok()) {
    throw std::runtime_error(std::string(MessageOf(begun.status)));
  }
  for (int idle = 0; idle < 3;) idle = loop.Step().kind == StepKind::kRead ? 0 : idle + 1;
}

std::vector<std::pair<std::string, std::string>> Running::Rows(ViewId view) const {
  std::vector<std::pair<std::string, std::string>> rows;
  const Status scanned = store->Scan(view, [&](std::string_view key, std::string_view row) {
    rows.emplace_back(key, row);
    return true;
  });
  if (!scanned.ok()) throw std::runtime_error(std::string(MessageOf(scanned)));
  return rows;
}

std::vector<Store::StoredDeadLetter> Running::DeadLetters() const {
  return Must(store->ReadDeadLetters(source.name, 1000));
}

}  // namespace freshet
