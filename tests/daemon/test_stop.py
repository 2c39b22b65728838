#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients and bridges that do not end, and a ringdexd that was told to: test_stop.py BIN_DIR io_uring|epoll DIR

Within which time it is unit/ending's to say, by a clock of its own. Here a second becomes 25, on a busy machine; what
would end those clients otherwise comes later."""
import contextlib
import os
import signal
import socket
import stat
import sys
import unittest

from held_blocks import Holder, local
from rig import DIR, PATIENCE_S, Daemon, flood, read_answer, until

STOP_S = PATIENCE_S  # shorter than all that the clients would wait for
CHAINS, CHAIN = 60, 200  # a megabyte of dump
STUBBORN = f"""#!{sys.executable}
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('{{"state": "connected", "dp_rank": 0}}', flush=True)
time.sleep(3600)
"""


class Stop(unittest.TestCase):
    def daemon(self, name, *options):
        self.path = f"{DIR}/{name}.sock"
        daemon = Daemon(name, f"--listen=unix:{self.path}", "--request-timeout=1h", "--idle-timeout=1h", *options)
        self.addCleanup(daemon.close)
        until(daemon.at_work, "it never works")
        return daemon

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(PATIENCE_S)
        client.connect(self.path)
        return client

    def assert_stops(self, daemon, clients=()):
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(STOP_S), 0)
        self.assertFalse(os.path.exists(self.path))
        for client in clients:
            with contextlib.suppress(ConnectionError):
                while client.recv(1 << 20):
                    pass

    # what a client may do, and then no more

    def idle(self):
        return self.connect()

    def asked_once(self):
        client = self.connect()
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with client.makefile("rb") as stream:
            self.assertEqual(read_answer(stream)[0], 200)
        return client

    def in_a_head(self):
        client = self.connect()
        client.sendall(b"POST /query HT")
        return client

    def in_a_body(self):
        client = self.connect()
        client.sendall(b"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        return client

    def pipelining(self):
        client = self.connect()
        flood(client)
        return client

    def looking_on(self):
        client = self.connect()
        client.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(client.recv(12), b"HTTP/1.1 200")
        return client

    def dumping(self):
        client = self.connect()
        client.sendall(b"GET /dump HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(client.recv(12), b"HTTP/1.1 200")
        return client

    def test_one_of_each(self):
        for kind in (self.idle, self.asked_once, self.in_a_head, self.in_a_body, self.pipelining, self.looking_on):
            with self.subTest(kind=kind.__name__):
                daemon = self.daemon(kind.__name__)
                client = kind()
                daemon.at_work()  # behind what the client has sent
                self.assert_stops(daemon, [client])

    def test_all_at_once(self):
        daemon = self.daemon("all")
        engine = Holder(daemon.directory, "m", f"--blocks={CHAINS * CHAIN}")
        self.addCleanup(engine.close)
        for chain in range(CHAINS):
            engine.store(1, local(*range(1000 * chain, 1000 * chain + CHAIN)), CHAIN)
        engine.flush()
        last = local(*range(1000 * (CHAINS - 1), 1000 * (CHAINS - 1) + CHAIN))
        until(lambda: daemon.ask("POST", "/query_by_hash", {"block_hashes": last, "model_name": "m"})[1]
              .get("scores"), "the blocks are never seen")
        clients = [kind() for kind in (self.idle, self.asked_once, self.in_a_head, self.in_a_body, self.pipelining,
                                       self.looking_on, self.dumping) for _ in range(2)]
        daemon.at_work()
        self.assert_stops(daemon, clients)

    def test_a_bridge_that_does_not_end(self):
        program = f"{DIR}/stubborn.py"
        with open(program, "w", encoding="utf-8") as file:
            file.write(STUBBORN)
        os.chmod(program, stat.S_IRWXU)
        daemon = self.daemon("stubborn", f"--bridge={program}")
        for instance in range(3):
            self.assertEqual(daemon.ask("POST", "/register", {
                "instance_id": instance, "endpoint": "tcp://127.0.0.1:9", "model_name": "m", "block_size": 4})[0], 201)
        until(lambda: 'ringdex_bridges{status="active"} 3' in daemon.ask("GET", "/metrics")[1], "it never runs")
        self.assert_stops(daemon)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
