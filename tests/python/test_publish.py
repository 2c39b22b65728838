# SPDX-License-Identifier: Apache-2.0
"""Publisher: what can be given, and what comes of it."""

import array
import subprocess
import sys
import unittest

import ringdex
from rig import BLOCK, Namespace, held

try:
    import numpy
except ImportError:
    numpy = None

TOKENS = list(range(1, 3 * BLOCK + 1))
WIDE = [bytes([i]) * 32 for i in (1, 2, 3)]


def forms_of_tokens():
    yield TOKENS
    yield tuple(TOKENS)
    for code in "hHiIlLqQ":
        yield array.array(code, TOKENS)
    yield memoryview(array.array("I", TOKENS))
    yield memoryview(array.array("I", [9] + TOKENS))[1:]
    yield range(1, 3 * BLOCK + 1)
    if numpy:
        for kind in (numpy.int32, numpy.uint32, numpy.int64, numpy.uint64, numpy.uint16):
            yield numpy.array(TOKENS, dtype=kind)
        yield list(numpy.array(TOKENS, dtype=numpy.int64))


def forms_of_names():
    yield [71, 72, 73]
    yield (71, 72, 73)
    yield [-1, -(2**63), 2**63 + 1]  # signed or not: 64 bits
    yield [name[:8] for name in WIDE]
    yield WIDE
    yield array.array("Q", [71, 72, 73])
    yield array.array("q", [-1, -2, -3])
    yield memoryview(b"".join(WIDE)).cast("B", (3, 32))
    if numpy:
        yield numpy.array([71, 72, 73], dtype=numpy.uint64)
        yield numpy.frombuffer(b"".join(WIDE), dtype=numpy.uint8).reshape(3, 32)


# 256 MiB of tokens of which no page is there: a copy would be seen.
READ_IN_PLACE = """
import mmap, re, ringdex
def most_kb():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+)", status.read())[1])
tokens = memoryview(mmap.mmap(-1, 2**28, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)).cast("I")
before = most_kb()
assert len(ringdex.local_hashes(tokens, 2**16)) == 2**10
print(most_kb() - before)
"""


