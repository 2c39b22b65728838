# SPDX-License-Identifier: Apache-2.0
"""No batch that an engine's publisher loses is missed by nobody: whatever ends a call, and whoever calls meanwhile,
the rank is never EXACT and wrong, and the engine goes on."""

import logging
import os
import signal
import sys
import threading
import unittest
from unittest import mock

import ringdex
from events import MAKES, VLLM, Batch, Engine, as_dataclass, as_plain
from ringdex import engine as module
from ringdex import kept
from rig import BLOCK, PATIENCE_S
from test_engines import TOKENS, Plugged

ENGINE = Engine(VLLM, MAKES[-1])
PLAIN = Engine(VLLM, as_plain)
RANK = ("http://host:8000", 0)
STORE = Batch([ENGINE.store([71, 72, 73], TOKENS)])
REMOVE = Batch([ENGINE.remove([73])])
ANEW = Batch([ENGINE.cleared(), ENGINE.store([71, 72], TOKENS[:2 * BLOCK])])


class Stop(BaseException):
    """What a signal's handler raises to end a process."""


def removal(action):
    """Of a block, which does this when its medium is read: between the beginning and the end of a publish."""
    class BlockRemoved:
        block_hashes = [73]

        @property
        def medium(self):
            action()
            return "GPU"

    return Batch([BlockRemoved()])


class Lost(Plugged):
    def opened(self):
        publisher = self.vllm()
        publisher._next_check = float("inf")
        publisher.publish(STORE)
        return publisher

    def stands(self, how_many):
        """A publisher that has the three blocks: open, or with them and more still kept."""
        return self.late(*[STORE, Batch([])][:how_many]) if how_many else self.opened()

    def row(self):
        return self.found().get(RANK)

    @staticmethod
    def told(publisher):
        """(blocks, state) as the publisher has told them; None: nothing. For tests of many publishers."""
        own = publisher._publisher
        if own is None or own.closed:
            return None
        stats = own.stats()
        return stats["held"][0], "EXACT" if stats["inexact"] is None else "INEXACT"

    def expect_honest(self, publisher, case):
        """Two of the three blocks are held."""
        blocks, state = self.told(publisher) or (2, "EXACT")
        self.assertTrue(state != "EXACT" or blocks == 2, (case, blocks, state))

    def anew(self, publisher):
        """What was lost is no matter after a clear: the rank is in its place, and EXACT."""
        publisher.publish(ANEW)
        self.assertEqual(self.row(), (2, "EXACT"))


