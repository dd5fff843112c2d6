"""setuptools, after the protocol was compiled from ../../proto into src/freshet/protocol.binpb.

The stubs are a descriptor set, not generated Python: it is the same whichever protoc wrote it, so that one wheel works
with every protobuf from 4.21 on. A source package carries it and needs no protoc.
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F401,F403  the hooks that stay as they are

_HERE = Path(__file__).resolve().parent
_PROTO = _HERE.parent.parent / "proto"
_OUT = _HERE / "src" / "freshet" / "protocol.binpb"
_FILES = ["freshet/v1/serving.proto", "freshet/v1/catalog.proto", "freshet/v1/admin.proto", "freshet/v1/ingest.proto",
          "google/rpc/status.proto", "google/rpc/error_details.proto"]


def _protoc():
    if shutil.which("protoc"):
        return ["protoc"]
    if importlib.util.find_spec("grpc_tools"):
        return [sys.executable, "-m", "grpc_tools.protoc"]
    return None


def generate(out=_OUT):
    """Writes the descriptor set; keeps the one that a source package carries."""
    if not _PROTO.is_dir():
        if out.is_file():
            return
        raise SystemExit(f"neither {_PROTO} nor {out} is there: build from the Freshet repository")
    protoc = _protoc()
    if not protoc:
        raise SystemExit("no protoc: install protobuf-compiler (Debian) or grpcio-tools (pip)")
    subprocess.run([*protoc, f"-I{_PROTO}", "--include_imports", f"--descriptor_set_out={out}", *_FILES], check=True)


def _requires(hook, config_settings):
    tools = ["grpcio-tools"] if _PROTO.is_dir() and not _protoc() else []
    return hook(config_settings) + tools


def get_requires_for_build_wheel(config_settings=None):
    return _requires(build_meta.get_requires_for_build_wheel, config_settings)


def get_requires_for_build_sdist(config_settings=None):
    return _requires(build_meta.get_requires_for_build_sdist, config_settings)


def get_requires_for_build_editable(config_settings=None):
    return _requires(build_meta.get_requires_for_build_editable, config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    generate()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    generate()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    generate()
    return build_meta.build_sdist(sdist_directory, config_settings)


if __name__ == "__main__":  # the build folder's copy: build_backend.py OUT
    generate(Path(sys.argv[1]).resolve())
