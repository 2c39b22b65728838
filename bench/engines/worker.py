# SPDX-License-Identifier: Apache-2.0
"""The engine: a process that publishes a batch every so often, by its own publisher, and says what
each call took. Each line of its input is a job in JSON, each line of its output the answer."""

import gc
import json
import random
import sys
import time

import wheels

BLOCK_TOKENS = 16
TOKENS_MAX = 128_000
PREPARED = 40  # blocks of an event that stores what is removed later
STORED = {"store8": 8, "store40": 40}
REMOVED = 256


class Nothing:
    """What the pace alone costs."""

    def publish(self, batch):
        pass

    def shutdown(self):
        pass


class Worker:
    def __init__(self, folder, engine, endpoints):
        self._engine = wheels.load(folder, engine)
        self._random = random.Random(1)
        self.publishers = [
            self._engine.publisher(e, r) if e else Nothing() for r, e in enumerate(endpoints)
        ]
        self._kind, self._chosen = "", []

    def _hashes(self, count):
        return [self._random.getrandbits(64) for _ in range(count)]

    def _tokens(self, hashes):
        return [self._random.randrange(TOKENS_MAX) for _ in range(len(hashes) * BLOCK_TOKENS)]

    def _publish(self, events):
        for publisher in self.publishers:
            publisher.publish(self._engine.batch(events))

    def prepare(self, kind, count, stores_before):
        """Choose what `count` batches say; what they remove is stored now."""
        self._publish([self._engine.cleared()])
        self._kind, self._chosen = kind, []
        for _ in range(count):
            hashes = self._hashes(STORED.get(kind, REMOVED))
            self._chosen.append((hashes, self._tokens(hashes) if kind in STORED else []))
            for i in range(0, len(hashes) if kind not in STORED and stores_before else 0, PREPARED):
                some = hashes[i : i + PREPARED]
                self._publish([self._engine.stored(some, None, self._tokens(some), BLOCK_TOKENS)])
        return {}

    def local_hashes(self):
        """Of each batch, by which an index is asked for what it stores."""
        import ringdex

        return [list(ringdex.local_hashes(tokens, BLOCK_TOKENS)) for _, tokens in self._chosen]

    def _make(self, hashes, tokens):
        """A batch, as the engine's step that ends with it makes one."""
        if self._kind in STORED:
            events = [self._engine.stored(hashes[:], None, tokens[:], BLOCK_TOKENS)]
        else:
            # the end of a prompt is evicted first
            events = [self._engine.removed([name]) for name in reversed(hashes)]
        return self._engine.batch(events)

    def go(self, gap_ns):
        """Publish what was chosen, one batch each `gap_ns`, the publishers in turn."""
        clock, sleep, turns = time.perf_counter_ns, time.sleep, len(self.publishers)
        calls = [publisher.publish for publisher in self.publishers]
        begins, takes = [], []
        gc.collect()
        gc.disable()
        used = time.process_time_ns()
        due = clock()
        for i, chosen in enumerate(self._chosen):
            due += gap_ns
            left = due - clock()
            if left > 0:
                sleep(left / 1e9)
            batch, publish = self._make(*chosen), calls[i % turns]
            begin = clock()
            publish(batch)
            takes.append(clock() - begin)
            begins.append(begin)
        sleep(0.01)  # what other threads of this process still do
        used = time.process_time_ns() - used
        gc.enable()
        return {"begins": begins, "takes": takes, "cpu": used}

    def stats(self):
        """Of all publishers of ours: bells, and what must not be."""
        found = {"bells": 0, "wrong": 0}
        for publisher in self.publishers:
            ours = getattr(publisher, "_publisher", None)
            if ours is None:
                continue
            stats, engine = ours.stats(), ours.engine_stats()
            found["bells"] += stats["bells"]
            found["wrong"] += (stats["inexact"] is not None) + engine["unreadable"]
        return found


def main():
    config = json.loads(sys.argv[1])
    worker = Worker(config["wheels"], config["engine"], config["endpoints"])
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(getattr(worker, job.pop("do"))(**job)), flush=True)
    for publisher in worker.publishers:
        publisher.shutdown()


if __name__ == "__main__":
    main()
