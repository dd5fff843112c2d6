// Views and their versions: which are open, which one answers, and the switch between them.
#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/store/keys.h"
#include "featurestore/store/store_impl.h"

namespace freshet {

void StoreOptions::TuneFor(std::span<const FeatureView> views) {
  for (const FeatureView& view : views) {
    if (view.tuning != StorageTuning()) tuning[view.name] = view.tuning;
  }
}

StatusOr<ViewId> Store::OpenView(const StoreView& view) {
  const std::lock_guard lock(impl_->views_mutex);
  const std::string name = keys::Family(view.name, view.version);
  const uint32_t count = impl_->view_count;
  for (uint32_t i = 0; i < count; ++i) {
    OpenedView& opened = impl_->view({i});
    if (opened.family != name || opened.dropped) continue;
    opened.asked = ++impl_->asked;
    opened.expiry->SetKeep(view.keep, view.keep_deleted);
    if (!impl_->options.read_only) RETURN_IF_ERROR(impl_->NoteKeep(view, name));
    return ViewId{i};
  }
  if (count == Impl::kMaxViews) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      "view {}: a store opens at most {} views; split the project", view.name,
                      Impl::kMaxViews);
  }
  auto it = impl_->families.find(name);
  if (it == impl_->families.end()) {
    if (impl_->options.read_only) {
      return NotFound("{}: has no version {} of view {}", impl_->folder().string(), view.version,
                      view.name);
    }
    Impl::Family family{view.name, view.version, nullptr, std::make_shared<Expiry>()};
    RETURN_IF_ERROR(FromRocks(
        impl_->db->CreateColumnFamily(impl_->shared->ViewFamilyOptions(family.expiry, view.tuning),
                                      name, &family.handle),
        fmt::format("make column family {}", name), impl_->folder()));
    it = impl_->families.emplace(name, std::move(family)).first;
  }

  auto opened = std::make_unique<OpenedView>();
  opened->name = view.name;
  opened->version = view.version;
  opened->family = name;
  opened->handle = it->second.handle;
  opened->asked = ++impl_->asked;
  opened->expiry = it->second.expiry;
  opened->expiry->SetKeep(view.keep, view.keep_deleted);
  const auto complete = impl_->complete.find(view.name);
  opened->complete = complete != impl_->complete.end() && complete->second == view.version;
  opened->status.complete = opened->complete.load();
  if (!impl_->options.read_only) RETURN_IF_ERROR(impl_->NoteKeep(view, name));
  impl_->views[count].store(opened.release(), std::memory_order_release);
  impl_->view_count = count + 1;
  return ViewId{count};
}

// A keep that was raised finds rows gone that it would have kept: from the change on the view is complete, and says so.
Status Store::Impl::NoteKeep(const StoreView& view, const std::string& family) {
  const std::string key = keys::kKeepPrefix + family;
  const std::string now = view.keep ? fmt::format("{}", view.keep->us) : "never";
  std::string before;
  const rocksdb::Status read = db->Get(rocksdb::ReadOptions(), meta, key, &before);
  if (!read.ok() && !read.IsNotFound())
    return FromRocks(read, fmt::format("read {}", key), folder());
  if (before == now) return OkStatus();
  rocksdb::WriteBatch batch;
  (void)batch.Put(meta, key, now);
  const auto kept_us = [](const std::string& text) {
    int64_t us = std::numeric_limits<int64_t>::max();  // never
    std::from_chars(text.data(), text.data() + text.size(), us);
    return us;
  };
  Status failed;
  if (read.ok() && kept_us(now) > kept_us(before)) {
    const auto raise = [&, prefix = keys::ProgressPrefix(family)](std::string_view progress_key,
                                                                  std::string_view value) {
      if (keys::IsProducerKey(progress_key, prefix)) return true;
      StatusOr<Progress> progress = DecodeProgress(value);
      if (!progress.ok()) {
        failed = MakeStatus(progress.status().code(), "{}: progress of {}: {}", folder().string(),
                            family, MessageOf(progress.status()));
        return false;
      }
      for (const auto& time : {progress->newest_event, progress->expiry_time})
        progress->complete_since = std::max(progress->complete_since, time);
      (void)batch.Put(this->progress, AsSlice(progress_key), EncodeProgress(*progress));
      return true;
    };
    RETURN_IF_ERROR(FromRocks(ForPrefix(*db, this->progress, keys::ProgressPrefix(family), raise),
                              "read progress", folder()));
    RETURN_IF_ERROR(failed);
  }
  const std::lock_guard write_lock(write_mutex);
  return Write(batch, /*sync=*/true, fmt::format("note how long rows of {} are kept", family));
}

