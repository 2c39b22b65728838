#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GET /dump: what all ranks hold, compared with what their engines said; slow clients and those that go, workers
that are killed in the middle of it: test_dump.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import http.client
import json
import re
import resource
import socket
import unittest

from held_blocks import Holder, contents, expected, local, read_dump, sequence_hash, xxhash
from rig import DIR, PATIENCE_S, Daemon, die_with_parent, query, read_answer, until

DUMPS_MAX = 2
CHAINS, CHAIN = 60, 200  # of each worker that holds much: 12,000 blocks, a megabyte of text


def fill(engine, worker, tier="device", rank=0):
    """A tree with branches."""
    trunk = local(*range(10 * worker, 10 * worker + 6))
    engine.store(worker, trunk, 6, tier, rank)
    for branch in (100, 200):
        engine.store(worker, trunk[:4] + local(branch, branch + 1), 2, tier, rank)
    engine.store(worker, local(7, 8, 9), 3, tier, rank)
    return trunk


class Content(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.daemon = Daemon(f"content-{self._testMethodName}")
        self.stack.callback(self.daemon.close)
        until(self.daemon.at_work, "it never works")

    def engine(self, model, *options, **more):
        engine = Holder(self.daemon.directory, model, *options, **more)
        self.stack.callback(engine.close)
        return engine

    def dump(self):
        status, said = self.daemon.ask("GET", "/dump")
        self.assertEqual(status, 200)
        return said

    def until_said(self, engines):
        """{key: (block size, engine)}"""
        for _, engine in engines.values():
            engine.flush()
        want = {key: (size, {rank: expected(held) for rank, held in engine.held.items() if expected(held)})
                for key, (size, engine) in engines.items()}
        try:
            until(lambda: contents(self.dump()) == want, "the dump is never what is held")
        except AssertionError:
            self.maxDiff = 4000
            self.assertEqual(contents(self.dump()), want)
            raise

    def test_nobody(self):
        self.assertEqual(self.dump(), {})

    def test_what_is_held(self):
        one = self.engine("m")
        trunk = fill(one, 1)
        fill(one, 1 << 60, rank=3)
        one.remove(1, trunk)                                   # the end of a chain
        one.remove(1, trunk[:4] + local(100, 101))
        one.remove(1 << 60, local(7), rank=3)                  # its children are below nothing
        other = self.engine('m', '--tenant=team "a"')
        fill(other, 5)
        larger = self.engine("m8", block_tokens=8)
        fill(larger, 9)
        gone = self.engine("gone")
        fill(gone, 11)
        gone.clear(11)
        engines = {"m:default": (4, one), 'm:team "a"': (4, other), "m8:default": (8, larger),
                   "gone:default": (4, gone)}
        self.until_said(engines)
        fill(gone, 11)                                         # and what is held then
        one.clear(1)
        one.store(1, local(1))
        self.until_said(engines)
        gone.kill()
        del engines["gone:default"]
        self.until_said(engines)
        for engine in (one, other, larger):
            engine.kill()
        until(lambda: self.dump() == {}, "the dead are dumped")

    def test_tiers(self):
        engine = self.engine("m")
        path = fill(engine, 1)
        engine.store(1, path, 3, "host")       # all of it in the device, and the end in the host
        engine.store(1, path[:1], 1, "external")
        engine.store(1, local(7, 8, 9), 2, "host")
        engine.remove(1, local(7, 8))          # device, host alone, device and host
        engine.store(1, local(7, 8, 9, 10), 1, "device")  # reached by the host alone
        engine.store(1, local(7, 8, 9, 10, 11), 1, "disk")
        engine.store(1, local(7, 8, 9, 10, 11, 12), 1, "host")
        engine.store(2, local(20, 21, 22, 23), 4, "external")
        engine.store(2, local(20, 21, 22, 23), 2, "disk")
        self.until_said({"m:default": (4, engine)})
        asked = ("POST", "/query_by_hash", {"block_hashes": local(20, 21, 22, 23), "model_name": "m"})
        held = {"longest_matched": 16, "gpu": 0, "dp": {"0": 0}, "cpu": 0, "disk": 16}  # as Dynamo says it
        until(lambda: self.daemon.ask(*asked)[1].get("instances") == {"2": held}, "the external tier is never seen")

    def test_names(self):
        """Those that Dynamo would give them, whoever holds them; long runs are one event."""
        engine = self.engine("m")
        for worker in (1, 2):
            engine.store(worker, local(*range(40)), 40)
            engine.store(worker, local(0, 1, 50), 1, "host")
        self.until_said({"m:default": (4, engine)})
        ranks = read_dump(self.dump())["m:default"][1]
        self.assertEqual(ranks[1, 0].blocks, ranks[2, 0].blocks)
        self.assertEqual(ranks[1, 0].longest, 40)
        for own, (parent, tokens_hash) in ranks[1, 0].blocks.items():
            if parent is None:
                self.assertEqual(own, tokens_hash)
            elif xxhash():
                self.assertEqual(own, sequence_hash(parent, tokens_hash))

    def test_names_that_a_key_cannot_say(self):
        """Of two that one key would mean, and of one that its reader would not find, the log speaks."""
        with open(f"{DIR}/keys.err", "w", encoding="utf-8") as file:
            self.daemon.close()
            self.daemon = Daemon("keys", process={"stderr": file, "preexec_fn": die_with_parent})
        self.stack.callback(self.daemon.close)

        def said():
            with open(f"{DIR}/keys.err", encoding="utf-8") as file:
                return file.read()
        named = [self.engine("a"), self.engine("a", "--tenant=b:c"), self.engine("a", "--tenant=default"),
                 self.engine("a:b", "--tenant=c"), self.engine("llama3:8b")]
        for worker, engine in enumerate(named):
            fill(engine, worker)
            engine.flush()
        self.until_said({"a:default": (4, named[0]), "a:b:c": (4, named[1])})
        left = re.compile(r"warning /dump: (\S+) and 2 more left out: a colon in the model's name, or a tenant called "
                          r"'default', which its form cannot say\n")
        until(lambda: left.search(said()) or self.dump() is None, "those that are left out are never named")
        self.assertIn(left.search(said()).group(1), ("a:default", "a:b:c", "llama3:8b:default"))

    def test_forms_of_an_answer(self):
        engine = self.engine("m")
        fill(engine, 1)
        self.until_said({"m:default": (4, engine)})
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)) as kept:
            for method in ("HEAD", "GET", "HEAD", "GET"):      # on one connection
                kept.request(method, "/dump")
                answer = kept.getresponse()
                self.assertEqual(answer.headers["Transfer-Encoding"], "chunked")
                self.assertEqual(answer.headers["Content-Length"], None)
                text = answer.read()
                self.assertEqual(text and json.loads(text), b"" if method == "HEAD" else self.dump())
        with self.daemon.connect() as old, old.makefile("rb") as stream:
            old.sendall(b"GET /dump HTTP/1.0\r\n\r\n")
            head, body = stream.read().split(b"\r\n\r\n", 1)   # it ends with the connection
            self.assertNotIn(b"chunked", head)
            self.assertEqual(json.loads(body), self.dump())
        with self.daemon.connect() as both, both.makefile("rb") as stream:
            both.sendall(b"GET /dump HTTP/1.1\r\nHost: localhost\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not stream.readline().startswith(b"HTTP/1.1 200 OK"):
                pass
            while stream.readline() != b"0\r\n":
                pass
            self.assertEqual(stream.readline(), b"\r\n")
            self.assertEqual(stream.readline(), b"HTTP/1.1 200 OK\r\n")


class Large(unittest.TestCase):
    """Dumps that no socket's buffer takes whole."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.path = f"{DIR}/{self._testMethodName}.sock"  # its buffers are a fraction of that
        self.daemon = Daemon(f"large-{self._testMethodName}", f"--listen=unix:{self.path}")
        self.stack.callback(self.daemon.close)
        self.engine = Holder(self.daemon.directory, "m", f"--blocks={CHAINS * CHAIN}")
        self.stack.callback(self.engine.close)
        for worker in (1, 2):
            for chain in range(CHAINS):
                self.engine.store(worker, local(*range(1000 * chain, 1000 * chain + CHAIN)), CHAIN)
        self.engine.flush()
        self.rank = {(0, path) for path in self.engine.held[1, 0]}
        until(self.is_seen, "the workers are never seen")

    def is_seen(self):
        """The last chain of the last worker is."""
        last = local(*range(1000 * (CHAINS - 1), 1000 * (CHAINS - 1) + CHAIN))
        status, said = self.daemon.ask("POST", "/query_by_hash", {"block_hashes": last, "model_name": "m"})
        return status == 200 and set(said["scores"]) == {"1", "2"} and \
            said["instances"]["2"]["longest_matched"] == 4 * CHAIN

    def begin(self):
        """A client that asks, and takes no more than the head: its socket, and the answer."""
        begun = []
        until(lambda: begun.append(self.ask_for_one()) or begun[-1], "no place for a dump is ever free")
        return begun[-1]

    def ask_for_one(self):
        """None: there is no place now, as where a client has just gone."""
        client = socket.socket(socket.AF_UNIX)
        self.stack.callback(client.close)
        client.settimeout(PATIENCE_S)
        client.connect(self.path)
        client.sendall(b"GET /dump HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = http.client.HTTPResponse(client, method="GET")
        answer.begin()
        if answer.status == 503:
            return None
        self.assertEqual(answer.status, 200)
        return client, answer

    def assert_whole(self, text, at_least):
        size, ranks = contents(json.loads(text))["m:default"]
        self.assertEqual(size, 4)
        self.assertGreaterEqual(len(ranks), at_least)
        for content in ranks.values():
            self.assertTrue(content == self.rank)  # a difference would be millions of lines

    def may_dump(self):
        return self.daemon.ask("HEAD", "/dump")[0] == 200

    def let_them_wait(self, clients):
        """Until their dumps wait for them, most likely; nobody else does. Not until ringdexd gives them up: 30 seconds."""
        for _, answer in clients:
            self.assertEqual(answer.read(1), b"{")
        for _ in range(20):
            self.assertEqual(self.daemon.ask("POST", "/query", query([1, 2, 3, 4], "m"))[0], 200)

    def test_slow_clients(self):
        slow = [self.begin() for _ in range(DUMPS_MAX)]
        self.let_them_wait(slow)
        status, said = self.daemon.ask("GET", "/dump")
        self.assertEqual(status, 503)
        self.assertIn("ask again", said["error"])
        self.assert_whole(b"{" + slow[0][1].read(), 2)
        until(self.may_dump, "its place is never free")

    def test_a_client_that_goes(self):
        for _ in range(2):
            clients = [self.begin() for _ in range(DUMPS_MAX)]
            self.assertFalse(self.may_dump())
            self.let_them_wait(clients)
            for client, answer in clients:
                answer.close()
                client.close()
            until(self.may_dump, "who has gone keeps others out")

    def test_killed_in_the_middle(self):
        _, answer = self.begin()
        begun = answer.read(1)                 # the first rank's blocks are in memory
        self.engine.kill()
        self.assert_whole(begun + answer.read(), 1)  # the second one may have come too late
        until(lambda: self.daemon.ask("GET", "/dump") == (200, {}), "the dead are dumped")

    def test_that_cannot_be_completed(self):
        pid = self.daemon.process.pid
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(read_answer(stream)[0], 200)
            most = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, most))  # it opens no segment any more
            client.sendall(b"GET /dump HTTP/1.1\r\nHost: localhost\r\n\r\n")
            text = stream.read()
        self.assertTrue(text.startswith(b"HTTP/1.1 200 "), text)
        self.assertFalse(text.endswith(b"0\r\n\r\n"), text)  # not taken for whole

    def test_stopped_in_the_middle(self):
        _, answer = self.begin()
        self.assertEqual(self.daemon.end(), 0)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            answer.read()                      # not taken for whole


if __name__ == "__main__":
    unittest.main(argv=[__file__], verbosity=2)
