#include "featurestore/declare/settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "featurestore/base/cgroup.h"
#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_forms.h"

namespace freshet {
namespace {

const YamlNode kNothing;

// A section that is there and is a map; else an empty one.
const YamlNode& Section(const YamlNode& root, std::string_view key) {
  const YamlNode* node = Sound(root, key);
  return node != nullptr && node->kind == YamlNode::Kind::kMap ? *node : kNothing;
}

std::string TextOr(const YamlNode& object, std::string_view key, const std::string& otherwise) {
  const YamlNode* node = Sound(object, key);
  return node == nullptr ? otherwise : node->text;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "freshet";
  return name.data();
}

bool IsSecretOption(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::array<std::string_view, 5> kSigns = {"password", "secret", "key", "token",
                                                      "oauthbearer.config"};
  return std::any_of(kSigns.begin(), kSigns.end(),
                     [&](std::string_view sign) { return lower.find(sign) != std::string::npos; });
}

void CheckOption(const YamlEntry& option, const LoadOptions& options, Diagnostics& diagnostics) {
  if (option.value.bad || !options.check_kafka_option) return;
  const Status status = options.check_kafka_option(option.key, option.value.text);
  if (status.ok()) return;
  std::string text(MessageOf(status));
  if (option.value.secret && text.find(option.value.text) != std::string::npos)
    text = fmt::format("option {}: its value is refused", option.key);
  // A value that --set has put in place of the file's is the one to mend.
  const bool overridden = option.value.place.file != option.key_place.file;
  diagnostics.Error(overridden ? option.value.place : option.key_place, std::move(text));
}

void ResolveKafka(const YamlNode& kafka, const LoadOptions& options, Catalog& catalog,
                  Diagnostics& diagnostics) {
  KafkaSettings& settings = catalog.kafka;
  if (const YamlNode* brokers = Sound(kafka, "brokers")) {
    if (brokers->text == "embedded") {
      settings.kind = KafkaSettings::Kind::kEmbedded;
    } else if (brokers->text == "none") {
      settings.kind = KafkaSettings::Kind::kNone;
    } else {
      settings.kind = KafkaSettings::Kind::kBrokers;
      settings.brokers = ReadBrokers(brokers->text).value_or("");
      if (catalog.clock == ClockKind::kEventTime) {
        diagnostics.Warning(brokers->place,
                            "clock: event_time with a real broker: now follows the events, so "
                            "nothing ages while none come; "
                            "it is meant for replays, demonstrations and tests");
      }
    }
  }
  if (const YamlNode* partitions = Sound(Section(kafka, "embedded"), "partitions")) {
    settings.embedded_partitions = static_cast<int32_t>(ReadInteger(partitions->text).value_or(1));
    if (settings.kind != KafkaSettings::Kind::kEmbedded) {
      diagnostics.Warning(partitions->place,
                          "embedded.partitions counts only with brokers: embedded");
    }
  }
  const YamlNode& local = Section(kafka, "local_log");
  settings.local_keep = DurationOr(local, "keep", settings.local_keep);
  if (const YamlNode* size = Sound(local, "max_size"))
    settings.local_max_bytes = ReadSize(size->text).value_or(settings.local_max_bytes);
  if (Sound(kafka, "local_log") != nullptr && settings.kind != KafkaSettings::Kind::kNone)
    diagnostics.Warning(local.place, "local_log counts only with brokers: none");
  if (const YamlNode* percent = Sound(kafka, "rebuild_percent")) {
    settings.rebuild_percent = static_cast<int32_t>(ReadInteger(percent->text).value_or(50));
  }
  settings.group = TextOr(kafka, "group", "freshet-" + catalog.project);
  settings.dead_letters = TextOr(kafka, "dead_letters", catalog.project + ".dead_letters");
  for (const YamlEntry& option : Section(kafka, "options").entries) {
    if (option.key == "bootstrap.servers" || option.key == "metadata.broker.list") {
      diagnostics.Error(option.key_place,
                        fmt::format("{} is what kafka.brokers says; remove it", option.key));
    } else {
      CheckOption(option, options, diagnostics);
    }
    if (!option.value.bad) settings.options[option.key] = option.value.text;
  }
}

// Whether `inner` is `outer`, or lies in it. Both are normal and absolute.
bool IsWithin(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  const auto [rest, differs] =
      std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return rest == outer.end();
}

std::filesystem::path FolderPath(const std::filesystem::path& folder, const std::string& text) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(folder / text, error).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

void ResolveCheckpoints(const YamlNode& checkpoints, const std::filesystem::path& folder,
                        StorageSettings& storage, Diagnostics& diagnostics) {
  const YamlNode* to = Sound(checkpoints, "to");
  if (to == nullptr) return;
  CheckpointSettings& settings = storage.checkpoints.emplace();
  const std::filesystem::path path = FolderPath(folder, to->text);
  settings.to = path.string();
  if (Sound(checkpoints, "every") != nullptr) {
    settings.every = DurationOr(checkpoints, "every", Duration());
  }
  if (const YamlNode* keep = Sound(checkpoints, "keep")) {
    settings.keep = static_cast<uint32_t>(ReadInteger(keep->text).value_or(settings.keep));
  }
  if (to->text.empty()) {
    diagnostics.Error(to->place, "to is empty; write the folder of the checkpoints");
  } else if (IsWithin(path, FolderPath(folder, storage.path))) {
    diagnostics.Error(to->place,
                      "to lies in storage.path, so that what loses the data loses the checkpoints; "
                      "write a folder on another volume");
  }
}

void ResolveBackground(const YamlNode& advanced, BackgroundWork& work, Diagnostics& diagnostics) {
  if (const YamlNode* threads = Sound(advanced, "background_threads")) {
    work.threads = static_cast<uint32_t>(ReadInteger(threads->text).value_or(work.threads));
    work.flush_threads = BackgroundWork::FlushThreadsOf(work.threads);
  }
  if (const YamlNode* flushes = Sound(advanced, "flush_threads")) {
    work.flush_threads =
        static_cast<uint32_t>(ReadInteger(flushes->text).value_or(work.flush_threads));
    // Of a default that hangs on the machine a project must not.
    if (Sound(advanced, "background_threads") == nullptr) {
      work.threads = std::max(work.threads, work.flush_threads + 1);
    }
    if (work.flush_threads >= work.threads) {
      diagnostics.Error(
          flushes->place,
          fmt::format("flush_threads is {} of {} background_threads, which leaves none "
                      "to compactions; write a smaller one",
                      work.flush_threads, work.threads));
    }
  }
  if (const YamlNode* rate = Sound(advanced, "compaction_rate")) {
    if (const auto bytes = ReadSize(rate->text); bytes.ok()) work.bytes_per_second = *bytes;
  }
}

void ResolveStorage(const YamlNode& storage, const std::filesystem::path& folder, Catalog& catalog,
                    Diagnostics& diagnostics) {
  const YamlNode* path = Sound(storage, "path");
  if (path != nullptr && path->text.empty())
    diagnostics.Error(path->place, "path is empty; write one such as ./data");
  std::error_code error;
  catalog.storage.path = std::filesystem::absolute(folder / TextOr(storage, "path", "data"), error)
                             .lexically_normal()
                             .string();
  if (const YamlNode* share = Sound(Section(storage, "advanced"), "read_share")) {
    const double read_share = ReadReal(share->text).value_or(0);
    if (read_share >= 0.1 && read_share <= 0.9) {
      catalog.storage.read_share = read_share;
    } else {
      diagnostics.Error(share->place,
                        fmt::format("read_share is {}; write one from 0.1 to 0.9", share->Shown()));
    }
  }
  ResolveBackground(Section(storage, "advanced"), catalog.storage.background, diagnostics);
  ResolveCheckpoints(Section(storage, "checkpoints"), folder, catalog.storage, diagnostics);
  const YamlNode* memory = Sound(storage, "memory");
  if (memory == nullptr) return;
  const uint64_t limit = MemoryLimitBytes();
  if (const auto share = ReadPercent(memory->text)) {
    // Whole MiB, so that what is printed is what is meant.
    const auto bytes = static_cast<uint64_t>(static_cast<double>(limit) * *share) >> 20 << 20;
    catalog.storage.memory_bytes = std::max<uint64_t>(bytes, 16ull << 20);
    return;
  }
  catalog.storage.memory_bytes = ReadSize(memory->text).value_or(catalog.storage.memory_bytes);
  if (catalog.storage.memory_bytes > limit) {
    diagnostics.Warning(
        memory->place,
        fmt::format(
            "memory is {}, and this machine or its cgroup has {}; write a share such as 70%",
            memory->Shown(), FormatSize(limit)));
  }
}

void ResolveServer(const YamlNode& server, Catalog& catalog, Diagnostics& diagnostics) {
  ServerSettings& settings = catalog.server;
  settings.name = TextOr(server, "name", HostName());
  settings.grpc = TextOr(server, "grpc", settings.grpc);
  settings.admin = TextOr(server, "admin", settings.admin);
  if (const YamlNode* rows = Sound(server, "max_rows")) {
    settings.max_rows = static_cast<uint32_t>(ReadInteger(rows->text).value_or(settings.max_rows));
  }
  if (const YamlNode* bytes = Sound(server, "max_response")) {
    settings.max_response_bytes = ReadSize(bytes->text).value_or(settings.max_response_bytes);
  }
  settings.default_deadline = DurationOr(server, "default_deadline", settings.default_deadline);
  settings.readiness_give_up_after =
      DurationOr(Section(server, "readiness"), "give_up_after", settings.readiness_give_up_after);
  settings.push = TextOr(server, "push", "true") == "true";
  settings.push_http = TextOr(server, "push_http", "");
  settings.reflection = TextOr(server, "reflection", "true") == "true";
  const auto grpc = ReadHostPort(settings.grpc, 0);
  const auto admin = ReadHostPort(settings.admin, 0);
  if (grpc.ok() && admin.ok() && grpc->port != 0 && settings.grpc == settings.admin) {
    const YamlNode* node =
        Sound(server, "admin") != nullptr ? Sound(server, "admin") : Sound(server, "grpc");
    diagnostics.Error(
        node->place,
        fmt::format("grpc and admin are both at {}; give each a port of its own", settings.grpc));
  }
}

// Where a value came from, as Setting says it.
std::string OriginOf(const YamlNode* node) {
  if (node == nullptr) return "default";
  const std::string place = ToString(node->place);
  return place.rfind("--set ", 0) == 0 ? "--set" : place;
}

class SettingList {
 public:
  explicit SettingList(const YamlNode& root) : root_(root) {}

