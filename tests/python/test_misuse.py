# SPDX-License-Identifier: Apache-2.0
"""What a program does wrong gets an exception: wrong types, huge and negative numbers, closed handles,
two threads, also on what it gave, forks, the interpreter's exit. Nothing is leaked."""

import array
import errno
import gc
import os
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import unittest

import ringdex
from events import MAKES, VLLM, Batch, Engine
from rig import BLOCK, PATIENCE_S, Namespace, asked, dies_with_us, held, wait_for

TOKENS = list(range(1, 3 * BLOCK + 1))
HAS_GIL = not sysconfig.get_config_var("Py_GIL_DISABLED")
WRONG_NUMBERS = (-1, 2**64, 2**200, 1.5, "1", None, [], b"1")


class Arguments(Namespace):
    def test_numbers_of_open(self):
        for name in ("worker_id", "dp_rank", "device_blocks", "block_tokens", "ring_slots",
                     "file_mode", "counting_groups"):
            for wrong in WRONG_NUMBERS:
                options = {"worker_id": 1, "device_blocks": 8, name: wrong}
                with self.assertRaises((TypeError, ValueError), msg=(name, wrong)):
                    ringdex.Publisher("i", "m", dir=self.dir, **options)
        for wrong in (-1.0, float("nan"), float("inf"), 1e300, "1"):
            with self.assertRaises((TypeError, ValueError)):
                ringdex.Publisher("i", "m", worker_id=1, device_blocks=8, wait=wrong)
            with self.assertRaises((TypeError, ValueError)):
                ringdex.Indexer(dir=self.dir, stale_after=wrong)
        self.assertEqual(os.listdir(self.dir), [])

    def test_a_number_that_empties_its_pair(self):
        class Emptying:
            def __index__(self):
                pair.clear()
                return 1

        pair = [Emptying(), 2]
        with self.assertRaises(ValueError):  # and not the end of the process
            ringdex.local_hashes([pair], 1)

    def test_an_event_that_loses_its_type(self):
        class Emptying:
            def __index__(self):
                event.clear()
                return BLOCK

        publisher = self.publisher()
        event = {"type": "".join(["Block", "Stored"]), "block_hashes": [71], "block_size": Emptying(),
                 "token_ids": TOKENS[:BLOCK]}
        self.assertEqual(publisher.publish_batch([event]), 0)
        self.assertEqual((publisher.stats()["held"][0], publisher.stats()["inexact"]), (1, None))

    def test_words_of_open(self):
        for options in (
            {"clear_scope": "all"}, {"report_mode": ""}, {"cleared_means": "x"},
            {"media": {"GPU": "moon"}}, {"media": {7: "device"}}, {"media": ["GPU"]},
            {"media": {"GPU": 9}}, {"types": {"x": "moved"}}, {"types": {"x": 7}},
            {"counting_kinds": "full"}, {"counting_kinds": [7]}, {"harmless_fields": 7},
            {"tenant": "a\0b"}, {"tenant": 7}, {"dir": 7}, {"dir": "a\0b"}, {"nonsense": 1},
        ):
            options = {"worker_id": 1, "device_blocks": 8, "dir": self.dir, **options}
            with self.assertRaises((TypeError, ValueError), msg=options):
                ringdex.Publisher("i", "m", **options)
        for wrong in ((), ("i",), ("i", 7), ("i", "m", 7), ("i", "\udc80")):
            with self.assertRaises((TypeError, ValueError), msg=wrong):
                ringdex.Publisher(*wrong, worker_id=1, device_blocks=8, dir=self.dir)
        with self.assertRaisesRegex(TypeError, "needs worker_id"):
            ringdex.Publisher("i", "m", device_blocks=8, dir=self.dir)
        with self.assertRaises(ValueError):
            ringdex.Indexer(dir=self.dir, wait_mode="poll")

    def test_what_the_library_refuses(self):
        for options, number in (
            ({}, "EINVAL"), ({"device_blocks": 8, "ring_slots": 100}, "EINVAL"),
            ({"device_blocks": 8, "tenant": "x" * 256}, "ENAMETOOLONG"),
            ({"device_blocks": 2**30}, "ENOMEM"), ({"device_blocks": 2**40}, "EINVAL"), ({"device_blocks": 8, "dir": "/proc/no"}, "ENOENT"),
        ):
            with self.assertRaises(ringdex.Error) as caught:
                ringdex.Publisher("i", "m", worker_id=1, **{"dir": self.dir, **options})
            self.assertEqual(errno.errorcode[caught.exception.errno], number)
            self.assertIsInstance(caught.exception, OSError)
            self.assertIn("cannot open the publisher: ", str(caught.exception))
            self.assertIn("; ", str(caught.exception))

    def test_what_is_out_of_range(self):
        """Named by what is wrong with it, whatever else is given."""
        for options, text in (
            ({"device_blocks": 0}, "give the blocks of a tier, as device_blocks="),
            ({"instance": ""}, "instance is empty"), ({"model": ""}, "model is empty"),
            ({"device_blocks": 99999999999999}, "blocks of a tier are 2^31 at most"),
            ({"disk_blocks": 2**31 + 1}, "blocks of a tier are 2^31 at most"),
            ({"block_tokens": 65537}, "block_tokens is 1 to 65,536"),
            ({"ring_slots": 100}, "ring_slots is a power of two"),
            ({"ring_slots": 32}, "ring_slots is a power of two, 64 to"),
            ({"file_mode": 0o7777777}, "file_mode is 0o777 at most"),
            ({"file_mode": 0o620}, "lets nobody else write"),
            ({"counting_groups": 9}, "counting_groups is 8 at most"),
            ({"counting_groups": 2, "clear_scope": "worker"}, 'and 1 with clear_scope="worker"'),
        ):
            given = {"instance": "i", "model": "m", "worker_id": 1, "device_blocks": 8,
                     "ring_slots": 64, "dir": self.dir, **options}
            with self.assertRaises(ringdex.Error, msg=options) as caught:
                ringdex.Publisher(**given)
            self.assertEqual(caught.exception.errno, errno.EINVAL)
            self.assertIn(f"Invalid argument; {text}" if not text.startswith(("and", "lets")) else text,
                          str(caught.exception))
        self.publisher(block_tokens=65536, ring_slots=64, file_mode=0o600, counting_groups=8).close()

    def test_arguments_of_calls(self):
        publisher = self.publisher()
        before = publisher.stats()
        for call in (
            lambda: publisher.stored(), lambda: publisher.stored([1], TOKENS),
            lambda: publisher.stored([1], tokens=TOKENS, nonsense=1),
            lambda: publisher.stored([1], tokens={1: 2}), lambda: publisher.stored(None, tokens=7),
            lambda: publisher.stored("ab", tokens=TOKENS[:BLOCK]),
            lambda: publisher.stored(b"12345678", tokens=TOKENS[:BLOCK]),
            lambda: publisher.stored([1], tokens=array.array("d", [1.0])),
            lambda: publisher.stored([1], tokens=array.array("i", [1, 2, 3, -1])),
            lambda: publisher.stored([1], tokens=array.array("q", [1, 2, 3, 2**40])),
            lambda: publisher.stored([1], tokens=memoryview(bytes(16)).cast("B", (4, 4))),
            lambda: publisher.stored(array.array("I", [1]), tokens=TOKENS[:BLOCK]),
            lambda: publisher.stored([1], local_hashes=[1, 2]),
            lambda: publisher.stored([1], local_hashes=[-(2**70)]),
            lambda: publisher.removed([1], remaining=[1, 2]),
            lambda: publisher.removed([1], remaining=[-1]), lambda: publisher.removed([1], group=-1),
            lambda: publisher.cleared(7), lambda: publisher.inexact("very"),
            lambda: publisher.inexact(7), lambda: publisher.stored([1], tokens=[], tier=1),
        ):
            with self.assertRaises((TypeError, ValueError)):
                call()
        self.assertEqual(publisher.stats(), before)

    def test_arguments_of_lookups(self):
        publisher = self.publisher()
        publisher.stored([1], tokens=TOKENS[:BLOCK])
        index = self.index(self.indexer(), [publisher])
        for call in (
            lambda: index.lookup(), lambda: index.lookup(None), lambda: index.lookup([-1]),
            lambda: index.lookup(TOKENS, lora_name=7), lambda: index.lookup(TOKENS, cache_salt="\0"),
            lambda: index.lookup(TOKENS, extra_keys=[None]), lambda: index.lookup_local([2**64]),
            lambda: index.lookup_local(array.array("I", [1, 2]).tobytes()),
            lambda: index.lookup_prefix(None), lambda: index.chain([1], parent=-1),
            lambda: index.verify(-1), lambda: index.verify(1, 2**32),
            lambda: ringdex.local_hashes(TOKENS, 0), lambda: ringdex.local_hashes(TOKENS, 2**17),
            lambda: ringdex.local_hashes(7, 4), lambda: ringdex.Index(7), lambda: ringdex.Index(),
            lambda: ringdex.Reader(1, dir=self.dir).resident("moon"),
            lambda: ringdex.Reader(1, dir=self.dir).resident(4),
            lambda: ringdex.Reader(1, dir=self.dir).seek((1, 2, 3)),
            lambda: ringdex.Reader(1, dir=self.dir).recover(7),
        ):
            with self.assertRaises((TypeError, ValueError)):
                call()
        self.assertEqual(held(index.lookup(TOKENS)), {1: 1})

    def test_types_are_final(self):
        for kind in (ringdex.Publisher, ringdex.Index, ringdex.Indexer, ringdex.Reader):
            with self.assertRaises(TypeError):
                type("Mine", (kind,), {})
            with self.assertRaises(TypeError):
                object.__new__(kind)