class Ends(Lost):
    """Of a call, before its own."""

    def raise_at(self, line, kind, publisher):
        """A publish that this ends at this line of those that it executes: was there one?"""
        left = [line]

        def local(frame, event, arg):
            if event == "line":
                left[0] -= 1
                if left[0] == 0:
                    sys.settrace(None)
                    raise kind()
            return local

        sys.settrace(lambda frame, *_: local if frame.f_code.co_filename in (module.__file__, kept.__file__) else None)
        try:
            publisher.publish(REMOVE)
        except kind:
            pass
        finally:
            sys.settrace(None)
        return left[0] <= 0

    def test_at_each_line(self):
        """But the first two, at which nothing is begun: as if the signal had come before the call."""
        for kind, how_many in ((Stop, 0), (Stop, 1), (Stop, 2), (RuntimeError, 2)):
            line = 3
            while True:
                publisher = self.stands(how_many)
                was_raised = self.raise_at(line, kind, publisher)
                self.expect_honest(publisher, (kind, how_many, line))
                publisher._next_try = 0
                publisher.publish(Batch([]))
                self.expect_honest(publisher, (kind, how_many, line, "then"))
                if publisher._is_out:  # what an open fails by ends it
                    self.assertEqual((kind, self.told(publisher)), (RuntimeError, None))
                else:
                    publisher.publish(ANEW)
                    self.assertEqual(self.told(publisher), (2, "EXACT"))
                publisher.shutdown()
                if not was_raised:
                    break
                line += 1
            self.assertGreater(line, 10)

    def test_no_memory(self):
        try:
            from _testcapi import remove_mem_hooks, set_nomemory
        except ImportError:
            self.skipTest("this Python has no _testcapi")
        for how_many in (0, 1):
            for allocation in range(24):
                publisher = self.stands(how_many)
                batch = Batch([PLAIN.remove([73])])
                set_nomemory(allocation)  # and none behind it
                try:
                    publisher.publish(batch)
                finally:
                    remove_mem_hooks()
                publisher._next_try = 0
                publisher.publish(Batch([]))
                self.expect_honest(publisher, (how_many, allocation))
                publisher.shutdown()

    def test_no_memory_for_a_while(self):
        """Nor behind many calls, for what gives the turn back, or counts."""
        try:
            from _testcapi import remove_mem_hooks, set_nomemory
        except ImportError:
            self.skipTest("this Python has no _testcapi")
        taken = []  # dicts that Python would take again without asking for memory
        for calls in range(12):
            for end in (1, 2, 3, 4, 6, 8, 12):
                publisher = self.opened()
                publisher._unpublished = 1000  # a number that takes memory
                for _ in range(calls):
                    publisher.publish(Batch([]))
                batch = Batch([PLAIN.remove([73])])
                taken.append([{"name": at} for at in range(100)])
                set_nomemory(0, end)
                try:
                    publisher.publish(batch)
                finally:
                    remove_mem_hooks()
                publisher.publish(Batch([]))
                self.expect_honest(publisher, (calls, end))
                publisher.publish(ANEW)
                self.assertEqual(self.told(publisher), (2, "EXACT"), (calls, end))
                publisher.shutdown()

    def test_no_depth(self):
        """Of Python's stack, for what a publish calls: of a removal among those that are kept."""
        def deep(left, publisher):
            if left:
                return deep(left - 1, publisher)
            publisher.publish(REMOVE)

        depth = 0
        frame = sys._getframe()
        while frame:
            depth, frame = depth + 1, frame.f_back
        lost = 0
        for spare in range(1, 20):
            for how_many in (0, 1):
                publisher = self.stands(how_many)
                begun = publisher._unpublished
                try:
                    deep(sys.getrecursionlimit() - depth - 1 - spare, publisher)
                except RecursionError:  # the call itself: none was begun
                    self.assertEqual(publisher._unpublished, begun)
                else:
                    publisher._next_try = 0
                    publisher.publish(Batch([]))
                    self.expect_honest(publisher, (how_many, spare))
                    lost += publisher._unpublished - begun
                publisher.shutdown()
        self.assertGreater(lost, 0)

    def test_a_log_that_raises(self):
        """The engine's filters and handlers are its own."""
        def fails(record):
            raise RuntimeError("no log")

        log = logging.getLogger("ringdex")
        log.addFilter(fails)
        self.addCleanup(log.removeFilter, fails)
        publisher = self.opened()
        publisher.publish(None)
        self.assertEqual(self.row(), (3, "INEXACT"))
        publisher.shutdown()
        self.assertEqual(self.found(), {})
        self.vllm(f"ringdex:?dir={self.dir}").shutdown()
        self.vllm(f"ringdex:?dir={self.dir}&instance=i&tee=taken", rank=1).shutdown()

    def test_before_the_rank_is_open(self):
        """A batch that could not even be kept: its mark is, at its place."""
        for more, state in (((), "INEXACT"), ((ANEW,), "EXACT")):
            publisher = self.late(STORE)
            publisher._next_try = float("inf")
            with mock.patch.object(publisher._kept, "keep", side_effect=[MemoryError, MemoryError]):
                publisher.publish(REMOVE)  # nor its mark, at first
            for batch in more:
                publisher.publish(batch)
            publisher._next_try = 0
            publisher.publish(Batch([]))
            self.assertEqual(self.row(), (2 if more else 3, state))
            self.assertNotIn("NoneType", " ".join(self.said))
            publisher.shutdown()
            self.assertIn("in all 1 batches were not published", self.said[-1])

    def test_a_mark_that_fails_once(self):
        """It is tried again with the next call, also with the last one."""
        for call in (lambda p: p.publish(Batch([])), lambda p: p.shutdown()):
            publisher = self.opened()
            own, marks = publisher._publisher, []
            publisher._publisher = mock.Mock(wraps=own, closed=False)
            publisher._publisher.publish_batch.side_effect = [Stop, 0]
            publisher._publisher.inexact.side_effect = [Stop, None]
            publisher._publisher.inexact.side_effect = lambda: marks.append(1) or (
                (_ for _ in ()).throw(Stop()) if len(marks) == 1 else own.inexact())
            with self.assertRaises(Stop):
                publisher.publish(REMOVE)
            call(publisher)
            self.assertEqual(len(marks), 2)
            self.assertNotEqual(self.row(), (3, "EXACT"))
            publisher._publisher = own
            publisher.shutdown()


