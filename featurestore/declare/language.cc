#include "featurestore/declare/language.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace freshet {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
constexpr int64_t kGiB = 1024 * kMiB;

// --- Scalars -------------------------------------------------------------------------------------------------------

constexpr Shape kText{.form = Form::kText};
constexpr Shape kName{.form = Form::kName};
constexpr Shape kReference{.form = Form::kReference};
constexpr Shape kBool{.form = Form::kBool};
constexpr Shape kTopic{.form = Form::kTopic};
constexpr Shape kPath{.form = Form::kPath};
constexpr Shape kDuration{.form = Form::kDuration, .like = "10m"};
constexpr Shape kPositiveDuration{.form = Form::kPositiveDuration, .like = "1h"};
constexpr Shape kAddress{.form = Form::kAddress, .like = "127.0.0.1:7570"};
constexpr Shape kSql{.form = Form::kSql};
constexpr Shape kDerive{.map = &kSql};
// Lists and maps only empty ones: what fits is known once the type is.
constexpr Shape kDefaultElement{.form = Form::kDefault};
constexpr Shape kDefault{.form = Form::kDefault,
                         .list = &kDefaultElement,
                         .map = &kDefaultElement,
                         .names_are_free = true};
constexpr Shape kTags{.map = &kText, .names_are_free = true};

constexpr Key kDescription{"description", "Free words; they decide nothing.", &kText};
constexpr Key kOwner{"owner", "Who answers for it.", &kText};
constexpr Key kTagsKey{"tags", "Names and values of your own.", &kTags};

// --- The operator's words ------------------------------------------------------------------------------------------

constexpr Word kClockWords[] = {{"wall"}, {"event_time"}};
constexpr Shape kClock{.form = Form::kWord, .words = kClockWords};
constexpr Shape kInclude{.form = Form::kText, .list = &kText};

constexpr Word kBrokerWords[] = {{"embedded"}, {"none"}};
constexpr Shape kBrokers{.form = Form::kBrokers, .words = kBrokerWords, .like = "localhost:9092"};
constexpr Shape kPartitions{.form = Form::kInteger, .least = 1, .most = 1000};
constexpr Key kEmbeddedKeys[] = {
    {"partitions", "Partitions of each topic of the embedded broker.", &kPartitions},
};
constexpr Object kEmbeddedObject{"kafka.embedded", kEmbeddedKeys};
constexpr Shape kEmbedded{.object = &kEmbeddedObject};
constexpr Shape kLocalLogSize{
    .form = Form::kSize, .least = kMiB, .most = 1024 * 1024 * kGiB, .like = "4GiB"};
