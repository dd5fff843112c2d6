// The bytes of a dead letter that waits for its relay (docs/storage_format.md).
#pragma once

#include <string>
#include <string_view>

#include "featurestore/base/status.h"
#include "featurestore/store/store.h"

namespace freshet {

std::string EncodeDeadLetter(const DeadLetter& letter);
StatusOr<DeadLetter> DecodeDeadLetter(std::string_view bytes);

}  // namespace freshet
