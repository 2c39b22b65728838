#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ringdex-top on a terminal, beside workers that work and die: test_top.py BIN_DIR DIR"""
import json
import os
import signal
import subprocess
import sys
import unittest

from crew import Feed, Follow, index_state, segments, until
from terminal import PATIENCE_S, Terminal

BIN, DIR = sys.argv[1:3]


class Top(unittest.TestCase):
    def setUp(self):
        self.dir = f"{DIR}/{self.id().rsplit('.', 1)[1]}"

    def worker(self, worker, blocks, *options):
        feed = Feed(BIN, self.dir, worker, *options)
        self.addCleanup(feed.close)
        feed.store(blocks)
        until(lambda: segments(BIN, self.dir).get(f"{worker}:0", {}).get(
            "last_event_id") == blocks, "the worker never comes")
        return feed

    def indexed(self, *ranks):
        follow = Follow(BIN, self.dir)
        self.addCleanup(follow.close)
        for rank in ranks:
            until(lambda r=rank: index_state(BIN, self.dir, r) == "EXACT", "never indexed")

    def top(self, *options, **terminal):
        shown = Terminal([f"{BIN}/ringdex-top", f"--dir={self.dir}", "--every=50ms", *options],
                         **terminal)
        self.addCleanup(shown.close)
        return shown

    def batch(self, *options):
        return subprocess.run([f"{BIN}/ringdex-top", f"--dir={self.dir}", "--every=20ms",
                               "--batch", *options], stdout=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL, check=True).stdout

    def ranks(self, text):
        """Of the rows that are shown, in their order."""
        return [line.split()[0] for line in text.splitlines()[2:-1] if line.strip()]

    def test_it_shows_what_happens(self):
        first = self.worker(1, 3)
        self.worker(2, 5)
        self.indexed("1:0", "2:0")
        top = self.top()
        top.until(lambda text: text.count("EXACT") == 2 and "an indexer runs" in text,
                  "no rank is shown")
        top.until(lambda text: "2 live of 2 ranks" in text, "no sums")

        def is_whole(text):
            lines = text.splitlines()
            return (lines[1].startswith("RANK* ") and lines[-1].startswith("q quit") and
                    lines[2].split()[:3] == ["1:0", "EXACT", "3"] and
                    lines[3].split()[:3] == ["2:0", "EXACT", "5"])
        top.until(is_whole, "not the rows")
        first.store(4)
        top.until(lambda text: text.splitlines()[2].split()[2] == "7", "its blocks are not shown")
        first.kill()
        top.until(lambda text: text.splitlines()[2].split()[:2] == ["1:0", "dead"] and
                  "1 live of 2 ranks" in text, "its death is not shown")
        top.press("q")
        self.assertEqual(top.end(), 0)

    def test_rates_and_lag(self):
        feed = self.worker(1, 1)
        self.indexed("1:0")
        top = self.top()

        def number(text, title):
            """Of the first row; -1 where there is none."""
            lines = text.splitlines()
            if not lines[2].endswith("feed://1/0"):
                return -1  # not drawn to its end
            end = lines[1].index(title) + len(title)
            cell = lines[2][:end].split(" ")[-1].replace(",", "")
            return int(cell) if cell else -1

        def is_fed(text):
            feed.store(1)
            return number(text, "EVENTS/S") > 0
        top.until(is_fed, "no rate")
        top.until(lambda text: number(text, "EVENTS/S") == 0 and number(text, "LAG") == 0,
                  "it is never quiet and caught up")

    def test_keys(self):
        for worker, blocks in (1, 2), (2, 9), (3, 5):
            self.worker(worker, blocks)
        top = self.top()
        top.until(lambda text: self.ranks(text) == ["1:0", "2:0", "3:0"], "not by rank")
        top.press("r")
        top.until(lambda text: self.ranks(text) == ["3:0", "2:0", "1:0"] and "RANK^" in text,
                  "not turned")
        top.press("rss")
        top.until(lambda text: self.ranks(text) == ["2:0", "3:0", "1:0"] and "BLOCKS*" in text,
                  "not by blocks")
        top.press("f3:")
        top.until(lambda text: self.ranks(text) == ["3:0"] and "filter: 3:_" in text,
                  "not filtered")
        top.press("\b\b1")
        top.until(lambda text: self.ranks(text) == ["1:0"], "the filter is not mended")
        top.press("\n")
        top.until(lambda text: "q quit" in text and "filter: 1" in text, "the filter is not kept")
        top.press("\x1b")
        top.until(lambda text: len(self.ranks(text)) == 3, "the filter stays")
        top.press("j")
        top.until(lambda text: self.ranks(text) == ["3:0", "1:0"], "not scrolled down")
        top.press("jjjjj")
        top.until(lambda text: self.ranks(text) == ["1:0"], "scrolled too far")
        top.press("k")
        top.until(lambda text: self.ranks(text) == ["3:0", "1:0"], "not scrolled up")
        top.press("p")
        top.until(lambda text: "PAUSED" in text, "not paused")
        top.press("p")
        top.until(lambda text: "PAUSED" not in text, "paused for ever")
        top.press("q")
        self.assertEqual(top.end(), 0)

    def test_another_size(self):
        for worker in range(1, 6):
            self.worker(worker, 1)
        top = self.top(rows=20)
        top.until(lambda text: len(self.ranks(text)) == 5, "not all of them")
        top.resize(6, 60)
        top.until(lambda text: text.splitlines()[-1].startswith("q quit") and
                  self.ranks(text) == ["1:0", "2:0", "3:0"], "not the new size")
        self.assertTrue(all(len(line) <= 60 for line in top.screen.text().splitlines()))
        top.resize(3, 20)
        top.until(lambda text: text.splitlines()[-1].startswith("q quit"), "not a tiny size")
        top.resize(20, 132)
        top.until(lambda text: len(self.ranks(text)) == 5, "not large again")

    def test_it_ends(self):
        self.worker(1, 1)
        for number in signal.SIGTERM, signal.SIGINT:
            top = self.top()
            top.until(lambda text: "1:0" in text, "nothing is shown")
            os.kill(top.process.pid, number)
            self.assertEqual(top.end(), 0)
        top = self.top()
        top.until(lambda text: "1:0" in text, "nothing is shown")
        os.close(top.master)  # the terminal is closed
        self.assertEqual(top.process.wait(PATIENCE_S), 0)
        top.master = os.open("/dev/null", os.O_RDONLY)

    def test_colours(self):
        self.worker(1, 1).kill()
        self.worker(2, 1)
        for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
            top = Terminal([f"{BIN}/ringdex-top", f"--dir={self.dir}", "--every=50ms"],
                           TERM="xterm-256color", **environment)
            top.screen.take = lambda data: None
            top.until(lambda text, t=top: b"live" in t.raw and b"q quit" in t.raw, "nothing")
            top.press("q")
            self.assertEqual(top.end(), 0)
            top.close()
            self.assertEqual(b"[33m" in top.raw or b";33m" in top.raw, coloured, top.raw)
        top = self.top(TERM="dumb")
        top.until(lambda text: "give --batch" in text, "it says nothing")
        self.assertEqual(top.end(), 1)

    def test_names_of_others(self):
        name = "\x1b[31mred\nline"
        self.worker(1, 1, f"--instance={name}")
        top = self.top()
        top.until(lambda text: r"\x1b[31mred\x0aline" in text, "not escaped")
        self.assertNotIn(b"\x1b[31m", top.raw)
        top.press("/RED")
        top.until(lambda text: "filter: RED_" in text and r"\x1b[31mred" in text, "not found")
        self.assertIn(r"\x1b[31mred\x0aline", self.batch())

    def test_batch(self):
        self.worker(1, 3)
        self.indexed("1:0")

        def whole():
            text = self.batch("--times=2")
            return text.splitlines()[1].split()[:3] == ["1:0", "EXACT", "3"] and text
        self.assertEqual(until(whole, "not the row").count("RANK "), 2)
        self.worker(2, 7)
        lines = [json.loads(line) for line in self.batch("--json", "--times=3",
                                                         "--sort=blocks").splitlines()]
        self.assertEqual(len(lines), 3)
        self.assertEqual([row["worker"] for row in lines[2]["ranks"]], ["2", "1"])
        self.assertEqual(lines[2]["ranks"][0]["events_per_second"], 0)
        self.assertEqual([row["worker"] for row in json.loads(self.batch("--json", "2"))["ranks"]],
                         ["2"])
        piped = subprocess.run([f"{BIN}/ringdex-top", f"--dir={self.dir}"], text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, check=False)
        self.assertEqual(piped.returncode, 1)
        self.assertIn("give --batch", piped.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