class Closed(Namespace):
    def test_late_publishing_does_nothing(self):
        publisher = self.publisher()
        publisher.stored([1], tokens=TOKENS[:BLOCK])
        engine = Engine(VLLM, MAKES[-1])
        open_stats = publisher.stats(), publisher.engine_stats()
        for _ in range(2):
            publisher.close()
            self.assertTrue(publisher.closed)
            publisher.stored([2], tokens=TOKENS[:BLOCK])
            publisher.removed([1])
            publisher.cleared()
            publisher.inexact()
            self.assertEqual(publisher.publish_batch(Batch([engine.cleared()])), 0)
            self.assertEqual(publisher.publish_batch(None), 0)
            self.assertFalse(publisher.check())
            self.assertEqual((publisher.stats(), publisher.engine_stats()), open_stats)
        with self.assertRaisesRegex(ValueError, "is closed"):
            publisher.epoch

    def test_closed_consumers(self):
        publisher = self.publisher()
        indexer = self.indexer()
        index = self.index(indexer, [publisher])
        reader = ringdex.Reader(1, dir=self.dir)
        for handle in (index, indexer, reader):
            self.assertFalse(handle.closed)
            with handle as same:
                self.assertIs(same, handle)
            handle.close()
            self.assertTrue(handle.closed)
        for call in (
            lambda: index.lookup(TOKENS), lambda: index.lookup_local([1]), index.workers,
            lambda: index.verify(1), lambda: index.chain([1]), indexer.poll, indexer.wait,
            indexer.stats, reader.recover, reader.next, reader.snapshot, reader.resident,
            reader.stats, lambda: list(reader), lambda: reader.info, lambda: reader.alive,
            lambda: reader.cursor,
        ):
            with self.assertRaisesRegex(ValueError, "is closed: open another one"):
                call()


