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

// Its keys and inputs. Owns the bytes that its columns borrow. A value that does not fit its column's type goes as text, and is refused as a client's would be.
class RequestKeys {
 public:
  using Named = std::vector<std::pair<std::string, YamlNode>>;
  RequestKeys(const Plan& plan, const Named& keys, const Named& inputs);
  RequestKeys(const RequestKeys&) = delete;
  RequestKeys& operator=(const RequestKeys&) = delete;
  std::span<const RequestColumn> columns() const { return columns_; }
  std::span<const RequestColumn> inputs() const { return inputs_; }

 private:
  void Add(const Named& given, std::span<const PlanKey> planned, std::vector<RequestColumn>& to);
  RequestColumn ColumnOf(const YamlNode& node, Type type);

  std::deque<std::string> texts_;
  std::deque<const std::string*> pointers_;
  std::vector<RequestColumn> columns_;
  std::vector<RequestColumn> inputs_;
};

}  // namespace freshet
