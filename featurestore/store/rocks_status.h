// RocksDB's errors as Freshet's: the code, the place, the remedy.
#pragma once

#include <rocksdb/status.h>

#include <filesystem>
#include <string_view>

#include "featurestore/base/status.h"

namespace freshet {

// `doing` continues "could not …". OK stays OK.
Status FromRocks(const rocksdb::Status& status, std::string_view doing,
                 const std::filesystem::path& folder);

// Another process, or this one, has the database open.
bool IsLocked(const rocksdb::Status& status);

}  // namespace freshet