class Threads(Namespace):
    """Calls from many threads wait for each other; each has its effect."""

    def run_all(self, *targets):
        faults = []

        def guarded(target):
            try:
                target()
            except BaseException as fault:  # shown by the test's own thread
                faults.append(fault)

        threads = [threading.Thread(target=guarded, args=(target,)) for target in targets]
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(before)
        self.assertEqual(faults, [])

    def test_one_publisher(self):
        publisher = self.publisher(device_blocks=4096, ring_slots=16384)
        engine = Engine(VLLM, MAKES[-1])

        def publish(first):
            for i in range(first, first + 100):
                publisher.publish_batch([engine.store([i], [i, 2, 3, 4]), engine.store([], [])])
                publisher.removed([i])
                publisher.stored([i], tokens=[i, 2, 3, 4])
                publisher.stats()
                publisher.check()

        self.run_all(*(lambda first=first: publish(first) for first in range(1, 1600, 400)))
        stats = publisher.stats()
        self.assertEqual((stats["held"][0], stats["inexact"]), (400, None))
        self.assertEqual(stats["blocks_stored"], 800)

    def test_consumers(self):
        publisher = self.publisher()
        publisher.stored([1, 2, 3], tokens=TOKENS)
        indexer = self.indexer()
        index = self.index(indexer, [publisher])
        reader = ringdex.Reader(1, dir=self.dir)
        big = array.array("I", TOKENS + [7] * (5000 * BLOCK))  # without the GIL
        done = threading.Event()

        def maintain():
            while not done.is_set():
                indexer.poll()
                indexer.wait(0.001)
                indexer.stats()

        def look():
            for _ in range(20):
                for tokens in big, TOKENS:
                    runs = asked(lambda tokens=tokens: index.lookup(tokens))
                    assert held(runs) == {1: 3}, runs
                assert asked(lambda: index.verify(1)).compared == 3
                asked(index.workers)
                reader.recover()
                list(reader)
                assert len(reader.resident()[0]) == 3
                while isinstance(reader_snapshot(), tuple):
                    pass
            if not running.acquire(blocking=False):
                done.set()

        def reader_snapshot():
            try:
                return reader.snapshot()
            except ringdex.Error:  # another thread read it to its end
                return None

        running = threading.Semaphore(2)
        self.run_all(maintain, maintain, look, look, look)

    def test_close_beside_calls(self):
        for _ in range(8):
            publisher = self.publisher()
            indexer = self.indexer()
            index = self.index(indexer, [publisher])

            def use(call):
                try:
                    while True:
                        asked(call)
                except ValueError as fault:
                    assert "is closed" in str(fault)

            def publish():
                while not publisher.closed:
                    publisher.stored([1], tokens=TOKENS[:BLOCK])
                    publisher.removed([1])

            def close():
                publisher.close()
                index.close()
                indexer.close()

            def ask():
                while not publisher.closed:
                    publisher.publish_batch([object()])
                    self.assertIn("has no", publisher.unreadable or "has no")
                use(lambda: publisher.epoch)

            self.run_all(publish, publish, ask, lambda: use(lambda: index.lookup(TOKENS)),
                         lambda: use(index.workers), lambda: use(indexer.poll), close)

    def test_what_gives_the_gil_away(self):
        """Another thread goes on while a long lookup runs. Nobody is asked for the GIL here: a thread has
        it until it gives it away, as the other one does behind each number."""
        blocks = 65536
        publisher = self.publisher(device_blocks=blocks, ring_slots=0)
        tokens = array.array("I", range(blocks * BLOCK))
        publisher.stored(range(1, blocks + 1), tokens=tokens)
        indexer = self.indexer()
        index = self.index(indexer, [publisher])
        local = array.array("Q", ringdex.local_hashes(tokens, BLOCK))
        prefix = array.array("Q", index.chain(local))
        reader = ringdex.Reader(1, dir=self.dir)
        self.addCleanup(reader.close)
        done, count = threading.Event(), 0

        def go_on():
            nonlocal count
            while not done.is_set():
                count += 1
                time.sleep(0)

        def lets_go(call):
            before = count
            call()
            return count != before

        thread = threading.Thread(target=go_on)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1000)
        thread.start()
        try:
            for name, call in (
                ("lookup", lambda: index.lookup(tokens)),
                ("lookup_local", lambda: index.lookup_local(local)),
                ("lookup_prefix", lambda: index.lookup_prefix(prefix)),
                ("verify", lambda: index.verify(1)),
                ("resident", reader.resident),
            ):
                with self.subTest(name):
                    wait_for(lambda call=call: lets_go(call))
            if HAS_GIL:
                short = tokens[:BLOCK * 4096]
                self.assertFalse(any(lets_go(lambda: index.lookup(short)) for _ in range(100)))
        finally:
            done.set()
            thread.join()
            sys.setswitchinterval(interval)

    def test_new_classes(self):
        """Each of which all threads see first."""
        publishers = [self.publisher(worker_id) for worker_id in range(1, 5)]
        gate = threading.Barrier(len(publishers))
        kinds = [type("BlockRemoved", (), {"block_hashes": [71]}) for _ in range(40)]

        def publish(publisher):
            for kind in kinds:
                gate.wait()
                self.assertEqual(publisher.publish_batch([kind(), kind()]), 0)

        self.run_all(*(lambda publisher=publisher: publish(publisher) for publisher in publishers))
        for publisher in publishers:
            self.assertEqual(publisher.engine_stats()["events"], len(kinds))  # two are joined in one

    def test_what_others_change(self):
        """Lists and dicts of the caller's, changed by another thread while they are read: an error or some
        state of them, and the handle serves on."""
        publisher = self.publisher(device_blocks=4096, ring_slots=16384)
        publisher.stored([1, 2, 3], tokens=TOKENS)
        index = self.index(self.indexer(), [publisher])
        tokens, names, keys = list(TOKENS), [11, 12, 13], [["a", ("b", 1)], [b"c"], None]
        pairs = [[token, token + 1] for token in TOKENS]
        entry = {"type": "BlockStored", "block_hashes": names, "token_ids": tokens, "block_size": BLOCK}
        event = type("BlockRemoved", (), {})()
        event.block_hashes = names
        batch = {"events": [entry, event, entry]}
        steady = list(batch["events"])
        done = threading.Event()

        def change():
            while not done.is_set():
                for shared, whole in ((tokens, TOKENS), (names, [11, 12, 13]), (pairs[0], [1, 2]),
                                      (keys, [["a", {"hash": "h" * 9}], ["c" * 9], None]),
                                      (batch["events"], steady)):
                    shared.clear()
                    shared.extend(whole)
                    del shared[-1:]
                    shared[:1] = whole[:1]
                keys[:1] = [["a" * 9, ("b" * 9, 1)]]
                entry.pop("type", None)
                entry["type"] = "Block" + "Stored" * len(names[:1])
                for name in ("a", "b", "c"):
                    entry[name] = event.__dict__[name] = None
                for name in ("a", "b", "c"):
                    entry.pop(name, None), event.__dict__.pop(name, None)
                event.block_hashes = names[:1]

        def tried(call):
            try:
                call()
            except (TypeError, ValueError, IndexError):
                pass

        def use():
            try:
                use_all()
            finally:
                if not running.acquire(blocking=False):
                    done.set()

        def use_all():
            for _ in range(100):
                for call in (
                    lambda: publisher.publish_batch(batch), lambda: publisher.publish_batch(steady),
                    lambda: publisher.stored(names, tokens=tokens, extra_keys=keys),
                    lambda: publisher.stored(names, tokens=pairs), lambda: publisher.removed(names),
                    lambda: index.lookup(tokens, extra_keys=keys), lambda: index.lookup(pairs),
                    lambda: index.lookup_local(names),
                    lambda: ringdex.local_hashes(tokens, BLOCK, mm_keys=keys),
                ):
                    tried(call)

        running = threading.Semaphore(2)
        self.run_all(change, change, use, use, use)
        publisher.removed([1])
        self.assertGreaterEqual(publisher.stats()["events"], 2)
        self.assertEqual(held(index.lookup(TOKENS))[1], 3)  # which was not polled again