class Meanwhile(Lost):
    """Who calls while a call is under way waits for nobody."""

    def test_a_publish(self):
        """From within another one: of a property, of a handler."""
        publisher = self.vllm(f"ringdex:?dir={self.dir}&instance={RANK[0]}&tee=own")
        publisher.publish(STORE)
        publisher.publish(removal(lambda: publisher.publish(REMOVE)))
        self.assertEqual(self.row(), (2, "INEXACT"))
        self.assertEqual(len(publisher._tee.batches), 3)
        self.assertIn("it is lost", self.said[-1])
        self.anew(publisher)
        publisher.publish(Batch([ENGINE.remove([72])]))
        self.assertEqual(self.row(), (1, "EXACT"))

    def test_a_publish_of_another_thread(self):
        """Among what is kept, whose order it would change."""
        publisher = None

        def other():
            thread = threading.Thread(target=lambda: publisher.publish(REMOVE))
            thread.start()
            thread.join(PATIENCE_S)
            waited.append(thread.is_alive())

        waited = []
        publisher = self.late(STORE, removal(other), Batch([ENGINE.store([73], TOKENS[2 * BLOCK:], 72)]))
        publisher.publish(Batch([]))
        self.assertEqual((waited, self.row()), ([False], (3, "INEXACT")))
        self.anew(publisher)

    def test_nobody_is_forgotten(self):
        """A call that finds another one under way, which has ended before that is said."""
        class TakenOnce(list):
            def __delitem__(self, at):
                if not hasattr(self, "was_taken"):
                    self.was_taken = True
                    raise IndexError(at)
                super().__delitem__(at)

        publisher = self.opened()
        publisher._turn = TakenOnce(publisher._turn)
        publisher.publish(REMOVE)
        self.assertEqual(self.row(), (3, "INEXACT"))
        publisher._turn = TakenOnce(publisher._turn)
        publisher.shutdown()
        self.assertFalse(publisher._publisher.closed)  # whoever had it would look
        publisher.publish(REMOVE)
        self.assertTrue(publisher._publisher.closed)

    def test_a_shutdown(self):
        """Of a signal's handler, which also may end the process."""
        for ends in (False, True):
            publisher = self.opened()

            def handler(*_):
                publisher.shutdown()
                if ends:
                    raise SystemExit

            self.addCleanup(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, handler))
            try:
                publisher.publish(removal(lambda: signal.raise_signal(signal.SIGUSR1)))
                self.assertFalse(ends)
            except SystemExit:
                self.assertTrue(ends)
            self.assertTrue(publisher._publisher.closed)
            self.assertEqual(self.found(), {})

    def test_a_shutdown_while_the_rank_opens(self):
        publisher = self.late(STORE)
        own = ringdex.Publisher

        def opening(**options):
            opened = own(**options)
            thread = threading.Thread(target=publisher.shutdown)
            thread.start()
            thread.join()
            return opened

        with mock.patch.object(ringdex, "Publisher", opening):
            publisher.publish(Batch([]))
        self.assertTrue(publisher._publisher.closed)
        self.assertEqual(self.found(), {})

    def test_a_close_that_fails(self):
        """It is tried again with each call."""
        for call in ("publish", "shutdown"):
            publisher = self.opened()
            own = publisher._publisher
            publisher._publisher = mock.Mock(wraps=own, closed=False)
            publisher._publisher.close.side_effect = [RuntimeError("under way"), None]
            publisher.shutdown()
            self.assertIn("under way", self.said[-1])
            getattr(publisher, call)(*[Batch([])][:call == "publish"])
            self.assertEqual(publisher._publisher.close.call_count, 2)
            own.close()

    def test_a_fork(self):
        """In the middle: the child publishes nothing, and says so. The rank is the parent's."""
        publisher, child = None, []

        def fork():
            child.append(os.fork())
            if child[0] == 0:
                publisher.publish(Batch([ENGINE.cleared()]))
                publisher.shutdown()
                os._exit("forked" not in " ".join(self.said))

        publisher = self.opened()
        publisher.publish(removal(fork))
        self.assertEqual(os.waitpid(child[0], 0)[1], 0)
        self.assertEqual(self.row(), (2, "EXACT"))


