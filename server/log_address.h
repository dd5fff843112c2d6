// Where the log is, from what the project declares and what runs beside it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/ingest.h"
#include "featurestore/ingest/mock_broker.h"

namespace freshet {

// With `brokers: embedded`: none as long as no broker.json says where it is. With host:port: that address; if a mock broker
// that runs on this data folder listens there (`freshet broker`), its log_id comes with it.
std::optional<LogAddress> FindLog(const Catalog& catalog);

// What a running server says while the mock broker at `address` does not answer: "" unless broker.json names another, which was
// started in its place with an empty log.
std::string ReplacedBroker(const std::filesystem::path& data_folder, const LogAddress& address);

// Whether a connection to host:port (the first, of a list) is taken: tells a broker.json that a killed broker left behind.
bool SomebodyListens(const std::string& bootstrap);

// The topics that an embedded broker makes: every source's, and the dead letters'.
std::vector<MockTopic> EmbeddedTopics(const Catalog& catalog);

}  // namespace freshet
