#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a client may do wrong, or very often: test_limits.py BIN_DIR io_uring|epoll DIR. With RDX_LONG=1 there are ten
thousand connections, where the limit of descriptors can be raised so far."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import unittest

from rig import (BIN, DIR, HELD, NOTHING, PATIENCE_S, PROMPT, Daemon, as_request, die_with_parent, query,
                 read_answer, until, worker)
from v1_rig import feed, stored

LONG = os.environ.get("RDX_LONG") == "1"
CROWD = 10_000 if LONG else 1_500
SPARE = 128  # descriptors of the test that are none of the crowd's
ASKING = 8   # connections of the daemon, likewise
CONNECTION_BYTES = 4096  # of the daemon's own memory for one that is idle, and for what every third one asked
PAGES = 200              # of 40 KiB and more each: together more than a socket takes
GROWTH = 1 << 20         # bytes that may come besides, of a heap that is cut into other pieces
IS_PLAIN = not re.search("[at]san", BIN)
TOKEN = "0123456789abcdef"
STRANGERS = 400  # at most
BOUND = 64 << 20  # of --http-mib=64; large pieces have half of it
SMALL = 1 << 20
LONG_NAME = f"--instance=http://{'x' * 100}"  # in each row of an answer
WHOLE = as_request(query(PROMPT))


def connect_to(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_S)
    client.connect(path)
    return client


