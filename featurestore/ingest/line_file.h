// Lines of a text file, gzipped or not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/status.h"

struct gzFile_s;

namespace freshet {

// Not thread-safe.
class LineFile {
 public:
  static StatusOr<LineFile> Open(const std::filesystem::path& path);

  // False at the end. `line` comes without its line end, and is valid until the next call. A line beyond 64 MiB is an error.
  StatusOr<bool> Next(std::string_view& line);

  // What the whole file holds once it is unpacked: equal for equal text, however it was packed. An error where it is damaged or cut off.
  static StatusOr<std::string> ContentId(const std::filesystem::path& path);

  // Of the file as it lies on disk.
  uint64_t bytes_read() const;
  uint64_t bytes_total() const { return total_; }

 private:
  struct Closer {
    void operator()(gzFile_s* file) const;
  };
  LineFile(std::unique_ptr<gzFile_s, Closer> file, std::string name, uint64_t total);
  // Into `room`, as much as there is of it; 0: the file has ended.
  StatusOr<size_t> Read(std::span<char> room);

  std::unique_ptr<gzFile_s, Closer> file_;
  std::string name_;
  uint64_t total_;
  std::vector<char> buffer_;
  size_t begin_ = 0;  // of what was not handed out yet
  size_t end_ = 0;
  bool at_end_ = false;
};

}  // namespace freshet
