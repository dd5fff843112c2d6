#include "featurestore/base/utf8.h"

#include <catch2/catch.hpp>

namespace freshet {

TEST_CASE("UTF-8 is the standard's: no overlong forms, no surrogates, nothing above U+10FFFF") {
  for (const std::string_view good :
       {"", "a", "ü", "日", "😀", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    INFO(good);
    CHECK(FindInvalidUtf8(good) == std::string_view::npos);
  }
  for (const std::string_view bad :
       {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe6\x97", "\xf0\x9f\x98", "\xc3(", "\xe6\x97("}) {
    INFO(bad);
    CHECK(FindInvalidUtf8(bad) == 0);
    CHECK(FindInvalidUtf8("é" + std::string(bad)) == 2);
  }
}

TEST_CASE("a text is cut for a message between its characters") {
  CHECK(Shortened("abc", 3) == "abc");
  CHECK(Shortened("abcd", 3) == "abc…");
  const std::string text = "aü日😀z";  // 1 + 2 + 3 + 4 + 1 bytes
  const std::vector<size_t> ends = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
  for (size_t bytes = 0; bytes < ends.size(); ++bytes) {
    CAPTURE(bytes);
    CHECK(Utf8Prefix(text, bytes) == text.substr(0, ends[bytes]));
  }
  CHECK(Utf8Prefix(text, 11) == text);
  CHECK(Utf8Prefix("\x80\x80\x80\x80\x80", 4).size() == 4);  // no text: so many bytes
}

}  // namespace freshet
