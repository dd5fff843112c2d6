// Until when a call's answer is waited for.
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>

#include "featurestore/base/time.h"

namespace freshet {

// gRPC counts a client's deadline on the wall clock of this process; ours, of a call without one, begins where the call arrived.
class CallDeadline {
 public:
  CallDeadline(const grpc::ServerContextBase& context,
               std::chrono::steady_clock::time_point arrived, Duration default_deadline)
      : clients_(context.deadline()),
        ours_(arrived + std::chrono::microseconds(default_deadline.us)) {}

  bool passed() const {
    return clients_ != std::chrono::system_clock::time_point::max()
               ? std::chrono::system_clock::now() > clients_
               : std::chrono::steady_clock::now() > ours_;
  }

 private:
  std::chrono::system_clock::time_point clients_;
  std::chrono::steady_clock::time_point ours_;
};

}  // namespace freshet
