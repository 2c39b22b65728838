#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--watch of ringdex-ls and ringdex-query: test_watch.py BIN_DIR DIR"""
import json
import signal
import subprocess
import sys
import unittest

from crew import PATIENCE_S, Feed, Follow, die_with_parent, index_state, segments, until
from terminal import Terminal

BIN, DIR = sys.argv[1:3]


class Watch(unittest.TestCase):
    def setUp(self):
        self.dir = f"{DIR}/{self.id().rsplit('.', 1)[1]}"
        self.feed = Feed(BIN, self.dir, 1)
        self.addCleanup(self.feed.close)
        self.feed.store(3)
        until(lambda: "1:0" in segments(BIN, self.dir), "the worker never comes")

    def start(self, program, *options):
        process = subprocess.Popen(
            [f"{BIN}/ringdex-{program}", f"--dir={self.dir}", "--watch=20ms", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.kill)
        return process

    def until_line(self, process, condition):
        for line in process.stdout:
            if condition(line):
                return
        raise AssertionError(process.stderr.read())

    def test_ls_sees_what_changes(self):
        listing = self.start("ls", "--json")
        self.until_line(listing, lambda line: json.loads(line)["segments"][0]["state"] == "live")
        self.feed.kill()
        self.until_line(listing, lambda line: json.loads(line)["segments"][0]["state"] == "dead")
        listing.send_signal(signal.SIGTERM)
        self.assertEqual(listing.wait(PATIENCE_S), 0)
        self.assertEqual(listing.stderr.read(), "")

    def test_tables_stand_apart(self):
        listing = self.start("ls")
        lines = [listing.stdout.readline() for _ in range(5)]
        self.assertTrue(lines[0].startswith("RANK ") and lines[3].startswith("RANK "), lines)
        self.assertEqual(lines[2], "\n")
        listing.send_signal(signal.SIGINT)
        self.assertEqual(listing.wait(PATIENCE_S), 0)

    def test_nobody_reads(self):
        # the next look is far: it ends when the reader goes
        listing = self.start("ls", "--watch=1h")
        self.assertTrue(listing.stdout.readline().startswith("RANK "))
        listing.stdout.close()
        self.assertIn(listing.wait(PATIENCE_S), (0, -signal.SIGPIPE))

    def test_query_sees_what_changes(self):
        follow = Follow(BIN, self.dir)
        self.addCleanup(follow.close)
        until(lambda: index_state(BIN, self.dir, "1:0") == "EXACT", "never indexed")
        request = f"{self.dir}/request"
        with open(request, "w", encoding="ascii") as file:
            file.write("[1000005,1]\n")  # the fifth block that the worker stores
        query = self.start("query", "--json", request)
        self.until_line(query, lambda line: json.loads(line)["ranks"][0][
            "leading_blocks"]["device"] == 0)
        self.feed.store(2)
        self.until_line(query, lambda line: json.loads(line)["ranks"][0][
            "leading_blocks"]["device"] == 1)
        query.send_signal(signal.SIGTERM)
        self.assertEqual(query.wait(PATIENCE_S), 0)
        done = subprocess.run([f"{BIN}/ringdex-query", f"--dir={self.dir}", "--watch", "-"],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--watch wants a file", done.stderr)

    def test_on_a_terminal(self):
        top = Terminal([f"{BIN}/ringdex-ls", f"--dir={self.dir}", "--watch=20ms"],
                       TERM="xterm")
        self.addCleanup(top.close)
        top.screen.take = lambda data: None
        top.until(lambda text: top.raw.count(b"\x1b[H\x1b[J") >= 3, "the screen is not cleared")
        top.press("\x03")  # control and C
        self.assertEqual(top.end(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
