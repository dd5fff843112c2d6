// A validated project: the operator's settings and the catalog of what data engineers declared. Immutable once loaded;
// passed around as shared_ptr<const Catalog>, swapped whole when it changes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/expr/derived_fields.h"
#include "featurestore/expr/service_expressions.h"
#include "featurestore/model/feature_service.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/model/source.h"
#include "featurestore/state/row_layout.h"

namespace freshet {

enum class ClockKind : uint8_t { kWall, kEventTime };

struct KafkaSettings {
  enum class Kind : uint8_t { kEmbedded, kBrokers, kNone } kind = Kind::kEmbedded;
  std::string brokers;  // host:port,host:port with kBrokers
  int32_t embedded_partitions = 1;
  std::string group;                           // default: freshet-<project>
  std::string dead_letters;                    // topic; default: <project>.dead_letters
  std::map<std::string, std::string> options;  // librdkafka's own
  // With kNone: what is kept of pushed records, of each source.
  Duration local_keep = Duration::Days(30);
  uint64_t local_max_bytes = 4ull << 30;
  int32_t rebuild_percent = 50;  // of a core, for a view that is built beside live ingestion
};

struct CheckpointSettings {
  std::string to;                 // absolute
  std::optional<Duration> every;  // none: only when one is asked for
  uint32_t keep = 6;
};

struct StorageSettings {
  std::string path;  // absolute, or as given relative to the project folder and resolved
  uint64_t memory_bytes = 512ull << 20;
  std::optional<CheckpointSettings> checkpoints;
  BackgroundWork background;
  double read_share = 0.56;  // of it for reads: the block cache

  // Of what is for writes four sevenths are ingestion's (decoded rows, librdkafka's queues, batches in hand), three memtables'.
  uint64_t write_bytes() const {
    return static_cast<uint64_t>(static_cast<double>(memory_bytes) * (1 - read_share));
  }
  uint64_t ingest_bytes() const { return write_bytes() / 7 * 4; }
  uint64_t memtable_bytes() const { return write_bytes() - ingest_bytes(); }
};

struct ServerSettings {
  std::string name;  // this instance
  std::string grpc = "127.0.0.1:7570";
  std::string admin = "127.0.0.1:7571";
  bool push = true;
  std::string push_http;  // "": as admin
  uint32_t max_rows = 10000;
  uint64_t max_response_bytes = 4ull << 20;
  Duration default_deadline = Duration::Seconds(1);
  Duration readiness_give_up_after = Duration::Minutes(5);
  bool reflection = true;
};

struct Catalog {
  std::string project;
  ClockKind clock = ClockKind::kWall;
  KafkaSettings kafka;
  StorageSettings storage;
  ServerSettings server;

  std::vector<Source> sources;
  std::vector<Entity> entities;
  std::vector<FeatureView> views;
  std::vector<FeatureService> services;
  std::vector<std::shared_ptr<const RowLayout>> layouts;      // one a view, same index
  std::vector<std::shared_ptr<const DerivedFields>> derived;  // one a source, same index
  // One a service, same index; null where it derives nothing.
  std::vector<std::shared_ptr<const ServiceExpressions>> service_expressions;
  // Under which number a running server's store has each view open (ViewId): a catalog that took another's place has views under
  // their old numbers. Empty: opened in this order.
  std::vector<uint32_t> store_views;
  uint32_t StoreView(uint32_t view) const {
    return view < store_views.size() ? store_views[view] : view;
  }

  const FeatureService* FindService(std::string_view name) const;
  std::optional<uint32_t> ViewIndex(std::string_view name) const;
  std::optional<uint32_t> SourceIndex(std::string_view name) const;
  bool IsRead(uint32_t source) const;  // some view is of it
};

}  // namespace freshet
