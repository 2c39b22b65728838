# SPDX-License-Identifier: Apache-2.0
"""When an engine's publisher does what it does from time to time: by a clock that the tests drive, so that
nothing depends on how fast the machine is."""

import fcntl
import os
import struct
import time
import types
import unittest
from unittest import mock

import ringdex
from events import MAKES, VLLM, Batch, Engine
from ringdex import engine as module
from ringdex import url
from test_engines import TOKENS, Plugged

ENGINE = Engine(VLLM, MAKES[-1])
WORKER = url.worker_of("http://host:8000")
STEP_S = 0.002  # from batch to batch


class Timed(Plugged):
    """The publisher's clock stands until a batch comes."""

    def setUp(self):
        super().setUp()
        self.now = 5000.0
        self.tries = []
        self.replace(module, "time", types.SimpleNamespace(
            **{**vars(time), "monotonic": lambda: self.now}))
        own = ringdex.Publisher

        def publisher(*args, **options):
            self.tries.append(self.now)
            return own(*args, **options)

        self.replace(ringdex, "Publisher", publisher)

    def replace(self, where, name, value):
        patch = mock.patch.object(where, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def batches(self, publisher, seconds, *events, step=STEP_S):
        """One each step; the events are of the first."""
        for _ in range(round(seconds / step)):
            self.now += step
            publisher.publish(Batch(list(events)))
            events = ()

    def expect_every(self, times, least, most):
        gaps = [later - earlier for earlier, later in zip(times, times[1:])]
        self.assertGreaterEqual(min(gaps), least - 1e-6)
        self.assertLessEqual(max(gaps), most + 1e-6)


class Opens(Timed):
    def test_behind_a_predecessor(self):
        """With the next batch, at most every 100 ms."""
        before = self.publisher(WORKER)
        self.tries.clear()
        publisher = self.vllm()
        self.assertEqual(self.tries, [self.now])
        self.batches(publisher, 2.0, ENGINE.store([71, 72, 73], TOKENS))
        self.assertGreaterEqual(len(self.tries), 19)
        self.expect_every(self.tries, 0.1, 0.1 + STEP_S)
        self.now += 100.0  # in which nobody publishes
        tries = len(self.tries)
        self.batches(publisher, STEP_S)
        self.assertEqual(len(self.tries), tries + 1)
        before.close()
        self.batches(publisher, 0.1 - 2 * STEP_S)
        self.assertEqual(len(self.tries), tries + 1)
        self.batches(publisher, 3 * STEP_S, ENGINE.remove([73]))
        self.assertEqual(len(self.tries), tries + 2)
        self.batches(publisher, 1.0)
        self.assertEqual(len(self.tries), tries + 2)  # it is open
        self.assertEqual(self.found(), {("http://host:8000", 0): (2, "EXACT")})
        self.assertEqual(len(self.said), 1)
        self.assertIn("another running process publishes this rank", self.said[0])

    def test_behind_a_cleaner(self):
        """One that is stopped while it has the rank's lock: an open waits for it, so that is rarer."""
        self.publisher(WORKER, dp_rank=1)  # makes the directory
        lock = os.open(os.path.join(self.dir, str(WORKER), "0.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        self.addCleanup(os.close, lock)

        def hold(how):
            """The first byte alone, as a cleaner does: struct flock."""
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", how, os.SEEK_SET, 0, 1, 0))

        hold(fcntl.F_WRLCK)
        self.tries.clear()
        publisher = self.vllm()
        self.assertEqual(len(self.said), 1)
        self.assertIn("Resource temporarily unavailable", self.said[0])
        self.assertIn("it is tried again, and what happens meanwhile is kept", self.said[0])
        self.batches(publisher, 9.0, ENGINE.store([71, 72, 73], TOKENS), step=1.0)
        self.assertEqual(len(self.tries), 1)
        hold(fcntl.F_UNLCK)
        self.batches(publisher, 2.0, ENGINE.remove([73]), step=1.0)
        self.assertEqual(len(self.tries), 2)
        self.assertEqual(self.found(), {("http://host:8000", 0): (2, "EXACT")})
        self.assertEqual(len(self.said), 1)


class Checks(Timed):
    def test_each_second(self):
        """However many batches come, and with the next one after a pause."""
        checks = []
        publisher = self.vllm()
        own = publisher._publisher
        counting = mock.Mock(wraps=own)
        counting.check.side_effect = lambda: checks.append(self.now) or own.check()
        publisher._publisher = counting
        self.batches(publisher, 6.0)
        self.assertGreaterEqual(len(checks), 5)
        self.expect_every(checks, 1.0, 1.0 + STEP_S)
        self.now += 100.0
        count = len(checks)
        self.batches(publisher, STEP_S)
        self.assertEqual(len(checks), count + 1)
        publisher._publisher = own
        self.assertEqual(self.said, [])

    def test_what_a_cleaner_took(self):
        """Comes back with the check, in the rank that went on."""
        publisher = self.vllm()
        self.batches(publisher, 2 * STEP_S, ENGINE.store([71, 72, 73], TOKENS))
        segment = os.path.join(self.dir, str(WORKER), "0.seg")
        self.assertTrue(os.path.exists(segment))
        os.remove(segment)
        self.batches(publisher, 0.5, ENGINE.remove([73]))
        self.assertFalse(os.path.exists(segment))
        self.batches(publisher, 0.6)
        self.assertTrue(os.path.exists(segment))
        self.assertEqual(self.found(), {("http://host:8000", 0): (2, "EXACT")})


class Tees(Timed):
    def test_of_a_rank_that_is_out(self):
        """The engine's own publisher runs also where the rank cannot: nobody loses what he has."""
        for query, cause in (("", "nobody says its instance"),
                             ("&instance=i&ring_slots=100", "ring_slots is a power of two")):
            publisher = self.vllm(f"ringdex:?dir={self.dir}&tee=tcp://*:5557{query}", 1)
            self.assertIn(cause, self.said.pop())
            batch = Batch([ENGINE.store([71], TOKENS[:4])])
            publisher.publish(batch)
            own = publisher._tee
            self.assertEqual((own.endpoint, own.rank, own.batches), ("tcp://*:5557", 1, [batch]))
            self.assertEqual(publisher.get_publisher_config(), "its own")
            publisher.shutdown()
            self.assertTrue(own.is_down)
            self.said.clear()

    def test_behind_a_predecessor(self):
        """It waits for nobody."""
        self.publisher(WORKER)
        publisher = self.vllm(f"ringdex:?dir={self.dir}&instance=http://host:8000&tee=tcp://*:5557")
        self.assertIsNone(publisher._publisher)
        batch = Batch([])
        publisher.publish(batch)
        self.assertEqual(publisher._tee.batches, [batch])


if __name__ == "__main__":
    unittest.main()
