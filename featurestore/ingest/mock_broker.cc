#include "featurestore/ingest/mock_broker.h"

#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "featurestore/ingest/kafka_client.h"

namespace freshet {
namespace {

constexpr const char* kLockName = "broker.lock";
constexpr const char* kFileName = "broker.json";

std::string NewLogId() {
  std::random_device random;
  const uint64_t high = random(), low = random();
  return fmt::format("{:016x}", high << 32 | low);
}

// Whoever reads sees the old file or the new one, never a part.
Status WriteBrokerFile(const std::filesystem::path& folder, const BrokerFile& file) {
  const nlohmann::json json = {
      {"bootstrap", file.bootstrap}, {"log_id", file.log_id}, {"pid", file.pid}};
  const auto path = folder / kFileName;
  const auto temporary = folder / (std::string(kFileName) + ".new");
  {
    std::ofstream out(temporary, std::ios::trunc);
    out << json.dump() << "\n";
    if (!out.flush()) {
      return Unavailable("{}: cannot be written: {}", temporary.string(), std::strerror(errno));
    }
  }
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return Unavailable("{}: cannot be written: {}", path.string(), error.message());
  return OkStatus();
}

// Holds the lock of a folder's broker; the kernel frees it with the process, however that ends.
class FolderLock {
 public:
  FolderLock() = default;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Status Take(const std::filesystem::path& folder) {
    const auto path = folder / kLockName;
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) {
      return Unavailable("{}: cannot be opened: {}", path.string(), std::strerror(errno));
    }
    if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return OkStatus();
    const auto running = ReadBrokerFile(folder);
    return MakeStatus(
        absl::StatusCode::kAlreadyExists,
        "{}: another process runs the embedded broker of this folder{}", path.string(),
        running ? fmt::format(" at {} (pid {})", running->bootstrap, running->pid) : std::string());
  }

 private:
  int descriptor_ = -1;
};

}  // namespace

struct MockBroker::Impl {
  FolderLock lock;
  std::filesystem::path folder;
  KafkaHandle handle;  // the cluster's bookkeeping stands on it
  rd_kafka_mock_cluster_t* cluster = nullptr;
  BrokerFile file;

  ~Impl() {
    if (cluster == nullptr) return;
    std::error_code
        ignored;  // a file that stays names a broker that does not answer: said by who asks
    if (!file.bootstrap.empty()) std::filesystem::remove(folder / kFileName, ignored);
    rd_kafka_mock_cluster_destroy(cluster);
  }
};

std::optional<BrokerFile> ReadBrokerFile(const std::filesystem::path& data_folder) {
  std::ifstream in(data_folder / kFileName);
  if (!in) return std::nullopt;
  std::ostringstream text;
  text << in.rdbuf();
  const auto json = nlohmann::json::parse(text.str(), nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto bootstrap = json.find("bootstrap"), log_id = json.find("log_id"),
             pid = json.find("pid");
  if (bootstrap == json.end() || !bootstrap->is_string() || log_id == json.end() ||
      !log_id->is_string() || pid == json.end() || !pid->is_number_integer()) {
    return std::nullopt;
  }
  return BrokerFile{bootstrap->get<std::string>(), log_id->get<std::string>(), pid->get<int64_t>()};
}

MockBroker::MockBroker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MockBroker::~MockBroker() = default;
const std::string& MockBroker::bootstrap() const { return impl_->file.bootstrap; }
const std::string& MockBroker::log_id() const { return impl_->file.log_id; }

StatusOr<std::unique_ptr<MockBroker>> MockBroker::Start(const std::filesystem::path& data_folder,
                                                        const std::vector<MockTopic>& topics) {
  std::error_code error;
  std::filesystem::create_directories(data_folder, error);
  if (error) {
    return Unavailable("{}: cannot be made: {}", data_folder.string(), error.message());
  }
  auto impl = std::make_unique<Impl>();
  impl->folder = data_folder;
  RETURN_IF_ERROR(impl->lock.Take(data_folder));

  KafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  ASSIGN_OR_RETURN(impl->handle, MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf)));
  impl->cluster = rd_kafka_mock_cluster_new(impl->handle.get(), 1);
  if (impl->cluster == nullptr) return Unavailable("the embedded broker cannot listen on loopback");
  std::unique_ptr<MockBroker> broker(new MockBroker(std::move(impl)));
  RETURN_IF_ERROR(broker->AddTopics(topics));
  const BrokerFile file{rd_kafka_mock_cluster_bootstraps(broker->impl_->cluster), NewLogId(),
                        getpid()};
  RETURN_IF_ERROR(WriteBrokerFile(data_folder, file));
  broker->impl_->file = file;
  return broker;
}

Status MockBroker::AddTopics(const std::vector<MockTopic>& topics) {
  for (const MockTopic& topic : topics) {
    const auto made = rd_kafka_mock_topic_create(impl_->cluster, topic.name.c_str(),
                                                 topic.partitions, /*replication_factor=*/1);
    if (made != RD_KAFKA_RESP_ERR_NO_ERROR && made != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      return InvalidArgument("topic {} of the embedded broker, {} partitions: {}", topic.name,
                             topic.partitions, KafkaErrorText(made));
    }
  }
  return OkStatus();
}

}  // namespace freshet
