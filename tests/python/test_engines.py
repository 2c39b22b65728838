# SPDX-License-Identifier: Apache-2.0
"""The plugins for vLLM and SGLang, in stand-ins of their factories and schedulers with the same names
and calls: whose endpoints are ours, what is known from the engine, what goes wrong and stays quiet."""

import errno
import importlib
import logging
import os
import subprocess
import sys
import types
import unittest

import ringdex
from events import MAKES, SGLANG, VLLM, Batch, Engine, as_dataclass, as_plain
from rig import BLOCK, Namespace, held
from ringdex import url

TOKENS = list(range(1, 3 * BLOCK + 1))


class Own:
    """An engine's own publisher."""

    def __init__(self, rank, endpoint="tcp://*:5557", **options):
        self.rank, self.endpoint, self.options = rank, endpoint, options
        self.batches, self.is_down = [], False
        if endpoint == "taken":
            raise OSError("taken")

    def publish(self, batch):
        if self.is_down:
            raise RuntimeError("Publisher is closed")
        self.batches.append(batch)

    def shutdown(self):
        self.is_down = True

    def get_publisher_config(self):
        return "its own"

    def describe_local_source(self, block_size):
        return {"block_size": block_size}


def factory(rank_name):
    class EventPublisherFactory:
        _registry = {"null": Own, "zmq": lambda **o: Own(o.pop(rank_name), **o)}

        @classmethod
        def register_publisher(cls, name, constructor):
            if name in cls._registry:
                raise KeyError(name)
            cls._registry[name] = constructor

        @classmethod
        def create(cls, config, rank=0):
            config = dict(config)
            return cls._registry[config.pop("publisher")](**{rank_name: rank, **config})

    return EventPublisherFactory


def attributes(**given):
    return types.SimpleNamespace(**given)


class Spoilt:
    """What an engine knows, where asking for it fails."""

    def __getattr__(self, name):
        raise RuntimeError(f"no {name} yet")


class VllmScheduler:
    def __init__(self, create, endpoint, rank, blocks=64, shared=1, groups=1):
        """Ranks that share a context make each group's blocks longer; the scheduler's are of all groups."""
        block_size = BLOCK * shared * (1 if groups == 1 else 3)
        kv_cache_config = attributes(kv_cache_groups=[None] * groups)
        vllm_config = attributes(
            cache_config=attributes(num_gpu_blocks=blocks, block_size=BLOCK),
            parallel_config=attributes(decode_context_parallel_size=shared),
            model_config=attributes(served_model_name=["model", "alias"]))
        self.publisher = create({"publisher": "zmq", "endpoint": endpoint, "hwm": 7}, rank)
        del vllm_config, kv_cache_config, block_size


class SglangPublisher:
    def __init__(self, create, endpoint, rank):
        self.max_total_num_tokens = 64 * BLOCK + 1
        self.tree_cache = attributes(page_size=BLOCK)
        self.publisher = create({"publisher": "ringdex", "endpoint": endpoint, "bind": None}, rank)


class SglangScheduler:
    def __init__(self, *arguments):
        self.server_args = attributes(served_model_name="model")
        self.publisher = SglangPublisher(*arguments).publisher


