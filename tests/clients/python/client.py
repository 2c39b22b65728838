#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same as c/client.c, by ctypes: client.py DIR. RINGDEX_SIZES names what C says of sizes."""
import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p

TIERS = 4
EXACT = 0


class Sized(ctypes.Structure):
    """A structure that begins with its size, and is 0 otherwise."""

    def __init__(self, **fields):
        super().__init__(size=ctypes.sizeof(self), **fields)


class PublisherOptions(Sized):
    _fields_ = [("size", c_uint64), ("dir", c_char_p), ("instance", c_char_p),
                ("model", c_char_p), ("tenant", c_char_p), ("worker_id", c_uint64),
                ("dp_rank", c_uint32), ("block_tokens", c_uint32), ("ring_slots", c_uint64),
                ("tier_blocks", c_uint64 * TIERS), ("remembered_names", c_uint64),
                ("clear_scope", c_uint32), ("report_mode", c_uint32), ("file_mode", c_uint32),
                ("reap_dead", c_uint32), ("wait_ns", c_uint64),
                ("names_max", c_uint64)]


class Stored(Sized):
    _fields_ = [("size", c_uint64), ("time_ns", c_uint64), ("names", c_void_p),
                ("parent", c_void_p), ("tokens", c_void_p), ("token_count", c_uint64),
                ("local_hashes", c_void_p), ("lora", c_char_p), ("salt", c_char_p),
                ("count", c_uint32), ("block_tokens", c_uint32), ("tier", c_uint8),
                ("cache_group", c_uint8), ("name_bytes", c_uint8), ("overlap", c_uint8),
                ("reserved", c_uint8 * 4), ("keys", c_void_p), ("key_count", c_uint64)]


class Tokens(Sized):
    _fields_ = [("size", c_uint64), ("seed", c_uint64), ("ids", c_void_p), ("count", c_uint64),
                ("keys", c_void_p), ("key_count", c_uint64), ("block_tokens", c_uint32),
                ("overlap", c_uint32)]


class Removed(Sized):
    _fields_ = [("size", c_uint64), ("time_ns", c_uint64), ("names", c_void_p),
                ("count", c_uint32), ("tier", c_uint8), ("cache_group", c_uint8),
                ("name_bytes", c_uint8), ("reserved", c_uint8), ("remaining", c_void_p)]


class IndexerOptions(Sized):
    _fields_ = [("size", c_uint64), ("dir", c_char_p), ("initial_blocks", c_uint64),
                ("stale_after_ns", c_uint64), ("liveness_ns", c_uint64),
                ("wait_mode", c_uint32), ("file_mode", c_uint32),
                ("worker_bytes_max", c_uint64), ("worker_ranks_max", c_uint32),
                ("worker_columns_max", c_uint32), ("worker_indexes_max", c_uint32),
                ("rest_mode", c_uint32), ("user_ranks_max", c_uint32), ("reserved", c_uint32)]


class IndexKey(Sized):
    _fields_ = [("size", c_uint64), ("model", c_char_p), ("tenant", c_char_p),
                ("block_tokens", c_uint32), ("reserved", c_uint32)]


class Run(Sized):
    _fields_ = [("size", c_uint64), ("worker_id", c_uint64), ("dp_rank", c_uint32),
                ("state", c_uint8), ("scanned", c_uint8), ("reserved", c_uint8 * 2),
                ("blocks", c_uint32 * TIERS), ("epoch", c_uint64), ("last_event_id", c_uint64),
                ("age_ns", c_uint64), ("event_age_ns", c_uint64), ("instance", c_char_p)]


class Old(Sized):
    """rdx_run as a program of an older version might know it."""
    _fields_ = Run._fields_[:-2]


SIZES = {"rdx_publisher_options": PublisherOptions, "rdx_stored": Stored,
         "rdx_removed": Removed, "rdx_tokens": Tokens, "rdx_indexer_options": IndexerOptions,
         "rdx_index_key": IndexKey, "rdx_run": Run}


def load():
    library = ctypes.CDLL("libringdex.so")
    library.rdx_version_text.restype = c_char_p
    library.rdx_publisher_epoch.restype = c_uint64
    library.rdx_publisher_epoch.argtypes = [c_void_p]
    for close in (library.rdx_publisher_close, library.rdx_indexer_close, library.rdx_index_close):
        close.restype, close.argtypes = None, [c_void_p]
    library.rdx_publish_stored.argtypes = [c_void_p, POINTER(Stored)]
    library.rdx_publish_removed.argtypes = [c_void_p, POINTER(Removed)]
    library.rdx_indexer_poll.argtypes = [c_void_p, c_uint32]
    library.rdx_indexer_wait.argtypes = [c_void_p, c_int64]
    library.rdx_index_lookup_tokens.restype = c_int
    library.rdx_index_lookup_tokens.argtypes = [c_void_p, POINTER(Tokens), c_void_p, c_uint32]
    return library


def compare_sizes():
    with open(os.environ["RINGDEX_SIZES"]) as lines:
        sizes = dict(line.split() for line in lines)
    for name, structure in SIZES.items():
        assert ctypes.sizeof(structure) == int(sizes[name]), name


def main(directory):
    library = load()
    compare_sizes()
    major, minor, patch = map(int, library.rdx_version_text().split(b"."))
    assert library.rdx_version() == major * 1000000 + minor * 1000 + patch

    tokens = (c_uint32 * 12)(*range(1, 13))
    names = (c_uint64 * 3)(71, 72, 73)
    publisher, indexer, index = c_void_p(), c_void_p(), c_void_p()
    options = PublisherOptions(dir=directory, instance=b"http://client:1", model=b"model",
                               worker_id=7, block_tokens=4, ring_slots=64)
    options.tier_blocks[0] = 64
    assert library.rdx_publisher_open(byref(publisher), byref(options)) == 0
    stored = Stored(names=ctypes.addressof(names), tokens=ctypes.addressof(tokens),
                    token_count=12, count=3, name_bytes=8)
    assert library.rdx_publish_stored(publisher, byref(stored)) == 0
    removed = Removed(names=ctypes.addressof(names) + 16, count=1, name_bytes=8)
    assert library.rdx_publish_removed(publisher, byref(removed)) == 0

    assert library.rdx_indexer_open(byref(indexer), byref(IndexerOptions(dir=directory))) == 0
    key, run, old = IndexKey(model=b"model", block_tokens=4), Run(), Old()
    request = Tokens(ids=ctypes.addressof(tokens), count=12)
    rows = 0
    while rows != 1 or run.last_event_id < 2 or run.state != EXACT:
        if library.rdx_indexer_poll(indexer, 0) == 0:
            library.rdx_indexer_wait(indexer, 1000000)
        if not index and library.rdx_index_open(byref(index), directory, byref(key)) < 0:
            continue
        rows = library.rdx_index_lookup_tokens(index, byref(request), byref(run), 1)
    assert run.worker_id == 7 and run.blocks[0] == 2
    assert run.instance == b"http://client:1"
    assert run.epoch == library.rdx_publisher_epoch(publisher)
    assert library.rdx_index_lookup_tokens(index, byref(request), byref(old), 1) == 1
    assert old.blocks[0] == 2
    library.rdx_index_close(index)
    library.rdx_indexer_close(indexer)
    library.rdx_publisher_close(publisher)
    print("ok")


main(sys.argv[1].encode())
