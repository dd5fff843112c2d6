#include "featurestore/store/progress.h"

#include "featurestore/base/coding.h"

namespace freshet {
namespace {

constexpr uint8_t kProgressFormat = 1;
constexpr uint8_t kProducerFormat = 1;

enum Flag : uint8_t {
  kHasNewestEvent = 1,
  kHasExpiryTime = 2,
  kHasLast = 4,
  kHasCompleteSince = 8,
  kAwaitsCompleteSince = 16,
  kAllFlags = 31,
};

}  // namespace

std::string EncodeProgress(const Progress& progress) {
  uint8_t flags = 0;
  if (progress.newest_event) flags |= kHasNewestEvent;
  if (progress.expiry_time) flags |= kHasExpiryTime;
  if (progress.last) flags |= kHasLast;
  if (progress.complete_since) flags |= kHasCompleteSince;
  if (progress.awaits_complete_since) flags |= kAwaitsCompleteSince;

  std::string out;
  ByteWriter writer(out);
  writer.Byte(kProgressFormat);
  writer.Byte(flags);
  writer.Varint(progress.incarnation);
  writer.Signed(progress.next);
  if (progress.newest_event) writer.Signed(progress.newest_event->us);
  if (progress.expiry_time) writer.Signed(progress.expiry_time->us);
  if (progress.last) {
    writer.Signed(progress.last->offset);
    writer.Signed(progress.last->record_time_us);
    writer.Fixed64(progress.last->hash);
  }
  if (progress.complete_since) writer.Signed(progress.complete_since->us);
  return out;
}

StatusOr<Progress> DecodeProgress(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint8_t format = reader.Byte();
  if (reader.ok() && format > kProgressFormat) {
    return FailedPrecondition(
        "stored progress has format {}; this freshet reads up to {}: use the newer freshet that "
        "wrote it",
        format, kProgressFormat);
  }
  const uint8_t flags = reader.Byte();
  if (format == 0 || (flags & ~kAllFlags) != 0) reader.MarkBad();

  Progress progress;
  const uint64_t incarnation = reader.Varint();
  if (incarnation > UINT32_MAX) reader.MarkBad();
  progress.incarnation = static_cast<uint32_t>(incarnation);
  progress.next = reader.Signed();
  if ((flags & kHasNewestEvent) != 0) progress.newest_event = Timestamp{reader.Signed()};
  if ((flags & kHasExpiryTime) != 0) progress.expiry_time = Timestamp{reader.Signed()};
  if ((flags & kHasLast) != 0) {
    RecordFingerprint& last = progress.last.emplace();
    last.offset = reader.Signed();
    last.record_time_us = reader.Signed();
    last.hash = reader.Fixed64();
  }
  if ((flags & kHasCompleteSince) != 0) progress.complete_since = Timestamp{reader.Signed()};
  progress.awaits_complete_since = (flags & kAwaitsCompleteSince) != 0;
  if (!reader.AtEnd() || progress.next < 0) {
    return DataLoss("stored progress of {} bytes is damaged", bytes.size());
  }
  return progress;
}

std::string EncodeProducerMark(const ProducerMark& mark) {
  std::string out;
  ByteWriter writer(out);
  writer.Byte(kProducerFormat);
  writer.Varint(mark.sequence);
  writer.Varint(mark.incarnation);
  writer.Signed(mark.offset);
  return out;
}

StatusOr<ProducerMark> DecodeProducerMark(std::string_view bytes) {
  ByteReader reader(bytes);
  if (reader.Byte() != kProducerFormat) reader.MarkBad();
  ProducerMark mark;
  mark.sequence = reader.Varint();
  const uint64_t incarnation = reader.Varint();
  if (incarnation > UINT32_MAX) reader.MarkBad();
  mark.incarnation = static_cast<uint32_t>(incarnation);
  mark.offset = reader.Signed();
  if (reader.AtEnd()) return mark;
  return DataLoss("a stored producer's last sequence, {} bytes, is damaged", bytes.size());
}

}  // namespace freshet