  // `value` is what it came to; text of the file is not repeated.
  void Add(std::string_view section, std::string_view key, std::string value) {
    const YamlNode& object = section.empty() ? root_ : Section(root_, section);
    AddAt(object, section.empty() ? std::string(key) : fmt::format("{}.{}", section, key), key,
          std::move(value));
  }
  void AddAt(const YamlNode& object, std::string path, std::string_view key, std::string value) {
    const YamlNode* node = Sound(object, key);
    settings_.push_back({std::move(path),
                         node != nullptr && node->secret ? "***" : std::move(value),
                         OriginOf(node)});
  }
  std::vector<Setting> Take() { return std::move(settings_); }

 private:
  const YamlNode& root_;
  std::vector<Setting> settings_;
};

}  // namespace

void ResolveSettings(const YamlNode& root, const std::filesystem::path& folder,
                     const LoadOptions& options, Catalog& catalog, Diagnostics& diagnostics) {
  catalog.project = TextOr(root, "project", "");
  catalog.clock =
      TextOr(root, "clock", "wall") == "event_time" ? ClockKind::kEventTime : ClockKind::kWall;
  ResolveKafka(Section(root, "kafka"), options, catalog, diagnostics);
  ResolveStorage(Section(root, "storage"), folder, catalog, diagnostics);
  ResolveServer(Section(root, "server"), catalog, diagnostics);
}

std::vector<Setting> ListSettings(const YamlNode& root, const Catalog& catalog) {
  SettingList list(root);
  const KafkaSettings& kafka = catalog.kafka;
  const ServerSettings& server = catalog.server;
  list.Add("", "project", catalog.project);
  list.Add("", "clock", catalog.clock == ClockKind::kWall ? "wall" : "event_time");
  list.Add("kafka", "brokers",
           kafka.kind == KafkaSettings::Kind::kEmbedded ? "embedded"
           : kafka.kind == KafkaSettings::Kind::kNone   ? "none"
                                                        : kafka.brokers);
  const YamlNode& kafka_node = Section(root, "kafka");
  if (kafka.kind == KafkaSettings::Kind::kNone) {
    const YamlNode& local = Section(kafka_node, "local_log");
    list.AddAt(local, "kafka.local_log.keep", "keep", FormatDuration(kafka.local_keep));
    list.AddAt(local, "kafka.local_log.max_size", "max_size", FormatSize(kafka.local_max_bytes));
  }
  if (kafka.kind == KafkaSettings::Kind::kEmbedded) {
    list.AddAt(Section(kafka_node, "embedded"), "kafka.embedded.partitions", "partitions",
               fmt::to_string(kafka.embedded_partitions));
  }
  list.Add("kafka", "group", kafka.group);
  list.Add("kafka", "dead_letters", kafka.dead_letters);
  list.Add("kafka", "rebuild_percent", fmt::to_string(kafka.rebuild_percent));
  for (const auto& [name, value] : kafka.options) {
    list.AddAt(Section(kafka_node, "options"), "kafka.options." + name, name,
               IsSecretOption(name) ? "***" : value);
  }
  list.Add("storage", "path", catalog.storage.path);
  list.Add("storage", "memory", FormatSize(catalog.storage.memory_bytes));
  list.AddAt(Section(Section(root, "storage"), "advanced"), "storage.advanced.read_share",
             "read_share", fmt::to_string(catalog.storage.read_share));
  const BackgroundWork& work = catalog.storage.background;
  const YamlNode& advanced = Section(Section(root, "storage"), "advanced");
  list.AddAt(advanced, "storage.advanced.background_threads", "background_threads",
             fmt::to_string(work.threads));
  list.AddAt(advanced, "storage.advanced.flush_threads", "flush_threads",
             fmt::to_string(work.flush_threads));
  list.AddAt(advanced, "storage.advanced.compaction_rate", "compaction_rate",
             work.bytes_per_second ? FormatSize(*work.bytes_per_second) : "unlimited");
  if (const auto& checkpoints = catalog.storage.checkpoints) {
    const YamlNode& node = Section(Section(root, "storage"), "checkpoints");
    list.AddAt(node, "storage.checkpoints.to", "to", checkpoints->to);
    list.AddAt(node, "storage.checkpoints.every", "every",
               checkpoints->every ? FormatDuration(*checkpoints->every) : "never");
    list.AddAt(node, "storage.checkpoints.keep", "keep", fmt::to_string(checkpoints->keep));
  }
  list.Add("server", "name", server.name);
  list.Add("server", "grpc", server.grpc);
  list.Add("server", "admin", server.admin);
  list.Add("server", "push", server.push ? "true" : "false");
  list.Add("server", "push_http", server.push_http.empty() ? server.admin : server.push_http);
  list.Add("server", "max_rows", fmt::to_string(server.max_rows));
  list.Add("server", "max_response", FormatSize(server.max_response_bytes));
  list.Add("server", "default_deadline", FormatDuration(server.default_deadline));
  list.AddAt(Section(Section(root, "server"), "readiness"), "server.readiness.give_up_after",
             "give_up_after", FormatDuration(server.readiness_give_up_after));
  list.Add("server", "reflection", server.reflection ? "true" : "false");
  return list.Take();
}

}  // namespace freshet