def in_child(function):
    """Its exit status, of a fork: 0 if it returns True."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if function() else 2
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def errno_of(call):
    try:
        call()
    except ringdex.Error as fault:
        return fault.errno
    return 0


class Forks(Namespace):
    def test_each_handle(self):
        publisher = self.publisher()
        publisher.stored([1, 2, 3], tokens=TOKENS)
        indexer = self.indexer()
        index = self.index(indexer, [publisher])
        reader = ringdex.Reader(1, dir=self.dir)

        def child():
            dead = [errno_of(call) for call in (
                lambda: publisher.stored([4], tokens=TOKENS), publisher.stats, indexer.poll,
                lambda: publisher.publish_batch([]) or publisher.removed([1]), indexer.wait)]
            alive = held(index.lookup(TOKENS)), len(reader.resident()[0])
            for handle in (publisher, indexer, index, reader):
                handle.close()
                handle.close()
            return dead == [errno.EOWNERDEAD] * 5 and alive == ({1: 3}, 3)

        self.assertEqual(in_child(child), 0)
        self.assertTrue(reader.alive)
        publisher.removed([3])
        indexer.poll()
        self.assertEqual(held(index.lookup(TOKENS)), {1: 2})

    def test_while_another_thread_is_inside(self):
        """The child has that thread's handle as it was in the middle of a call."""
        self.publisher()
        indexer = self.indexer(liveness=0.02)
        stop = threading.Event()

        def wait():
            while not stop.is_set():
                indexer.wait()

        thread = threading.Thread(target=wait)
        thread.start()

        def child():
            try:
                indexer.close()
            except RuntimeError as fault:
                return "when this process was forked" in str(fault)
            return indexer.closed  # it was outside at that moment

        try:
            for _ in range(20):
                self.assertEqual(in_child(child), 0)
        finally:
            stop.set()
            thread.join()

    def test_fork_inside_a_batch(self):
        publisher = self.publisher()
        children = []

        class BlockRemoved:
            @property
            def block_hashes(self):
                children.append(os.fork())
                return [1]

        publisher.stored([1], tokens=TOKENS[:BLOCK])
        try:
            publisher.publish_batch([BlockRemoved()])
            failed = 0
        except ringdex.Error:
            failed = 1
        if children[0] == 0:
            os._exit(7 if failed else 8)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]), 7)
        self.assertEqual((failed, publisher.stats()["held"][0]), (0, 0))


