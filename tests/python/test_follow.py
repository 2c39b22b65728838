# SPDX-License-Identifier: Apache-2.0
"""Indexer and Reader: polling, sleeping, events, recovery, what is resident; the stubs."""

import ast
import errno
import importlib
import inspect
import json
import os
import pickle
import re
import signal
import threading
import time
import unittest

import ringdex
from rig import BLOCK, Namespace, asked, dies_with_us, held, wait_for

TOKENS = list(range(1, 3 * BLOCK + 1))
NOBODY = 65534
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# Options that are called otherwise here, and those that are made of an argument.
CALLED = {
    "stale_after_ns": "stale_after", "liveness_ns": "liveness", "wait_ns": "wait",
    "tier_blocks": "device_blocks", "on_unknown": "skip_unknown",
}
NOT_GIVEN = {"size", "reserved"}


class Index(Namespace):
    def test_a_thread_that_maintains(self):
        publisher = self.publisher()
        indexer = self.indexer(liveness=60.0)
        index = self.index(indexer, [publisher])
        done = threading.Event()

        def follow():
            while not done.is_set():
                if indexer.poll() == 0:
                    indexer.wait()

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            for name in range(10, 20):
                publisher.publish_batch([{"type": "stored", "block_hashes": [name],
                                          "token_ids": [name] * BLOCK, "block_size": BLOCK}])
                wait_for(lambda name=name: held(asked(lambda: index.lookup([name] * BLOCK))) == {1: 1})
        finally:
            done.set()
            publisher.cleared()  # rings
            thread.join()
        stats = indexer.stats()
        self.assertEqual((stats["indexes"], stats["ranks"], stats["blocks_stored"]), (1, 1, 10))
        self.assertEqual(len(stats["recoveries"]), 4)

    def test_waiting_ends(self):
        indexer = self.indexer(liveness=0.01, wait_mode="epoll")
        while indexer.poll():
            pass
        begin = time.monotonic()
        while indexer.wait(0.001):
            pass
        indexer.wait(0)
        self.assertLess(time.monotonic() - begin, 100)

    def test_how_it_rests(self):
        """Behind events by naps that nobody has to end, or asleep until a bell, or not at all."""
        publisher, name = self.publisher(), 0
        for rest, naps in (("hybrid", True), ("sleep", False), ("spin", False)):
            indexer = self.indexer(rest_mode=rest)
            self.index(indexer, [publisher])
            publisher.cleared()
            bells = publisher.stats()["bells"]
            for _ in range(3):
                while indexer.poll():
                    pass
                indexer.wait(0.001)
            # on a busy machine the nap's time may be over before it is asked; a clear is no work
            while naps and not indexer.stats()["naps"]:
                name += 1
                publisher.stored([name], tokens=[name] * BLOCK)
                bells = publisher.stats()["bells"]
                while indexer.poll():
                    pass
                indexer.wait(0.001)
            self.assertEqual(indexer.stats()["naps"] > 0, naps, rest)
            self.assertEqual(publisher.stats()["bells"], bells)
            indexer.close()
        with self.assertRaisesRegex(ValueError, "give one of hybrid, sleep, spin"):
            self.indexer(rest_mode="doze")

    def test_a_lock_that_is_lost(self):
        indexer = self.indexer(liveness=0.01)
        lock = os.path.join(self.dir, "indexer.lock")

        def cause():
            indexer.poll()
            return indexer.stats()["lock_cause"]

        self.assertEqual(cause(), 0)
        os.remove(lock)
        os.makedirs(os.path.join(lock, "full"))
        wait_for(lambda: cause() == errno.EISDIR)
        os.removedirs(os.path.join(lock, "full"))
        wait_for(lambda: cause() == 0)

    def test_one_indexer_a_directory(self):
        self.indexer()
        with self.assertRaises(ringdex.Error) as caught:
            self.indexer()
        self.assertEqual(caught.exception.errno, errno.EBUSY)

    def test_limits(self):
        publisher = self.publisher()
        indexer = self.indexer(worker_bytes_max=1)
        wait_for(lambda: indexer.poll() == 0 and indexer.stats()["refused"] == 1)
        publisher.close()

    @unittest.skipUnless(os.geteuid() == 0, "only root may be another user")
    def test_limit_of_a_user(self):
        os.chmod(self.dir, 0o1777)
        indexer = self.indexer(user_ranks_max=1)
        begun, told = os.pipe()
        child = os.fork()
        if child == 0:
            dies_with_us()
            os.chdir(self.dir)  # what is above it may be closed to others
            self.dir = "."
            os.setresuid(NOBODY, NOBODY, NOBODY)
            kept = [self.publisher(worker_id=worker) for worker in (1, 2)]
            os.write(told, b"%d" % len(kept))
            signal.pause()
            os._exit(1)
        os.close(told)
        self.addCleanup(os.close, begun)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.assertEqual(os.read(begun, 1), b"2")
        wait_for(lambda: indexer.poll() == 0 and indexer.stats()["refused"] == 1)
        self.assertEqual(indexer.stats()["ranks"], 1)


