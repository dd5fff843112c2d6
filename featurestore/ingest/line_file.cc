#include "featurestore/ingest/line_file.h"

#include <zlib.h>

#include <cerrno>
#include <cstring>

#include "featurestore/base/hash.h"

namespace freshet {
namespace {

constexpr size_t kChunkBytes = 256 * 1024;
constexpr size_t kMaxLineBytes = 64 * 1024 * 1024;
// As ever: the id of a file that was sent before must be the same.
constexpr size_t kHashedAtOnce = 1 << 20;

}  // namespace

void LineFile::Closer::operator()(gzFile_s* file) const { gzclose(file); }

LineFile::LineFile(std::unique_ptr<gzFile_s, Closer> file, std::string name, uint64_t total)
    : file_(std::move(file)), name_(std::move(name)), total_(total), buffer_(kChunkBytes) {}

StatusOr<LineFile> LineFile::Open(const std::filesystem::path& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return NotFound("{}: {}", path.string(), error.message());
  // gzopen reads files that are not gzipped as they are.
  std::unique_ptr<gzFile_s, Closer> file(gzopen(path.c_str(), "rb"));
  if (file == nullptr) return NotFound("{}: {}", path.string(), std::strerror(errno));
  gzbuffer(file.get(), kChunkBytes);
  return LineFile(std::move(file), path.string(), size);
}

StatusOr<size_t> LineFile::Read(std::span<char> room) {
  const int count = gzread(file_.get(), room.data(), static_cast<unsigned>(room.size()));
  int code = 0;
  std::string_view what = gzerror(file_.get(), &code);  // begins with the path it was opened by
  if (what.starts_with(name_ + ": ")) what.remove_prefix(name_.size() + 2);
  if (count < 0) return DataLoss("{}: {}; the file is damaged", name_, what);
  if (count == 0 && code == Z_BUF_ERROR) {
    return DataLoss("{}: {}; the file is cut off", name_, what);
  }
  return static_cast<size_t>(count);
}

StatusOr<std::string> LineFile::ContentId(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(LineFile file, Open(path));
  std::vector<char> part(kHashedAtOnce);
  uint64_t hash = 0, bytes = 0;
  for (bool more = true; more;) {
    size_t filled = 0;
    while (more && filled < part.size()) {
      ASSIGN_OR_RETURN(const size_t count, file.Read(std::span(part).subspan(filled)));
      filled += count;
      more = count > 0;
    }
    hash = Hash64({part.data(), filled}, hash);
    bytes += filled;
  }
  return fmt::format("file:{:016x}:{}", hash, bytes);
}

uint64_t LineFile::bytes_read() const {
  const auto offset = gzoffset(file_.get());
  return offset < 0 ? 0 : static_cast<uint64_t>(offset);
}

StatusOr<bool> LineFile::Next(std::string_view& line) {
  size_t searched = begin_;
  while (true) {
    const void* newline = std::memchr(buffer_.data() + searched, '\n', end_ - searched);
    if (newline != nullptr) {
      const auto at = static_cast<size_t>(static_cast<const char*>(newline) - buffer_.data());
      line = std::string_view(buffer_.data() + begin_, at - begin_);
      begin_ = at + 1;
      break;
    }
    if (at_end_) {
      if (begin_ == end_) return false;
      line = std::string_view(buffer_.data() + begin_, end_ - begin_);  // no newline at its end
      begin_ = end_;
      break;
    }
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    searched = end_;
    if (buffer_.size() - end_ < kChunkBytes / 2) {
      if (buffer_.size() >= kMaxLineBytes) {
        return InvalidArgument("{}: a line is longer than {} bytes", name_, kMaxLineBytes);
      }
      buffer_.resize(buffer_.size() * 2);
    }
    ASSIGN_OR_RETURN(const size_t count, Read(std::span(buffer_).subspan(end_)));
    end_ += count;
    at_end_ = count == 0;
  }
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return true;
}

}  // namespace freshet
