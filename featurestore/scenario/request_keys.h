// One row of a request, as a client would send it.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/declare/yaml_document.h"
#include "featurestore/serve/request.h"

namespace freshet {

// Owns the bytes that its columns borrow. A value that does not fit its key's type goes as text, and is refused as a client's would be.
class RequestKeys {
 public:
  RequestKeys(const Plan& plan, const std::vector<std::pair<std::string, YamlNode>>& keys);
  RequestKeys(const RequestKeys&) = delete;
  RequestKeys& operator=(const RequestKeys&) = delete;
  std::span<const RequestColumn> columns() const { return columns_; }

 private:
  RequestColumn ColumnOf(const YamlNode& node, Type type);

  std::deque<std::string> texts_;
  std::deque<const std::string*> pointers_;
  std::vector<RequestColumn> columns_;
};

}  // namespace freshet
