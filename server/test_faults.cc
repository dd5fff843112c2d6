#include "server/test_faults.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

namespace freshet {

StatusOr<CommitFaults> CommitFaultsFromEnvironment(Log& log) {
  CommitFaults faults;
  if (const char* name = std::getenv("FRESHET_TEST_COMMIT_FAULT");
      name != nullptr && *name != '\0') {
    const auto kind = CommitFaults::FromName(name);
    if (!kind.has_value())
      return InvalidArgument("FRESHET_TEST_COMMIT_FAULT: there is no fault {}; unset it", name);
    faults.kind = *kind;
    log.Warn("commit_fault",
             "FRESHET_TEST_COMMIT_FAULT is set: this server loses or repeats events when it is "
             "killed. For tests only.",
             {{"fault", std::string(name)}});
  }
  if (const char* path = std::getenv("FRESHET_TEST_COMMIT_LOG"); path != nullptr && *path != '\0') {
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) return InvalidArgument("FRESHET_TEST_COMMIT_LOG: {} cannot be written", path);
    const std::shared_ptr<const int> file(new int(fd), [](const int* owned) {
      close(*owned);
      delete owned;
    });
    // The waits make room for a kill before the write and after it, inside what the file says is one commit.
    faults.around = [file](bool begins) {
      if (!begins) std::this_thread::sleep_for(std::chrono::milliseconds(8));
      [[maybe_unused]] const ssize_t written = write(*file, begins ? "b" : "e", 1);
      if (begins) std::this_thread::sleep_for(std::chrono::milliseconds(8));
    };
  }
  return faults;
}

}  // namespace freshet