def small_socket(daemon):
    """Of which the kernel keeps little."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE_S)
    client.connect(("127.0.0.1", daemon.port))
    return client


def with_tokens(text):
    return b'{"model_name":"example","token_ids":' + text + b"}"


def with_hashes(text):
    return b'{"model_name":"example","block_hashes":' + text + b"}"


class Wrong(unittest.TestCase):
    """Each wrong request has its status, and costs nobody else anything."""

    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.path = f"{DIR}/wrong.sock"
        cls.daemon = Daemon("wrong", f"--listen=unix:{cls.path}")
        cls.stack.callback(cls.daemon.close)
        cls.stack.enter_context(worker(cls.daemon.directory))
        until(lambda: cls.daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD), "no worker")

    def check_bodies(self, path, cases):
        """All over one connection, at once: the answers come in order, and it goes on."""
        requests = b"".join(as_request(body).replace(b"/query", path, 1) for body, _ in cases)
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(requests + WHOLE)
            for body, status in cases:
                with self.subTest(body=body[-80:]):
                    self.assertEqual(read_answer(stream)[0], status)
            self.assertEqual(json.loads(read_answer(stream)[2]), HELD)

    def test_no_utf8(self):
        """Nor half of a surrogate pair, where the text is asked for."""
        bad = (b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xff")
        halves = (b"\\ud800", b"\\ud800\\u0041")
        with_text = b'{"token_ids":[1],"model_name":"example","%s":"%s"}'
        self.check_bodies(b"/query", [(with_text % (b"x", text), 400) for text in bad])
        self.check_bodies(b"/query", [(with_text % (b"x", text), 200) for text in halves])
        self.check_bodies(b"/query", [(with_text % (b"lora_name", text), 400) for text in bad + halves])
        self.check_bodies(b"/query", [(b'{"\xff":1,"token_ids":[1],"model_name":"example"}', 400),
                                      (with_text % (b"x", "\u00e9\U0001f600".encode()), 200),
                                      (with_text % (b"x", b"\\ud83d\\ude00"), 200),
                                      (with_text % (b"x", b"\n"), 400), (with_text % (b"lora_name", b"a\\u0000b"), 422)])

    def test_members_twice(self):
        rest = b'"token_ids":[1],"model_name":"example"'
        self.check_bodies(b"/query", [
            (b"{" + rest + b',"model_name":"example"}', 422), (b"{" + rest + b',"token_ids":[]}', 422),
            (b"{" + rest + b',"model\\u005fname":"example"}', 422), (b"{" + rest + b',"x":1,"x":2}', 200),
            (b"{" + rest + b',"lora_name":"a","lora_name":"a"}', 422), (b"{" + rest + b',"cache_salt":null}', 200)])
        self.check_bodies(b"/query_by_hash", [
            (b'{"model_name":"example","block_hashes":[1],"block_hashes":[1]}', 422)])

    def test_numbers(self):
        """Of 32 bits, none below 0; hashes of 64, with a sign or without."""
        never = (b"01", b"+1", b"1.", b".5", b"-", b"NaN", b"Infinity", b"0x1", b"1e400", b"1" * 400, b"--1")
        other = (b"-1", b"1.5", b"1e3", b'"1"', b"true", b"[1]", b"{}", b"null")
        for path, take in ((b"/query", with_tokens), (b"/query_by_hash", with_hashes)):
            self.check_bodies(path, [(take(b"[%s]" % text), 400) for text in never])
            self.check_bodies(path, [(take(text), 422) for text in (b"1", b'"1"', b"{}", b"true")])
        self.check_bodies(b"/query", [(with_tokens(b"[%s]" % text), 422) for text in
                                      (*other, b"4294967296", b"18446744073709551615", b"-9223372036854775808")])
        self.check_bodies(b"/query", [(with_tokens(b"[%s]" % text), 200) for text in (b"0", b"4294967295")])
        self.check_bodies(b"/query_by_hash", [(with_hashes(b"[%s]" % text), 422) for text in other[1:]])
        self.check_bodies(b"/query_by_hash", [(with_hashes(b"[%s]" % text), 200) for text in
                                              (b"-1", b"18446744073709551615", b"-9223372036854775808")])

    def test_deep_and_cut(self):
        body = json.dumps(query(PROMPT)).encode()
        self.check_bodies(b"/query", [(b'{"x":' + b"[" * 100_000, 400), (b"[" * 100_000 + b"]" * 100_000, 400),
                                      (b'{"x":' * 5000 + b"1" + b"}" * 5000, 400), (body + b"x", 400),
                                      (body + b"  \n", 200), (b"\0" + body, 400)])
        self.check_bodies(b"/query", [(body[:count], 400) for count in range(len(body))])

    def refused(self, request, status):
        """And the connection is over."""
        with self.subTest(request=request[:80]), self.daemon.connect() as client, \
                client.makefile("rb") as stream:
            client.sendall(request)
            self.assertEqual(read_answer(stream)[0], status)
            self.assertEqual(stream.read(), b"")

    def test_lengths(self):
        head = b"POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        for length in b"-1", b"+5", b"5x", b"0x5", b"18446744073709551616", b"9" * 100, b"1\r\nContent-Length: 2":
            self.refused(head + b"Content-Length: " + length + b"\r\n\r\n", 400)
        for length in b"8388609", b"18446744073709551615":
            self.refused(head + b"Content-Length: " + length + b"\r\n\r\n", 413)
        chunked = head + b"Transfer-Encoding: chunked\r\n"
        self.refused(chunked + b"Content-Length: 5\r\n\r\n", 400)
        for size in b"x", b"-1", b"f" * 17, b"\n":
            self.refused(chunked + b"\r\n" + size + b"\r\n", 400)
        piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        with self.daemon.connect() as client, client.makefile("rb") as stream:  # no length says how much comes
            with contextlib.suppress(ConnectionError):
                client.sendall(chunked + b"\r\n" + piece * 9)
            self.assertEqual(read_answer(stream)[0], 413)

    def test_heads(self):
        for line in b"GET / HTTP/9.9", b"GET", b"\0\0\0\0", b"GET / HTTP/1.1\r\nNo colon here":
            self.refused(line + b"\r\n\r\n", 400)
        line = b"GET /health HTTP/1.1\r\n"
        for header in b"a: b\r\n", b"a:\r\n":  # a line of its own each
            self.refused(line + header * 5000 + b"\r\n", 431)
        self.refused(b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n", 431)
        self.refused(line + b"x" * 20000 + b": y\r\n\r\n", 431)

    def half_close(self, connect, data, whole):
        """So many answers, then the end."""
        with connect() as client, client.makefile("rb") as stream:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            for _ in range(whole):
                self.assertEqual(json.loads(read_answer(stream)[2]), HELD)
            self.assertEqual(stream.read(), b"")

    def test_half_closed(self):
        """Whatever was asked for before is answered, wherever it was cut."""
        for connect in self.daemon.connect, lambda: connect_to(self.path):
            self.half_close(connect, WHOLE * 50, 50)
            for cut in (1, 20, len(WHOLE) // 2, len(WHOLE) - 1):
                self.half_close(connect, WHOLE * 3 + WHOLE[:cut], 3)
                self.half_close(connect, WHOLE[:cut], 0)
            self.half_close(connect, b"", 0)

    def test_half_closed_while_it_answers(self):
        """There are more answers than the kernel takes: the end comes while one is sent."""
        request = b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with connect_to(self.path) as client, client.makefile("rb") as stream:
            client.sendall(request * PAGES)
            client.shutdown(socket.SHUT_WR)
            for _ in range(2):
                until(self.daemon.at_work, "nobody else is answered")  # behind what the client has sent
            for _ in range(PAGES):
                self.assertEqual(read_answer(stream)[0], 200)
            self.assertEqual(stream.read(), b"")

    def test_slow(self):
        """A head, or a body, that does not come to its end is waited for half a second, on either kind of socket;
        whoever asks meanwhile is answered."""
        cuts, path = (1, 20, len(WHOLE) - 5), f"{DIR}/slow.sock"
        with contextlib.ExitStack() as stack:
            daemon = Daemon("slow", f"--listen=unix:{path}", "--request-timeout=500ms")
            stack.callback(daemon.close)
            until(daemon.at_work, "it never works")
            slow = []
            for cut in cuts * 30:
                for connect in daemon.connect, lambda: connect_to(path):
                    client = stack.enter_context(connect())
                    client.sendall(WHOLE[:cut])
                    slow.append(stack.enter_context(client.makefile("rb")))
            for _ in range(20):
                until(daemon.at_work, "nobody else is answered")
            for stream in slow:
                self.assertEqual(read_answer(stream)[0], 408)
                self.assertEqual(stream.read(), b"")

    def test_who_reads_slowly(self):
        """Gets all of it, byte by byte, while others are answered."""
        count = 40
        with self.daemon.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.sendall(WHOLE * count + as_request(query([])))
            got = b""
            while got.count(b"HTTP/1.1 200") < count + 1 or not got.endswith(json.dumps(NOTHING, separators=(
                    ",", ":")).encode()):
                piece = client.recv(7)
                self.assertTrue(piece)
                got += piece
                if len(got) % 1000 < 7:
                    self.assertEqual(self.daemon.ask("POST", "/query", query(PROMPT[:8])), (200, HELD))
        self.assertEqual(got.count(b"HTTP/1.1 200"), count + 1)


class Together(unittest.TestCase):
    """What all connections keep of requests and answers has one bound, and is given back."""

    def daemon(self, name, *options):
        daemon = Daemon(name, "--request-timeout=1h", *options)
        self.addCleanup(daemon.close)
        until(daemon.at_work, "it never works")
        return daemon

    @staticmethod
    def metric(daemon, name, token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return next(float(line.split()[-1]) for line in daemon.ask("GET", "/metrics", **headers)[1].splitlines()
                    if line.startswith(f"ringdex_http_{name} "))

    def until_given_back(self, daemon):
        until(lambda: self.metric(daemon, "memory_bytes") < SMALL, "memory is never given back")

    @staticmethod
    def write_token(name):
        path = f"{DIR}/{name}.txt"
        with open(path, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(TOKEN)
        return path

    def test_bodies_that_nobody_reads(self):
        """Those of routes that take none are passed over, with and without a token; so are unknown routes'."""
        guarded, free = self.daemon("guarded", f"--token-file={self.write_token('together')}"), self.daemon("free")
        for daemon, token, requests in ((guarded, TOKEN, (("GET /health", 200),)),
                                        (free, None, (("GET /health", 200), ("GET /workers?x=1", 200), ("PUT /query", 405),
                                                      ("POST /nothing", 404)))):
            with contextlib.ExitStack() as stack:
                clients = []
                for line, status in requests * 5:
                    client = stack.enter_context(daemon.connect())
                    client.sendall(f"{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {8 << 20}\r\n\r\n".encode())
                    client.sendall(b" " * ((8 << 20) - 1))  # more than the kernel keeps
                    clients.append((client, status))
                self.assertLess(self.metric(daemon, "memory_bytes", token), SMALL)
                for client, status in clients:
                    client.sendall(b" ")
                    with client.makefile("rb") as stream:
                        self.assertEqual(read_answer(stream)[0], status)
        with free.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                client.sendall((b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 9)
            self.assertEqual(read_answer(stream)[0], 413)

    def test_bodies(self):
        """Above the bound they are refused, to be sent again; small requests are answered meanwhile."""
        daemon = self.daemon("bodies", "--http-mib=64")
        with worker(daemon.directory), contextlib.ExitStack() as stack:
            until(lambda: daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD), "no worker")
            body = json.dumps(query(PROMPT)).encode()
            whole = as_request(b" " * ((8 << 20) - len(body)) + body)
            clients = [stack.enter_context(daemon.connect()) for _ in range(12)]
            for client in clients:
                with contextlib.suppress(ConnectionError):
                    client.sendall(whole[:-1])
            self.assertEqual(daemon.ask("POST", "/query", query(PROMPT)), (200, HELD))
            self.assertLess(self.metric(daemon, "memory_bytes"), BOUND / 2 + SMALL)
            statuses = [self.finish(client, whole[-1:]) for client in clients]
            self.assertIn(200, statuses)
            self.assertGreaterEqual(self.metric(daemon, "memory_refused_total"), 12 - statuses.count(200))
            self.assertGreaterEqual(self.metric(daemon, "memory_refused_total"), 6)
            self.until_given_back(daemon)
            with daemon.connect() as client, client.makefile("rb") as stream:  # one at a time is no trouble
                for _ in range(4):
                    client.sendall(whole)
                    self.assertEqual(json.loads(read_answer(stream)[2]), HELD)
            self.until_given_back(daemon)
            self.assertEqual(daemon.end(), 0)

    def finish(self, client, rest):
        """The status; 503 also where the connection was over before that was read."""
        with contextlib.suppress(ConnectionError), client.makefile("rb") as stream:
            with contextlib.suppress(ConnectionError):
                client.sendall(rest)
            status, headers, _ = read_answer(stream)
            if status == 503:
                self.assertEqual((headers["retry-after"], headers["connection"]), ("1", "close"))
            return status
        return 503

    def test_answers_that_nobody_takes(self):
        """Likewise. What was begun is sent to its end."""
        path = f"{DIR}/together.sock"
        daemon = self.daemon("untaken", f"--listen=unix:{path}", "--http-mib=64")
        tokens = [1, 2, 3, 4]
        with feed(daemon.directory, [stored(i, [2 * i + 1, 2 * i + 2], tokens) for i in range(60)], LONG_NAME), \
                contextlib.ExitStack() as stack:
            body = {"model": "m", "prompts": [{"tokens": tokens}] * 64}

            def rows():
                status, said = daemon.ask("POST", "/v1/query", {**body, "prompts": body["prompts"][:1]})
                return len(said["answers"][0]["ranks"]) if status == 200 else 0
            until(lambda: rows() == 60, "not all are seen")
            clients = [stack.enter_context(connect_to(path)) for _ in range(24)]  # of which 15 fit
            for client in clients:
                client.sendall(as_request(body).replace(b"/query", b"/v1/query", 1))
            until(lambda: self.metric(daemon, "memory_refused_total") >= 5, "all answers are kept")
            self.assertLess(self.metric(daemon, "memory_bytes"), BOUND / 2 + SMALL)
            self.assertEqual(rows(), 60)
            statuses = []
            for client in clients:
                with client.makefile("rb") as stream:
                    status, headers, said = read_answer(stream)
                    said = json.loads(said)
                    statuses.append(status)
                    if status == 200:
                        self.assertEqual([len(one["ranks"]) for one in said["answers"]], [60] * 64)
                    else:
                        self.assertEqual((status, headers["retry-after"], stream.read()), (503, "1", b""))
            self.assertGreater(statuses.count(200), 5)
            self.until_given_back(daemon)
            self.assertEqual(daemon.end(), 0)

    def test_those_without_the_token(self):
        """Have a quarter together, so that who has it is answered whatever they do."""
        daemon = self.daemon("strangers", f"--token-file={self.write_token('strangers')}", "--http-mib=64")
        authorized = f"Authorization: Bearer {TOKEN}"
        quarter = BOUND / 4
        with worker(daemon.directory), contextlib.ExitStack() as stack:
            asked = {"authorization": f"Bearer {TOKEN}"}
            until(lambda: daemon.ask("POST", "/query", query(PROMPT), **asked) == (200, HELD), "no worker")
            request = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
            strangers = []

            def is_full():  # each keeps a page, and some of what it asks besides
                strangers.append(client := stack.enter_context(small_socket(daemon)))
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    while client.send(request * 100):
                        pass
                return self.metric(daemon, "memory_refused_total", TOKEN)
            while not is_full():
                self.assertLess(len(strangers), STRANGERS, "they are never refused")
                self.assertLess(self.metric(daemon, "memory_bytes", TOKEN), quarter + SMALL)
            body = json.dumps(query(PROMPT)).encode()
            with daemon.connect() as client, client.makefile("rb") as stream:  # what it keeps is not of that quarter
                client.sendall(as_request(b" " * ((8 << 20) - len(body)) + body, authorized))
                status, _, said = read_answer(stream)
                self.assertEqual((status, json.loads(said)), (200, HELD))
            stack.close()
            until(lambda: self.metric(daemon, "memory_bytes", TOKEN) < SMALL, "memory is never given back")
            self.assertEqual(daemon.end(), 0)

    def test_no_token_any_more(self):
        """Who connected while there was one is no stranger when a reload takes it away."""
        config = f"{DIR}/any.conf"

        def configure(text):
            with open(config, "w", encoding="ascii") as file:
                file.write(text)
        configure(f"token-file = {self.write_token('any')}\n")
        daemon = self.daemon("any", "--http-mib=64", "--idle-timeout=1h", f"--config={config}")
        with worker(daemon.directory), daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(read_answer(stream)[0], 200)
            configure("")
            daemon.process.send_signal(signal.SIGHUP)
            until(lambda: daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD), "there is a token all the same")
            body = json.dumps(query(PROMPT)).encode()
            client.sendall(as_request(b" " * ((8 << 20) - len(body)) + body))  # more than one of a quarter may keep
            self.assertEqual(read_answer(stream)[0], 200)
        self.assertEqual(daemon.end(), 0)

    def test_refusals_are_counted(self):
        """By the class of their status, and those without the token."""
        daemon = self.daemon("counted", f"--token-file={self.write_token('counted')}", "--request-timeout=500ms")
        refused = "answers_total{class=\"4xx\"}"
        before = self.metric(daemon, refused, TOKEN)
        for _ in range(5):
            self.assertEqual(daemon.ask("GET", "/workers")[0], 401)
        authorized = f"Authorization: Bearer {TOKEN}\r\n".encode()
        for request, status in ((b"NONSENSE\r\n\r\n", 400), (b"GET /he", 408),
                                (b"POST /query HTTP/1.1\r\n" + authorized + b"Content-Length: 99999999\r\n\r\n", 413)):
            with daemon.connect() as client, client.makefile("rb") as stream:
                client.sendall(request)
                self.assertEqual(read_answer(stream)[0], status)
        self.assertEqual(self.metric(daemon, refused, TOKEN) - before, 8)
        self.assertEqual(self.metric(daemon, "unauthorized_total", TOKEN), 5)


