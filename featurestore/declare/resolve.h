// From checked trees to the catalog: names become indices, defaults are filled in, types are made to fit.
// Goes on after every mistake: what depends on something bad is left out silently, the rest is still checked.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/aggregate/catalog.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/declare/diagnostics.h"
#include "featurestore/declare/window_entry.h"
#include "featurestore/declare/yaml_document.h"

namespace freshet {

// The value behind a key, where it is there and nothing was wrong with it.
const YamlNode* Sound(const YamlNode& object, std::string_view key);
inline bool Declares(const YamlNode& object, std::string_view key) {
  return object.FindEntry(key) != nullptr;
}
Duration DurationOr(const YamlNode& object, std::string_view key, Duration otherwise);
Annotations ReadAnnotations(const YamlNode& object);

// What SQL may read, and what its columns are called where one is misspelt.
struct SqlScope {
  std::vector<ExpressionColumn> columns;
  std::vector<std::string> names;

  void Add(ExpressionColumn column);
};

// What is known of a declared thing beside what the catalog holds; same index.
struct SourceNotes {
  Place place;                          // of its name
  bool fields_known = false;            // false: any field may have been meant
  std::set<std::string> bad_fields;     // declared, but with a mistake
  std::vector<Expression> expressions;  // of the derived fields, in order
  SqlScope scope;                       // the named fields, as far as an expression asked for them
};
struct EntityNotes {
  Place place;
  bool sound = false;
};
struct ViewNotes {
  Place place;
  std::set<std::string> bad_features;  // as declared, and as what they rename themselves to
  bool features_known = false;
  bool source_known = false;

  // Whether it would be one of a feature that has a mistake: spend_1h of spend.
  bool MayBeBad(std::string_view feature) const;
};

// What a feature says beside `of`; false of `sound` where a mistake was reported.
struct AggregationArguments {
  struct Quantile {
    double q = 0;
    std::string suffix;  // of the served name: _p50 where q is a list
  };
  FeatureArguments arguments;  // but q
  std::vector<Quantile>
      quantiles;  // one served feature each; of other aggregations one, without a suffix
  bool sound = true;
};

// What is known of a service while it is resolved. What a mistake that was reported leaves out is noted, so that it is not told again
// as unknown where something else names it, and all else is.
struct ServiceNotes {
  bool warn_whole = false;
  bool views_known = true;        // false: a view, or the keys that ask for it, are not there
  bool features_known = true;     // false: any name may be one of a feature that is not there
  bool inputs_known = true;       // false: any name may be one of an input
  std::set<std::string> missing;  // features, inputs and derived features
  std::set<uint32_t> whole;       // views of which all features are meant, also those with mistakes
  std::map<std::pair<uint32_t, uint32_t>, Place> served;  // (use, feature): where
};

// What a feature is computed of.
struct AggregatedFields {
  struct OfField {
    std::optional<uint32_t> field;
    std::optional<Type> type;
    std::string suffix;  // of the served name: _merchant where `of` is a list
  };
  std::vector<OfField> fields;   // one served feature each; one without a field where none is given
  std::vector<uint32_t> listed;  // where `of` is a list: all of them, by name
  bool known = true;             // false: a mistake was reported, here or where it was made
};

class Resolver {
 public:
  // Fills the declared things of `catalog`, whose clock is set already; all are borrowed.
  Resolver(const YamlNode& root, Catalog& catalog, Diagnostics& diagnostics)
      : root_(root), catalog_(catalog), diagnostics_(diagnostics) {}
  void Run();

 private:
  // resolve_sources.cc
  void ResolveSources();
  void ResolveSource(const YamlEntry& entry);
  void ResolveFields(const YamlNode& object, Source& source, SourceNotes& notes);
  void ResolveTimestamp(const YamlNode& object, Source& source, const SourceNotes& notes);
  void ResolveKey(const YamlNode& object, Source& source, const SourceNotes& notes);
  void ResolveDedup(const YamlNode& object, Source& source, const SourceNotes& notes);
  void ResolveEntities();
  void WarnSharedTopics();

  // resolve_expressions.cc
  void ResolveDerive(const YamlNode& object, Source& source, SourceNotes& notes);
  // The field that holds what `where` of `object` asks; made where it is new. None where there is no `where`, or a mistake in it
  // was reported: then `sound` turns false. Without a source (its name was wrong) the SQL is checked as far as its columns do not matter.
  std::optional<uint32_t> ResolveWhere(const YamlNode& object, Source* source, SourceNotes* notes,
                                       bool& sound);
  std::optional<Expression> Compile(const YamlNode& node, const Source& source, SourceNotes& notes,
                                    Expression::Use use);
  // An unknown column that `may_be_there`, but for a mistake that was reported, is not told.
  std::optional<Expression> CompileSql(const YamlNode& node, const SqlScope& scope,
                                       Expression::Use use,
                                       const std::function<bool(const std::string&)>& may_be_there);

