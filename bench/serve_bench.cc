// How fast is a lookup over gRPC, beside a server that does nothing?
//
// Case `point`: one row of ten features of card_spend over 100,000 cards (20 events each, in RocksDB, flushed), against an empty
// gRPC server of the same shape: the same request, an answer of the same bytes, the same transport, but
// nothing looked up. Each server is a process of its own on core 0; this program is the client on core 1, a closed loop with N
// calls in flight, one connection. The two are measured in turn, pair by pair.
//
//   freshet_bench_serve [--case point] [--pairs 7] [--seconds 2] [--in-flight 16] [--transport callback|async] [--queues 1]
#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "bench/report.h"
#include "featurestore/observe/log.h"
#include "featurestore/observe/metrics.h"
#include "freshet/v1/serving.grpc.pb.h"
#include "server/grpc_server.h"
#include "tests/support/served_project.h"

namespace freshet {
namespace {

constexpr int kCards = 100'000;
constexpr int kEventsACard = 20;

constexpr char kProject[] = R"(
project: bench
kafka: { brokers: embedded }
storage: { path: ./data, memory: 256MiB }
server: { grpc: "127.0.0.1:0", admin: "127.0.0.1:0" }
sources:
  transactions:
    topic: transactions
    timestamp: at
    fields: { at: timestamp, card: string, amount: double, merchant: string }
entities:
  card: { keys: { card: string } }
feature_views:
  card_spend:
    source: transactions
    entity: card
    ttl: 30d
    features:
      spend: { aggregate: sum, of: amount, windows: [10m, 1h, 24h] }
      payments: { aggregate: count, windows: [1h, 24h] }
      average: { aggregate: mean, of: amount, windows: [1h] }
      largest: { aggregate: max, of: amount, windows: [24h] }
      smallest: { aggregate: min, of: amount, windows: [24h] }
      spread: { aggregate: stddev, of: amount, windows: [24h] }
      last_amount: { aggregate: last, of: amount }
feature_services:
  fraud_model: [card_spend]
)";

struct Options {
  std::string name = "point";
  std::string role;
  int pairs = 7;
  double seconds = 2;
  int in_flight = 16;
  std::string transport = "callback";  // the server's default
  int queues = 1;
  size_t response_bytes = 0;  // of the empty server
};

std::string CardName(int i) { return "card-" + std::to_string(i); }

void PinTo(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

// Children speak by one line on standard output: the address. They end with their parent.
[[noreturn]] void ServeUntilKilled(const std::string& address) {
  std::printf("%s\n", address.c_str());
  std::fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  std::_Exit(0);
}

void Fill(ServedProject& project) {
  const RowLayout& layout = *project.catalog()->layouts[0];
  std::mt19937_64 random(7);
  const Timestamp now = SystemClock().Now();
  Commit commit(project.store());
  std::string key;
  std::string bytes;
  int64_t offset = 0;
  for (int card = 0; card < kCards; ++card) {
    const std::string name = CardName(card);
    Row row(layout);
    for (int e = 0; e < kEventsACard; ++e) {
      // Oldest first, over the last day.
      const auto ago = Duration::Seconds(86'400 * (kEventsACard - e) / kEventsACard -
                                         static_cast<int64_t>(random() % 4000));
      const Timestamp at = now - std::max(ago, Duration::Seconds(1));
      const Value values[] = {Value::Time(at), Value::Text(name),
                              Value::Double(static_cast<double>(random() % 100'000) / 100),
                              Value::Text("shop")};
      row.Apply({at, {1, 0, offset++}, values});
    }
    key.clear();
    const Value key_value[] = {Value::Text(name)};
    AppendEntityKey(key_value, key);
    bytes.clear();
    row.Encode(bytes);
    commit.PutRow({0}, key, bytes);
    if (commit.bytes() > (4 << 20) && !commit.Apply().ok()) std::abort();
  }
  if (!commit.Apply().ok() || !project.store().Flush().ok() ||
      !project.store().CompactView({0}).ok())
    std::abort();
}

void RunFreshet(const Options& options) {
  ServedProject project(kProject);
  Fill(project);
  SystemClock clock;
  Metrics metrics;
  const auto log = MakeNullLog();
  GrpcServerOptions server_options;
  server_options.queues = options.queues;
  server_options.transport = options.transport == "callback"
                                 ? GrpcServerOptions::Transport::kCallback
                                 : GrpcServerOptions::Transport::kAsync;
  auto server =
      GrpcServer::Start(project.catalog(), project.store(), clock, metrics, *log, server_options);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().ToString().c_str());
    std::exit(1);
  }
  (*server)->SetReady(true);
  ServeUntilKilled((*server)->address());
}

// The least that a typed server on one queue does: parse, answer what was made once.
struct EmptyCall {
  google::protobuf::Arena arena;
  v1::GetFeaturesRequest* request = nullptr;
  std::optional<grpc::ServerContext> context;
  std::optional<grpc::ServerAsyncResponseWriter<v1::GetFeaturesResponse>> responder;
  bool answered = false;
  void Await(v1::ServingService::AsyncService& service, grpc::ServerCompletionQueue& queue) {
    responder.reset();
    context.reset();
    arena.Reset();
    request = google::protobuf::Arena::CreateMessage<v1::GetFeaturesRequest>(&arena);
    context.emplace();
    responder.emplace(&*context);
    answered = false;
    service.RequestGetFeatures(&*context, request, &*responder, &queue, &queue, this);
  }
};

class EmptyCallback final : public v1::ServingService::CallbackService {
 public:
  explicit EmptyCallback(const v1::GetFeaturesResponse& canned) : canned_(canned) {}
  grpc::ServerUnaryReactor* GetFeatures(grpc::CallbackServerContext* context,
                                        const v1::GetFeaturesRequest*,
                                        v1::GetFeaturesResponse* response) override {
    *response = canned_;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const v1::GetFeaturesResponse& canned_;
};

void RunEmpty(const Options& options) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  v1::GetFeaturesResponse canned;
  canned.set_matrix(
      std::string(options.response_bytes - std::min<size_t>(options.response_bytes, 2), 'x'));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  if (options.transport == "callback") {
    EmptyCallback service(canned);
    builder.RegisterService(&service);
    const auto server = builder.BuildAndStart();
    ServeUntilKilled("127.0.0.1:" + std::to_string(port));
  }
  v1::ServingService::AsyncService service;
  builder.RegisterService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  std::vector<std::unique_ptr<EmptyCall>> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(std::make_unique<EmptyCall>());
    calls.back()->Await(service, *queue);
  }
  std::thread thread([&] {
    void* tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) {
      auto* call = static_cast<EmptyCall*>(tag);
      if (call->answered || !ok) {
        call->Await(service, *queue);
      } else {
        call->answered = true;
        call->responder->Finish(canned, grpc::Status::OK, call);
      }
    }
  });
  ServeUntilKilled("127.0.0.1:" + std::to_string(port));
}