PROGRAM = """
import atexit, os, sys, threading, time, ringdex
sys.path.insert(0, {tests!r})
directory = {directory!r}
publisher = ringdex.Publisher("i", "m", worker_id=1, device_blocks=8, dir=directory)
indexer = ringdex.Indexer(dir=directory)
indexer.poll()
"""

EXITS = {
    "handles that are open": "pass",
    "a cycle": "a = [publisher, indexer]; a.append(a); del publisher, indexer",
    "a thread in a call": """
def wait():
    while True:
        indexer.wait()
threading.Thread(target=wait, daemon=True).start()
time.sleep(0.05)
""",
    "a close behind a thread that never goes on": """
indexer = ringdex.Indexer(dir=directory + "-2", liveness=1000.0, rest_mode="sleep")
class Late:
    def __del__(self, indexer=indexer, write=os.write):
        try:
            indexer.close()
            write(1, b"closed")
        except RuntimeError as fault:
            if "the interpreter came to its end" in str(fault):
                write(1, b"given up")
def wait(indexer=indexer):
    while True:
        if indexer.poll() == 0:
            indexer.wait(1000)
sys.late = Late()
threading.Thread(target=wait, daemon=True).start()
time.sleep(0.05)
""",
    "threads that publish": """
def publish():
    while True:
        publisher.stored([1], tokens=[1] * 16)
        publisher.removed([1])
        publisher.check()
for _ in range(3):
    threading.Thread(target=publish, daemon=True).start()
time.sleep(0.05)
""",
    "a late publish": "atexit.register(lambda: (publisher.close(), publisher.removed([1])))",
    "a finalizer": """
class Late:
    def __del__(self, publisher=publisher):
        publisher.stored([1], tokens=[1] * 16)
late = Late()
late.me = late
""",
    "an exception": "sys.stderr.close(); raise SystemExit(0)",
}


