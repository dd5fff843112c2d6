#include "featurestore/ingest/ingest.h"

#include <algorithm>
#include <array>
#include <vector>

#include "featurestore/ingest/dead_letter_relay.h"
#include "featurestore/ingest/kafka_source.h"
#include "featurestore/ingest/local_log.h"
#include "featurestore/ingest/source_threads.h"
#include "featurestore/observe/ingest_metrics.h"

namespace freshet {
namespace {

constexpr uint64_t kOutboxBytes = 64ull << 20;

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

uint64_t IngestMemoryBytes(uint64_t memory_bytes) { return memory_bytes / 4; }

struct Ingest::Impl {
  explicit Impl(Metrics& registry) : metrics(registry) {}
  IngestMetrics metrics;
  std::unique_ptr<DeadLetterRelay> relay;
  std::vector<std::unique_ptr<SourceThreads>> sources;
};

Ingest::Ingest(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ingest::~Ingest() { Stop(); }

void Ingest::Stop() {
  for (const auto& source : impl_->sources) source->RequestStop();
  impl_->sources.clear();  // joins
  impl_->relay.reset();
}

StatusOr<std::unique_ptr<Ingest>> Ingest::Start(const Catalog& catalog, const LogAddress& address,
                                                Store& store, const Clock& clock, Metrics& metrics,
                                                Log& log) {
  auto impl = std::make_unique<Impl>(metrics);
  std::vector<std::string_view> reasons;
  for (const Refusal refusal : kRefusals) reasons.push_back(RefusalName(refusal));

  // Without Kafka there is no topic for dead letters: they stay in the store.
  if (address.local == nullptr) {
    DeadLetterRelayOptions relay;
    relay.bootstrap = address.bootstrap;
    relay.topic = catalog.kafka.dead_letters;
    relay.kafka_options = catalog.kafka.options;
    relay.outbox_bytes = kOutboxBytes;
    for (const Source& source : catalog.sources) relay.topics[source.name] = source.topic;
    ASSIGN_OR_RETURN(impl->relay,
                     DeadLetterRelay::Start(std::move(relay), store, impl->metrics, log));
  }

  // Of a source's share: decoded rows of the live loop 3/8, of its passes 1/8; what librdkafka holds ready 1/8 each; the rest for
  // the batches in hand.
  const uint64_t share =
      IngestMemoryBytes(catalog.storage.memory_bytes) / std::max<size_t>(catalog.sources.size(), 1);
  for (uint32_t s = 0; s < catalog.sources.size(); ++s) {
    const Source& source = catalog.sources[s];
    std::vector<ProcessorView> views;
    std::vector<std::string> names;
    for (uint32_t v = 0; v < catalog.views.size(); ++v) {
      if (catalog.views[v].source != s) continue;
      views.push_back({ViewId{v}, catalog.layouts[v].get()});
      names.push_back(catalog.views[v].name);
    }
    if (views.empty()) continue;  // nothing would be kept of it
    SourceMetrics& source_metrics = impl->metrics.Source(source.name, names, reasons);
    KafkaSourceOptions kafka = SourceOptions(
        catalog, source, address, fmt::format("{}-{}", catalog.kafka.group, catalog.server.name));
    kafka.queue_bytes = std::clamp<uint64_t>(share / 8, 1 << 20, 64 << 20);
    kafka.on_error = [&source_metrics](const char* code) { source_metrics.CountKafkaError(code); };
    LoopContext context{.source = source,
                        .views = std::move(views),
                        .derived = catalog.derived[s].get(),
                        .log_id = address.log_id,
                        .every_gap_is_loss = address.is_mock,
                        .event_time_clock = catalog.clock == ClockKind::kEventTime,
                        .cache_bytes = share / 8 * 3,
                        .pass_cache_bytes = share / 8,
                        .outbox_bytes = kOutboxBytes,
                        .store = store,
                        .clock = clock,
                        .metrics = source_metrics,
                        .all_metrics = impl->metrics,
                        .log = log,
                        .open_log = [kafka, address, name = source.name](
                                        size_t readers) -> StatusOr<std::unique_ptr<LogSource>> {
                          if (address.local != nullptr) return address.local->Open(name);
                          return OpenForLoop(kafka, readers, address.faults);
                        },
                        .dead_letters_waiting =
                            [relay = impl->relay.get()] {
                              if (relay != nullptr) relay->Wake();
                            },
                        .log_replaced = address.replaced};
    impl->sources.push_back(std::make_unique<SourceThreads>(
        std::move(context), address.local != nullptr ? "none" : address.bootstrap));
    RETURN_IF_ERROR(impl->sources.back()->Start());
  }
  return std::unique_ptr<Ingest>(new Ingest(std::move(impl)));
}

}  // namespace freshet
