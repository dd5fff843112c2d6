// A real Kafka for the time of a benchmark, what is produced into it, and a consumer that only counts.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "bench/ingest/events.h"
#include "featurestore/ingest/kafka_source.h"

namespace freshet::bench {

// Apache Kafka, started by tests/support/kafka/kafka_broker.py; ends with this object.
class RealBroker {
 public:
  explicit RealBroker(int partitions);
  RealBroker(const RealBroker&) = delete;
  RealBroker& operator=(const RealBroker&) = delete;
  ~RealBroker();
  const std::string& bootstrap() const { return bootstrap_; }

 private:
  pid_t child_ = 0;
  std::string bootstrap_;
};

// Produces all of `payments`, keyed by card, `again` times over; `rate` events/s, or 0: as fast as it goes. Until `stop`. Returns how many.
int64_t Produce(const std::string& bootstrap, const std::string& topic, const Payments& payments,
                double rate, int64_t count, const std::atomic<bool>* stop = nullptr);

KafkaSourceOptions ConsumerOptions(const std::string& bootstrap, const std::string& topic);

// Seconds until so many records came out of the batch interface, from every partition's beginning.
double Count(const KafkaSourceOptions& options, int partitions, int64_t expected);

}  // namespace freshet::bench
