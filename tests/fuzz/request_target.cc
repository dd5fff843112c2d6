// GetFeatures and ExplainFeatures from the wire's bytes: parsed as gRPC has them parsed, answered by the handler that answers gRPC's
// calls, over a small store. The transport itself, HTTP/2 and threads, is gRPC's own and left out.
#include <grpcpp/server_context.h>

#include "featurestore/observe/metrics.h"
#include "freshet/v1/catalog.pb.h"
#include "freshet/v1/serving.pb.h"
#include "server/error_details.h"
#include "server/grpc_features.h"
#include "server/proto_explain.h"
#include "tests/fuzz/fuzz_project.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/served_project.h"

namespace freshet::fuzz {
namespace {

template <typename Declared>
std::vector<std::string> NamesOf(const std::vector<Declared>& declared) {
  std::vector<std::string> names;
  for (const auto& one : declared) names.push_back(one.name);
  return names;
}

// A server without its transport. Four cards, one of them deleted and one never seen.
struct Served {
  Served() : project(FuzzProjectText()), plans(project.catalog()) {
    const Catalog& catalog = *project.catalog();
    std::map<uint32_t, std::string> views;
    for (uint32_t view = 0; view < catalog.views.size(); ++view) {
      Fill(catalog, view);
      views[view] = catalog.views[view].name;
    }
    metrics.Serve(NamesOf(catalog.services), views);
    clock.Set(kRowsEnd);
  }

  void Fill(const Catalog& catalog, size_t view) {
    FuzzEvents events(catalog, view);
    const FeatureView& declared = catalog.views[view];
    for (int64_t card = 0; card < 3; ++card) {
      Row row(*catalog.layouts[view]);
      for (int64_t n = 0; n < 30; ++n) {
        row.Apply(events.Event(static_cast<uint64_t>(card * 100 + n),
                               kRowsEnd - Duration::Minutes(90 - 3 * n)));
      }
      if (card == 2) row.Delete(kRowsEnd);
      std::vector<Value> keys;
      const std::string name = fmt::format("c{}", card);
      for (const uint32_t field : declared.key_fields) {
        const Type type = catalog.sources[declared.source].fields[field].type;
        keys.push_back(type == Type::kInt64 ? Value::Int64(card) : Value::Text(name));
      }
      std::string key, bytes;
      if (!AppendEntityKey(keys, key)) Finding("a key of the store is null");
      row.Encode(bytes);
      Commit commit(project.store());
      commit.PutRow({static_cast<uint32_t>(view)}, key, bytes);
      if (!commit.Apply().ok()) Finding("the store cannot be filled");
    }
    project.status(declared.name).newest_event_us = kRowsEnd.us;
  }

  ServedProject project;
  ServedPlans plans;
  ManualClock clock;
  Metrics all_metrics;
  ServeMetrics metrics{all_metrics};
  std::unique_ptr<Log> log = MakeNullLog();
  FeatureHandler handler{plans, project.store(), clock, metrics, *log, 100, 200};
};

bool IsServersFault(int code) {
  return code == static_cast<int>(absl::StatusCode::kInternal) ||
         code == static_cast<int>(absl::StatusCode::kDataLoss) ||
         code == static_cast<int>(absl::StatusCode::kUnknown);
}

void GetFeatures(Served& served, const v1::GetFeaturesRequest& request) {
  grpc::ServerContext context;
  v1::GetFeaturesResponse response;
  FeatureCall call{.context = &context, .request = &request, .response = &response};
  auto refused = served.handler.Admit(call);
  const grpc::Status status = refused ? *refused : served.handler.Serve(call);
  if (IsServersFault(status.error_code())) {
    Finding("GetFeatures blames itself: " + status.error_message());
  }
  if (!status.ok() && status.error_message().empty()) Finding("a refusal without words");
  if (status.ok() &&
      response.SerializeAsString().size() > served.project.catalog()->server.max_response_bytes) {
    Finding("an answer of more than max_response_bytes");
  }
}

void Explain(Served& served, const v1::GetFeaturesRequest& request) {
  v1::ExplainFeaturesResponse response;
  const Outcome error = ExplainFeatures(
      *served.plans.now(), served.project.store(), served.clock, request, [] { return false; },
      response);
  if (error && IsServersFault(static_cast<int>(error->code))) {
    Finding("ExplainFeatures blames itself: " + error->message);
  }
  if (!error) response.SerializeAsString();
}

}  // namespace

void Run(std::string_view input) {
  static Served& served = *new Served;
  v1::GetFeaturesRequest request;
  // What protobuf cannot parse gRPC refuses by itself.
  if (!request.ParseFromArray(input.data(), static_cast<int>(input.size()))) return;
  GetFeatures(served, request);
  Explain(served, request);
}

}  // namespace freshet::fuzz
