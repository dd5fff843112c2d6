#include "featurestore/model/push_headers.h"

#include <charconv>

namespace freshet {

std::optional<PushedAs> ReadPushHeaders(
    std::span<const std::pair<std::string_view, std::string_view>> headers) {
  std::optional<std::string_view> producer;
  std::optional<std::string_view> sequence;
  for (const auto& [name, value] : headers) {
    std::optional<std::string_view>* const wanted = name == kProducerHeader   ? &producer
                                                    : name == kSequenceHeader ? &sequence
                                                                              : nullptr;
    if (wanted == nullptr) continue;
    if (*wanted) return std::nullopt;
    *wanted = value;
  }
  if (!producer || !sequence || producer->empty() || producer->size() > kMaxProducerBytes) {
    return std::nullopt;
  }
  PushedAs pushed{*producer, 0};
  const char* const end = sequence->data() + sequence->size();
  const auto [stop, error] = std::from_chars(sequence->data(), end, pushed.sequence);
  if (error != std::errc() || stop != end || pushed.sequence == 0) return std::nullopt;
  return pushed;
}

}  // namespace freshet
