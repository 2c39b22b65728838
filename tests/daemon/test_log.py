#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whoever reads what ringdexd says, and stops, or goes: nothing waits for him. test_log.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import fcntl
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tty
import unittest

from rig import BIN, DIR, HELD, LOOP, PATIENCE_S, PROMPT, Daemon, die_with_parent, query, until, worker

SAID = re.compile(r" debug (\S+): \d+ in | warning lost lines of this log: (\d+), since ")
LONG_PATH = "x" * 3000
ENOUGH = 20000  # requests, by which a log that nobody reads must be full


def pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def stream_socket():
    """As journald's."""
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


def terminal():
    reader, writer = os.openpty()
    tty.setraw(writer)
    return reader, writer


KINDS = {"pipe": pipe, "socket": stream_socket, "terminal": terminal}


class Reader:
    """Reads a descriptor from now on."""

    def __init__(self, fd):
        self.fd, self.bytes = fd, b""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):  # of a terminal that has no other side any more
            while (came := os.read(self.fd, 65536)):
                self.bytes += came

    def events(self):
        """Paths that were asked for, and numbers of lines that were lost."""
        found = (SAID.search(line) for line in self.bytes.decode().splitlines(keepends=True) if line.endswith("\n"))
        return [match[1] or int(match[2]) for match in found if match]


class Asked:
    """One daemon that says each request, and what it was asked."""

    def __init__(self, case, name, make):
        self.case, self.paths = case, []
        self.reader, writer = make()
        case.addCleanup(os.close, self.reader)
        try:
            self.daemon = Daemon(name, "--log-level=debug",
                                 process={"stderr": writer, "preexec_fn": die_with_parent})
        finally:
            os.close(writer)
        case.addCleanup(self.daemon.close)
        self.client = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        case.addCleanup(self.client.close)

    def ask(self, path):
        self.client.request("GET", path)
        self.paths.append(path)
        answer = self.client.getresponse()
        return answer.status, answer.read().decode()

    def lost(self):
        return int(re.search(r"^ringdex_log_lines_lost_total (\d+)$", self.ask("/metrics")[1], re.M)[1])

    def fill(self):
        """Until what it says is lost; a short line behind a long one, which may fit where that does not."""
        for i in range(ENOUGH):
            self.case.assertEqual(self.ask(f"/{i}/{LONG_PATH if i % 2 else ''}")[0], 404)
            if i % 20 == 19 and self.lost():
                return
        self.case.fail("nothing is ever lost")


class Log(unittest.TestCase):
    def each(self, name, check):
        for kind, make in KINDS.items():
            with self.subTest(kind=kind):
                asked = Asked(self, f"{name}-{kind}", make)
                until(lambda asked=asked: '"at work"' in asked.ask("/health")[1], "it never works")
                check(asked)
                self.assertEqual(asked.daemon.end(), 0)

    def assert_told(self, events, paths):
        """Each line stands there, in the order of the requests, or is one of those said to be lost there."""
        at = 0
        for event in events:
            if isinstance(event, int):
                at += event
            else:
                self.assertEqual(event, paths[at])
                at += 1
        return at

    def tells_what_is_lost(self, asked):
        asked.fill()
        reader = Reader(asked.reader)
        until(lambda: asked.ask("/behind") and any(isinstance(event, int) for event in reader.events()),
              "it never says that lines were lost")
        asked.ask("/last")
        until(lambda: "/last" in reader.events(), "its log does not go on")
        events = reader.events()
        self.assertEqual(self.assert_told(events, asked.paths), len(asked.paths))
        self.assertEqual(sum(event for event in events if isinstance(event, int)), asked.lost())

    def test_that_is_read_again(self):
        self.each("again", self.tells_what_is_lost)

    def goes_on_unread(self, asked):
        asked.fill()
        with worker(asked.daemon.directory):
            until(lambda: asked.daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD),
                  "nothing is indexed meanwhile")

    def test_that_nobody_reads(self):
        """It answers, indexes, and ends when it is told to."""
        self.each("unread", self.goes_on_unread)

    def goes_on_alone(self, asked):
        with open("/dev/null", "rb") as nothing:
            os.dup2(nothing.fileno(), asked.reader)
        lost = asked.lost()
        for _ in range(10):
            self.assertEqual(asked.ask("/gone")[0], 404)
            asked.daemon.process.send_signal(signal.SIGHUP)  # says that it reads again
        until(lambda: asked.lost() >= lost + 10, "lines that nobody can read are not counted")

    def test_whose_reader_goes(self):
        self.each("goes", self.goes_on_alone)

    def start(self, name, stdout):
        path = f"{DIR}/{name}.sock"
        process = subprocess.Popen([f"{BIN}/ringdexd", f"--dir={DIR}/{name}", f"--wait={LOOP}", f"--listen=unix:{path}"],
                                   stdout=stdout, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def is_served():
            self.assertIsNone(process.poll(), "it has ended")
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError), socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE_S)
                client.connect(path)
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return client.recv(9) == b"HTTP/1.1 "
        until(is_served, "it never answers")
        process.terminate()
        said = process.stderr.read()
        self.assertEqual(process.wait(PATIENCE_S), 0, said)
        self.assertIn("nobody reads", said)

    def test_output_that_nobody_reads(self):
        reader, writer = pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"x"):
                pass
        os.set_blocking(writer, True)
        try:
            self.start("full", writer)
        finally:
            os.close(reader)
            os.close(writer)

    def test_output_whose_reader_has_gone(self):
        reader, writer = pipe()
        os.close(reader)
        try:
            self.start("closed", writer)
        finally:
            os.close(writer)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
