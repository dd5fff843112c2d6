"""What a power cut leaves of RocksDB's write-ahead log: its newest file, of which nothing is synced, ends where the disk happened to be.

Format (RocksDB's log_format.h): blocks of 32 KiB; a record is checksum (4), length (2), type (1) and its bytes; a write is one record, or
a first, middle ones and a last; a block's rest of less than 7 bytes is empty."""

import struct

BLOCK, HEADER = 32768, 7
FULL, FIRST, LAST = 1, 2, 4


def newest(data):
    """The write-ahead log that was being written; older ones were synced before any table of theirs was."""
    logs = sorted((data / "rocksdb").glob("*.log"))
    return logs[-1] if logs else None


def writes(log):
    """Where each write begins and ends in the file's bytes."""
    spans = []
    at, begin = 0, None
    while at + HEADER <= len(log):
        if BLOCK - at % BLOCK < HEADER:
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack_from("<HB", log, at + 4)
        end = at + HEADER + length
        if kind == 0 or end > len(log):
            break
        if kind in (FULL, FIRST):
            begin = at
        if kind in (FULL, LAST) and begin is not None:
            spans.append((begin, end))
        at = end
    return spans


def cut(path, rng):
    """Damages the tail as drawn, and says how. Half of the cuts choose a write first, and its byte then: else short writes are hit by
    few, and it is between short ones that rows and offsets could part."""
    log = path.read_bytes()
    spans = writes(log)
    if spans and rng.random() < 0.5:
        begin, end = rng.choice(spans[-40:])
        at = rng.randint(begin, end)
    else:
        at = rng.randint(0, len(log))
    tail = rng.choice(("nothing", "nothing", "garbage", "zeros", "old bytes"))
    behind = b""
    if tail == "garbage":
        behind = rng.randbytes(rng.randint(1, 70_000))
    elif tail == "zeros":
        behind = bytes(rng.randint(1, 70_000))
    elif tail == "old bytes" and at > 0:
        begin = rng.randrange(at)
        behind = log[begin:begin + rng.randint(1, 70_000)]
    path.write_bytes(log[:at] + behind)
    return f"{path.name}: {at} of {len(log)} bytes kept, {len(behind)} bytes of {tail} behind"
