// A data folder of a test's own under /tmp, gone with the test, and rows of the least form that the
// store looks into.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "featurestore/base/coding.h"
#include "featurestore/store/store.h"

namespace freshet {

class TestFolder {
 public:
  TestFolder() {
    std::string name = "/tmp/freshet-store-test-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path data() const { return path_ / "data"; }

  StoreOptions options() const {
    StoreOptions options;
    options.path = data();
    options.project = "test";
    options.memory_bytes = 32 << 20;
    return options;
  }
  std::unique_ptr<Store> Open() const { return Open(options()); }
  static std::unique_ptr<Store> Open(const StoreOptions& options) {
    auto store = Store::Open(options);
    if (!store.ok()) FAIL(store.status());
    return *std::move(store);
  }

 private:
  std::filesystem::path path_;
};

inline ViewId OpenView(Store& store, const std::string& name,
                       const std::string& version = "00000000000000aa",
                       std::optional<Duration> keep = std::nullopt) {
  const auto view = store.OpenView({name, version, keep});
  if (!view.ok()) FAIL(view.status());
  return *view;
}

// The head of a row (state/row.h), and some text as its body.
inline std::string RowBytes(Timestamp newest, const std::string& body) {
  std::string row;
  ByteWriter writer(row);
  writer.Byte(1);
  writer.Fixed16(7);
  writer.Fixed64(static_cast<uint64_t>(newest.us));
  writer.Raw(body);
  return row;
}

inline std::optional<std::string> ReadRow(const Store& store, ViewId view, const std::string& key) {
  RowReads reads;
  reads.Add(view, key);
  const Status read = store.Read(reads);
  if (!read.ok()) FAIL(read);
  const auto row = reads.row(0);
  if (!row) return std::nullopt;
  return std::string(*row);
}

inline void PutRow(Store& store, ViewId view, const std::string& key, const std::string& row) {
  Commit commit(store);
  commit.PutRow(view, key, row);
  REQUIRE(commit.Apply().ok());
}

inline Progress At(int64_t next) {
  Progress progress;
  progress.next = next;
  return progress;
}

inline bool Mentions(const Status& status, std::string_view text) {
  return MessageOf(status).find(text) != std::string_view::npos;
}

}  // namespace freshet
