#include "server/commands/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace freshet {
namespace {

constexpr int kBarWidth = 30;

std::string MinutesAndSeconds(double seconds) {
  const auto whole = static_cast<int64_t>(std::ceil(seconds));
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

std::string WithThousands(uint64_t number) {
  std::string text = std::to_string(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string ProgressLine(uint64_t events, uint64_t bytes_read, uint64_t bytes_total,
                         double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(events) / seconds : 0;
  std::string counted = fmt::format("{} events  {}/s", WithThousands(events),
                                    WithThousands(static_cast<uint64_t>(rate)));
  if (bytes_total == 0) return counted;
  const double share =
      std::min(1.0, static_cast<double>(bytes_read) / static_cast<double>(bytes_total));
  const int filled = static_cast<int>(share * kBarWidth);
  const std::string bar = std::string(static_cast<size_t>(filled), '#') +
                          std::string(kBarWidth - static_cast<size_t>(filled), '-');
  // A second's worth of reading says something about the rest; a file read in one gulp does not.
  const std::string eta =
      share > 0 && seconds > 0.5 ? MinutesAndSeconds(seconds * (1 - share) / share) : "-:--";
  return fmt::format("[{}] {:3.0f}%  {}  ETA {}", bar, share * 100, counted, eta);
}

ProgressBar::ProgressBar()
    : drawn_(isatty(STDERR_FILENO) != 0), start_(std::chrono::steady_clock::now()) {}

void ProgressBar::Show(uint64_t events, uint64_t bytes_read, uint64_t bytes_total) {
  if (!drawn_) return;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
  fmt::print(stderr, "\r\x1b[K{}", ProgressLine(events, bytes_read, bytes_total, passed.count()));
  std::fflush(stderr);
  on_screen_ = true;
}

void ProgressBar::End() {
  if (on_screen_) fmt::print(stderr, "\n");
  on_screen_ = false;
}

void ProgressBar::Wipe() {
  if (on_screen_) fmt::print(stderr, "\r\x1b[K");
  on_screen_ = false;
}

}  // namespace freshet
