# SPDX-License-Identifier: Apache-2.0
"""What the tests stand on: a namespace of their own, an indexer that is caught up, events as engines
have them. The namespace lies where the tests were built: killed ones leave nothing in /dev/shm."""

import ctypes
import errno
import os
import signal
import tempfile
import time
import unittest

import ringdex

# For what hangs: no test depends on how fast the machine is. Mutations wait for less (tests/patience.h).
PATIENCE_S = float(os.environ.get("RDX_PATIENCE") or 120)
BLOCK = 4


class Namespace(unittest.TestCase):
    """A directory for each test."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ns-", dir=os.environ.get("RDX_TEST_DIR"))
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def publisher(self, worker_id=1, **options):
        options = {"device_blocks": 64, "ring_slots": 256, "block_tokens": BLOCK, **options}
        publisher = ringdex.Publisher(
            f"http://worker:{worker_id}", "model", worker_id=worker_id, dir=self.dir, **options
        )
        self.addCleanup(publisher.close)
        return publisher

    def indexer(self, **options):
        """Whose ranks are not STALE, however long the machine lets it wait."""
        indexer = ringdex.Indexer(dir=self.dir, **{"stale_after": 86400.0, **options})
        self.addCleanup(indexer.close)
        return indexer

    def index(self, indexer, publishers=(), **options):
        """An index that shows all that the publishers said."""
        index = None

        def shown():
            nonlocal index
            indexer.poll()
            try:
                index = index or ringdex.Index(
                    "model", dir=self.dir, block_tokens=BLOCK, **options
                )
            except ringdex.Error:
                return False
            seen = {worker.epoch: worker.last_event_id for worker in index.workers()}
            return all(seen.get(p.epoch, -1) >= p.stats()["events"] for p in publishers)

        wait_for(shown)
        self.addCleanup(index.close)
        return index


def dies_with_us():
    """In a child, before it is another program: killed tests leave none."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_for(condition):
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > PATIENCE_S:
            raise AssertionError("it never came")
        time.sleep(0.001)


def asked(question):
    """What an index says to it. An indexer in another thread or process may stand in the midst of a change, or may
    have ended before its successor has begun: such an index is asked again."""
    answers = []

    def is_answered():
        try:
            answers.append(question())
        except ringdex.Error as error:
            if error.errno not in (errno.EAGAIN, errno.EIDRM):
                raise
        return answers

    wait_for(is_answered)
    return answers[0]


def held(runs):
    """{worker: blocks in the device} of the rows of a lookup."""
    return {run.worker_id: run.blocks[0] for run in runs}
