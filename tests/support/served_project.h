// A project with a store that a test fills by hand: no log, no threads.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/declare/project.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/state/row.h"
#include "featurestore/store/store.h"

namespace freshet {

class ServedProject {
 public:
  // `yaml` is freshet.yaml.
  explicit ServedProject(const std::string& yaml) {
    std::string pattern = std::filesystem::temp_directory_path() / "freshet-serve-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) Fail("mkdtemp");
    folder_ = pattern;
    std::ofstream(folder_ / "freshet.yaml") << yaml;
    Project project = LoadProject(folder_);
    if (!project.errors.empty()) Fail(ToString(project.errors.front()));
    catalog_ = std::make_shared<Catalog>(*project.catalog);
    StoreOptions options;
    options.path = folder_ / "data";
    options.project = catalog_->project;
    options.memory_bytes = 64 << 20;
    auto store = Store::Open(options);
    if (!store.ok()) Fail(store.status().ToString());
    store_ = *std::move(store);
    for (const FeatureView& view : catalog_->views) {
      auto id = store_->OpenView({view.name, view.version, std::nullopt});
      if (!id.ok() || !store_->MarkComplete(*id).ok()) Fail("cannot open view " + view.name);
      store_->view_status(*id).complete = true;
    }
  }
  ~ServedProject() {
    store_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // What a declaration cannot say (a deadline of a microsecond): before anything uses the catalog.
  Catalog& settings() { return *catalog_; }
  std::shared_ptr<const Catalog> catalog() const { return catalog_; }
  Store& store() { return *store_; }
  uint32_t view(const std::string& name) const { return *catalog_->ViewIndex(name); }
  ViewStatus& status(const std::string& name) { return store_->view_status({view(name)}); }

  // Applies one event to the row of its key in one view; a field left out of `fields` is null. Commits.
  void Apply(const std::string& view_name, Timestamp time,
             const std::vector<std::pair<std::string, Value>>& fields) {
    const uint32_t index = view(view_name);
    const FeatureView& declared = catalog_->views[index];
    const Source& source = catalog_->sources[declared.source];
    std::vector<Value> values(source.fields.size());
    for (const auto& [name, value] : fields) values[*source.FieldIndex(name)] = value;
    if (source.time_field) values[*source.time_field] = Value::Time(time);
    std::vector<Value> key_values;
    for (const uint32_t field : declared.key_fields) key_values.push_back(values[field]);
    std::string key;
    if (!AppendEntityKey(key_values, key)) Fail("the key is null");
    const RowLayout& layout = *catalog_->layouts[index];
    RowReads reads;
    reads.Add({index}, key);
    if (!store_->Read(reads).ok()) Fail("read");
    Row row(layout);
    if (const auto bytes = reads.row(0)) row = Row::Decode(layout, *bytes).value();
    row.Apply({time, {1, 0, next_offset_++}, values});
    std::string bytes;
    row.Encode(bytes);
    Commit commit(*store_);
    commit.PutRow({index}, key, bytes);
    if (!commit.Apply().ok()) Fail("commit");
    ViewStatus& live = store_->view_status({index});
    live.newest_event_us = std::max(live.newest_event_us.load(), time.us);
  }

 private:
  [[noreturn]] static void Fail(const std::string& what) {
    throw std::runtime_error("served project: " + what);
  }

  std::filesystem::path folder_;
  std::shared_ptr<Catalog> catalog_;
  std::unique_ptr<Store> store_;
  int64_t next_offset_ = 0;
};

// Cards and shops: every type and kind that serving has to tell apart. `clock` is wall or event_time.
inline std::string ShopProject(const std::string& clock = "wall") {
  return "project: shop\nclock: " + clock + R"(
kafka: { brokers: embedded }
storage: { path: ./data, memory: 64MiB }
server: { grpc: "127.0.0.1:0", admin: "127.0.0.1:0", default_deadline: 30s }
sources:
  payments:
    topic: payments
    timestamp: at
    fields: { at: timestamp, card: string, shop: int64, amount: double, cents: int64, merchant: string, online: bool }
entities:
  card: { keys: { card: string } }
  shop: { keys: { shop: int64 } }
  visit: { keys: { card: string, shop: int64 } }
feature_views:
  card_spend:
    source: payments
    entity: card
    ttl: 30d
    history: 2h
    features:
      spend: { aggregate: sum, of: amount, windows: [1h] }
      payments: { aggregate: count, windows: [1h] }
      average: { aggregate: mean, of: amount, windows: [1h] }
  card_last:
    source: payments
    entity: card
    ttl: 30d
    features:
      last_shop: { aggregate: last, of: merchant }
      last_online: { aggregate: last, of: online }
      cents: { aggregate: sum, of: cents, windows: [lifetime] }
  shop_sales:
    source: payments
    entity: shop
    features:
      sales: { aggregate: sum, of: amount, windows: [1h] }
      payments: { aggregate: count, windows: [1h] }
  visits:
    source: payments
    entity: visit
    features:
      visits: { aggregate: count, windows: [1h] }
feature_services:
  risk: [card_spend]
  all_of_card: ["card_spend:spend_1h", "card_last:last_shop", "card_last:last_online", "card_last:cents_lifetime"]
  ranking: ["card_spend:spend_1h", "shop_sales:sales_1h", "visits:visits_1h"]
)";
}

inline Timestamp At(const char* text) { return ParseTimestamp(text).value(); }

}  // namespace freshet
