// A project folder of a test's own, and what loading it says.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "featurestore/declare/project.h"

namespace freshet {

class ProjectFiles {
 public:
  ProjectFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "freshet_declare_XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  explicit ProjectFiles(const std::string& yaml) : ProjectFiles() { Write("freshet.yaml", yaml); }
  ~ProjectFiles() { std::filesystem::remove_all(folder_); }
  ProjectFiles(const ProjectFiles&) = delete;

  ProjectFiles& Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return *this;
  }
  // With an environment of the test's own.
  Project Load(std::vector<std::string> sets = {},
               std::map<std::string, std::string> environment = {}) const {
    LoadOptions options;
    options.sets = std::move(sets);
    options.environment.assign(environment.begin(), environment.end());
    options.getenv = [environment](const std::string& name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      if (found == environment.end()) return std::nullopt;
      return found->second;
    };
    return LoadProject(folder_, options);
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

// "line:column: text" of each.
inline std::vector<std::string> Shown(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> lines;
  for (const Diagnostic& d : diagnostics) {
    lines.push_back(std::to_string(d.line) + ":" + std::to_string(d.column) + ": " + d.text);
  }
  return lines;
}

inline std::shared_ptr<const Catalog> Sound(const Project& project) {
  for (const Diagnostic& d : project.errors) UNSCOPED_INFO(ToString(d));
  REQUIRE(project.errors.empty());
  REQUIRE(project.catalog != nullptr);
  return project.catalog;
}

inline std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

inline const std::string kFirstExample = R"(project: fraud
kafka: { brokers: embedded }
sources:
  transactions:
    topic: transactions
    timestamp: at
    fields: { at: timestamp, card: string, amount: double, merchant: string }
entities:
  card: { keys: { card: string } }
feature_views:
  card_spend:
    source: transactions
    entity: card
    features:
      spend:     { aggregate: sum, of: amount, windows: [10m, 1h, 24h] }
      payments:  { aggregate: count, windows: [1h, 24h] }
      last_shop: { aggregate: last, of: merchant }
    ttl: 30d
feature_services:
  fraud_model: [card_spend]
)";

}  // namespace freshet
