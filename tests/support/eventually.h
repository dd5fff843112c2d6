// Waiting for what another thread does: as long as it takes, at most 15 s.
#pragma once

#include <chrono>
#include <thread>

namespace freshet {

template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 1500; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace freshet
