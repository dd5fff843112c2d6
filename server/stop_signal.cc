#include "server/stop_signal.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace freshet {
namespace {

// A signal handler sees nothing but what is static.
std::atomic<int> g_signals{0};
int g_pipe[2] = {-1, -1};

std::atomic<bool> g_reload{false};

void OnReload(int) {
  g_reload = true;
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = write(g_pipe[1], "r", 1);
  errno = saved;
}

void OnSignal(int signal) {
  if (g_signals.fetch_add(1) > 0) _exit(128 + signal);
  const int saved = errno;
  [[maybe_unused]] const ssize_t written = write(g_pipe[1], "x", 1);
  errno = saved;
}

}  // namespace

StopSignal::StopSignal(bool takes_reload) {
  g_signals = 0;
  g_reload = false;
  if (pipe2(g_pipe, O_CLOEXEC | O_NONBLOCK) != 0) g_pipe[0] = g_pipe[1] = -1;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  if (takes_reload) {
    action.sa_handler = OnReload;
    sigaction(SIGHUP, &action, nullptr);
  }
  signal(SIGPIPE, SIG_IGN);
}

StopSignal::~StopSignal() {
  signal(SIGTERM, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGHUP, SIG_DFL);
  close(g_pipe[0]);
  close(g_pipe[1]);
}

bool StopSignal::requested() const { return g_signals.load() > 0; }

bool StopSignal::WaitFor(std::chrono::milliseconds at_most) const {
  pollfd waiting{g_pipe[0], POLLIN, 0};
  poll(&waiting, 1, static_cast<int>(at_most.count()));
  return requested();
}

bool StopSignal::TakeReload() {
  // Another wish may come while this one is seen to: what it wrote wakes the next wait.
  std::array<char, 64> bytes;
  if (!g_reload.exchange(false)) return false;
  while (!requested() && read(g_pipe[0], bytes.data(), bytes.size()) > 0) {
  }
  return true;
}

void StopSignal::Wait() const {
  while (!WaitFor(std::chrono::seconds(60)) && !g_reload) {
  }
}

}  // namespace freshet
