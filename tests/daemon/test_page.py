#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the page is made of: its files and /v1/live, by raw clients: test_page.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import unittest

from rig import BIN, DIR, PATIENCE_S, Daemon, die_with_parent, read_answer, until, worker

STREAMS_MAX = 32  # of tools/ringdexd/live.c
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../package/openapi/ringdexd.json")
HOSTILE = "<img src=x onerror=alert(1)>\"'\\\n\x01\u202e"
TYPES = {"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8",
         "/page.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml"}


class Live:
    """A client of /v1/live that knows of chunks and of server-sent events only what stands in their documents."""

    def __init__(self, connection, *headers, version="1.1"):
        self.connection = connection
        self.stream = connection.makefile("rb")
        lines = [f"GET /v1/live HTTP/{version}", "Host: localhost", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        self.status, self.headers, _ = read_answer(self.stream) if version == "1.1" else (0, {}, b"")
        self.text = b""
        self.pieces = 0

    def read_chunk(self):
        size = int(self.stream.readline(), 16)
        data = self.stream.read(size)
        assert len(data) == size and self.stream.readline() == b"\r\n"
        return data

    def block(self):
        """The next lines up to an empty one; None at the end."""
        while b"\n\n" not in self.text:
            piece = self.read_chunk()
            if not piece:
                return None
            self.pieces += 1
            self.text += piece
        block, self.text = self.text.split(b"\n\n", 1)
        return block.decode().split("\n")

    def data(self):
        """Of the next event; None at the end."""
        while (block := self.block()) is not None:
            if block[0] == "event: overview":
                assert len(block) == 2 and block[1].startswith("data: "), block
                return block[1][len("data: "):]
        return None

    def overview(self):
        return json.loads(self.data())

    def until(self, condition, what):
        return until(lambda: (it := self.overview()) and condition(it) and it, what)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.connection.close()


def feed(directory, *options):
    """A worker that publishes the lines it is given."""
    return subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={directory}", "--block-tokens=2", "--hold",
                             *options, "-"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            preexec_fn=die_with_parent)


def line(worker_id, kind="stored", **more):
    if kind == "stored":
        more = {"names": [1], "token_ids": [5, 6], "block_size": 2, **more}
    return json.dumps({"worker": worker_id, "type": kind, **more}).encode() + b"\n"


