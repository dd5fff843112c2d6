// The line that `freshet replay` draws on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace freshet {

// "[#########---------------------]  30%  101,033 events  52,000/s  ETA 0:04". `bytes_total` 0: the share is not known.
std::string ProgressLine(uint64_t events, uint64_t bytes_read, uint64_t bytes_total,
                         double seconds);

// 336776 → "336,776"
std::string WithThousands(uint64_t number);

// Draws over its own last line on standard error; does nothing where that is no terminal.
class ProgressBar {
 public:
  ProgressBar();
  void Show(uint64_t events, uint64_t bytes_read, uint64_t bytes_total);
  // Leaves the line, so that what is printed next begins on its own.
  void End();
  // Room for another message: wipes the line, which the next Show draws again.
  void Wipe();

 private:
  const bool drawn_;
  bool on_screen_ = false;
  const std::chrono::steady_clock::time_point start_;
};

}  // namespace freshet
