// "[past exact_to] count_distinct: ... `error` is 2.4 standard errors: 98 of 100 answers are within it"; "quantile: ... the answer is
// within `error` of the exact one, relative to it" (docs/semantics.md): of values merged from panes of a row that was stored and
// read again, up to FRESHET_SKETCH_VALUES of them (1e5; `./run proof` asks for 1e7).
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <random>

#include "featurestore/declare/project.h"
#include "featurestore/state/row.h"
#include "tests/support/temp_folder.h"

namespace freshet::property {
namespace {

constexpr int kPanes = 30;
constexpr int64_t kHour = 3'600'000'000;

std::shared_ptr<const Catalog> Declare(const std::vector<std::string>& features) {
  const TempFolder folder;
  std::ofstream file(folder.path() / "freshet.yaml");
  file << "project: sketches\nclock: event_time\nkafka: { brokers: embedded }\nsources:\n  events: "
          "{ topic: e, timestamp: "
          "kafka, fields: { card: string, n: int64, x: double, s: string } }\nentities:\n  card: { "
          "keys: "
          "{ card: string } }\nfeature_views:\n  cards:\n    source: events\n    entity: card\n    "
          "features:\n";
  for (size_t i = 0; i < features.size(); ++i) {
    file << fmt::format("      f{}: {{ {}, windows: [{{ sliding: {}h, hop: 1h }}] }}\n", i,
                        features[i], kPanes);
  }
  file.close();
  const Project project = LoadProject(folder.path());
  for (const Diagnostic& error : project.errors) UNSCOPED_INFO(ToString(error));
  REQUIRE(project.catalog != nullptr);
  return project.catalog;
}

// Answers of a row after `count` events in kPanes panes, out of order, stored and read again twice on the way and at the end.
template <typename FieldsOf>
std::vector<Cell> Answers(const RowLayout& layout, uint64_t count, const FieldsOf& fields_of) {
  Row row(layout);
  std::string bytes;
  const auto store = [&] {
    std::string encoded;
    row.Encode(encoded);
    auto decoded = Row::Decode(layout, encoded);
    REQUIRE(decoded.ok());
    bytes = std::move(encoded);
    row = *std::move(decoded);
  };
  std::vector<Value> fields(4);
  for (uint64_t i = 0; i < count; ++i) {
    fields_of(i, fields);
    // Neighbours in different panes.
    const Timestamp at{1'700'000'000'000'000 + static_cast<int64_t>(i % kPanes) * kHour};
    row.Apply({at, {0, 0, static_cast<int64_t>(i)}, fields});
    if (i == count / 3 || i == count / 2) store();
  }
  store();
  std::vector<uint32_t> features(layout.view().features.size());
  std::iota(features.begin(), features.end(), 0);
  std::vector<Cell> cells(features.size());
  row.Finish({row.newest(), {}}, features, cells);
  return cells;
}

uint64_t ValuesMost() {
  const char* text = std::getenv("FRESHET_SKETCH_VALUES");
  return text == nullptr ? 100'000 : static_cast<uint64_t>(std::atof(text));
}

// Of one size and declared error.
struct Errors {
  int answers = 0;
  int within = 0;  // of the declared error
  double sum_of_squares = 0;
  double most = 0;
  void Note(double relative, double declared) {
    ++answers;
    within += relative <= declared * (1 + 1e-9) ? 1 : 0;
    sum_of_squares += relative * relative;
    most = std::max(most, relative);
  }
};

void PrintErrors(std::string_view what, uint64_t values, double declared, const Errors& errors) {
  fmt::print("{:<36}{:>12}{:>10}{:>9}{:>10}{:>12.5f}{:>12.5f}\n", what, values, declared,
             errors.answers, errors.within, std::sqrt(errors.sum_of_squares / errors.answers),
             errors.most);
}

void PrintHead() {
  fmt::print("{:<36}{:>12}{:>10}{:>9}{:>10}{:>12}{:>12}\n", "relative errors", "values", "declared",
             "answers", "within", "rms", "greatest");
}

}  // namespace

TEST_CASE("count_distinct: the estimate of values merged from panes is within its stated error") {
  const std::vector<double> declared = {0.01, 0.02, 0.05};
  std::vector<std::string> features;
  for (const char* of : {"n", "s"}) {
    for (const double error : declared) {
      features.push_back(fmt::format("aggregate: count_distinct, of: {}, error: {}", of, error));
    }
  }
  const auto catalog = Declare(features);
  PrintHead();
  int answers = 0;
  int within = 0;
  for (uint64_t values = 100; values <= ValuesMost(); values *= 10) {
    const uint64_t repeats = values <= 10'000      ? 20
                             : values <= 100'000   ? 10
                             : values <= 1'000'000 ? 3
                                                   : 1;
    std::vector<Errors> errors(declared.size());
    for (uint64_t r = 0; r < repeats; ++r) {
      std::string text;
      // Numbers in a row from anywhere, each twice for small sizes; texts that differ at their end.
      const uint64_t twice = values <= 100'000 ? 2 : 1;
      const auto cells =
          Answers(*catalog->layouts[0], values * twice, [&](uint64_t i, auto& fields) {
            const uint64_t value = (i * 7919) % values + r * 1'000'003;
            text = fmt::format("merchant-{:09}", value);
            fields = {
                Value::Text("a"), Value::Int64(static_cast<int64_t>(value)), {}, Value::Text(text)};
          });
      for (size_t f = 0; f < cells.size(); ++f) {
        REQUIRE(cells[f].status == CellStatus::kPresent);
        const auto expected = static_cast<double>(values);
        const double off =
            std::fabs(static_cast<double>(cells[f].value.as_int64()) - expected) / expected;
        if (values <= 256) CHECK(off == 0);  // exact_to
        const size_t d = f % declared.size();
        errors[d].Note(off, declared[d]);
        // Six standard errors: less than one answer in 10^8 lies beyond.
        CHECK(off <= declared[d] * 6 / 2.4);
      }
    }
    for (size_t d = 0; d < declared.size(); ++d) {
      PrintErrors("count_distinct, int64 and string", values, declared[d], errors[d]);
      answers += errors[d].answers;
      within += errors[d].within;
    }
  }
  // "98 of 100": of some hundred answers.
  CHECK(within >= answers * 95 / 100);
}

TEST_CASE("quantile: the estimate of values merged from panes is within its stated error") {
  const std::vector<double> declared = {0.002, 0.01, 0.05};
  const std::vector<double> ranks = {0.01, 0.25, 0.5, 0.99, 0.999};
  std::vector<std::string> features;
  for (const double error : declared) {
    for (const double q : ranks) {
      features.push_back(fmt::format("aggregate: quantile, of: x, q: {}, error: {}", q, error));
    }
  }
  const auto catalog = Declare(features);
  PrintHead();
  for (uint64_t values = 100; values <= ValuesMost(); values *= 10) {
    for (const std::string kind : {"lognormal", "uniform, both signs", "pareto"}) {
      std::mt19937_64 random(values + kind.size());
      std::lognormal_distribution<double> lognormal(3, 1.5);
      std::uniform_real_distribution<double> uniform(-1000, 1000);
      std::uniform_real_distribution<double> one(1e-9, 1);
      std::vector<double> drawn(values);
      for (double& x : drawn) {
        x = kind == "lognormal" ? lognormal(random)
            : kind == "pareto"  ? std::pow(one(random), -1 / 1.2)
                                : uniform(random);
      }
      const auto cells = Answers(*catalog->layouts[0], values, [&](uint64_t i, auto& fields) {
        fields = {Value::Text("a"), {}, Value::Double(drawn[i]), {}};
      });
      std::sort(drawn.begin(), drawn.end());
      for (size_t d = 0; d < declared.size(); ++d) {
        Errors errors;
        for (size_t q = 0; q < ranks.size(); ++q) {
          const double rank = std::max(1.0, std::ceil(ranks[q] * static_cast<double>(values)));
          const double exact = drawn[static_cast<size_t>(rank) - 1];
          const Cell& cell = cells[d * ranks.size() + q];
          REQUIRE(cell.status == CellStatus::kPresent);
          CHECK(!cell.degraded);
          const double off = std::fabs(cell.value.as_double() - exact) / std::fabs(exact);
          if (values <= 256) CHECK(off == 0);
          errors.Note(off, declared[d]);
        }
        PrintErrors("quantile, " + kind, values, declared[d], errors);
        CHECK(errors.within == errors.answers);
      }
    }
  }
}

}  // namespace freshet::property