class Exits(Namespace):
    def test_exits(self):
        programs = {}
        for name, lines in EXITS.items():
            directory = os.path.join(self.dir, name.replace(" ", "-"))
            text = PROGRAM.format(tests=os.path.dirname(__file__), directory=directory) + lines
            programs[name] = subprocess.Popen(
                [sys.executable, "-B", "-X", "dev", "-c", text], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, preexec_fn=dies_with_us)
            self.addCleanup(programs[name].kill)
        said = {}
        for name, program in programs.items():
            said[name], errors = program.communicate(timeout=PATIENCE_S)
            self.assertEqual((program.returncode, errors), (0, ""), name)
        # "closed" where the thread had not come so far
        self.assertIn("".join(said.values()), ("given up", "closed"))

    def test_killed(self):
        text = PROGRAM.format(tests=os.path.dirname(__file__), directory=self.dir)
        program = subprocess.Popen(
            [sys.executable, "-B", "-c", text + "print('up', flush=True)\ntime.sleep(1000)"],
            stdout=subprocess.PIPE, text=True)
        self.assertEqual(program.stdout.readline(), "up\n")
        with ringdex.Reader(1, dir=self.dir) as reader:
            self.assertTrue(reader.alive)
            program.send_signal(signal.SIGKILL)
            program.communicate()
            self.assertFalse(reader.alive)

    def test_interrupted(self):
        """Ctrl-C ends what waits, of which each would wait for longer than the test is patient."""
        self.publisher()  # the predecessor of another
        for waits in (
            f"ringdex.Index('m', dir={self.dir!r}, wait=1000)",
            f"ringdex.Publisher('i', 'm', worker_id=1, device_blocks=8, dir={self.dir!r}, wait=1000)",
            "while True: indexer.wait(1000)",  # which may end sooner
        ):
            text = f"""
import ringdex, signal
def once(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, once)
indexer = ringdex.Indexer(dir={self.dir!r}, liveness=1000.0, rest_mode="sleep")
while indexer.poll():
    pass
try:
    print('up', flush=True)
    {waits}
except KeyboardInterrupt:
    print("interrupted")
"""
            program = subprocess.Popen([sys.executable, "-B", "-c", text], stdout=subprocess.PIPE,
                                       text=True, preexec_fn=dies_with_us)
            self.addCleanup(program.stdout.close)
            self.addCleanup(program.kill)
            self.assertEqual(program.stdout.readline(), "up\n")
            time.sleep(0.05)  # within the call, most often
            # again and again: one that comes just before a call sleeps is seen when that wakes
            wait_for(lambda program=program: program.send_signal(signal.SIGINT) or program.poll() is not None)
            self.assertEqual(program.communicate(timeout=PATIENCE_S)[0], "interrupted\n", waits)


