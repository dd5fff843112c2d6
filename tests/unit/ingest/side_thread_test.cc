#include "featurestore/ingest/side_thread.h"

#include <catch2/catch.hpp>
#include <thread>

namespace freshet {

TEST_CASE("a job beside gives its own result, in its own thread or here") {
  const bool threaded = GENERATE(false, true);
  SideThread side(threaded);
  CHECK(side.threaded() == threaded);
  for (int i = 0; i < 100; ++i) {
    std::thread::id ran;
    const bool here = i % 3 == 0;
    side.Start(
        [&, i] {
          ran = std::this_thread::get_id();
          return i % 2 == 0 ? OkStatus() : Unavailable("job {}", i);
        },
        here);
    const Status result = side.Wait();
    CHECK(result.ok() == (i % 2 == 0));
    if (!result.ok()) CHECK(MessageOf(result) == fmt::format("job {}", i));
    CHECK((ran == std::this_thread::get_id()) == (here || !threaded));
  }
}

TEST_CASE("what ends while its job runs waits for it") {
  bool done = false;
  {
    SideThread side(true);
    side.Start([&] {
      std::this_thread::yield();
      done = true;
      return OkStatus();
    });
  }
  CHECK(done);
}

}  // namespace freshet