class Read(Namespace):
    def reader(self, **options):
        reader = ringdex.Reader(1, dir=self.dir, **options)
        self.addCleanup(reader.close)
        return reader

    def test_events(self):
        publisher = self.publisher(host_blocks=8)
        reader = self.reader()
        self.assertEqual(reader.recover().way, "barrier")
        self.assertIsNone(reader.next())
        publisher.stored([71, 72, 73], tokens=TOKENS)
        publisher.stored([71], tier="host")
        publisher.removed([73])
        publisher.inexact("lacking")
        publisher.cleared("host")
        publisher.cleared()
        events = list(reader)
        self.assertEqual(
            [(e.kind, e.tier, len(e.hashes)) for e in events],
            [("stored", "device", 3), ("stored", "host", 1), ("removed", "device", 1),
             ("inexact", events[3].tier, 0), ("cleared", "host", 0), ("cleared", "all", 0)])
        self.assertEqual([e.event_id for e in events], list(range(1, 7)))
        self.assertEqual(list(events[0].hashes), list(ringdex.local_hashes(TOKENS, BLOCK)))
        self.assertEqual((events[0].parent, events[0].first_block), (0, 0))
        self.assertEqual([e.inexact for e in events][2:4], [None, "lacking"])
        self.assertEqual(list(reader), [])  # and on, later
        publisher.stored([81], tokens=TOKENS[:BLOCK])
        self.assertEqual([e.kind for e in reader], ["stored"])
        self.assertEqual(reader.stats()["events_read"], 7)

    def test_resident(self):
        publisher = self.publisher()
        publisher.stored([71, 72, 73], tokens=TOKENS)
        publisher.removed([73])
        index = self.index(self.indexer(), [publisher])
        reader = self.reader()
        hashes, cursor = reader.resident()
        prefix = index.chain(ringdex.local_hashes(TOKENS, BLOCK))
        self.assertEqual(sorted(hashes), sorted(prefix[:2]))
        self.assertEqual((cursor.epoch, cursor.event_id), (publisher.epoch, 2))
        self.assertEqual(len(reader.resident("host")[0]), 0)

    def test_more_than_a_buffer_is_resident(self):
        blocks = 70000
        publisher = self.publisher(device_blocks=blocks, ring_slots=1024)
        publisher.stored(range(1, blocks + 1), tokens=range(blocks * BLOCK))
        reader = self.reader()
        self.assertEqual(len(set(reader.resident()[0])), blocks)
        self.assertEqual(reader.recover().way, "ledger")
        seen = set()
        while isinstance(part := reader.snapshot(), tuple):
            self.assertEqual(part[0], "device")
            seen.update(part[1])
        self.assertEqual(len(seen), blocks)
        list(reader)
        self.assertGreaterEqual(reader.cursor.position, part)

    def test_recovery(self):
        publisher = self.publisher(ring_slots=64)
        publisher.stored([71], tokens=TOKENS[:BLOCK])
        reader = self.reader()
        reader.recover()
        self.assertEqual(len(list(reader)), 1)
        cursor = reader.cursor
        for _ in range(100):  # round the ring
            publisher.removed([71])
            publisher.stored([71], tokens=TOKENS[:BLOCK])
        with self.assertRaises(ringdex.Error) as caught:
            list(reader)
        self.assertEqual(caught.exception.errno, errno.EOVERFLOW)
        self.assertIn("recover() again", str(caught.exception))
        recovery = reader.recover(cursor)
        self.assertEqual((recovery.way, recovery.inexact), ("ledger", None))
        self.assertGreater(recovery.events_skipped, 100)
        parts = []
        while isinstance(part := reader.snapshot(), tuple):
            parts.append(part)
        self.assertEqual([(tier, len(hashes)) for tier, hashes in parts], [("device", 1)])
        list(reader)
        newest = reader.cursor
        publisher.cleared()
        reader.seek(newest)
        self.assertEqual([e.kind for e in reader], ["cleared"])
        self.assertEqual(reader.recover(newest).way, "continue")

    def test_a_saved_cursor(self):
        """As docs/python.md says: by another process, of this life or of one before."""
        publisher = self.publisher()
        publisher.stored([71], tokens=TOKENS[:BLOCK])
        reader = self.reader()
        reader.recover()
        self.assertEqual(len(list(reader)), 1)
        saved = json.dumps(reader.cursor)
        cursor = ringdex.Cursor(json.loads(saved))
        self.assertEqual((cursor, type(cursor)), (reader.cursor, ringdex.Cursor))
        self.assertEqual(pickle.loads(pickle.dumps(reader.cursor)), cursor)
        reader.close()
        publisher.stored([72], tokens=TOKENS[:BLOCK], parent=71)
        reader = self.reader()
        self.assertEqual(reader.recover(cursor).way, "continue")
        self.assertEqual([event.event_id for event in reader], [2])
        publisher.close()
        self.publisher().stored([73], tokens=TOKENS[:BLOCK])
        reader = self.reader()
        self.assertNotEqual(reader.recover(cursor).way, "continue")
        for wrong in ((1, 2, -3), (2**64, 0, 0)):
            with self.assertRaises(ValueError):
                reader.recover(ringdex.Cursor(wrong))
        for wrong in (ringdex.Cursor((1, 2, "3")), ringdex.Cursor((1, 2, 3.0)), (1, 2, 3)):
            with self.assertRaises(TypeError):
                reader.seek(wrong)

    def test_another_life(self):
        publisher = self.publisher(tenant="t")
        reader = self.reader()
        info = reader.info
        self.assertEqual((info["instance"], info["model"], info["tenant"]),
                         ("http://worker:1", "model", "t"))
        self.assertEqual((info["block_tokens"], info["creator_pid"]), (BLOCK, os.getpid()))
        self.assertGreaterEqual(info["ledger_records"], 64)
        self.assertTrue(reader.alive)
        publisher.close()
        self.assertFalse(reader.alive)
        again = self.publisher(tenant="t")
        self.assertNotEqual(again.epoch, info["epoch"])
        with self.assertRaises(ringdex.Error) as caught:
            reader.recover()
        self.assertEqual(caught.exception.errno, errno.ESTALE)
        with self.assertRaises(ringdex.Error) as caught:
            ringdex.Reader(2, dir=self.dir)
        self.assertEqual(caught.exception.errno, errno.ENOENT)