// A server process of this program, pinned to core 0.
class Child {
 public:
  Child(const Options& options, const std::string& role, size_t response_bytes) {
    int out[2];
    int in[2];
    if (pipe(out) != 0 || pipe(in) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      PinTo(0);
      dup2(out[1], STDOUT_FILENO);
      dup2(in[0], STDIN_FILENO);
      close(in[1]);
      const std::string queues = std::to_string(options.queues);
      const std::string bytes = std::to_string(response_bytes);
      execl("/proc/self/exe", "freshet_bench_serve", "--role", role.c_str(), "--transport",
            options.transport.c_str(), "--queues", queues.c_str(), "--response-bytes",
            bytes.c_str(), nullptr);
      std::_Exit(127);
    }
    close(out[1]);
    close(in[0]);
    stop_ = in[1];
    char c = 0;
    while (read(out[0], &c, 1) == 1 && c != '\n') address_.push_back(c);
    close(out[0]);
    if (address_.empty()) {
      std::fprintf(stderr, "the %s server did not start\n", role.c_str());
      std::exit(1);
    }
  }
  ~Child() {
    close(stop_);
    waitpid(pid_, nullptr, 0);
  }
  const std::string& address() const { return address_; }
  // Processor time so far, in seconds.
  double cpu_seconds() const {
    std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(stat, line);
    std::istringstream fields(line.substr(line.rfind(')') + 2));
    std::string skip;
    for (int i = 0; i < 11; ++i) fields >> skip;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

 private:
  pid_t pid_ = 0;
  int stop_ = -1;
  std::string address_;
};

struct Measured {
  double calls_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us_a_call = 0;
};

class Client {
 public:
  Client(const std::string& address, uint64_t schema_id)
      : stub_(v1::ServingService::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        schema_id_(schema_id) {}

  v1::GetFeaturesResponse One() {
    Call call;
    Fill(call.request);
    grpc::ClientContext context;
    v1::GetFeaturesResponse response;
    const auto status = stub_->GetFeatures(&context, call.request, &response);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.error_message().c_str());
      std::exit(1);
    }
    return response;
  }
  void set_schema_id(uint64_t id) { schema_id_ = id; }

