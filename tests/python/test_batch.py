# SPDX-License-Identifier: Apache-2.0
"""publish_batch: engines' own objects, of every make; what cannot be read is never silent."""

import array
import collections.abc
import subprocess
import sys
import time
import unittest

import ringdex
from events import (MAKES, SGLANG, VLLM, Batch, Engine, StorageMedium, as_dataclass, as_plain, as_slots, as_struct,
                    msgspec)
from rig import BLOCK, PATIENCE_S, Namespace, dies_with_us, held, wait_for

TOKENS = list(range(1, 3 * BLOCK + 1))
PROMPTS = 64
RDX_ENGINE_JOINED_MAX = 4096  # as the header has it


def prompt(i):
    return [1000 + i] + TOKENS[1:]


class Classes(Namespace):
    def test_every_make_is_the_same(self):
        """A history with all kinds of events comes to the same, and to what stored and removed say."""
        wanted = self.publisher(99)
        wanted.stored([71, 72, 73], tokens=TOKENS)
        wanted.removed([73])
        wanted.stored([81], tokens=TOKENS[:BLOCK], lora_name="adapter")
        kept = ("events", "blocks_stored", "blocks_removed", "held", "inexact", "clears")
        want = {name: wanted.stats()[name] for name in kept}
        for i, make in enumerate(MAKES):
            for j, fields in enumerate((VLLM, SGLANG)):
                engine = Engine(fields, make)
                publisher = self.publisher(2 * i + j)
                batch = [
                    engine.store([71, 72], TOKENS[: 2 * BLOCK]),
                    engine.store([73], array.array("I", TOKENS[2 * BLOCK :]), 72),
                    engine.remove([73]),
                    engine.store([81], TOKENS[:BLOCK], lora_name="adapter"),
                ]
                for event in batch:  # one by one, so that each is an event of its own
                    self.assertEqual(publisher.publish_batch(Batch([event])), 0)
                got = {name: publisher.stats()[name] for name in kept}
                self.assertEqual(got["held"], want["held"], (make, got))
                self.assertIsNone(got["inexact"], (make, publisher.engine_stats()))
                self.assertEqual(publisher.publish_batch(Batch([engine.cleared()])), 0)
                self.assertEqual(publisher.stats()["held"], (0, 0, 0, 0))

    def test_what_is_held_is_found(self):
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.publisher(host_blocks=64)
        wide = [bytes([i]) * 32 for i in range(3)]
        publisher.publish_batch(
            Batch([
                engine.store(wide, TOKENS, group_idx=0, kv_cache_spec_kind="full_attention",
                             session_id="chat", extra_keys=[(("image", 3),), None, None]),
                engine.remove([wide[2]], group_idx=0),
                engine.store([wide[2]], [], block_size=0, medium="CPU", group_idx=0),
            ])
        )
        index = self.index(self.indexer(), [publisher])
        self.assertIsNone(publisher.stats()["inexact"], publisher.engine_stats())
        (run,) = index.lookup(TOKENS, extra_keys=[[("image", 0)], None, None])
        self.assertEqual(run.blocks, (2, 3, 3, 3))

    def test_texts_that_are_enums(self):
        engine = Engine(SGLANG, as_dataclass)
        publisher = self.publisher(host_blocks=64)
        publisher.publish_batch([engine.store([71], TOKENS[:BLOCK], medium=StorageMedium.CPU)])
        self.assertEqual(publisher.stats()["held"], (0, 1, 0, 0))

    def test_missing_attributes_are_defaults(self):
        old = as_plain("BlockRemoved", {})
        publisher = self.publisher()
        publisher.stored([71, 72], tokens=TOKENS[: 2 * BLOCK])
        removed = as_slots("BlockRemoved", VLLM["BlockRemoved"])
        unset = removed.__new__(removed)
        unset.block_hashes = [71]
        self.assertEqual(publisher.publish_batch([old(block_hashes=[72]), unset]), 0)
        self.assertEqual(publisher.stats()["held"], (0, 0, 0, 0))