def stub():
    path = os.path.join(os.path.dirname(ringdex.__file__), "_ringdex.pyi")
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())


def options_of(header, struct):
    """The fields of a struct."""
    with open(os.path.join(SOURCE, header), encoding="utf-8") as file:
        body = re.search(rf"struct {struct} \{{(.*?)\n\}};", file.read(), re.DOTALL)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    return set(re.findall(r"(\w+)(?:\[\w+\])?;", body))


def is_property(node):
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list)


def base_names(node):
    return [ast.unparse(base).partition("[")[0] for base in node.bases]


def parameters(args):
    """(name, kind, default) of each but self, as inspect has them."""
    kind = inspect.Parameter
    placed = [(a.arg, kind.POSITIONAL_ONLY) for a in args.posonlyargs]
    placed += [(a.arg, kind.POSITIONAL_OR_KEYWORD) for a in args.args]
    defaults = [None] * (len(placed) - len(args.defaults)) + args.defaults
    listed = list(zip(placed, defaults))
    listed += [((a.arg, kind.KEYWORD_ONLY), d) for a, d in zip(args.kwonlyargs, args.kw_defaults)]
    return [(name, how, kind.empty if default is None else ast.literal_eval(default))
            for (name, how), default in listed if name != "self"]


class Stubs(unittest.TestCase):
    """What the types say is what there is."""

    def test_imports(self):
        """Of the oldest Python that they are for: newer names are of typing_extensions, and those of the
        checkers alone of _typeshed."""
        for node in stub().body:
            if isinstance(node, ast.ImportFrom) and \
                    node.module not in ("typing_extensions", "_typeshed"):
                module = importlib.import_module(node.module)
                for name in node.names:
                    self.assertTrue(hasattr(module, name.name), (node.module, name.name))

    def test_names(self):
        """What is not there at run time begins with a line."""
        classes = {n.name: n for n in stub().body if isinstance(n, ast.ClassDef)}
        shared = classes.pop("_Handle")
        for name, node in classes.items():
            real = getattr(ringdex, name)
            named = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            bases = base_names(node)
            if "_Handle" in bases:
                named |= {n.name for n in shared.body if isinstance(n, ast.FunctionDef)}
                there = {n for n in vars(real) if not n.startswith("__")}
                self.assertEqual({n for n in named if not n.startswith("__")}, there, name)
            elif name == "Error":
                self.assertEqual(([b.__name__ for b in real.__bases__], named), (bases, set()))
            else:
                self.assertEqual(bases, ["structseq", "tuple"], name)
            self.assertTrue(real.__doc__, name)
        functions = {n.name for n in stub().body if isinstance(n, ast.FunctionDef)}
        self.assertEqual(set(ringdex.__all__) - {"__version__"}, set(classes) | functions)
        aliases = [n.targets[0].id for n in stub().body if isinstance(n, ast.Assign)]
        self.assertTrue(all(name.startswith("_") for name in aliases), aliases)

    def test_rows(self):
        """Made of one sequence, read by name or number, and that is all: no _replace, no _fields."""
        rows = [n for n in stub().body if isinstance(n, ast.ClassDef) and "structseq" in base_names(n)]
        self.assertEqual(len(rows), 6)
        for node in rows:
            real = getattr(ringdex, node.name)
            names = tuple(n.name for n in node.body if is_property(n))
            types = [ast.unparse(n.returns) for n in node.body if is_property(n)]
            as_tuple = next(b for b in node.bases if ast.unparse(b).startswith("tuple["))
            match = next(n for n in node.body if isinstance(n, ast.AnnAssign))
            self.assertEqual([ast.unparse(t) for t in as_tuple.slice.elts], types, node.name)
            self.assertEqual(ast.literal_eval(match.value), names)
            self.assertEqual((match.target.id, real.__match_args__), ("__match_args__", names))
            self.assertEqual((real.n_fields, real.n_sequence_fields, real.n_unnamed_fields),
                             (len(names), len(names), 0))
            values = tuple(range(len(names)))
            row = real(values)
            self.assertEqual((tuple(row), tuple(getattr(row, name) for name in names)),
                             (values, values))
            self.assertEqual(real(iter(values)), row)
            with self.assertRaises(AttributeError):
                setattr(row, names[0], 7)
            for wrong in (values, (), (values[:-1],), ((*values, 0),), (7,)):
                with self.assertRaises(TypeError, msg=(node.name, wrong)):
                    real(*wrong)
            of_namedtuple = ("_asdict", "_replace", "_fields", "_make")
            self.assertFalse([name for name in of_namedtuple if hasattr(real, name)])

    def test_finals(self):
        for node in stub().body:
            if not isinstance(node, ast.ClassDef) or node.name in ("Error", "_Handle"):
                continue
            self.assertEqual([d.id for d in node.decorator_list], ["final"], node.name)
            with self.assertRaises(TypeError):
                type("Other", (getattr(ringdex, node.name),), {})

    def test_options(self):
        """Each option of the headers is an argument, and the stubs have it."""
        arguments = {
            node.name: {a.arg for method in node.body if isinstance(method, ast.FunctionDef)
                        and method.name == "__new__"
                        for a in method.args.args + method.args.kwonlyargs}
            for node in stub().body if isinstance(node, ast.ClassDef)
        }
        for name, header, struct, first in (
            ("Indexer", "consumer/indexer/rdx_indexer.h", "rdx_indexer_options", ()),
            ("Publisher", "producer/rdx_publisher.h", "rdx_publisher_options", ("i", "m")),
            ("Publisher", "producer/rdx_engine.h", "rdx_engine_options", ("i", "m")),
        ):
            for option in options_of(header, struct) - NOT_GIVEN:
                argument = CALLED.get(option, option)
                self.assertIn(argument, arguments[name])
                if argument in ("instance", "model"):
                    continue
                # of a type that none takes: an argument that there is not says so
                with self.assertRaises(TypeError, msg=argument) as caught:
                    getattr(ringdex, name)(*first, **{argument: object()}, nonsense=1)
                self.assertNotIn(f"'{argument}'", str(caught.exception))

    def test_signatures(self):
        """How each argument may be given, and what it is if it is not."""
        calls = [(node, getattr(ringdex, node.name)) for node in stub().body
                 if isinstance(node, ast.FunctionDef)]
        for node in stub().body:
            if not isinstance(node, ast.ClassDef) or node.name == "_Handle":
                continue
            calls += [(method, getattr(getattr(ringdex, node.name), method.name))
                      for method in node.body if isinstance(method, ast.FunctionDef)
                      and not method.name.startswith("__") and not is_property(method)]
        self.assertGreater(len(calls), 20)
        for node, call in calls:
            real = [(p.name, p.kind, p.default) for p in inspect.signature(call).parameters.values()
                    if p.name != "self"]
            self.assertEqual(real, parameters(node.args), node.name)


if __name__ == "__main__":
    unittest.main()