class Plugged(Namespace):
    """Both plugins registered, into fresh factories."""

    def setUp(self):
        super().setUp()
        self.factories = {}
        for module, rank_name in (("vllm.distributed.kv_events", "data_parallel_rank"),
                                  ("sglang.srt.disaggregation.kv_events", "attn_dp_rank")):
            self.factories[module[:4]] = factory(rank_name)
            parts = module.split(".")
            for i in range(1, len(parts) + 1):
                name = ".".join(parts[:i])
                sys.modules[name] = types.ModuleType(name)
                self.addCleanup(sys.modules.pop, name)
            sys.modules[module].EventPublisherFactory = self.factories[module[:4]]
        for name in ("vllm", "sglang"):
            plugin = importlib.import_module(f"ringdex.{name}")
            plugin.register()
            plugin.register()  # every process does, some twice
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())
        self.said = []
        logging.getLogger("ringdex").addHandler(handler)
        logging.getLogger("ringdex").propagate = False
        self.addCleanup(logging.getLogger("ringdex").removeHandler, handler)

    def vllm(self, endpoint=None, rank=0, **options):
        endpoint = endpoint or f"ringdex:?dir={self.dir}&instance=http://host:8000"
        return self.up(VllmScheduler(self.factories["vllm"].create, endpoint, rank, **options))

    def sglang(self, endpoint=None, rank=0):
        endpoint = endpoint or f"ringdex:?dir={self.dir}&instance=http://host:30000"
        return self.up(SglangScheduler(self.factories["sgla"].create, endpoint, rank))

    def up(self, scheduler):
        self.addCleanup(scheduler.publisher.shutdown)
        return scheduler.publisher

    def late(self, *batches):
        """A publisher that has kept these, of a predecessor that has just gone, and may try."""
        before = self.publisher(url.worker_of("http://host:8000"))
        publisher = self.vllm()
        publisher._next_try = float("inf")
        for batch in batches:
            publisher.publish(batch)
        before.close()
        publisher._next_try = 0
        return publisher

    def found(self, **options):
        indexer = self.indexer()
        index = self.index(indexer, **options)
        while indexer.poll():
            pass
        runs = {(run.instance, run.dp_rank): (run.blocks[0], run.state)
                for run in index.lookup(TOKENS)}
        index.close()
        indexer.close()
        return runs