class Bounds(Lost):
    """Of what is kept, and of what is said."""

    def test_names_and_tokens(self):
        for make in MAKES:
            engine = Engine(VLLM, make)
            store = Batch([engine.store([81], [7] * BLOCK)])
            self.assertEqual(kept.numbers_of(store), 1 + BLOCK)
            with mock.patch.object(kept, "NUMBERS_MAX", 20 * (1 + BLOCK)):
                publisher = self.late(*[store] * 20)
                self.assertEqual((len(publisher._kept), publisher._kept.has_dropped), (20, False))
                publisher._next_try = float("inf")
                publisher.publish(STORE)
                self.assertEqual(len(publisher._kept), 20 + 1 - 3)
                publisher._next_try = 0
                publisher.publish(REMOVE)
            self.assertEqual(self.row(), (2, "LACKING"))
            self.assertIn("the oldest are dropped", " ".join(self.said))
            publisher.shutdown()
            self.assertIn("in all 3 batches were not published", self.said[-1])

    def test_one_batch_alone(self):
        with mock.patch.object(kept, "NUMBERS_MAX", 4):
            publisher = self.late(Batch([]), STORE)
            self.assertEqual(len(publisher._kept), 1)
            publisher.publish(REMOVE)
        self.assertEqual(self.row(), (2, "LACKING"))

    def test_what_shows_no_numbers(self):
        for batch in (None, 7, Batch(None), Batch([None, 7, {"token_ids": 7}]), [{}], object()):
            self.assertEqual(kept.numbers_of(batch), 0)

    def test_marks_are_dropped_as_batches(self):
        """And not counted twice."""
        queue = kept.Kept()
        for batch in (kept.LOST, kept.LOST, None, kept.LOST):
            queue.keep(batch)
        self.assertEqual(len(queue), 3)
        with mock.patch.object(kept, "BATCHES_MAX", 3):
            self.assertEqual((queue.keep(None), queue.has_dropped, queue.drop()), (0, True, 2))

    def test_said(self):
        """What differs each time is said a few times, all else once, however much was said."""
        publisher = self.opened()
        engine = Engine(VLLM, as_dataclass)
        for number in range(100):
            publisher.publish(Batch([engine.remove([f"0x{number:x}"])]))
        self.assertEqual(len(self.said), module.SAID_OF_KIND_MAX)
        publisher._next_check = 0
        publisher.publish(Batch([engine.store([1], [1] * BLOCK, medium="MOON")]))
        self.assertIn("unknown medium", self.said[-1])
        own = publisher._publisher
        publisher._publisher = mock.Mock(wraps=own, closed=False)
        fault = ringdex.Error(16, "another has the rank")
        publisher._publisher.publish_batch.side_effect = publisher._publisher.inexact.side_effect = fault
        for _ in range(5):
            publisher.publish(Batch([]))
        self.assertIn("another has the rank; this rank is in no index", " ".join(self.said))
        publisher.shutdown()
        self.assertIn("in all 5 batches were not published", self.said[-1])


if __name__ == "__main__":
    unittest.main()