class Once(collections.UserList):
    """A sequence that gives its elements once."""

    def __iter__(self):
        while self.data:
            yield self.data.pop(0)


class Neighbours(Namespace):
    def filled(self, **options):
        publisher = self.publisher(device_blocks=256, ring_slots=4096, **options)
        for i in range(PROMPTS):
            publisher.stored([3 * i + 1, 3 * i + 2, 3 * i + 3], tokens=prompt(i))
        return publisher

    def test_removals_are_joined(self):
        engine = Engine(VLLM, MAKES[-1])
        single = self.filled(worker_id=1)
        for i in reversed(range(3 * PROMPTS)):
            single.removed([i + 1])
        joined = self.filled(worker_id=2)
        joined.publish_batch(Batch([engine.remove([i + 1]) for i in reversed(range(3 * PROMPTS))]))
        for publisher in (single, joined):
            stats = publisher.stats()
            self.assertEqual(stats["blocks_removed"], 3 * PROMPTS)
            self.assertEqual((stats["held"][0], stats["unknown_removals"]), (0, 0))
        self.assertEqual(single.engine_stats()["events"], PROMPTS + 3 * PROMPTS)
        self.assertEqual(joined.engine_stats()["events"], PROMPTS + 1)

    def test_more_than_one_call_takes(self):
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.publisher()
        publisher.stored([71], tokens=TOKENS[:BLOCK])
        events = [engine.remove([i]) for i in range(1000, 10000)] + [engine.remove([71])]
        publisher.publish_batch(events + [engine.remove(list(range(10000, 20000)))])
        stats = publisher.stats()
        self.assertEqual((stats["held"][0], stats["unknown_removals"]), (0, 19000))

    def test_names_that_are_given_once(self):
        """Whoever reads them a second time finds none: one more than a call joins, each of them alone; and names of
        another size."""
        engine = Engine(VLLM, as_dataclass)
        publisher = self.publisher(device_blocks=8192, ring_slots=16384)
        count = RDX_ENGINE_JOINED_MAX + 1
        names = list(range(1, count + 1))
        publisher.stored(names, tokens=range(count * BLOCK))
        publisher.publish_batch(Batch([engine.remove(Once([name])) for name in reversed(names)]))
        stats = publisher.stats()
        self.assertEqual((stats["held"][0], stats["unknown_removals"], stats["inexact"]), (0, 0, None))
        wide = b"\7" * 32
        publisher.stored([71], tokens=TOKENS[:BLOCK])
        publisher.stored([wide], tokens=TOKENS[:BLOCK])
        publisher.publish_batch([engine.remove([71]), engine.remove(Once([wide]))])
        self.assertEqual(publisher.stats()["held"][0], 0)
        self.assertIsNone(publisher.stats()["inexact"])

    def test_order_stays(self):
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.publisher(host_blocks=8)
        first, second = TOKENS[:BLOCK], TOKENS[BLOCK : 2 * BLOCK]
        publisher.publish_batch(
            Batch([
                engine.store([71], first),
                engine.remove([71]),
                engine.store([71], second),
                engine.store([72], first),
                engine.store([72], [], block_size=0, medium="CPU"),
                engine.remove([72]),
                engine.remove([72], medium="CPU"),
                engine.remove([71]),
                engine.store([71], first),
            ])
        )
        stats = publisher.stats()
        self.assertEqual(stats["held"], (1, 0, 0, 0))
        self.assertEqual(stats["unknown_removals"], 0)
        self.assertIsNone(stats["inexact"])

    def test_groups_and_media_are_apart(self):
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.publisher(host_blocks=8, counting_groups=1)
        publisher.publish_batch(
            Batch([
                engine.store([71], TOKENS[:BLOCK], group_idx=0, kv_cache_spec_kind="full_attention"),
                engine.store([71], TOKENS[:BLOCK], group_idx=1, kv_cache_spec_kind="mamba"),
                engine.store([71], [], block_size=0, medium="CPU", group_idx=0),
                engine.remove([71], group_idx=1),
                engine.remove([71], group_idx=0),
            ])
        )
        self.assertEqual(publisher.stats()["held"], (0, 1, 0, 0))
        self.assertEqual(publisher.engine_stats()["other_groups"], 2)
        publisher.publish_batch(Batch([engine.remove([71], group_idx=0, medium="CPU")]))
        self.assertEqual(publisher.stats()["held"], (0, 0, 0, 0))

    def test_names_of_two_sizes(self):
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.publisher()
        wide = b"\7" * 32
        publisher.publish_batch([
            engine.store([71], TOKENS[:BLOCK]),
            engine.store([wide], TOKENS[:BLOCK]),
            engine.remove([71]),
            engine.remove([wide]),
        ])
        self.assertEqual(publisher.stats()["unknown_removals"], 0)
        self.assertEqual(publisher.stats()["held"][0], 0)

    def test_one_time_a_batch(self):
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.publisher()
        publisher.publish_batch(
            [engine.store([71 + i], prompt(i)[:BLOCK]) for i in range(5)] + [engine.remove([71])]
        )
        with ringdex.Reader(1, dir=self.dir) as reader:
            reader.recover()
            events = list(reader)
        self.assertEqual(len(events), publisher.stats()["events"])
        self.assertEqual(len({event.time_ns for event in events}), 1)


