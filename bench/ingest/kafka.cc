#include "bench/ingest/kafka.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

#include "bench/ingest/check.h"

namespace freshet::bench {

using Elapsed = std::chrono::duration<double>;

RealBroker::RealBroker(int partitions) {
  const std::string script =
      std::string(FRESHET_SOURCE_DIR) + "/tests/support/kafka/kafka_broker.py";
  std::array<int, 2> out{};
  if (::pipe(out.data()) != 0) Die(Internal("no pipe"));
  const std::string count = std::to_string(partitions);
  child_ = ::fork();
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(out[1], STDOUT_FILENO);
    ::close(STDIN_FILENO);
    ::open("/dev/null", O_RDONLY);
    ::execl("/usr/bin/python3", "python3", script.c_str(), "start", "--partitions", count.c_str(),
            nullptr);
    ::_exit(127);
  }
  ::close(out[1]);
  for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) bootstrap_ += c;
  ::close(out[0]);
  if (bootstrap_.empty()) Die(Unavailable("no real Kafka; kafka_broker.py's words are above"));
}

RealBroker::~RealBroker() {
  ::kill(child_, SIGTERM);
  ::waitpid(child_, nullptr, 0);
}

int64_t Produce(const std::string& bootstrap, const std::string& topic, const Payments& payments,
                double rate, int64_t count, const std::atomic<bool>* stop) {
  KafkaConf conf = Take(MakeKafkaConf(bootstrap,
                                      {{"linger.ms", rate > 0 ? "1" : "20"},
                                       {"partitioner", "murmur2_random"},
                                       {"queue.buffering.max.messages", "1000000"}},
                                      {}, {}));
  const KafkaHandle handle = Take(MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)));
  const KafkaTopic to(rd_kafka_topic_new(handle.get(), topic.c_str(), nullptr));
  const auto begin = std::chrono::steady_clock::now();
  int64_t i = 0;
  for (; i < count && (stop == nullptr || !*stop); ++i) {
    const auto at = static_cast<size_t>(i) % payments.events.size();
    const std::string& event = payments.events[at];
    const std::string key = CardKey(payments.cards[at]);
    while (rd_kafka_produce(to.get(), RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                            const_cast<char*>(event.data()), event.size(), key.data(), key.size(),
                            nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        Die(Internal("produce: {}", KafkaErrorText(rd_kafka_last_error())));
      }
      rd_kafka_poll(handle.get(), 10);
    }
    // A few at once: a sleep for each would be late by more than it sleeps.
    if (i % 64 != 0) continue;
    rd_kafka_poll(handle.get(), 0);
    if (rate > 0) std::this_thread::sleep_until(begin + Elapsed(static_cast<double>(i) / rate));
  }
  if (rd_kafka_flush(handle.get(), 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Die(Internal("not all was produced within a minute"));
  }
  return i;
}

KafkaSourceOptions ConsumerOptions(const std::string& bootstrap, const std::string& topic) {
  KafkaSourceOptions options;
  options.bootstrap = bootstrap;
  options.topic = topic;
  options.group = "bench";
  options.queue_bytes = 32ull << 20;  // the server's, of 1 GiB
  return options;
}

double Count(const KafkaSourceOptions& options, int partitions, int64_t expected) {
  const auto source = Take(KafkaSource::Make(options));
  Positions from;
  for (int32_t p = 0; p < partitions; ++p) from[p] = 0;
  const PollLimits limits;
  LogBatch batch;
  int64_t count = 0;
  const auto begin = std::chrono::steady_clock::now();
  Check(source->Assign(from));
  while (count < expected) {
    Check(source->Poll(limits, batch));
    count += static_cast<int64_t>(batch.records.size());
    if (Elapsed(std::chrono::steady_clock::now() - begin).count() > 120) {
      Die(Internal("only {} of {} events came from the broker", count, expected));
    }
  }
  return Elapsed(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace freshet::bench
