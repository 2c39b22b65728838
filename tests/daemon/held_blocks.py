# SPDX-License-Identifier: Apache-2.0
"""Engines whose blocks are known, and what a dump of them has to say."""
import contextlib
import ctypes
import ctypes.util
import json
import subprocess

from rig import BIN, PATIENCE_S, die_with_parent

TIERS = ["device", "host", "disk", "external"]
DUMPED_TIERS = ["device", "host_pinned", "disk", "external"]
MASK = (1 << 64) - 1
SEED = 1337


class Holder:
    """A process that publishes for some workers: what each of its ranks holds is {path of local hashes: tiers}."""

    def __init__(self, directory, model, *options, block_tokens=4):
        self.held = {}
        self.process = subprocess.Popen(
            [f"{BIN}/ringdex-feed", f"--dir={directory}", f"--model={model}", f"--block-tokens={block_tokens}",
             "--host-blocks=1024", "--disk-blocks=1024", "--external-blocks=1024", *options, "-"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, preexec_fn=die_with_parent)

    def of(self, worker, rank=0):
        return self.held.setdefault((worker, rank), {})

    def say(self, worker, rank, **event):
        self.process.stdin.write(json.dumps({"worker": worker, "dp_rank": rank, **event}) + "\n")

    def store(self, worker, path, count=1, tier="device", rank=0):
        """The last `count` blocks of this path."""
        parts = [path[:i] for i in range(len(path) - count + 1, len(path) + 1)]
        parent = path[:len(path) - count]
        self.say(worker, rank, type="stored", tier=tier, names=[name(part) for part in parts],
                 local_hashes=[part[-1] for part in parts], **({"parent": name(parent)} if parent else {}))
        for part in parts:
            self.of(worker, rank).setdefault(part, set()).add(TIERS.index(tier))

    def remove(self, worker, path, tier="device", rank=0):
        self.say(worker, rank, type="removed", tier=tier, names=[name(path)])
        tiers = self.of(worker, rank)[path]
        tiers.remove(TIERS.index(tier))
        if not tiers:
            del self.of(worker, rank)[path]

    def clear(self, worker, rank=0):
        self.say(worker, rank, type="cleared", tier="all")
        self.of(worker, rank).clear()

    def flush(self):
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def close(self):
        if self.process.poll() is None:
            self.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def name(path):
    """As an engine names the block at the end of it."""
    return hash(path) & MASK


def local(*numbers):
    """Local hashes that look like some: all 64 bits of them."""
    return tuple((number * 0x9E3779B97F4A7C15 + 0x1234567) & MASK for number in numbers)


def reach(held, path):
    """The nearest tier such that all of the path is held in this one or nearer; None where some of it is nowhere."""
    nearest = [min(held[path[:i]], default=None) if path[:i] in held else None for i in range(1, len(path) + 1)]
    return None if None in nearest else max(nearest)


def expected(held):
    """{(tier, path)} that a dump of this rank has."""
    said = set()
    for path, tiers in held.items():
        first = reach(held, path)
        if first is not None:
            said |= {(tier, path) for tier in tiers | {first} if tier >= first}
    return said


def xxhash():
    """XXH3-64 with a seed, by the library that the daemon uses; None: it is not there by itself."""
    found = ctypes.util.find_library("xxhash")
    if not found:
        return None
    function = ctypes.CDLL(found).XXH3_64bits_withSeed
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    function.restype = ctypes.c_uint64
    return function


def sequence_hash(parent, tokens_hash):
    """Dynamo's name of a block."""
    pair = parent.to_bytes(8, "little") + tokens_hash.to_bytes(8, "little")
    return xxhash()(pair, len(pair), SEED)


class Dumped:
    """What a client of that API makes of one rank's events. It refuses a device's block below one that it has not."""

    def __init__(self):
        self.blocks = {}    # name: (name of the parent, tokens' hash)
        self.tiers = [set() for _ in TIERS]
        self.longest = 0    # blocks of an event

    def apply(self, tier, stored, in_order):
        parent = stored["parent_hash"]
        assert stored["start_position"] is None
        assert not in_order or tier > 0 or parent is None or parent in self.tiers[0], "a child before its parent"
        self.longest = max(self.longest, len(stored["blocks"]))
        for block in stored["blocks"]:
            assert set(block) == {"block_hash", "tokens_hash", "mm_extra_info"} and block["mm_extra_info"] is None
            own, said = block["block_hash"], (parent, block["tokens_hash"])
            assert self.blocks.setdefault(own, said) == said, "one name for two blocks"
            assert own not in self.tiers[tier], "a block twice"
            self.tiers[tier].add(own)
            parent = own

    def content(self):
        """As `expected`. In one walk: paths may be long."""
        paths = {None: ()}

        def path_of(own):
            above = []
            while own not in paths:
                above.append(own)
                own = self.blocks[own][0]
            for each in reversed(above):
                paths[each] = paths[own] + (self.blocks[each][1],)
                own = each
            return paths[own]

        return {(tier, path_of(own)) for tier, names in enumerate(self.tiers) for own in names}


def read_dump(said, in_order=True):
    """{key: (block size, {(worker, rank): Dumped})}; not `in_order`: of one whose numbers and order are its own."""
    models = {}
    for key, model in said.items():
        assert set(model) == {"block_size", "events"}
        ranks = {}
        for number, event in enumerate(model["events"]):
            assert set(event) == {"worker_id", "storage_tier", "event"}
            assert not in_order or event["event"]["event_id"] == number
            rank = ranks.setdefault((event["worker_id"], event["event"]["dp_rank"]), Dumped())
            rank.apply(DUMPED_TIERS.index(event["storage_tier"]), event["event"]["data"]["stored"], in_order)
        models[key] = (model["block_size"], ranks)
    return models


def contents(said):
    return {key: (size, {rank: dumped.content() for rank, dumped in ranks.items()})
            for key, (size, ranks) in read_dump(said).items()}
