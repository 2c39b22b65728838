#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A long life in short: workers that come, clear and die, clients that come, ask and go, reloads, a thousand times.
What the daemon takes afterwards is what it took when all of it had happened once: test_life.py BIN_DIR
io_uring|epoll DIR. With RDX_LONG=1 as often as on a host in a day."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import unittest

from rig import (BIN, DIR, PATIENCE_S, Daemon, as_request, die_with_parent, query, read_answer, until)

LONG = os.environ.get("RDX_LONG") == "1"
ROUNDS = 2000 if LONG else 40
FIRST = ROUNDS // 4    # rounds after which memory is what it is
RANKS = 4              # that come and go in a round
REQUESTS = 25          # a round
GROWTH = 1 << 20       # bytes that may come after that, of a heap that is cut into other pieces
IS_PLAIN = not re.search("[at]san", BIN)  # sanitizers keep what was freed for a while


def stored(worker, names, parent=None):
    tokens = [token for name in names for token in (name, worker)]
    event = {"worker": worker, "type": "stored", "names": names, "token_ids": tokens, "block_size": 2}
    return json.dumps({**event, **({"parent": parent} if parent is not None else {})}) + "\n"


class Life(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("life")
        self.addCleanup(self.daemon.close)
        until(self.daemon.at_work, "it never works")
        self.pid = self.daemon.process.pid

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self):
        """What only this process has: pages of files in shared memory are not its own."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))

    def feed(self):
        """Ranks of one process, which hold some blocks, clear, and hold others."""
        return subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={self.daemon.directory}", "--block-tokens=2",
                                 "--model=life", "--hold", "-"], stdin=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True, preexec_fn=die_with_parent)

    def matched(self, worker, names):
        status, answer = self.daemon.ask(
            "POST", "/query", query([token for name in names for token in (name, worker)], "life"))
        return answer["scores"].get(str(worker), {}).get("0", 0) if status == 200 else 0

    def one_round(self, i):
        workers = range(1, RANKS + 1)
        names = [1000 + 10 * (i % 50) + j for j in range(8)]
        feed = self.feed()
        try:
            for worker in workers:
                feed.stdin.write(stored(worker, names[:4]))
                if i % 2:
                    feed.stdin.write(json.dumps({"worker": worker, "type": "cleared"}) + "\n" +
                                     stored(worker, names[:4]))
                feed.stdin.write(stored(worker, names[4:], names[3]))
            feed.stdin.close()
            for worker in workers:  # no lag: what was said is seen, however long it has lived
                until(lambda w=worker: self.matched(w, names) == 16, f"round {i}: {worker} is never seen")
            self.ask_much(names)
        finally:
            feed.kill()
            feed.wait()
        for worker in workers:
            until(lambda w=worker: self.matched(w, names) == 0, f"round {i}: {worker} is never gone")
        if i % 10 == 0:
            self.daemon.process.send_signal(signal.SIGHUP)

    def ask_much(self, names):
        """One connection for many requests, some for one each, some that end in the middle of one."""
        request = as_request(query([token for name in names for token in (name, 1)], "life"))
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(request * REQUESTS)
            for _ in range(REQUESTS):
                self.assertEqual(json.loads(read_answer(stream)[2])["scores"]["1"], {"0": 16})
        for end in (len(request) // 2, 3, 0):
            with self.daemon.connect() as client:
                client.sendall(request[:end])
        with self.daemon.connect() as client:
            client.sendall(request * 50)  # and does not read
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.daemon.ask("GET", "/metrics")

    def test_no_growth(self):
        for i in range(FIRST):
            self.one_round(i)
        fds, resident = self.at_rest(), self.resident()  # of the last round something may still be open
        for i in range(FIRST, ROUNDS):
            self.one_round(i)
        until(lambda: self.at_rest() <= fds, "descriptors stay")
        grown = self.resident() - resident
        print(f"{ROUNDS} rounds: {fds} descriptors, {resident >> 10} KiB of its own, {grown >> 10} more at the end")
        if IS_PLAIN:
            self.assertLess(grown, GROWTH)
        folder = [name for name in os.listdir(f"{self.daemon.directory}/index")]
        self.assertLess(len(folder), 10, folder)  # tables that were replaced are gone
        self.assertEqual(self.daemon.end(), 0)

    def at_rest(self):
        """Descriptors where no client is there any more."""
        def is_alone():
            text = self.daemon.ask("GET", "/metrics")[1]
            return "ringdex_http_connections_open 1\n" in text  # our own
        until(is_alone, "connections stay")
        return self.fds_alone()

    def fds_alone(self):
        """The one that asked last is closed a moment later."""
        least = self.fds()
        for _ in range(50):
            with contextlib.suppress(FileNotFoundError):
                least = min(least, self.fds())
            self.daemon.ask("GET", "/health")
        return least


if __name__ == "__main__":
    unittest.main(argv=["test_life.py"], verbosity=2)
