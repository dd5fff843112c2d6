#include "featurestore/declare/catalog_change.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace freshet {
namespace {

bool SameField(const Field& a, const Field& b) {
  const auto facts = [](const Field& f) {
    return std::tie(f.name, f.type, f.path, f.unit, f.expression, f.required, f.bad_is_null,
                    f.vector_size);
  };
  return facts(a) == facts(b);
}

bool SameSource(const Source& a, const Source& b) {
  const auto facts = [](const Source& s) {
    return std::tie(s.name, s.topic, s.named_fields, s.where, s.key, s.time_field, s.time_unit,
                    s.lateness, s.idle_after, s.max_future_skew, s.allow_compacted);
  };
  if (facts(a) != facts(b)) return false;
  if (!std::equal(a.fields.begin(), a.fields.end(), b.fields.begin(), b.fields.end(), SameField)) {
    return false;
  }
  if (a.dedup.has_value() != b.dedup.has_value()) return false;
  return !a.dedup || (a.dedup->by == b.dedup->by && a.dedup->within == b.dedup->within &&
                      a.dedup->max_ids == b.dedup->max_ids);
}

// What ingestion knows of the views of a source: by name.
using ViewFacts = std::map<std::string, std::tuple<std::string, std::optional<Duration>, Duration>>;
ViewFacts FactsOf(const Catalog& catalog, uint32_t source) {
  ViewFacts facts;
  for (const FeatureView& view : catalog.views) {
    if (view.source == source) facts[view.name] = {view.version, view.keep(), view.keep_deleted()};
  }
  return facts;
}

// Settings are the operator's words, printed as `freshet config` does, so that a secret's value is not.
void CompareSettings(const Project& now, const Project& next, CatalogChange& change) {
  std::map<std::string, std::string> before;
  for (const Setting& setting : now.settings) before[setting.path] = setting.value;
  const auto refuse = [&](const std::string& what) {
    change.refused.push_back(what + "; it takes a restart");
  };
  for (const Setting& setting : next.settings) {
    if (setting.path == "kafka.rebuild_percent") {  // of this very change
      before.erase(setting.path);
      continue;
    }
    const auto found = before.find(setting.path);
    if (found == before.end()) {
      refuse(fmt::format("{} is set to {} now", setting.path, setting.value));
      continue;
    }
    if (found->second != setting.value) {
      refuse(fmt::format("{} was {} and is {} now", setting.path, found->second, setting.value));
    }
    before.erase(found);
  }
  for (const auto& [path, value] : before) {
    refuse(fmt::format("{} was {} and is not set now", path, value));
  }
  const Catalog& a = *now.catalog;
  const Catalog& b = *next.catalog;
  for (const auto& [name, value] : b.kafka.options) {
    const auto found = a.kafka.options.find(name);
    const std::string path = "kafka.options." + name;
    const bool said = std::any_of(change.refused.begin(), change.refused.end(),
                                  [&](const std::string& text) { return text.starts_with(path); });
    if (!said && found != a.kafka.options.end() && found->second != value) {
      refuse(path + " has another value now");
    }
  }
}

void CompareSources(const Catalog& a, const Catalog& b, CatalogChange& change) {
  for (const Source& source : b.sources) {
    const auto before = a.SourceIndex(source.name);
    if (!before) {
      change.lines.push_back(fmt::format("source {}: new", source.name));
      continue;
    }
    const Source& was = a.sources[*before];
    if (was.topic != source.topic) {
      change.refused.push_back(fmt::format(
          "source {} reads topic {} now, and topic {} before: declare a source of another name for "
          "it, or restart the server",
          source.name, source.topic, was.topic));
    } else if (!SameSource(was, source)) {
      change.lines.push_back(fmt::format("source {}: changed", source.name));
    }
  }
  for (const Source& source : a.sources) {
    if (!b.SourceIndex(source.name)) {
      change.lines.push_back(fmt::format("source {}: not declared any more", source.name));
    }
  }
}

void CompareViews(const Catalog& a, const Catalog& b, CatalogChange& change) {
  for (uint32_t v = 0; v < b.views.size(); ++v) {
    const FeatureView& view = b.views[v];
    const auto before = a.ViewIndex(view.name);
    if (!before) {
      change.lines.push_back(
          fmt::format("feature view {}: new; built from its source's log", view.name));
      change.built.push_back(v);
    } else if (a.views[*before].version != view.version) {
      change.lines.push_back(
          fmt::format("feature view {}: changed; rebuilt from its source's log", view.name));
      change.built.push_back(v);
    } else if (a.views[*before].ttl != view.ttl) {
      change.lines.push_back(fmt::format("feature view {}: its ttl", view.name));
    } else if (a.views[*before].tuning != view.tuning) {
      change.lines.push_back(
          fmt::format("feature view {}: advanced; counts from the next start on", view.name));
    }
  }
  for (const FeatureView& view : a.views) {
    if (!b.ViewIndex(view.name)) {
      change.lines.push_back(
          fmt::format("feature view {}: not declared any more; its rows are kept", view.name));
    }
  }
}

void CompareServices(const Catalog& a, const Catalog& b, CatalogChange& change) {
  for (const FeatureService& service : b.services) {
    if (a.FindService(service.name) == nullptr) {
      change.lines.push_back(fmt::format("feature service {}: new", service.name));
    }
  }
  for (const FeatureService& service : a.services) {
    if (b.FindService(service.name) == nullptr) {
      change.lines.push_back(
          fmt::format("feature service {}: not declared any more", service.name));
    }
  }
}

}  // namespace

CatalogChange CompareProjects(const Project& now, const Project& next) {
  CatalogChange change;
  CompareSettings(now, next, change);
  CompareSources(*now.catalog, *next.catalog, change);
  CompareViews(*now.catalog, *next.catalog, change);
  CompareServices(*now.catalog, *next.catalog, change);
  return change;
}

bool ReadsAlike(const Catalog& a, uint32_t source_of_a, const Catalog& b, uint32_t source_of_b) {
  return SameSource(a.sources[source_of_a], b.sources[source_of_b]) &&
         FactsOf(a, source_of_a) == FactsOf(b, source_of_b);
}

}  // namespace freshet