ASLEEP = """
import sys, ringdex
with ringdex.Indexer(dir=sys.argv[1], rest_mode="sleep") as indexer:
    while True:
        if indexer.poll() == 0:
            indexer.wait()
"""


class Bells(Namespace):
    def test_one_bell_a_batch(self):
        """Who sleeps is woken once, by the last event of many."""
        sleeper = subprocess.Popen([sys.executable, "-B", "-c", ASLEEP, self.dir],
                                   preexec_fn=dies_with_us)
        try:
            publisher = self.publisher(device_blocks=4096, ring_slots=16384)
            engine = Engine(VLLM, MAKES[-1])
            batch = Batch([engine.cleared()] + [engine.store([i], [i, 2, 3, 4])
                                                for i in range(1, 2049)])

            def bells(event_or_batch):
                before = publisher.stats()["bells"]
                publisher.publish_batch(event_or_batch)
                return publisher.stats()["bells"] - before

            for _ in range(10):
                # so that it is asleep again, or about to be
                wait_for(lambda: bells([engine.cleared()]) == 1)
                time.sleep(0.002)
                self.assertLessEqual(bells(batch), 1)
            self.assertEqual(publisher.stats()["held"][0], 2048)
        finally:
            sleeper.kill()
            sleeper.wait(PATIENCE_S)


class Raises:
    """An event whose fields are what a function does."""

    def __init__(self, does):
        self.does = does

    @property
    def block_hashes(self):
        return self.does()


BlockRemoved = type("BlockRemoved", (Raises,), {})


def raise_it(error):
    raise error


def with_attribute(base, **more):
    """An event of a class that does not declare what is added to it."""
    event = base([73], "GPU")
    for name, value in more.items():
        setattr(event, name, value)
    return event