std::optional<ViewId> Store::FindOpened(const std::string& name, const std::string& version) {
  const std::lock_guard lock(impl_->views_mutex);
  for (uint32_t i = 0; i < impl_->view_count; ++i) {
    OpenedView& opened = impl_->view({i});
    if (opened.name != name || opened.version != version || opened.dropped) continue;
    opened.asked = ++impl_->asked;
    return ViewId{i};
  }
  return std::nullopt;
}

Status Store::CloseReplaced() {
  const std::lock_guard lock(impl_->views_mutex);
  for (rocksdb::ColumnFamilyHandle* handle : std::exchange(impl_->retired, {})) {
    for (uint32_t i = 0; i < impl_->view_count; ++i) {
      if (impl_->view({i}).handle == handle) impl_->view({i}).handle = nullptr;
    }
    RETURN_IF_ERROR(FromRocks(impl_->db->DestroyColumnFamilyHandle(handle),
                              "close a view's former rows", impl_->folder()));
  }
  return OkStatus();
}

bool Store::IsComplete(ViewId view) const { return impl_->view(view).complete; }

std::optional<std::string> Store::CompleteVersion(const std::string& name) const {
  const std::lock_guard lock(impl_->views_mutex);
  const auto it = impl_->complete.find(name);
  if (it == impl_->complete.end()) return std::nullopt;
  return it->second;
}

std::vector<std::string> Store::UnopenedViews() const {
  const std::lock_guard lock(impl_->views_mutex);
  std::set<std::string> names;
  for (const auto& [family, found] : impl_->families) names.insert(found.view);
  for (const auto& [name, version] : impl_->complete) names.insert(name);
  for (uint32_t i = 0; i < impl_->view_count; ++i) names.erase(impl_->view({i}).name);
  return {names.begin(), names.end()};
}

Status Store::MarkComplete(ViewId view) {
  return impl_->Choose(impl_->view(view), /*later_too=*/false);
}

Status Store::DropOthers(ViewId view) {
  return impl_->Choose(impl_->view(view), /*later_too=*/true);
}

Status Store::Impl::DeleteProgress(const std::string& family, rocksdb::WriteBatch& batch) {
  return FromRocks(ForPrefix(*db, progress, keys::ProgressPrefix(family),
                             [&](std::string_view key, std::string_view) {
                               (void)batch.Delete(progress, AsSlice(key));
                               return true;
                             }),
                   "read progress", folder());
}

Status Store::Impl::Choose(OpenedView& chosen, bool later_too) {
  const std::lock_guard views_lock(views_mutex);
  if (chosen.dropped) {
    return FailedPrecondition("view {}: version {} was replaced by another", chosen.name,
                              chosen.version);
  }
  std::vector<OpenedView*> replaced;
  std::set<std::string> kept = {chosen.family};
  for (uint32_t i = 0; i < view_count; ++i) {
    OpenedView& opened = view({i});
    if (opened.name != chosen.name || opened.dropped || &opened == &chosen) continue;
    if (!later_too && opened.asked > chosen.asked) {
      kept.insert(opened.family);
    } else {
      replaced.push_back(&opened);
    }
  }
  std::vector<std::string> others;
  for (const auto& [family, found] : families) {
    if (found.view == chosen.name && !kept.contains(family)) others.push_back(family);
  }
  const auto stored = complete.find(chosen.name);
  const bool is_chosen = stored != complete.end() && stored->second == chosen.version;
  if (chosen.complete && is_chosen && others.empty()) return OkStatus();

  rocksdb::WriteBatch batch;
  (void)batch.Put(meta, keys::kViewPrefix + chosen.name, chosen.version);
  {
    const std::lock_guard write_lock(write_mutex);
    for (const std::string& family : others) RETURN_IF_ERROR(DeleteProgress(family, batch));
    RETURN_IF_ERROR(Write(batch, /*sync=*/true, fmt::format("switch view {}", chosen.name)));
    // No commit goes to them from here on.
    for (OpenedView* opened : replaced) {
      opened->complete = false;
      opened->dropped = true;
    }
  }
  complete[chosen.name] = chosen.version;
  chosen.complete = true;
  chosen.status.complete = true;
  for (const std::string& family : others) RETURN_IF_ERROR(DropFamily(family));
  return OkStatus();
}

