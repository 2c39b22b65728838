#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same requests to ringdexd and to NVIDIA Dynamo's own stand-alone indexer, filled by our /dump:
test_dynamo.py BIN_DIR io_uring|epoll DIR. Exit status 77: the indexer cannot be had from a package registry."""
import contextlib
import glob
import json
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile

from held_blocks import Holder, contents, expected, local, read_dump
from rig import (BIN, BODIES, CONTENT_TYPES, HELD, NO_JSON, NOTHING, PATIENCE_S, PROMPT, REGISTERED_UNLIKE, TARGETS, TYPES_UNLIKE,
                 UNLIKE, Daemon, die_with_parent, free_port, query, until, worker)
from zmq_engine import ZMQ, Engine

PACKAGE = "ai-dynamo-runtime==1.6.1"
FETCH_S = 300
SKIPPED = 77


def fetch(folder):
    """The package's modules, unpacked; it needs none of those that it depends on."""
    run = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--retries", "1",
                          "--timeout", "30", "-d", folder, PACKAGE], capture_output=True, timeout=FETCH_S,
                         check=False)
    if run.returncode:
        print(f"skipped: {PACKAGE} cannot be had from a package registry")
        sys.exit(SKIPPED)
    with zipfile.ZipFile(glob.glob(f"{folder}/*.whl")[0]) as wheel:
        wheel.extractall(folder)


def compared(answer):
    """What must be the same. Not so `frequencies`, which the real one leaves empty: ours are held by test_http."""
    status, said = answer
    return status, {**said, "frequencies": []} if isinstance(said, dict) and "frequencies" in said else said


class Dynamo:
    """The real one; filled by a peer's dump, where one is named."""

    def __init__(self, folder, *peers):
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dynamo.indexer", "--port", str(self.port), "--block-size", "4",
             "--threads", "1", *(option for url in peers for option in ("--peers", url))], env={**os.environ, "PYTHONPATH": folder},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)

    client, ask = Daemon.client, Daemon.ask

    def answers(self, *request):
        """What it says to this; None while it does not listen yet."""
        assert self.process.poll() is None, "the real indexer has ended"
        with contextlib.suppress(ConnectionError):
            return self.ask(*request)
        return None

    def close(self):
        self.process.kill()
        self.process.wait()