class Plugins(Plugged):
    def test_both_engines_and_ranks(self):
        vllm, sglang = Engine(VLLM, MAKES[-1]), Engine(SGLANG, MAKES[-1])
        for rank in (0, 1):
            publisher = self.vllm(rank=rank)
            publisher.publish(Batch([vllm.store([71, 72, 73], TOKENS, group_idx=0,
                                                kv_cache_spec_kind="full_attention")]))
            publisher.publish(Batch([vllm.remove([73], group_idx=0)]))
        publisher = self.sglang()
        publisher.publish(Batch([sglang.cleared(), sglang.store([-5, -6, -7], TOKENS)]))
        self.assertEqual(self.found(), {
            ("http://host:8000", 0): (2, "EXACT"), ("http://host:8000", 1): (2, "EXACT"),
            ("http://host:30000", 0): (3, "EXACT")})
        self.assertEqual(self.said, [])
        self.assertIsNone(publisher.describe_local_source(BLOCK))
        self.assertIsNone(publisher.get_publisher_config())

    def test_what_the_engine_knows(self):
        self.vllm()
        self.sglang()
        for instance, blocks in (("http://host:8000", 80), ("http://host:30000", 64)):
            with ringdex.Reader(url.worker_of(instance), dir=self.dir) as reader:
                info = reader.info
            self.assertEqual((info["model"], info["block_tokens"], info["tier_blocks"][0]),
                             ("model", BLOCK, blocks))

    def test_blocks_of_ranks_that_share_a_context(self):
        for rank, (shared, groups) in enumerate(((1, 1), (2, 1), (1, 3), (2, 3))):
            self.vllm(rank=rank, shared=shared, groups=groups)
            with ringdex.Reader(url.worker_of("http://host:8000"), rank, dir=self.dir) as reader:
                self.assertEqual(reader.info["block_tokens"], shared * BLOCK, (shared, groups))

    def test_other_endpoints_are_the_engines_own(self):
        publisher = self.vllm("tcp://*:5557", 3)
        self.assertIsInstance(publisher, Own)
        self.assertEqual((publisher.rank, publisher.endpoint, publisher.options),
                         (3, "tcp://*:5557", {"hwm": 7}))
        self.assertEqual(os.listdir(self.dir), [])

    def test_media(self):
        """A medium that the engine calls otherwise, and one that is none of the rank's."""
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.vllm(f"ringdex:?dir={self.dir}&instance=i&host=8&media=RAM:host,POOL:none")
        publisher.publish(Batch([
            engine.store([71, 72, 73], TOKENS),
            engine.store([73], TOKENS[2 * BLOCK :], 72, medium="RAM"),
            engine.store([71], TOKENS[:BLOCK], medium="POOL"),
            engine.remove([72, 73]),
        ]))
        self.assertEqual(publisher._publisher.stats()["held"], (1, 1, 0, 0))
        self.assertEqual(self.found(), {("i", 0): (1, "EXACT")})

    def test_a_rank_outgrows_its_blocks(self):
        """What the engine was said to have is where it begins."""
        count = 900
        publisher = self.vllm(f"ringdex:?dir={self.dir}&instance=i&blocks=2")
        publisher.publish(Batch([Engine(VLLM, MAKES[-1]).store(
            list(range(1, count + 1)), TOKENS + list(range((count - 3) * BLOCK)))]))
        stats = publisher._publisher.stats()
        self.assertGreater(stats["growths"], 0)
        self.assertEqual((stats["held"][0], stats["inexact"]), (count, None))
        self.assertEqual(self.found(), {("i", 0): (3, "EXACT")})
        self.assertEqual(self.said, [])

    def test_tee(self):
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.vllm(f"ringdex:?dir={self.dir}&instance=i&tee=tcp://*:5557", 1)
        batch = Batch([engine.store([71, 72, 73], TOKENS)])
        publisher.publish(batch)
        own = publisher._tee
        self.assertEqual((own.endpoint, own.rank, own.batches), ("tcp://*:5557", 1, [batch]))
        self.assertEqual(publisher.get_publisher_config(), "its own")
        self.assertEqual(publisher.describe_local_source(4), {"block_size": 4})
        self.assertEqual(self.found(), {("i", 1): (3, "EXACT")})
        own.is_down = True  # by a fault of its own
        publisher.publish(Batch([engine.remove([73])]))
        self.assertEqual(self.found(), {("i", 1): (2, "EXACT")})
        self.assertEqual(self.said, ["ringdex, rank 1: the engine's own publisher: "
                                     "Publisher is closed"])
        own.get_publisher_config = lambda: own.publish(None)  # raises, too
        self.assertIsNone(publisher.get_publisher_config())
        own.is_down = False
        publisher.shutdown()
        self.assertTrue(own.is_down)
        publisher.publish(batch)
        self.assertEqual(len(self.said), 1)

    def test_a_tee_that_cannot_be_opened(self):
        self.vllm(f"ringdex:?dir={self.dir}&instance=i&tee=taken", 1)
        self.assertEqual(self.said, ["ringdex, rank 1: the engine's own publisher is left out: "
                                     "OSError: taken"])

    def test_late_publishing(self):
        publisher = self.vllm()
        publisher.shutdown()
        publisher.publish(Batch([Engine(VLLM, MAKES[-1]).cleared()]))
        publisher.shutdown()
        self.assertEqual(self.said, [])

    def test_nothing_heavy_is_imported(self):
        lines = ("import sys, ringdex.vllm, ringdex.sglang\n"
                 "assert not {'numpy', 'torch', 'zmq', 'vllm', 'sglang'} & set(sys.modules)\n"
                 "ringdex.vllm.register(); ringdex.sglang.register()")
        done = subprocess.run([sys.executable, "-B", "-c", lines], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)