  Measured Measure(const Child& server, int in_flight, double seconds) {
    using Steady = std::chrono::steady_clock;
    grpc::CompletionQueue queue;
    std::vector<std::unique_ptr<Call>> calls;
    for (int i = 0; i < in_flight; ++i) {
      calls.push_back(std::make_unique<Call>());
      Begin(*calls.back(), queue);
    }
    // Connections and caches settle before anything counts.
    const auto counts_from = Steady::now() + std::chrono::milliseconds(300);
    const auto until = counts_from + std::chrono::duration_cast<Steady::duration>(
                                         std::chrono::duration<double>(seconds));
    std::vector<double> latencies;
    latencies.reserve(static_cast<size_t>(seconds * 100'000));
    double cpu = -1;
    double cpu_end = 0;
    auto begun = counts_from;
    auto ended = until;
    int open = in_flight;
    void* tag = nullptr;
    bool ok = false;
    while (open > 0 && queue.Next(&tag, &ok)) {
      auto& call = *static_cast<Call*>(tag);
      const auto now = Steady::now();
      if (!call.status.ok()) {
        std::fprintf(stderr, "a call failed: %s\n", call.status.error_message().c_str());
        std::exit(1);
      }
      if (now >= counts_from && cpu < 0) {
        cpu = server.cpu_seconds();
        begun = now;
      } else if (now >= counts_from && now < until) {
        latencies.push_back(std::chrono::duration<double, std::micro>(now - call.begun).count());
        ended = now;
        cpu_end = -1;
      }
      if (now < until) {
        Begin(call, queue);
      } else {
        if (cpu_end < 0) cpu_end = server.cpu_seconds();
        --open;
      }
    }
    Measured result;
    result.calls_per_second = static_cast<double>(latencies.size()) /
                              std::chrono::duration<double>(ended - begun).count();
    result.cpu_us_a_call = (cpu_end - cpu) * 1e6 / static_cast<double>(latencies.size());
    std::sort(latencies.begin(), latencies.end());
    result.p50_us = latencies[latencies.size() / 2];
    result.p99_us = latencies[latencies.size() * 99 / 100];
    return result;
  }

 private:
  struct Call {
    v1::GetFeaturesRequest request;
    v1::GetFeaturesResponse response;
    std::optional<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<v1::GetFeaturesResponse>> reader;
    grpc::Status status;
    std::chrono::steady_clock::time_point begun;
  };
  void Fill(v1::GetFeaturesRequest& request) {
    request.Clear();
    request.set_feature_service("fraud_model");
    request.set_schema_id(schema_id_);
    auto& key = *request.add_keys();
    key.set_name("card");
    key.mutable_strings()->add_values(CardName(static_cast<int>(random_() % kCards)));
  }
  void Begin(Call& call, grpc::CompletionQueue& queue) {
    Fill(call.request);
    call.context.emplace();
    call.begun = std::chrono::steady_clock::now();
    call.reader = stub_->AsyncGetFeatures(&*call.context, call.request, &queue);
    call.reader->Finish(&call.response, &call.status, &call);
  }

  std::unique_ptr<v1::ServingService::Stub> stub_;
  uint64_t schema_id_;
  std::mt19937_64 random_{11};
};

double MedianOf(const std::vector<Measured>& all, double Measured::*fact) {
  std::vector<double> values;
  for (const Measured& one : all) values.push_back(one.*fact);
  return bench::Median(std::move(values));
}

int RunPoint(const Options& options) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  PinTo(1);
  const Child freshet(options, "freshet", 0);
  Client freshet_client(freshet.address(), 0);
  const auto first = freshet_client.One();
  if (first.schema().fields_size() != 10) {
    std::fprintf(stderr, "%d features, not 10\n", first.schema().fields_size());
    return 1;
  }
  freshet_client.set_schema_id(first.schema_id());
  const auto typical = freshet_client.One();
  const Child empty(options, "empty", typical.ByteSizeLong());
  Client empty_client(empty.address(), first.schema_id());
  if (empty_client.One().ByteSizeLong() + 2 < typical.ByteSizeLong()) return 1;

  std::vector<Measured> ours;
  std::vector<Measured> theirs;
  bench::Case result{.bench = "serve",
                     .name = "point",
                     .what = "calls/s, 1 row x 10 features, against the empty server",
                     .unit = "calls/s"};
  for (int pair = 0; pair < options.pairs; ++pair) {
    ours.push_back(freshet_client.Measure(freshet, options.in_flight, options.seconds));
    theirs.push_back(empty_client.Measure(empty, options.in_flight, options.seconds));
    result.freshet.push_back(ours.back().calls_per_second);
    result.baseline.push_back(theirs.back().calls_per_second);
    std::fprintf(stderr, "pair %d: %.0f and %.0f calls/s, ratio %.3f\n", pair + 1,
                 result.freshet.back(), result.baseline.back(), result.Ratios().back());
  }
  for (const auto& [name, fact] : {std::pair{"p50_us", &Measured::p50_us},
                                   {"p99_us", &Measured::p99_us},
                                   {"cpu_us", &Measured::cpu_us_a_call}}) {
    result.more.emplace_back(fmt::format("freshet_{}", name), MedianOf(ours, fact));
    result.more.emplace_back(fmt::format("baseline_{}", name), MedianOf(theirs, fact));
  }
  std::fprintf(stderr, "\n%d in flight, %s, answers of %zu bytes; cpu_us: of the server, a call\n",
               options.in_flight, options.transport.c_str(), typical.ByteSizeLong());
  bench::Print(result);
  return 0;
}

int Run(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string value = argv[i + 1];
    if (flag == "--case")
      options.name = value;
    else if (flag == "--role")
      options.role = value;
    else if (flag == "--pairs")
      options.pairs = std::max(1, std::atoi(value.c_str()));
    else if (flag == "--seconds")
      options.seconds = std::max(0.1, std::atof(value.c_str()));
    else if (flag == "--in-flight")
      options.in_flight = std::max(1, std::atoi(value.c_str()));
    else if (flag == "--transport")
      options.transport = value;
    else if (flag == "--queues")
      options.queues = std::max(1, std::atoi(value.c_str()));
    else if (flag == "--response-bytes")
      options.response_bytes = static_cast<size_t>(std::atoll(value.c_str()));
    else {
      std::fprintf(stderr, "unknown flag %s; the top of bench/serve_bench.cc lists them\n",
                   flag.c_str());
      return 2;
    }
  }
  if (options.role == "freshet") RunFreshet(options);
  if (options.role == "empty") RunEmpty(options);
  if (options.name == "point") return RunPoint(options);
  std::fprintf(stderr, "unknown case %s; there is: point\n", options.name.c_str());
  return 2;
}

}  // namespace
}  // namespace freshet

int main(int argc, char** argv) { return freshet::Run(argc, argv); }