class Predecessors(Namespace):
    """Publisher(wait=) while another process has the rank."""

    def setUp(self):
        super().setUp()
        text = f"""
import ringdex, sys
publisher = ringdex.Publisher("i", "m", worker_id=1, device_blocks=8, dir={self.dir!r})
print("up", flush=True)
sys.stdin.read()
"""
        self.before = subprocess.Popen([sys.executable, "-B", "-c", text], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True, preexec_fn=dies_with_us)
        for end in (self.before.wait, self.before.stdout.close, self.before.stdin.close, self.before.kill):
            self.addCleanup(end)
        self.assertEqual(self.before.stdout.readline(), "up\n")

    def test_one_that_goes_away(self):
        """It is killed when the successor waits: a handler of a signal runs in its thread, and goes on."""
        killed = []

        def kill(*_):
            self.assertIsNone(self.before.poll())
            self.before.kill()
            killed.append(threading.current_thread() is threading.main_thread())

        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, kill))
        self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        publisher = self.publisher(wait=PATIENCE_S)
        self.assertEqual(killed, [True])
        publisher.stored([71, 72, 73], tokens=TOKENS)
        index = self.index(self.indexer(), [publisher])
        self.assertEqual(held(index.lookup(TOKENS)), {1: 3})

    def test_one_that_stays(self):
        for wait in (0.0, 0.2):
            begin = time.monotonic()
            with self.assertRaises(ringdex.Error) as caught:
                self.publisher(wait=wait)
            self.assertGreaterEqual(time.monotonic() - begin, wait)
            self.assertEqual(caught.exception.errno, errno.EBUSY)
            self.assertIn("another running process publishes this rank", str(caught.exception))
        self.assertIsNone(self.before.poll())

    def test_another_thread_goes_on(self):
        """The GIL is given away: this thread ends the predecessor that the other one waits for."""
        opened = []
        thread = threading.Thread(target=lambda: opened.append(self.publisher(wait=PATIENCE_S)))
        thread.start()
        self.before.kill()
        thread.join()
        self.assertEqual(len(opened), 1)


