// Binding an address, with an error that an operator can act on.
#pragma once

#include <string>

#include "featurestore/base/status.h"

namespace freshet {

struct ListenSocket {
  int fd = -1;          // owned by the caller
  std::string address;  // host:port actually bound
};

// `address` is host:port or [v6]:port; `setting` is named in errors (server.admin).
StatusOr<ListenSocket> Listen(const std::string& address, const std::string& setting);

}  // namespace freshet
