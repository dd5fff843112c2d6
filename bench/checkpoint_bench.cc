// Does a checkpoint hold back ingestion? One thread commits a batch of 500 rows over 20 views every 20 ms; on the freshet side checkpoints are made beside it without a pause, on the baseline's none is.
//
// longest_commit: milliseconds that the longest commit of a run took. `p999_ms` (and of the baseline) is what one in a thousand took,
// `create_ms` what a checkpoint took, `checkpoints` how many were made in all runs.
//
// ./run bench checkpoint [short]: `short` shows that it works. FRESHET_BENCH_CHECKPOINTS names the folder that they go to (another disk).

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <thread>

#include "bench/report.h"
#include "featurestore/store/checkpoints.h"
#include "featurestore/store/store.h"

namespace freshet::bench {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr int kViews = 20;
constexpr int kRowsABatch = 500;
constexpr std::chrono::milliseconds kPace{20};
constexpr uint64_t kKeys = 2'000'000;
constexpr size_t kRowBytes = 120;

double Milliseconds(steady_clock::duration took) {
  return std::chrono::duration<double, std::milli>(took).count();
}

struct Run {
  std::vector<double> commits_ms;
  std::vector<double> creates_ms;
  double Longest() const { return *std::max_element(commits_ms.begin(), commits_ms.end()); }
  double P999() {
    std::sort(commits_ms.begin(), commits_ms.end());
    return commits_ms[commits_ms.size() * 999 / 1000];
  }
};

class Subject {
 public:
  Subject() {
    data_ = fs::temp_directory_path() / fmt::format("freshet-bench-checkpoint-{}", ::getpid());
    const char* elsewhere = std::getenv("FRESHET_BENCH_CHECKPOINTS");
    to_ = elsewhere != nullptr ? fs::path(elsewhere) / data_.filename() : data_ / "to";
    StoreOptions options;
    options.path = data_ / "data";
    options.project = "bench";
    store_ = Take(Store::Open(options));
    for (int v = 0; v < kViews; ++v) {
      views_.push_back(Take(
          store_->OpenView({fmt::format("view_{}", v), "00000000000000aa", std::nullopt, {}})));
    }
    checkpointer_ = std::make_unique<Checkpointer>(*store_, to_, 3);
  }
  ~Subject() {
    checkpointer_.reset();
    store_.reset();
    fs::remove_all(data_);
    fs::remove_all(to_);
  }
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;

  Run Measure(std::chrono::milliseconds length, bool with_checkpoints) {
    Run run;
    std::atomic<bool> over{false};
    std::thread maker([&] {
      while (with_checkpoints && !over) {
        const auto begun = steady_clock::now();
        Check(checkpointer_->Create().status());
        run.creates_ms.push_back(Milliseconds(steady_clock::now() - begun));
      }
    });
    const auto end = steady_clock::now() + length;
    for (auto due = steady_clock::now(); due < end;) {
      Commit commit(*store_);
      for (int i = 0; i < kRowsABatch; ++i) {
        const uint64_t key = random_() % kKeys;
        std::string row(kRowBytes, 'r');
        std::memcpy(row.data(), &next_, sizeof(next_));
        commit.PutRow(views_[i % kViews], fmt::format("{:08}", key), row);
      }
      ++next_;
      for (const ViewId view : views_) {
        Progress progress;
        progress.next = next_;
        commit.Advance(view, 0, progress);
      }
      std::this_thread::sleep_until(due += kPace);
      const auto begun = steady_clock::now();
      Check(commit.Apply());
      run.commits_ms.push_back(Milliseconds(steady_clock::now() - begun));
    }
    over = true;
    maker.join();
    return run;
  }

 private:
  fs::path data_, to_;
  std::unique_ptr<Store> store_;
  std::vector<ViewId> views_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::mt19937_64 random_{7};
  int64_t next_ = 0;
};

void RunBench(bool is_short) {
  Case result{.bench = "checkpoint",
              .name = "longest_commit",
              .what =
                  "ms that the longest commit took while checkpoints were made without a "
                  "pause, against none"};
  result.unit = "ms";
  Subject subject;
  const std::chrono::milliseconds length{is_short ? 500 : 20'000};
  std::vector<double> p999, p999_baseline, creates;
  Interleave(
      result, is_short ? 1 : 5,
      [&] {
        Run run = subject.Measure(length, true);
        creates.insert(creates.end(), run.creates_ms.begin(), run.creates_ms.end());
        p999.push_back(run.P999());
        return run.Longest();
      },
      [&] {
        Run run = subject.Measure(length, false);
        p999_baseline.push_back(run.P999());
        return run.Longest();
      });
  result.more = {
      {"longest_ms_max", *std::max_element(result.freshet.begin(), result.freshet.end())},
      {"p999_ms", Median(p999)},
      {"baseline_p999_ms", Median(p999_baseline)},
      {"create_ms", Median(creates)},
      {"create_ms_max", *std::max_element(creates.begin(), creates.end())},
      {"checkpoints", static_cast<double>(creates.size())}};
  Print(result);
}

}  // namespace
}  // namespace freshet::bench

int main(int argc, char** argv) {
  freshet::bench::RunBench(argc > 1 && std::string(argv[1]) == "short");
}
