// What libFuzzer's own main calls.
#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  freshet::fuzz::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