Status Store::ResetView(const std::string& name) {
  const std::lock_guard views_lock(impl_->views_mutex);
  std::vector<std::string> mine;
  for (const auto& [family, found] : impl_->families) {
    if (found.view == name) mine.push_back(family);
  }
  if (mine.empty() && !impl_->complete.contains(name)) {
    return NotFound("{}: the data folder holds no view {}", impl_->folder().string(), name);
  }
  rocksdb::WriteBatch batch;
  (void)batch.Delete(impl_->meta, keys::kViewPrefix + name);
  {
    const std::lock_guard write_lock(impl_->write_mutex);
    for (const std::string& family : mine) {
      RETURN_IF_ERROR(impl_->DeleteProgress(family, batch));
    }
    RETURN_IF_ERROR(impl_->Write(batch, /*sync=*/true, fmt::format("reset view {}", name)));
  }
  impl_->complete.erase(name);
  // Where this ends in between, the next Open drops them: they have no progress.
  for (const std::string& family : mine) RETURN_IF_ERROR(impl_->DropFamily(family));
  return OkStatus();
}

// Under views_mutex, or before there are other threads.
Status Store::Impl::DropFamily(const std::string& family) {
  const auto it = families.find(family);
  rocksdb::ColumnFamilyHandle* handle = it->second.handle;
  RETURN_IF_ERROR(FromRocks(db->DropColumnFamily(handle),
                            fmt::format("drop column family {}", family), folder()));
  families.erase(it);
  RETURN_IF_ERROR(FromRocks(db->Delete(rocksdb::WriteOptions(), meta, keys::kKeepPrefix + family),
                            fmt::format("forget {}", family), folder()));
  for (uint32_t i = 0; i < view_count; ++i) {
    if (view({i}).handle != handle) continue;
    retired.push_back(handle);  // its files stay until the last reader is sure to be gone
    return OkStatus();
  }
  return FromRocks(db->DestroyColumnFamilyHandle(handle),
                   fmt::format("close column family {}", family), folder());
}

StatusOr<std::map<int32_t, Progress>> Store::ReadProgress(ViewId view) const {
  const OpenedView& opened = impl_->view(view);
  const std::string prefix = keys::ProgressPrefix(opened.family);
  std::map<int32_t, Progress> found;
  Status failed;
  RETURN_IF_ERROR(
      FromRocks(ForPrefix(*impl_->db, impl_->progress, prefix,
                          [&](std::string_view key, std::string_view value) {
                            if (keys::IsProducerKey(key, prefix)) return true;
                            ByteReader reader(key.substr(prefix.size()));
                            const auto partition = static_cast<int32_t>(reader.Ordered32());
                            StatusOr<Progress> progress = DecodeProgress(value);
                            if (!reader.AtEnd()) progress = DataLoss("its key is damaged");
                            if (!progress.ok()) {
                              failed = MakeStatus(progress.status().code(),
                                                  "{}: progress of view {}, partition {}: {}",
                                                  impl_->folder().string(), opened.name, partition,
                                                  MessageOf(progress.status()));
                              return false;
                            }
                            found.emplace(partition, *progress);
                            return true;
                          }),
                "read progress", impl_->folder()));
  RETURN_IF_ERROR(failed);
  return found;
}

StatusOr<std::map<int32_t, ProducerMarks>> Store::ReadProducers(ViewId view) const {
  const OpenedView& opened = impl_->view(view);
  const std::string prefix = keys::ProgressPrefix(opened.family);
  std::map<int32_t, ProducerMarks> found;
  Status failed;
  const auto read = [&](std::string_view key, std::string_view value) {
    if (!keys::IsProducerKey(key, prefix)) return true;
    ByteReader reader(key.substr(prefix.size()));
    const auto partition = static_cast<int32_t>(reader.Ordered32());
    const StatusOr<ProducerMark> mark = DecodeProducerMark(value);
    if (!mark.ok()) {
      failed =
          MakeStatus(mark.status().code(), "{}: view {}, partition {}: {}",
                     impl_->folder().string(), opened.name, partition, MessageOf(mark.status()));
      return false;
    }
    found[partition].emplace(key.substr(prefix.size() + sizeof(uint32_t)), *mark);
    return true;
  };
  RETURN_IF_ERROR(FromRocks(ForPrefix(*impl_->db, impl_->progress, prefix, read),
                            "read what producers sent", impl_->folder()));
  RETURN_IF_ERROR(failed);
  return found;
}

Status Store::Scan(
    ViewId view,
    const std::function<bool(std::string_view key, std::string_view row)>& visit) const {
  const OpenedView& opened = impl_->view(view);
  return FromRocks(ForPrefix(*impl_->db, opened.handle, "", visit),
                   fmt::format("scan view {}", opened.name), impl_->folder());
}

}  // namespace freshet
