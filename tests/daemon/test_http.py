#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ringdexd as a real process, asked by real clients: test_http.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from rig import (BIN, BODIES, CONTENT_TYPES, DIR, HELD, NO_JSON, NOTHING, PATIENCE_S, PROMPT, TARGETS, TYPES_UNLIKE, UNLIKE,
                 Daemon, as_request, die_with_parent, flood, links, query, read_answer, until, worker)

TAKEOVER_S = 1.0  # docs/ringdexd.md
TAKEOVERS = 40    # tries
ASKS_AGAIN_S = 1.0  # for an address that is in use


class Answers(unittest.TestCase):
    """What the routes say, with one worker that holds two blocks of the prompt."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.daemon = Daemon("answers")
        cls.stack.callback(cls.daemon.close)
        cls.stack.enter_context(worker(cls.daemon.directory))
        until(lambda: cls.daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD),
              "the worker is never seen")

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def ask(self, *arguments, **headers):
        return self.daemon.ask(*arguments, **headers)

    def test_query(self):
        self.assertEqual(self.ask("POST", "/query", query(PROMPT[:8], routing_group="default")),
                         (200, HELD))
        self.assertEqual(self.ask("POST", "/query", query([9] * 12)), (200, NOTHING))
        self.assertEqual(self.ask("POST", "/query", query([])), (200, NOTHING))
        self.assertEqual(self.ask("POST", "/query", query(PROMPT, lora_name="x")), (200, NOTHING))
        self.assertEqual(self.ask("POST", "/query", query(PROMPT, cache_salt="x")), (200, NOTHING))
        self.assertEqual(self.ask("POST", "/query", query(PROMPT, lora_name=None, unknown=[{}])),
                         (200, HELD))
        self.assertEqual(self.ask("POST", "/query", query(PROMPT, "other"))[0], 404)
        self.assertEqual(self.ask("POST", "/query", query(PROMPT, routing_group="g"))[0], 404)

    def test_query_by_hash(self):
        # XXH3-64 with seed 1337 of tokens 1 to 4 and 5 to 8, as `ringdex tail` shows them
        hashes = [int(text) for text in self.local_hashes()]
        signed = [h - (1 << 64) if h >> 63 else h for h in hashes]
        for given in hashes, signed:
            body = {"block_hashes": given, "model_name": "example"}
            self.assertEqual(self.ask("POST", "/query_by_hash", body), (200, HELD))
            self.assertEqual(self.ask("POST", "/query_tiered_by_hash", body), (200, {
                "block_size": 4,
                "tiered": {"device": {"scores": [[{"worker_id": 1, "dp_rank": 0}, 2]],
                                      "frequencies": [1, 1]},
                           "lower_tier": [["host_pinned", {"hits": []}], ["disk", {"hits": []}],
                                          ["external", {"hits": []}]]}}))
        for numbers in b"-0", b"18446744073709551616", b"-9223372036854775809", b"1.0":
            wrong = b'{"block_hashes":[%b],"model_name":"example"}' % numbers
            self.assertEqual(self.ask("POST", "/query_by_hash", wrong)[0], 422, wrong)
        body["cache_salt"] = "x"
        self.assertEqual(self.ask("POST", "/query_by_hash", body)[0], 400)

    def local_hashes(self):
        lines = subprocess.run([f"{BIN}/ringdex-tail", f"--dir={self.daemon.directory}", "--json",
                                "--from-barrier", "--count=1"], capture_output=True, text=True, timeout=PATIENCE_S)
        return json.loads(lines.stdout.splitlines()[0])["local_hashes"][:2]

    def test_workers(self):
        expected = [{"instance_id": 1, "source": "ringdex", "status": "active",
                     "model_name": "example", "routing_group": "default", "block_size": 4,
                     "endpoints": {"0": "http://localhost:8000"},
                     "listeners": {"0": {"endpoint": "http://localhost:8000", "status": "active"}}}]
        self.assertEqual(self.ask("GET", "/workers"), (200, expected))
        self.assertEqual(self.ask("GET", "/workers?model_name=ex%61mple&routing_group=default"),
                         (200, expected))
        self.assertEqual(self.ask("GET", "/workers?model_name=other"), (200, []))
        for text in ("x=1&x=2", "&&model_name=example&", "model%5Fname=ex%61mple"):
            self.assertEqual(self.ask("GET", f"/workers?{text}"), (200, expected), text)
        for target, status, said in TARGETS:
            with self.subTest(target=target):
                self.assertEqual(self.ask("GET", target), (status, said))

    def test_wrong_requests(self):
        for body, status in (*BODIES, *((body, status) for body, status, _ in UNLIKE), (b'[]', 422),
                             (query([1], "m" * 300), 422)):
            with self.subTest(body=body):
                self.assertEqual(self.ask("POST", "/query", body)[0], status)
        for text, status in (*CONTENT_TYPES, *((text, status) for text, status, _ in TYPES_UNLIKE)):
            with self.subTest(content_type=text):
                self.assertEqual(self.ask("POST", "/query", query(PROMPT), Content_Type=text),
                                 (200, HELD) if status == 200 else (415, NO_JSON))
        said = (404, {"error": "no indexer for model=example routing_group="})
        for body in query([1], routing_group=""), {"model_name": "example", "block_hashes": [1], "routing_group": ""}:
            for path in ("/query",) if "token_ids" in body else ("/query_by_hash", "/query_tiered_by_hash"):
                self.assertEqual(self.ask("POST", path, body), said)
                self.assertEqual(self.ask("POST", path, {**body, "routing_group": None})[0], 422)
        self.assertEqual(self.ask("GET", "/query")[0], 405)
        self.assertEqual(self.ask("GET", "/nothing")[0], 404)
        self.assertEqual(self.ask("HEAD", "/health"), (200, ""))

    def test_a_target_for_a_proxy(self):
        """Whatever host it names is this one."""
        for target, path in (("http://x/query", None), ("HTTP://x:80/query?a", None), ("https://x", "/"), ("http://x?a=b", "/"),
                             ("http://x/health?y=http://z/", "/health"), ("http://x//health", 404), ("http:/health", 404)):
            with self.subTest(target=target), self.daemon.connect() as client, client.makefile("rb") as stream:
                if path is None:
                    client.sendall(as_request(query(PROMPT)).replace(b"/query", target.encode(), 1))
                    self.assertEqual(json.loads(read_answer(stream)[2]), HELD)
                    continue
                client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                status, _, said = read_answer(stream)
                if path == 404:
                    self.assertIn(status, (400, 404))
                else:
                    self.assertEqual((status, said.decode()), (200, self.whole(path)))

    def whole(self, path):
        answer = self.ask("GET", path)[1]
        return answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"))

    def test_limits(self):
        self.assertEqual(self.ask("GET", "/health", X=" " + "x" * 20000)[0], 431)
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
            self.assertEqual(read_answer(stream)[0], 413)
            self.assertEqual(stream.read(), b"")
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"NONSENSE\r\n\r\n")
            self.assertEqual(read_answer(stream)[0], 400)

    def test_pipelining(self):
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            count = 200
            client.sendall(as_request(query(PROMPT)) * count + as_request(query([])))
            for _ in range(count):
                self.assertEqual(json.loads(read_answer(stream)[2]), HELD)
            self.assertEqual(json.loads(read_answer(stream)[2]), NOTHING)

    def test_byte_by_byte(self):
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in as_request(query(PROMPT)):
                client.sendall(bytes([byte]))
            self.assertEqual(json.loads(read_answer(stream)[2]), HELD)

    def test_half_closed(self):
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(as_request(query(PROMPT)))
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(json.loads(read_answer(stream)[2]), HELD)
            self.assertEqual(stream.read(), b"")

    def test_chunked_and_continue(self):
        text = json.dumps(query(PROMPT)).encode()
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
            for byte in text:
                client.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
            client.sendall(b"0\r\n\r\n")
            self.assertEqual(json.loads(read_answer(stream)[2]), HELD)
            client.sendall(as_request(text, "Expect: 100-continue")[:-len(text)])
            self.assertEqual(read_answer(stream)[0], 100)
            client.sendall(text)
            self.assertEqual(json.loads(read_answer(stream)[2]), HELD)

    def test_nobody_is_told_to_go_on_for_nothing(self):
        """An old client, which does not understand that, and one that has no body."""
        text = json.dumps(query(PROMPT)).encode()
        expecting = as_request(text, "Expect: 100-continue")
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            for line in (b"GET /health HTTP/1.1", b"POST /query HTTP/1.1\r\nContent-Length: 0"):
                client.sendall(line + b"\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n")
                self.assertIn(read_answer(stream)[0], (200, 415))
            client.sendall(expecting.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
            self.assertEqual(json.loads(read_answer(stream)[2]), HELD)

    def test_an_offer_of_another_protocol(self):
        headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": ""}
        self.assertEqual(self.ask("GET", "/health", **headers)[0], 200)

    def test_an_old_client(self):
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertEqual(read_answer(stream)[0], 200)
            self.assertEqual(stream.read(), b"")

    def test_a_peer_that_takes_nothing(self):
        """Answers that nobody reads stop its requests, not the daemon."""
        with self.daemon.connect() as client:
            flood(client)
            self.assertEqual(self.ask("POST", "/query", query(PROMPT)), (200, HELD))


class Lives(unittest.TestCase):
    def daemon(self, *arguments, **options):
        daemon = Daemon(*arguments, **options)
        self.addCleanup(daemon.close)
        return daemon

    def test_stops_when_told(self):
        path = f"{DIR}/stop.sock"
        daemon = self.daemon("stop", f"--listen=unix:{path}")
        with socket.socket(socket.AF_UNIX) as client, daemon.connect():  # one is idle
            client.connect(path)
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with client.makefile("rb") as stream:
                self.assertIn(read_answer(stream)[0], (200, 503))
            self.assertEqual(daemon.end(), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_socket_that_a_dead_one_left(self):
        """The kernel may take a moment to let it go, which ringdexd waits for; on a busy machine longer than that."""
        path = f"{DIR}/left.sock"

        def succeed():
            begun_s = time.monotonic()
            try:
                return self.daemon("left", f"--listen=unix:{path}")
            except AssertionError:
                self.assertGreaterEqual(time.monotonic() - begun_s, ASKS_AGAIN_S)
                return None

        for _ in range(5):
            dead = until(succeed, "it is never let go").process
            dead.kill()
            dead.wait()
        first = until(succeed, "it is never let go")
        second = subprocess.run([f"{BIN}/ringdexd", f"--dir={DIR}/left", f"--listen=unix:{path}"],
                                capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(second.returncode, 1)
        self.assertIn("Address already in use", second.stderr)
        self.assertEqual(first.end(), 0)

    def test_a_name_that_another_one_has(self):
        """Whose file it is removes it: not one that was there before, under another file of that name."""
        path = f"{DIR}/name.sock"
        first = self.daemon("name", f"--listen=unix:{path}")
        os.remove(path)
        second = self.daemon("name", f"--listen=unix:{path}")
        self.assertEqual(first.end(), 0)
        with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as stream:
            client.settimeout(PATIENCE_S)
            client.connect(path)
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(read_answer(stream)[0], (200, 503))
        self.assertEqual(second.end(), 0)
        self.assertFalse(os.path.exists(path))

    def test_token(self):
        with open(f"{DIR}/token.txt", "w", encoding="ascii") as file:
            file.write("0123456789abcdef\n")
        path = f"{DIR}/token.sock"
        daemon = self.daemon("token", f"--token-file={DIR}/token.txt", f"--listen=unix:{path}")
        for token, status in ((None, 401), ("Bearer 0123456789abcdeX", 401), ("0123456789abcdef", 401),
                              ("Bearer 0123456789abcdef", 200)):
            headers = {"Authorization": token} if token else {}
            self.assertEqual(daemon.ask("GET", "/workers", **headers)[0], status)
        self.assertNotEqual(daemon.ask("GET", "/health")[0], 401)
        self.assertNotEqual(daemon.ask("GET", "http://x/health")[0], 401)
        self.assertEqual(daemon.ask("GET", "http://x/workers")[0], 401)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET /workers HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with client.makefile("rb") as stream:
                self.assertEqual(read_answer(stream)[0], 200)

    def test_frequencies(self):
        """Of ranks that hold more and less of it, in any order."""
        daemon = self.daemon("many")
        held = {4: 3, 5: 12, 6: 1, 7: 3, 8: 11}
        feed = subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={daemon.directory}", "--block-tokens=1", "--hold", "-",
                                 "--model=example"], stdin=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(feed.wait)
        self.addCleanup(feed.kill)
        for rank, blocks in held.items():
            feed.stdin.write(json.dumps({"worker": rank, "type": "stored", "names": PROMPT[:blocks],
                                         "token_ids": PROMPT[:blocks]}) + "\n")
        feed.stdin.close()
        scores = {str(rank): {"0": blocks} for rank, blocks in held.items()}

        def asked():
            status, answer = daemon.ask("POST", "/query", query(PROMPT))
            return status == 200 and answer["scores"] == scores and answer
        self.assertEqual(until(asked, "not all are seen")["frequencies"],
                         [sum(blocks > i for blocks in held.values()) for i in range(len(PROMPT))])

    def test_slow_clients(self):
        """They wait for nobody but themselves, and not for ever."""
        daemon = self.daemon("slow", "--request-timeout=500ms")
        with contextlib.ExitStack() as stack:
            stack.enter_context(worker(daemon.directory))
            clients = [stack.enter_context(daemon.connect()) for _ in range(300)]
            streams = [stack.enter_context(client.makefile("rb")) for client in clients[:3]]
            for client in clients[2:]:
                client.sendall(b"POST /query HT")

            def is_answered():
                clients[0].sendall(as_request(query(PROMPT)))
                return json.loads(read_answer(streams[0])[2]) == HELD

            until(is_answered, "the worker is never seen")
            self.assertEqual(read_answer(streams[2])[0], 408)
            self.assertEqual(streams[2].read(), b"")
            clients[1].sendall(as_request(query(PROMPT)))  # who is idle is not slow
            self.assertEqual(json.loads(read_answer(streams[1])[2]), HELD)

    def test_deaf_peers(self):
        """Those that pipeline and take no answer cost others no time, and little memory."""
        daemon = self.daemon("deaf")
        until(daemon.at_work, "it never works")
        requests = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20000
        with contextlib.ExitStack() as stack:
            for _ in range(100):
                client = stack.enter_context(daemon.connect())
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    client.send(requests)
            until(daemon.at_work, "others are not served")
            with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
                pages = int(file.read().split()[1])
            if "asan" not in BIN and "tsan" not in BIN:  # whose own memory is more
                self.assertLess(pages * resource.getpagesize(), 100 << 20)
            self.assertEqual(daemon.end(), 0)

    def test_no_body_without_a_token(self):
        with open(f"{DIR}/body.txt", "w", encoding="ascii") as file:
            file.write("0123456789abcdef\n")
        daemon = self.daemon("body", f"--token-file={DIR}/body.txt")
        with daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(as_request(b" " * 100000)[:1000])
            self.assertEqual(read_answer(stream)[0], 401)

    def test_without_descriptors(self):
        """Two sockets to listen on, more who connect than can be: both are served again afterwards.

        io_uring keeps the limit that its process began with."""
        path = f"{DIR}/few.sock"
        daemon = self.daemon("few", f"--listen=unix:{path}")
        until(daemon.at_work, "it never works")
        most = max(map(int, os.listdir(f"/proc/{daemon.process.pid}/fd"))) + 4
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (most, most))
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(daemon.connect())
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(path)
        self.assertTrue(until(lambda: self.is_served(daemon.connect), "TCP is deaf"))
        self.assertTrue(until(lambda: self.is_served(lambda: self.connect_to(path)), "the file is"))

    def test_connections_leave_descriptors(self):
        """Half of them are not for connections, whatever was asked for."""
        limits = {"preexec_fn": lambda: (die_with_parent(),
                                         resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))}
        daemon = self.daemon("half", "--connections=60", process=limits)
        until(daemon.at_work, "it never works")

        def sockets():
            return sum(link.startswith("socket:") for link in links(daemon.process.pid))

        before = sockets()
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                last = stack.enter_context(daemon.connect())
            self.assertEqual(last.recv(1), b"")  # one too many
            self.assertLessEqual(sockets(), before + 32)
        self.assertTrue(until(lambda: self.is_served(daemon.connect), "it takes none afterwards"))

    @staticmethod
    def connect_to(path):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE_S)
        client.connect(path)
        return client

    @staticmethod
    def is_served(connect):
        """Not so where it is closed at once, since there are too many."""
        with contextlib.suppress(OSError, IndexError), connect() as client, \
                client.makefile("rb") as stream:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return read_answer(stream)[0] in (200, 503)
        return False

    def test_the_successor_keeps_its_socket(self):
        path = f"{DIR}/next.sock"
        first = self.daemon("next", f"--listen=unix:{path}")
        with first.connect() as deaf:  # so the first one has answers to give when its name is gone
            flood(deaf)
            first.process.send_signal(signal.SIGTERM)
            until(lambda: not os.path.exists(path), "the name is never free")
            second = self.daemon("next", f"--listen=unix:{path}")
            self.assertEqual(first.process.wait(PATIENCE_S), 0)
        self.assertTrue(os.path.exists(path))
        self.assertEqual(second.end(), 0)

    def test_another_directory_has_the_name(self):
        daemon, other = self.daemon("here"), self.daemon("there")
        until(daemon.at_work, "it never works")
        with worker(daemon.directory):
            until(lambda: daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD), "no worker")
        with worker(other.directory):
            until(lambda: other.ask("POST", "/query", query(PROMPT)) == (200, HELD), "no worker")
            os.rename(daemon.directory, f"{daemon.directory}.old")
            os.rename(other.directory, daemon.directory)
            other.process.kill()
            until(lambda: daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD),
                  "it answers from the old one")

    def test_the_directory_is_made_anew(self):
        daemon = self.daemon("anew")
        until(daemon.at_work, "it never works")
        shutil.rmtree(daemon.directory)
        until(lambda: os.path.exists(f"{daemon.directory}/bell"), "the directory is not made again")
        with worker(daemon.directory):
            until(lambda: daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD),
                  "the worker is never seen")

    def test_another_takes_over(self):
        first = self.daemon("two")
        until(first.at_work, "the first one never works")
        second = self.daemon("two")
        with worker(first.directory):
            for daemon in first, second:
                until(lambda d=daemon: d.ask("POST", "/query", query(PROMPT)) == (200, HELD),
                      "the worker is never seen")
            until(lambda: second.ask("GET", "/health") == (200, {"status": "ok", "indexer": "standing by"}),
                  "the second one never stands by")
            first.process.kill()
            first.process.wait()
            until(second.at_work, "nobody takes over")
            until(lambda: second.ask("POST", "/query", query(PROMPT)) == (200, HELD),
                  "the worker is lost")

    def test_takes_over_within_a_second(self):
        """Once is enough: a busy machine may be late, again and again. But each time the one at work dies just when
        the other has looked, so that all of its wait for the next look is in each time."""
        active, took = self.daemon("soon"), []
        until(active.at_work, "the first one never works")
        while not took or min(took) > TAKEOVER_S:
            self.assertLess(len(took), TAKEOVERS, f"seconds: {took}")
            following = self.daemon("soon")
            until(lambda d=following: d.ask("GET", "/health")[1]["indexer"] == "standing by", "it never stands by")
            begin = time.monotonic()
            active.process.kill()
            until(following.at_work, "nobody takes over")
            took.append(time.monotonic() - begin)
            active.process.wait()
            active = following


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