def events_with(name, value):
    """Removals, of every make of class, with one more attribute."""
    base, slotted = as_dataclass("BlockRemoved", VLLM["BlockRemoved"]), as_slots("BlockRemoved", VLLM["BlockRemoved"])
    yield with_attribute(base, **{name: value})
    yield with_attribute(type("BlockRemoved", (base,), {}), **{name: value})
    yield with_attribute(type("BlockRemoved", (slotted,), {}), **{name: value})
    yield with_attribute(type("BlockRemoved", (slotted,), {"__slots__": (name,)}), **{name: value})
    yield as_dataclass("BlockRemoved", {**VLLM["BlockRemoved"], name: None})([73], "GPU", **{name: value})
    for more in ({}, {"__slots__": ("block_hashes", "medium", name)}):
        event = type("BlockRemoved", (), more)()
        event.block_hashes, event.medium = [73], "GPU"
        setattr(event, name, value)
        yield event
    named = collections.namedtuple("BlockRemoved", f"block_hashes medium {name}")
    yield named([73], "GPU", value)
    yield with_attribute(type("BlockRemoved", (collections.namedtuple("_", "block_hashes medium"),), {
        "__new__": lambda cls, *fields: tuple.__new__(cls, fields)}), **{name: value})
    # as pydantic's models are, with extra="allow"
    model = type("BlockRemoved", (), {"__slots__": ("__dict__", "__pydantic_extra__"),
                                      "model_fields": {"block_hashes": None, "medium": None}})()
    model.block_hashes, model.medium, model.__pydantic_extra__ = [73], "GPU", {name: value}
    yield model
    if msgspec:
        yield as_struct("BlockRemoved", {**VLLM["BlockRemoved"], name: None})([73], "GPU", **{name: value})
        yield with_attribute(as_struct("BlockRemoved", VLLM["BlockRemoved"], dict=True, gc=True), **{name: value})