class Page(unittest.TestCase):
    def daemon(self, *arguments, **options):
        daemon = Daemon(*arguments, **options)
        self.addCleanup(daemon.close)
        return daemon

    def feed(self, daemon, *options):
        process = feed(daemon.directory, *options)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def live(self, daemon, *headers):
        live = Live(daemon.connect(), *headers)
        self.addCleanup(live.__exit__)
        return live

    @staticmethod
    def get(daemon, path, *headers, method="GET"):
        """Status, headers and body, of a connection that ends."""
        with daemon.connect() as client, client.makefile("rb") as stream:
            lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
            client.sendall("\r\n".join(lines).encode())
            status, got, body = int(stream.readline().split()[1]), {}, b""
            while (field := stream.readline().strip()):
                name, value = field.split(b": ", 1)
                got[name.decode().lower()] = value.decode()
            body = stream.read()
            assert status == 304 or method == "HEAD" or int(got["content-length"]) == len(body)
            return status, got, body

    def test_files(self):
        daemon = self.daemon("files")
        tags = set()
        for path, kind in TYPES.items():
            status, headers, body = self.get(daemon, path)
            self.assertEqual((status, headers["content-type"]), (200, kind))
            self.assertEqual(headers["cache-control"], "no-cache")
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
            self.assertEqual(policy.pop("default-src"), "'none'")
            self.assertLessEqual(set(policy.values()), {"'self'", "'none'"})
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertEqual(self.get(daemon, path, method="HEAD")[2], b"")
            tag = headers["etag"]
            self.assertTrue(re.fullmatch(r'"[0-9a-f]{16}"', tag), tag)
            tags.add(tag)
            for given in (tag, f'"x", W/{tag}'):
                status, headers, none = self.get(daemon, path, f"If-None-Match: {given}")
                self.assertEqual((status, none, headers["etag"]), (304, b"", tag))
                self.assertNotIn("content-length", headers)
            self.assertEqual(self.get(daemon, path, 'If-None-Match: "x"')[2], body)
        self.assertEqual(len(tags), len(TYPES))

    def test_nothing_from_elsewhere(self):
        daemon = self.daemon("own")
        html = self.get(daemon, "/")[2].decode()
        named = re.findall(r'\b(?:src|href)="([^"#][^"]*)"', html)
        self.assertGreaterEqual({f"/{name}" for name in named}, set(TYPES) - {"/"})
        for path in TYPES:
            text = self.get(daemon, path)[2].decode()
            urls = set(re.findall(r"https?://[^\s\"']+", text)) - {"http://www.w3.org/2000/svg"}
            self.assertEqual(urls, set(), path)
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            self.assertNotIn(word, self.get(daemon, "/page.js")[2].decode())
        for word in (" style=", " onclick=", "<style"):  # which the policy forbids
            self.assertNotIn(word, html)

    def test_kept_alive(self):
        """Files, one not sent again, and an answer after it, on one connection."""
        daemon = self.daemon("alive")
        tag = self.get(daemon, "/page.js")[1]["etag"]
        with daemon.connect() as client, client.makefile("rb") as stream:
            for headers, status in (("", 200), (f"If-None-Match: {tag}\r\n", 304), ("", 200)):
                client.sendall(f"GET /page.js HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
                self.assertEqual(read_answer(stream)[0], status)

    def test_token(self):
        """The files say nothing of anybody, so they need none; what goes on does."""
        with open(f"{DIR}/page-token.txt", "w", encoding="ascii") as file:
            file.write("0123456789abcdef\n")
        daemon = self.daemon("page-token", f"--token-file={DIR}/page-token.txt")
        for path in TYPES:
            self.assertEqual(self.get(daemon, path)[0], 200)
        self.assertEqual(self.get(daemon, "/v1/live")[0], 401)
        live = self.live(daemon, "Authorization: Bearer 0123456789abcdef")
        self.assertEqual(live.status, 200)
        self.assertIn("ranks", live.overview())

    def test_live(self):
        daemon = self.daemon("live")
        until(daemon.at_work, "it never works")
        live = self.live(daemon)
        self.assertEqual(live.status, 200)
        self.assertEqual(live.headers["content-type"], "text/event-stream")
        self.assertEqual(live.headers["cache-control"], "no-store")
        self.assertEqual(live.block(), ["retry: 1000"])
        with worker(daemon.directory):
            one = live.until(lambda it: it["ranks"] and it["ranks"][0]["state"] == "exact" and
                             it["ranks"][0]["last_event_id"] == 3 and it["recoveries"],
                             "the worker's events are never seen")
            rank = one["ranks"][0]
            self.assertEqual({name: rank[name] for name in
                              ("worker", "dp_rank", "model", "tenant", "instance", "block_tokens")},
                             {"worker": 1, "dp_rank": 0, "model": "example", "tenant": "",
                              "instance": "http://localhost:8000", "block_tokens": 4})
            self.assertEqual(rank["held_blocks"], {"device": 3, "host": 0, "disk": 0, "external": 0})
            self.assertEqual((rank["last_event_id"], rank["lag_events"], rank["clears"]), (3, 0, 0))
            self.assertEqual(one["indexer"]["state"], "at work")
            self.assertIn((1, 0), {(it["worker"], it["dp_rank"]) for it in one["recoveries"]})
            other = live.until(lambda it: it["ranks"] and it["ranks"][0]["events_per_second"] is not None, "it has no rate")
            self.assertGreater(other["time_ms"], one["time_ms"])
        live.until(lambda it: it["ranks"] and it["ranks"][0]["state"] == "gone", "it is never gone")

    def test_clears_and_rates(self):
        daemon = self.daemon("clears")
        live = self.live(daemon)
        process = self.feed(daemon)
        process.stdin.write(line(5))
        process.stdin.flush()
        live.until(lambda it: it["ranks"] and it["ranks"][0]["state"] == "exact", "it is never seen")
        process.stdin.write(line(5, "cleared") + line(5))
        process.stdin.flush()
        got = live.until(lambda it: it["ranks"] and it["ranks"][0]["last_event_id"] == 3, "the clear is never seen")
        rank = got["ranks"][0]
        self.assertEqual((rank["clears"], rank["last_barrier_event_id"]), (1, 2))
        self.assertGreater(rank["events_per_second"], 0)
        live.until(lambda it: sum(clears["count"] for clears in it["clears"]) == 1, "no clear is remembered")

    def test_as_described(self):
        """Each member of an overview is in the OpenAPI file, and the other way round."""
        with open(FILE, encoding="ascii") as file:
            schemas = json.load(file)["components"]["schemas"]
        kinds = {"string": str, "integer": int, "number": (int, float), "null": type(None), "object": dict, "array": list}

        def check(value, schema, where):
            schema = {**schemas[schema["$ref"].rsplit("/", 1)[1]], **schema} if "$ref" in schema else schema
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            self.assertTrue(isinstance(value, tuple(kinds[name] for name in names)), (where, value, names))
            self.assertIn(value, schema.get("enum", [value]), where)
            if isinstance(value, dict):
                self.assertEqual(value.keys(), schema["properties"].keys(), where)
                for name, member in value.items():
                    check(member, schema["properties"][name], f"{where}.{name}")
            for element in value if isinstance(value, list) else []:
                check(element, schema["items"], f"{where}[]")

        daemon = self.daemon("described")
        live = self.live(daemon)
        process = self.feed(daemon)
        process.stdin.write(line(5, "cleared"))
        process.stdin.flush()
        got = live.until(lambda it: it["ranks"] and it["recoveries"] and it["clears"], "it is never whole")
        check(got, {"$ref": "#/components/schemas/Overview"}, "overview")

    def test_many_are_told_the_same(self):
        """It is made once, whoever looks on."""
        daemon = self.daemon("same")
        *lives, last = [self.live(daemon) for _ in range(4)]
        told = last.data()
        for live in lives:  # which were told others before
            until(lambda it=live: it.data() == told, "it is never told the same")

    def test_nobody_looks_on(self):
        """Nothing is made then: who comes afterwards is told no rate at first, as there was no look before."""
        daemon = self.daemon("nobody")
        with worker(daemon.directory):
            with Live(daemon.connect()) as live:
                live.until(lambda it: it["ranks"] and it["ranks"][0]["events_per_second"] is not None,
                           "it has no rate")

            def begins_anew():
                with Live(daemon.connect()) as live:
                    ranks = live.overview()["ranks"]
                    return ranks and ranks[0]["events_per_second"] is None
            until(begins_anew, "it is made for nobody")

    def test_bound(self):
        daemon = self.daemon("bound")
        lives = [self.live(daemon) for _ in range(STREAMS_MAX)]
        self.assertEqual({live.status for live in lives}, {200})
        status, answer = daemon.ask("GET", "/v1/live")
        self.assertEqual(status, 503)
        self.assertIn(str(STREAMS_MAX), answer["error"])
        until(daemon.at_work, "others are not served")
        for live in lives:
            self.assertIn("ranks", live.overview())
        lives[0].__exit__()
        until(lambda: self.live(daemon).status == 200, "a place is never free again")

    def test_slow_reader(self):
        """It loses events, each that it gets is whole; others lose none, and memory is none."""
        path = f"{DIR}/slow.sock"
        daemon = self.daemon("slow", f"--listen=unix:{path}")
        process = self.feed(daemon, "--model=" + "\x01" * 250, "--instance=" + "\x02" * 250, "--blocks=64",
                            "--ring-slots=1024")
        process.stdin.write(b"".join(line(8, dp_rank=i) for i in range(64)))
        process.stdin.flush()
        fast = self.live(daemon)
        fast.until(lambda it: len(it["ranks"]) == 64 and {rank["state"] for rank in it["ranks"]} == {"exact"},
                   "not all are seen")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_S)
            client.connect(path)
            slow = Live(client)
            slow.overview()
            memory = self.memory(daemon)
            sent = {fast.overview()["time_ms"] for _ in range(5)}  # by then no more fits
            if "asan" not in BIN and "tsan" not in BIN:  # which keep what was freed
                self.assertLess(self.memory(daemon), memory + (4 << 20))
            newest = max(sent)
            got = {slow.until(lambda it: it["time_ms"] >= min(sent), "nothing comes any more")["time_ms"]}
            while max(got) <= newest:
                got.add(slow.overview()["time_ms"])
            self.assertTrue(sent - got, "it got all of them")
            slow.stream.close()

    @staticmethod
    def memory(daemon):
        with open(f"/proc/{daemon.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def test_hostile_names(self):
        daemon = self.daemon("hostile")
        process = self.feed(daemon, f"--model={HOSTILE}", f"--instance={HOSTILE}" + "é" * 3)
        process.stdin.write(line((1 << 64) - 2))
        process.stdin.flush()
        live = self.live(daemon)
        text = until(lambda: '"state":"exact"' in (it := live.data()) and it, "it is never seen")
        self.assertNotRegex(text, r"[\x00-\x1f]")
        rank = json.loads(text)["ranks"][0]
        self.assertEqual((rank["model"], rank["instance"]), (HOSTILE, HOSTILE + "é" * 3))
        self.assertEqual(rank["worker"], (1 << 64) - 2)

    def test_old_client(self):
        """HTTP/1.0 knows no chunks."""
        daemon = self.daemon("old")
        with Live(daemon.connect(), version="1.0") as live:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += live.stream.readline()
            self.assertNotIn(b"chunked", head)
            self.assertEqual(live.stream.readline(), b"retry: 1000\n")
            self.assertEqual(live.stream.readline(), b"\n")
            self.assertEqual(live.stream.readline(), b"event: overview\n")

    def test_stops(self):
        """Who looks on does not keep it from its end, whether he reads or not."""
        daemon = self.daemon("stops")
        live, _ = self.live(daemon), self.live(daemon)
        live.overview()
        daemon.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionResetError, ValueError):
            until(lambda: live.data() is None, "it goes on")
        self.assertEqual(daemon.process.wait(PATIENCE_S), 0)


if __name__ == "__main__":
    unittest.main(argv=["test_page.py"], verbosity=2)
