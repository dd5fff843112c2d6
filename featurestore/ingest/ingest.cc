#include "featurestore/ingest/ingest.h"

#include <algorithm>
#include <array>
#include <vector>

#include "featurestore/ingest/dead_letter_relay.h"
#include "featurestore/ingest/kafka_source.h"
#include "featurestore/ingest/local_log.h"
#include "featurestore/ingest/source_set.h"
#include "featurestore/observe/ingest_metrics.h"

namespace freshet {
namespace {

constexpr uint64_t kOutboxBytes = 64ull << 20;  // of a source

constexpr std::array<Refusal, 5> kRefusals = {Refusal::kMalformed, Refusal::kMistyped,
                                              Refusal::kIncomplete, Refusal::kFuture,
                                              Refusal::kNoKey};

KafkaSourceOptions SourceOptions(const Catalog& catalog, const Source& source,
                                 const LogAddress& address, std::string group) {
  KafkaSourceOptions kafka;
  kafka.bootstrap = address.bootstrap;
  kafka.topic = source.topic;
  kafka.group = std::move(group);
  kafka.options = catalog.kafka.options;
  kafka.headers = true;  // of pushes, if of nothing else
  return kafka;
}

StatusOr<std::unique_ptr<LogSource>> OpenForLoop(KafkaSourceOptions options, size_t readers,
                                                 const LogFaults& faults) {
  options.queue_bytes /= std::max<size_t>(readers, 1);
  ASSIGN_OR_RETURN(std::unique_ptr<LogSource> opened, KafkaSource::Make(std::move(options)));
  return faults ? faults(std::move(opened)) : std::move(opened);
}

}  // namespace

StatusOr<std::unique_ptr<LogSource>> OpenLog(const Catalog& catalog, const Source& source,
                                             const LogAddress& address) {
  ASSIGN_OR_RETURN(auto opened,
                   KafkaSource::Make(SourceOptions(catalog, source, address,
                                                   fmt::format("{}-reader", catalog.kafka.group))));
  return std::unique_ptr<LogSource>(std::move(opened));
}

struct Ingest::Impl {
  Impl(std::shared_ptr<const Catalog> first, const LogAddress& log_address, Store& the_store,
       const Clock& the_clock, Metrics& registry, Log& the_log)
      : catalog(std::move(first)),
        address(log_address),
        store(the_store),
        clock(the_clock),
        log(the_log),
        metrics(registry),
        sources(store, address.local != nullptr ? "none" : address.bootstrap,
                [this](const Catalog& of, uint32_t source) { return MakeContext(of, source); }) {
    for (const Refusal refusal : kRefusals) reasons.push_back(RefusalName(refusal));
  }

  LoopContext MakeContext(const Catalog& of, uint32_t source);

  const std::shared_ptr<const Catalog>
      catalog;  // for what no other catalog changes: kafka, storage
  const LogAddress address;
  Store& store;
  const Clock& clock;
  Log& log;
  IngestMetrics metrics;
  std::vector<std::string_view> reasons;
  std::unique_ptr<DeadLetterRelay> relay;
  SourceSet sources;
};

Ingest::Ingest(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ingest::~Ingest() { Stop(); }

void Ingest::Stop() {
  impl_->sources.Stop();
  impl_->relay.reset();
}

Status Ingest::Prepare(const std::shared_ptr<const Catalog>& next) {
  for (const Source& source : next->sources) {
    if (impl_->relay != nullptr) impl_->relay->SetTopic(source.name, source.topic);
  }
  return impl_->sources.Prepare(next, static_cast<double>(next->kafka.rebuild_percent) / 100);
}

bool Ingest::Prepared() const { return impl_->sources.Prepared(); }
Status Ingest::Switch() { return impl_->sources.Switch(); }
void Ingest::GiveUp() { impl_->sources.GiveUp(); }

LoopContext Ingest::Impl::MakeContext(const Catalog& of, uint32_t s) {
  // Of a source's share: decoded rows of the live loop 3/8, of its passes 1/8; what librdkafka holds ready 1/8 each; the rest for
  // the batches in hand.
  const uint64_t share = of.storage.ingest_bytes() / std::max<size_t>(of.sources.size(), 1);
  const Source& source = of.sources[s];
  std::vector<ProcessorView> views;
  std::vector<std::string> names;
  for (uint32_t v = 0; v < of.views.size(); ++v) {
    if (of.views[v].source != s) continue;
    views.push_back({ViewId{of.StoreView(v)}, of.layouts[v].get()});
    names.push_back(of.views[v].name);
  }
  std::set<std::string> declared;
  for (const Source& other : of.sources) declared.insert(other.name);
  SourceMetrics& source_metrics = metrics.Source(source.name, names, reasons);
  KafkaSourceOptions kafka =
      SourceOptions(of, source, address, fmt::format("{}-{}", of.kafka.group, of.server.name));
  kafka.queue_bytes = std::clamp<uint64_t>(share / 8, 1 << 20, 64 << 20);
  kafka.on_error = [&source_metrics](const char* code) { source_metrics.CountKafkaError(code); };
  return LoopContext{.source = source,
                     .views = std::move(views),
                     .declared = std::move(declared),
                     .derived = of.derived[s].get(),
                     .log_id = address.log_id,
                     .every_gap_is_loss = address.is_mock,
                     .event_time_clock = of.clock == ClockKind::kEventTime,
                     .cache_bytes = share / 8 * 3,
                     .pass_cache_bytes = share / 8,
                     .outbox_bytes = kOutboxBytes,
                     .store = store,
                     .clock = clock,
                     .metrics = source_metrics,
                     .all_metrics = metrics,
                     .log = log,
                     .open_log = [kafka, where = address, name = source.name](
                                     size_t readers) -> StatusOr<std::unique_ptr<LogSource>> {
                       if (where.local != nullptr) return where.local->Open(name);
                       return OpenForLoop(kafka, readers, where.faults);
                     },
                     .dead_letters_waiting =
                         [this] {
                           if (relay != nullptr) relay->Wake();
                         },
                     .log_replaced = address.replaced};
}

StatusOr<std::unique_ptr<Ingest>> Ingest::Start(const std::shared_ptr<const Catalog>& catalog,
                                                const LogAddress& address, Store& store,
                                                const Clock& clock, Metrics& metrics, Log& log) {
  auto impl = std::make_unique<Impl>(catalog, address, store, clock, metrics, log);
  // Without Kafka there is no topic for dead letters: they stay in the store.
  if (address.local == nullptr) {
    DeadLetterRelayOptions relay;
    relay.bootstrap = address.bootstrap;
    relay.topic = catalog->kafka.dead_letters;
    relay.kafka_options = catalog->kafka.options;
    for (const Source& source : catalog->sources) relay.topics[source.name] = source.topic;
    ASSIGN_OR_RETURN(impl->relay, DeadLetterRelay::Start(std::move(relay), store, log));
  }
  RETURN_IF_ERROR(impl->sources.Start(catalog));
  return std::unique_ptr<Ingest>(new Ingest(std::move(impl)));
}

}  // namespace freshet