def allow(descriptors):
    """As many, or as many as may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, descriptors)
    if wanted > hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


class Idle(unittest.TestCase):
    """Very many that ask nothing."""

    def setUp(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (
            before[0], resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
        allow(CROWD + SPARE)
        # half of a daemon's descriptors are for connections
        self.daemon = Daemon("idle", "--connections=20000", process={
            "preexec_fn": lambda: (die_with_parent(), allow(2 * (CROWD + ASKING)))})
        self.addCleanup(self.daemon.close)
        until(self.daemon.at_work, "it never works")
        self.pid = self.daemon.process.pid
        theirs = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)[1] // 2
        ours = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.crowd = min(CROWD, theirs - ASKING, ours - SPARE)

    def own_bytes(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def open_connections(self):
        return next(int(line.split()[1]) for line in self.daemon.ask("GET", "/metrics")[1].splitlines()
                    if line.startswith("ringdex_http_connections_open "))

    def gather(self, stack):
        """All of them connected; every third one has asked once."""
        for i in range(self.crowd):
            client = stack.enter_context(self.daemon.connect())
            if i % 3 == 0:
                client.sendall(WHOLE)
                with client.makefile("rb") as stream:
                    self.assertEqual(read_answer(stream)[0], 200)
        until(lambda: self.open_connections() >= self.crowd, "not all are taken")
        return client

    def test_crowd(self):
        with worker(self.daemon.directory):
            until(lambda: self.daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD), "no worker")
            for _ in range(200):  # buffers that all share are touched
                self.daemon.ask("POST", "/query", query(PROMPT))
            alone, fds, taken = self.own_bytes(), self.fds(), []
            for _ in range(3):
                with contextlib.ExitStack() as stack:
                    last = self.gather(stack)
                    for _ in range(20):
                        self.assertEqual(self.daemon.ask("POST", "/query", query(PROMPT)), (200, HELD))
                    last.sendall(WHOLE)  # one of them wakes
                    with last.makefile("rb") as stream:
                        self.assertEqual(json.loads(read_answer(stream)[2]), HELD)
                    until(lambda: not IS_PLAIN or self.own_bytes() - alone <
                          self.crowd * CONNECTION_BYTES + GROWTH,
                          f"{self.crowd} idle connections keep more than {CONNECTION_BYTES} bytes each")
                    taken.append(self.own_bytes())
                until(lambda: self.open_connections() == 1, "they never leave")
                until(lambda: self.fds() <= fds + 1, "their descriptors never do")
            print(f"{self.crowd} idle connections: {(taken[0] - alone) >> 10} KiB, "
                  f"{(taken[2] - alone) >> 10} KiB the third time")
            if IS_PLAIN:
                self.assertLess(taken[2] - taken[0], GROWTH)
            self.assertEqual(self.daemon.end(), 0)


if __name__ == "__main__":
    unittest.main(argv=["test_limits.py"], verbosity=2)