class Unread(Namespace):
    def setUp(self):
        super().setUp()
        self.engine = Engine(VLLM, MAKES[-1])

    def lost(self, publisher, event, cause):
        """The event is lost and said to be; those around it are not."""
        around = [self.engine.store([71], TOKENS[:BLOCK]), self.engine.remove([71])]
        before = publisher.engine_stats()["unreadable"]
        self.assertEqual(publisher.publish_batch(Batch([around[0], event, around[1]])), 1, cause)
        self.assertRegex(publisher.unreadable, cause)
        self.assertEqual(publisher.engine_stats()["unreadable"], before + 1)
        self.assertEqual(publisher.stats()["inexact"], "unknown")
        self.assertEqual(publisher.stats()["held"][0], 0)
        publisher.cleared()
        self.assertIsNone(publisher.stats()["inexact"])

    def test_what_cannot_be_read(self):
        publisher = self.publisher()
        self.assertIsNone(publisher.unreadable)
        store, remove = self.engine.store, self.engine.remove
        for event, cause in (
            (store([81], [1, 2, 3, -1]), r"token_ids\[3\] is -1"),
            (store([81], [1, 2, 3, 2**32]), r"token_ids\[3\] is 4294967296"),
            (store([81], [1, 2, 3, 2**70]), r"token_ids\[3\] is 1180591620717411303424"),
            (store([81], [1, 2, 3, None]), r"token_ids\[3\] is None"),
            (store([81], [1, 2, 3, 4.5]), r"token_ids\[3\] is 4\.5"),
            (store([81], "1234"), "token_ids is '1234'"),
            (store([81], b"1234"), "token_ids is a buffer"),
            (store([81], [(1, 2), (2, 3), (3, 4), 4]), r"token_ids\[3\] is 4: give a pair"),
            (store([2**64], TOKENS[:BLOCK]), r"block_hashes\[0\] is 18446744073709551616"),
            (store([-(2**63) - 1], TOKENS[:BLOCK]), r"block_hashes\[0\]"),
            (store([b"short"], TOKENS[:BLOCK]), r"block_hashes\[0\] is b'short'"),
            (store([81, b"\1" * 32], TOKENS[:BLOCK]), r"block_hashes\[1\] has 32 bytes"),
            (store([81], TOKENS[:BLOCK], parent=b"\1" * 32), "parent_block_hash has 32 bytes"),
            (store([81], TOKENS[:BLOCK], block_size=-4), "-4"),
            (store([81], TOKENS[:BLOCK], block_size="4"), "'str'"),
            (store([81], TOKENS[:BLOCK], group_idx=-1), "-1"),
            (store([81], TOKENS[:BLOCK], medium=7), "medium is 7"),
            (store([81], TOKENS[:BLOCK], medium="GPU\0"), "medium has a NUL"),
            (store([81], TOKENS[:BLOCK], lora_name="\udc80"), "surrogates"),
            (store([81], TOKENS[:BLOCK], extra_keys="x"), "extra_keys is 'x'"),
            (remove(7), "block_hashes is 7"),
            ({"block_hashes": [7]}, "an event has no type"),
            ({"type": 7}, "type is 7"),
            ({3: 7, "type": "BlockRemoved"}, "name is 3"),
            (store([81], dict.fromkeys(range(99))), "token_ids is an object of type dict: give a list"),
            (store([81], "x" * 3000000), "token_ids is '" + "x" * 40 + r"'\.\.\.: give"),
            (store([b"y" * 3000000], TOKENS[:BLOCK]), r"block_hashes\[0\] is b'" + "y" * 40 + r"'\.\.\.: give"),
            (store([1 << 1000000], TOKENS[:BLOCK]), r"block_hashes\[0\] is an int of over 300 digits: give"),
            (store([3 << 700], TOKENS[:BLOCK]), r"block_hashes\[0\] is 1578040770\d{30}\.\.\.: give"),
            (BlockRemoved(lambda: raise_it(ValueError("own words"))), "own words"),
            (BlockRemoved(lambda: raise_it(MemoryError("none left"))), "none left"),
        ):
            self.lost(publisher, event, cause)

    def test_names_in_no_order(self):
        """Which block is whose is said by the order: what has none, or is used up by who reads it, is none."""
        publisher = self.publisher()
        names = {71 << 40: 1, 5 << 33: 2, 99: 3}
        for none in (iter([73]), (name for name in [73]), map(int, "73"), set(names), frozenset(names), names,
                     names.keys(), names.values(), collections.UserDict(names)):
            self.lost(publisher, self.engine.store(none, TOKENS), "block_hashes is .*: give a list, a tuple or")
            self.lost(publisher, self.engine.remove(none), "block_hashes is .*: give a list, a tuple or")
            self.lost(publisher, self.engine.store([81, 82, 83], none), "token_ids is .*: give a list, a tuple or")
            for call in (publisher.removed, lambda names: publisher.stored(names, tokens=TOKENS)):
                with self.assertRaisesRegex(TypeError, "block_hashes is .*: give a list, a tuple or"):
                    call(none)

    def test_sequences_of_other_makes(self):
        """As they are, and where reading one changes it."""

        class Steps(list):
            def __iter__(self):
                raise RuntimeError("a list is what it has")

        class Lies(collections.UserList):
            def __len__(self):
                return 1000

        for number, make in enumerate((collections.deque, collections.UserList, Once, Steps, Lies)):
            publisher = self.publisher(number + 1)
            self.assertEqual(publisher.publish_batch(Batch(make([
                self.engine.store(make([71, 72, 73]), make(TOKENS)),
                self.engine.remove(make([73])),
                self.engine.remove(make([72])),
            ]))), 0, publisher.unreadable)
            self.assertEqual(publisher.stats()["held"][0], 1)
            self.assertIsNone(publisher.stats()["inexact"])

        class Shrinks(collections.UserList):
            __iter__ = collections.abc.Sequence.__iter__

            def __getitem__(self, at):
                self.data.pop()
                return self.data[at]

        publisher = self.publisher(9)
        publisher.publish_batch([self.engine.store(Shrinks([71, 72, 73]), TOKENS)])  # but one name, of three
        self.assertEqual(publisher.stats()["inexact"], "lacking")

    def test_what_is_refused_is_not_asked(self):
        """No code of its own runs to say what it was: that could take long, and this is the engine's thread."""
        asked = []

        def ask(self, *_):
            asked.append(self)
            return "asked"

        odd = {"__repr__": ask, "__str__": ask, "__format__": ask}
        values = [type("Odd", base, odd)() for base in ((), (str,), (int,), (bytes,), (set,), (dict,), (float,))]
        publisher = self.publisher()
        for value in values + [[value] for value in values] + [[[value]] for value in values]:
            publisher.publish_batch([
                self.engine.store(value, TOKENS), self.engine.store([71], value), self.engine.store([71], [1, value]),
                self.engine.store([71], [(1, 2), value]), self.engine.store([71], TOKENS, extra_keys=value),
                self.engine.remove([71], medium=value), self.engine.remove([71], group_idx=value),
            ])
        for value in values:
            for call in (publisher.publish_batch, lambda v: publisher.removed([1], tier=v),
                         lambda v: publisher.removed(v), lambda v: self.publisher(2, media=v, counting_kinds=v),
                         lambda v: self.publisher(2, wait=v, host_blocks=v)):
                try:
                    call(value)
                except (TypeError, ValueError, ringdex.Error):
                    pass
        self.assertEqual(len(asked), 0)

    def test_what_is_not_understood(self):
        publisher = self.publisher()
        newer = as_dataclass("BlockRemoved", {**VLLM["BlockRemoved"], "volume": None})
        publisher.stored([71, 72, 73], tokens=TOKENS)
        self.assertEqual(publisher.publish_batch([newer([73], "GPU")]), 0)
        self.assertIsNone(publisher.stats()["inexact"])  # nothing is said in it
        for event in (
            newer([72], "GPU", volume=3),
            as_plain("BlockMoved", {})(block_hashes=[71]),
            {"type": "BlockRemoved", "block_hashes": [71], "volume": 3},
            as_plain("BlockRemoved", {})(block_hashes=[70], volume=3),
            5,
            None,
        ):
            self.assertEqual(publisher.publish_batch([event]), 0, event)
            self.assertEqual(publisher.stats()["inexact"], "unknown", event)
            publisher.cleared()
        stats = publisher.engine_stats()
        self.assertEqual((stats["unknown_types"], stats["unknown_fields"]), (3, 3))

    def test_an_attribute_that_nobody_knows(self):
        """In whatever make of class: no block is removed for certain."""
        publisher = self.publisher()
        for value, inexact in ((None, None), ("moon", "unknown")):
            for number, event in enumerate(events_with("only_if", value)):
                with self.subTest(number=number, value=value):
                    publisher.stored([71, 72, 73], tokens=TOKENS)
                    before = publisher.engine_stats()["unknown_fields"]
                    self.assertEqual(publisher.publish_batch([event]), 0)
                    self.assertEqual(publisher.stats()["inexact"], inexact)
                    counted = publisher.engine_stats()["unknown_fields"] - before
                    self.assertEqual(counted, 1 if inexact else 0)
                    publisher.cleared()

    def test_a_known_attribute_that_is_not_declared(self):
        """It means what it always means."""
        publisher = self.publisher(host_blocks=8)
        old = as_dataclass("BlockRemoved", {"block_hashes": VLLM["BlockRemoved"]["block_hashes"]})
        slot = type("BlockRemoved", (old,), {"__slots__": ("medium",)})([71])
        own, extra = old([71]), type("BlockRemoved", (old,), {"__pydantic_extra__": {"medium": "CPU"}})([71])
        own.medium = slot.medium = "CPU"
        for event in (own, slot, extra, type("BlockRemoved", (old,), {"medium": property(lambda _: "CPU")})([71]),
                      type("BlockRemoved", (old,), {"medium": "CPU"})([71])):
            publisher.stored([71], tokens=TOKENS[:BLOCK])
            publisher.stored([71], tier="host")
            publisher.publish_batch([event])
            self.assertEqual(publisher.stats()["held"], (1, 0, 0, 0))
            self.assertIsNone(publisher.stats()["inexact"])
            publisher.cleared()

    def test_what_is_no_batch(self):
        publisher = self.publisher()
        for batch in (None, 7, "events", object(), {"ts": 1}):
            with self.assertRaisesRegex(TypeError, "is no batch"):
                publisher.publish_batch(batch)
            self.assertEqual(publisher.stats()["inexact"], "unknown")
            publisher.cleared()

    def test_lists_that_lie(self):
        """A list is what it has, whatever its class says of it."""

        class Odd(list):
            def __len__(self):
                raise RuntimeError("no length")

            def __getitem__(self, at):
                raise RuntimeError("no elements")

        class Long(list):
            def __len__(self):
                return 1000

        for number, odd in enumerate((Odd, Long)):
            publisher = self.publisher(number + 1)
            keys = odd([odd([odd(["image", 0])]), None, None])
            self.assertEqual(publisher.publish_batch(Batch([
                self.engine.store(odd([71, 72, 73]), odd(TOKENS), extra_keys=keys),
                self.engine.remove(odd([73])),
                self.engine.store(odd([81]), odd([odd([1, 2]), (2, 3), (3, 4), (4, 5)])),
                self.engine.store(odd([91]), odd(["text", 2, 3, 4])),
            ])), 0, publisher.unreadable)
            self.assertEqual(publisher.stats()["held"][0], 4)
            self.assertIsNone(publisher.stats()["inexact"])
        index = self.index(self.indexer(), [publisher])
        runs = index.lookup(TOKENS, extra_keys=[[("image", 0)], None, None])
        self.assertEqual(held(runs), {1: 2, 2: 2})

    def test_a_class_with_names_that_are_none(self):
        """The first one is said; what comes after is not asked, and the batch goes on."""
        publisher = self.publisher()
        for wrong, cause in (("a\0b", "NUL"), (5, "is 5"), ("\udc80", "surrogates")):
            fields = {"__struct_fields__": (wrong, "block_hashes"), "block_hashes": [71]}
            self.lost(publisher, type("BlockRemoved", (), fields)(), cause)

    def test_what_ends_the_program_goes_on(self):
        publisher = self.publisher()
        with self.assertRaises(KeyboardInterrupt):
            publisher.publish_batch([BlockRemoved(lambda: raise_it(KeyboardInterrupt()))])
        self.assertEqual(publisher.stats()["inexact"], "unknown")

    def test_an_event_that_calls_back(self):
        publisher = self.publisher()
        for does in (
            publisher.close,
            lambda: publisher.removed([1]),
            lambda: publisher.publish_batch([]),
            lambda: publisher.stats(),
        ):
            self.lost(publisher, BlockRemoved(does), "while a call of it is under way")
        other = self.publisher(2)
        other.stored([81], tokens=TOKENS[:BLOCK])
        publisher.publish_batch([BlockRemoved(lambda: other.removed([81]) or [5])])
        self.assertEqual(other.stats()["held"][0], 0)

    def test_an_event_that_changes_the_batch(self):
        publisher = self.publisher()
        events = [self.engine.store([71], TOKENS[:BLOCK])]
        events += [BlockRemoved(lambda: events.clear() or [71]), self.engine.store([72], TOKENS)]
        self.assertEqual(publisher.publish_batch(Batch(events)), 0)
        self.assertEqual(publisher.stats()["held"][0], 0)
        names = [71, 72, 73]

        class Shrinks:
            def __index__(self):
                names.clear()
                return 72

        names[1] = Shrinks()
        self.lost(publisher, self.engine.store(names, TOKENS), "index out of range")

    def test_sequences(self):
        publisher = self.publisher()
        publisher.publish_batch([], sequence=0)
        publisher.publish_batch([], 1)
        self.assertIsNone(publisher.stats()["inexact"])
        publisher.publish_batch([], 3)
        self.assertEqual(publisher.engine_stats()["gaps"], 1)
        for wrong in (-1, 2**64, "4", 1.5):
            with self.assertRaises((TypeError, ValueError)):
                publisher.publish_batch([], wrong)

    def test_many_classes(self):
        """More than are remembered."""
        publisher = self.publisher()
        for i in range(200):
            removed = as_dataclass("BlockRemoved", VLLM["BlockRemoved"])
            publisher.stored([71], tokens=TOKENS[:BLOCK])
            publisher.publish_batch([removed([71], "GPU"), removed([72], "GPU")])
        self.assertEqual(publisher.stats()["blocks_removed"], 200)


if __name__ == "__main__":
    unittest.main()
