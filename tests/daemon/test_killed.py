#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ringdexd killed and started again under load: engines publish without pause, clients ask without pause, and each
answer is of a moment of the engines' histories: test_killed.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import http.client
import json
import random
import socket
import subprocess
import threading
import time
import unittest

from rig import BIN, DIR, PATIENCE_S, Daemon, die_with_parent, query, until

MODEL = "killed"
ENGINES = 4
ASKERS = 2
BLOCK = 2           # tokens
PATH = 48           # blocks of an era, at most
TRUNK = 3           # blocks that all eras of all engines begin with
RING_SLOTS = 512    # fewer than what is published while none is at work: it goes on from a ledger
BATCH = 32          # events at once
REST_S = 0.002      # between two batches: about 10,000 events a second of each engine
ROWS = 20           # of each engine, which an answer must have had before the next kill
NO_ANSWER = (404, 503)  # no index yet, or not now


class Named(Daemon):
    """One that is asked by a file of its own: the port of one that is dead may be given to another."""

    def __init__(self, name, number):
        self.path = f"{DIR}/{number}.sock"
        super().__init__(name, f"--listen=unix:{self.path}")

    def client(self):
        client = super().client()
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.settimeout(PATIENCE_S)
        try:
            client.sock.connect(self.path)
        except OSError:
            client.close()
            raise
        return client