class FreeThreaded(unittest.TestCase):
    """Where Python has no GIL, the package brings none."""

    @unittest.skipIf(HAS_GIL, "this Python has a GIL")
    def test_import(self):
        done = subprocess.run(
            [sys.executable, "-B", "-W", "error", "-c",
             "import sys, ringdex, ringdex.vllm, ringdex.sglang; print(sys._is_gil_enabled())"],
            capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, done.stderr), ("False\n", ""))


class Leaks(Namespace):
    engine = Engine(VLLM, MAKES[-1])  # classes that are known are kept

    def counts(self):
        gc.collect()
        files = len(os.listdir("/proc/self/fd"))
        return files, sys.getallocatedblocks()

    def round(self):
        engine = self.engine
        names, tokens = [71, 72, 73], [2000 + i for i in TOKENS]
        image, salt = "image-" + str(len(names)), "salt-" + str(len(names))
        digest = bytes(names)
        keys = [[(image, 1), salt], [digest], None]
        values = names, tokens, keys, image, salt, digest
        before = [sys.getrefcount(value) for value in values]
        publisher = self.publisher(media={"X" * 3: None}, counting_kinds=["a" * 3])
        publisher.stored(names, tokens=tokens, extra_keys=keys, lora_name="adapter" * 2)
        publisher.publish_batch(Batch([
            engine.store([81, 82], tokens[: 2 * BLOCK], extra_keys=[("k", ("i", 3)), None]),
            engine.remove([82]), engine.remove([81]), engine.store([83], [-1]),
            {"type": "BlockRemoved", "block_hashes": [5], "new": "x" * 5}, object(),
        ]))
        indexer = self.indexer()
        index = self.index(indexer, [publisher])
        with ringdex.Reader(1, dir=self.dir) as reader:
            reader.recover()
            list(reader)
            reader.resident()
            reader.info, reader.stats(), reader.cursor
        index.lookup(tokens, extra_keys=keys, lora_name="adapter" * 2)
        index.lookup_local(ringdex.local_hashes(tokens, BLOCK))
        index.workers(), indexer.stats(), publisher.stats(), publisher.engine_stats()
        for wrong in (["x"], [-1], [2**70], 7, [object()]):
            for call in (index.lookup, index.lookup_local, publisher.removed):
                try:
                    call(wrong)
                except (TypeError, ValueError):
                    pass
        for handle in (publisher, index, indexer):
            handle.close()
        self.doCleanups()
        self.setUp()
        after = [sys.getrefcount(value) for value in values]
        return [now - was for now, was in zip(after, before)]

    def test_references(self):
        self.round()
        before = self.counts()
        for _ in range(20):
            self.assertEqual(self.round(), [0] * 6)
        files, blocks = self.counts()
        self.assertEqual(files, before[0])
        self.assertLess(blocks - before[1], 200)  # 20 rounds would leak some each

    def test_buffers_are_let_go(self):
        publisher = self.publisher()
        tokens, names = array.array("I", TOKENS), array.array("Q", [1, 2, 3])
        publisher.stored(names, tokens=tokens)
        with self.assertRaises(ValueError):
            publisher.stored(names, tokens=tokens, lora_name="\0")
        with self.assertRaises(ValueError):
            publisher.stored(names, tokens=tokens, local_hashes=array.array("Q", [1, 2]))
        tokens.append(1)  # BufferError while somebody has its buffer
        names.append(1)


if __name__ == "__main__":
    unittest.main()