  // resolve_views.cc
  void ResolveViews();
  void WarnUnreadSources();
  void ResolveView(const YamlEntry& entry);
  void ResolveKeys(const YamlEntry& entry, bool source_known, FeatureView& view);
  void ResolveTtl(const YamlEntry& entry, FeatureView& view);
  StorageTuning ResolveTuning(const YamlNode& object);
  void FinishView(const YamlEntry& entry, FeatureView& view);

  // resolve_features.cc
  void ResolveFeature(const YamlEntry& entry, Source* source, SourceNotes* notes, FeatureView& view,
                      ViewNotes& view_notes, std::map<std::string, Place>& served);
  std::vector<Type> ResultTypes(const YamlEntry& feature, const Aggregation* aggregation,
                                const AggregatedFields& of, const AggregationArguments& arguments,
                                const Source* source);
  std::optional<DefaultValue> ResolveDefault(const YamlEntry& feature,
                                             const Aggregation& aggregation, Type type,
                                             bool& sound);
  bool CheckLength(const WindowEntry& window, const std::string& feature);

  // resolve_of.cc
  AggregatedFields ResolveOf(const YamlEntry& feature, const Aggregation* aggregation,
                             const Source* source, const SourceNotes* notes);

  // resolve_latest.cc
  void ResolveLatest(const YamlEntry& entry, const Source* source, const SourceNotes* notes,
                     FeatureView& view, ViewNotes& view_notes);
  void ResolveLatestField(const YamlNode& name, const YamlNode* options, const Source* source,
                          const SourceNotes* notes, FeatureView& view, ViewNotes& view_notes,
                          std::map<std::string, Place>& seen);

  // resolve_arguments.cc
  AggregationArguments ResolveArguments(const YamlEntry& feature, const Aggregation& aggregation,
                                        const Source* source, const SourceNotes* notes);
  void ReadQuantiles(const YamlNode& q, AggregationArguments& read);
  void ReadBounds(const YamlNode& bounds, AggregationArguments& read);
  void ResolveMap(const YamlNode& object, const Aggregation& aggregation, const Source* source,
                  const SourceNotes* notes, AggregationArguments& read);

  // resolve_services.cc
  void ResolveServices();
  void ResolveItem(const YamlNode& item, ServiceNotes& notes, FeatureService& service);
  void ResolveServed(const YamlNode& node, ServiceNotes& notes, FeatureService& service);
  void ResolveRole(const YamlNode& node, ServiceNotes& notes, FeatureService& service);
  const FeatureView* FindServedView(const YamlNode& node, const std::string& name, uint32_t& index);
  // None where it, or the view's keys of it, has a mistake that was reported.
  const Entity* KnownEntity(const FeatureView& view) const;
  // The index of this use of a view in the service; none where another in the same role has other keys (reported).
  std::optional<uint32_t> UseView(const Place& place, ServedView served, FeatureService& service);
  void ServeFeature(const YamlNode& node, uint32_t use, const std::string& feature,
                    ServiceNotes& notes, FeatureService& service);
  void ServeWholeView(const YamlNode& node, uint32_t use, ServiceNotes& notes,
                      FeatureService& service);
  void AddServed(const Place& place, uint32_t use, uint32_t feature, ServiceNotes& notes,
                 FeatureService& service);
  // Notes that a use of a view, for a mistake that was reported, serves nothing. `view`: none where that is what was wrong.
  void LeaveOut(const YamlNode& node, std::optional<uint32_t> view, ServiceNotes& notes);
  bool MayBeThere(const ServiceNotes& notes, const std::string& column) const;
  void NameServed(ServiceNotes& notes, FeatureService& service);

  // resolve_requests.cc: what comes with a request.
  void ResolveInputs(const YamlNode& object, ServiceNotes& notes, FeatureService& service);
  std::shared_ptr<const ServiceExpressions> ResolveServiceDerive(const YamlNode& object,
                                                                 ServiceNotes& notes,
                                                                 FeatureService& service);
  void ResolveCountRequest(const YamlNode& object, const ServiceNotes& notes,
                           FeatureService& service);
  std::map<uint32_t, std::string> KeyFields(uint32_t source, const FeatureService& service) const;
  std::vector<RequestEvent::Given> EventFields(const Place& place, uint32_t source,
                                               const FeatureService& service);

  // The index of a field; none where it is unknown (reported) or was declared with a mistake (silent).
  std::optional<uint32_t> FindField(const YamlNode& node, const Source& source,
                                    const SourceNotes& notes);
  void Error(const Place& place, std::string text) { diagnostics_.Error(place, std::move(text)); }
  void Warning(const Place& place, std::string text) {
    diagnostics_.Warning(place, std::move(text));
  }

  const YamlNode& root_;
  Catalog& catalog_;
  Diagnostics& diagnostics_;
  std::vector<SourceNotes> source_notes_;
  std::vector<EntityNotes> entity_notes_;
  std::vector<ViewNotes> view_notes_;
};

}  // namespace freshet
