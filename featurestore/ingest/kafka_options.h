// What `kafka: { options: … }` may say, asked before anything is started (`freshet validate`). For callers that must not know
// librdkafka.
#pragma once

#include <string>

#include "featurestore/base/status.h"

namespace freshet {

// INVALID_ARGUMENT where librdkafka has no such option (the nearest is named), where it refuses the value, and where Freshet
// sets it itself, under this or another name, to something else. Thread-safe.
Status CheckKafkaOption(const std::string& name, const std::string& value);

}  // namespace freshet
