"""The test of the test: a breach that someone plants is found, and what is allowed is not."""

import tempfile
import unittest
from pathlib import Path

import include_direction


class IncludeDirection(unittest.TestCase):
    def found(self, files: dict[str, str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "featurestore").mkdir()
            (root / "server").mkdir()
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return include_direction.breaches(root)

    def test_an_include_against_the_arrows_is_found_at_its_line(self):
        found = self.found({"featurestore/model/value.h": '#pragma once\n#include "featurestore/window/ring.h"\n'})
        self.assertEqual(len(found), 1)
        self.assertTrue(found[0].startswith("featurestore/model/value.h:2: model may not include window"), found)

    def test_ingest_and_serve_never_include_each_other(self):
        self.assertEqual(len(self.found({
            "featurestore/ingest/a.cc": '#include "featurestore/serve/plan.h"\n',
            "featurestore/serve/b.cc": '  #  include "featurestore/ingest/ingest.h"\n'})), 2)

    def test_the_oracle_sees_neither_aggregate_nor_window_nor_decode(self):
        for other in ("aggregate", "window", "decode", "state"):
            with self.subTest(other):
                self.assertTrue(self.found({"featurestore/oracle/a.cc": f'#include "featurestore/{other}/x.h"\n'}))

    def test_observe_is_not_for_what_stands_left_of_ingest(self):
        self.assertTrue(self.found({"featurestore/store/a.cc": '#include "featurestore/observe/log.h"\n'}))
        self.assertFalse(self.found({"featurestore/ingest/a.cc": '#include "featurestore/observe/log.h"\n'}))

    def test_a_module_does_not_include_the_server(self):
        self.assertTrue(self.found({"featurestore/serve/a.cc": '#include "server/grpc_server.h"\n'}))

    def test_a_vendor_library_outside_its_folder_is_found(self):
        for module, target in (("serve", "<rocksdb/db.h>"), ("store", '"yaml-cpp/yaml.h"'),
                               ("serve", "<librdkafka/rdkafka.h>"), ("ingest", "<grpcpp/grpcpp.h>"),
                               ("serve", '"freshet/v1/serving.pb.h"'), ("store", "<spdlog/spdlog.h>"),
                               ("model", '"absl/container/flat_hash_map.h"')):
            with self.subTest(target):
                self.assertTrue(self.found({f"featurestore/{module}/a.cc": f"#include {target}\n"}))

    def test_an_unknown_library_is_found(self):
        self.assertIn("is in no list", self.found({"featurestore/base/a.cc": "#include <boost/asio.hpp>\n"})[0])

    def test_a_link_line_against_the_arrows_is_found(self):
        self.assertEqual(
            self.found({"featurestore/state/CMakeLists.txt": "freshet_module(state MODULES window store VENDORS fmt)\n"}),
            ["featurestore/state/CMakeLists.txt: state may not link store"])

    def test_what_is_allowed_is_not_found(self):
        self.assertEqual([], self.found({
            "featurestore/store/a.cc": '#include <rocksdb/db.h>\n#include <sys/stat.h>\n#include <vector>\n'
                                       '#include "featurestore/state/row.h"\n#include "absl/status/status.h"\n',
            "featurestore/store/CMakeLists.txt": "# MODULES serve\nfreshet_module(store MODULES state VENDORS rocksdb)\n",
            "server/main.cc": '#include <CLI/CLI.hpp>\n#include "server/grpc_server.h"\n#include <grpcpp/grpcpp.h>\n'}))


if __name__ == "__main__":
    unittest.main()
