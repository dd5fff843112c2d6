// Runs a target over kept inputs, without libFuzzer: replay_corpus FOLDER|FILE…
// The name of each is printed before it is run only where that fails: a finding ends the process.
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/fuzz/fuzz_target.h"

namespace {

char running[4096];

// Async-signal-safe: tells which input it was.
void TellInput(int signal) {
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, running, strlen(running));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i]))
        files.push_back(entry.path());
    } else {
      files.emplace_back(argv[i]);
    }
  }
  if (files.empty()) {
    fmt::print(stderr, "replay_corpus: no inputs; give files or folders of them\n");
    return 1;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGBUS})
    std::signal(signal, TellInput);
  for (const auto& file : files) {
    const std::string input = ReadFile(file);
    const auto told =
        fmt::format_to_n(running, sizeof(running) - 1, "the input was {}\n", file.string());
    *told.out = '\0';
    freshet::fuzz::Run(input);
  }
  fmt::print("{} inputs, no finding\n", files.size());
  return 0;
}