class Troubles(Plugged):
    """Said once; the engine goes on."""

    def stays_out(self, publisher, cause):
        publisher.publish(Batch([Engine(VLLM, MAKES[-1]).store([71], TOKENS[:BLOCK])]))
        publisher.publish(None)
        self.assertRegex(" ".join(self.said), cause)
        said = len(self.said)
        publisher.publish(Batch([]))
        self.assertEqual(len(self.said), said)
        self.said.clear()

    def test_nothing_to_open(self):
        for query, cause in (
            (f"dir={self.dir}", "nobody says its instance"),
            (f"dir={self.dir}/no/such&instance=i", "No such file"),
            (f"dir={self.dir}&instance={'x' * 300}", "255 bytes"),
            (f"dir={self.dir}&instance=i&blocks=many", "blocks is 'many'"),
            (f"dir={self.dir}&instance=i&bloks=7", "there is no bloks"),
            (f"dir={self.dir}&instance=i&report_mode=x", "report_mode"),
            ("instance", "bad query field"),
        ):
            self.stays_out(self.vllm("ringdex:?" + query), cause)
        self.stays_out(self.vllm("ringdex:path?instance=i"), "give options alone")
        self.stays_out(self.vllm(blocks=None), "nobody says its blocks:")
        no_size = f"ringdex:?dir={self.dir}&instance=i&model=m&blocks=64"
        self.stays_out(self.factories["vllm"].create({"publisher": "zmq", "endpoint": no_size}),
                       "nobody says its block_tokens:")

    def test_what_cannot_be_published(self):
        publisher = self.vllm()
        engine = Engine(VLLM, MAKES[-1])
        publisher.publish(Batch([engine.store([71, 72, 73], TOKENS)]))
        for batch in (None, object(), Batch([engine.store([81], [-1])]), Batch(None)):
            publisher.publish(batch)
            self.assertEqual(self.found(), {("http://host:8000", 0): (3, "INEXACT")})
            publisher.publish(Batch([engine.cleared(), engine.store([71, 72, 73], TOKENS)]))
            self.assertEqual(self.found(), {("http://host:8000", 0): (3, "EXACT")})
        self.assertEqual(len(self.said), 4)

    def test_what_is_not_understood(self):
        """Of a newer engine: said once a kind, with what may be done about it, and counted."""
        publisher = self.vllm()
        newer = as_dataclass("BlockRemoved", {**VLLM["BlockRemoved"], "volume": None})
        for event, cause in (
            (as_plain("BlockMoved", {})(block_hashes=[71]), "unknown type: types="),
            (newer([72], "GPU", volume=3), "unknown field: harmless_fields="),
            (Engine(VLLM, MAKES[-1]).store([73], TOKENS[:BLOCK], medium="MOON"),
             "unknown medium: media="),
        ):
            for _ in range(2):
                publisher._next_check = 0
                publisher.publish(Batch([event]))
            self.assertEqual(len(self.said), 1, self.said)
            self.assertIn(cause, self.said.pop())
        counts = publisher._publisher.engine_stats()
        self.assertEqual([counts[f"unknown_{name}"] for name in ("types", "fields", "media")],
                         [2, 2, 2])
        self.assertEqual(publisher._publisher.stats()["inexact"], "unknown")

    def test_what_is_not_understood_at_the_end(self):
        publisher = self.vllm()
        publisher.publish(Batch([]))
        publisher._next_check = float("inf")  # not while the test is slow
        publisher.publish(Batch([as_plain("BlockMoved", {})(block_hashes=[71])]))
        self.assertEqual(self.said, [])
        publisher.shutdown()
        self.assertIn("unknown type", self.said[0])

    def opens_after(self, fault, rank=0):
        """The first open fails by that; what a publisher then has of three blocks, of which one goes."""
        own, faults = ringdex.Publisher, [fault]

        def publisher(**options):
            if faults:
                raise faults.pop()
            return own(**options)

        engine = Engine(VLLM, MAKES[-1])
        ringdex.Publisher = publisher
        try:
            late = self.vllm(rank=rank)
            late.publish(Batch([engine.store([71, 72, 73], TOKENS)]))
            late._next_try = 0
            late.publish(Batch([engine.remove([73])]))
        finally:
            ringdex.Publisher = own
        return self.found()

    def test_a_cleaner_in_the_way(self):
        fault = ringdex.Error(errno.EAGAIN, "a cleaner has the lock")
        self.assertEqual(self.opens_after(fault), {("http://host:8000", 0): (2, "EXACT")})

    def test_an_open_that_fails_otherwise(self):
        """Nothing is lost where memory was short: what was not published is kept. All else would fail again."""
        self.assertEqual(self.opens_after(MemoryError()), {("http://host:8000", 0): (2, "EXACT")})
        self.assertIn("MemoryError; it is tried again", self.said.pop())
        fault = ringdex.Error(errno.ENOMEM, "no memory for it")  # the library's own
        self.assertEqual(self.opens_after(fault, rank=2)[("http://host:8000", 2)], (2, "EXACT"))
        self.assertIn("no memory for it; it is tried again", self.said.pop())
        self.assertNotIn(("http://host:8000", 1), self.opens_after(ImportError("another build"), rank=1))
        self.assertIn("another build; this rank is in no index", self.said.pop())

    def test_a_batch_is_lost_among_those_kept(self):
        """It is marked at its place: before what follows, which goes on at once, for an engine may fall silent."""
        engine = Engine(VLLM, MAKES[-1])
        stores = Batch([engine.store([71, 72], TOKENS[:2 * BLOCK])])
        cleared = Batch([engine.cleared(), engine.store([71, 72], TOKENS[:2 * BLOCK])])
        for batches, state in (([stores, None], "INEXACT"), ([stores, None, cleared], "EXACT"),
                               ([cleared, None], "INEXACT")):
            publisher = self.late(*batches)
            publisher.publish(Batch([engine.remove([72])]))
            self.assertEqual(self.found(), {("http://host:8000", 0): (1, state)}, batches)
            publisher.shutdown()
            self.assertIn("in all 1 batches were not published", self.said[-1])

    def test_a_rank_that_cannot_be_marked(self):
        """It leaves, rather than being called exact."""
        class Unmarked:
            def __init__(self, own):
                self.own = own

            def publish_batch(self, batch):
                raise MemoryError

            def inexact(self):
                raise ringdex.Error(errno.EBUSY, "another has the rank")

            def __getattr__(self, name):
                return getattr(self.own, name)

        publisher = self.vllm()
        publisher.publish(Batch([Engine(VLLM, MAKES[-1]).store([71], TOKENS[:BLOCK])]))
        self.assertEqual(self.found(), {("http://host:8000", 0): (1, "EXACT")})
        publisher._publisher = Unmarked(publisher._publisher)
        publisher.publish(Batch([]))
        self.assertEqual(self.found(), {})
        self.assertIn("another has the rank; this rank is in no index", " ".join(self.said))
        publisher.publish(Batch([]))
        publisher.shutdown()
        self.assertIn("in all 2 batches were not published", self.said[-1])

    def test_what_is_left_out(self):
        """Said as well: blocks of another size, and those behind a parent that was never there."""
        engine = Engine(VLLM, MAKES[-1])
        publisher = self.vllm()
        for event, cause in (
            (engine.store([71], TOKENS[:BLOCK - 1], block_size=BLOCK - 1), "block_tokens="),
            (engine.store([72], TOKENS[:BLOCK], parent=99), "a parent that was never stored"),
            (engine.store([73], TOKENS[:BLOCK], medium="CPU"), "host="),
        ):
            for _ in range(2):
                publisher._next_check = 0
                publisher.publish(Batch([event]))
            self.assertEqual(len(self.said), 1, self.said)
            self.assertIn(cause, self.said.pop())

    def test_a_tee_beside_a_rank_that_is_out(self):
        """Who listens to the engine's own stream is not told of our troubles."""
        for query in ("instance=i&bloks=7&tee=own", "tee=own&instance=i&blocks=many", "tee=own&what",
                      "tee=own&instance=http://h\udcff", "tee=own"):
            publisher = self.vllm(f"ringdex:?dir={self.dir}&{query}")
            publisher.publish("batch")
            self.assertEqual((publisher._tee.endpoint, publisher._tee.batches), ("own", ["batch"]), query)
            self.assertIn("in no index", self.said[-1])

    def test_options_in_what_is_said(self):
        """By the names that a URL has; but what it has is said as it is."""
        self.vllm(f"ringdex:?dir={self.dir}&instance=i&device_blocks=5")
        self.assertIn("device_blocks=5: there is no device_blocks", self.said[-1])
        self.vllm(f"ringdex:?dir={self.dir}&instance=i&blocks={2**64 - 1}")
        self.assertIn("blocks", self.said[-1])
        self.assertNotIn("device_blocks", self.said[-1])
        self.publisher(url.worker_of("http://host:8000"))
        self.vllm()
        self.assertIn("worker=", self.said[-1])
        self.assertNotIn("wait=", self.said[-1])

    def test_a_check_that_fails(self):
        class Failing:
            def __init__(self, own):
                self.own, self.checks = own, 0

            def check(self):
                self.checks += 1
                raise ringdex.Error(28, "no room to grow")

            def __getattr__(self, name):
                return getattr(self.own, name)

        publisher = self.vllm()
        engine = Engine(VLLM, MAKES[-1])
        publisher.publish(Batch([engine.store([71, 72], TOKENS[:2 * BLOCK])]))
        publisher._publisher = Failing(publisher._publisher)
        publisher._next_check = 0
        publisher.publish(Batch([engine.remove([72])]))
        self.assertEqual(publisher._publisher.checks, 1)
        self.assertIn("no room to grow", " ".join(self.said))
        self.assertEqual(self.found(), {("http://host:8000", 0): (1, "EXACT")})
        publisher._publisher = publisher._publisher.own

    def test_a_fault_that_has_no_words(self):
        class Wordless(Exception):
            def __str__(self):
                raise RuntimeError("no words")

            __repr__ = __str__

        def fails(*_):
            raise Wordless()

        publisher = self.vllm(f"ringdex:?dir={self.dir}&instance=i&tee=own")
        publisher._tee.publish = fails
        publisher._check, publisher._next_check = fails, 0
        publisher.publish(Batch([]))
        self.assertEqual(self.said, ["ringdex, rank 0: the engine's own publisher: Wordless",
                                     "ringdex, rank 0: Wordless"])

    def test_a_predecessor(self):
        engine = Engine(VLLM, MAKES[-1])
        worker = url.worker_of("http://host:8000")
        before = self.publisher(worker)
        publisher = self.vllm()
        publisher._next_try = float("inf")  # not while the test is slow
        publisher.publish(Batch([engine.store([71, 72, 73], TOKENS)]))
        publisher.publish(Batch([engine.remove([73])]))
        self.assertEqual(len(self.said), 1)
        self.assertIn("another running process publishes this rank", self.said[0])
        before.close()
        publisher._next_try = 0
        publisher.publish(Batch([engine.remove([72])]))
        self.assertEqual(self.found(), {("http://host:8000", 0): (1, "EXACT")})

    def test_a_predecessor_that_stays_too_long(self):
        from ringdex import kept

        engine = Engine(VLLM, MAKES[-1])
        before = self.publisher(url.worker_of("http://host:8000"))
        publisher = self.vllm()
        publisher._next_try = float("inf")
        for _ in range(kept.BATCHES_MAX):
            publisher.publish(Batch([]))
        publisher.publish(Batch([engine.store([71, 72, 73], TOKENS)]))
        publisher.publish(Batch([]))
        self.assertEqual([f"more than {kept.BATCHES_MAX} batches" in text for text in self.said],
                         [False, True])
        before.close()
        publisher._next_try = 0
        publisher.publish(Batch([]))
        self.assertEqual(self.found(), {("http://host:8000", 0): (3, "LACKING")})
        publisher.shutdown()
        self.assertIn("in all 2 batches were not published", self.said[-1])

    def test_a_predecessor_that_stays(self):
        """What was never published is counted, once, at the end."""
        self.publisher(url.worker_of("http://host:8000"))
        publisher = self.vllm()
        publisher._next_try = float("inf")
        for _ in range(3):
            publisher.publish(Batch([]))
        for _ in range(2):
            publisher.shutdown()
            publisher.publish(Batch([]))
        self.assertIn("in all 3 batches were not published", self.said[-1])
        self.assertEqual(len(self.said), 2)

    def test_batches_of_a_rank_that_is_out(self):
        publisher = self.vllm(f"ringdex:?dir={self.dir}")
        for _ in range(3):
            publisher.publish(Batch([]))
        publisher.shutdown()
        self.assertIn("in all 3 batches were not published", self.said[-1])

    def test_a_fork(self):
        publisher = self.vllm()
        child = os.fork()
        if child == 0:
            publisher.publish(Batch([Engine(VLLM, MAKES[-1]).cleared()]))
            os._exit(0 if "before a fork" in " ".join(self.said) else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_an_engine_that_cannot_be_asked(self):
        """The URL says all, or the rank is out: the engine goes on."""
        for kind, module, endpoint, more in (
            ("vllm", "vllm.distributed.kv_events", "ringdex:?", {}),
            ("sgla", "sglang.srt.disaggregation.kv_events", "ringdex:?", {"bind": None}),
        ):
            create = self.factories[kind].create
            name = "zmq" if kind == "vllm" else "ringdex"

            def construct(endpoint, create=create, name=name, more=more):
                vllm_config = self = Spoilt()
                return create({"publisher": name, "endpoint": endpoint, **more}, 0), vllm_config, self

            publisher = construct(f"{endpoint}dir={self.dir}&instance={kind}&model=model&blocks=64"
                                  f"&block_tokens={BLOCK}")[0]
            self.addCleanup(publisher.shutdown)
            self.assertRegex(self.said.pop(), "cannot be read: RuntimeError")
            publisher.publish(Batch([Engine(VLLM, MAKES[-1]).store([71], TOKENS[:BLOCK])]))
            self.assertEqual(self.found()[(kind, 0)], (1, "EXACT"))
            publisher = construct(f"{endpoint}dir={self.dir}&instance=other")[0]
            self.stays_out(publisher, "nobody says its model and blocks and block_tokens")
            self.assertTrue(module in sys.modules)

    def test_another_build_of_the_engine(self):
        del self.factories["vllm"]._registry
        importlib.import_module("ringdex.vllm").register()
        self.assertIn("does not fit this vLLM", self.said[0])


class Urls(unittest.TestCase):
    def test_environment_is_behind_the_url(self):
        environ = {"RINGDEX_INSTANCE": "env", "RINGDEX_BLOCKS": "7", "RINGDEX_TEE": "tcp://a",
                   "RINGDEX_HOST": ""}
        config = url.parse("ringdex:?instance=http://h%3A8000/x&worker=18446744073709551615", environ)
        self.assertEqual(config.options, {"instance": "http://h:8000/x", "worker_id": 2**64 - 1,
                                          "device_blocks": 7})
        self.assertEqual(config.tee, "tcp://a")
        self.assertEqual(url.parse("tcp://*:5557", environ).options["instance"], "env")
        self.assertEqual(url.parse("ringdex:", {}).options, {})

    def test_words_of_the_translator(self):
        options = url.parse(
            "ringdex:?media=CPU:host,tcp://pool:none&types=BlockMoved:none&harmless_fields=a,b"
            "&counting_kinds=full_attention,mla&joined_late=1&zero_is_root=0&remembered_names=9", {}
        ).options
        self.assertEqual(options, {
            "media": {"CPU": "host", "tcp://pool": None}, "types": {"BlockMoved": None},
            "harmless_fields": ["a", "b"], "counting_kinds": ["full_attention", "mla"],
            "joined_late": True, "zero_is_root": False, "remembered_names": 9})
        with self.assertRaisesRegex(ValueError, "media is 'CPU': give NAME:MEANING"):
            url.parse("ringdex:", {"RINGDEX_MEDIA": "CPU"})

    def test_worker_of_an_instance(self):
        self.assertEqual(url.worker_of("http://host:8000"), url.worker_of("http://host:8000"))
        self.assertNotEqual(url.worker_of("a"), url.worker_of("b"))

    def test_wrong_environment(self):
        for environ in ({"RINGDEX_BLOCKS": "-1"}, {"RINGDEX_WORKER": "2" * 30},
                        {"RINGDEX_SKIP_UNKNOWN": "yes"}):
            with self.assertRaisesRegex(ValueError, "RINGDEX_"):
                url.parse("ringdex:", environ)


if __name__ == "__main__":
    unittest.main()
