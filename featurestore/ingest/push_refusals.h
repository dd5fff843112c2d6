// What a broker's refusal of pushed records is of, and what its words leave out.
#pragma once

#include <librdkafka/rdkafka.h>

#include <string>

namespace freshet {

// Of one record of a batch, or of the batch's size: each alone may be taken.
inline bool IsOfOneRecord(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return true;
    default:
      return false;
  }
}

inline bool IsOfSize(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
         error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
         error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE;
}

inline bool IsDenied(rd_kafka_resp_err_t error) {
  return error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
         error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
}

inline std::string RefusalText(rd_kafka_resp_err_t error) {
  std::string text = rd_kafka_err2str(error);
  switch (error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
      return text + " (the topic's max.message.bytes)";
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
      return text + " (the topic's segment.bytes)";
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
      return text + " (a compacted topic takes no record without a key)";
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
      return text + " (the topic's message.timestamp settings)";
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return text + " (a policy of the broker's own)";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return text + "; grant this client WRITE and DESCRIBE";
    default:
      return text;
  }
}

}  // namespace freshet