def local_hashes(directory):
    """Of the first two blocks of the prompt, as the worker published them."""
    lines = subprocess.run([f"{BIN}/ringdex-tail", f"--dir={directory}", "--json", "--from-barrier",
                            "--count=1"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return [int(text) for text in json.loads(lines.stdout.splitlines()[0])["local_hashes"][:2]]


def as_signed(hashes):
    return [h - (1 << 64) if h >> 63 else h for h in hashes]


def fill(engine):
    """Ranks whose blocks lie in several tiers, with branches and holes: all paths."""
    trunk = local(*range(10))
    for worker, rank in ((11, 0), (11, 1), (12, 0)):
        engine.store(worker, trunk[:30 - 2 * worker - rank], 30 - 2 * worker - rank, rank=rank)
        engine.store(worker, trunk[:4] + local(100, 101, 102), 3, rank=rank)
    engine.store(11, trunk[:9], 4, "host", rank=1)
    engine.remove(11, trunk[:7], rank=1)                  # the host alone
    engine.store(12, local(20, 21, 22, 23, 24, 25), 6)
    for tier, end in (("host", 4), ("disk", 5), ("external", 6)):
        engine.store(12, local(20, 21, 22, 23, 24, 25)[:end], 1, tier)
        engine.remove(12, local(20, 21, 22, 23, 24, 25)[:end])
    engine.store(13, local(40, 41), 2)
    engine.remove(13, local(40))                          # what is below nothing
    engine.store(13, local(30, 31, 32), 3, "host")
    engine.store(13, local(30, 31, 32, 33), 1)            # led to by the host alone
    return {path for held in engine.held.values() for path in held}


class Same(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.daemon = Daemon("dynamo")
        cls.stack.callback(cls.daemon.close)
        cls.stack.enter_context(worker(cls.daemon.directory))
        cls.engine = Holder(cls.daemon.directory, "m")
        cls.stack.callback(cls.engine.close)
        cls.paths = fill(cls.engine)
        cls.engine.flush()
        asked = ("POST", "/query", query(PROMPT))
        until(lambda: cls.daemon.ask(*asked) == (200, HELD), "the worker is never seen")
        until(cls.all_is_seen, "the engine is never seen")
        cls.hashes = local_hashes(cls.daemon.directory)
        cls.real = Dynamo(FOLDER, f"http://127.0.0.1:{cls.daemon.port}")
        cls.stack.callback(cls.real.close)
        until(lambda: cls.takes_the_dump(asked), "the real one never takes the dump")

    @classmethod
    def all_is_seen(cls):
        said = cls.daemon.ask("GET", "/dump")[1]
        want = {rank: expected(held) for rank, held in cls.engine.held.items()}
        return contents(said).get("m:default") == (4, want)

    @classmethod
    def takes_the_dump(cls, asked):
        answer = cls.real.answers(*asked)
        return answer and compared(answer) == compared((200, HELD))

    def ask(self, *request, **headers):
        """Of both the same answer."""
        real = compared(self.real.ask(*request, **headers))
        with self.subTest(request=request):
            self.assertEqual(compared(self.daemon.ask(*request, **headers)), real)
        return real

    def test_tokens(self):
        self.assertEqual(self.ask("POST", "/query", query(PROMPT)), compared((200, HELD)))
        for length in range(len(PROMPT)):
            self.ask("POST", "/query", query(PROMPT[:length]))
        self.ask("POST", "/query", query(PROMPT, routing_group="default", lora_name=None))
        for more in ({"lora_name": "x"}, {"cache_salt": "x"}):
            self.assertEqual(self.ask("POST", "/query", query(PROMPT, **more)), (200, NOTHING))

    def test_hashes(self):
        signed = as_signed(self.hashes)
        for count in range(3):
            self.ask("POST", "/query_by_hash", {"block_hashes": signed[:count], "model_name": "example"})
        self.ask("POST", "/query_by_hash", {"block_hashes": signed[1:], "model_name": "example"})

    def test_tiers(self):
        found = set()
        for path in self.paths:
            for end in range(1, len(path) + 1):
                status, said = self.ask("POST", "/query_by_hash", {"block_hashes": as_signed(path[:end]), "model_name": "m"})
                self.assertEqual(status, 200)
                found |= set(said["instances"])
        self.assertEqual(found, {"11", "12", "13"})

    def test_its_own_dump(self):
        """What it has taken is what we have given, by the names that it was given."""
        ours, its = (self.blocks_of(one) for one in (self.daemon, self.real))
        self.assertEqual(ours.keys(), {"example:default", "m:default"})
        self.assertEqual(its, ours)

    def blocks_of(self, one):
        said = one.ask("GET", "/dump")[1]
        for model in said.values():
            for event in model["events"]:
                event.pop("residency_domain", None)
        return {key: (size, {rank: (dumped.blocks, dumped.content()) for rank, dumped in ranks.items()})
                for key, (size, ranks) in read_dump(said, in_order=False).items()}

    def test_errors(self):
        """In the same words, where they are JSON."""
        for request in (("POST", "/query", query(PROMPT, "other")),
                        ("POST", "/query", query(PROMPT, routing_group="g")),
                        ("POST", "/query", query(PROMPT, routing_group="")),
                        ("POST", "/query_by_hash", {"block_hashes": [1], "model_name": "other"}),
                        ("POST", "/query_by_hash", {"block_hashes": [1], "model_name": "m", "routing_group": ""}),
                        ("POST", "/query_by_hash", {"block_hashes": [1], "model_name": "m", "cache_salt": "x"})):
            self.assertIn(self.ask(*request)[0], (400, 404))

    def test_targets(self):
        for target, status, said in TARGETS:
            self.assertEqual(self.ask("GET", target), (status, said))

    def test_content_types(self):
        request = ("POST", "/query", query([], "example"))
        for text, status in CONTENT_TYPES:
            self.assertEqual(self.ask(*request, Content_Type=text), (status, NOTHING if status == 200 else NO_JSON))
        for text, ours, theirs in TYPES_UNLIKE:
            with self.subTest(content_type=text):
                self.assertEqual((self.daemon.ask(*request, Content_Type=text)[0],
                                  self.real.ask(*request, Content_Type=text)[0]), (ours, theirs))

    def test_who_is_not_there(self):
        self.assertEqual(self.ask("POST", "/query", query(PROMPT, "other"))[0], 404)
        self.assertEqual(self.ask("POST", "/query", query(PROMPT, routing_group="g"))[0], 404)

    def test_statuses(self):
        for body, ours, theirs in (*((body, status, status) for body, status in BODIES), *UNLIKE):
            with self.subTest(body=body):
                self.assertEqual((self.daemon.ask("POST", "/query", body)[0], self.real.ask("POST", "/query", body)[0]),
                                 (ours, theirs))
        for numbers in b"-0", b"18446744073709551616", b"-9223372036854775809", b"1.0":
            body = b'{"block_hashes":[%b],"model_name":"example"}' % numbers
            with self.subTest(body=body):
                self.assertEqual((self.daemon.ask("POST", "/query_by_hash", body)[0],
                                  self.real.ask("POST", "/query_by_hash", body)[0]), (422, 422))
        for request in (("GET", "/query"), ("GET", "/nothing"), ("HEAD", "/health")):
            with self.subTest(request=request):
                self.assertEqual(self.daemon.ask(*request)[0], self.real.ask(*request)[0])


@unittest.skipUnless(ZMQ and os.path.exists(f"{BIN}/ringdex-bridge"), "without ringdex-bridge or libzmq")
class Registered(unittest.TestCase):
    """One engine, registered with both."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.daemon = Daemon("registered")
        self.stack.callback(self.daemon.close)
        self.real = Dynamo(FOLDER)
        self.stack.callback(self.real.close)
        until(lambda: self.real.answers("GET", "/health"), "the real one never listens")

    def ask(self, status, *request):
        """Of both the same: of JSON all, of plain text the status."""
        (ours, said), (theirs, real_said) = self.daemon.ask(*request), self.real.ask(*request)
        with self.subTest(request=request):
            self.assertEqual((ours, theirs), (status, status), (said, real_said))
            if not isinstance(real_said, str):
                self.assertEqual(said, real_said)

    def test_answers(self):
        engine = Engine()
        self.stack.callback(engine.close)
        right = {"instance_id": 7, "endpoint": engine.endpoint, "replay_endpoint": engine.replay_endpoint,
                 "model_name": "m", "block_size": 4}
        self.ask(200, "GET", "/workers")
        self.ask(404, "POST", "/query", query(PROMPT, "m"))
        self.ask(201, "POST", "/register", right)
        self.ask(200, "POST", "/query", query([], "m"))
        for daemon in self.daemon, self.real:
            until(lambda d=daemon: d.ask("GET", "/workers")[1][0]["status"] == "active", "it is never active")
        self.ask(200, "GET", "/workers")
        self.ask(200, "GET", "/workers?model_name=m&routing_group=default")
        self.ask(200, "GET", "/workers?model_name=other")

        def is_seen(daemon):
            engine.store([11, 12], PROMPT[:8])  # the real one may have subscribed just now
            return daemon.ask("POST", "/query", query(PROMPT, "m"))[1].get("scores") == {"7": {"0": 8}}
        for daemon in self.daemon, self.real:
            until(lambda d=daemon: is_seen(d), "it is never seen")
        ours, theirs = (compared(daemon.ask("POST", "/query", query(PROMPT, "m")))
                        for daemon in (self.daemon, self.real))
        self.assertEqual(ours, theirs)
        nobody = "tcp://127.0.0.1:9"
        for status, more in ((409, {}), (409, {"model_name": "other"}), (409, {"routing_group": "g"}),
                             (409, {"instance_id": 8, "block_size": 8}), (400, {"endpoint": "nonsense"}),
                             (400, {"replay_endpoint": "nonsense"}), (400, {"endpoint": "tcp://h"}),
                             (400, {"endpoint": "tcp://:1"}), (400, {"endpoint": "tcp://h:x"}),
                             (400, {"endpoint": "tcp://h:70000"}), (400, {"endpoint": "udp://h:1"}),
                             (201, {"dp_rank": 3, "endpoint": nobody}), (422, {"instance_id": -1}),
                             (422, {"dp_rank": "x"})):
            self.ask(status, "POST", "/register", {**right, **more})
        for field in ("instance_id", "endpoint", "model_name", "block_size"):
            self.ask(422, "POST", "/register", {name: value for name, value in right.items() if name != field})
        for status, more in ((404, {"instance_id": 9}), (404, {"model_name": "other"}),
                             (404, {"routing_group": "g"}), (404, {"routing_group": "default", "dp_rank": 5}),
                             (200, {"routing_group": "default", "dp_rank": 3}), (200, {"dp_rank": 5}), (404, {})):
            self.ask(status, "POST", "/unregister", {"instance_id": 7, "model_name": "m", **more})
        until(lambda: self.daemon.ask("GET", "/workers") == (200, []), "its rank stays")
        self.ask(200, "GET", "/workers")

    def test_unlike(self):
        for path, body, ours, theirs in REGISTERED_UNLIKE:
            with self.subTest(path=path, body=body):
                self.assertEqual((self.daemon.ask("POST", path, body)[0], self.real.ask("POST", path, body)[0]),
                                 (ours, theirs))

    def test_null(self):
        right = {"instance_id": 7, "endpoint": "tcp://127.0.0.1:9", "model_name": "m", "block_size": 4}
        for field in *right, "routing_group":
            self.ask(422, "POST", "/register", {**right, field: None})
        self.ask(201, "POST", "/register", {**right, "dp_rank": None, "replay_endpoint": None})
        self.ask(404, "POST", "/query", query([], "m", routing_group=""))
        self.ask(404, "POST", "/unregister", {"instance_id": 7, "model_name": "m", "routing_group": ""})
        self.ask(422, "POST", "/unregister", {"instance_id": 7, "model_name": None})
        self.ask(200, "POST", "/unregister", {"instance_id": 7, "model_name": "m", "routing_group": None, "dp_rank": None})
        for path in "/register_peer", "/deregister_peer":
            self.ask(422, "POST", path, {"url": None})

    def test_peers(self):
        peer = {"url": "http://127.0.0.1:1"}
        self.ask(200, "GET", "/peers")
        for status, path in ((201, "/register_peer"), (201, "/register_peer"), (200, "/deregister_peer"),
                             (404, "/deregister_peer"), (201, "/register_peer")):
            self.ask(status, "POST", path, peer)
            self.ask(200, "GET", "/peers")
        self.ask(422, "POST", "/register_peer", {})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as FOLDER:
        fetch(FOLDER)
        unittest.main(argv=sys.argv[:1], verbosity=2)