class Engine(threading.Thread):
    """One `ringdex feed`, told without pause, and what it holds after each event. Between two clears is an era, of
    which each block behind the trunk is of its own: what was cleared never comes back."""

    def __init__(self, directory, worker):
        super().__init__(daemon=True)
        self.worker = worker
        self.after = [(0, 0)]  # so many events: the era, and the blocks of its path that are held
        self.floor = 0         # no answer may be of a moment before this event any more
        self.random = random.Random(worker)
        self.has_removed = False
        self.is_asked_to_stop = threading.Event()
        self.process = subprocess.Popen(
            [f"{BIN}/ringdex-feed", f"--dir={directory}", f"--model={MODEL}", f"--block-tokens={BLOCK}",
             f"--blocks={4 * PATH}", f"--ring-slots={RING_SLOTS}", "--hold", "-"], stdin=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def path(self, era):
        """The tokens of each block, and of one that is never stored."""
        trunk = [[i + 1, 0] for i in range(TRUNK)]
        own = [[i + 1, self.worker << 20 | era] for i in range(TRUNK, PATH)]
        return trunk + own + [[PATH + 1, 0]]

    def draw(self):
        """The next event. Not two removals in a row, which feed makes one of."""
        era, blocks = self.after[-1]
        drawn = self.random.random()
        first = era * PATH + 1  # names of blocks
        if blocks == PATH or blocks and drawn < 0.05:
            self.has_removed = False
            self.after.append((era + 1, 0))
            return {"type": "cleared"}
        if blocks and drawn < 0.3 and not self.has_removed:
            left = self.random.randrange(blocks)
            self.has_removed = True
            self.after.append((era, left))
            return {"type": "removed", "names": list(range(first + blocks - 1, first + left - 1, -1))}
        end = self.random.randint(blocks + 1, min(PATH, blocks + 8))
        self.has_removed = False
        self.after.append((era, end))
        event = {"type": "stored", "names": list(range(first + blocks, first + end)),
                 "token_ids": sum(self.path(era)[blocks:end], [])}
        return {**event, "parent": first + blocks - 1} if blocks else event

    def run(self):
        while not self.is_asked_to_stop.is_set():
            lines = (json.dumps({"worker": self.worker, **self.draw()}) + "\n" for _ in range(BATCH))
            try:
                self.process.stdin.write("".join(lines))
                self.process.stdin.flush()
            except BrokenPipeError:
                break  # it was told to end; else not all that was told is ever shown
            time.sleep(REST_S)

    def stop(self):
        self.is_asked_to_stop.set()
        self.join(PATIENCE_S)

    def close(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)
        self.stop()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def told(self):
        return len(self.after) - 1

    def may_have_led(self, blocks, since, asked, era):
        """From that event to the last one that was told. The blocks of an event come one after the other."""
        runs = [self.leading(event, asked, era) for event in range(since, len(self.after))]
        return any(min(pair) <= blocks <= max(pair) for pair in zip(runs, runs[1:] + runs[-1:]))

    def leading(self, event, asked, era):
        """Blocks of the path of that era of the engine that is asked about, after that event of this one."""
        own_era, blocks = self.after[event]
        return blocks if asked is self and era == own_era else min(blocks, TRUNK)


class Asker(threading.Thread):
    """A client. What it finds wrong stays in `wrong`."""

    def __init__(self, test, seed):
        super().__init__(daemon=True)
        self.test = test
        self.random = random.Random(seed)
        self.wrong = None
        self.is_asked_to_stop = threading.Event()

    def run(self):
        try:
            while not self.is_asked_to_stop.is_set():
                self.ask(self.random.choice(self.test.daemons))
        except BaseException as error:  # whatever it is, the test's own thread tells
            self.wrong = error

    def stop(self):
        self.is_asked_to_stop.set()
        self.join(PATIENCE_S)

    def ask(self, daemon):
        engines = self.test.engines
        asked = self.random.choice(engines)
        era = asked.after[self.random.randint(asked.floor, asked.told())][0]
        floors = {engine: engine.floor for engine in engines}
        rows = None
        try:
            rows = self.random.choice((self.ask_v1, self.ask_dynamo))(daemon, sum(asked.path(era), []))
        except (OSError, http.client.HTTPException):
            if daemon not in self.test.killed:
                raise
        for worker, blocks, event in rows or ():
            engine = next(engine for engine in engines if engine.worker == worker)
            told = engine.told()
            self.test.check(0 <= event <= told, f"event {event} of {worker}, which was told {told}")
            since = max(event, floors[engine])
            self.test.check(engine.may_have_led(blocks, since, asked, era),
                            f"{worker} never held {blocks} blocks of era {era} of {asked.worker} from event {since} "
                            f"to {told}: {engine.after[since:told + 1][:50]}")
            engine.floor = max(engine.floor, event)
            self.test.count(daemon, worker)

    def ask_v1(self, daemon, tokens):
        """Rows as (worker, blocks, event that is in it); None: no answer."""
        status, said = daemon.ask("POST", "/v1/query", {"model": MODEL, "prompts": [{"tokens": tokens}]})
        if status in NO_ANSWER:
            return None
        self.test.check(status == 200, f"{status}: {said}")
        for row in said["answers"][0]["ranks"]:
            self.test.check(row["state"] == "exact", f"{row}")
        return [(row["worker"], row["device_blocks"], row["last_event_id"]) for row in said["answers"][0]["ranks"]]

    def ask_dynamo(self, daemon, tokens):
        status, said = daemon.ask("POST", "/query", query(tokens, MODEL))
        if status in NO_ANSWER:
            return None
        self.test.check(status == 200, f"{status}: {said}")
        return [(int(worker), of["0"] // BLOCK, 0) for worker, of in said["scores"].items()]


class Killed(unittest.TestCase):
    def setUp(self):
        self.daemons, self.killed, self.rows, self.started = [], set(), {}, 0
        self.start()
        until(self.daemons[0].at_work, "it never works")
        self.engines = [Engine(self.daemons[0].directory, worker) for worker in range(1, ENGINES + 1)]
        self.askers = [Asker(self, seed) for seed in range(ASKERS)]
        for thread in self.engines + self.askers:
            self.addCleanup(thread.close if thread in self.engines else thread.stop)
            thread.start()

    def start(self):
        self.started += 1
        daemon = Named("killed", self.started)
        self.addCleanup(daemon.close)
        self.daemons = [*self.daemons, daemon]  # askers read the list meanwhile
        return daemon

    def kill(self):
        """The one at work, and not politely."""
        first, *rest = self.daemons
        self.killed.add(first)
        first.process.kill()
        first.process.wait(PATIENCE_S)
        self.daemons = rest or [first]

    @staticmethod
    def check(is_so, what):
        if not is_so:
            raise AssertionError(what)

    def count(self, daemon, worker):
        self.rows[daemon, worker] = self.rows.get((daemon, worker), 0) + 1

    def raise_wrong(self):
        for asker in self.askers:
            if asker.wrong:
                raise asker.wrong

    def until_asked(self, daemon):
        """Until clients of this one were told of each engine."""
        def is_asked():
            self.raise_wrong()
            return all(self.rows.get((daemon, engine.worker), 0) >= ROWS for engine in self.engines)
        until(is_asked, f"no answers have all engines: {self.rows}")

    def until_exact(self, daemon):
        """Until all that was told is in the index."""
        events = {engine.worker: ("exact", engine.told()) for engine in self.engines}

        def is_exact():
            status, said = daemon.ask("GET", "/v1/workers")
            return status == 200 and {rank["worker"]: (rank["state"], rank["last_event_id"])
                                      for rank in said["ranks"]} == events
        until(is_exact, f"never {events}: {daemon.ask('GET', '/v1/workers')}")

    def compare(self, daemon):
        """Each engine's last eras, in both forms, with what is held of them at the end."""
        asker = Asker(self, 0)
        for asked in self.engines:
            last = asked.after[-1][0]
            for era in range(max(0, last - 3), last + 1):
                held = {engine.worker: engine.leading(engine.told(), asked, era) for engine in self.engines}
                held = {worker: blocks for worker, blocks in held.items() if blocks}
                for ask in asker.ask_v1, asker.ask_dynamo:
                    rows = ask(daemon, sum(asked.path(era), []))
                    self.assertEqual({worker: blocks for worker, blocks, _ in rows}, held)

    def test_killed(self):
        """By turns one that is started behind it comes next, and one that stood by."""
        for stands_by in False, True, False, True:
            self.until_asked(self.daemons[0])
            if stands_by:
                following = self.start()
                until(lambda d=following: d.ask("GET", "/health")[1]["indexer"] == "standing by", "it never stands by")
                self.until_asked(following)
                self.kill()
            else:
                self.kill()
                following = self.start()
                self.daemons = [following]
            until(following.at_work, "nobody takes over")
        self.rows.clear()
        self.until_asked(following)
        for thread in self.engines + self.askers:
            thread.stop()
        self.raise_wrong()
        self.until_exact(following)
        self.compare(following)
        print(f"{sum(engine.told() for engine in self.engines)} events")
        self.assertEqual(following.end(), 0)


if __name__ == "__main__":
    unittest.main(argv=["test_killed.py"], verbosity=2)