class Publish(Namespace):
    def test_a_buffer_is_read_where_it_lies(self):
        done = subprocess.run([sys.executable, "-B", "-c", READ_IN_PLACE], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess(int(done.stdout), 2**16)  # of 2^18 KiB

    def test_forms_of_tokens(self):
        publisher = self.publisher()
        for i, tokens in enumerate(forms_of_tokens()):
            publisher.cleared()
            publisher.stored([71, 72, 73], tokens=tokens)
            stats = publisher.stats()
            self.assertEqual(stats["held"], (3, 0, 0, 0), type(tokens))
            self.assertEqual(stats["blocks_stored"], 3 * (i + 1))
        index = self.index(self.indexer(), [publisher])
        for tokens in forms_of_tokens():
            self.assertEqual(held(index.lookup(tokens)), {1: 3}, type(tokens))

    def test_forms_of_names(self):
        publisher = self.publisher()
        for names in forms_of_names():
            publisher.stored(names, tokens=TOKENS)
            self.assertEqual(publisher.stats()["held"], (3, 0, 0, 0), names)
            publisher.removed(names)
            self.assertEqual(publisher.stats()["held"], (0, 0, 0, 0), names)
        self.assertEqual(publisher.stats()["inexact"], None)

    def test_signed_and_unsigned_names_are_one(self):
        publisher = self.publisher()
        publisher.stored([-1], tokens=TOKENS[:BLOCK])
        publisher.removed([2**64 - 1])
        publisher.stored([(1 << 64) - 5], tokens=TOKENS[:BLOCK])
        publisher.removed(array.array("q", [-5]))
        self.assertEqual(publisher.stats()["blocks_removed"], 2)

    def test_parents_and_local_hashes(self):
        publisher = self.publisher()
        publisher.stored([71], tokens=TOKENS[:BLOCK])
        publisher.stored([72, 73], tokens=TOKENS[BLOCK:], parent=71)
        other = ringdex.local_hashes(TOKENS, BLOCK, lora_name="adapter")
        self.assertEqual(len(other), 3)
        publisher.stored([81, 82, 83], local_hashes=other, lora_name="adapter")
        index = self.index(self.indexer(), [publisher])
        self.assertEqual(held(index.lookup(TOKENS)), {1: 3})
        self.assertEqual(held(index.lookup(TOKENS, lora_name="adapter")), {1: 3})
        self.assertEqual(held(index.lookup(TOKENS, cache_salt="other")), {})

    def test_tiers_and_copies(self):
        publisher = self.publisher(host_blocks=64)
        publisher.stored([71, 72], tokens=TOKENS[: 2 * BLOCK])
        publisher.removed([72])
        publisher.stored([72], tier="host")  # by name only: a copy of what is remembered
        index = self.index(self.indexer(), [publisher])
        (run,) = index.lookup(TOKENS)
        self.assertEqual(run.blocks, (1, 2, 2, 2))
        publisher.cleared("host")
        self.assertEqual(publisher.stats()["held"], (1, 0, 0, 0))
        publisher.cleared()
        self.assertEqual(publisher.stats()["held"], (0, 0, 0, 0))

    def test_inexact(self):
        publisher = self.publisher()
        publisher.inexact("lacking")
        self.assertEqual(publisher.stats()["inexact"], "lacking")
        publisher.inexact()
        self.assertEqual(publisher.stats()["inexact"], "unknown")
        publisher.cleared()
        self.assertEqual(publisher.stats()["inexact"], None)

    def test_what_does_not_fit_is_counted(self):
        publisher = self.publisher(device_blocks=2, names_max=1)  # it may not grow
        publisher.stored(range(1, 1101), tokens=range(1100 * BLOCK))
        publisher.check()
        stats = publisher.stats()
        self.assertGreater(stats["ledger_full"] + stats["map_full"], 0)
        self.assertEqual((stats["growths"], stats["inexact"]), (0, "lacking"))

    def test_a_rank_grows(self):
        publisher = self.publisher(device_blocks=2)
        publisher.stored(range(1, 901), tokens=range(900 * BLOCK))
        self.assertIs(publisher.check(), False)  # nothing was made again
        stats = publisher.stats()
        self.assertGreater(stats["growths"], 0)
        self.assertEqual((stats["held"][0], stats["inexact"]), (900, None))
        index = self.index(self.indexer(), [publisher])
        self.assertEqual(held(index.lookup(range(900 * BLOCK))), {1: 900})

    def test_options_of_the_translator(self):
        publisher = self.publisher(
            media={"POOL": None, "ELSEWHERE": "device"},
            types={"Filled": "stored", "Noise": None},
            cleared_means="device",
            host_blocks=8,
        )
        publisher.stored([71], tokens=TOKENS[:BLOCK], tier="ELSEWHERE")
        publisher.stored([72], tokens=TOKENS[:BLOCK], tier="POOL")
        publisher.publish_batch([{"type": "Noise"}])
        stats = publisher.engine_stats()
        self.assertEqual((stats["events"], stats["left_out"]), (3, 2))
        self.assertEqual(publisher.stats()["held"], (1, 0, 0, 0))
        self.assertIsNone(publisher.stats()["inexact"])

    def test_two_publishers_of_a_rank(self):
        publisher = self.publisher()
        with self.assertRaises(ringdex.Error) as caught:
            self.publisher()
        self.assertIn("another running process publishes this rank", str(caught.exception))
        publisher.close()
        self.publisher().close()

    def test_check(self):
        self.assertIs(self.publisher().check(), False)


class Lookup(Namespace):
    def test_three_ways(self):
        publishers = [self.publisher(i) for i in (1, 2)]
        publishers[0].stored([71, 72, 73], tokens=TOKENS)
        publishers[1].stored([91], tokens=TOKENS[:BLOCK])
        index = self.index(self.indexer(), publishers)
        local = ringdex.local_hashes(TOKENS, BLOCK)
        for runs in (
            index.lookup(TOKENS),
            index.lookup(TOKENS + [9]),  # a partial block is left out
            index.lookup_local(local),
            index.lookup_local(list(local)),
            index.lookup_prefix(index.chain(local)),
        ):
            self.assertEqual(held(runs), {1: 3, 2: 1})
        prefix = index.chain(local)
        self.assertEqual(list(index.chain(local[1:], parent=prefix[0])), list(prefix[1:]))
        self.assertEqual(index.lookup([]), [])

    def test_rows(self):
        publisher = self.publisher(7, dp_rank=3)
        publisher.stored([71, 72, 73], tokens=TOKENS)
        index = self.index(self.indexer(), [publisher])
        (run,) = index.lookup(TOKENS)
        self.assertEqual(run.instance, "http://worker:7")
        self.assertEqual((run.worker_id, run.dp_rank, run.blocks), (7, 3, (3, 3, 3, 3)))
        self.assertEqual((run.state, run.epoch), ("EXACT", publisher.epoch))
        self.assertEqual(run.last_event_id, publisher.stats()["events"])
        self.assertIsInstance(run.age_ns, int)
        (worker,) = index.workers()
        self.assertEqual((worker.state, worker.blocks), ("EXACT", (3, 0, 0, 0)))
        self.assertEqual((worker.cause, worker.dp_rank), (0, 3))
        difference = index.verify(7, 3)
        self.assertEqual((difference.differences, difference.compared), (0, 3))
        with self.assertRaises(ringdex.Error):
            index.verify(8)

    def test_all_ranks(self):
        publishers = [self.publisher(i) for i in (1, 2)]
        publishers[0].stored([71], tokens=TOKENS[:BLOCK])
        indexer = self.indexer()
        index = self.index(indexer, publishers, all_ranks=True)
        self.assertEqual(held(index.lookup(TOKENS)), {1: 1, 2: 0})

    def test_extra_keys(self):
        keys = [[("image-a", -3), "tenant"], [b"\1" * 32], None]
        publisher = self.publisher()
        publisher.stored([71, 72, 73], tokens=TOKENS, extra_keys=keys)
        index = self.index(self.indexer(), [publisher])
        self.assertIsNone(publisher.stats()["inexact"])
        self.assertEqual(held(index.lookup(TOKENS, extra_keys=keys)), {1: 3})
        one = [[("image-a", 1)], None, None]  # where in the prompt is no part of it
        self.assertEqual(held(index.lookup(TOKENS, extra_keys=one)), {})
        self.assertEqual(held(index.lookup(TOKENS, extra_keys=one, cache_salt="tenant")), {1: 1})
        self.assertEqual(held(index.lookup(TOKENS)), {})
        with self.assertRaisesRegex(ValueError, "not understood"):
            index.lookup(TOKENS, extra_keys=[None, [object()], None])
        with self.assertRaisesRegex(ValueError, "two salts"):
            index.lookup(TOKENS, extra_keys=keys, cache_salt="another")

    def test_objects_and_texts_of_tensorrt(self):
        objects = [[{"type": "mm_key", "hash": "ab" * 16, "start_offset": 0}], None, None]
        tokens = ["text"] + TOKENS[1:]
        publisher = self.publisher()
        publisher.stored([71, 72, 73], tokens=tokens, mm_keys=objects)
        index = self.index(self.indexer(), [publisher])
        self.assertEqual(held(index.lookup(tokens, mm_keys=objects)), {1: 3})
        self.assertEqual(held(index.lookup(["other"] + TOKENS[1:], mm_keys=objects)), {})

    def test_pairs(self):
        pairs = list(zip(TOKENS, TOKENS[1:] + [99]))
        publisher = self.publisher()
        publisher.stored([71, 72, 73], tokens=pairs)
        index = self.index(self.indexer(), [publisher])
        self.assertEqual(held(index.lookup(TOKENS + [99], eagle=True)), {1: 3})
        self.assertEqual(held(index.lookup(TOKENS, eagle=True)), {1: 2})
        with self.assertRaisesRegex(ValueError, "eagle=True"):
            index.lookup(pairs)

    def test_who_has_to_come(self):
        with self.assertRaisesRegex(ringdex.Error, "ringdex follow"):
            ringdex.Index("model", dir=self.dir)
        self.indexer().poll()
        with self.assertRaisesRegex(ringdex.Error, "has seen no worker of this model"):
            ringdex.Index("model", dir=self.dir, wait=0.01)

    def test_long_requests(self):
        tokens = array.array("I", range(6000 * BLOCK))
        publisher = self.publisher(device_blocks=8192, ring_slots=16384)
        publisher.stored(range(1, 6001), tokens=tokens)
        index = self.index(self.indexer(), [publisher])
        self.assertEqual(held(index.lookup(tokens)), {1: 6000})


if __name__ == "__main__":
    unittest.main()