constexpr Key kLocalLogKeys[] = {
    {"keep", "How long pushed records are kept. Default: 30d.", &kPositiveDuration},
    {"max_size", "How much of each source is kept at most. Default: 4GiB.", &kLocalLogSize},
};
constexpr Object kLocalLogObject{"kafka.local_log", kLocalLogKeys};
constexpr Shape kLocalLog{.object = &kLocalLogObject};
constexpr Shape kPercent{.form = Form::kInteger, .least = 1, .most = 100};
constexpr Shape kOptions{.map = &kText, .names_are_free = true};
constexpr Key kKafkaKeys[] = {
    {"brokers",
     "embedded, or host:port,host:port, or none: events are pushed and kept here. There is no "
     "default.",
     &kBrokers, true},
    {"embedded", "Of the embedded broker.", &kEmbedded},
    {"local_log", "With brokers: none, what is kept of pushed records.", &kLocalLog},
    {"group", "Consumer group for advisory commits. Default: freshet-<project>.", &kText},
    {"dead_letters", "Topic of refused records. Default: <project>.dead_letters.", &kTopic},
    {"options", "librdkafka's own settings, by its own names.", &kOptions},
    {"rebuild_percent",
     "Of a processor's time, how much a view takes that is built beside live ingestion after a "
     "reload. Default: 50.",
     &kPercent},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kKafkaObject{"kafka", kKafkaKeys};
constexpr Shape kKafka{.object = &kKafkaObject};

constexpr Shape kMemory{
    .form = Form::kMemory, .least = 16 * kMiB, .most = 16384 * kGiB, .like = "512MiB"};
constexpr Shape kReadShare{.form = Form::kReal, .like = "0.6"};
constexpr Shape kBackgroundThreads{.form = Form::kInteger, .least = 2, .most = 64};
constexpr Shape kFlushThreads{.form = Form::kInteger, .least = 1, .most = 63};
constexpr Shape kCompactionRate{
    .form = Form::kSize, .least = kMiB, .most = 1024 * kGiB, .like = "64MiB"};
constexpr Key kStorageAdvancedKeys[] = {
    {"read_share",
     "How much of the memory is for reads, 0.1 to 0.9; the rest is for writes. Default: 0.56.",
     &kReadShare},
    {"background_threads",
     "How many threads flush and compact. Default: as many as the process may use processors, 2 to "
     "4.",
     &kBackgroundThreads},
    {"flush_threads", "How many of them flush write buffers, before any compaction. Default: half.",
     &kFlushThreads},
    {"compaction_rate",
     "Bytes a second that flushes and compactions may write, flushes first. Default: unlimited.",
     &kCompactionRate},
    {"durability", ""},
};
constexpr Object kStorageAdvancedObject{"storage.advanced", kStorageAdvancedKeys};
constexpr Shape kStorageAdvanced{.object = &kStorageAdvancedObject};
constexpr Shape kKeep{.form = Form::kInteger, .least = 1, .most = 1000};
constexpr Key kCheckpointKeys[] = {
    {"to",
     "The folder that they are kept in, on another volume. Relative to the project folder; what it "
     "stands in must exist.",
     &kText, true},
    {"every", "How often one is made. Default: only when one is asked for.", &kPositiveDuration},
    {"keep", "How many are kept. Default: 6.", &kKeep},
};
constexpr Object kCheckpointsObject{"storage.checkpoints", kCheckpointKeys};
constexpr Shape kCheckpoints{.object = &kCheckpointsObject};
constexpr Key kStorageKeys[] = {
    {"path", "The data folder, relative to the project folder. Default: data.", &kText},
    {"memory",
     "One budget for caches, buffers and queues: a size, or a share of the machine's such as 70%.",
     &kMemory},
    {"checkpoints", "Copies of the data folder, to restore it from.", &kCheckpoints},
    {"warm", ""},
    {"advanced", "Splits of the memory budget.", &kStorageAdvanced},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kStorageObject{"storage", kStorageKeys};
constexpr Shape kStorage{.object = &kStorageObject};

constexpr Key kReadinessKeys[] = {
    {"give_up_after", "How long a broker that is away may hold readiness back.", &kDuration},
};
constexpr Object kReadinessObject{"server.readiness", kReadinessKeys};
constexpr Shape kReadiness{.object = &kReadinessObject};
constexpr Shape kMaxRows{.form = Form::kInteger, .least = 1, .most = 1'000'000};
constexpr Shape kMaxResponse{
    .form = Form::kSize, .least = kKiB, .most = 2 * kGiB - 1, .like = "4MiB"};
constexpr Key kServerKeys[] = {
    {"name", "This instance. Default: the host's name.", &kText},
    {"grpc", "host:port of the gRPC server.", &kAddress},
    {"admin", "host:port of /metrics, /livez and /readyz.", &kAddress},
    {"push", "Whether events may be pushed over gRPC and HTTP. Default: true.", &kBool},
    {"push_http", "host:port of POST /push. Default: as admin.", &kAddress},
    {"max_rows", "Rows that one request may ask for.", &kMaxRows},
    {"max_response", "The largest answer.", &kMaxResponse},
    {"default_deadline", "Of calls that bring none.", &kPositiveDuration},
    {"readiness", "When the server says that it is ready.", &kReadiness},
    {"reflection", "gRPC server reflection, on by default.", &kBool},
    {"tls", ""},
    {"token", ""},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kServerObject{"server", kServerKeys};
constexpr Shape kServer{.object = &kServerObject};

// --- Sources -------------------------------------------------------------------------------------------------------

constexpr Word kFormatWords[] = {{"json"}, {"avro", false}, {"protobuf", false}};
constexpr Shape kFormat{.form = Form::kWord, .words = kFormatWords};
constexpr Word kUnitWords[] = {{"s"}, {"ms"}, {"us"}, {"ns"}};
constexpr Shape kUnit{.form = Form::kWord, .words = kUnitWords};

constexpr Word kTypeWords[] = {{"bool"},      {"int64"},          {"double"},
                               {"float"},     {"string"},         {"bytes"},
                               {"timestamp"}, {"decimal", false}, {"map", false}};
constexpr Shape kType{.form = Form::kType, .words = kTypeWords};
constexpr Word kOnBadWords[] = {{"null"}};
constexpr Shape kOnBad{.form = Form::kWord, .words = kOnBadWords};
constexpr Key kFieldKeys[] = {
    {"type", "Type of the field.", &kType, true},
    {"path",
     "Where it stands in the record: merchant.id, $key, $key.id, $headers.tenant. Default: its "
     "name.",
     &kPath},
    {"unit", "Of a timestamp that is a number: s, ms, us or ns.", &kUnit},
    {"required", "An event without it is dead-lettered as incomplete. Default: false.", &kBool},
    {"on_bad",
     "\"null\", in quotes: a value of another type is null, where it else dead-letters the event.",
     &kOnBad},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kFieldObject{"a field", kFieldKeys};
constexpr Shape kField{.form = Form::kType, .words = kTypeWords, .object = &kFieldObject};
constexpr Shape kFields{.map = &kField};

constexpr Word kTimestampWords[] = {{"kafka"}};
constexpr Key kTimestampKeys[] = {
    {"field", "The field that holds the event's time.", &kReference, true},
    {"unit", "Of a number: s, ms, us or ns.", &kUnit},
};
constexpr Object kTimestampObject{"timestamp", kTimestampKeys};
constexpr Shape kTimestamp{
    .form = Form::kReference, .words = kTimestampWords, .object = &kTimestampObject};

constexpr Shape kIdField{.form = Form::kReference, .like = "id"};
constexpr Shape kIdFields{.list = &kIdField};
// The list is read and written with each event of a row.
constexpr Shape kMaxIds{.form = Form::kInteger, .least = 1, .most = 65'536};
constexpr Key kDedupKeys[] = {
    {"by", "The fields that together are an event's id.", &kIdFields, true},
    {"within", "An event whose id was applied to a row within this event time is skipped there.",
     &kPositiveDuration, true},
    {"max_ids", "A row remembers so many ids, its newest. Default: 1000.", &kMaxIds},
};
constexpr Object kDedupObject{"dedup", kDedupKeys};
constexpr Shape kDedup{.object = &kDedupObject};

constexpr Key kSourceKeys[] = {
    {"topic",
     "The Kafka topic. Without Kafka the source's own log is known by the source's name and holds "
     "this one: neither is changed without losing what it has.",
     &kTopic, true},
    {"format", "Of the record's value: json.", &kFormat},
    {"key",
     "The field that the record's key holds. A record without a value deletes what views of an "
     "entity of that one key hold of it.",
     &kReference},
    {"timestamp", "The field that holds the event's time, or kafka for the record's own.",
     &kTimestamp, true},
    {"lateness", "How far behind events may arrive. Default: 10m.", &kDuration},
    {"idle_after",
     "After how long without events a partition no longer holds the watermark back. Default: 1m.",
     &kDuration},
    {"max_future_skew", "How far ahead of the broker's time an event may be. Default: 5m.",
     &kDuration},
    {"fields", "What is in an event: names and types.", &kFields, true},
    {"allow_compacted",
     "Aggregate a topic with cleanup.policy=compact, which forgets all but a key's newest record. "
     "Default: false.",
     &kBool},
    {"start", ""},
    {"dedup", "Producers that send twice: an event counts once.", &kDedup},
    {"derive", "Fields computed of the others, in order: name and SQL.", &kDerive},
    {"where", "SQL: events for which it is not true are for no view.", &kSql},
    {"cdc", ""},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kSourceObject{"a source", kSourceKeys};
constexpr Shape kSource{.object = &kSourceObject};
constexpr Shape kSources{.map = &kSource};

// --- Entities ------------------------------------------------------------------------------------------------------

constexpr Shape kEntityKeyMap{.map = &kType};
constexpr Key kEntityKeys[] = {
    {"keys", "Names and types of the values that tell one entity from another.", &kEntityKeyMap,
     true},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kEntityObject{"an entity", kEntityKeys};
constexpr Shape kEntity{.object = &kEntityObject};
constexpr Shape kEntities{.map = &kEntity};

// --- Views ---------------------------------------------------------------------------------------------------------

constexpr Word kTumblingWords[] = {{"day"}, {"week"}, {"month"}};
constexpr Shape kTumblingLength{
    .form = Form::kPositiveDuration, .words = kTumblingWords, .like = "1d"};
constexpr Word kReportWords[] = {{"running"}, {"completed"}, {"ended"}};
constexpr Shape kReport{.form = Form::kWord, .words = kReportWords};
// So many events are decoded and written again with each event of a row.
constexpr Shape kEventsKept{.form = Form::kInteger, .least = 1, .most = 100'000};
constexpr Key kWindowKeys[] = {
    {"sliding", "Length of a window that ends at the read's time.", &kPositiveDuration},
    {"tumbling",
     "Length of buckets that stand side by side; or day, week (from Monday), month of a calendar.",
     &kTumblingLength},
    {"hopping", "Length of a window that ends where the pane of the read's time begins.",
     &kPositiveDuration},
    {"session", "The gap: from it on, a pause between events ends a session.", &kPositiveDuration},
    {"rows", "So many of the row's newest events.", &kEventsKept},
    {"exact", "Of sliding: true keeps events, and covers the length to the microsecond.", &kBool},
    {"max_events", "Of exact: so many of a row's newest events are kept.", &kEventsKept},
    {"hop", "Length of its panes.", &kPositiveDuration},
    {"timezone", "Of day, week and month: Europe/Berlin. Default: UTC.", &kReference},
    {"offset", "Shifts where panes and buckets begin; needs as.", &kDuration},
    {"as", "The name under which it is served.", &kName},
    {"report",
     "Of tumbling: the running bucket, or the last completed one. Of session: the running one, or "
     "the newest that ended.",
     &kReport},
};
constexpr Object kWindowObject{"a window", kWindowKeys};
constexpr Word kWindowWords[] = {{"lifetime"}};
constexpr Shape kWindow{
    .form = Form::kPositiveDuration, .words = kWindowWords, .object = &kWindowObject, .like = "1h"};
constexpr Shape kWindows{.list = &kWindow};

constexpr Shape kOf{.form = Form::kReference, .list = &kReference, .like = "amount"};
constexpr Shape kReal{.form = Form::kReal, .like = "0.01"};
constexpr Shape kQuantile{.form = Form::kReal, .like = "0.99"};
constexpr Shape kQ{.form = Form::kReal, .list = &kQuantile, .like = "0.99"};
constexpr Shape kExactTo{.form = Form::kInteger, .least = 1, .most = 65'536};
// All of them are decoded and written again with each event of a pane.
constexpr Shape kElements{.form = Form::kInteger, .least = 1, .most = 1000, .like = "10"};
constexpr Shape kMaxKeys{.form = Form::kInteger, .least = 1, .most = 10'000, .like = "100"};
constexpr Shape kBound{.form = Form::kReal, .like = "10, 100"};
constexpr Shape kBounds{.list = &kBound};
constexpr Key kFeatureKeys[] = {
    {"aggregate", "What is computed: count, sum, mean, …", &kReference, true},
    {"of", "The field that it is computed of; of first_n and last_n a list of them, too.", &kOf},
    {"windows", "Lengths of sliding windows, maps for other kinds, or lifetime.", &kWindows},
    {"default", "Stands in for a missing value.", &kDefault},
    {"where", "SQL: events for which it is not true are not counted.", &kSql},
    {"by", "Of count and sum: the field whose values are the keys of a map.", &kReference},
    {"max_keys", "Of a map: so many keys are kept, those of least hash. Default: 100.", &kMaxKeys},
    {"order_by", "Of min_by and max_by: the field that is compared.", &kReference},
    {"n", "Of first_n, last_n and last_distinct_n: the length of the list.", &kElements},
    {"exact_to",
     "Of quantile, count_distinct and top_k: so many values are kept as they are. Default: 256, of "
     "top_k 1024 different ones.",
     &kExactTo},
    {"error",
     "Past exact_to, relative to the answer. Default: 0.01 of quantile, 0.02 of count_distinct.",
     &kReal},
    {"q", "Of quantile: 0 to 1, or a list of such, each served with a suffix such as _p99.", &kQ},
    {"k", "Of top_k: the length of the list.", &kElements},
    {"counts", "Of top_k: true makes it a map from each value to how often it came.", &kBool},
    {"bounds", "Of histogram: rising numbers, between which values are counted.", &kBounds},
    {"per", "Of rate: the time that events are counted for. Default: 1s.", &kPositiveDuration},
    {"half_life", "Of the decayed ones: after how long an event weighs half.", &kPositiveDuration},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kFeatureObject{"a feature", kFeatureKeys};
constexpr Shape kFeature{.object = &kFeatureObject};
constexpr Shape kFeatures{.map = &kFeature};

constexpr Key kLatestKeys[] = {
    {"default", "Stands in for a missing value.", &kDefault},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kLatestObject{"a field of latest values", kLatestKeys};
constexpr Shape kLatestOptions{.object = &kLatestObject};
constexpr Shape kLatestField{.form = Form::kReference,
                             .map = &kLatestOptions,
                             .like = "tier, { credit_limit: { default: 0 } }"};
constexpr Shape kLatestFields{.list = &kLatestField};

constexpr Shape kViewSource{.form = Form::kReference, .list_later = "a list of sources"};
constexpr Word kEntityWords[] = {{"none", false}};
constexpr Shape kViewEntity{.form = Form::kReference, .words = kEntityWords};
constexpr Shape kKeyMap{.map = &kReference};
constexpr Word kTtlWords[] = {{"never"}};
constexpr Shape kTtl{.form = Form::kPositiveDuration, .words = kTtlWords, .like = "30d"};
constexpr Word kCompactionWords[] = {{"leveled"}, {"universal"}};
constexpr Shape kCompaction{.form = Form::kWord, .words = kCompactionWords};
constexpr Shape kFilterBits{.form = Form::kInteger, .least = 2, .most = 24, .like = "10"};
constexpr Key kFilterKeys[] = {
    {"bloom", "Bits a key of a Bloom filter.", &kFilterBits},
    {"ribbon", "Of a Ribbon filter, which is as good as a Bloom filter of so many bits a key.",
     &kFilterBits},
};
constexpr Object kFilterObject{"a filter", kFilterKeys};
constexpr Word kFilterWords[] = {{"none"}};
constexpr Shape kFilter{.form = Form::kWord, .words = kFilterWords, .object = &kFilterObject};
constexpr Shape kBlockSize{.form = Form::kSize, .least = kKiB, .most = kMiB, .like = "8KiB"};
constexpr Word kCompressionWords[] = {{"none"}, {"snappy"}, {"lz4"}, {"zstd"}};
constexpr Shape kCompressionName{.form = Form::kWord, .words = kCompressionWords};
constexpr Key kViewAdvancedKeys[] = {
    {"compaction", "leveled (default: reads touch fewer files) or universal (writes less).",
     &kCompaction},
    {"filter", "Of each file, so that keys it lacks are not looked for. Default: { bloom: 10 }.",
     &kFilter},
    {"block_size", "Of a data block, before compression. Default: 4KiB.", &kBlockSize},
    {"compression", "Of all levels. Default: lz4.", &kCompressionName},
    {"last_level_compression", "Of the last level, which holds most rows. Default: compression.",
     &kCompressionName},
    {"memtable_filter", "A filter in memory too, for keys that are mostly new. Default: false.",
     &kBool},
    {"hash_index", "Finds a key in its block without a binary search. Default: false.", &kBool},
};
constexpr Object kViewAdvancedObject{"a view's advanced", kViewAdvancedKeys};
constexpr Shape kViewAdvanced{.object = &kViewAdvancedObject};
constexpr Key kViewKeys[] = {
    {"source", "The source whose events it counts.", &kViewSource, true},
    {"entity", "What its rows are about.", &kViewEntity, true},
    {"keys", "Entity key: field of the source. Left out where the names agree.", &kKeyMap},
    {"ttl", "How long after its newest event a row is served; never: for ever.", &kTtl},
    {"history", "How far back as_of reaches. Default: 0s.", &kDuration},
    {"features", "What is computed.", &kFeatures},
    {"fields", "Instead of features: fields whose latest values are kept, each by itself.",
     &kLatestFields},
    {"where", "SQL: events for which it is not true are not for this view.", &kSql},
    {"explode", ""},
    {"advanced", "How RocksDB keeps its rows; counts from the next start on.", &kViewAdvanced},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kViewObject{"a feature view", kViewKeys};
constexpr Shape kView{.object = &kViewObject};
constexpr Shape kViews{.map = &kView};

// --- Services ------------------------------------------------------------------------------------------------------

constexpr Shape kRequestKeys{.map = &kName};
constexpr Shape kFeatureNames{.list = &kReference};
constexpr Key kRoleKeys[] = {
    {"view", "The view.", &kReference, true},
    {"as", "The role: its features are served as role:feature, in SQL role.feature.", &kName},
    {"keys", "Entity key: what requests call it. Left out where the names agree.", &kRequestKeys},
    {"features", "Those of its features that are served. Default: all.", &kFeatureNames},
};
constexpr Object kRoleObject{"a view of a service", kRoleKeys, false, true};
constexpr Shape kServed{.form = Form::kReference, .object = &kRoleObject};
constexpr Shape kServedList{.list = &kServed};
constexpr Shape kInputType{.form = Form::kType, .words = kTypeWords};
constexpr Shape kInputs{.map = &kInputType};
constexpr Key kServiceKeys[] = {
    {"features", "Views, single features as \"view:feature\", and { view, as, keys, features }.",
     &kServedList, true},
    {"open", "Whole views are meant: a new feature may widen the answer.", &kBool},
    {"request", "Inputs that come with each request: names and types.", &kInputs},
    {"derive", "SQL over the service's features, inputs and now, in order: name and SQL.",
     &kDerive},
    {"count_request",
     "A source: the request's own event joins its windows before they are finished. Not stored.",
     &kReference},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kServiceObject{"a feature service", kServiceKeys};
constexpr Shape kService{.list = &kServed, .object = &kServiceObject};
constexpr Shape kServices{.map = &kService};

constexpr Key kRootKeys[] = {
    {"project", "The project's name.", &kName, true},
    {"clock",
     "wall, or event_time: now is the greatest event time (replays, demonstrations, tests).",
     &kClock},
    {"include",
     "Files with sources, entities, views and services. Default: features.yaml and "
     "features/*.yaml.",
     &kInclude},
    {"kafka", "Where the events are.", &kKafka, true},
    {"storage", "Where rows are kept, and the memory for it.", &kStorage},
    {"server", "Addresses and limits of the server.", &kServer},
    {"sources", "Where events come from, and what is in them.", &kSources},
    {"entities", "What features are about.", &kEntities},
    {"feature_views", "Features of one entity from one source.", &kViews},
    {"feature_services", "What a model asks for.", &kServices},
    kDescription,
    kOwner,
    kTagsKey,
};
constexpr Object kRoot{"the project", kRootKeys};

constexpr std::array<std::string_view, 4> kDataKeys = {"sources", "entities", "feature_views",
                                                       "feature_services"};

}  // namespace

const Key* Object::Find(std::string_view name) const {
  for (const Key& key : keys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

const Object& LanguageRoot() { return kRoot; }

bool IsDataKey(std::string_view top_level_key) {
  return std::find(kDataKeys.begin(), kDataKeys.end(), top_level_key) != kDataKeys.end();
}

}  // namespace freshet
